"""``python -m dynascope``."""

from dynascope.cli import main

main()
