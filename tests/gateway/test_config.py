"""Wrong configurations: one message that names file, key, value and remedy, and exit code 2."""

import dataclasses
import re
import typing
from pathlib import Path

import pytest

from edgewright.core.errors import InputError
from edgewright.deploy.export_run import bundle_of, rows_in
from edgewright.deploy.subject import WHOLE, Subject
from edgewright.evaluation.actions import head_in
from edgewright.gateway import settings
from edgewright.gateway.config import load
from edgewright.gateway.plan import make_plan
from edgewright.gateway.settings import Config

UP = {
    "name": "gpu", "kind": "upstream", "location": 1, "url": "http://gpu:8000/v1",
    "levels": [{}, {}, {}], "seconds": [1.0, 2.0, 4.0],
}  # fmt: skip
GOOD = {"name": "device", "kind": "digits", "location": 0, "steps": [2, 4, 8]}

WRONG = {
    "two back ends with one name": (
        {"backend": [GOOD, {**UP, "name": "device"}]},
        "backend[1].name: 'device' is there twice, also in backend[0]",
    ),
    "a name that no header can carry": (
        {"backend": [{**GOOD, "name": "ger\u00e4t"}]},
        "backend[0].name: must be printable ASCII, as headers carry it; got 'ger\u00e4t'",
    ),
    "a level without a name": (
        {"quality": {"levels": ["a", "", "c"]}},
        "quality.levels[1]: must be printable ASCII",
    ),
    "a negative speed": (
        {"backend": [{**GOOD, "speed": -0.5}]},
        "backend[0].speed: must be greater than 0; got -0.5",
    ),
    "an unknown key": ({"gateway": {"prot": 1}}, "gateway.prot: unknown key"),
    "an unknown table": ({"gatewya": {}}, "gatewya: unknown key"),
    "no back end": ({"backend": []}, "backend: must be given"),
    "an unknown kind": (
        {"backend": [{**GOOD, "kind": "digit"}]},
        "backend[0].kind: must be one of digits, render, text, upstream; got 'digit'",
    ),
    "a missing key": (
        {"backend": [{"name": "a", "kind": "digits"}]},
        "backend[0].location: must be given",
    ),
    "a text for a number": (
        {"backend": [{**GOOD, "location": "here"}]},
        "backend[0].location: must be a whole number; got 'here'",
    ),
    "steps of two levels": (
        {"backend": [{**GOOD, "steps": [2, 4]}]},
        "backend[0].steps: must have one entry for each of the 3 levels; got 2",
    ),
    "steps that fall": (
        {"backend": [{**GOOD, "steps": [4, 2, 8]}]},
        "backend[0].steps: must grow from level to level; got [4, 2, 8]",
    ),
    "an upstream without an address": (
        {"backend": [{**UP, "url": "gpu:8000"}]},
        "backend[0].url: must be an address; got 'gpu:8000'",
    ),
    "a paced upstream": (
        {"backend": [{**UP, "speed": 0.5}]},
        "backend[0].speed: must be 1 for an upstream; got 0.5",
    ),
    "an unknown link": ({"backend": [{**UP, "link": "wan"}]}, "backend[0].link: 'wan' is unknown"),
    "an alias to nothing": (
        {"aliases": {"dall-e-3": "gpu"}},
        "aliases.dall-e-3: 'gpu' is unknown",
    ),
    "an unknown rule": ({"policy": {"fallback": "best"}}, "policy.fallback: 'best' is unknown"),
    "an unknown shadow": ({"policy": {"shadow": ["best"]}}, "policy.shadow[0]: 'best' is unknown"),
    "shares that are not stated": (
        {"policy": {"fallback": "shares"}},
        "policy.shares: must be given for the rule 'shares'",
    ),
    "shares of two levels": (
        {"policy": {"shares": [[1.0, 2.0]]}},
        "policy.shares[0]: must have one entry for each of the 3 levels; got 2",
    ),
    "shares of other locations": (
        {"policy": {"shares": [[1.0, 0.0, 0.0]] * 2}},
        "policy.shares: must have one row for each of the 1 locations; got 2",
    ),
    "shares of nothing": (
        {"policy": {"shares": [[0.0, 0.0, 0.0]]}},
        "policy.shares: must hold weights of at least 0, one of them above it",
    ),
    "a level that is not there": (
        {"quality.map": {"max": 3}},
        "quality.map.max: must be a level from 0 to 2; got 3",
    ),
    "a key that is not a hash": (
        {"key": [{"sha256": "secret"}]},
        "key[0].sha256: must be 64 digits of a SHA-256; got 'secret'",
    ),
    "one arm": (
        {"blocks": {"arms": {"a": "policy"}}},
        "blocks.arms: must hold two arms or more; got 1",
    ),
    "a size without a height": (
        {"gateway": {"default_size": "256"}},
        "gateway.default_size: must be a size such as 256x256; got '256'",
    ),
    "a bundle that is not there": ({"policy": {"bundle": "nothing.edge"}}, "policy.bundle: "),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_configuration_is_refused_by_name(case, edgewright, write_config, tmp_path):
    tables, message = WRONG[case]
    file = write_config(tmp_path, **{"backend": [GOOD], **tables})
    error = edgewright("gateway", "--config", file, code=2).stderr
    assert error.startswith(f"error: {file}: {message}")
    assert re.search(r"\nhint: .{5,}", error)


@pytest.mark.parametrize("text", ["[[backend]\n", "= 3", "\xff"])
def test_a_file_that_is_not_toml_is_refused(text, edgewright, tmp_path):
    file = tmp_path / "g.toml"
    file.write_bytes(text.encode("latin-1"))
    error = edgewright("gateway", "--config", file, code=2).stderr
    assert error.startswith(f"error: {file}: must be TOML: ")


def test_a_file_that_is_not_there_is_refused(edgewright, tmp_path):
    error = edgewright("gateway", "--config", tmp_path / "no.toml", code=2).stderr
    assert "no.toml: cannot be read" in error


def test_a_bundle_must_match(edgewright, write_config, tmp_path, bundles):
    policy = {"bundle": str(bundles["se-ppo"])}

    def refused(**tables):
        file = write_config(tmp_path, policy=policy, **tables)
        return edgewright("gateway", "--config", file, "--check", code=2).stderr

    two = {"levels": ["low", "high"]}
    message = refused(quality=two, backend=[{**GOOD, "steps": [2, 8]}])
    assert "quality.levels: names 2 levels, and the bundle" in message
    assert "decides among 3" in message
    message = refused(backend=[{**GOOD, "location": 3}])
    assert "backend[0].location: must be below 3, the bundle's locations; got 3" in message
    message = refused(signals={"mode": "quick"}, backend=[GOOD])
    assert "signals.mode: must be a mode of the bundle; got 'quick'" in message
    good = write_config(tmp_path, policy=policy, backend=[GOOD])
    assert "1 back ends, policy@" in edgewright("gateway", "--config", good, "--check").stdout


def test_a_bundle_of_another_system_is_refused(
    edgewright, write_config, tmp_path, two_levels, bundles
):
    problem, policy = two_levels("ppo-ppo")
    path = tmp_path / "c.edge"
    subject = Subject(None, path, 0, WHOLE, problem, policy, None, None)
    rows = rows_in(problem, None, head_in(problem))
    facts = {"name": "c", "kind": "learned", "scenario": {"world": {"kind": "caching"}}}
    facts |= {"provenance": {}, "scores": {}, "lineage": []}
    path.write_bytes(bundle_of(path, subject, rows, facts)[0])
    file = write_config(tmp_path, policy={"bundle": "c.edge"}, backend=[GOOD])
    error = edgewright("gateway", "--config", file, "--check", code=2).stderr
    assert error.startswith(f"error: {file}: policy.bundle: '{path}' decides cache, server")
    assert "(caching), not location and level" in error
    tables = {"policy": {"bundle": str(bundles["se-ppo"])}, "canary": {"bundle": "c.edge"}}
    file = write_config(tmp_path, **tables, backend=[GOOD])
    with pytest.raises(InputError, match="not location and level") as caught:
        make_plan(file)
    assert caught.value.where == f"{file}: canary.bundle"


@pytest.mark.parametrize("rewards", [[1.0], [1.0, 1.0], [1.0, -2.0], [0.0, 1.0, 2.0]])
def test_the_range_of_a_canarys_rewards_is_checked(write_config, tmp_path, bundles, rewards):
    policy, canary = {"bundle": str(bundles["se-ppo"])}, {"bundle": "c.edge", "rewards": rewards}
    file = write_config(tmp_path, policy=policy, canary=canary, backend=[GOOD])
    with pytest.raises(InputError, match="must be two numbers, the lower one first") as caught:
        make_plan(file)
    assert caught.value.where == f"{file}: canary.rewards"


def test_every_key_has_a_row_in_the_reference():
    page = (Path(__file__).parents[2] / "docs/reference/gateway.md").read_text()
    hints = typing.get_type_hints(Config)
    for field in dataclasses.fields(Config):
        kinds = [hints[field.name], *typing.get_args(hints[field.name])]
        tables = [kind for kind in kinds if dataclasses.is_dataclass(kind)]
        if not tables:
            assert f"`[{field.name}]`" in page
            continue
        section = re.search(rf"^## `\[+{field.name}\]+`\n(.*?)(?=^## |\Z)", page, re.M | re.S)
        assert section, field.name
        rows = set(re.findall(r"^\| `(\w+)`", section[1], re.M))
        assert rows == {one.name for one in dataclasses.fields(tables[0])}


def test_defaults_are_those_of_the_records(write_config, tmp_path):
    config, digest = load(write_config(tmp_path, gateway={"port": 8080}, backend=[GOOD]))
    assert config.gateway == dataclasses.replace(settings.GatewayTable(), watch_s=0.0)
    assert config.policy == settings.PolicyTable()
    assert len(digest) == 12
