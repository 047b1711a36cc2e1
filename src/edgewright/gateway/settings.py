"""Define the settings of a gateway, one record for each table of ``gateway.toml``."""

from __future__ import annotations

import dataclasses
from typing import Any

MISSING: Any = dataclasses.MISSING


def entry(about: str, default: Any = MISSING, **rules: Any) -> Any:
    """Return a field of a table.

    Args:
        about: what it is, for the documentation.
        default: left out, the key is required; a type stands for what it makes.
        rules: ``low``, ``high``, ``above`` of numbers, ``choices`` of texts.
    """
    metadata = {"about": about, **rules}
    if isinstance(default, type):
        return dataclasses.field(default_factory=default, metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


@dataclasses.dataclass(frozen=True)
class GatewayTable:
    """The address of the gateway, and limits of requests."""

    host: str = entry("address to listen on; unix:/path is a socket", "127.0.0.1")
    port: int = entry("port; 0 for any that is free", 8080, low=0, high=65535)
    probe_port: int | None = entry("a port of its own for probes and metrics", None, low=0)
    receipt: str = entry("where receipts are sent", "both", choices=("both", "headers"))
    max_body_bytes: int = entry("larger requests are refused", 20_000_000, low=1)
    max_prompt_chars: int = entry("longer prompts are refused", 32_000, low=1)
    max_pixels: int = entry("images with more pixels, all together, are refused", 2_400_000, low=64)
    default_size: str = entry("size of an image where none is asked for", "256x256")
    max_connections: int = entry("more are answered with 503", 512, low=1)
    client_timeout_s: float = entry("how long a client may take to send or read", 30.0, above=0.0)
    drain_s: float = entry("time to go on after a stop signal", 0.0, low=0.0)
    grace_s: float = entry("time to finish requests after it", 30.0, above=0.0)
    watch_s: float = entry("how often the file is looked at; 0 never", 1.0, low=0.0)
    keepalive_s: float = entry("a comment in streams this often", 10.0, above=0.0)


@dataclasses.dataclass(frozen=True)
class PolicyTable:
    """The policy that decides, and those beside it."""

    bundle: str | None = entry("file of the policy; left out, the rule decides", None)
    fallback: str = entry("rule where the policy cannot decide", "least-delay")
    shadow: tuple[str, ...] = entry("rules or bundles that decide beside it, without effect", ())
    explore: float = entry(
        "share of decisions drawn uniformly over what is allowed; the log has their propensities",
        0.0,
        low=0.0,
        high=0.5,
    )
    on_late: str = entry("where no choice meets a deadline", "degrade", choices=("degrade", "shed"))
    target_ms: float = entry("delay that the rule `cascade` keeps", 1000.0, above=0.0)
    shares: tuple[tuple[float, ...], ...] = entry(
        "weights of the rule `shares`: for each location one for each level", ()
    )


@dataclasses.dataclass(frozen=True)
class QualityTable:
    """The quality levels, lowest first."""

    levels: tuple[str, ...] = entry("names of the levels", ("draft", "standard", "fine"))
    scores: tuple[float, ...] = entry(
        "measured quality of each level, for receipts and as reward in the log", ()
    )
    map: dict[str, int] = entry("level of each literal that is not mapped as usual", dict)


@dataclasses.dataclass(frozen=True)
class BackendTable:
    """A generator."""

    name: str = entry("its name, also a model name")
    kind: str = entry("what it is", choices=("digits", "render", "text", "upstream"))
    location: int = entry("location of the policy; 0 is the device", low=0)
    speed: float = entry("share of this machine's core; 1 is not paced", 1.0, above=0.0, high=1.0)
    queue: int = entry("requests that may wait", 32, low=0)
    link: str | None = entry("name of the link to it", None)
    power_w: float = entry("power while it works", 0.0, low=0.0)
    steps: tuple[int, ...] = entry("digits: denoising steps of each level", (), low=1, high=1000)
    samples: tuple[int, ...] = entry(
        "render: samples of each pixel at each level", (), low=1, high=65536
    )
    denoise: bool = entry("render: remove the noise of each image with a neural network", True)
    candidates: tuple[int, ...] = entry(
        "text: texts of each level, of which the likeliest is sent", (), low=1, high=1000
    )
    step_ms: float | None = entry(
        "digits: time of a step on a sheet of 256x256; render: of a sample of such an image; text: "
        "of a candidate; left out, measured at the start",
        None,
        above=0.0,
    )
    modality: str = entry("upstream: what it makes", "image", choices=("image", "chat"))
    url: str | None = entry("upstream: address with /v1", None)
    model: str | None = entry("upstream: model name that is sent", None)
    levels: tuple[dict[str, Any], ...] = entry("upstream: request fields of each level", ())
    seconds: tuple[float, ...] = entry(
        "upstream: time of each level, for 256x256 or one completion",
        (),
        above=0.0,
    )
    api_key_env: str | None = entry(
        "upstream: environment variable of its key, which must be set", None
    )
    connect_timeout_s: float = entry("upstream: time to connect", 2.0, above=0.0)
    read_timeout_s: float = entry("upstream: time without a byte", 600.0, above=0.0)


@dataclasses.dataclass(frozen=True)
class LinkTable:
    """A network path that several back ends may share."""

    name: str = entry("its name")
    initial_mbps: float = entry("bandwidth until a transfer was measured", 100.0, above=0.0)
    delay_ms: float = entry("one-way delay", 0.0, low=0.0)


@dataclasses.dataclass(frozen=True)
class SignalsTable:
    """Signals that a policy sees besides the request."""

    bandwidth_max_age_s: float = entry("older measurements are stale", 10.0, above=0.0)
    stale: str = entry(
        "what stands in for a stale bandwidth; masked back ends are tried again later",
        "pessimistic",
        choices=("pessimistic", "last", "mask"),
    )
    charge_pct: float = entry("battery where no client states it", 100.0, low=0.0, high=100.0)
    mode: str = entry("mode where no client states it", "balanced")
    fixed: dict[str, float] = entry("values of fields that are not measured here", dict)


@dataclasses.dataclass(frozen=True)
class BreakerTable:
    """The conditions under which a back end is left alone."""

    failures: int = entry("answers with 5xx in a row", 3, low=1)
    cooldown_s: float = entry("time until one request probes it", 5.0, above=0.0)
    cooldown_max_s: float = entry("the time doubles up to this", 120.0, above=0.0)


@dataclasses.dataclass(frozen=True)
class KeyTable:
    """A client's key."""

    sha256: str = entry("hash of the key: printf %s KEY | sha256sum")
    name: str = entry("who it is, in metrics; several keys may share it", "client")
    mode: str | None = entry("mode of its requests", None)
    charge_pct: float | None = entry("battery of its device", None, low=0.0, high=100.0)
    rpm: int | None = entry("requests a minute", None, low=1)
    in_flight: int | None = entry("requests at once", None, low=1)


@dataclasses.dataclass(frozen=True)
class LogTable:
    """The log of decisions, and receipts."""

    path: str | None = entry("SQLite file of decisions and outcomes", None)
    keep_days: int = entry("older rows are deleted", 30, low=1)
    receipts: int = entry("receipts that are kept in memory", 10_000, low=1)
    access: str = entry(
        "a line on stderr for each request, and the form of all lines",
        "none",
        choices=("none", "text", "json"),
    )
    prompts: str = entry("what is kept of prompts", "none", choices=("none", "hash"))


@dataclasses.dataclass(frozen=True)
class BlocksTable:
    """A randomised comparison, in which the whole gateway uses one arm for a while."""

    arms: dict[str, str] = entry('rules or "policy", by names such as a1, a2, b')
    seconds: float = entry("length of a block", 60.0, above=0.0)
    seed: int = entry("of the order", 0, low=0)


@dataclasses.dataclass(frozen=True)
class CanaryTable:
    """Another bundle that decides a share of requests, until it is promoted or withdrawn."""

    bundle: str = entry("file of the canary; it takes the place of `policy.bundle` or leaves")
    share: float = entry("share of requests that it decides", 0.05, above=0.0, high=0.5)
    error: float = entry(
        "probability of a wrong result, however long it runs", 0.05, above=0.0, high=0.5
    )
    margin: float = entry("loss of mean reward at which it is promoted all the same", 0.0, low=0.0)
    rewards: tuple[float, ...] = entry(
        "least and largest reward that count, others are cut to them; else the range of those "
        "before",
        (),
    )


@dataclasses.dataclass(frozen=True)
class Config:
    """All of ``gateway.toml``."""

    backend: tuple[BackendTable, ...] = entry("generators, at least one")
    gateway: GatewayTable = entry("where it listens", GatewayTable)
    policy: PolicyTable = entry("who decides", PolicyTable)
    quality: QualityTable = entry("levels", QualityTable)
    aliases: dict[str, str] = entry("model names and the back end they mean, or auto", dict)
    link: tuple[LinkTable, ...] = entry("network paths", ())
    signals: SignalsTable = entry("signals", SignalsTable)
    breaker: BreakerTable = entry("breakers", BreakerTable)
    key: tuple[KeyTable, ...] = entry("keys of clients; none asks for nothing", ())
    log: LogTable = entry("decision log", LogTable)
    blocks: BlocksTable | None = entry("randomised comparison", None)
    canary: CanaryTable | None = entry("a bundle on trial", None)
