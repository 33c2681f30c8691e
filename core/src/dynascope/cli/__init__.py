"""The command line. Commands import what they need when they run: ``--help`` answers at once."""

from __future__ import annotations

from dynascope.cli.app import main

__all__ = ["main"]
