"""SecAgg+ of Flower: the sums of plain rounds, and what it takes (extra ``federated``)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edgewright.core.errors import InputError
from edgewright.federated.aggregation import Round
from edgewright.federated.modules import SHAPES, of_module
from edgewright.federated.rounds import Work, run_local, work_of
from edgewright.federated.settings import AVERAGED, Settings

pytest.importorskip("flwr")

SAMPLES = np.array([[10, 0], [9, 0], [8, 0], [7, 0]])


def quiet(name: str) -> None:
    """Report nothing."""


def work(aggregation: Any = "secure", faults: Any = None, samples: Any = SAMPLES) -> Work:
    settings = Settings(servers=len(samples), rounds=1, aggregation=aggregation)
    return work_of(settings, 0, samples, faults or {})


def close(ours: Round, theirs: Round) -> None:
    """Check that two models differ by no more than their quantisation."""
    for name in SHAPES:
        largest = 1e-6 if of_module(name) in AVERAGED else 0.05
        if name.endswith("/counts"):
            largest = 0.0
        error = np.max(np.abs(ours.model[name] - theirs.model[name]))
        assert error <= largest, (name, error)


def test_secret_sums_are_the_plain_ones_without_a_server_that_fails() -> None:
    """Server 1 trains NaN, and sends nothing after it has shared its keys."""
    from edgewright.federated.flower_strategy import run_flower

    faults = {1: "nan"}
    plain, secret = (
        run_local(work("mean", faults), quiet)[0],
        run_flower(work(faults=faults), quiet),
    )
    assert len(secret) == 2
    assert secret[0].used == plain.used == (0, 2, 3)
    assert secret[0].set_aside.keys() == {1}
    assert "must be finite" in secret[0].set_aside[1]
    close(secret[0], plain)
    counted = run_flower(work("mean", faults), quiet)[0].traffic
    assert secret[0].traffic["messages"] > 3 * counted["messages"]
    assert secret[0].traffic["uplink_bytes"] > counted["uplink_bytes"]
    assert not secret[1].used  # nobody works in the second period


def test_impossible_sums_of_a_server_that_cheats_are_set_aside_with_all() -> None:
    """The cloud sees that the sum cannot be, and cannot see whose upload spoils it."""
    from edgewright.federated.flower_strategy import run_flower

    result = run_flower(work(faults={2: "scale"}), quiet)[0]
    assert not result.used
    assert result.set_aside.keys() == {0, 1, 2, 3}
    assert all("in a sum that cannot be" in reason for reason in result.set_aside.values())
    assert all(np.all(array == 0.0) for array in result.model.values())


def test_the_protocol_begins_again_without_a_server_that_never_answers(monkeypatch: Any) -> None:
    from edgewright.federated import flower_strategy

    usual = flower_strategy.client_app

    def failing(message: Any, context: Any) -> Any:
        if context.node_config["servers"] == "3":
            raise RuntimeError("no disk")
        return usual(message, context)

    monkeypatch.setattr(flower_strategy, "client_app", failing)
    result = flower_strategy.run_flower(work(), quiet)[0]
    assert result.used == (0, 1, 2)
    assert result.set_aside == {3: "no disk"}
    close(result, run_local(work("mean", samples=np.append(SAMPLES[:3], [[0, 0]], 0)), quiet)[0])


def test_uploads_leave_a_node_masked(monkeypatch: Any) -> None:
    """Entries of a masked vector are spread over all numbers below 2^32."""
    from flwr.common import bytes_to_ndarray  # pyright: ignore[reportMissingImports]

    from edgewright.federated import flower_strategy

    usual, uploads = flower_strategy.client_app, []

    def listening(message: Any, context: Any) -> Any:
        reply = usual(message, context)
        config = reply.content.config_records["secaggplus_configs"]
        if "masked_params" in config:
            assert not any(len(record) for record in reply.content.array_records.values())
            uploads.append([bytes_to_ndarray(one) for one in config["masked_params"]])
        return reply

    monkeypatch.setattr(flower_strategy, "client_app", listening)
    result = flower_strategy.run_flower(work(samples=SAMPLES[:3]), quiet)
    assert result[0].used == (0, 1, 2)
    assert len(uploads) == 3
    for one in uploads:
        numbers = np.concatenate([array.ravel() for array in one]) / 2.0**32
        assert abs(numbers.mean() - 0.5) < 6 / np.sqrt(12 * len(numbers))
        assert abs(numbers.std() - 12**-0.5) < 0.02


def test_a_node_that_masks_refuses_a_plain_upload() -> None:
    from edgewright.federated import flower_strategy

    some = work("mean")
    grid = flower_strategy.InProcessGrid(4)
    for context in grid.contexts.values():
        context.node_config["secure"] = True
    result = flower_strategy.run_strategy(some, grid, {n: n + 1 for n in range(4)}, quiet)
    assert not result[0].used
    assert set(result[0].set_aside.values()) == {"sent no answer"}


def test_sums_of_two_and_shared_nodes_are_refused() -> None:
    from edgewright.federated.engines import engine_of
    from edgewright.federated.flower_strategy import run_flower

    with pytest.raises(InputError, match="at least 3 servers"):
        run_flower(work(samples=SAMPLES[:2]), quiet)
    with pytest.raises(InputError, match="`--workers` must be 4, one for each server"):
        engine_of("processes", 2, work().settings)


def test_real_processes_give_the_sums_of_plain_rounds() -> None:
    """One server process and three client processes, each of which masks for its server."""
    from edgewright.federated.flower_processes import run_processes

    some = SAMPLES[:3]
    [secret, _] = run_processes(work(samples=some), quiet, nodes=3)
    assert secret.used == (0, 1, 2)
    close(secret, run_local(work("mean", samples=some), quiet)[0])
    assert secret.traffic["messages"] == 12
