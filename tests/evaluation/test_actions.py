"""Shares of actions, worked by hand, and the CSV file of single decisions."""

import csv
from types import SimpleNamespace

import numpy as np
import pytest

import edgewright as ew
from edgewright.core.spaces import Bits, Box, Discrete, Record, Simplex
from edgewright.evaluation import action_table
from edgewright.evaluation.actions import action_shares, constant, decisions, warning
from edgewright.evaluation.tasks import KEYS

TINY = {
    "params.horizon_slots": 12,
    "evaluation.episodes": 4,
    "evaluation.reference": "greedy-location",
}


class World:
    """A world with an action of every kind for each of two agents."""

    space = Record(
        (
            ("place", Discrete(3, (2,))),
            ("cache", Bits((2, 3))),
            ("share", Simplex((2, 2))),
            ("power", Box(0.0, 2.0, (2, 1), unit="W")),
        )
    )

    def action_space(self, params):
        return self.space

    def observation_space(self, params):
        return Box(0.0, 1.0, (2, 4))


def problem():
    return SimpleNamespace(kind="aigc", params=None, world=World())


TAKEN = {
    "place": np.array([[0, 2], [2, 2]]),
    "cache": np.array([[[1, 0, 1], [1, 0, 0]], [[1, 0, 1], [1, 0, 0]]]),
    "share": np.array([[[0.5, 0.5], [0.25, 0.75]]] * 2),
    "power": np.array([[[1.0], [1.0]]] * 2),
}


def test_every_entry_of_every_kind_of_action_has_its_share():
    place, cache, share, power = action_shares(problem(), World(), TAKEN)
    assert [one["share"] for one in place["entries"]] == [0.25, 0.0, 0.75]
    assert cache["kind"] == "bits" and [e["share"] for e in cache["entries"]] == [1.0, 0.0, 0.5]
    assert share["entries"][0] == {"entry": "1", "mean": 0.375, "min": 0.25, "max": 0.5}
    assert power["unit"] == "W" and constant(power) == "1"
    assert [constant(part) for part in (place, cache, share)] == [None, None, None]
    row = {"actions": [place, cache, share, power]}
    headings = [heading for _, heading, _ in action_table.columns([row], most=60)]
    assert headings[:4] == ["place: 0", "place: 1", "place: 2", "cache 1 = 1"]
    assert action_table.cells(row)["share: 1"] == "0.375 (0.25 to 0.5)"
    assert len(action_table.columns([row], most=4)) == 4


def test_a_part_that_never_changes_is_named():
    stuck = {**TAKEN, "place": np.ones((2, 2), int)}
    assert warning("p", action_shares(problem(), World(), stuck)) == (
        "p always decided place = 1; power = 1"
    )
    assert warning("p", []) is None


def test_only_steps_of_running_episodes_count():
    actions, alive = np.arange(6).reshape(3, 2), np.array([[1, 1], [1, 0], [1, 0]], bool)
    assert decisions(actions, alive).tolist() == [0, 1, 2, 4]


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    file = tmp_path_factory.mktemp("tasks") / "t.csv"
    table = ew.compare(ew.make("aigc-heavy", TINY), ["greedy", "local-1"], tasks=file)
    with open(file, newline="") as text:
        return table, list(csv.DictReader(text))


def test_is_it_all_local(compared):
    table, _ = compared
    parts = {part["name"]: part for part in table.row("local-1")["actions"]}
    assert set(parts) == {"action", "location", "level"}
    assert parts["location"]["entries"][0] == {"entry": "device", "share": 1.0}
    assert parts["level"]["entries"][1] == {"entry": "1", "share": 1.0}
    for part in table.row("random")["actions"]:
        assert sum(one["share"] for one in part["entries"]) == pytest.approx(1.0)
    assert "location: device" in repr(table.actions())


def test_the_file_has_a_row_for_every_decision(compared):
    table, rows = compared
    assert list(rows[0])[: len(KEYS)] == list(KEYS)
    mine = [row for row in rows if row["policy"] == "local-1"]
    assert len(mine) == 4 * 12 and {row["action"] for row in mine} == {"device, level 1"}
    mean = np.mean([float(row["reward"]) for row in mine])
    assert mean == pytest.approx(table.row("local-1")["reward"], abs=1e-6)
    assert {"delay_s", "energy_j", "location", "level", "served"} <= set(rows[0])
    greedy = [row for row in rows if row["policy"] == "greedy"]
    away = np.mean([int(row["location"]) > 0 for row in greedy])
    parts = {part["name"]: part for part in table.row("greedy")["actions"]}
    assert 1 - away == pytest.approx(parts["location"]["entries"][0]["share"])


def test_nothing_is_left_of_a_file_that_failed(tmp_path):
    file = tmp_path / "t.csv"
    file.write_text("old")
    problem = ew.make("binary-hard", {"evaluation.episodes": 2})
    for named in ("all-local", "no such policy"):  # refused before a policy is looked for
        with pytest.raises(ew.InputError, match="keeps no record of single decisions"):
            ew.compare(problem, [named], tasks=file)
    assert file.read_text() == "old" and [p.name for p in tmp_path.iterdir()] == ["t.csv"]


def test_a_part_of_many_entries_is_one_column():
    numbers = [{"entry": str(n), "mean": float(n), "min": -n, "max": 2 * n} for n in range(1, 21)]
    bits = [{"entry": str(n), "share": n / 10} for n in range(10)]
    parts = [
        {"name": "cache", "kind": "numbers", "unit": "", "entries": numbers},
        {"name": "held", "kind": "bits", "entries": bits},
    ]
    shown = action_table.columns([{"actions": parts}], most=12)
    assert [heading for _, heading, _ in shown] == ["cache, mean", "held = 1"]
    cells = action_table.cells({"actions": parts})
    assert cells["cache: all 20"] == "10.5 (-20 to 40)"
    assert cells["held: all 10"] == pytest.approx(45.0)
    assert len(parts[0]["entries"]) == 20


def test_the_choices_of_many_users_are_one_part_of_the_table():
    def part(n, share):
        entries = [{"entry": "0", "share": share}, {"entry": "1", "share": 1 - share}]
        return {"name": f"server {n}", "kind": "choice", "entries": entries}

    many = {"actions": [part(n, n / 10) for n in range(1, 6)]}
    shown = action_table.columns([many], most=12)
    assert [heading for _, heading, _ in shown] == ["server: 0", "server: 1"]
    assert action_table.cells(many)["server: 0"] == pytest.approx(30.0)
    assert len(many["actions"]) == 5
    few = {"actions": [part(n, n / 10) for n in range(1, 3)]}
    assert len(action_table.columns([few], most=12)) == 4


def test_a_range_is_rounded_as_its_largest_number():
    entry = {"entry": "1", "mean": 0.5381, "min": 8.1e-05, "max": 1.0}
    row = {"actions": [{"name": "speed", "kind": "numbers", "unit": "", "entries": [entry]}]}
    assert action_table.cells(row)["speed: 1"] == "0.54 (0 to 1)"
    entry |= {"mean": 2e-7, "min": -1e-7, "max": 4e-7}
    assert action_table.cells(row)["speed: 1"] == "2e-07 (-1e-07 to 4e-07)"
