"""``edgewright serve``: a bundle behind HTTP."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

import click

from edgewright.cli.options import whole
from edgewright.core.errors import InputError

TOKEN = "EDGEWRIGHT_TOKEN"


@click.command(name="serve")
@click.argument("bundle")
@click.option("--host", default="127.0.0.1", show_default=True, help="Where to listen.")
@click.option(
    "--port", default="8080", show_default=True, help="Where to listen; 0 is any free one."
)
@click.option(
    "--log", metavar="FILE", help="SQLite file of decisions and outcomes; none if absent."
)
@click.option(
    "--fallback", metavar="RULE", help="Rule of the bundle, or a bundle, for when the model fails."
)
@click.option(
    "--beyond",
    type=click.Choice(["clamp", "refuse"]),
    default="clamp",
    show_default=True,
    help="What to do with a number outside the trained range.",
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
    "--max-queue", default="10000", show_default=True, help="Most rows that wait for the log."
)
@click.option("--patience", default="10", show_default=True, help="Seconds to wait for a client.")
@click.option(
    "--drain",
    default="0",
    show_default=True,
    help="Seconds to go on when told to stop, while /readyz says 503.",
)
def command(
    bundle: str, host: str, port: str, log: str | None, fallback: str | None, beyond: str,
    token_file: str | None, max_body: str, max_batch: str, max_connections: str, max_queue: str,
    patience: str, drain: str,
) -> None:  # fmt: skip
    """Decide with BUNDLE over HTTP until told to stop.

    SIGHUP, or a new file in the place of BUNDLE, lets the new one take over without losing a
    request, once it has passed the checks.
    """
    numbers = {
        "port": whole(port, "--port", 0) or 0,
        "max_body_bytes": whole(max_body, "--max-body", 1) or 1,
        "max_batch": whole(max_batch, "--max-batch", 1) or 1,
        "max_connections": whole(max_connections, "--max-connections", 1) or 1,
        "log_queue": whole(max_queue, "--max-queue", 1) or 1,
    }
    waiting, draining = whole(patience, "--patience", 1) or 1, whole(drain, "--drain", 0) or 0
    token = _token(token_file)
    with contextlib.suppress(ValueError, AttributeError):  # a bundle not yet read is the new one
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    from edgewright.serve.server import run
    from edgewright.serve.settings import Settings

    settings = Settings(
        bundle=Path(bundle),
        host=host,
        fallback=fallback,
        beyond="refuse" if beyond == "refuse" else "clamp",
        log=Path(log) if log else None,
        token=token,
        patience_s=float(waiting),
        drain_s=float(draining),
        **numbers,
    )
    if token is None and host not in ("127.0.0.1", "::1", "localhost"):
        click.echo(f"warning: {host} is no loopback address and no token is asked for", err=True)
    run(settings, _say)


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
            token = Path(file).read_text().strip()
        except (OSError, UnicodeDecodeError):
            raise InputError("the file cannot be read", where=where, hint="see the path") from None
    if token is None:
        return None
    if not token.isascii() or not token.isprintable() or " " in token or len(token) < 8:
        message = "the token is not at least 8 printable characters without spaces"
        raise InputError(message, where=where, hint="e.g. openssl rand -hex 32")
    return token
