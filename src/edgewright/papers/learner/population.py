"""Use several seeds of one training, by choosing the best of them or by deciding together."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from edgewright.core.records import Array, Decision, Memoryless, record
from edgewright.evaluation.trained import seeds_of
from edgewright.evaluation.validation import training_rewards
from edgewright.scenarios.build import build
from edgewright.scenarios.load import check
from edgewright.studies.job import JobContext, JobResult
from edgewright.studies.setup import episodes
from edgewright.systems.system import PolicyEntry
from edgewright.training.runs import load_run

CHOSEN, TOGETHER = "best of the seeds by training inputs", "mean of the seeds' probabilities"
"""Names of the two arms."""


@record
class Together(Memoryless):
    """Takes the action with the highest mean probability over actors.

    Attributes:
        members: an actor policy, leaves ``[seeds, ...]``.
    """

    members: Any

    def act(self, key: Array, carry: tuple[()], observation: Array) -> tuple[tuple[()], Decision]:
        """Return the action ``[*agents]``."""

        def probabilities(one: Any) -> Array:
            return jax.nn.softmax(one.actor(one.inputs(observation)))

        mean = jnp.mean(jax.vmap(probabilities)(self.members), axis=0)
        return carry, Decision(action=jnp.argmax(mean, axis=-1).astype(jnp.int32), aux=())


def populated(context: JobContext, arm: str, scenario: dict[str, Any]) -> JobResult:
    """Measure what the seeds of a training reach as a population.

    Args:
        context: folders of the needed jobs, ``arm`` among them.
        arm: key of the training.
        scenario: the checked scenario as plain data.

    Returns:
        ``"chosen/reward"`` and ``"together/reward"`` ``[1, episodes]``, of the seed that earns most
        on episodes of the training inputs (see :mod:`edgewright.evaluation.validation`), and of
        all seeds together.
    """
    run, checked = load_run(context.folders[arm], context.data), check(scenario, arm)
    problem = build(checked, context.data)
    entries = seeds_of(run, problem)
    validation = training_rewards(entries, problem, checked.evaluation)
    best = entries[int(np.argmax(validation))]
    measured = {
        "chosen": episodes([best], checked, context.data),
        "together": episodes([together(entries)], checked, context.data),
    }
    arrays = {f"{name}/reward": one["episodes/reward"] for name, one in measured.items()}
    return JobResult(arrays, {"labels": {}, "validation": validation})


def together(entries: list[PolicyEntry]) -> PolicyEntry:
    """Return the policy that takes the action with the highest mean probability over several."""
    members = jax.tree.map(lambda *leaves: jnp.stack(leaves), *(one.policy for one in entries))
    return PolicyEntry.learned("together", Together(members=members), entries[0].world)


__all__ = ["CHOSEN", "TOGETHER", "Together", "populated", "together"]
