"""Every remedy that the command line prints is followed by machine, until the command works."""

from __future__ import annotations

import ast
import re
import shlex
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from edgewright.cli.main import app
from edgewright.core import renamed
from edgewright.serve import server
from edgewright.serve.decider import prepare

SOURCE = Path(__file__).parents[2] / "src" / "edgewright"
MAX_REMEDIES = 3
"""Remedies that lead from a wrong command to one that works."""

SMALL = "--set params.horizon_slots=5 --set evaluation.episodes=2"
LEARN = f"--steps 64 --set learner.num_envs=4 --set learner.rollout_steps=16 {SMALL}"
PLAY = f"--policies random --episodes 2 {SMALL}"
CALM = """
import jax.numpy as jnp

from edgewright.core.records import Decision, Memoryless, record, static
from edgewright.systems.aigc import AigcWorld


@record
class Calm(Memoryless):
    world: AigcWorld = static()

    def act(self, key, carry, observation):
        location = jnp.zeros(self.world.devices, jnp.int32)
        return carry, Decision(action=self.world.encode(location, location), aux=())
"""


class Refused:
    """What a refused command said: ``where: message`` and a hint."""

    def __init__(self, words: list[str], error: str) -> None:
        self.words = words
        text = error[error.index("error: ") + 7 :]
        self.message, *hints = re.split(r"\n\s*hint: ", text)
        self.hint = hints[0].partition("\n")[0] if hints else ""

    @property
    def options(self) -> list[str]:
        """Return the options at fault."""
        before, _, _ = self.message.partition(": ")
        return [one.strip() for one in before.split(",") if one.strip().startswith("--")]

    def without(self, options: list[str]) -> list[str]:
        """Return the command without some options and their values."""
        found, words = command_of(self.words), []
        flags = {name for one in found.params for name in one.opts if getattr(one, "is_flag", 0)}
        skip = False
        for word in self.words:
            if not skip and word in options:
                skip = word not in flags
            elif skip:
                skip = False
            else:
                words.append(word)
        return words

    def with_value(self, option: str, value: str) -> list[str]:
        """Return the command with another value of an option."""
        return [*self.without([option]), option, value]

    def replaced(self, new: str) -> list[str]:
        """Return the command with a name in place of the one that was not known."""
        wrong = re.findall(r"'([^']+)'", self.message)[-1].rpartition(".")[2]
        words = [re.sub(rf"(?<!\w){re.escape(wrong)}(?!\w)", new, word) for word in self.words]
        assert words != self.words, (self.message, self.hint)
        return words


GATE = "train it longer, or judge it on more episodes"
"""The hint of a gate that a policy after 64 steps cannot pass."""

PLACEHOLDERS = {"FILE": "made.file", "FOLDER": ".", "NAME": "aigc-toy", "RUN": "a", "N": "0"}


def filled(words: list[str]) -> list[str]:
    return [PLACEHOLDERS.get(word.rstrip(",;"), word.rstrip(",;")) for word in words]


def followed(said: Refused) -> list[str]:
    """Return the command that the hint of a refused one tells to give."""
    hint = said.hint
    names_run = hint.startswith(("name a folder written by edgewright train", "name a run, or"))
    if names_run and "nothing" in said.words:
        return ["a" if word == "nothing" else word for word in said.words]
    if match := re.search(r"did you mean '(.+?)'", hint):
        return said.replaced(match[1])
    if match := re.search(r"valid names: ([^,;]+)", hint):
        return said.replaced(match[1])
    if match := re.search(r"'(\S+)' is called '(\S+)' now", hint):
        return [word.replace(match[1], match[2]) for word in said.words]
    if match := re.search(r"(?:leave|remove) (--\S+)(?: and (--\S+))?(?: out|$)", hint):
        return said.without([one for one in match.groups() if one])
    if re.search(r"leave (?:the option|it|them|one of them) out", hint):
        return said.without(said.options)
    if match := re.search(r"openssl rand -hex 32 > FILE", hint):
        Path("made.file").write_text("0123456789abcdef\n")
        return said.with_value(*said.options, "made.file")
    if match := re.search(r"edgewright ([a-z]+)((?: [^ ;:]+)*)", hint):
        return [match[1], *filled(match[2].split())]
    if match := re.search(r"name one with (--[a-z-]+)", hint):
        return said.with_value(match[1], "aigc-toy")
    if match := re.search(r"name a model as (\S+)", hint):
        return said.with_value("--policies", match[1])
    if match := re.search(r"e\.g\. ((?:--\S+ \S+ ?)+)", hint):
        words = said.words
        for option, value in re.findall(r"(--\S+) (\S+)", match[1]):
            words = Refused(words, f"error: {said.message}").with_value(option, value)
        return words
    if match := re.search(r"e\.g\. (\S+)", hint):
        return said.with_value(*said.options, match[1])
    if match := re.search(r"give (\d+) or (?:more|less|fewer)", hint):
        return said.with_value(*said.options, match[1])
    if match := re.search(r"choose another (--\S+)", hint):
        value = "0" if match[1].endswith("port") else Path(tempfile.mkdtemp(dir=".")).name + "/new"
        return said.with_value(match[1], value)
    if match := re.search(r"(?:add|give|with) (--[a-z-]+) ([A-Z]+)", hint):
        return said.with_value(match[1], *filled([match[2]]))
    raise AssertionError(f"the hint cannot be followed: {hint}")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, edgewright: Any) -> Path:
    made = tmp_path_factory.mktemp("remedies")
    (made / "mine.py").write_text(CALM)
    train = shlex.split(f"train aigc-toy --learner se-ppo --out a {LEARN}")
    edgewright(*train, cwd=made)
    edgewright("export", "a", "--out", "p.edge", cwd=made)
    edgewright(*shlex.split("export local-1 --scenario aigc-toy --out g.edge"), cwd=made)
    return made


REFUSED = [
    f"compare aigc-toi {PLAY}",
    f"compare aigc-toy {PLAY.replace('random', 'gredy')}",
    f"compare aigc-toy {PLAY} --set params.horizon_slot=5",
    f"compare aigc-toy {PLAY} --set param.horizon_slots=5",
    f"compare aigc-toy {PLAY} --set horizon",
    f"compare aigc-toy {PLAY} --episodes 1",
    f"compare aigc-toy {PLAY} --episodes x",
    f"compare aigc-toy {PLAY.replace('random', 'mine.py')}",
    f"compare aigc-toy {PLAY.replace('random', 'mine.py:Cal')}",
    f"train aigc-toy --out b {LEARN} --learner se-pp",
    f"train aigc-toy --out b {LEARN} --set learner.clip=0.1",
    f"train aigc-toy --out a {LEARN} --learner dqn",
    "export a --out q.edge --scenario aigc-toy --set params.slot_s=1.0",
    "export a --out q.edge --device 0",
    "export a --out q.edge --task 0",
    "export a --out q.edge --rules gredy",
    "export nothing --out q.edge",
    "export local-1 --out q.edge",
    "export local-1 --out q.edge --scenario aigc-toy --seed 0 --litert",
    "evaluate a --shots 3",
    "evaluate a --adapt-steps 0,1",
    "evaluate a --adapt-steps 0,1 --tasks tasks.csv",
    "evaluate a --set params.horizon_slots=5",
    "evaluate nothing",
    "compress p.edge --stages in8 --out c.edge --episodes 2",
    "compress p.edge --stages int8:3 --out c.edge --episodes 2",
    "compress p.edge --stages int8 --min-gain-kept 3 --out c.edge --episodes 2",
    "inspect p.edge --set a=1",
    "inspect p.edge --figure f.png",
    "list --schema aigcc",
    "serve p.edge --log-sync",
    "serve p.edge --log-keep 3d",
    "serve p.edge --fallback local-2",
    "serve p.edge --token-file nothing",
    f"sweep aigc-toy --out s {LEARN} --grid learner.clip_eps",
]


@pytest.mark.parametrize("command", REFUSED)
def test_a_remedy_works_where_it_is_printed(
    command: str, folder: Path, edgewright: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where two remedies follow on each other, both are followed."""
    monkeypatch.setattr(server, "run", lambda settings, say: prepare(settings) is None)
    monkeypatch.chdir(folder)
    words, seen = shlex.split(command), []
    said = Refused(words, edgewright(*words, cwd=folder, code=2).stderr)
    while True:
        words = followed(said)
        seen.append(said.hint)
        assert len(seen) <= MAX_REMEDIES, seen
        try:
            edgewright(*words, cwd=folder)
            break
        except AssertionError as error:
            assert "error: " in str(error), error
            said = Refused(words, str(error))
            if said.hint.startswith(GATE):
                break  # the command was taken, and judged what it made
            assert said.hint not in seen, seen


def command_of(words: list[str]) -> click.Command:
    """Return the command that words begin with."""
    found: click.Command = app
    for word in words:
        inner = inside(found)
        if word not in inner:
            break
        found = inner[word]
    return found


def inside(command: click.Command) -> dict[str, click.Command]:
    """Return the commands of a group by name; groups import theirs when they are asked for."""
    if not isinstance(command, click.Group):
        return {}
    context = click.Context(command)
    return {name: command.get_command(context, name) for name in command.list_commands(context)}


def all_commands(command: click.Command = app) -> Iterator[click.Command]:
    yield command
    for inner in inside(command).values():
        yield from all_commands(inner)


def texts() -> Iterator[tuple[str, str]]:
    """Yield (place, text) of every text of the source but docstrings; ``{}`` stands for values."""
    for file in sorted(SOURCE.rglob("*.py")):
        tree = ast.parse(file.read_text())
        apart = {id(one.value) for one in ast.walk(tree) if isinstance(one, ast.Expr)}
        for one in ast.walk(tree):
            parts = one.values if isinstance(one, ast.JoinedStr) else [one]
            if isinstance(one, ast.JoinedStr):
                apart |= {id(part) for part in parts}
            if id(one) not in apart or isinstance(one, ast.JoinedStr):
                named = [getattr(part, "value", None) for part in parts]
                text = "".join(part if isinstance(part, str) else "{}" for part in named)
                if isinstance(one, ast.JoinedStr) or isinstance(named[0], str):
                    yield f"{file.relative_to(SOURCE)}:{one.lineno}", text


FOREIGN = (
    "core/compilation.py",
    "reporting/html_style.py",
    "core/renamed.py",
    "federated/flower_client.py",
    "federated/flower_processes.py",
    "cluster/runtime.py",
)
"""Files whose texts name options of another program, of CSS, or of an earlier version."""


def test_every_command_and_option_that_a_text_names_exists() -> None:
    commands = {name for one in all_commands() for name in inside(one)}
    options = {name for one in all_commands() for p in one.params for name in p.opts} | {"--help"}
    wrong = []
    for place, text in texts():
        if place.startswith(FOREIGN):
            continue
        for name in re.findall(r"(?<![\w-])(--[a-z][a-z-]+)", text):
            if name not in options:
                wrong.append(f"{place}: {name}")
        for match in re.finditer(r"\bedgewright ([a-z]+)((?: [^ ;:,]+)*)", text):
            words = match[0].split()[1:]
            if words[0] not in commands:
                if f"edgewright {words[0]}" in ("edgewright of", "edgewright command"):
                    continue
                wrong.append(f"{place}: edgewright {words[0]}")
                continue
            known = {name for one in command_of(words).params for name in one.opts}
            wrong += [f"{place}: {match[0]}" for w in words if w[:2] == "--" and w not in known]
    wrong += [new for new in renamed.OPTIONS.values() if new.split()[-1] not in options | commands]
    assert not wrong, "\n".join(wrong)
