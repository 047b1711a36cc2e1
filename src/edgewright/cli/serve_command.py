"""``edgewright serve``: a bundle behind HTTP."""

from __future__ import annotations

import contextlib
import math
import os
import signal
from pathlib import Path
from typing import Any

import click

from edgewright.cli.options import real, whole
from edgewright.core.errors import InputError
from edgewright.serve.canary import MAX_SHARE, CanaryTest
from edgewright.serve.settings import Keep, Settings

TOKEN = "EDGEWRIGHT_TOKEN"
MAX_WORKERS = 256

CANARY_OPTIONS = {
    "share": "--canary-share",
    "error": "--canary-error",
    "margin": "--canary-margin",
    "rewards": "--canary-rewards",
}
"""Options that say how a canary is compared."""


@click.command(name="serve")
@click.argument("bundle")
@click.option("--host", default="127.0.0.1", show_default=True, help="Where to listen.")
@click.option(
    "--port", default="8080", show_default=True, help="Where to listen; 0 is any free one."
)
@click.option(
    "--probe-port", metavar="N", help="Another port for /healthz, /readyz and /metrics; 0 is any."
)
@click.option(
    "--log", metavar="FILE", help="SQLite file of decisions and outcomes; none if absent."
)
@click.option(
    "--log-sync", is_flag=True, help="Answer a decision only when it is on the disk, or with 503."
)
@click.option(
    "--log-keep",
    metavar="N|Nd",
    help="Keep N decisions of the log, or those of N days (30d); all if absent.",
)
@click.option(
    "--fallback", metavar="RULE", help="Rule of the bundle, or a bundle, for when the model fails."
)
@click.option(
    "--explore",
    metavar="SHARE|own",
    help="Draw this share of decisions uniformly over what is allowed, or all by the policy's own "
    "probabilities; their probability is answered and logged.",
)
@click.option("--canary", metavar="BUNDLE", help="Another bundle that decides some requests.")
@click.option(
    "--canary-share", show_default="0.05", metavar="SHARE", help="Share of requests it decides."
)
@click.option(
    "--canary-error",
    show_default="0.05",
    metavar="X",
    help="Probability that it is promoted or withdrawn wrongly, however long it runs.",
)
@click.option(
    "--canary-margin",
    show_default="0",
    metavar="X",
    help="Loss of mean reward at which it is promoted all the same.",
)
@click.option(
    "--canary-rewards",
    metavar="LOW:HIGH",
    help="Least and largest reward that count; others are cut to them. Else the range of those "
    "before.",
)
@click.option(
    "--out-of-range",
    type=click.Choice(["clamp", "refuse"]),
    default="clamp",
    show_default=True,
    help="What to do with a number outside the bounds of its field.",
)
@click.option(
    "--token-file",
    metavar="FILE",
    help=f"File with the token that clients must bear; else the variable {TOKEN}.",
)
@click.option("--max-body", default="1e6", show_default=True, help="Largest body in bytes.")
@click.option("--max-batch", default="1024", show_default=True, help="Most observations at once.")
@click.option("--max-connections", default="512", show_default=True, help="Most connections.")
@click.option(
    "--log-queue-size", default="10000", show_default=True, help="Most rows that wait for the log."
)
@click.option(
    "--client-timeout", default="10", show_default=True, help="Seconds to wait for a client."
)
@click.option(
    "--drain",
    default="0",
    show_default=True,
    help="Seconds to go on after a stop signal, while /readyz says 503.",
)
@click.option(
    "--workers",
    metavar="N",
    help="Decide in N processes on one port; only 1 with a log. SIGUSR2 starts them anew, after an "
    "upgrade.",
)
@click.option("--check", is_flag=True, help="Check the options and the bundle, and exit.")
@click.pass_context
def command(ctx: click.Context, bundle: str, **options: Any) -> None:
    """Decide with BUNDLE over HTTP until a stop signal arrives.

    SIGHUP, or a new file in the place of BUNDLE, lets the new one take over without losing a
    request, once it has passed the checks.
    """
    settings = _settings(bundle, options)
    workers = whole(options["workers"], "--workers", 1, MAX_WORKERS)
    _check_alone(settings, workers or 1)
    if options["check"]:
        from edgewright.serve.decider import prepare, prepare_canary

        running = prepare(settings)
        prepare_canary(settings, running)
        click.echo(f"{bundle}: {running.bundle.version} can be served")
        return
    if workers is not None:
        _supervised(ctx, settings, workers)
        return
    with contextlib.suppress(ValueError, AttributeError):  # a bundle not yet read is the new one
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    from edgewright.serve.server import run

    if settings.token is None and not _is_local(settings.host):
        message = f"warning: {settings.host} is reachable from outside, and no token is set"
        click.echo(message, err=True)
    if run(settings, _say):
        raise SystemExit(1)


def _supervised(ctx: click.Context, settings: Settings, workers: int) -> None:
    """Serve with several processes, each with probes of its own.

    Raises:
        InputError: the bundle or another file cannot be used, or a port cannot be had.
    """
    from edgewright.cli.workers import given_again, supervise
    from edgewright.serve.decider import prepare, prepare_canary
    from edgewright.serve.supervisor import STOP_S

    prepare_canary(settings, prepare(settings))
    commands = [given_again(ctx, workers=None)] * workers
    address = settings.host, settings.port, settings.probe_port
    check = given_again(ctx, workers=None, check=True)
    ports, stop_s = ("--port", "--probe-port"), settings.drain_s + STOP_S
    if code := supervise(commands, check, address, ports, _say, stop_s):
        raise SystemExit(code)


def _check_alone(settings: Settings, workers: int) -> None:
    """Refuse several processes where one has to know all decisions and their outcomes.

    An outcome reaches any of the processes, and only the one that decided could record it.

    Raises:
        InputError: there are several, and a canary or a log.
    """
    if workers == 1 or settings.log is None:  # a canary needs a log
        return
    where = "--log" if settings.canary is None else "--canary"
    message = f"needs one process, which records all outcomes; got --workers {workers}"
    raise InputError(message, where=where, hint="leave --workers out, or give --workers 1")


def _is_local(host: str) -> bool:
    """Return whether only this machine reaches an address."""
    return host in ("127.0.0.1", "::1", "localhost") or host.startswith("unix:")


def _settings(bundle: str, options: dict[str, Any]) -> Settings:
    """Return the checked settings of the service.

    Raises:
        InputError: a number is wrong, an option says nothing, or the token cannot be read or sent.
    """
    for name in ("log_sync", "log_keep", "canary"):
        if options[name] and not options["log"]:
            option = "--" + name.replace("_", "-")
            message = "needs a log; none is kept"
            raise InputError(message, where=option, hint="add --log FILE")

    from edgewright.serve.explore import read_explore

    def number(name: str, least: int) -> int:
        option = "--" + name.replace("_", "-")
        return whole(options[name], option, least) or least

    return Settings(
        bundle=Path(bundle),
        host=options["host"],
        port=number("port", 0),
        probe_port=whole(options["probe_port"], "--probe-port", 0),
        fallback=options["fallback"],
        out_of_range="refuse" if options["out_of_range"] == "refuse" else "clamp",
        log=Path(options["log"]) if options["log"] else None,
        log_sync=options["log_sync"],
        log_keep=_keep(options["log_keep"]),
        token=_token(options["token_file"]),
        max_body_bytes=number("max_body", 1),
        max_batch=number("max_batch", 1),
        max_connections=number("max_connections", 1),
        log_queue_size=number("log_queue_size", 1),
        explore=read_explore(options["explore"]),
        canary=_canary(options),
        client_timeout_s=float(number("client_timeout", 1)),
        drain_s=float(number("drain", 0)),
    )


def _canary(options: dict[str, Any]) -> CanaryTest | None:
    """Return the settings of the canary; None without one.

    Raises:
        InputError: a share, an error, a margin or the range of rewards is wrong, or there is no
            canary that they could be of.
    """
    given = {name: options[f"canary_{name}"] for name in CANARY_OPTIONS}
    given = {name: text for name, text in given.items() if text is not None}
    if options["canary"] is None:
        for name in given:
            message = "needs a canary; none is named"
            raise InputError(message, where=CANARY_OPTIONS[name], hint="add --canary BUNDLE")
        return None
    rewards = _rewards(given.pop("rewards", None), CANARY_OPTIONS["rewards"])
    numbers = {name: _limited(name, text) for name, text in given.items()}
    return CanaryTest(Path(options["canary"]), **numbers, rewards=rewards)


def _limited(name: str, text: str) -> float:
    """Return a number of the comparison that is within its bounds.

    Raises:
        InputError: it is not.
    """
    high = {"share": MAX_SHARE, "error": 0.5, "margin": 1e9}[name]
    option, least = CANARY_OPTIONS[name], "at least" if name == "margin" else "above"
    number = real(text, option)
    if 0.0 < number <= high or (name == "margin" and number == 0.0):
        return number
    message = f"must be {least} 0 and at most {high:g}; got {number:g}"
    raise InputError(message, where=option, hint="leave it out for the usual value")


def _rewards(text: str | None, option: str) -> tuple[float, float] | None:
    """Return the least and the largest reward of ``LOW:HIGH``; None without a text.

    Raises:
        InputError: it is not two finite numbers, the lower one first.
    """
    if text is None:
        return None
    parts = [real(part, option) for part in text.split(":")]
    if len(parts) == 2 and all(map(math.isfinite, parts)) and parts[0] < parts[1]:
        return parts[0], parts[1]
    message = f"must be two numbers LOW:HIGH, the lower one first; got '{text}'"
    raise InputError(message, where=option, hint="e.g. -10:1, or leave it out")


def _keep(text: str | None) -> Keep | None:
    """Return what is kept of the log: ``1e6`` decisions, or ``30d``.

    Raises:
        InputError: it is neither a positive whole number nor one with a ``d``.
    """
    if text is None:
        return None
    if text.endswith("d"):
        return Keep(days=whole(text[:-1], "--log-keep", 1))
    return Keep(decisions=whole(text, "--log-keep", 1) or 1)


def _say(text: str) -> None:
    with contextlib.suppress(OSError):  # to serve is more than to be heard
        click.echo(text, err=True)


def _token(file: str | None) -> str | None:
    """Return the token of a file or of the environment.

    Raises:
        InputError: the file cannot be read, or the token cannot be sent in a header.
    """
    token, where = os.environ.get(TOKEN), TOKEN
    if file is not None:
        where = "--token-file"
        try:
            token = Path(file).read_text(encoding="utf-8").strip()
        except (OSError, ValueError) as error:  # ValueError: no UTF-8, or a null byte in the path
            reason = getattr(error, "strerror", None) or "it is not a text in UTF-8"
            hint = "name a file that you may read: openssl rand -hex 32 > FILE makes one"
            message = f"'{file}' cannot be read: {reason}"
            raise InputError(message, where=where, hint=hint) from None
    if token is None:
        return None
    if not token.isascii() or not token.isprintable() or " " in token or len(token) < 8:
        message = "the token is not at least 8 printable characters without spaces"
        raise InputError(message, where=where, hint="e.g. openssl rand -hex 32")
    return token
