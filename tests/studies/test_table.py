"""The table of results: tidy rows, and hints for misspelt names."""

import csv

import numpy as np
import pytest

from edgewright.core.errors import InputError
from edgewright.studies.job import JobResult, Plan
from edgewright.studies.table import Table


def test_the_table_is_tidy(tmp_path):
    arrays = {"episodes/x": np.array([[1.0, 2.0], [3.0, 4.0]]), "episodes/y": np.ones((2, 2))}
    results = {
        "a": JobResult(arrays, {"labels": {"policy": "p"}}),
        "b": JobResult({"other/z": np.ones(3)}),
    }
    table = Table(results, {"episodes": ("seed", "episode"), "other": ("n",)}, Plan(True, 3, 1.0))
    table.write_csv(tmp_path / "t.csv", "episodes")
    rows = list(csv.DictReader((tmp_path / "t.csv").read_text().splitlines()))
    assert len(rows) == 4
    assert rows[2] == {
        "arm": "a", "policy": "p", "seed": "1", "episode": "0", "x": "3", "y": "1"
    }  # fmt: skip
    with pytest.raises(InputError, match="unknown result 'aa'"):
        table["aa"]
    with pytest.raises(InputError, match="episodes/x"):
        table.array("a", "episodes/xx")
