"""Flower's strategy and messages, in this process and in real ones (extra ``federated``)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edgewright.core.errors import InputError
from edgewright.federated.rounds import Work, run_local, work_of
from edgewright.federated.settings import Settings

pytest.importorskip("flwr")

SAMPLES = np.array([[10, 12], [10, 12], [8, 0], [0, 6], [10, 12]])


def quiet(name: str) -> None:
    """Report nothing."""


def work(**settings: Any) -> Work:
    faults = settings.pop("faults", {})
    return work_of(Settings(servers=5, rounds=2, **settings), 0, SAMPLES, faults)


@pytest.mark.parametrize("aggregation", ["mean", "median", "clipped"])
@pytest.mark.parametrize("mode", ["full", "split"])
def test_flower_and_numpy_give_the_same_models(aggregation: str, mode: str) -> None:
    from edgewright.federated.flower_strategy import run_flower

    some = work(aggregation=aggregation, mode=mode, faults={1: "scale", 2: "nan", 4: "shape"})
    ours, theirs = run_local(some, quiet), run_flower(some, quiet)
    assert len(ours) == len(theirs) == 4
    for mine, other in zip(ours, theirs, strict=True):
        assert mine.set_aside == other.set_aside
        assert mine.clipped == other.clipped
        for name, array in mine.model.items():
            np.testing.assert_allclose(other.model[name], array, atol=1e-6)


def test_a_client_that_raises_is_counted_and_the_others_go_on(monkeypatch: Any) -> None:
    from edgewright.federated import flower_client
    from edgewright.federated.flower_strategy import run_flower

    usual = flower_client.client_update

    def failing(settings: Any, seed: int, model: Any, task: Any, fault: str) -> Any:
        if task.server == 1:
            raise RuntimeError("the disk is full")
        return usual(settings, seed, model, task, fault)

    monkeypatch.setattr(flower_client, "client_update", failing)
    results = run_flower(work(), quiet)
    assert results[0].set_aside == {1: "sent no answer"}
    assert results[0].used == (0, 2, 4)


def test_a_client_of_another_version_is_set_aside(monkeypatch: Any) -> None:
    from edgewright.federated import flower_client
    from edgewright.federated.flower_strategy import run_flower

    usual = flower_client.ConfigRecord

    def older(values: dict[str, Any]) -> Any:
        return usual({**values, "version": "0.0.1"} if "version" in values else values)

    monkeypatch.setattr(flower_client, "ConfigRecord", older)
    results = run_flower(work(), quiet)
    assert set(results[0].set_aside) == {0, 1, 2, 4}
    assert not results[-1].used


def test_real_processes_give_the_same_models() -> None:
    """One server process and two client processes over loopback."""
    from edgewright.federated.flower_processes import run_processes

    small = work_of(Settings(servers=2, rounds=1), 0, np.array([[10, 0], [8, 0]]), {1: "nan"})
    ours, theirs = run_local(small, quiet), run_processes(small, quiet, nodes=2)
    for mine, other in zip(ours, theirs, strict=True):
        assert mine.set_aside == other.set_aside
        for name, array in mine.model.items():
            np.testing.assert_allclose(other.model[name], array, atol=1e-6)


def test_more_client_processes_than_servers_are_refused() -> None:
    from edgewright.federated.flower_processes import run_processes

    with pytest.raises(InputError, match="from 1 to 5"):
        run_processes(work(), quiet, nodes=6)
