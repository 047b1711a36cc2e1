"""Run the rounds of a construction with SecAgg+, so that the cloud sees sums alone.

The protocol is Flower's ``SecAggPlusWorkflow``. It hides single uploads from a cloud that follows
the protocol. Flower 1.42 draws masks from seeds of 32 bits (``pseudo_rand_gen``), which a cloud
that searches for them can find: the protocol and its cost are real, its strength is not.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from flwr.app import ConfigRecord, Context, RecordDict  # pyright: ignore[reportMissingImports]
from flwr.common import (  # pyright: ignore[reportMissingImports]
    FitIns,
    ndarrays_to_parameters,
    parameters_to_ndarrays,
)
from flwr.server import LegacyContext  # pyright: ignore[reportMissingImports]
from flwr.server.strategy import FedAvg  # pyright: ignore[reportMissingImports]
from flwr.server.workflow import SecAggPlusWorkflow  # pyright: ignore[reportMissingImports]
from flwr.server.workflow.constant import (  # pyright: ignore[reportMissingImports]
    MAIN_CONFIGS_RECORD,
    MAIN_PARAMS_RECORD,
    Key,
)

from edgewright.federated.aggregation import Round, Upload, add_statistics, fault
from edgewright.federated.flower_client import as_record, task_config
from edgewright.federated.flower_traffic import CountingGrid
from edgewright.federated.modules import SHAPES, Model, init_model, of_module
from edgewright.federated.rounds import OnRound, Task, Work
from edgewright.federated.secure_sums import LEVELS, MIN_SERVERS, RANGE, groups, unpacked
from edgewright.federated.settings import AVERAGED

THRESHOLD = 2.0 / 3.0
"""Share of the servers that together can remove masks, of those that dropped out too (R)."""

SECONDS_FOR_ANSWERS = 120.0
"""How long the cloud waits in each stage of the protocol."""


class Node(NamedTuple):
    """A node as ``SecAggPlusWorkflow`` knows it."""

    node_id: int


class OneSum(FedAvg):
    """A strategy of Flower's older form that asks chosen nodes and keeps their mean.

    Args:
        model: what all nodes download.
        asked: what each node is asked for.

    Attributes:
        nodes: whose uploads are in the mean; empty before it is there.
        mean: the weighted mean of what they packed.
    """

    def __init__(self, model: Model, asked: Mapping[int, Any]) -> None:
        super().__init__()
        self.parameters = ndarrays_to_parameters([model[name] for name in sorted(SHAPES)])
        self.asked = asked
        self.nodes: list[int] = []
        self.mean: list[Any] = []

    def configure_fit(self, server_round: int, parameters: Any, client_manager: Any) -> Any:
        """Return what each node is asked for."""
        return [(Node(node), FitIns(self.parameters, dict(c))) for node, c in self.asked.items()]

    def aggregate_fit(self, server_round: int, results: Any, failures: Any) -> Any:
        """Keep the mean, which is the same in all results."""
        self.nodes = [node.node_id for node, _ in results]
        self.mean = parameters_to_ndarrays(results[0][1].parameters)
        return None, {}


class SecureRounds:
    """The rounds of a construction whose uploads are summed in secret.

    Args:
        work: the tasks of all rounds.
        grid: sends messages to nodes.
        nodes: the node of each server.
    """

    def __init__(self, work: Work, grid: CountingGrid, nodes: Mapping[int, int]) -> None:
        self.work, self.grid, self.nodes = work, grid, nodes

    def round(self, number: int, model: Model) -> Round:
        """Return the result of a round that began with a model."""
        after, used, set_aside = dict(model), [], {}
        for group in groups(self.work.rounds[number]):
            summed, servers, reasons = self._summed(number, group, model)
            set_aside |= reasons
            if not servers:
                continue
            used += servers
            statistics = {n: a for n, a in summed.items() if of_module(n) not in AVERAGED}
            after |= {n: a for n, a in summed.items() if of_module(n) in AVERAGED}
            after = add_statistics(after, [Upload(-1, statistics, 1)])
        return Round(after, tuple(sorted(used)), set_aside, (), self.grid.since_last())

    def _summed(
        self, number: int, tasks: Mapping[int, Task], model: Model
    ) -> tuple[Model, list[int], dict[int, str]]:
        """Return a group's sums, its servers, and why others were set aside.

        A server that fails before it has shared its keys stops the protocol. It begins again
        without that server.
        """
        left, set_aside = dict(tasks), {}
        while len(left) >= MIN_SERVERS:
            self.grid.silent.clear()
            try:
                strategy = self._protocol(number, left, model)
            except (ArithmeticError, LookupError, TypeError, ValueError) as error:
                return {}, [], set_aside | dict.fromkeys(left, f"in a sum that fails: {error}")
            servers = [one for one in left if self.nodes[one] in strategy.nodes]
            # What fails after the first failure may be its consequence.
            first = next((one for one in self.grid.silent if one), {})
            lost = {one: first[self.nodes[one]] for one in left if self.nodes[one] in first}
            set_aside |= {one: reason for one, reason in lost.items() if one not in servers}
            if servers:
                return self._checked(strategy.mean, servers, tasks, model, set_aside)
            if not lost:
                break
            left = {one: task for one, task in left.items() if one not in lost}
        return {}, [], set_aside | dict.fromkeys(left, "too few servers are left for a sum")

    def _protocol(self, number: int, tasks: Mapping[int, Task], model: Model) -> OneSum:
        """Run the protocol once and return the strategy that keeps its mean."""
        asked = {self.nodes[one]: task_config(self.work, task) for one, task in tasks.items()}
        strategy = OneSum(model, asked)
        plain = Context(run_id=0, node_id=0, node_config={}, state=RecordDict(), run_config={})
        context = LegacyContext(plain, strategy=strategy)
        context.state.config_records[MAIN_CONFIGS_RECORD] = ConfigRecord(
            {Key.CURRENT_ROUND: number + 1}
        )
        context.state.array_records[MAIN_PARAMS_RECORD] = as_record({})
        SecAggPlusWorkflow(
            num_shares=1.0,
            reconstruction_threshold=THRESHOLD,
            max_weight=float(max(task.count for task in tasks.values())),
            clipping_range=RANGE,
            quantization_range=LEVELS,
            timeout=SECONDS_FOR_ANSWERS,
        )(self.grid, context)
        return strategy

    def _checked(
        self,
        mean: list[Any],
        servers: list[int],
        tasks: Mapping[int, Task],
        model: Model,
        set_aside: dict[int, str],
    ) -> tuple[Model, list[int], dict[int, str]]:
        """Return sums, or nothing where no honest uploads can have these sums."""
        modules = tasks[servers[0]].modules
        total = sum(tasks[one].count for one in servers)
        summed = unpacked(mean, model, modules, total)
        why = fault(Upload(-1, summed, total), modules)
        if why:
            return {}, [], set_aside | dict.fromkeys(servers, f"in a sum that cannot be: {why}")
        return summed, servers, set_aside


def run_secure(
    work: Work, grid: CountingGrid, nodes: Mapping[int, int], on_round: OnRound
) -> list[Round]:
    """Run all rounds with SecAgg+ and return the result of each.

    Args:
        work: the tasks of all rounds.
        grid: sends messages to nodes.
        nodes: the node of each server that works; no two servers have the same.
        on_round: called with the name of each round.
    """
    secure, model, results = SecureRounds(work, grid, nodes), init_model(), []
    grid.since_last()
    for number in range(len(work.rounds)):
        on_round(f"round {number + 1}")
        results.append(secure.round(number, model))
        model = results[-1].model
    return results


__all__ = ["SecureRounds", "run_secure"]
