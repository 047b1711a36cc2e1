"""Bundles with changed bytes: refused in one message, or as good as before, without much memory.

``EDGEWRIGHT_MUTATIONS`` sets how many are tried.
"""

import contextlib
import os
import random
import tracemalloc

import pytest

from edgewright.bundle import archive, load, manifest
from edgewright.core.errors import InputError

COUNT = int(os.environ.get("EDGEWRIGHT_MUTATIONS", "60"))
MAX_GROWTH = 64 * 2**20
"""Bytes that Python may ask for while it reads a small bundle."""


def flipped(content, rng):
    position = rng.randrange(len(content))
    return (
        content[:position]
        + bytes([content[position] ^ 1 << rng.randrange(8)])
        + content[position + 1 :]
    )


def cut(content, rng):
    return content[: rng.randrange(len(content))]


def repeated(content, rng):
    start = rng.randrange(len(content))
    return content[:start] + content[start : start + rng.randrange(1, 200)] * 2 + content[start:]


def overwritten(content, rng):
    start = rng.randrange(len(content))
    filler = rng.choice([b"\0", b"\xff", b"\x80", b"9"]) * rng.randrange(1, 12)
    return content[:start] + filler + content[start + len(filler) :]


def sealed_again(content, rng):
    """Change a member and make every hash right, as a forger would."""
    members = archive.unpack(content, "")
    name = rng.choice([one for one in members if one != manifest.MEMBER])
    members[name] = rng.choice([flipped, cut, repeated, overwritten])(members[name], rng)
    facts = manifest.open_sealed(archive.unpack(content, ""), "")
    rest = {key: one for key, one in members.items() if key != manifest.MEMBER}
    plain = {k: v for k, v in facts.items() if k not in ("schema", "members", "sha256")}
    return archive.pack({manifest.MEMBER: manifest.seal(plain, rest), **rest})


KINDS = [flipped, cut, repeated, overwritten, sealed_again, sealed_again]


def test_a_mutated_bundle_is_refused_in_one_message_without_much_memory(content, tmp_path):
    rng, refused, file = random.Random(14), 0, tmp_path / "p.edge"
    for number in range(COUNT):
        file.write_bytes(KINDS[number % len(KINDS)](content, rng))
        tracemalloc.start()
        try:
            load(file)
        except InputError as error:
            refused += 1
            assert len(str(error)) < 2000, number
        finally:
            _, most = tracemalloc.get_traced_memory()
            tracemalloc.stop()
        assert most < MAX_GROWTH, number
    assert refused > COUNT * 0.6


@pytest.mark.parametrize("size", [0, 1, 53_000])
def test_a_small_file_asks_for_little_memory(tmp_path, size):
    (tmp_path / "p.edge").write_bytes(b"x" * size)
    tracemalloc.start()
    try:
        with contextlib.suppress(InputError):
            load(tmp_path / "p.edge")
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()
