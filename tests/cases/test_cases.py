"""Scenario texts of the field, each with its outcome; recordings are in tests/streams."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgewright.systems.plugins import run_file

HERE = Path(__file__).parent
table = run_file(HERE / "table.py")

OUTCOMES = {
    "big_seed.toml": "input should be less than or equal to 4294967295",
    "bigint.toml": "a number has too many digits",
    "bom.toml": "read",
    "comma.toml": "not valid TOML",
    "crlf.toml": "read",
    "deep.toml": "nested too deep",
    "extnul.toml": "cannot be read: embedded null byte",
    "huge_seed.toml": "input should be less than or equal to 4294967295",
    "kindlist.toml": "world.kind: unknown kind of system",
    "latin1.toml": "must be in UTF-8; line 4 is not",
    "utf16.toml": "must be in UTF-8; this is UTF-16",
    "utf8_title.toml": "read",
    "xss.toml": "name",
}


def test_every_text_has_an_expected_outcome() -> None:
    assert {path.name for path in table.inputs([HERE / "texts"])} == OUTCOMES.keys()


@pytest.mark.parametrize("name", OUTCOMES)
def test_a_text_of_the_field_is_read_or_refused_with_one_message(name: str) -> None:
    case = table.tried(HERE / "texts" / name)
    assert not case.is_fault, case
    assert "\x1b" not in case.said
    if OUTCOMES[name] == "read":
        assert case.outcome == "read", case
    else:
        assert case.outcome == "refused"
        assert OUTCOMES[name] in case.said
