"""``edgewright gateway``: put a policy in front of generation servers."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

import click


@click.command(name="gateway")
@click.option("--config", metavar="FILE", required=True, help="The configuration, a TOML file.")
@click.option("--check", is_flag=True, help="Check the configuration and what it names, and exit.")
def command(config: str, check: bool) -> None:
    """Answer OpenAI's requests for images, and decide where and how well each is made.

    SIGHUP, or a changed file, lets a new configuration take over without losing a request, once it
    has passed the checks.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # a back end is one core, if it is paced
    with contextlib.suppress(ValueError, AttributeError):
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    from edgewright.gateway.server import run

    if check:
        from edgewright.gateway.plan import make_plan

        plan = make_plan(Path(config))
        click.echo(f"{config}: {len(plan.backends)} back ends, {plan.chooser.label} decides")
        return
    if run(Path(config), _say):
        raise SystemExit(1)


def _say(text: str) -> None:
    with contextlib.suppress(OSError):  # to serve is more than to be heard
        click.echo(text, err=True)
