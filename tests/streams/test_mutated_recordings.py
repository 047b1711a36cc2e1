"""Damaged recordings end in one message or in plausible numbers, never in a traceback.

``EDGEWRIGHT_MUTATIONS`` sets how many are tried; 1000 take about a minute.
"""

from __future__ import annotations

import os
import random
from pathlib import Path

import numpy as np
import pytest

from edgewright.core.errors import InputError
from edgewright.streams.contents import read_recording
from edgewright.streams.gains import MAX_GAIN, MIN_GAIN, Gains
from edgewright.streams.positions import Positions
from edgewright.streams.traces import RequestLog
from edgewright.streams.traces.plausible import MAX_MBPS
from edgewright.streams.traces.requests import MAX_TOKENS

HERE = Path(__file__).parent / "recordings"
COUNT = int(os.environ.get("EDGEWRIGHT_MUTATIONS", "200"))
ODD = [b"nan", b"-inf", b"1e400", b"-1", b"1e19", b"9" * 5000, b"\0", b"\xff\xfe", b'"', b"{"]
ODD += [b"[" * 3000, b"1_0", b"0x10", b"\xef\xbb\xbf", b"\r", b"\t", b",", b";", b""]
ODD += [b"2024-13-40 25:61:61", b"\xe2\x88\x921"]


def mutated(content: bytes, dice: random.Random) -> bytes:
    """Return the content with a few random changes."""
    for _ in range(dice.randint(1, 4)):
        lines = content.split(b"\n")
        at = dice.randrange(len(lines))
        kind = dice.randrange(8)
        if kind == 0:  # one bit
            data = bytearray(content or b" ")
            data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
            content = bytes(data)
        elif kind == 1:  # a cut end
            content = content[: dice.randrange(len(content) + 1)]
        elif kind == 2:  # something odd at any place
            place = dice.randrange(len(content) + 1)
            content = content[:place] + dice.choice(ODD) + content[place:]
        elif kind == 3:  # a field replaced
            mark = dice.choice([b",", b" ", b": "])
            words = lines[at].split(mark)
            words[dice.randrange(len(words))] = dice.choice(ODD)
            lines[at] = mark.join(words)
            content = b"\n".join(lines)
        elif kind == 4:  # a line twice, removed, or moved
            line = lines.pop(at)
            for _ in range(dice.randrange(3)):
                lines.insert(dice.randrange(len(lines) + 1), line)
            content = b"\n".join(lines)
        elif kind == 5:  # a column lost
            mark = dice.choice([b",", b" "])
            content = b"\n".join(mark.join(line.split(mark)[1:]) for line in lines)
        elif kind == 6:  # another separator
            content = content.replace(
                dice.choice([b",", b" ", b"."]), dice.choice([b";", b",", b"\t"])
            )
        else:  # other line ends, or none
            content = content.replace(b"\n", dice.choice([b"\r", b"\r\n", b" ", b"\n\n"]))
    return content


def check_numbers(file: Path) -> None:
    """Read a file; whatever is taken must be plausible."""
    summary, content = read_recording(file)
    assert summary.rows > 0
    for quantity in summary.quantities:
        assert np.all(np.isfinite([quantity.mean, quantity.low, quantity.high]))
    if isinstance(content, RequestLog):
        tokens = np.concatenate([content.input_tokens, content.output_tokens])
        assert np.all(np.diff(content.time_s) >= 0) and np.all(
            (tokens >= 0) & (tokens <= MAX_TOKENS)
        )
        assert np.max(np.diff(content.time_s)) <= 600
    elif isinstance(content, Gains):
        assert np.all((content.gain >= MIN_GAIN) & (content.gain <= MAX_GAIN))
        assert content.gain.shape[0] >= content.gain.shape[1]
    elif isinstance(content, Positions):
        assert np.all(np.abs(content.degrees) <= [90, 180])
    else:
        for trace in content:
            assert np.all(np.diff(trace.time_s) > 0) and np.max(np.diff(trace.time_s)) <= 30
            assert np.all((trace.bandwidth_mbps >= 0) & (trace.bandwidth_mbps <= MAX_MBPS))


@pytest.mark.filterwarnings("ignore")  # scipy warns of damaged headers
def test_damaged_recordings_are_refused_or_plausible(tmp_path: Path) -> None:
    files = sorted(path for path in HERE.rglob("*") if path.is_file())
    dice = random.Random(5)
    taken = 0
    for number in range(COUNT):
        source = files[number % len(files)]
        file = tmp_path / f"{number}{source.suffix}"
        file.write_bytes(mutated(source.read_bytes(), dice))
        try:
            check_numbers(file)
            taken += 1
        except InputError as error:
            assert error.message and error.hint, str(error)
            assert error.where, str(error)
            assert len(str(error)) < 3000, str(error)[:3000]
        file.unlink(missing_ok=True)
    assert 0 < taken < COUNT
