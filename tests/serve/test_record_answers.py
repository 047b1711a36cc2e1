"""A policy whose decision is a record: from layers to the bundle, its parity, the service."""

from __future__ import annotations

import dataclasses
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from edgewright.bundle import load
from edgewright.bundle.archive import pack_arrays, unpack_arrays
from edgewright.bundle.bundle import pack_again, save
from edgewright.bundle.manifest import PARITY_MEMBER
from edgewright.client import Client
from edgewright.compress.pipeline import begin
from edgewright.core.errors import InputError
from edgewright.core.spaces import Bits, Box, Discrete, Record, Simplex
from edgewright.export.layers import Dense, Program, Tanh, run
from edgewright.export.observation import head_of, interface_of
from edgewright.export.policy import LayerPolicy, whole_policy
from edgewright.export.record_head import flat_action
from edgewright.export.write import make_bundle, write_graph
from edgewright.nets.actions import greedy_action, score_count

FEATURES = 4
PARTS = Record(
    (
        ("cache", Bits((3,))),
        ("share", Simplex((2,), at_most=True)),
        ("split", Simplex((2, 2))),
        ("power_w", Box((0.0, -1.0), (0.5, 2.0), (2,), unit="W")),
        ("offset", Box(-np.inf, np.inf, ())),
        ("server", Discrete(4)),
    )
)
FACTS = {"name": "record", "kind": "learned", "scenario": {}, "provenance": {}, "scores": {}}


@dataclasses.dataclass(frozen=True)
class Recorded:
    """A world as far as an export looks at it."""

    agents: tuple[int, ...] = ()

    def observation_space(self, params):
        return Box(-1.0, 1.0, (*self.agents, FEATURES))

    def action_space(self, params):
        parts = [
            (name, dataclasses.replace(part, shape=(*self.agents, *part.shape)))
            for name, part in PARTS.parts
        ]
        return Record(tuple(parts))


def layers_of(seed):
    keys = jax.random.split(jax.random.key(seed), 2)
    outputs = score_count(PARTS)
    return (
        Dense(weight=jax.random.normal(keys[0], (FEATURES, 8)), bias=jnp.zeros(8)),
        Tanh(),
        Dense(weight=jax.random.normal(keys[1], (8, outputs)), bias=jnp.zeros(outputs)),
    )


ROWS = np.asarray(jax.random.uniform(jax.random.key(9), (64, FEATURES), minval=-1, maxval=1))


def rule(row):
    """Cache what is positive, give a third to each, and pick a server by the first feature."""
    action = {
        "cache": (row[:3] > 0).astype(jnp.int32),
        "share": jnp.full(2, 1 / 3),
        "split": jnp.full((2, 2), 0.5),
        "power_w": 0.25 * row[:2] ** 2,
        "offset": row[3],
        "server": jnp.where(row[0] > 0.5, 3, 1),
    }
    return flat_action(PARTS, action)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    head = head_of(Recorded(), None)
    interface = interface_of(Recorded().observation_space(None), head, ROWS)
    beside = write_graph((Program(function=rule, columns=FEATURES),), head, interface, "thirds")
    file = tmp_path_factory.mktemp("record") / "record.edge"
    facts = {**FACTS, "lineage": []}
    content, _ = make_bundle(layers_of(0), head, interface, {"thirds": beside}, facts, str(file))
    save(file, content)
    return load(file)


def test_the_transform_of_scores_by_hand():
    """Bits 2 and -1; shares softmax(0, ln 2, 0); tanh(0) halves the range; server 2 is best."""
    scores = jnp.zeros(score_count(PARTS)).at[0].set(2.0).at[1].set(-1.0)
    scores = scores.at[4].set(jnp.log(2.0)).at[12].set(-7.0).at[15].set(1.0)
    action = greedy_action(PARTS, scores)
    np.testing.assert_array_equal(action["cache"], [1, 0, 0])
    np.testing.assert_allclose(action["share"], [0.25, 0.5], atol=1e-6)
    np.testing.assert_allclose(action["split"], np.full((2, 2), 0.5))
    np.testing.assert_allclose(action["power_w"], [0.25, 0.5])
    assert action["offset"] == -7.0
    assert action["server"] == 2
    assert PARTS.contains({name: np.asarray(part) for name, part in action.items()})


def test_the_graph_gives_every_part_within_its_space(bundle):
    found = bundle.engine.many(ROWS)
    expected = jax.vmap(lambda row: greedy_action(PARTS, run(layers_of(0), row)))(ROWS)
    for name, part in PARTS.parts:
        np.testing.assert_allclose(found[name], expected[name], atol=2e-6)
        low_level = np.int32 if isinstance(part, Bits | Discrete) else np.float32
        assert all(part.contains(one.astype(low_level)) for one in found[name])
    assert 0.2 < found["cache"].mean() < 0.8
    alone = bundle.decide(
        dict(zip([f.name for f in bundle.interface.fields], ROWS[0], strict=True))
    )
    for name, _ in PARTS.parts:
        np.testing.assert_allclose(alone[name], found[name][0], atol=1e-6)


def test_a_rule_gives_a_record_too(bundle):
    found = bundle.rule("thirds").many(ROWS)
    np.testing.assert_array_equal(found["cache"], ROWS[:, :3] > 0)
    np.testing.assert_allclose(found["share"], np.full((64, 2), 1 / 3), atol=1e-6)
    np.testing.assert_allclose(found["power_w"], 0.25 * ROWS[:, :2] ** 2, atol=1e-6)
    np.testing.assert_allclose(found["offset"], ROWS[:, 3])
    np.testing.assert_array_equal(found["server"], np.where(ROWS[:, 0] > 0.5, 3, 1))


def test_the_graph_and_its_layers_play_as_one_policy(bundle):
    key, network = jax.random.key(0), begin(bundle)
    played = whole_policy(bundle).act(key, (), jnp.asarray(ROWS[0]))[1].action
    policy = LayerPolicy(layers=network.layers, head=network.head, interface=bundle.interface)
    layered = policy.act(key, (), jnp.asarray(ROWS[0]))[1].action
    assert set(played) == set(layered) == {name for name, _ in PARTS.parts}
    for name in played:
        np.testing.assert_allclose(played[name], layered[name], atol=2e-6)
    explored = dataclasses.replace(policy, epsilon=1.0).act(key, (), jnp.asarray(ROWS[0]))[1].action
    assert PARTS.contains({name: np.asarray(part) for name, part in explored.items()})
    many = LayerPolicy(
        layers=network.layers, head=head_of(Recorded((5,)), None), interface=bundle.interface
    )
    each = many.act(key, (), jnp.asarray(ROWS[:5]))[1].action
    assert each["split"].shape == (5, 2, 2)
    np.testing.assert_allclose(each["offset"][0], layered["offset"], atol=2e-6)


def test_a_real_number_that_differs_breaks_the_parity(bundle):
    record = unpack_arrays(bundle.members[PARITY_MEMBER], "x")
    for name, allowed in (("power_w", 2.0), ("share", 1.0)):
        tolerance = bundle.facts["parity"]["tolerance"]
        for change, wrong in ((0.5 * tolerance * allowed, False), (3 * tolerance * allowed, True)):
            moved = record[name].copy()
            moved[0] -= np.float32(change)
            members = {**bundle.members, PARITY_MEMBER: pack_arrays({**record, name: moved})}
            if wrong:
                with pytest.raises(InputError, match="decides otherwise"):
                    pack_again(bundle.facts, members, "x")
            else:
                pack_again(bundle.facts, members, "x")


def test_the_service_answers_and_describes_every_part(bundle, serve):
    fields = [field.name for field in bundle.interface.fields]
    asked = [dict(zip(fields, map(float, row), strict=True)) for row in ROWS[:3]]
    with serve(bundle.path) as service, Client(service.url) as client:
        document = json.loads(service.get("/openapi.json"))
        one, many = client.decide(asked[0]), client.decide_many(asked)
    schema = document["components"]["schemas"]["Decision"]["properties"]
    assert schema["cache"]["items"]["type"] == "integer"
    assert schema["cache"]["maxItems"] == schema["cache"]["minItems"] == 3
    assert schema["split"]["items"]["items"] == {"type": "number", "minimum": 0.0, "maximum": 1.0}
    assert schema["power_w"]["items"] == {"type": "number", "minimum": -1.0, "maximum": 2.0}
    assert schema["power_w"]["description"].endswith("[W]")
    assert "minimum" not in schema["offset"]
    assert schema["server"]["type"] == "integer"
    expected = bundle.decide_many(asked)
    for name, _ in PARTS.parts:
        np.testing.assert_allclose(one[name], expected[0][name], atol=1e-6)
        np.testing.assert_allclose(many[2][name], expected[2][name], atol=1e-6)


def test_a_part_of_several_agents_needs_their_axes():
    class Shared(Recorded):
        def action_space(self, params):
            return PARTS

    with pytest.raises(InputError, match="'cache' must have the axes of the agents"):
        head_of(Shared((2,)), None)


def test_a_box_with_some_bounds_is_refused():
    half = Box((0.0, -np.inf), (1.0, np.inf), (2,))
    with pytest.raises(InputError, match="finite everywhere, or nowhere"):
        greedy_action(half, jnp.zeros(2))
