"""``edgewright calibrate``: fit a scenario to back ends that answer, or to a decision log."""

from __future__ import annotations

from typing import Any

import click

from edgewright.cli import calibrate_gateway, calibrate_log

LOG = "--log"


class Calibrate(click.Command):
    """Two ways to calibrate under one name; ``--log`` chooses the second one."""

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,
    ) -> click.Context:
        """Return the context of the way that the arguments choose."""
        if not args or "--help" in args:
            return super().make_context(info_name, args, parent, **extra)
        is_log = any(arg == LOG or arg.startswith(f"{LOG}=") for arg in args)
        chosen = calibrate_log.command if is_log else calibrate_gateway.command
        return chosen.make_context(info_name, args, parent, **extra)


def _parameters() -> list[click.Parameter]:
    """Return the parameters of both ways by name, those of the gateway first."""
    both = [*calibrate_gateway.command.params, *calibrate_log.command.params]
    return list({param.name: param for param in reversed(both)}.values())[::-1]


HELP = """Fit a scenario to what was measured, and write a new one.

With GATEWAY.toml it measures work, quality, bytes and the link of the gateway's back ends. With
--log and --scenario it fits the inputs and the physics of a scenario to a decision log."""

command = Calibrate(
    name="calibrate", params=_parameters(), callback=lambda **_: None, help=HELP,
    no_args_is_help=True,
)  # fmt: skip

__all__ = ["command"]
