"""``edgewright calibrate``: fit a scenario to what a service measured."""

from edgewright.cli.calibrate_log import command

__all__ = ["command"]
