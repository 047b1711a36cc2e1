"""Aggregate with the strategy of Flower, which sends tasks and averages uploads.

The strategy is Flower's ``FedAvg`` (Beutel et al., 2020, arXiv:2007.14390). Three things differ:
every server gets its own task, faulty uploads are set aside before the average, and statistics
are summed.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterable, Mapping
from typing import Any

os.environ.setdefault("FLWR_TELEMETRY_ENABLED", "0")

from flwr.app import (  # pyright: ignore[reportMissingImports]
    DEFAULT_TTL,
    Context,
    Error,
    Message,
    MessageType,
    Metadata,
    RecordDict,
)
from flwr.common.serde import (  # pyright: ignore[reportMissingImports]
    recorddict_from_proto,
    recorddict_to_proto,
)
from flwr.serverapp import Grid  # pyright: ignore[reportMissingImports]
from flwr.serverapp.strategy import FedAvg, FedMedian  # pyright: ignore[reportMissingImports]
from flwr.supercore.task_identity import TaskIdentity  # pyright: ignore[reportMissingImports]

from edgewright.federated.aggregation import Round, Upload, add_statistics, screened
from edgewright.federated.flower_client import (
    ARRAYS,
    CONFIG,
    METRICS,
    as_model,
    as_record,
    client_app,
    task_config,
)
from edgewright.federated.flower_traffic import CountingGrid
from edgewright.federated.modules import Model, init_model, of_module
from edgewright.federated.rounds import OnRound, Task, Work
from edgewright.federated.secure_sums import check_groups
from edgewright.federated.settings import AVERAGED

CLIENT_ERROR = 1
"""Flower's code of an error in a client."""


class ConstructionStrategy(FedAvg):
    """Flower's FedAvg for a construction under a contract.

    Attributes:
        rounds: result of every round so far.
    """

    def __init__(
        self, work: Work, nodes: Mapping[int, int], on_round: OnRound, grid: CountingGrid
    ) -> None:
        """Take the work, the node of each server, what names rounds, and what counts messages."""
        super().__init__(fraction_evaluate=0.0, min_train_nodes=1, min_available_nodes=1)
        self.work, self.nodes, self.on_round, self.grid = work, nodes, on_round, grid
        self.rounds: list[Round] = []
        self.tasks: Mapping[int, Task] = {}
        self.model = init_model()

    def configure_train(
        self, server_round: int, arrays: Any, config: Any, grid: Any
    ) -> Iterable[Any]:
        """Return one message for each server that works in this round; Flower counts from 1."""
        self.on_round(f"round {server_round}")
        self.model = as_model(arrays)
        self.tasks = self.work.rounds[server_round - 1]
        return [
            grid.create_message(
                content=RecordDict({ARRAYS: arrays, CONFIG: task_config(self.work, task)}),
                message_type=MessageType.TRAIN,
                dst_node_id=self.nodes[server],
                group_id=str(server_round),
            )
            for server, task in self.tasks.items()
        ]

    def aggregate_train(self, server_round: int, replies: Iterable[Any]) -> tuple[Any, Any]:
        """Return the new model as a record; the average of usable uploads is Flower's own."""
        valid, _ = self._check_and_log_replies(replies, is_train=True, validate=False)
        by_server = {int(reply.content[METRICS]["server"]): reply for reply in valid}
        uploads = [self._upload(server, reply) for server, reply in by_server.items()]
        modules = {server: task.modules for server, task in self.tasks.items()}
        chosen = screened(self.work.settings, self.model, uploads, modules)
        missing = set(self.tasks) - set(by_server)
        set_aside = chosen.set_aside | {server: "sent no answer" for server in missing}
        after = add_statistics(self.model, chosen.usable)
        for module in AVERAGED:
            after |= self._averaged(server_round, module, chosen.usable, by_server)
        used = tuple(one.server for one in chosen.usable)
        traffic = self.grid.since_last()
        self.rounds.append(Round(after, used, set_aside, chosen.clipped, traffic))
        return as_record(after), None

    def _upload(self, server: int, reply: Any) -> Upload:
        samples = int(reply.content[METRICS]["num-examples"])
        return Upload(server=server, arrays=as_model(reply.content[ARRAYS]), samples=samples)

    def _averaged(
        self, server_round: int, module: str, uploads: list[Upload], replies: Mapping[int, Any]
    ) -> Model:
        """Return one module's arrays, averaged by Flower from replies that hold nothing else."""
        messages = []
        for one in uploads:
            own = {name: a for name, a in one.arrays.items() if of_module(name) == module}
            if own:
                reply = replies[one.server]
                reply.content = RecordDict(
                    {ARRAYS: as_record(own), METRICS: reply.content[METRICS]}
                )
                messages.append(reply)
        if not messages:
            return {}
        robust = self.work.settings.aggregation == "median"
        inherited = FedMedian.aggregate_train if robust else FedAvg.aggregate_train
        return as_model(inherited(self, server_round, messages)[0])


class InProcessGrid(Grid):
    """A grid whose nodes are in this process, one for each server: the engine ``flower``."""

    def __init__(self, servers: int) -> None:
        # Messages that Flower's workflows make have the number of the run and of this node.
        TaskIdentity.task_id, TaskIdentity.run_id, TaskIdentity.node_id = 1, 0, 0
        self.contexts = {
            node: Context(
                run_id=0,
                node_id=node,
                node_config={"servers": str(node - 1)},
                state=RecordDict(),
                run_config={},
            )
            for node in range(1, servers + 1)
        }
        self.replies: dict[str, Any] = {}

    def set_run(self, run: Any) -> None:
        """Do nothing, since there is one run."""

    @property
    def run(self) -> Any:
        """Return None, since there is one run."""
        return None

    def create_message(
        self,
        content: Any,
        message_type: str,
        dst_node_id: int,
        group_id: str,
        ttl: float | None = None,
    ) -> Any:
        """Return a message of Flower."""
        metadata = Metadata(
            run_id=0,
            message_id="",
            src_node_id=0,
            dst_node_id=dst_node_id,
            reply_to_message_id="",
            group_id=group_id,
            created_at=time.time(),
            ttl=DEFAULT_TTL if ttl is None else ttl,
            message_type=message_type,
        )
        return Message(content=content, metadata=metadata)

    def get_node_ids(self) -> Iterable[int]:
        """Return the numbers of all nodes, which are one more than those of their servers."""
        return list(self.contexts)

    def push_messages(self, messages: Iterable[Any]) -> Iterable[str]:
        """Let the nodes answer, one after the other, and return the names of the answers."""
        names = []
        for message in messages:
            name = f"{len(self.replies)}"
            self.replies[name] = self._answer(message)
            names.append(name)
        return names

    def pull_messages(self, message_ids: Iterable[str]) -> Iterable[Any]:
        """Return answers by name, each once."""
        return [self.replies.pop(name) for name in list(message_ids)]

    def send_and_receive(
        self, messages: Iterable[Any], *, timeout: float | None = None
    ) -> Iterable[Any]:
        """Return the answers of the nodes."""
        return self.pull_messages(self.push_messages(messages))

    def _answer(self, message: Any) -> Any:
        """Return a node's answer to a copy; an exception becomes Flower's error.

        Both are as between processes: Flower's SecAgg+ changes the message that it is given.
        """
        message.content = recorddict_from_proto(recorddict_to_proto(message.content))
        try:
            return client_app(message, self.contexts[message.metadata.dst_node_id])
        except Exception as error:
            return Message(Error(CLIENT_ERROR, str(error)), reply_to=message)


def run_flower(work: Work, on_round: OnRound) -> list[Round]:
    """Run all rounds through Flower's strategy and messages in this process.

    Raises:
        InputError: uploads are to be summed in secret, and a sum has too few parts.
    """
    if work.settings.aggregation == "secure":
        check_groups(work)
    logging.getLogger("flwr").setLevel(logging.ERROR)
    grid = InProcessGrid(work.settings.servers)
    nodes = {server: server + 1 for server in range(work.settings.servers)}
    return run_strategy(work, grid, nodes, on_round)


def run_strategy(work: Work, grid: Any, nodes: Mapping[int, int], on_round: OnRound) -> list[Round]:
    """Run all rounds on a grid.

    Args:
        work: the tasks of all rounds.
        grid: sends messages to nodes.
        nodes: the node that hosts each server that works.
        on_round: called with the name of each round.
    """
    counting = CountingGrid(grid)
    if work.settings.aggregation == "secure":
        from edgewright.federated.flower_secure import run_secure

        return run_secure(work, counting, nodes, on_round)
    strategy = ConstructionStrategy(work, nodes, on_round, counting)
    strategy.start(counting, as_record(init_model()), num_rounds=len(work.rounds))
    return strategy.rounds


__all__ = ["ConstructionStrategy", "InProcessGrid", "run_flower", "run_strategy"]
