"""From the body of a request to the body of an answer: parse, check, decide, count, log."""

from __future__ import annotations

import dataclasses
import itertools
import math
import secrets
import time
from typing import Any, NamedTuple

import numpy as np
import orjson

from edgewright.bundle import BadField, Bundle, load
from edgewright.bundle.bundle import POLICY
from edgewright.bundle.engine import Engine, EngineError
from edgewright.core.errors import InputError
from edgewright.serve.canary import Canary
from edgewright.serve.counters import Counters
from edgewright.serve.explore import Explorer, explorer_of
from edgewright.serve.log import DecisionLog, Entry
from edgewright.serve.openapi import MAX_CLIENT
from edgewright.serve.settings import Settings

ONE, MANY, CLIENT = "observation", "observations", "client"
MAX_ECHOED = 100
"""Characters of a name or a value that an error repeats."""


MAX_EXPLAINED = 20
"""Bad fields that an answer names."""


class HTTPError(Exception):
    """The error of a request that is not answered, with its status and explanation."""

    def __init__(self, status: int, message: str, **facts: Any) -> None:
        super().__init__(message)
        self.status = status
        self.content = {"error": {"problem": message, **facts}}


@dataclasses.dataclass(frozen=True)
class ActivePolicy:
    """The bundle that decides now. One object, so that a reload is one assignment.

    Attributes:
        fallback_version: of the bundle that the fallback is in.
        fallback_file: where it is, if that is not the bundle that decides.
        explorer: what takes other actions now and then; None where nothing does.
    """

    bundle: Bundle
    fallback: Engine | None
    fallback_name: str
    fallback_version: str = ""
    fallback_file: str = ""
    explorer: Explorer | None = None

    @property
    def facts(self) -> dict[str, str]:
        """Return what names the policy in metrics."""
        return {"version": self.bundle.version, "name": self.bundle.name}

    @property
    def fallback_facts(self) -> dict[str, str] | None:
        """Return what names the fallback, if there is one."""
        if self.fallback is None:
            return None
        return {"version": self.fallback_version, "name": self.fallback_name}


def prepare(settings: Settings) -> ActivePolicy:
    """Return the bundle and the fallback of a service, both checked.

    Raises:
        InputError: one of them cannot be loaded, or they do not answer the same questions.
    """
    bundle, named = load(settings.bundle), settings.fallback
    explorer = explorer_of(bundle, settings.explore)
    if named is None:
        return ActivePolicy(bundle, None, "", explorer=explorer)
    if named in bundle.rules or not named.endswith(".edge"):
        rule = bundle.rule(named)
        return ActivePolicy(bundle, rule, named, bundle.version, explorer=explorer)
    other = load(named)
    if not bundle.interface.same_contract(other.interface):
        message = f"'{named}' takes or gives other fields than '{settings.bundle}'"
        raise InputError(message, where="--fallback", hint="name a rule of the same scenario")
    return ActivePolicy(bundle, other.engine, other.name, other.version, named, explorer)


def prepare_canary(settings: Settings, running: ActivePolicy) -> Canary[ActivePolicy] | None:
    """Return the canary of a service, checked; None where there is none.

    Raises:
        InputError: it cannot be loaded, or takes or gives other fields than the running bundle.
    """
    if settings.canary is None:
        return None
    test = settings.canary
    active = prepare(dataclasses.replace(settings, bundle=test.file))
    if not running.bundle.interface.same_contract(active.bundle.interface):
        message = f"'{test.file}' takes or gives other fields than '{settings.bundle}'"
        raise InputError(message, where="--canary", hint="name a bundle of the same scenario")
    if active.bundle.version == running.bundle.version:
        message = "the canary must be another bundle than the one that is served"
        raise InputError(message, where="--canary", hint="leave the option out")
    return Canary(active, test)


class Made(NamedTuple):
    """A decision before it is counted and logged; see :class:`~edgewright.serve.store.Entry`."""

    outputs: dict[str, Any]
    clamped: tuple[str, ...]
    by: str
    client: str
    propensity: float = 1.0


class Decider:
    """Answers requests for decisions."""

    def __init__(
        self, serving: ActivePolicy, settings: Settings, counters: Counters, log: DecisionLog | None
    ) -> None:
        self.serving, self.settings, self.counters, self.log = serving, settings, counters, log
        self._start, self._number = secrets.token_hex(6), itertools.count()
        self._rng = np.random.default_rng()
        self.canary: Canary[ActivePolicy] | None = None

    def answer(self, body: bytes) -> bytes:
        """Return the answer to a request as JSON.

        Raises:
            HTTPError: the request cannot be answered.
        """
        began = time.perf_counter()
        asked = parse_object(body)
        serving = self.serving
        if self.canary is not None and self.canary.drawn(self._rng):
            serving = self.canary.serving
        client = _client(asked.pop(CLIENT, ""))
        if ONE in asked and len(asked) == 1:
            decision = self._one(serving, asked[ONE], ONE, client)
            result = {"policy": serving.bundle.version, "decision": decision}
        elif MANY in asked and len(asked) == 1:
            decisions = self._many(serving, asked[MANY], client)
            result = {"policy": serving.bundle.version, "decisions": decisions}
        else:
            message = f'a request has "{ONE}" or "{MANY}", and nothing else but "{CLIENT}"'
            raise HTTPError(422, message, found=[cut(name) for name in sorted(asked)[:20]])
        text = orjson.dumps(result)
        self.counters.took(time.perf_counter() - began)
        return text

    def _one(
        self, serving: ActivePolicy, observation: Any, where: str, client: str
    ) -> dict[str, Any]:
        row, clamped = self._row(serving, observation, where)
        by, engine = POLICY, serving.bundle.engine
        try:
            if serving.explorer is not None:
                ((outputs, chance),) = serving.explorer.decide([row], self._rng)
                made = Made(outputs, clamped, by, client, chance)
                return self._told(serving, observation, made)
            values = engine.one(row)
        except EngineError as error:
            by, engine = self._stand_in(serving, error)
            try:
                values = engine.one(row)
            except EngineError as second:
                raise _failed(second) from None
        outputs = dict(zip(engine.outputs, values, strict=True))
        return self._told(serving, observation, Made(outputs, clamped, by, client))

    def _many(self, serving: ActivePolicy, observations: Any, client: str) -> list[dict[str, Any]]:
        if not isinstance(observations, list) or not observations:
            raise HTTPError(422, f'"{MANY}" is not a list with something in it', field=MANY)
        if len(observations) > self.settings.max_batch:
            message = f"{len(observations)} observations are more than {self.settings.max_batch}"
            raise HTTPError(422, message, field=MANY, hint="send them in several requests")
        checked = self._rows(serving, observations)
        rows: Any = [row for row, _ in checked]
        by, engine = POLICY, serving.bundle.engine
        try:
            if serving.explorer is not None:
                drawn = serving.explorer.decide(rows, self._rng)
                made = [
                    Made(outputs, clamped, by, client, chance)
                    for (_, clamped), (outputs, chance) in zip(checked, drawn, strict=True)
                ]
                return self._all_told(serving, observations, made)
            result = engine.many(rows)
        except EngineError as error:
            by, engine = self._stand_in(serving, error)
            try:
                result = engine.many(rows)
            except EngineError as second:
                raise _failed(second) from None
        names = engine.outputs
        columns = zip(*(result[name].tolist() for name in names), strict=True)
        made = [
            Made(dict(zip(names, values, strict=True)), clamped, by, client)
            for values, (_, clamped) in zip(columns, checked, strict=True)
        ]
        return self._all_told(serving, observations, made)

    def _all_told(
        self, serving: ActivePolicy, observations: list[Any], made: list[Made]
    ) -> list[dict[str, Any]]:
        """Count and log the decisions of one request, of which a canary compares the first.

        Who decides is drawn once for all of them, and a test of draws takes one of each.
        """
        pairs = enumerate(zip(observations, made, strict=True))
        return [self._told(serving, one, each, index == 0) for index, (one, each) in pairs]

    def _rows(
        self, serving: ActivePolicy, observations: list[Any]
    ) -> list[tuple[list[float], tuple[str, ...]]]:
        """Return the row of each observation; an error names the bad fields of all of them."""
        checked: list[tuple[list[float], tuple[str, ...]]] = []
        fields: list[dict[str, Any]] = []
        for index, one in enumerate(observations):
            try:
                checked.append(self._row(serving, one, f"{MANY}[{index}]"))
            except HTTPError as error:
                fields += error.content["error"]["fields"]
                if len(fields) >= MAX_EXPLAINED:
                    break
        if fields:
            raise refused_fields(fields)
        return checked

    def _row(
        self, serving: ActivePolicy, observation: Any, where: str
    ) -> tuple[list[float], tuple[str, ...]]:
        if type(observation) is not dict:
            message = f"{where} is not an object of named fields"
            fields = [{"problem": message, "field": where}]
            raise refused_fields(fields)
        try:
            row, clamped = serving.bundle.interface.encode(observation, self.settings.out_of_range)
        except BadField as error:
            fields = [_explained(one, where) for one in (error, *error.others)]
            raise refused_fields(fields) from None
        return row, clamped

    def _stand_in(self, serving: ActivePolicy, error: EngineError) -> tuple[str, Engine]:
        if serving.fallback is None:
            raise _failed(error)
        return serving.fallback_name, serving.fallback

    def _told(
        self, serving: ActivePolicy, observation: dict[str, Any], made: Made, compared: bool = True
    ) -> dict[str, Any]:
        """Count and log a decision; return what is answered.

        Args:
            compared: whether its reward counts for a canary.
        """
        outputs, clamped, by, client, propensity = made
        name = f"{self._start}-{next(self._number):x}"
        first = next(iter(outputs.values()))
        self.counters.decisions[str(first) if type(first) is int else "vector"] += 1
        if by != POLICY:
            self.counters.fallbacks[by] += 1
        if clamped:
            self.counters.clamped.update(clamped)
        if propensity < 1.0:
            self.counters.drawn += 1
        by_canary = self.canary is not None and serving is self.canary.serving
        if self.canary is not None and compared:
            self.canary.decided(name, by_canary)
        if not by_canary:
            self.counters.watch.decided(serving.bundle.version, observation)
        state = "off"
        if self.log is not None:
            version = serving.bundle.version
            at = time.time()
            entry = Entry(name, at, version, by, observation, outputs, clamped, propensity, client)
            taken = "written" if self.settings.log_sync else "queued"
            state = taken if self.log.add(entry) else "dropped"
        facts = {"decided_by": by, "clamped": clamped, "propensity": propensity, "log": state}
        return {"id": name, **outputs, **facts}


def _client(value: Any) -> str:
    """Return the name that a client states.

    Raises:
        HTTPError: it must be a short printable text, and is not.
    """
    if type(value) is str and len(value) <= MAX_CLIENT and value.isascii() and value.isprintable():
        return value
    allowed = f"printable ASCII of at most {MAX_CLIENT} characters"
    fields = [{"problem": f'"{CLIENT}" cannot be used', "field": CLIENT, "value": _shown(value)}]
    raise refused_fields([{**fields[0], "allowed": allowed}])


def parse_object(body: bytes) -> dict[str, Any]:
    """Return the JSON object in a body.

    Raises:
        HTTPError: the body is not a JSON object.
    """
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise HTTPError(400, f"the body is not JSON: {str(error)[:200]}") from None
    if type(content) is not dict:
        raise HTTPError(400, "the body is not a JSON object")
    return content


def refused_fields(fields: list[dict[str, Any]]) -> HTTPError:
    """Return the error of bad fields: the first one as such, and a list of all."""
    first = dict(fields[0])
    return HTTPError(422, first.pop("problem"), **first, fields=fields[:MAX_EXPLAINED])


def _explained(error: BadField, where: str) -> dict[str, Any]:
    """Return what an answer says of one bad field."""
    return {
        "problem": error.alone,
        "field": f"{where}.{cut(error.field)}",
        "value": _shown(error.value),
        "allowed": error.allowed,
    }


def _failed(error: EngineError) -> HTTPError:
    return HTTPError(503, str(error), hint="start the service with --fallback RULE")


def _shown(value: Any) -> Any:
    """Return a value as it can be answered: short, and JSON."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    text = repr(value)
    return value if len(text) <= MAX_ECHOED else cut(text)


def cut(text: str) -> str:
    """Return a text, or the start of a long one."""
    return text if len(text) <= MAX_ECHOED else text[:MAX_ECHOED] + "..."
