"""``edgewright inspect`` of recordings: words, JSON, a figure, and refusals before any work."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

HERE = Path(__file__).parents[1] / "streams" / "recordings"
KBIT = HERE / "traces" / "two_columns_kbit.txt"


def test_inspect_says_what_a_recording_holds(edgewright, tmp_path: Path) -> None:
    figure = tmp_path / "figure.png"
    text = edgewright("inspect", KBIT, "--set", "unit=kbit/s", "--figure", figure).stdout
    assert "bandwidth, format two columns" in text and "30 rows, 29 s" in text
    assert "rate: mean 16.12 Mbit/s" in text and "note: the times are taken" in text
    assert figure.read_bytes().startswith(b"\x89PNG")
    shown = json.loads(edgewright("inspect", HERE / "requests" / "burstgpt.csv", "--json").stdout)
    assert (shown["kind"], shown["rows"], shown["span_s"]) == ("requests", 40, 273.0)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([KBIT], 'set unit = "kbit/s"'),
        ([KBIT, "--set", "unit=kbps"], "did you mean"),
        ([KBIT, "--set", "units=kbit/s"], "did you mean 'unit'"),
        ([KBIT, "--set", "variable=h"], "does not apply to bandwidth"),
        ([KBIT, "--set", "max_gap_s=soon"], "must be of type int or float"),
        ([KBIT, "--figure", "a.bmp"], "must end in .svg, .png, .pdf"),
    ],
)
def test_inspect_refuses(words: list, message: str, edgewright) -> None:
    said = edgewright("inspect", *words, code=2).stderr
    assert message in said and "Traceback" not in said
