"""Define the settings of a service."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from edgewright.bundle.interface import OutOfRange
from edgewright.serve.canary import CanaryTest


@dataclasses.dataclass(frozen=True)
class Keep:
    """Define how much of the log is kept, as a number of decisions or of days."""

    decisions: int = 0
    days: int | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Listening:
    """The settings of a server's ports, limits and end, whatever it answers.

    Attributes:
        probe_port: where probes and metrics are answered too; None for no port of their own.
        max_connections: further connections are answered with 503, except for probes.
        client_timeout_s: how long a request may take to arrive, its answer to be read, and an idle
            connection to say something.
        watch_s: how often watched files are looked at; 0 never.
        drain_s: how long all but ``/readyz`` is answered as before after a stop signal.
        grace_s: how long requests may take to finish after a stop signal.
    """

    host: str = "127.0.0.1"
    port: int = 8080
    probe_port: int | None = None
    max_body_bytes: int = 1_000_000
    max_connections: int = 512
    client_timeout_s: float = 10.0
    watch_s: float = 1.0
    drain_s: float = 0.0
    grace_s: float = 10.0


@dataclasses.dataclass(frozen=True)
class Settings(Listening):
    """The settings of a decision service.

    Attributes:
        fallback: name of a rule in the bundle, or a bundle, that decides when the model fails.
        out_of_range: what to do with a number outside the bounds of its field.
        log: the SQLite file of decisions and outcomes; None keeps none.
        log_sync: whether a decision is answered only when it is on the disk, or else with 503.
        log_keep: what is kept of the log; None keeps all.
        token: what clients must bear; None asks for nothing.
        max_batch: a request for more observations is refused.
        log_queue_size: decisions that wait to be written; more are dropped and counted.
        explore: share of decisions that are drawn uniformly over what is allowed, or ``"own"`` for
            the probabilities of the policy; None takes the best action always.
        canary: another bundle that decides a share of requests; None for none.
    """

    bundle: Path
    fallback: str | None = None
    out_of_range: OutOfRange = "clamp"
    log: Path | None = None
    log_sync: bool = False
    log_keep: Keep | None = None
    token: str | None = dataclasses.field(default=None, repr=False)
    max_batch: int = 1024
    log_queue_size: int = 10_000
    explore: float | str | None = None
    canary: CanaryTest | None = None
