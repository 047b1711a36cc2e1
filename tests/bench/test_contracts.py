"""What is measured of contracts, at sizes that take seconds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edgewright.bench import contracts
from edgewright.cli import bench_rows
from edgewright.scenarios.build import build
from edgewright.scenarios.load import load


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"WRITING_S": 0.01, "SOLVED": 2, "CHUNK": 2}.items():
        monkeypatch.setattr(contracts, name, value)
    monkeypatch.setattr(contracts, "beside_torch", lambda *_: {
        "torch_rounds_per_s": None, "ratio_to_torch": None,
    })  # fmt: skip


def test_a_measurement_has_every_row(quick: None) -> None:
    stages: list[str] = []
    result = contracts.bench(stages.append, 2000)
    assert len(stages) == contracts.STAGES
    own = result["structured"]
    assert own["rounds"] == 2000
    # Menus that are paid the least lie between nothing and the exact optimum of their markets.
    assert 0.5 < own["optimum_ratio_p05"] <= own["optimum_ratio"] <= 1.0
    assert result["solver"]["clarabel_ms"] > result["solver"]["interior_point_ms"] > 0.0
    rows = dict(bench_rows.contracts(result))
    assert rows["  share of the optimum, mean"] == f"{own['optimum_ratio']:.4f}"


def test_training_pays_where_writing_is_faster_than_solving() -> None:
    result: dict[str, Any] = {
        "structured": {
            "contracts_per_s_batch_256": 1000.0, "compile_s": 10.0, "training_s": 20.0,
        },
        "solver": {"clarabel_ms": 11.0, "interior_point_ms": 0.5},
    }  # fmt: skip
    # 30 s are spent; each contract saves 11 - 1 = 10 ms, and beside the other solver nothing.
    assert contracts.pays_after(result) == {"clarabel": 3000, "interior_point": None}


def test_the_market_of_a_round_is_scaled_as_the_learner_sees_it() -> None:
    x, observation = contracts.one_market(build(load("contract-d2")))
    np.testing.assert_allclose(x.theta, [1.0, 2.0])
    # servers 10 is the middle of 5 to 15, and discount 0.9 that of 0.8 to 1.
    np.testing.assert_allclose(observation[:2], [0.0, 0.0], atol=1e-6)
    assert observation.shape == (15,)
