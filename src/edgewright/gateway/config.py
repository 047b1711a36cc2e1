"""Load ``gateway.toml`` and check that its parts agree."""

from __future__ import annotations

import hashlib
import os
import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path

from edgewright.core.errors import InputError, nearest
from edgewright.gateway.environment import overlaid, variables
from edgewright.gateway.literals import FREE
from edgewright.gateway.rules import NAMES, SHARES
from edgewright.gateway.settings import BackendTable, Config
from edgewright.gateway.tables import read

AUTO = "auto"
MULTIPLE = 8
"""Sides of images are multiples of it."""

SHEET = 256
"""Side in pixels of the image that times of steps refer to."""

UNITS = {
    "digits": ("steps", "[2, 4, 8]"),
    "render": ("samples", "[1, 4, 16]"),
    "text": ("candidates", "[1, 4, 16]"),
}
"""The key that says how much work each level is, by kind of a back end, and an example."""

_SIZE = re.compile(r"([1-9]\d{0,4})x([1-9]\d{0,4})")
_SHA256 = re.compile(r"[0-9a-f]{64}")


def load(path: Path) -> tuple[Config, str]:
    """Return the settings in a file, and the first 12 digits of its hash.

    Variables of the environment go before it and are part of what is hashed.

    Raises:
        InputError: the file cannot be read, or something in it is wrong.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        hint = "name a TOML file; docs/guides/gateway.md has one to begin with"
        reason = error.strerror or str(error)
        raise InputError(f"cannot be read: {reason}", where=str(path), hint=hint) from None
    try:
        table = tomllib.loads(content.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        hint = "check quotes and brackets at that line"
        raise InputError(f"must be TOML: {error}", where=str(path), hint=hint) from None
    given = overlaid(table, os.environ)
    try:
        config = read(Config, table, str(path))
        _check(config, str(path))
    except InputError as error:
        if named := _variable(error.where, given):
            raise InputError(error.message, where=named, hint=error.hint) from None
        raise
    if given:
        content += repr(sorted(given.items())).encode()
    return config, hashlib.sha256(content).hexdigest()[:12]


def _variable(where: str, given: Mapping[str, str]) -> str | None:
    """Return the variable whose value stands at a place of the file, if there is one."""
    known = variables()
    keys = {".".join(known[name]): name for name in given}
    return next((name for key, name in keys.items() if f": {key}" in where), None)


def parse_size(text: str) -> tuple[int, int] | None:
    """Return width and height of a size such as ``256x256``; None where it is not one."""
    match = _SIZE.fullmatch(text)
    return (int(match[1]), int(match[2])) if match else None


def _check(config: Config, file: str) -> None:
    """Refuse parts that do not agree with one another.

    Raises:
        InputError: the first of them.
    """
    if not config.backend:
        raise _error(file, "backend", "must name at least one back end", "add [[backend]]")
    _unique(file, "backend", [one.name for one in config.backend])
    named = [(f"backend[{n}].name", one.name) for n, one in enumerate(config.backend)]
    named += [(f"quality.levels[{n}]", one) for n, one in enumerate(config.quality.levels)]
    for path, name in named:
        if not name or not name.isascii() or not name.isprintable():
            message = f"must be printable ASCII, as headers carry it; got {name!r}"
            raise _error(file, path, message, "e.g. edge-1")
    _unique(file, "link", [one.name for one in config.link])
    for number, one in enumerate(config.backend):
        _check_backend(config, one, file, f"backend[{number}]")
    names = [one.name for one in config.backend]
    for alias, target in config.aliases.items():
        if target != AUTO:
            _known(file, f"aliases.{alias}", target, names)
    for number, one in enumerate(config.key):
        if not _SHA256.fullmatch(one.sha256):
            hint = "printf %s KEY | sha256sum prints it"
            message = f"must be 64 digits of a SHA-256; got '{one.sha256[:12]}'"
            raise _error(file, f"key[{number}].sha256", message, hint)
    _unique(file, "key", [one.sha256 for one in config.key], "sha256")
    _check_quality(config, file)
    _check_policy(config, file)
    size = parse_size(config.gateway.default_size)
    if size is None or any(side % MULTIPLE for side in size):
        message = f"must be a size such as 256x256; got '{config.gateway.default_size}'"
        hint = f"write WIDTHxHEIGHT in pixels, multiples of {MULTIPLE}"
        raise _error(file, "gateway.default_size", message, hint)


def _check_backend(config: Config, one: BackendTable, file: str, path: str) -> None:
    levels = len(config.quality.levels)
    if one.link is not None:
        _known(file, f"{path}.link", one.link, [link.name for link in config.link])
    if one.kind in ("digits", "render") and one.modality != "image":
        message = f"must be image for {one.kind}; got '{one.modality}'"
        raise _error(file, f"{path}.modality", message, "only an upstream can chat")
    if one.kind in UNITS:
        key, example = UNITS[one.kind]
        units = getattr(one, key)
        _of_levels(file, f"{path}.{key}", len(units), levels)
        if list(units) != sorted(set(units)):
            message = f"must grow from level to level; got {list(units)}"
            raise _error(file, f"{path}.{key}", message, f"e.g. {key} = {example}")
        return
    if not (one.url or "").startswith(("http://", "https://")):
        message = f"must be an address; got {one.url!r}"
        raise _error(file, f"{path}.url", message, 'e.g. url = "http://gpu:8000/v1"')
    if one.api_key_env is not None:
        _check_secret(one.api_key_env, file, f"{path}.api_key_env")
    _of_levels(file, f"{path}.levels", len(one.levels), levels)
    _of_levels(file, f"{path}.seconds", len(one.seconds), levels)
    if one.speed != 1.0:
        message = f"must be 1 for an upstream; got {one.speed:g}"
        raise _error(
            file,
            f"{path}.speed",
            message,
            "only a back end in this process can be paced; leave speed out",
        )


def _check_secret(name: str, file: str, path: str) -> None:
    """Refuse the name of a variable that holds no key, without showing what it holds."""
    value = os.environ.get(name, "")
    if not value:
        message = f"must name a variable with a key in it; {name or 'it'} is not set"
        raise _error(file, path, message, f"export {name or 'NAME'}=KEY before the start")
    if not value.isascii() or not value.isprintable():
        message = f"must name a key that a header can carry; {name} holds other characters"
        raise _error(file, path, message, "a line break at its end is a usual cause")


def _check_quality(config: Config, file: str) -> None:
    levels = len(config.quality.levels)
    if not levels:
        raise _error(file, "quality.levels", "must name a level", 'e.g. levels = ["only"]')
    if config.quality.scores:
        _of_levels(file, "quality.scores", len(config.quality.scores), levels)
    names = config.quality.levels
    for number, name in enumerate(names):
        path = f"quality.levels[{number}]"
        if name == FREE:
            message = f"must not be '{FREE}', which leaves the level to the policy"
            raise _error(file, path, message, 'e.g. levels = ["draft", "standard", "fine"]')
        if name in names[:number]:
            message = f"'{name}' is there twice, also in quality.levels[{names.index(name)}]"
            raise _error(file, path, message, "give each its own")
    for literal, level in config.quality.map.items():
        if literal == FREE:
            message = f"must not be mapped: '{FREE}' leaves the level to the policy"
            raise _error(file, f"quality.map.{literal}", message, "remove the line")
        if not 0 <= level < levels:
            message = f"must be a level from 0 to {levels - 1}; got {level}"
            raise _error(file, f"quality.map.{literal}", message, "levels are counted from 0")
        if literal in names and names.index(literal) != level:
            message = f"must be {names.index(literal)}, the level of that name; got {level}"
            raise _error(
                file, f"quality.map.{literal}", message, "rename the level, or the literal"
            )


def _check_policy(config: Config, file: str) -> None:
    _check_shares(config, file)
    _known(file, "policy.fallback", config.policy.fallback, NAMES)
    for number, name in enumerate(config.policy.shadow):
        if not name.endswith(".edge"):
            _known(file, f"policy.shadow[{number}]", name, NAMES)
    if config.canary is not None:
        _check_canary(config, file)
    if config.blocks is not None:
        if len(config.blocks.arms) < 2:
            message = f"must hold two arms or more; got {len(config.blocks.arms)}"
            raise _error(file, "blocks.arms", message, 'e.g. arms = { a = "policy", b = "local" }')
        for arm, name in config.blocks.arms.items():
            _known(file, f"blocks.arms.{arm}", name, ["policy", *NAMES])


def _check_canary(config: Config, file: str) -> None:
    """Refuse a canary with nothing to compare it with, or beside another comparison."""
    assert config.canary is not None, "there is one"
    if config.policy.bundle is None:
        message = "must be given where a canary is, which would take its place"
        raise _error(file, "policy.bundle", message, 'e.g. bundle = "policy.edge", or no [canary]')
    if config.blocks is not None:
        message = "must be left out beside [blocks]: both choose who decides a request"
        raise _error(file, "canary", message, "end one comparison before the other begins")
    rewards = config.canary.rewards
    if rewards and not (len(rewards) == 2 and rewards[0] < rewards[1]):
        message = f"must be two numbers, the lower one first; got {list(rewards)}"
        raise _error(file, "canary.rewards", message, "e.g. [-10.0, 1.0], or leave it out")


def _check_shares(config: Config, file: str) -> None:
    """Refuse weights that do not match locations and levels, and the rule without them."""
    rows, path = config.policy.shares, "policy.shares"
    named = [config.policy.fallback, *config.policy.shadow]
    named += config.blocks.arms.values() if config.blocks else []
    locations = 1 + max(one.location for one in config.backend)
    hint = f"e.g. one row for each of {locations} locations, with one weight for each level"
    if not rows:
        if SHARES in named:
            raise _error(file, path, "must be given for the rule 'shares'", hint)
        return
    if len(rows) != locations:
        message = f"must have one row for each of the {locations} locations; got {len(rows)}"
        raise _error(file, path, message, hint)
    for number, row in enumerate(rows):
        _of_levels(file, f"{path}[{number}]", len(row), len(config.quality.levels))
    weights = [weight for row in rows for weight in row]
    if min(weights) < 0.0 or max(weights) <= 0.0:
        message = f"must hold weights of at least 0, one of them above it; got {weights}"
        raise _error(file, path, message, hint)


def _of_levels(file: str, path: str, count: int, levels: int) -> None:
    if count != levels:
        message = f"must have one entry for each of the {levels} levels; got {count}"
        raise _error(file, path, message, "quality.levels names the levels")


def _known(file: str, path: str, name: str, names: Iterable[str]) -> None:
    if name not in names:
        raise _error(file, path, f"'{name}' is unknown", nearest(name, names))


def _unique(file: str, path: str, names: list[str], key: str = "name") -> None:
    for number, name in enumerate(names):
        if name in names[:number]:
            message = f"'{name}' is there twice, also in {path}[{names.index(name)}]"
            raise _error(file, f"{path}[{number}].{key}", message, "give each its own")


def _error(file: str, path: str, message: str, hint: str) -> InputError:
    return InputError(message, where=f"{file}: {path}", hint=hint)
