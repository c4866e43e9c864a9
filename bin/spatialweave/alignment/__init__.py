"""Sections laid onto each other, and their spots matched."""
