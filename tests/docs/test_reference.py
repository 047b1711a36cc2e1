"""The reference pages name everything there is."""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
import typing
from pathlib import Path
from typing import Any

import click
import jax
import jax.numpy as jnp
import pytest

import edgewright
from edgewright import __version__
from edgewright.agents.active_inference import ActiveInference
from edgewright.agents.ddpg import DDPG
from edgewright.agents.dqn import DQN
from edgewright.agents.droo import Droo
from edgewright.agents.fleet import Fleet
from edgewright.agents.independent import Independent
from edgewright.agents.maml import Maml
from edgewright.agents.ppo import PPO
from edgewright.agents.pruned_ppo import PrunedPPO
from edgewright.agents.pruned_sac import PrunedSAC
from edgewright.agents.sac import SAC
from edgewright.agents.two_time_scale import TwoTimeScale
from edgewright.cli.main import COMMANDS, app
from edgewright.loops import evaluate, online
from edgewright.scenarios.build import PROCESS_KINDS, build, build_learner
from edgewright.scenarios.learners import learner_class, learner_names
from edgewright.scenarios.load import json_schema, load, shipped
from edgewright.specs import placement, processes, schema
from edgewright.systems.aigc import AigcMetrics
from edgewright.systems.aigc import schema as aigc
from edgewright.systems.aigc.policies import BASELINE_NAMES
from edgewright.systems.binary import schema as binary
from edgewright.systems.contract import schema as contract
from edgewright.systems.registry import system_of
from edgewright.systems.target_probe import TargetParams, TargetWorld
from edgewright.training.runs import evaluation_inputs

PAGES = Path(__file__).parents[2] / "docs" / "reference"
TABLES = {
    "Top level": schema.Scenario,
    "[world]": aigc.AigcTable,
    "[params]": aigc.AigcNumbers,
    "[streams]": aigc.AigcStreams,
    "[world] of binary": binary.BinaryStructure,
    "[params] of binary": binary.BinaryNumbers,
    "[streams] of binary": binary.BinaryStreams,
    "[world] of contract": contract.ContractTable,
    "[params] of contract": contract.ContractNumbers,
    "[streams] of contract": contract.ContractStreams,
    "[evaluation]": schema.Evaluation,
    "[training]": schema.TrainingPlan,
}
PROCESSES = {
    typing.get_args(typing.get_type_hints(kind)["kind"])[0]: kind
    for kind in typing.get_args(typing.get_args(processes.ProcessSpec)[0])
}


# Without their jit: options of a compiler are refused where only shapes are asked for.
begin, advance, play = map(inspect.unwrap, (online.init_training, online.advance, evaluate.play))


def section(page: str, title: str) -> str:
    """Return the text under a heading of the second or third level, up to the next of its level."""
    text = (PAGES / page).read_text()
    found = re.search(rf"^(##+) {re.escape(title)}$", text, re.M)
    assert found, f"{page} has no section '{title}'"
    rest = text[found.end() :]
    end = re.search(rf"^#{{2,{len(found[1])}}} ", rest, re.M)
    return rest[: end.start()] if end else rest


def rows(text: str) -> dict[str, str]:
    """Return the rows of the tables in a text by the names in their first cells."""
    named = {}
    for line in text.splitlines():
        if line.startswith("| `"):
            for name in re.findall(r"`([^`]+)`", line.split(" | ")[0]):
                named[name] = line
    return named


def names(kind: type) -> set[str]:
    fields = dataclasses.fields(kind)
    return {field.name for field in fields if field.metadata.get("setting", True)}


@pytest.mark.parametrize("title", TABLES)
def test_every_key_of_a_table_has_a_row_and_no_row_is_stale(title: str) -> None:
    text = section("scenarios.md", title).split("\n### ")[0]
    extra = {"extends"} if title == "Top level" else set()
    assert set(rows(text)) == names(TABLES[title]) | extra


def test_every_switch_value_is_named() -> None:
    for title, table in (
        ("[world]", aigc.AigcTable),
        ("[world] of binary", binary.BinaryStructure),
        ("[world] of contract", contract.ContractTable),
    ):
        found = rows(section("scenarios.md", title))
        for key, hint in typing.get_type_hints(table).items():
            if typing.get_origin(hint) is typing.Literal:
                for value in typing.get_args(hint):
                    assert f'`"{value}"`' in found[key], f"{key} = {value}"


def test_every_process_kind_has_a_row_with_its_keys() -> None:
    found = rows(section("scenarios.md", "Processes"))
    assert set(found) == set(PROCESSES) == set(PROCESS_KINDS)
    for kind, spec in PROCESSES.items():
        for key in names(spec) - {"kind"}:
            assert f"`{key}`" in found[kind], f"{kind}: {key}"


def test_every_placement_kind_has_a_row_with_its_keys() -> None:
    found = rows(section("scenarios.md", "[params.placement]"))
    kinds = typing.get_args(typing.get_args(placement.PlacementSpec)[0])
    named = {typing.get_args(typing.get_type_hints(kind)["kind"])[0]: kind for kind in kinds}
    assert set(found) == set(named)
    for kind, spec in named.items():
        for key in names(spec) - {"kind"}:
            assert f"`{key}`" in found[kind], f"{kind}: {key}"


def test_every_shipped_scenario_is_named() -> None:
    for name in shipped():
        assert f"`{name}`" in (PAGES / "scenarios.md").read_text()


def test_the_schema_file_is_current() -> None:
    kept = json.loads((PAGES / "scenario.schema.json").read_text())
    assert kept == json_schema(), "edgewright list --schema > docs/reference/scenario.schema.json"


def test_every_metric_of_a_slot_has_a_row_and_no_row_is_stale() -> None:
    assert set(rows(section("metrics.md", "Metrics of a slot"))) == names(AigcMetrics)


def test_every_metric_of_an_episode_has_a_row_and_no_row_is_stale() -> None:
    scenario = load("aigc-heavy", {"params.horizon_slots": 2, "evaluation.episodes": 2})
    problem = build(scenario)
    plan = build_learner("se-ppo", scenario, problem, 1)

    def metrics(key: Any) -> Any:
        parts = (problem.params, problem.train_stream, plan.learner)
        training = begin(key, plan.train_world, *parts)
        policy = plan.learner.policy(training.learner, explore=False)
        inputs = evaluation_inputs(scenario, problem)
        return evaluate.summarise(play(key, plan.world, problem.params, policy, inputs), 0.0)

    found = jax.eval_shape(metrics, jax.random.key(0))
    assert set(rows(section("metrics.md", "Metrics of an episode"))) == set(found)


@pytest.mark.parametrize(("learner", "kind"), [("se-ppo", "PPO"), ("dqn", "DQN")])
def test_every_log_of_a_learner_has_a_row_and_no_row_is_stale(learner: str, kind: str) -> None:
    scenario = load("aigc-heavy")
    problem = build(scenario)
    plan = build_learner(learner, scenario, problem, 1e3)
    assert described_logs(kind) == logs_of(
        plan.train_world, problem.params, problem.train_stream, plan.learner
    )


@pytest.mark.parametrize("kind", [DDPG, SAC, PrunedSAC, PrunedPPO])
def test_every_log_of_a_learner_of_numbers_has_a_row_and_no_row_is_stale(kind: Any) -> None:
    world, params = TargetWorld(), TargetParams(horizon_slots=jnp.float32(8))
    assert described_logs(kind.__name__) == logs_of(world, params, world.inputs(params), kind())


def described_logs(kind: str) -> set[str]:
    table = rows(section("metrics.md", "metrics.jsonl"))
    learners = {name: row.split(" | ")[1].split(", ") for name, row in table.items()}
    return {name for name, of in learners.items() if kind in of or "all" in of}


def logs_of(world: Any, *parts: Any) -> set[str]:
    def logs(key: Any) -> Any:
        training = begin(key, world, *parts)
        return advance(world, *parts, training, jnp.int32(1), chunk=1)[1]

    return set(jax.eval_shape(logs, jax.random.key(0))) | {"iteration", "steps"}


def test_every_key_of_a_comparison_is_named() -> None:
    row = rows(section("metrics.md", "A row of a comparison"))
    always = {"policy", "group", "seeds", "episodes", "reward", "reward_low", "reward_high"}
    always |= {"score", "low", "high", "difference", "gap_closed", "iqm", "by", "actions"}
    always |= {f"probability_of_improvement{end}" for end in ("", "_low", "_high")}
    system = system_of("aigc")
    assert set(row) == always | {metric.name for metric in system.metrics} | set(
        system.termination_metrics
    )


def shown_commands() -> dict[str, click.Command]:
    """Return every command by its words; a group stands for the commands in it."""
    shown: dict[str, click.Command] = {}
    for name in COMMANDS:
        command = app.get_command(click.Context(app), name)
        assert command is not None
        if isinstance(command, click.Group):
            shown |= {f"{name} {sub}": part for sub, part in command.commands.items()}
        else:
            shown[name] = command
    return shown


@pytest.mark.parametrize(("name", "command"), shown_commands().items())
def test_every_option_of_a_command_has_a_row(name: str, command: click.Command) -> None:
    text = section("cli.md", f"edgewright {name}")
    shown = {option.split()[0] for option in rows(text)}
    shown = {option for option in shown if option.startswith("-")}
    commands = command.commands.values() if isinstance(command, click.Group) else [command]
    parameters = [parameter for one in commands for parameter in one.params]
    options = {o for p in parameters for o in p.opts if o.startswith("--")}
    assert shown == options
    for parameter in parameters:
        if parameter.param_type_name == "argument":
            assert str(parameter.name).upper() in text


def test_every_policy_is_described() -> None:
    assert set(BASELINE_NAMES) == set(rows(section("cli.md", "edgewright compare"))) - {
        option for option in rows(section("cli.md", "edgewright compare")) if option[0] == "-"
    }


def test_policies_and_metrics_of_binary_have_rows() -> None:
    system = system_of("binary")
    assert set(rows(section("cli.md", "Policies of binary"))) == set(system.default_policies)
    found = set(rows(section("metrics.md", "Metrics of binary")))
    assert found == {metric.name for metric in system.metrics}


def test_policies_and_metrics_of_contracts_have_rows() -> None:
    system = system_of("contract")
    assert set(rows(section("cli.md", "Policies of contract"))) == set(system.default_policies)
    listed = set(rows(section("metrics.md", "Metrics of contract")))
    assert listed == {metric.name for metric in system.metrics} | {"training_reward"}


def test_every_learner_has_a_row() -> None:
    page = (PAGES / "learners.md").read_text().split("\n## ")[0]
    described = rows(page)
    assert set(described) == set(learner_names())
    for kind, scenario in (("aigc", "aigc-fleet"), ("binary", "binary-hard")):
        for name in learner_names(build(load(scenario))):
            assert f"| {learner_class(name, kind).__name__.lower()} |" in described[name]


def test_every_page_is_in_the_navigation_and_the_citation_has_the_version() -> None:
    root = PAGES.parents[1]
    listed = (root / "mkdocs.yml").read_text()
    for page in (root / "docs").rglob("*.md"):
        assert str(page.relative_to(root / "docs")) in listed
    assert f"version: {__version__}\n" in (root / "CITATION.cff").read_text()


@pytest.mark.parametrize(
    "kind", [PPO, DQN, DDPG, SAC, ActiveInference, Independent, Fleet, Droo, Maml, TwoTimeScale]
)
def test_every_setting_of_a_learner_has_a_row(kind: type) -> None:
    assert set(rows(section("learners.md", f"Settings of {kind.__name__}"))) == names(kind)


def test_every_setting_that_pruning_adds_has_a_row() -> None:
    added = names(PrunedSAC) - names(SAC)
    described = set(rows(section("learners.md", "Settings of PrunedSAC")))
    assert described == added
    assert names(PrunedPPO) - names(PPO) == described - {"group_sparse", "group_coef"}


def test_every_public_name_is_in_the_api_reference() -> None:
    text = (PAGES / "api.md").read_text()
    listed = set(re.findall(r"^::: edgewright\.[\w.]+\.(\w+)$", text, re.M))
    assert listed == set(edgewright.__all__) - {"__version__"}
