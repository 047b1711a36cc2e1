"""Check that a world, a policy or a learner keeps its invariants; failures name the remedy.

Checks run on their own (jax only, no loop of the package), in seconds, and raise
:class:`~edgewright.core.errors.CheckFailed`. Run them in the tests of your own world or learner::

    check_world(MyWorld(), params)
    check_learner(MyLearner(), MyWorld(), params)
"""

from edgewright.testing.learner import check_learner
from edgewright.testing.policy import check_policy
from edgewright.testing.stream import check_stream
from edgewright.testing.world import check_world

__all__ = ["check_learner", "check_policy", "check_stream", "check_world"]
