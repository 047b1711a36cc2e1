"""Policies of two time scales as bundles: both levels in one file, and each level alone."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from edgewright.bundle import load
from edgewright.compress import pipeline
from edgewright.compress.stages import parse_stages
from edgewright.core.errors import InputError
from edgewright.deploy.export_run import bundle_of, rows_in
from edgewright.deploy.subject import Part, Subject
from edgewright.evaluation.actions import head_in
from edgewright.export.heads import head_for
from edgewright.export.layers import Branches, run
from edgewright.export.networks import layers_of

FACTS = {
    "name": "",
    "kind": "learned",
    "scenario": {},
    "provenance": {},
    "scores": {},
    "lineage": [],
}


def exported(out, problem, policy, level=None):
    subject = Subject(None, out, 0, Part(level=level), problem, policy, None, None)
    rows = rows_in(problem, None, head_in(problem))
    content, bundle = bundle_of(out, subject, rows, FACTS)
    out.write_bytes(content)
    return bundle


@pytest.fixture(scope="module", params=[("ppo-ppo", "logits"), ("ddpg-ddpg", "thresholds")])
def made(request, two_levels, tmp_path_factory):
    problem, policy = two_levels(*request.param)
    file = tmp_path_factory.mktemp("levels") / "p.edge"
    return problem, policy, exported(file, problem, policy), file


def rows_for(bundle, count=300):
    low, high = bundle.interface.typical()
    return np.random.default_rng(1).uniform(low, high, (count, len(low))).astype(np.float32)


def test_one_bundle_decides_the_record_of_both_levels(made):
    _, policy, bundle, _ = made
    rows = rows_for(bundle)
    given = bundle.engine.many(rows)
    assert [output.name for output in bundle.interface.outputs] == [
        "cache",
        "server",
        "bandwidth",
        "speed",
        "cached",
        "bandwidth_share",
        "speed_share",
    ]
    act = jax.vmap(lambda row: policy.act(jax.random.key(0), ((), ()), row)[1].action)
    wanted = act(jnp.asarray(rows))
    for name in ("cache", "bandwidth", "speed"):
        np.testing.assert_allclose(given[name], wanted[name], atol=1e-5)
    same = given["server"] == np.asarray(wanted["server"])
    assert same.mean() > 0.999 and len(np.unique(given["server"])) == 3


def test_outputs_say_what_they_mean_and_parity_covers_all_of_them(made):
    _, _, bundle, file = made
    about = {output.name: output.meaning for output in bundle.interface.outputs}
    assert "cached where positive" in about["cache"] and "counted from 0" in about["server"]
    again = load(file)
    assert again.parity["rows"] == {"random": 48, "edge": 48, "adversarial": 48}
    assert again.parity["settled"] > 100


def test_each_level_alone_has_its_own_fields_and_parts(made, tmp_path):
    problem, policy, both, _ = made
    rows = rows_for(both)
    names = [field.name for field in both.interface.fields]
    together = both.engine.many(rows)
    shares = ["bandwidth_share", "speed_share"]
    lower = ["server", "bandwidth", "speed", *shares]
    expected = {"upper": ["cache", "cached"], "lower": lower}
    for level, parts in expected.items():
        alone = exported(tmp_path / f"{level}.edge", problem, policy, level)
        own = [names.index(field.name) for field in alone.interface.fields]
        assert tuple(own) == getattr(policy, f"{level}_columns")
        given = alone.engine.many(rows[:, own])
        assert [output.name for output in alone.interface.outputs] == parts
        for name in parts:
            np.testing.assert_allclose(given[name], together[name], atol=1e-5)


def test_a_rule_cannot_stand_beside_one_level(made, tmp_path):
    problem, policy, _, _ = made
    subject = Subject(None, tmp_path, 0, Part(level="upper"), problem, policy, None, None)
    rows = rows_in(problem, None, head_in(problem))
    with pytest.raises(InputError, match="a rule decides the whole action"):
        bundle_of(tmp_path / "p.edge", subject, rows, FACTS, ["random"])


@pytest.mark.parametrize("stage", ["prune:0.5", "distil:8x8", "sparse:0.5", "int8"])
def test_chains_side_by_side_are_compressed_like_any_network(made, stage):
    problem, policy, bundle, _ = made
    before = pipeline.begin(bundle)
    rows = rows_for(bundle, 512)
    layers = layers_of(policy, problem.params, bundle.interface)
    np.testing.assert_allclose(run(before.layers, rows), run(layers, rows), atol=1e-5)
    after = pipeline.apply(parse_stages(stage)[0], before, rows, 0)
    assert isinstance(after.layers[0], Branches)
    sizes = [one.bundle.facts["graphs"]["policy"]["parameters"] for one in (before, after)]
    assert sizes[1] < sizes[0] or stage in ("sparse:0.5", "int8")
    head = head_for(policy, head_in(problem))
    distance = head.distance(run(after.layers, rows), run(before.layers, rows))
    fresh = head.distance(jnp.zeros_like(run(layers, rows)), run(before.layers, rows))
    assert distance < 0.5 * fresh
