"""Names of 0.1 are refused with the name that replaced them; there are no aliases."""

import pytest

from edgewright.core import renamed


@pytest.mark.parametrize(
    "arguments",
    [
        ["bracket", "aigc-toy"],
        ["serve", "p.edge", "--beyond", "refuse"],
        ["serve", "p.edge", "--patience", "3"],
        ["serve", "p.edge", "--max-queue", "3"],
        ["export", "runs/a", "--out", "p.edge", "--hidden", "3"],
        ["export", "runs/a", "--out", "p.edge", "--lite"],
        ["compress", "p.edge", "--stages", "int8", "--min-score-kept", "0.9"],
        ["bench", "--peers"],
        ["bench", "--scaling"],
        ["bench", "--peer", "x.py"],
    ],
)
def test_an_old_command_or_option_names_the_new_one(edgewright, arguments):
    stderr = edgewright(*arguments, code=2).stderr
    old = next(a for a in arguments if a in renamed.OPTIONS or a in renamed.COMMANDS)
    assert (renamed.OPTIONS | renamed.COMMANDS)[old] in stderr


def test_an_old_key_or_scenario_names_the_new_one(edgewright, tmp_path):
    def refusal(*arguments):
        return edgewright("train", *arguments, "--out", tmp_path / "r", code=2).stderr

    assert "'actor_learning_rate' now" in refusal("aigc-heavy", "--set", "learner.actor_rate=0.1")
    assert "'post_termination_reward' now" in refusal(
        "aigc-heavy", "--set", "evaluation.missed_reward=-1"
    )
    assert "aigc-paper" in refusal("aigc-literal")
    assert "binary-paper" in refusal("binary-seed")
