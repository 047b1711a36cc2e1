"""Let policies from Python files and from Stable-Baselines3 models play."""

from __future__ import annotations

import importlib
import inspect
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgewright.core.errors import CheckFailed, InputError, nearest
from edgewright.loops.evaluate import full_information
from edgewright.scenarios.build import Problem
from edgewright.scenarios.policies import PolicyEntry
from edgewright.systems.plugins import run_file
from edgewright.testing import check_policy

MODEL = "sb3:"
"""How the name of a Stable-Baselines3 model begins."""

NO_STATISTICS = "none"
"""In the place of a file of statistics: nothing normalised the observations of the model."""


def is_file_policy(named: str) -> bool:
    """Return whether a name is that of a policy in a file, ``mine.py:Calm``."""
    file, _, attribute = named.rpartition(":")
    return named.endswith(".py") or (file.endswith(".py") and bool(attribute))


def from_file(named: str, problem: Problem) -> PolicyEntry:
    """Return the policy that a Python file defines, e.g. ``mine.py:Calm``. Runs the file.

    The name stands for a policy, or for what makes one: a class or a function that takes nothing,
    the built problem, or arguments named ``problem``, ``world`` and ``params``. With a true
    attribute ``informed`` it is given the state and the inputs of the slot instead of what a
    learner observes.

    Raises:
        InputError: the file or the name does not exist, it makes no policy, or breaks a law.
    """
    file, _, attribute = named.rpartition(":")
    if not file.endswith(".py"):
        message = f"must name the policy in the file; got '{named}'"
        raise InputError(message, where="--policies", hint=f"e.g. {named}:Calm")
    if not Path(file).is_file():
        hint = "give the path of an existing file"
        raise InputError("the file must exist", where=file, hint=hint)
    try:
        module = run_file(Path(file))
    except Exception as error:
        raise _failed(error, file, "cannot be run") from None
    if not hasattr(module, attribute):
        own = [name for name in vars(module) if not name.startswith("_")]
        raise InputError(f"defines no '{attribute}'", where=file, hint=nearest(attribute, own))
    return _checked(getattr(module, attribute), attribute, problem, named)


def from_object(given: Any, problem: Problem) -> PolicyEntry:
    """Return a policy object, or what a class or function of the caller makes.

    Raises:
        InputError: it makes no policy, or breaks a law.
    """
    name = getattr(given, "__name__", type(given).__name__)
    return _checked(given, name, problem, name)


def _checked(given: Any, name: str, problem: Problem, where: str) -> PolicyEntry:
    """Return the entry of a policy that keeps the laws."""
    informed = bool(getattr(given, "informed", False))
    policy = given if _is_policy(given) else _made(given, problem, where)
    observe_fn = full_information if informed or getattr(policy, "informed", False) else None
    try:
        check_policy(policy, problem.world, problem.params, observe_fn=observe_fn)
    except CheckFailed as error:
        hint = "the guide 'Custom policy' has a policy that works"
        raise InputError(str(error), where=where, hint=hint) from None
    return PolicyEntry(name, "rule", policy, observe_fn, problem.world)


def _is_policy(given: Any) -> bool:
    return not inspect.isclass(given) and all(
        callable(getattr(given, method, None)) for method in ("act", "init_carry")
    )


def _made(make: Any, problem: Problem, where: str) -> Any:
    """Return the policy that a class or a function makes."""
    hint = "name a policy, or a class or function that makes one of nothing or of the problem"
    if not callable(make):
        message = f"must be a policy or make one; it is a {type(make).__name__}"
        raise InputError(message, where=where, hint=hint)
    parts = {"problem": problem, "world": problem.world, "params": problem.params}
    try:
        policy = make(**_arguments(make, parts, where))
    except InputError:
        raise
    except Exception as error:
        raise _failed(error, where, "cannot be made") from None
    if not _is_policy(policy):
        message = f"must make a policy with init_carry and act; it makes a {type(policy).__name__}"
        raise InputError(message, where=where, hint=hint)
    return policy


def _arguments(make: Any, parts: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return what to call a maker with: the parts it names, or the problem as its one argument.

    Raises:
        InputError: it needs something else.
    """
    parameters = inspect.signature(make).parameters.values()
    single = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    needed = [p for p in parameters if p.default is p.empty and p.kind not in single]
    given = {p.name: parts[p.name] for p in needed if p.name in parts}
    other = [p.name for p in needed if p.name not in parts]
    if len(needed) == 1 and other and needed[0].kind is not inspect.Parameter.POSITIONAL_ONLY:
        return {other[0]: parts["problem"]}
    if other:
        message = f"needs '{other[0]}', which a comparison does not have"
        hint = "give it a default, or take problem, world or params"
        raise InputError(message, where=where, hint=hint)
    return given


def _failed(error: Exception, where: str, what: str) -> InputError:
    """Return the message of an error in a user's code, with its line."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    message = f"{what}: {type(error).__name__}: {error} ({Path(last.filename).name}:{last.lineno})"
    return InputError(message, where=where, hint="run it by itself with python to see more")


def from_model(named: str, problem: Problem) -> tuple[PolicyEntry, str]:
    """Return a model of Stable-Baselines3, e.g. ``sb3:model.zip+stats.pkl``, and what was found.

    Stable-Baselines3 unpickles both files, which runs code of whoever wrote them.

    Raises:
        InputError: Stable-Baselines3 is not installed, a file cannot be read, the model does not
            fit, or no statistics are named.
    """
    model_file, _, statistics_file = named.removeprefix(MODEL).partition("+")
    if not statistics_file:
        message = "must say what normalised the observations of the model in its training"
        hint = f"add +stats.pkl, written by VecNormalize.save; or +{NO_STATISTICS} if nothing did"
        raise InputError(message, where=named, hint=hint)
    for file in (model_file, statistics_file):
        if file != NO_STATISTICS and not Path(file).is_file():
            raise InputError("the file must exist", where=file, hint="is the path right?")
    try:
        files = importlib.import_module("edgewright.adapters.stable_baselines3_files")
        adapter = importlib.import_module("edgewright.adapters.stable_baselines3")
        spaces = importlib.import_module("edgewright.adapters.spaces")
    except ModuleNotFoundError as error:
        message = f"'{error.name}' is not installed, which loads the model"
        hint = "pip install 'edgewright[peers]'"
        raise InputError(message, where=named, hint=hint) from None
    model = files.read_model(Path(model_file))
    features = problem.world.observation_space(problem.params).shape[-1]
    actions = spaces.actions(problem.world, problem.params)
    files.check_fits(model, features, actions, model_file)
    statistics = False if statistics_file == NO_STATISTICS else statistics_file
    policy = adapter.policy_of(model, statistics)
    entry = PolicyEntry(Path(model_file).stem, "learned", policy, None, problem.world)
    return entry, files.facts_of(policy, model)


__all__ = ["MODEL", "from_file", "from_model", "from_object", "is_file_policy"]
