"""Store each run in a folder that survives a kill at any moment.

    run.json          the request: schema, version, resolved scenario, learner, steps, seeds
    seed-0/
      metrics.jsonl   the learner's logs, as they come
      evaluation.jsonl  the greedy policy on the evaluation episodes, at equal shares of the steps
      checkpoint.npz  the whole training after the last chunk, with a hash
    result.json       the scores, written last

Every file is written beside its place and moved into it, so a reader sees the old or the new file,
never half of one. Loaded arrays are checked against their hash and are never unpickled.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from edgewright.core.errors import InputError
from edgewright.core.files import write_bytes

T = TypeVar("T")
SCHEMA = 1
LOCK = ".lock"


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other processes from training into the same folder.

    Raises:
        InputError: another process is at it.
    """
    made = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with open(folder / LOCK, "w", encoding="utf-8") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                message = "another process is training here"
                hint = "wait for it, stop it, or choose another --out"
                raise InputError(message, where=str(folder), hint=hint) from None
            yield
    finally:
        if made and not (folder / "run.json").exists():
            (folder / LOCK).unlink(missing_ok=True)
            with contextlib.suppress(OSError):
                folder.rmdir()


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write a JSON file atomically."""
    write_bytes(path, (json.dumps(content, indent=2) + "\n").encode())


def read_json(path: Path, what: str) -> dict[str, Any]:
    """Read a JSON object, or say what is wrong with it."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(
            f"the {what} is missing",
            where=str(path),
            hint="name a folder written by edgewright train",
        ) from None
    except (OSError, ValueError) as error:
        raise InputError(
            f"{what} cannot be read: {error}",
            where=str(path),
            hint="train again with another --out",
        ) from None
    if not isinstance(content, dict) or content.get("schema") != SCHEMA:
        schema = content.get("schema") if isinstance(content, dict) else type(content).__name__
        raise InputError(
            f"{what} has schema {schema!r}, this version reads {SCHEMA}",
            where=str(path),
            hint="train again with this version",
        )
    return content


def append_line(path: Path, row: dict[str, Any]) -> None:
    """Append one line to a JSONL file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a JSONL file; a last line cut by a kill is left out."""
    if not path.exists():
        return []
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            rows.append(json.loads(line))
        except ValueError:
            break
    return rows


def keep_lines(path: Path, upto: int) -> None:
    """Drop the rows that are newer than the checkpoint a resumed run goes on from."""
    rows = [row for row in read_lines(path) if row["iteration"] <= upto]
    write_bytes(path, "".join(json.dumps(row) + "\n" for row in rows).encode())


def save_tree(path: Path, tree: Any, facts: dict[str, Any]) -> None:
    """Save the leaves of a pytree with a hash of all their bytes."""
    save_arrays(path, {name: np.asarray(leaf) for name, leaf in _named(tree).items()}, facts)


def save_arrays(path: Path, arrays: dict[str, np.ndarray], facts: dict[str, Any]) -> None:
    """Save arrays by name, and facts about them, with a hash of it all."""
    facts = {**facts, "schema": SCHEMA}
    facts["sha256"] = _digest(arrays, facts)
    buffer = io.BytesIO()
    note = np.frombuffer(json.dumps(facts).encode(), np.uint8)
    np.savez(buffer, allow_pickle=False, **{"__facts__": note, **arrays})
    write_bytes(path, buffer.getvalue())


def load_arrays(
    path: Path, what: str = "result", hint: str = "delete it and run again: only this file is lost"
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Load what :func:`save_arrays` saved.

    Raises:
        InputError: the file is missing, cut or altered.
    """
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        facts = json.loads(arrays.pop("__facts__").tobytes())
    except FileNotFoundError:
        raise InputError(f"the {what} is missing", where=str(path), hint=hint) from None
    except (OSError, ValueError, KeyError, zipfile.BadZipFile, EOFError) as error:
        message = f"the {what} is not whole: {error}"
        raise InputError(message, where=str(path), hint=hint) from None
    claimed = facts.pop("sha256", None)
    if claimed != _digest(arrays, facts):
        raise InputError(f"the {what} does not match its hash", where=str(path), hint=hint)
    return arrays, facts


def load_tree(path: Path, like: T) -> tuple[T, dict[str, Any]]:
    """Load what :func:`save_tree` saved into the structure of ``like``.

    Raises:
        InputError: the file is missing, cut, altered, or of another structure.
    """
    arrays, facts = load_arrays(path, "checkpoint", _AGAIN)
    wanted = _named(like)
    shapes = {name: (np.shape(leaf), np.asarray(leaf).dtype) for name, leaf in wanted.items()}
    stored = {name: (leaf.shape, leaf.dtype) for name, leaf in arrays.items()}
    if shapes != stored:
        odd = sorted(set(shapes.items()) ^ set(stored.items()), key=str)[0][0]
        message = f"the checkpoint has another structure, first at '{odd}'"
        raise InputError(message, where=str(path), hint="it belongs to another learner or scenario")
    leaves, structure = jax.tree.flatten(like)
    names = list(wanted)
    restored = [
        jax.random.wrap_key_data(jnp.asarray(arrays[name]))
        if _is_key(leaf)
        else jnp.asarray(arrays[name])
        for name, leaf in zip(names, leaves, strict=True)
    ]
    return jax.tree.unflatten(structure, restored), facts


_AGAIN = "delete the folder of this seed and train again: only this seed is lost"


def _is_key(leaf: Any) -> bool:
    return isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _named(tree: Any) -> dict[str, Any]:
    pairs = jax.tree_util.tree_leaves_with_path(tree)
    return {
        jax.tree_util.keystr(path): jax.random.key_data(leaf) if _is_key(leaf) else leaf
        for path, leaf in pairs
    }


def _digest(arrays: dict[str, np.ndarray], facts: dict[str, Any]) -> str:
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
    for name in sorted(arrays):
        digest.update(name.encode())
        digest.update(str((arrays[name].dtype, arrays[name].shape)).encode())
        digest.update(np.ascontiguousarray(arrays[name]).tobytes())
    return digest.hexdigest()
