"""Aggregation, faulty and malicious servers, and the rounds of a construction."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys

import numpy as np
import pytest

from edgewright.core.errors import InputError
from edgewright.federated import aggregation, modules
from edgewright.federated.aggregation import Upload
from edgewright.federated.rounds import Work, client_update, run_local, work_of
from edgewright.federated.settings import AVERAGED, MODULES, Settings

SETTINGS = Settings(servers=5, rounds=2)
SAMPLES = np.array([[10, 12], [10, 12], [8, 0], [0, 6], [10, 12]])


def quiet(name: str) -> None:
    """Report nothing."""


def work(settings: Settings = SETTINGS, faults: dict[int, str] | None = None) -> Work:
    return work_of(settings, 0, SAMPLES, faults or {})


def test_the_average_is_weighted_by_samples() -> None:
    shape = modules.SHAPES["action/biases"]
    model = modules.init_model()
    names = aggregation.names_of(("action",))
    uploads = [
        Upload(n, {name: np.full_like(model[name], float(n)) for name in names}, samples)
        for n, samples in ((0, 1), (1, 3))
    ]
    after = aggregation.aggregate(SETTINGS, model, uploads, {0: ("action",), 1: ("action",)})
    np.testing.assert_allclose(after.model["action/biases"], np.full(shape, 0.75))


def test_identical_servers_give_the_model_of_one() -> None:
    """FedAvg of equal clients is one client."""
    task = work().rounds[0][0]
    model = modules.init_model()
    one = client_update(SETTINGS, 0, model, task, "")
    every = [dataclasses.replace(one, server=n) for n in range(4)]
    asked = dict.fromkeys(range(4), MODULES)
    after = aggregation.aggregate(SETTINGS, model, every, asked).model
    for name in aggregation.names_of(AVERAGED):
        np.testing.assert_allclose(after[name], one.arrays[name], rtol=1e-6)
    np.testing.assert_allclose(after["memory/counts"], 4.0 * one.arrays["memory/counts"])


@pytest.mark.parametrize("fault", ["nan", "shape"])
def test_a_faulty_server_is_set_aside_and_leaves_no_trace(fault: str) -> None:
    results = run_local(work(faults={1: fault}), quiet)
    honest = run_local(work_of(SETTINGS, 0, SAMPLES * [[1], [0], [1], [1], [1]], {}), quiet)
    assert all(one.set_aside and set(one.set_aside) == {1} for one in results)
    assert aggregation.count_faults(results) == {"1": 4}
    for name, array in results[-1].model.items():
        np.testing.assert_array_equal(array, honest[-1].model[name])


def test_scaled_statistics_are_impossible_and_set_aside() -> None:
    results = run_local(work(faults={0: "scale"}), quiet)
    assert "whole numbers that sum to 10" in results[0].set_aside[0]
    counts = results[-1].model["memory/counts"]
    assert counts.sum() == SAMPLES.sum() - SAMPLES[0].sum()


def test_sums_beyond_what_their_samples_can_be_are_set_aside() -> None:
    task = work().rounds[0][0]
    upload = client_update(SETTINGS, 0, modules.init_model(), task, "")
    arrays = {**upload.arrays, "planning/sums": 100.0 * upload.arrays["planning/sums"]}
    assert not aggregation.fault(upload, MODULES)
    assert "planning/sums" in aggregation.fault(dataclasses.replace(upload, arrays=arrays), MODULES)


@pytest.mark.parametrize(
    ("aggregate", "holds"), [("mean", False), ("clipped", True), ("median", True)]
)
def test_a_malicious_update_moves_the_mean_and_not_the_robust_aggregates(
    aggregate: str, holds: bool
) -> None:
    """Distance of parameters from those without the malicious server, in norms of the update."""
    settings = Settings(servers=5, rounds=1, aggregation=aggregate)  # pyright: ignore[reportArgumentType]
    model = modules.init_model()
    tasks = work_of(settings, 0, np.full((5, 2), 20), {}).rounds[0]
    honest = [client_update(settings, 0, model, task, "") for task in tasks.values()]
    bad = client_update(settings, 0, model, tasks[4], "scale")
    arrays = {**honest[4].arrays, **{n: bad.arrays[n] for n in aggregation.names_of(AVERAGED)}}
    uploads = [*honest[:4], dataclasses.replace(bad, arrays=arrays)]
    asked = dict.fromkeys(range(5), MODULES)
    hit = aggregation.aggregate(settings, model, uploads, asked)
    clean = aggregation.aggregate(settings, model, honest, asked)
    names = aggregation.names_of(AVERAGED)
    moved = sum(np.sum((hit.model[n] - clean.model[n]) ** 2) for n in names) ** 0.5
    size = sum(np.sum(clean.model[n] ** 2) for n in names) ** 0.5
    assert bool(moved < 1.5 * size) is holds
    assert hit.clipped == ((4,) if aggregate == "clipped" else ())


def test_clipping_leaves_usual_updates_as_they_are() -> None:
    mean = run_local(work(), quiet)
    loose = dataclasses.replace(SETTINGS, aggregation="clipped", clip_factor=100.0)
    clipped = run_local(work(loose), quiet)
    for name, array in mean[-1].model.items():
        np.testing.assert_array_equal(array, clipped[-1].model[name])


def test_statistics_are_asked_for_once_in_a_period() -> None:
    asked = [{n for task in tasks.values() for n in task.modules} for tasks in work().rounds]
    assert asked == [set(MODULES), set(AVERAGED), set(MODULES), set(AVERAGED)]
    total = run_local(work(), quiet)[-1].model
    assert total["memory/counts"].sum() == SAMPLES.sum() == total["planning/counts"].sum()


def test_split_servers_train_one_module_each() -> None:
    split = dataclasses.replace(SETTINGS, mode="split")
    rounds = work(split).rounds
    assert [rounds[0][n].modules for n in (0, 1, 2)] == [
        ("perception",),
        ("memory",),
        ("planning",),
    ]
    assert set(rounds[1]) == {0, 4}  # of the other servers nothing is asked twice


def test_a_period_without_workers_leaves_the_model_as_it_is() -> None:
    results = run_local(work_of(SETTINGS, 0, SAMPLES * [[1, 0]], {}), quiet)
    for name, array in results[1].model.items():
        np.testing.assert_array_equal(array, results[3].model[name])


def test_a_share_that_ends_is_counted() -> None:
    asked = np.array([[500, 10]] * 5)
    limited = work_of(SETTINGS, 0, asked, {})
    sizes = limited.rounds[0][0].count
    assert limited.missing == 5 * (510 - sizes)
    assert not limited.rounds[2]


@pytest.mark.parametrize("faults", [{7: "nan"}, {0: "late"}])
def test_faults_that_cannot_be_are_refused(faults: dict[int, str]) -> None:
    with pytest.raises(InputError):
        work(faults=faults)


def test_a_client_needs_no_jax() -> None:
    code = (
        "import sys, json, edgewright.federated.rounds as r, edgewright.federated.shares;"
        "print(json.dumps(sorted(m for m in ('jax', 'pydantic', 'equinox') if m in sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []
