"""List scenarios, learners, policies and studies by name, and load bundles by file."""

from __future__ import annotations

from edgewright.bundle import Bundle, load


def list_scenarios() -> list[str]:
    """Return the names of all scenarios, sorted: those shipped and those of plug-ins."""
    from edgewright.scenarios.load import shipped

    return shipped()


def list_learners(scenario: str | None = None) -> list[str]:
    """Return the names of all learners, or of those that can learn a scenario.

    Raises:
        InputError: no scenario has that name.
    """
    from edgewright.scenarios.learners import learner_names

    if scenario is None:
        return learner_names()
    from edgewright.api.problem import make

    problem = make(scenario)
    return learner_names(problem.built)


def list_policies(scenario: str) -> list[str]:
    """Return the names of the policies of a scenario that need no training, as tables list them.

    Raises:
        InputError: no scenario has that name.
    """
    from edgewright.api.problem import make

    return make(scenario).policies()


def list_studies() -> list[str]:
    """Return the names of all studies: those shipped and those of plug-ins."""
    from edgewright.papers import study_names

    return study_names()


def load_bundle(file: str) -> Bundle:
    """Return the policy of a bundle, checked: ``.decide({...})`` maps an observation to an action.

    JAX is not imported.

    Raises:
        InputError: the file cannot be read, is damaged, or is not a bundle.
    """
    return load(file)


__all__ = ["list_learners", "list_policies", "list_scenarios", "list_studies", "load_bundle"]
