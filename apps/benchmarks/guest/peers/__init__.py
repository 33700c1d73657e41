"""The peers: each module is the program its users would write, tuned by its own settings."""
