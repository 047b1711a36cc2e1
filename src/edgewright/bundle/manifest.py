"""Check the manifest of a bundle key by key.

schema, name, kind            4; what it is called; "learned" or "rule"
interface                     fields, outputs, joint
graphs                        by name ("policy" and rules): file, layers, head, precision, sizes,
                              lite (the file for LiteRT, if any)
scenario, provenance, scores  where it comes from and how it did
parity                        how the record of parity was made and what is tolerated
lineage                       the stages of compression, in order
members                       SHA-256 and size of every other member
sha256                        of all the above
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Mapping
from typing import Any

from edgewright.bundle.archive import AGAIN
from edgewright.bundle.facts import Facts
from edgewright.bundle.interface import INPUT, SCORES, Field, Interface, Output
from edgewright.core.errors import InputError

SCHEMA = 4
MEMBER = "manifest.json"

POLICY = "policy"
"""The name of the graph that decides; the others are rules to fall back on."""

PARITY_MEMBER = "parity.npz"

KINDS = ("learned", "rule")
MAX_DRAWS = 2**20
"""Normal numbers of one seed that a manifest may ask for."""

ENCODINGS = ("number", "one-hot", "index", "seed")
OUTPUT_KINDS = ("integer", "number")

MAX_ENTRIES = 2**20
"""Whole numbers in one output of one decision."""

_KEYS: dict[str, type] = {
    "name": str,
    "kind": str,
    "interface": dict,
    "graphs": dict,
    "scenario": dict,
    "provenance": dict,
    "scores": dict,
    "parity": dict,
    "lineage": list,
    "members": dict,
}


def digest(content: bytes) -> str:
    """Return the SHA-256 of bytes as text."""
    return hashlib.sha256(content).hexdigest()


def seal(facts: Mapping[str, Any], members: Mapping[str, bytes]) -> bytes:
    """Return the manifest with the hashes of the members and its own."""
    content = {"schema": SCHEMA, **facts}
    content["members"] = {
        name: {"sha256": digest(member), "bytes": len(member)} for name, member in members.items()
    }
    content["sha256"] = _own_digest(content)
    return (json.dumps(content, indent=1, allow_nan=False) + "\n").encode()


def open_sealed(members: Mapping[str, bytes], where: str) -> dict[str, Any]:
    """Return the manifest among the members of a bundle after every hash was compared.

    Raises:
        InputError: there is none, it is of another schema, or a hash does not match.
    """
    try:
        content = json.loads(members[MEMBER], parse_constant=_no_number, parse_float=_finite)
    except (KeyError, ValueError, RecursionError) as error:
        message = f"a bundle must have a readable manifest ({error})"
        raise InputError(message, where=where, hint=AGAIN) from None
    if not isinstance(content, dict) or content.get("schema") != SCHEMA:
        result = content.get("schema") if isinstance(content, dict) else None
        message = f"the bundle has schema {result!r}, this version reads {SCHEMA}"
        hint = "export the policy again: edgewright export RUN --out FILE"
        raise InputError(message, where=where, hint=hint)
    if content.get("sha256") != _own_digest(content):
        raise InputError("the manifest does not match its hash", where=where, hint=AGAIN)
    for key, kind in _KEYS.items():
        if not isinstance(content.get(key), kind):
            message = f"the manifest's '{key}' is missing or of the wrong kind"
            raise InputError(message, where=where, hint=AGAIN)
    _check_members(content["members"], members, where)
    table = Facts(content, "", where)
    table.one_of("kind", KINDS)
    origin = table.table("provenance")
    if "learner" in origin.content:
        origin.name("learner")
        origin.number("steps")
    for stage in table.tables("lineage"):
        stage.text("stage")
    return content


def _no_number(text: str) -> float:
    """Refuse NaN and infinities, which JSON does not have."""
    raise ValueError(f"a number must be finite; got {text}")


def _finite(text: str) -> float:
    """Return ``text`` as a float; raise for numbers that a float would read as infinite."""
    return value if math.isfinite(value := float(text)) else _no_number(text)


def interface_facts(interface: Interface) -> dict[str, Any]:
    """Return an interface as plain data."""
    content = dataclasses.asdict(interface)
    for field in content["fields"]:
        if not field["draws"]:
            del field["draws"]
    return content


def read_interface(facts: Mapping[str, Any], where: str) -> Interface:
    """Return the interface of a manifest.

    Raises:
        InputError: a value is missing, of another kind, or contradicts another.
    """
    table = Facts(facts, "interface", where)
    fields = tuple(_field(one) for one in table.tables("fields"))
    outputs = tuple(_output(one) for one in table.tables("outputs"))
    joint = table.flag("joint")
    _only(table, Interface)
    for key, named in (("fields", fields), ("outputs", outputs)):
        names = [one.name for one in named]
        if not names or len(set(names)) < len(names):
            table.refuse(key, "a name is there twice" if names else "there is none")
    return Interface(fields, outputs, joint)


def _field(facts: Facts) -> Field:
    _only(facts, Field)
    choices = facts.texts("choices")
    encoding = facts.one_of("encoding", ENCODINGS)
    low, high = _end(facts, "low"), _end(facts, "high")
    if low is not None and high is not None and low > high:
        facts.refuse("low", f"{low!r} is above high, {high!r}")
    trained = facts.numbers("trained") if facts.content.get("trained", ()) is not None else None
    if trained is not None and (len(trained) != 2 or trained[0] > trained[1]):
        facts.refuse("trained", f"{list(trained)} are not a least and a greatest value")
    if trained is None and (low is None or high is None):
        facts.refuse("trained", "a field without both bounds must say what training met")
    draws = int(facts.number("draws")) if "draws" in facts.content else 0
    if (encoding == "seed") != (1 <= draws <= MAX_DRAWS):
        facts.refuse("draws", f"{draws} of them do not go with encoding '{encoding}'")
    if (encoding in ("one-hot", "index")) != bool(choices) or len(set(choices)) < len(choices):
        facts.refuse("choices", f"{len(choices)} of them do not go with encoding '{encoding}'")
    texts = facts.name("name"), facts.text("unit"), facts.text("meaning")
    return Field(*texts, low, high, choices, encoding, trained and (trained[0], trained[1]), draws)


def _end(facts: Facts, key: str) -> float | None:
    """Return a bound; None where the manifest has null, as JSON has no infinity."""
    return facts.number(key) if facts.content.get(key, 0) is not None else None


def _output(part: Facts) -> Output:
    _only(part, Output)
    if part.name("name") in (INPUT, SCORES):
        part.refuse("name", f"'{part.name('name')}' is something else in a graph")
    shape, kind = part.sizes("shape", MAX_ENTRIES), part.one_of("kind", OUTPUT_KINDS)
    texts = part.name("name"), part.text("meaning"), part.texts("labels")
    low, high = _end(part, "low"), _end(part, "high")
    if (low is None) != (high is None) or (low is not None and high is not None and low > high):
        part.refuse("low", f"{low!r} does not go with high, {high!r}")
    return Output(*texts, shape, kind, part.text("unit"), low, high)


def _only(facts: Facts, kind: type) -> None:
    known = {field.name for field in dataclasses.fields(kind)}
    for key in facts.content:
        if key not in known:
            facts.refuse(key, "unknown key")


@dataclasses.dataclass(frozen=True)
class Files:
    """The members that hold the graphs of a policy or a rule."""

    onnx: str
    lite: str | None = None


def read_graphs(
    content: Mapping[str, Any], members: Mapping[str, bytes], where: str
) -> dict[str, Files]:
    """Return the files of every graph by its name, the policy's among them.

    Raises:
        InputError: the policy is missing, a file is, or a member belongs to no graph.
    """
    table = Facts(content["graphs"], "graphs", where)
    result = {}
    table.table(POLICY)
    for name in table.content:
        one = table.table(name)
        lite = _member(one.table("lite"), members) if "lite" in one.content else None
        result[name] = Files(_member(one, members), lite)
    named = {MEMBER, PARITY_MEMBER, *(f.onnx for f in result.values())}
    named |= {f.lite for f in result.values() if f.lite}
    for member in sorted(set(members) ^ named):
        message = f"no graph brings the member '{member}'"
        if member not in members:
            message = f"the member '{member}' is missing"
        raise InputError(message, where=where, hint=AGAIN)
    return result


def _member(facts: Facts, members: Mapping[str, bytes]) -> str:
    name = facts.name("file")
    if name not in members or name in (MEMBER, PARITY_MEMBER):
        facts.refuse("file", f"it must name a graph of the bundle; got '{name}'")
    return name


def _own_digest(content: Mapping[str, Any]) -> str:
    rest = {key: value for key, value in content.items() if key != "sha256"}
    return digest(json.dumps(rest, sort_keys=True, separators=(",", ":")).encode())


def _check_members(claimed: Mapping[str, Any], members: Mapping[str, bytes], where: str) -> None:
    names = set(members) - {MEMBER}
    if set(claimed) != names:
        odd = ", ".join(sorted(set(claimed) ^ names))
        message = f"the members are not those the manifest names: {odd}"
        raise InputError(message, where=where, hint=AGAIN)
    for name in names:
        entry = claimed[name]
        facts = {"sha256": digest(members[name]), "bytes": len(members[name])}
        if entry != facts:
            message = f"'{name}' does not match the hash in the manifest"
            raise InputError(message, where=where, hint=AGAIN)
