"""What a user sees of long work where there is no terminal to draw a bar on."""

import io

import pytest
from rich.console import Console

from edgewright.cli import comparison
from edgewright.cli.terminal import SECONDS_BETWEEN_LINES, _Lines, counting_bar


def told(is_terminal):
    now = [0.0]
    out = io.StringIO()
    console = Console(file=out, force_terminal=is_terminal, width=40)
    lines = _Lines(console, "study x", lambda: now[0])
    for at, share in ((1.0, 0.01), (SECONDS_BETWEEN_LINES, 0.1), (31.0, 0.11), (120.0, 0.4)):
        now[0] = at
        lines.write(share, "fair/a [b]")
    return out.getvalue().splitlines()


def test_a_file_gets_a_line_now_and_then_with_the_time_left():
    assert told(False) == [
        "study x: 10 % after 0.5 min, 4.5 min left; fair/a [b]",
        "study x: 40 % after 2.0 min, 3.0 min left; fair/a [b]",
    ]


def test_a_terminal_gets_the_bar_alone():
    assert told(True) == []


def test_counted_work_tells_how_far_it_is_too(monkeypatch, capsys):
    monkeypatch.setattr("edgewright.cli.terminal.SECONDS_BETWEEN_LINES", 0.0)
    with counting_bar("compare x", 4) as report:
        for name in ("greedy", "random", "bound"):
            report(name)
    said = [line for line in capsys.readouterr().err.splitlines() if "min left" in line]
    assert [line.split(" after")[0] for line in said] == ["compare x: 25 %", "compare x: 50 %"]
    assert said[1].endswith("; bound")


@pytest.mark.parametrize(("width", "shown"), [(70, False), (110, True)])
def test_the_probability_of_improvement_is_shown_where_it_fits(width, shown, monkeypatch, capsys):
    name = "probability_of_improvement"
    difference = {"mean": 0.1, "low": 0.0, "high": 0.2}
    improvement = {name: 0.625, f"{name}_low": 0.5, f"{name}_high": 0.75}
    row = {
        "policy": "ours",
        "group": "rule",
        "reward": 1.0,
        "gap_closed": {"share": 0.37, "low": 0.3, "high": 0.44},
        "episode_length": 9.0,
        "by": {},
    }
    found = {
        "scenario": "x", "episodes": 2, "reference": "best", "baseline": "base", "metrics": [],
        "notes": [], "warnings": [],
        "policies": [{**row, "difference": difference, **improvement}],
        "bound": {**row, "policy": "bound", "difference": difference},
    }  # fmt: skip
    monkeypatch.setattr(comparison, "table_width", lambda: width)
    comparison.show(found)
    text = capsys.readouterr().out
    assert "ours" in text and "+0.100 [+0.000, +0.200]" in text
    assert ("62 [50, 75]" in text) == shown
    assert ("more than with base, ties" in text) == shown
    assert "37 [30, 44]" in text and "gap between base (0) and the bound (100)" in text


def test_a_part_of_the_actions_that_does_not_fit_is_left_out_whole(monkeypatch, capsys):
    numbers = [{"entry": "1", "mean": 0.5, "min": 0.0, "max": 1.0}]
    parts = [
        {"name": f"part{n}", "kind": "numbers", "unit": "", "entries": numbers} for n in range(6)
    ]
    row = {"policy": "knapsack+search-root", "group": "rule", "actions": parts}
    monkeypatch.setattr(comparison, "table_width", lambda: 80)
    comparison.show_actions({"policies": [row], "notes": [], "warnings": []})
    text = capsys.readouterr().out
    assert "…" not in text and "knapsack+search-root" in text
    assert "part0" in text and "0.5 (0 to 1)" in text and "part5" not in text
