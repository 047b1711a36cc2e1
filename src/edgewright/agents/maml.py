"""Meta-learn an initialisation by updates on devices and aggregation on a server.

MAML (Finn, Abbeel, Levine, ICML 2017), equations (9) and (10) of MRL; its first-order variant;
Reptile (Nichol, Achiam, Schulman 2018) as MRLCO uses it; rates learned for each layer (Meta-SGD: Li
et al. 2017; for each layer: Antoniou, Edwards, Storkey, ICLR 2019). With ``order = "pooled"`` the
inner step is left out, and the same loop trains one network on all tasks.

One round: a device downloads an :class:`Initial`, trains on its own slots and uploads one
:class:`Initial` of the same size, a gradient; the server averages and takes one Adam step. A
device's labels stay on the device. The record is client and server (``core.protocols``). No learner
is imported: the base is anything with ``network`` and ``loss``.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Literal

import jax
import jax.numpy as jnp
import optax

from edgewright.core.protocols import Policy
from edgewright.core.records import Array, Labelled, record, static
from edgewright.core.spaces import Box, Space
from edgewright.loops.meta import DeviceSlots

Order = Literal["second", "first", "reptile", "pooled"]


@record
class Initial:
    """A network and the logarithms of its inner learning rates, one a leaf, sent over the air."""

    network: Any
    log_rates: Any


@record
class MetaState:
    """Everything that changes on the server."""

    initial: Initial
    optimiser: Any
    rounds: Array


@record
class Maml:
    """Meta-training of a base learner. Numbers marked (R) are our reading; MRL gives none."""

    base: Any
    inner_learning_rate: Array | float = 0.05  # alpha (R)
    meta_learning_rate: Array | float = 1e-3  # beta (R), Adam
    order: Order = static(default="second")
    inner_steps: int = static(default=1)  # J (S)
    support: int = static(default=16)  # K (R) slots to adapt on
    query: int = static(default=16)  # K' (R) slots to judge the adapted network on
    tasks: int = static(default=10)  # |I_b| (R) scenarios in a round
    learn_rates: bool = static(default=False)
    labels: Literal["critic", "optimum"] = static(default="critic")

    @property
    def slots(self) -> int:
        """Slots that one device plays in a round."""
        return self.support + self.query

    def check_sizes(self, observations: Box, actions: Space) -> None:
        """Check the sizes of the base learner.

        Raises:
            InputError: they do not fit each other.
        """
        self.base.check_sizes(observations, actions)

    def fitted(self, observations: Box) -> Maml:
        """Return the learner with the constants of a world's observations."""
        return dataclasses.replace(self, base=self.base.fitted(observations))

    def init(self, key: Array, observations: Box) -> MetaState:
        """Return the server before its first round. Consumes ``key``."""
        network = self.base.network(key, observations)
        start = jnp.log(jnp.asarray(self.inner_learning_rate, jnp.float32))
        initial = Initial(network=network, log_rates=jax.tree.map(lambda leaf: start, network))
        params: Any = initial
        return MetaState(
            initial=initial,
            optimiser=optax.scale_by_adam().init(params),
            rounds=jnp.zeros((), jnp.int32),
        )

    # --- on the device ---------------------------------------------------------------------------

    def inner(self, initial: Initial, batch: Labelled) -> Any:
        """Return the network after ``inner_steps`` plain gradient steps. MRL equation (9)."""
        rates = jax.tree.map(jnp.exp, initial.log_rates)
        if not self.learn_rates:
            rates = jax.lax.stop_gradient(rates)

        def step(network: Any, _: None) -> tuple[Any, None]:
            gradient = jax.grad(self.base.loss)(network, batch)
            if self.order == "first":
                gradient = jax.lax.stop_gradient(gradient)
            moved = jax.tree.map(lambda p, r, g: p - r * g, network, rates, gradient)
            return moved, None

        return jax.lax.scan(step, initial.network, None, length=self.inner_steps)[0]

    def update(
        self, key: Array, model: Initial, examples: DeviceSlots
    ) -> tuple[Initial, dict[str, Array]]:
        """Train on one device and return what it uploads. Consumes ``key``.

        Args:
            model: what was downloaded.
            examples: the slots of this device.
        """
        initial, label, rows = model, examples.label, examples.rows
        first_key, second_key = jax.random.split(key)
        early = jax.tree.map(lambda leaf: leaf[: self.support], rows)
        late = jax.tree.map(lambda leaf: leaf[self.support :], rows)
        if self.order == "reptile":
            return self._towards(label(first_key, initial.network, rows), initial)

        def objective(initial: Initial) -> Array:
            network = initial.network
            if self.order == "pooled":
                everything = label(first_key, jax.lax.stop_gradient(network), rows)
                return self.base.loss(network, everything)
            support = label(first_key, jax.lax.stop_gradient(network), early)
            network = self.inner(initial, support)
            asked = label(second_key, jax.lax.stop_gradient(network), late)
            return self.base.loss(network, asked)

        cost, gradient = jax.value_and_grad(objective)(initial)
        return gradient, {"loss": cost}

    def _towards(self, batch: Labelled, initial: Initial) -> tuple[Initial, dict[str, Array]]:
        """Return Reptile's gradient ``(theta - theta_i) / (alpha J)``, the inner steps by Adam."""
        rates = jax.tree.map(jnp.exp, initial.log_rates)
        adam = optax.scale_by_adam()

        def step(carry: Any, _: None) -> tuple[Any, Array]:
            network, moments = carry
            cost, gradient = jax.value_and_grad(self.base.loss)(network, batch)
            change, moments = adam.update(gradient, moments)
            moved = jax.tree.map(lambda p, r, g: p - r * g, network, rates, change)
            return (moved, moments), cost

        start = (initial.network, adam.init(initial.network))
        (network, _), costs = jax.lax.scan(step, start, None, length=self.inner_steps)
        gradient = jax.tree.map(
            lambda a, b, r: (a - b) / (r * self.inner_steps), initial.network, network, rates
        )
        still = jax.tree.map(jnp.zeros_like, initial.log_rates)
        return Initial(network=gradient, log_rates=still), {"loss": costs[-1]}

    # --- on the server ---------------------------------------------------------------------------

    def model(self, state: MetaState) -> Initial:
        """Return what devices download."""
        return state.initial

    def proposer(self, network: Any) -> Policy:
        """Return a network as a policy with the base learner's quantiser."""
        return self.base.proposer(network)

    def aggregate(self, state: MetaState, uploads: Initial) -> MetaState:
        """Average what the devices sent, leaves ``[tasks, ...]``, and step. MRL equation (10)."""
        gradient = jax.tree.map(lambda leaf: jnp.mean(leaf, axis=0), uploads)
        change, optimiser = optax.scale_by_adam().update(gradient, state.optimiser)
        initial = jax.tree.map(lambda p, c: p - self.meta_learning_rate * c, state.initial, change)
        if not self.learn_rates:
            initial = Initial(network=initial.network, log_rates=state.initial.log_rates)
        return MetaState(initial=initial, optimiser=optimiser, rounds=state.rounds + 1)

    def traffic_bytes(self, model: Initial) -> int:
        """Return what one round moves: a download and an upload for each of its devices."""
        sent = model if self.learn_rates else model.network
        size = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(sent))
        return 2 * size * self.tasks
