"""Construct an agent under a contract, with rounds, measurements and accounts of two periods."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from edgewright.federated.agent import BYTES_OF_AN_IMAGE, Measured, latency, measure
from edgewright.federated.aggregation import Round, count_faults, names_of
from edgewright.federated.contracts import Plan, plan
from edgewright.federated.courier import ROOMS
from edgewright.federated.learning_curve import LearningCurve
from edgewright.federated.modules import SHAPES, init_model
from edgewright.federated.rounds import Engine, OnRound, Work, work_of
from edgewright.federated.settings import Settings
from edgewright.specs.schema import Scenario

WIRE_BYTES = 4
"""Bytes of a number on the wire, float32."""


@dataclasses.dataclass(frozen=True)
class Request:
    """A request for one construction.

    Attributes:
        scenario: of contracts.
        mechanism: name of the mechanism, or of the learner of ``run``.
        settings: of modules, rounds and measurement.
        run: folder of a trained run whose menus are posted; None for a mechanism.
        faults: fault by server.
    """

    scenario: Scenario
    mechanism: str
    settings: Settings
    run: str | None = None
    faults: Mapping[int, str] = dataclasses.field(default_factory=dict)


def construct(
    request: Request, seed: int, engine: Engine, curve: LearningCurve, on_round: OnRound
) -> dict[str, Any]:
    """Construct the agent of one seed and return everything that was measured, as plain data.

    Args:
        request: what to construct.
        seed: of types, data, training and measurement.
        engine: what runs the rounds.
        curve: predicts accuracy from samples.
        on_round: called with the name of each round.

    Raises:
        InputError: the scenario, the mechanism, the run or a fault does not fit.
    """
    settings = request.settings
    agreed = plan(request.scenario, request.mechanism, settings, seed, request.run)
    work = work_of(settings, seed, agreed.samples(settings), request.faults)
    results = engine(work, on_round)
    last = results[-1].model
    untrained = measure(settings, init_model(), seed).success
    agents = [measure(settings, results[n * settings.rounds - 1].model, seed) for n in (1, 2)]
    scale = settings.value_of_quality / max(1.0 - untrained, 1e-9)
    worth = [scale * (agent.success - untrained) for agent in agents]
    return {
        "seed": seed,
        "servers": _servers(work, agreed),
        "untrained_success": untrained,
        "periods": [_period(work, agreed, n, agents[n], worth[n], curve) for n in (0, 1)],
        "accounts": _accounts(agreed, worth, agents[1]),
        "exchange": exchange(work, results),
        "latency": latency(settings, last, seed),
        "set_aside": _set_aside(results),
    }


def samples_used(work: Work) -> np.ndarray:
    """Return the samples ``[servers, 2]`` that servers trained on in each period."""
    result = np.zeros((work.settings.servers, 2), np.int64)
    for number, tasks in enumerate(work.rounds):
        for server, task in tasks.items():
            result[server, number // work.settings.rounds] = task.count
    return result


def exchange(work: Work, results: list[Round]) -> dict[str, Any]:
    """Return bytes up and down, and what the raw pictures would have taken.

    Numbers are float32 without the framing of a protocol. A server that was set aside has sent its
    bytes as well. ``counted`` has what the messages of Flower really held, and the seconds of all
    rounds; it is None where there were no messages.
    """
    sizes = {name: WIRE_BYTES * int(np.prod(shape)) for name, shape in SHAPES.items()}
    up = sum(
        sizes[name]
        for tasks in work.rounds
        for task in tasks.values()
        for name in names_of(task.modules)
    )
    messages = sum(len(tasks) for tasks in work.rounds)
    counted = [one.traffic for one in results if one.traffic]
    return {
        "rounds": sum(bool(tasks) for tasks in work.rounds),
        "messages": messages,
        "uplink_bytes": up,
        "downlink_bytes": messages * sum(sizes.values()),
        "raw_images_sent": 0,
        "bytes_of_raw_images": int(samples_used(work).sum()) * BYTES_OF_AN_IMAGE,
        "samples_missing": work.missing,
        "counted": {name: sum(one[name] for one in counted) for name in counted[0]}
        if counted
        else None,
    }


def _servers(work: Work, agreed: Plan) -> list[dict[str, Any]]:
    used = samples_used(work)
    return [
        {
            "server": server,
            "types": [int(one) + 1 for one in agreed.types[server]],
            "contribution": [float(one) for one in agreed.contribution[server]],
            "samples": [int(one) for one in used[server]],
            "payment": [float(one) for one in agreed.payment[server]],
        }
        for server in range(work.settings.servers)
    ]


def _period(
    work: Work, agreed: Plan, n: int, agent: Measured, worth: float, curve: LearningCurve
) -> dict[str, Any]:
    samples = samples_used(work)
    payments, modelled = float(agreed.payment[:, n].sum()), float(agreed.value[:, n].sum())
    return {
        "period": n + 1,
        "contributors": int(np.sum(samples[:, n] > 0)),
        "samples": int(samples[:, n].sum()),
        "payments": payments,
        "modelled_value": modelled,
        "measured_value": worth,
        "modelled_profit": modelled - payments,
        "measured_profit": worth - payments,
        "predicted_accuracy": curve.accuracy(int(samples[:, : n + 1].sum())),
        **agent.facts(),
    }


def _accounts(agreed: Plan, worth: list[float], agent: Measured) -> dict[str, Any]:
    payments = agreed.payment.sum(axis=0)
    gained, paid = agent.recognition_accuracy - 1.0 / ROOMS, float(payments.sum())
    measured = np.asarray(worth) - payments
    return {
        "payments": paid,
        "modelled_profit": agreed.profit(),
        "modelled_profit_expected": agreed.expected_profit,
        "measured_profit": float(measured[0] + agreed.discount * measured[1]),
        "accuracy_above_chance_per_unit_paid": gained / paid if paid > 0 else None,
    }


def _set_aside(results: list[Round]) -> dict[str, Any]:
    reasons = {str(server): why for one in results for server, why in one.set_aside.items()}
    clipped = sorted({server for one in results for server in one.clipped})
    counts = count_faults(results)
    return {"uploads": sum(counts.values()), "by_server": dict(counts), "reasons": reasons,
            "clipped_servers": clipped}  # fmt: skip


__all__ = ["Request", "construct", "exchange", "samples_used"]
