"""Load a bundle, check it, and decide with it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edgewright.bundle import archive, manifest
from edgewright.bundle.engine import Engine
from edgewright.bundle.facts import Facts
from edgewright.bundle.interface import Interface, OutOfRange
from edgewright.bundle.manifest import PARITY_MEMBER, POLICY
from edgewright.bundle.parity import check_parity
from edgewright.core.errors import InputError, nearest
from edgewright.core.files import write_bytes
from edgewright.core.text import printable


@dataclasses.dataclass(frozen=True, eq=False)
class Bundle:
    """A checked policy, ready to decide.

    Attributes:
        facts: the manifest.
        members: the files inside, by name.
        beside: the engines of the rules, by name.
        parity: how far this machine is from the training framework on the recorded rows.
    """

    path: str
    facts: Mapping[str, Any]
    members: Mapping[str, bytes]
    interface: Interface
    engine: Engine
    beside: Mapping[str, Engine]
    parity: Mapping[str, Any]

    @property
    def version(self) -> str:
        """Return the first 12 digits of the bundle's hash, which identify it."""
        return self.facts["sha256"][:12]

    @property
    def name(self) -> str:
        """Return what the bundle calls itself."""
        return self.facts["name"]

    @property
    def rules(self) -> list[str]:
        """Return the names of the rules packed beside the policy."""
        return [*self.beside]

    def decide(
        self, observation: Mapping[str, Any], out_of_range: OutOfRange = "clamp"
    ) -> dict[str, Any]:
        """Return the decision for one observation: its outputs by name.

        Args:
            out_of_range: what to do with a number outside the bounds of its field.

        Raises:
            BadField: a field is missing, unknown or impossible.
            EngineError: the model failed.
        """
        row, _ = self.interface.encode(observation, out_of_range)
        return dict(zip(self.engine.outputs, self.engine.one(row), strict=True))

    def decide_many(
        self, observations: Sequence[Mapping[str, Any]], out_of_range: OutOfRange = "clamp"
    ) -> list[dict[str, Any]]:
        """Return the decisions for many observations in one run of the graph."""
        if not observations:
            return []
        result = self.engine.many(self.interface.rows(observations, out_of_range))
        columns = [result[name].tolist() for name in self.engine.outputs]
        return [
            dict(zip(self.engine.outputs, row, strict=True)) for row in zip(*columns, strict=True)
        ]

    def rule(self, name: str) -> Engine:
        """Return the engine of a rule that is packed beside the policy.

        Raises:
            InputError: there is none of that name.
        """
        if name not in self.rules:
            message = f"the bundle holds no rule '{name}'"
            hint = nearest(name, self.rules) if self.rules else self._other_rule
            raise InputError(message, where=self.path, hint=hint)
        return self.beside[name]

    @property
    def _other_rule(self) -> str:
        """Return the remedy of a bundle without rules: only that of a run may hold them."""
        beside = "name the file of another bundle: FILE.edge"
        again = "export it again with a rule: edgewright export RUN --rules local-1 --out FILE"
        return beside if self.facts["kind"] == "rule" else f"{again}; or {beside}"

    def graph(self, name: str = POLICY) -> bytes:
        """Return the ONNX file of a graph."""
        return self.members[self.facts["graphs"][name]["file"]]


def load(path: str | Path) -> Bundle:
    """Return the bundle in a file, after everything it says of itself was checked.

    Hashes, schema, every value of the manifest that is used, the operators, inputs and outputs of
    every graph, and the record of parity, which is played on this machine.

    Raises:
        InputError: the file cannot be read, was cut or altered, is of another schema, asks for a
            foreign operator, or decides otherwise here than it did when it was made.
    """
    return parse(archive.read_file(path), str(path))


def parse(content: bytes, where: str) -> Bundle:
    """Return the bundle in the bytes of a file; see :func:`load`."""
    try:
        return _parse(content, where)
    except InputError as error:
        texts = (printable(text) for text in (error.message, error.where, error.hint))
        message, index, hint = texts
        raise InputError(message, where=index, hint=hint) from None
    except Exception as error:
        # Nothing is known that gets here; a reader of foreign bytes answers all the same.
        message = printable(f"the bundle cannot be read ({type(error).__name__}: {error})")
        raise InputError(message, where=where, hint=archive.AGAIN) from error


def _parse(content: bytes, where: str) -> Bundle:
    members = archive.unpack(content, where)
    facts = manifest.open_sealed(members, where)
    interface = manifest.read_interface(facts["interface"], where)
    tolerance = Facts(facts["parity"], "parity", where).number("tolerance")
    files = manifest.read_graphs(facts, members, where)
    engines = {
        name: Engine(
            members[one.onnx],
            interface,
            f"{where}: {name}",
            members[one.lite] if one.lite else None,
        )
        for name, one in files.items()
    }
    engine = engines.pop(POLICY)
    record = archive.unpack_arrays(members[PARITY_MEMBER], f"{where}: {PARITY_MEMBER}")
    parity = check_parity(engine, record, tolerance, interface, where)
    return Bundle(where, facts, members, interface, engine, engines, parity)


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
        record: of parity, see :mod:`edgewright.bundle.parity`.
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
