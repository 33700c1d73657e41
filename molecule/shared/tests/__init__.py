"""Tests on the hosts of a deployed platform, for the demo's lab and for Molecule alike."""
