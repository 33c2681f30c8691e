"""Runs of other programs: recognised, read, checked against their recorded losses, and written."""
