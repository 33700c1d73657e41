"""What every service starts with: settings, logging, health, metrics and systemd's protocols."""
