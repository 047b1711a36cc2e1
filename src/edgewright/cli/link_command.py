"""``edgewright link``: delay connections as a link of recorded bandwidth would."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgewright.cli.options import json_option
from edgewright.core.errors import InputError

if TYPE_CHECKING:
    from edgewright.testbed.rate import Rate


@click.command(name="link")
@click.option(
    "--lead",
    multiple=True,
    required=True,
    metavar="PORT=HOST:PORT",
    help="A port to listen on and where its connections go; repeatable, all share the link.",
)
@click.option("--down", default="100", show_default=True, metavar="MBPS|FILE", help="From servers.")
@click.option("--up", metavar="MBPS|FILE", help="Towards servers; default: as --down.")
@click.option("--mean-mbps", type=float, help="Scale recordings to this mean.")
@click.option("--low-mbps", type=float, default=0.0, help="Least rate of a recording.")
@click.option("--delay-ms", type=float, default=0.0, show_default=True, help="Of each direction.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@json_option
def command(
    lead: tuple[str, ...],
    down: str,
    up: str | None,
    mean_mbps: float | None,
    low_mbps: float,
    delay_ms: float,
    host: str,
    as_json: bool,
) -> None:
    """Lead connections over a link, until it is stopped.

    A bandwidth is a number, or a recording in any format that scenarios read, which is repeated
    after its end. The line "restart" on standard input lets recordings begin again.
    """
    from edgewright.testbed.link_process import LinkSettings, run

    for name, value in (("--mean-mbps", mean_mbps), ("--delay-ms", delay_ms)):
        if value is not None and not 0.0 <= value < 1e6:
            message = f"`{name}` must be a number from 0 to 1e6; got {value:g}"
            raise InputError(message, where=name, hint="leave the option out for its default")
    scaled = mean_mbps, low_mbps
    two = _rate(down, "--down", *scaled)
    one = _rate(up, "--up", *scaled) if up else two
    settings = LinkSettings(one, two, 1e-3 * delay_ms, [_ports(text, host) for text in lead])

    def on_line(facts: dict[str, Any]) -> None:
        if as_json:
            click.echo(
                json.dumps({**facts, "mean_mbps": {"up": one.mean_mbps, "down": two.mean_mbps}})
            )
        elif listening := facts.get("listening"):
            for text, address in zip(lead, listening, strict=True):
                click.echo(f"{address} -> {text.partition('=')[2]}", err=True)

    run(settings, on_line)


def _rate(text: str, option: str, mean_mbps: float | None, low_mbps: float) -> Rate:
    from edgewright.testbed import rate

    try:
        number = float(text)
    except ValueError:
        return rate.recorded(Path(text), mean_mbps, low_mbps)[0]
    if not 0.0 < number < 1e6:
        message = f"`{option}` must be a number above 0 and below 1e6; got {text}"
        raise InputError(message, where=option, hint="give Mbit/s, or name a recording")
    return rate.constant(number)


def _ports(text: str, host: str) -> Any:
    """Return the ports of ``PORT=HOST:PORT``."""
    from edgewright.testbed.link import Ports

    listen, _, to = text.partition("=")
    target, _, port = to.rpartition(":")
    if not (listen.isdigit() and port.isdigit() and target and int(listen) < 65536 > int(port)):
        message = f"`--lead` must be PORT=HOST:PORT; got {text}"
        raise InputError(message, where="--lead", hint="e.g. --lead 9001=127.0.0.1:8001")
    return Ports((host, int(listen)), (target, int(port)))
