"""The manifest: what a bundle says of itself, checked key by key.

schema, name, kind            2; what it is called; "learned" or "rule"
interface                     fields, outputs, scales, offsets, features
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
from collections.abc import Mapping
from typing import Any

from edgewright.core.errors import InputError
from edgewright.deploy.bundle.archive import AGAIN
from edgewright.deploy.bundle.interface import Field, Interface, Output

SCHEMA = 2
MEMBER = "manifest.json"

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
        content = json.loads(members[MEMBER])
    except (KeyError, ValueError, RecursionError):
        problem = "the file has no readable manifest, so it is no bundle"
        raise InputError(problem, where=where, hint=AGAIN) from None
    if not isinstance(content, dict) or content.get("schema") != SCHEMA:
        found = content.get("schema") if isinstance(content, dict) else None
        problem = f"the bundle has schema {found!r}, this version reads {SCHEMA}"
        hint = "install the version of edgewright that wrote it, or export the policy again"
        raise InputError(problem, where=where, hint=hint)
    if content.get("sha256") != _own_digest(content):
        raise InputError("the manifest does not match its hash", where=where, hint=AGAIN)
    for key, kind in _KEYS.items():
        if not isinstance(content.get(key), kind):
            problem = f"the manifest's '{key}' is missing or of the wrong kind"
            raise InputError(problem, where=where, hint=AGAIN)
    _check_members(content["members"], members, where)
    return content


def interface_facts(interface: Interface) -> dict[str, Any]:
    """Return an interface as plain data."""
    return dataclasses.asdict(interface)


def read_interface(facts: Mapping[str, Any], where: str) -> Interface:
    """Return the interface of a manifest, or refuse it."""
    try:
        fields = tuple(
            Field(**{**field, "choices": tuple(field["choices"])}) for field in facts["fields"]
        )
        outputs = tuple(
            Output(
                **{**one, "labels": tuple(one["labels"]), "shape": tuple(map(int, one["shape"]))}
            )
            for one in facts["outputs"]
        )
        scales, offsets = (tuple(map(float, facts[key])) for key in ("scales", "offsets"))
        interface = Interface(fields, outputs, scales, offsets, tuple(facts["features"]))
        columns = sum(field.columns for field in fields)
        if not columns == len(scales) == len(offsets) or not outputs:
            raise ValueError("the columns of the fields do not add up")
    except (KeyError, TypeError, ValueError) as error:
        problem = f"the manifest's interface cannot be read ({error})"
        raise InputError(problem, where=where, hint=AGAIN) from None
    return interface


def _own_digest(content: Mapping[str, Any]) -> str:
    rest = {key: value for key, value in content.items() if key != "sha256"}
    return digest(json.dumps(rest, sort_keys=True, separators=(",", ":")).encode())


def _check_members(claimed: Mapping[str, Any], members: Mapping[str, bytes], where: str) -> None:
    names = set(members) - {MEMBER}
    if set(claimed) != names:
        odd = ", ".join(sorted(set(claimed) ^ names))
        problem = f"the members are not those the manifest names: {odd}"
        raise InputError(problem, where=where, hint=AGAIN)
    for name in names:
        entry = claimed[name]
        if not isinstance(entry, dict) or entry.get("sha256") != digest(members[name]):
            problem = f"'{name}' does not match the hash in the manifest"
            raise InputError(problem, where=where, hint=AGAIN)
