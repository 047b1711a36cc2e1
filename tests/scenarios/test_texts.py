"""Scenario texts from anywhere: one message each, whatever the bytes are."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edgewright.core.errors import InputError
from edgewright.core.text import MAX_BYTES, parse_override, parse_toml, printable, read_text
from edgewright.scenarios.load import load

TEXT = 'schema = 1\nextends = "aigc-toy"\nname = "mine"\n'


def written(tmp_path: Path, content: bytes | str) -> str:
    file = tmp_path / "mine.toml"
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return str(file)


@pytest.mark.parametrize("before", [b"", b"\xef\xbb\xbf"], ids=["plain", "byte-order mark"])
@pytest.mark.parametrize("ends", ["\n", "\r\n"], ids=["LF", "CRLF"])
def test_what_editors_write_is_read(tmp_path: Path, before: bytes, ends: str) -> None:
    text = (TEXT + 'title = "Zellenrand, größer"\n').replace("\n", ends)
    assert load(written(tmp_path, before + text.encode())).title == "Zellenrand, größer"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (TEXT.encode("utf-16"), "must be in UTF-8; this is UTF-16"),
        ((TEXT + 'title = "größer"').encode("latin-1"), "must be in UTF-8; line 4 is not"),
        (TEXT + f"[evaluation]\nseed = {'9' * 5000}\n", "a number has too many digits"),
        (TEXT + "[evaluation]\nseed = 99999999999999999999\n", "less than or equal to 4294967295"),
        (TEXT + "[evaluation]\nseed = 4294967296\n", "less than or equal to 4294967295"),
        (TEXT + "x = " + "[" * 5000 + "]" * 5000, "nested too deep"),
        ('schema = 1\nextends = "a\\u0000.toml"\nname = "x"\n', "cannot be read: embedded null"),
        (TEXT + '[world]\nkind = ["aigc"]\n', "unknown kind of system"),
        ('schema = 1\nname = "x"\n[world]\nkind = ["aigc"]\n', "unknown kind of system"),
        (
            TEXT.replace("mine", "\\u001b[31m"),
            r"must hold printable characters; got '\\\\x1b\[31m'",
        ),
        (TEXT + 'title = "a\\nb"\n', "title: must hold printable characters"),
        (b"x" * (MAX_BYTES + 1), f"must have at most {MAX_BYTES} bytes"),
        (TEXT + "[params]\nslot_s = 1,5\n", "not valid TOML"),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_message(tmp_path, content, message) -> None:
    with pytest.raises(InputError, match=message):
        load(written(tmp_path, content))


def test_files_that_are_none_are_refused_without_waiting(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.toml"
    os.mkfifo(pipe)
    for path in (pipe, tmp_path, Path("/dev/zero")):
        with pytest.raises(InputError, match="must be a regular file"):
            read_text(path)
    with pytest.raises(InputError, match="cannot be read: .*No such file"):
        read_text(tmp_path / "none.toml")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("params.slot_s", 1e39),
        ("params.battery_j", 1e-60),
        ("params.rejected_reward", -1e39),
        ("params.terminal_reward", -1e39),
        ("params.idle_w", 1e31),
        ("params.horizon_slots", 2**31),
        ("evaluation.episodes", 2**31),
        ("evaluation.seed", 2**32),
        ("evaluation.post_termination_reward", 1e39),
        ("training.steps", 1e24),
    ],
)
def test_a_number_that_32_bits_do_not_hold_is_refused(key: str, value: float) -> None:
    with pytest.raises(InputError, match=key):
        load("aigc-toy", {key: value})


def test_the_ends_of_the_ranges_are_taken() -> None:
    ends = {"params.slot_s": 1e30, "params.kappa": 1e-30, "evaluation.seed": 2**32 - 1}
    assert load("aigc-toy", ends).evaluation.seed == 2**32 - 1


def test_values_of_set_are_read_with_the_same_care() -> None:
    assert parse_override("a.b=1.5") == ("a.b", 1.5)
    assert parse_override("a.b=word") == ("a.b", "word")
    with pytest.raises(InputError, match="--set a.b: a number has too many digits"):
        parse_override("a.b=" + "9" * 5000)
    with pytest.raises(InputError, match="nested too deep"):
        parse_toml("x = " + "[" * 5000 + "]" * 5000, "--set x")


def test_printable() -> None:
    assert printable("plain ä\u2028\x1b]0;x\x07") == "plain ä\\u2028\\x1b]0;x\\x07"
