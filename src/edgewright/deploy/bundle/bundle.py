"""Load a bundle, check it, and decide with it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edgewright.core.errors import InputError, nearest
from edgewright.core.files import write_bytes
from edgewright.deploy.bundle import archive, manifest
from edgewright.deploy.bundle.engine import Engine
from edgewright.deploy.bundle.interface import Beyond, Interface
from edgewright.deploy.bundle.parity import check_parity

POLICY = "policy"
"""The name of the graph that decides; the others are rules to fall back on."""

PARITY_MEMBER = "parity.npz"


@dataclasses.dataclass(frozen=True, eq=False)
class Bundle:
    """A checked policy, ready to decide.

    Attributes:
        facts: the manifest.
        members: the files inside, by name.
        parity: how far this machine is from the training framework on the recorded rows.
    """

    path: str
    facts: Mapping[str, Any]
    members: Mapping[str, bytes]
    interface: Interface
    engine: Engine
    parity: Mapping[str, Any]

    @property
    def version(self) -> str:
        """Return what tells this bundle from every other: the start of its hash."""
        return self.facts["sha256"][:12]

    @property
    def name(self) -> str:
        """Return what the bundle calls itself."""
        return self.facts["name"]

    @property
    def rules(self) -> list[str]:
        """Return the names of the rules packed beside the policy."""
        return [name for name in self.facts["graphs"] if name != POLICY]

    def decide(self, observation: Mapping[str, Any], beyond: Beyond = "clamp") -> dict[str, Any]:
        """Return the decision for one observation: its outputs by name.

        Args:
            beyond: what to do with a number outside the trained range.

        Raises:
            BadField: a field is missing, unknown or impossible.
            EngineError: the model failed.
        """
        row, _ = self.interface.encode(observation, beyond)
        return dict(zip(self.engine.outputs, self.engine.one(row), strict=True))

    def decide_many(
        self, observations: Sequence[Mapping[str, Any]], beyond: Beyond = "clamp"
    ) -> list[dict[str, Any]]:
        """Return the decisions for many observations in one run of the graph."""
        if not observations:
            return []
        found = self.engine.many(self.interface.rows(observations, beyond))
        columns = [found[name].tolist() for name in self.engine.outputs]
        return [
            dict(zip(self.engine.outputs, row, strict=True)) for row in zip(*columns, strict=True)
        ]

    def rule(self, name: str) -> Engine:
        """Return the engine of a rule that is packed beside the policy.

        Raises:
            InputError: there is none of that name.
        """
        if name not in self.rules:
            problem = f"the bundle holds no rule '{name}'"
            hint = (
                nearest(name, self.rules) if self.rules else "pack one: edgewright export --rules"
            )
            raise InputError(problem, where=self.path, hint=hint)
        return Engine(self.graph(name), self.interface, f"{self.path}: {name}")

    def graph(self, name: str = POLICY) -> bytes:
        """Return the ONNX file of a graph."""
        return self.members[self.facts["graphs"][name]["file"]]


def load(path: str | Path) -> Bundle:
    """Return the bundle in a file, after everything it says of itself was checked.

    Hashes, schema, operators, the graph's inputs and outputs, and the record of parity, which is
    played on this machine.

    Raises:
        InputError: the file cannot be read, was cut or altered, is of another schema, asks for a
            foreign operator, or decides otherwise here than it did when it was made.
    """
    where = str(path)
    try:
        if Path(path).stat().st_size > archive.MOST_BYTES:
            problem = f"the file is larger than {archive.MOST_BYTES // 2**20} MB"
            raise InputError(problem, where=where, hint="name a file written by edgewright export")
        content = Path(path).read_bytes()
    except OSError as error:
        hint = "name a file written by edgewright export"
        raise InputError(f"cannot be read: {error.strerror}", where=where, hint=hint) from None
    return parse(content, where)


def parse(content: bytes, where: str) -> Bundle:
    """Return the bundle in the bytes of a file; see :func:`load`."""
    members = archive.unpack(content, where)
    facts = manifest.open_sealed(members, where)
    interface = manifest.read_interface(facts["interface"], where)
    graphs = facts["graphs"]
    try:
        files = {name: members[entry["file"]] for name, entry in graphs.items()}
        model, tolerance = files[POLICY], float(facts["parity"]["tolerance"])
        recorded = members[PARITY_MEMBER]
        beside = graphs[POLICY]
        lite = members[beside["lite"]["file"]] if "lite" in beside else None
    except (KeyError, TypeError, ValueError) as error:
        problem = f"the manifest does not name its graphs or its parity ({error})"
        raise InputError(problem, where=where, hint=archive.AGAIN) from None
    engine = Engine(model, interface, f"{where}: {POLICY}", lite)
    record = archive.unpack_arrays(recorded, f"{where}: {PARITY_MEMBER}")
    parity = check_parity(engine, record, tolerance, where)
    return Bundle(where, facts, members, interface, engine, parity)


def make(
    facts: Mapping[str, Any],
    graphs: Mapping[str, bytes],
    record: Mapping[str, np.ndarray],
    where: str,
) -> tuple[bytes, Bundle]:
    """Return the file of a bundle, and the bundle that was read back from it and checked.

    Args:
        facts: the manifest without hashes; each entry of ``graphs`` gets its file name.
        graphs: ONNX files by name; ``policy`` decides.
        record: of parity, see :mod:`edgewright.deploy.bundle.parity`.
    """
    files = {name: f"{name}.onnx" if name == POLICY else f"rules/{name}.onnx" for name in graphs}
    members = {files[name]: model for name, model in graphs.items()}
    members[PARITY_MEMBER] = archive.pack_arrays({n: _narrow(a) for n, a in record.items()})
    entries = {name: {"file": files[name], **facts["graphs"].get(name, {})} for name in graphs}
    return pack_again({**facts, "graphs": entries}, members, where)


def pack_again(
    facts: Mapping[str, Any], members: Mapping[str, bytes], where: str
) -> tuple[bytes, Bundle]:
    """Return the file of a manifest and its members, hashed, and the bundle read back from it."""
    rest = {name: member for name, member in members.items() if name != manifest.MEMBER}
    content = archive.pack({manifest.MEMBER: manifest.seal(facts, rest), **rest})
    return content, parse(content, where)


def _narrow(array: np.ndarray) -> np.ndarray:
    """Return whole numbers in the smallest type that holds them all."""
    if array.dtype.kind not in "iu" or not array.size:
        return array
    low, high = int(array.min()), int(array.max())
    kinds = (np.dtype(f"{sign}{size}") for size in (1, 2, 4, 8) for sign in "ui")
    return array.astype(
        next(k for k in kinds if np.iinfo(k).min <= low and high <= np.iinfo(k).max)
    )


def save(path: str | Path, content: bytes) -> None:
    """Write the file of a bundle whole or not at all."""
    write_bytes(Path(path), content)
