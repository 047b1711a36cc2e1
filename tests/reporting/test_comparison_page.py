"""The page of a comparison, from numbers worked by hand."""

import json

import numpy as np
import pytest

from edgewright.evaluation.compare import Comparison, Result
from edgewright.evaluation.comparison_table import table
from edgewright.reporting import comparison_page
from edgewright.scenarios.build import build
from edgewright.scenarios.load import load

REWARDS = {
    "random": [[-1.0, -2.0, -1.0, -2.0]],
    "greedy": [[0.0, 0.0, 0.4, 0.4]],
    "rollout-12": [[0.2, 0.3, 0.5, 0.6]],
    "se-ppo": [[0.1, 0.0, 0.3, 0.5], [0.1, 0.2, 0.5, 0.4]],
    **{f"rule {n}": [[-9.0, -9.0, -9.0, -9.0]] for n in range(4)},
}


@pytest.fixture(scope="module")
def comparison():
    scenario = load("aigc-heavy")
    names = ["delay_s", "energy_j", "device_energy_j", "quality", "episode_length", "terminated"]
    results = []
    for name, rewards in REWARDS.items():
        values = np.array(rewards)
        metrics = {"reward": values, **dict.fromkeys(names, np.ones_like(values))}
        group = "learned" if name == "se-ppo" else "rule"
        results.append(Result(name, group, metrics, 0.0, None))
    return Comparison(scenario, build(scenario), results, np.full(4, 1.0))


def test_the_probability_of_improvement_is_in_the_rows_and_on_the_page(comparison, tmp_path):
    found = table(comparison)
    row = {row["policy"]: row for row in found["policies"]}["se-ppo"]
    # seed 0: above, level, below, above; seed 1: above, above, above, level
    assert row["probability_of_improvement"] == pytest.approx((2 + 0.5 + 3 + 0.5) / 8)
    low, high = (row[f"probability_of_improvement_{end}"] for end in ("low", "high"))
    assert 0.0 <= low < 0.75 < high <= 1.0
    page = comparison_page.write_page(tmp_path, comparison, found, "edgewright compare")
    text = page.read_text()
    assert f'0.75 <span class="interval">[{low:.2f}, {high:.2f}]</span>' in text
    assert "probability of improvement on greedy" in text
    assert "Performance profiles" in text and "share of episodes, 95" in text
    assert (tmp_path / "figures" / "profiles.png").exists()
    assert json.loads((tmp_path / "result.json").read_text())["policies"] == found["policies"]


def test_profiles_show_learners_anchors_and_the_best_others_over_their_range(comparison):
    figure = comparison_page.profiles(comparison)
    lines = {line.get_label(): line for line in figure.axes[0].lines}
    assert len(lines) == comparison_page.MAX_PROFILES
    assert list(lines)[:3] == ["rollout-12", "se-ppo", "greedy"]
    assert figure.axes[0].get_xlim() == (0.0, 0.6)
    at, share = lines["se-ppo"].get_data()
    # 0.1, 0.0, 0.3, 0.5 and 0.1, 0.2, 0.5, 0.4: seven of eight above 0, four above 0.25
    assert share[0] == pytest.approx(87.5) and share[-1] == 0.0
    assert share[np.searchsorted(at, 0.25)] == pytest.approx(50.0)
    assert not np.any(lines["random"].get_ydata())
