"""The command line, with one thin file for each command."""
