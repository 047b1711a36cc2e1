"""``edgewright calibrate``: write a scenario from what was measured."""

from edgewright.cli.calibrate_gateway import command

__all__ = ["command"]
