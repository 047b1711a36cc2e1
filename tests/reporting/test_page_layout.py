"""The page of a comparison at the widths of a desk, a tablet and a phone.

The measurements need node and the Chromium that ``EDGEWRIGHT_CHROMIUM`` names: ``make test-pages``
fetches it. The rules of the style sheet are checked without.
"""

import dataclasses
import json
import os
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest

from edgewright.core.sealed import write_json
from edgewright.evaluation.compare import Comparison, Result
from edgewright.evaluation.comparison_table import table
from edgewright.evaluation.sources import Source
from edgewright.reporting import comparison_page
from edgewright.reporting.html_style import NARROW, STYLE
from edgewright.reporting.inline_svg import MIN_PX_PER_PT
from edgewright.reporting.style import SMALL
from edgewright.scenarios.build import build
from edgewright.scenarios.load import load, resolved
from edgewright.training import checkpoint

WIDTHS = (1280, 768, 390)
LEAST_PX = 10.0
CHROMIUM = os.environ.get("EDGEWRIGHT_CHROMIUM")


@pytest.fixture(scope="module")
def comparison(tmp_path_factory):
    """Return a comparison with two runs, one from another scenario, and many policies."""
    scenario = load("aigc-heavy")
    names = ["delay_s", "energy_j", "device_energy_j", "quality", "episode_length", "terminated"]
    rng, results = np.random.default_rng(0), []
    shares = [{"entry": f"server {n}", "share": 0.25} for n in range(4)]
    part = {"name": "location", "kind": "choice", "entries": shares}
    means = {"random": -3.15, "greedy": 0.13, "rollout-12": 0.14, "heuristic-fair": 0.12}
    for name, mean in {**means, "first": 0.135, "second": 0.1}.items():
        rewards = mean + 0.01 * rng.normal(size=(2, 8))
        rest = dict.fromkeys(names, np.full_like(rewards, 123.4))
        group = "learned" if name in ("first", "second") else "rule"
        source = None
        if group == "learned":
            source = Source(name, [], folder=run_folder(tmp_path_factory, scenario, name))
        metrics = {"reward": rewards, **rest}
        results.append(Result(name, group, metrics, 0.0, None, source, (part,)))
    return Comparison(scenario, build(scenario), results, np.full(8, 0.16))


def run_folder(tmp_path_factory, scenario, name):
    """Return the folder of a run with two seeds that were looked at three times."""
    folder = tmp_path_factory.mktemp(name)
    facts = json.loads(json.dumps(resolved(scenario)))
    facts["params"]["slot_s"] += name == "second"
    write_json(folder / "run.json", {"scenario": facts})
    for seed in range(2):
        own = folder / f"seed-{seed}"
        own.mkdir()
        (own / "metrics.jsonl").touch()
        for n in range(1, 4):
            row = {"steps": 100 * n, "reward": 0.05 * n + 0.01 * seed}
            checkpoint.append_row(own, "evaluation", row)
        checkpoint.save(own, np.zeros(1), {})
    return folder


@pytest.fixture(scope="module")
def text(comparison, tmp_path_factory):
    out = tmp_path_factory.mktemp("page")
    return comparison_page.write_page(
        out, comparison, table(comparison), "edgewright compare " * 9
    ).read_text()


def test_the_columns_that_are_read_first_stand_first(text):
    headings = re.findall(r"<th [^>]*>([^<]*)", text)
    assert headings[:5] == [
        "policy", "reward per slot", "slots served", "difference to greedy", "gap to bound closed ",
    ]  # fmt: skip


def test_every_cell_carries_its_heading_for_narrow_pages(text):
    first = re.search(r"<tbody.*?<tr[^>]*>(.*?)</tr>", text, re.S)
    assert first is not None
    labels = re.findall(r'data-label="([^"]*)"', first[1])
    assert labels[:2] == ["policy", "reward per slot"] and "gap to bound closed (%)" in labels
    assert f"max-width:{NARROW}px" in STYLE and "content:attr(data-label)" in STYLE


def test_no_letter_is_small_by_rule(text):
    assert min(float(size) for size in re.findall(r"font-size:([\d.]+)rem", STYLE)) * 16 >= 12
    assert SMALL * MIN_PX_PER_PT > LEAST_PX
    for box, least in re.findall(r'viewBox="0 0 ([\d.]+) [\d.]+"[^>]*min-width:(\d+)px', text):
        assert int(least) == round(float(box) * MIN_PX_PER_PT)
    sizes = re.findall(r"font-size: ([\d.]+)px|font: ([\d.]+)px", text)
    assert sizes and min(float(a or b) for a, b in sizes) >= SMALL


def test_the_page_draws_the_curves_of_its_runs_and_what_policies_do(comparison, text):
    assert "The greedy policy of each run on the evaluation episodes while it learned." in text
    assert "Measured in the scenario of its own training: second." in text
    assert "What the policies do" in text and "location: server 3" in text
    alone = [result for result in comparison.results if result.name != "second"]
    figure, caption = comparison_page.learning_figure(
        dataclasses.replace(comparison, results=alone), table(comparison)
    )
    names = [label.get_text() for label in figure.axes[0].texts]
    assert {"greedy", "rollout-12", "upper bound"} <= set(names) and "Measured" not in caption
    none = dataclasses.replace(comparison, results=comparison.results[:3])
    assert comparison_page.learning_figure(none, table(comparison)) is None


@pytest.mark.skipif(CHROMIUM is None, reason="no browser is named; see make test-pages")
@pytest.mark.parametrize("width", WIDTHS)
def test_the_page_in_a_browser(text, width, tmp_path):
    page = tmp_path / "report.html"
    page.write_text(text)
    command = ["node", Path(__file__).with_name("measure.cjs"), page, str(width)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=90)
    assert done.returncode == 0, done.stderr[-500:]
    measured = json.loads(done.stdout)
    assert measured["over"] <= 0, "the page moves sideways"
    assert max(measured["tables"]) <= 1, "a table has columns beyond the edge"
    assert measured["columns"] == 10, "every column of the first row is in view"
    assert measured["letters"] >= LEAST_PX
