"""Choose with a bundle, among the options that are allowed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edgewright.bundle import BadField, Bundle, load
from edgewright.bundle.engine import EngineError
from edgewright.core.errors import InputError
from edgewright.gateway.observation import Observer
from edgewright.gateway.options import Option
from edgewright.gateway.reward import task_reward
from edgewright.gateway.settings import Config


class BundlePolicy:
    """A bundle whose outputs are a location and a quality level.

    Attributes:
        label: who decided, as receipts say it.
        locations: of the bundle, the device first.
        modes: that a client may ask for; empty where the bundle knows none.
        reward: of its scenario; None where answers are rewarded by their quality alone.

    Raises:
        InputError: the bundle is of another system, or does not match the configuration.
    """

    def __init__(
        self, bundle: Bundle, config: Config, where: str, key: str = "policy.bundle"
    ) -> None:
        self.bundle, self.label = bundle, f"policy@{bundle.version}"
        self.locations, levels = _shape(bundle, f"{where}: {key}")
        named = len(config.quality.levels)
        if levels != named:
            message = f"names {named} levels, and the bundle {bundle.path} decides among {levels}"
            hint = "name one level for each of the bundle's, the lowest first"
            raise InputError(message, where=f"{where}: quality.levels", hint=hint)
        for number, one in enumerate(config.backend):
            if one.location >= self.locations:
                message = f"must be below {self.locations}, the bundle's locations"
                message += f"; got {one.location}"
                hint = "0 is the device, the servers follow"
                key_path = f"{where}: backend[{number}].location"
                raise InputError(message, where=key_path, hint=hint)
        self._levels = levels
        self.observer = Observer(bundle, config, self.locations, where, key)
        modes = [one.choices for one in bundle.interface.fields if one.name == "mode"]
        self.modes = modes[0] if modes else ()
        self.reward = task_reward(bundle, self.modes, levels)

    def action(self, option: Option) -> int:
        """Return the number of the bundle's action that an option is."""
        return option.location * self._levels + option.level

    @property
    def facts(self) -> dict[str, str]:
        """Return what names the bundle."""
        return {"version": self.bundle.version, "name": self.bundle.name}

    def rank(
        self, options: Sequence[Option], observation: dict[str, Any] | None
    ) -> Sequence[Option]:
        """Return the options by their scores, the highest first; none where the model fails.

        A rule in a bundle has no scores: its choice alone counts, where it is allowed.
        """
        if observation is None:
            return ()
        engine = self.bundle.engine
        try:
            row, _ = self.bundle.interface.encode(observation)
            if not engine.has_scores:
                values = dict(zip(engine.outputs, engine.one(row), strict=True))
                best = int(values["location"]), int(values["level"])
                return [one for one in options if (one.location, one.level) == best]
            scores = engine.scored(row)
        except (BadField, EngineError):
            return ()
        indices = [(self.action(one), one) for one in options]
        indices.sort(key=lambda pair: (-scores[pair[0]], pair[0]))
        return [one for _, one in indices]


def load_policy(path: str, config: Config, file: Path, key: str = "policy.bundle") -> BundlePolicy:
    """Return the policy of a bundle, named relative to the configuration's folder.

    Raises:
        InputError: it cannot be loaded, or does not match the configuration.
    """
    try:
        bundle = load(file.parent / path)
    except InputError as error:
        where = f"{file}: {key}: {error.where}"
        raise InputError(error.message, where=where, hint=error.hint) from None
    return BundlePolicy(bundle, config, str(file), key)


def _shape(bundle: Bundle, where: str) -> tuple[int, int]:
    """Return the number of locations and of levels that a bundle decides among."""
    outputs = {one.name: one for one in bundle.interface.outputs}
    location, level = outputs.get("location"), outputs.get("level")
    if location is None or level is None or bundle.interface.joint:
        system = (bundle.facts.get("scenario") or {}).get("world", {}).get("kind", "another system")
        message = f"'{bundle.path}' decides {', '.join(outputs)} ({system}), not location and level"
        hint = "name a bundle of the system aigc; edgewright inspect FILE shows what it decides"
        raise InputError(message, where=where, hint=hint)
    return len(location.labels), len(level.labels)
