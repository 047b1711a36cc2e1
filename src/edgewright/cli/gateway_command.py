"""``edgewright gateway``: put a policy in front of generation servers."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

import click

from edgewright.cli.options import whole
from edgewright.core.errors import InputError


@click.command(name="gateway")
@click.option("--config", metavar="FILE", required=True, help="The configuration, a TOML file.")
@click.option("--check", is_flag=True, help="Check the configuration and what it names, and exit.")
@click.option(
    "--workers",
    metavar="1",
    help="Run in a process of its own, which SIGUSR2 starts anew after an upgrade; always 1.",
)
@click.pass_context
def command(ctx: click.Context, config: str, check: bool, workers: str | None) -> None:
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
        trial = "" if plan.canary is None else f", canary {plan.canary.policy.label} is on trial"
        who = f"{plan.chooser.label} decides{trial}"
        click.echo(f"{config}: {len(plan.backends)} back ends, {who}")
        return
    if whole(workers, "--workers", 1) is not None:
        _supervised(ctx, Path(config))
        return
    if run(Path(config), _say):
        raise SystemExit(1)


def _supervised(ctx: click.Context, config: Path) -> None:
    """Run the gateway in a worker on a socket that outlives it.

    Raises:
        InputError: the configuration cannot be used, a port cannot be had, or several are asked
            for: a ledger of work that is shared by no process would decide on a part of the truth.
    """
    if ctx.params["workers"] != "1":
        message = f"`--workers` must be 1; got {ctx.params['workers']}"
        hint = (
            "the ledger of work is in one process: run a gateway for each set of back ends behind "
        )
        hint += "a proxy, see Several gateways in docs/guides/gateway.md"
        raise InputError(message, where="--workers", hint=hint)
    from edgewright.cli.workers import given_again, supervise
    from edgewright.gateway.plan import make_plan
    from edgewright.serve.supervisor import STOP_S

    table = make_plan(config).config.gateway
    address = table.host, table.port, table.probe_port
    names = f"{config}: gateway.port", f"{config}: gateway.probe_port"
    check = given_again(ctx, workers=None, check=True)
    stop_s = table.drain_s + table.grace_s + STOP_S
    again = [given_again(ctx, workers=None)]
    if code := supervise(again, check, address, names, _say, stop_s):
        raise SystemExit(code)


def _say(text: str) -> None:
    with contextlib.suppress(OSError):  # to serve is more than to be heard
        click.echo(text, err=True)
