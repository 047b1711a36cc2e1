"""Check the settings of a fleet against each other."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from edgewright.core.errors import InputError


def check_settings(fleet: Any, devices: int, statistics: bool) -> None:
    """Check the settings of a fleet.

    Args:
        fleet: an ``agents.fleet.Fleet``.
        devices: number of devices.
        statistics: whether its devices exchange running statistics.

    Raises:
        InputError: two settings do not fit each other, or one is out of range.
    """
    _check_inner(fleet.inner)
    _check_ignored(fleet)
    if fleet.noise_multiplier and not fleet.clip_norm:
        message = "must be above 0 where noise_multiplier is; got 0"
        hint = "set learner.clip_norm, or learner.noise_multiplier = 0"
        raise InputError(message, where="learner.clip_norm", hint=hint)
    if fleet.noise_multiplier and statistics:
        message = "must be 0 where statistics are exchanged, which noise does not protect"
        hint = "set learner.normalize_observations and learner.normalize_rewards to false"
        raise InputError(message, where="learner.noise_multiplier", hint=hint)
    if fleet.top_percent > 100:
        message = f"must be from 1 to 100; got {fleet.top_percent}"
        raise InputError(message, where="learner.top_percent", hint="e.g. 10")
    if fleet.aggregate != "mean" and (fleet.mode != "federated" or fleet.noise_multiplier):
        message = f"must be mean with this mode or with noise; got '{fleet.aggregate}'"
        hint = "set learner.mode = 'federated' and learner.noise_multiplier = 0"
        raise InputError(message, where="learner.aggregate", hint=hint)
    _check_rounds(fleet)
    _check_widths(fleet)
    able = fleet.mode in ("federated", "asynchronous")
    if not 0 <= fleet.malicious_devices <= (devices if able else 0):
        most = f"at most the devices, {devices}" if able else f"0 with mode {fleet.mode}"
        message = f"must be {most}; got {fleet.malicious_devices}"
        raise InputError(message, where="learner.malicious_devices", hint="e.g. 0")


UNSENT = {"all_actions": "false", "team": "false", "look_ahead": "0", "staggered": "false"}
"""Settings of an inner learner that a fleet does not pass on, with the values that it takes."""

USED_IN: dict[str, tuple[str, ...]] = {
    "local_updates": ("federated", "distilled"),
    "proximal": ("federated",),
    "clip_norm": ("federated", "asynchronous"),
    "noise_multiplier": ("federated",),
    "async_rate": ("asynchronous",),
    "slowest": ("asynchronous",),
    "max_staleness": ("asynchronous",),
    "probe_size": ("distilled",),
    "distil_steps": ("distilled",),
    "distil_learning_rate": ("distilled",),
}
"""Modes that read a setting; the others would ignore it."""


def _check_inner(inner: Any) -> None:
    """Check that the inner learner needs nothing that devices of a fleet do not get.

    Raises:
        InputError: it needs the outcomes of all actions, or a start at all parts of an episode.
    """
    for name, value in UNSENT.items():
        if getattr(inner, name, False):
            got = str(getattr(inner, name)).lower()
            message = f"must be {value} in a fleet, whose devices learn from their own steps"
            hint = f"set learner.{name} = {value}"
            raise InputError(f"{message}; got {got}", where=f"learner.{name}", hint=hint)


def _check_ignored(fleet: Any) -> None:
    """Check that the mode reads every setting that is not as usual.

    Raises:
        InputError: it would ignore one.
    """
    usual: dict[str, Any] = {field.name: field.default for field in dataclasses.fields(fleet)}
    for name, modes in USED_IN.items():
        value = float(getattr(fleet, name))
        if fleet.mode not in modes and not math.isclose(value, usual[name], rel_tol=1e-6):
            message = f"must be {usual[name]} with mode {fleet.mode}; got {getattr(fleet, name)}"
            hint = f"leave it out, or set learner.mode = {' or '.join(map(repr, modes))}"
            raise InputError(message, where=f"learner.{name}", hint=hint)


def _check_rounds(fleet: Any) -> None:
    """Check what says who misses a round.

    Raises:
        InputError: everybody would miss all, or the mode has no rounds to miss.
    """
    if fleet.dropout and fleet.mode in ("centralised", "independent"):
        message = f"must be 0 with mode {fleet.mode}; got {fleet.dropout}"
        raise InputError(message, where="learner.dropout", hint="e.g. 0.0")
    if fleet.dropout >= 1:
        message = f"must be below 1, or no device ever arrives; got {fleet.dropout}"
        raise InputError(message, where="learner.dropout", hint="e.g. 0.5")
    if fleet.deadline_s and fleet.mode != "federated":
        message = f"must be 0 with mode {fleet.mode}; got {fleet.deadline_s}"
        hint = "only the rounds of learner.mode = 'federated' have a deadline"
        raise InputError(message, where="learner.deadline_s", hint=hint)


def _check_widths(fleet: Any) -> None:
    """Check the widths of networks, and what ``distilled`` does not send.

    Raises:
        InputError: networks of these widths cannot be averaged or do not fit the inner learner, or
            a setting is about changes of parameters where none travel.
    """
    own = fleet.mode in ("independent", "distilled")
    if fleet.widths and not (own and hasattr(fleet.inner, "predictions")):
        message = f"must be empty with mode {fleet.mode} or without action values"
        hint = "set learner.mode = 'distilled' or 'independent', with dqn-fleet"
        raise InputError(f"{message}; got {list(fleet.widths)}", where="learner.widths", hint=hint)
    if fleet.widths:
        sizes = [max(fleet.widths)] * len(fleet.inner.hidden_sizes)
        if list(fleet.inner.hidden_sizes) != sizes:
            message = "must be the largest of learner.widths in every layer"
            got = list(fleet.inner.hidden_sizes)
            hint = f"set learner.hidden_sizes = {sizes}"
            raise InputError(f"{message}; got {got}", where="learner.hidden_sizes", hint=hint)
    if fleet.mode == "distilled" and not hasattr(fleet.inner, "predictions"):
        message = "distilled must be with a learner that predicts action values; got another"
        raise InputError(message, where="learner.mode", hint="train dqn, or set another mode")
    if fleet.mode == "distilled" and fleet.encoding != "float32":
        message = f"must be float32 with mode distilled; got {fleet.encoding}"
        hint = "it is about changes of parameters, which do not travel there"
        raise InputError(message, where="learner.encoding", hint=hint)


__all__ = ["check_settings"]
