"""Define the protocols World, Stream, Policy and Learner, and the invariants of each.

Structural types: a user's world imports nothing from here. Everything is written for **one**
example and ``vmap``ped outside; the axis ``*agents`` is whatever a world calls its devices and is
absent for a single decision maker. ``check_world``, ``check_policy`` and ``check_learner`` in
:mod:`edgewright.testing` say in words what breaks a law.
"""

from __future__ import annotations

from typing import Any, Protocol, TypeVar, runtime_checkable

from edgewright.core.records import Array, Decision, Outcome, Trajectory
from edgewright.core.spaces import Box, Space

Key = Array
C = TypeVar("C")
L = TypeVar("L")
X = TypeVar("X")
X_co = TypeVar("X_co", covariant=True)


class Stream(Protocol[X_co]):
    """Everything the policy cannot influence, as an endless time-major record.

    Laws:
        1. ``start`` and ``resume`` consume their key; ``take`` needs none: the same carry gives the
           same record, another key gives another record.
        2. ``take`` returns leaves ``[length, ...]`` and never ends: recordings loop.
        3. ``resume(key, x)`` gives a future that continues the present ``x``; what is memoryless or
           hidden is drawn afresh. Planners use it to imagine futures.
    """

    def init_carry(self, key: Key) -> Any:
        """Return the carry at a random phase."""
        ...

    def next_rows(self, carry: Any, length: int) -> tuple[Any, X_co]:
        """Return the next carry and ``length`` rows, drawn in bulk."""
        ...

    def resume(self, key: Key, x: Any) -> Any:
        """Return a carry whose next rows follow the observed row ``x``."""
        ...


class Process(Protocol):
    """One field of a stream, which turns random words drawn by the caller into values.

    Laws: ``take`` is a function of its arguments alone; ``bits`` ``[words, length, *shape]`` fixes
    the length of the block; blocks join without a seam through ``memory``.
    """

    @property
    def words(self) -> int:
        """Random 32-bit words per row and element."""
        ...

    @property
    def shape(self) -> tuple[int, ...]:
        """Axes of one row."""
        ...

    def init_carry(self, key: Key) -> Any:
        """Return the memory at a random phase."""
        ...

    def next_rows(self, memory: Any, bits: Array) -> tuple[Any, Array]:
        """Return the next memory and values ``[length, *shape]``."""
        ...

    def resume(self, key: Key, x: Any) -> Any:
        """Return a memory whose next row follows the observed value ``x``."""
        ...


class World(Protocol):
    """The physics of one decision problem, as pure functions over arrays, for one example.

    Laws:
        1. A world rolls no dice: all chance arrives in ``x``; no method takes a random key.
        2. Numbers are in ``params`` (a pytree), structure is in the world (frozen, hashable).
        3. ``step`` never resets. ``terminated`` and ``truncated`` are different things.
        4. ``observe`` is all a learner sees; only a caller's ``observe_fn`` may show states.
        5. ``Outcome.metrics`` is physical, and its ``reward`` is a stated function of the rest.
    """

    def inputs(self, params: Any) -> Stream[Any]:
        """Return the synthetic default of everything that arrives from outside."""
        ...

    def reset(self, params: Any, x: Any) -> Any:
        """Return the first state of an episode whose first row of inputs is ``x``."""
        ...

    def observe(self, params: Any, state: Any, x: Any) -> Array:
        """Return ``[*agents, features]`` float32: what a policy may know before it decides."""
        ...

    def step(self, params: Any, state: Any, action: Any, x: Any) -> Outcome:
        """Serve one slot with the inputs ``x`` the policy saw."""
        ...

    def observation_space(self, params: Any) -> Box:
        """Return the shape and the usual range of an observation."""
        ...

    def action_space(self, params: Any) -> Space:
        """Return what an action may be."""
        ...


class Policy(Protocol):
    """A pytree that decides, such as a heuristic, oracle, network, planner or exported file.

    Laws: ``act`` consumes its key; the carry has the same structure in and out; a policy gets
    more information than ``observe`` gives only by the caller's ``observe_fn``.
    """

    def init_carry(self, key: Key) -> Any:
        """Return the memory at the start of an episode (``()`` if there is none)."""
        ...

    def act(self, key: Key, carry: Any, observation: Any, /) -> tuple[Any, Decision]:
        """Return the next memory and a decision of shape ``[*agents]``."""
        ...


@runtime_checkable
class PerAgentPolicy(Protocol):
    """A policy that holds one policy for each agent, each of which can be deployed by itself."""

    @property
    def devices(self) -> int:
        """Number of agents, and of policies."""
        ...

    def alone(self, device: int) -> Policy:
        """Return the policy of one agent, counted from 0."""
        ...


class Client(Protocol):
    """A client of many, which updates the model that it downloads."""

    def update(self, key: Key, model: Any, examples: Any) -> tuple[Any, dict[str, Array]]:
        """Train on the client's own examples; they never leave it.

        Args:
            key: consumed.
            model: what was downloaded, a pytree.
            examples: the client's data, or what makes it.

        Returns:
            what is uploaded, of one structure for all clients, and scalars to log.
        """
        ...


class Server(Protocol):
    """A server, which aggregates the uploads of its clients."""

    def model(self, state: Any) -> Any:
        """Return what clients download."""
        ...

    def aggregate(self, state: Any, uploads: Any) -> Any:
        """Return the state after one round with uploads of leaves ``[clients, ...]``."""
        ...

    def traffic_bytes(self, model: Any) -> int:
        """Return the bytes of one round: downloads and uploads of all its clients."""
        ...


class MetaLearner(Client, Server, Protocol):
    """A learner of many tasks, with one client in each of a round's tasks and one server.

    The state that ``init`` returns is the server's; everything that changes is part of it.
    """

    @property
    def tasks(self) -> int:
        """Number of tasks in a round, one client in each."""
        ...

    @property
    def slots(self) -> int:
        """Slots that a client plays in a round."""
        ...

    @property
    def labels(self) -> str:
        """Return what labels a slot, ``"critic"`` (the best own proposal) or ``"optimum"``."""
        ...

    def fitted(self, observations: Box) -> MetaLearner:
        """Return the learner with the constants of a world's observations."""
        ...

    def init(self, key: Key, observations: Box, /) -> Any:
        """Return the server's state before its first round. Consumes ``key``."""
        ...

    def proposer(self, network: Any) -> Policy:
        """Return a network as a policy that proposes actions."""
        ...


class Learner(Protocol):
    """An algorithm that trains a policy; a pytree whose numbers are leaves and sizes static.

    Laws: everything that changes while learning, replay memory included, is in the state that
    ``init`` returns; same key and data, same state; acting never changes the state.
    """

    @property
    def num_envs(self) -> int:
        """Number of copies of the world played side by side between two updates."""
        ...

    @property
    def rollout_steps(self) -> int:
        """Number of steps of each copy between two updates."""
        ...

    def init(self, key: Key, observations: Box, actions: Any) -> Any:
        """Return the state before learning, given the two spaces of the world.

        Observations have the shape ``[*agents, features]`` and come in physical units: their
        scales are in ``observations.features``.
        """
        ...

    def policy(self, state: Any, explore: bool) -> Policy:
        """Return the policy of a state: exploring for data, greedy for evaluation."""
        ...

    def update(self, key: Key, state: Any, batch: Trajectory) -> tuple[Any, dict[str, Array]]:
        """Learn from one trajectory ``[T, N, ...]``; return the new state and scalars to log."""
        ...
