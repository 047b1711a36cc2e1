"""Build the commands that are printed for the user, from the options of the present one."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

import click
from click.core import ParameterSource


def command_line(*words: str, overrides: Sequence[str] = (), episodes: int | None = None) -> str:
    """Return a command that works where the present one did, quoted for a shell.

    Plug-ins and a folder of recordings that were named on the command line are named again.

    Args:
        words: the command, its arguments and options, e.g. ``("compare", scenario)``.
        overrides: values of ``--set``.
        episodes: number of evaluation episodes, where one was asked for.
    """
    context = click.get_current_context()
    root = context.find_root()
    before = _named(root, "plugins") and [
        word for name in root.params["plugins"] for word in ("--plugin", name)
    ]
    after = [word for text in overrides for word in ("--set", text)]
    if _named(context, "data"):
        after += ["--data", context.params["data"]]
    if episodes is not None:
        after += ["--episodes", str(episodes)]
    return shlex.join(["edgewright", *(before or []), *words, *after])


def _named(context: click.Context, parameter: str) -> bool:
    return context.get_parameter_source(parameter) is ParameterSource.COMMANDLINE


__all__ = ["command_line"]
