"""``python -m edgewright`` is the command line."""

from edgewright.cli.main import main

main()
