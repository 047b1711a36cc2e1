"""Figures: the files, what stands in them, and that the same data give the same bytes."""

import subprocess
import sys
import xml.etree.ElementTree as ET

import matplotlib
import numpy as np
import pytest

from edgewright.core import files
from edgewright.core.errors import InputError
from edgewright.evaluation.statistics import interquartile_mean, performance_profile
from edgewright.reporting import figures as f
from edgewright.reporting import style as s
from edgewright.reporting.annotations import _overlap as overlap

REWARD = "reward per decision (no unit)"
ROWS = [
    f.Row("trained", "learned", 0.221, 0.214, 0.228),
    f.Row("greedy", "rule", 0.051, 0.049, 0.053),
    f.Row("heuristic", "rule", 0.12, 0.1, 0.14),
    f.Row("random", "rule", -0.72, -0.75, -0.69),
    f.Row("planner", "oracle", 0.229, 0.227, 0.231),
]
BOUND = f.Row("upper bound", "bound", 0.249, 0.247, 0.251)


def learning_curve(**options):
    rng = np.random.default_rng(0)
    steps = np.linspace(0, 300_000, 20)
    curves = [
        f.Curve(label, steps, level * (1 - np.exp(-steps / 6e4)) + rng.normal(0, 0.01, (5, 20)))
        for label, level in (("SE-PPO", 0.22), ("DQN", 0.18))
    ]
    lines = [
        f.Line("upper bound", 0.249, True),
        f.Line("planner", 0.228),
        f.Line("one-step", 0.227),
        f.Line("random", -0.7),
    ]
    return f.learning_curve(curves, lines, ylabel=REWARD, **options)


def trade_off():
    points = ((2.1, 3.2, 0.71), (2.12, 3.21, 0.712), (2.14, 3.19, 0.709), (5.0, 6.0, 0.4))
    groups = ("learned", "oracle", "learned", "rule")
    return f.trade_off(
        [
            f.Operating(f"policy {i}", g, *p)
            for i, (g, p) in enumerate(zip(groups, points, strict=True))
        ]
    )


def action_shares():
    categories = ["local low", "local high", "offload low", "offload high"]
    shares = [[0.6, 0.01, 0.2, 0.19], [0.25, 0.25, 0.25, 0.25], [0, 0, 0, 0]]
    return f.action_shares(["10-30 %", "30-70 %", "70-100 %"], categories, shares, "charge (%)")


def profiles():
    at = np.linspace(0, 1, 11)
    bands = {
        name: performance_profile([a, a + 0.1, 0.5], at) for name, a in (("A", 0.7), ("B", 0.2))
    }
    return f.performance_profiles(at, bands, xlabel=REWARD)


DRAWINGS = {
    "learning_curve": (learning_curve, [REWARD, "environment steps", "SE-PPO", "upper bound"]),
    "comparison": (
        lambda: f.comparison(ROWS, BOUND, xlabel=REWARD),
        [REWARD, "trained", "learned", "oracle", "0.221", "-0.720"],
    ),
    "trade_off": (
        trade_off,
        ["mean delay per task (s)", "mean energy per task (J)", "policy 2", "mean quality"],
    ),
    "action_shares": (
        action_shares,
        ["share of decisions (%)", "10-30 %", "local high", "60\xa0%"],
    ),
    "profiles": (profiles, [REWARD, "runs above (%)", "share of runs, 95\xa0% pointwise band"]),
}


def words(svg: str) -> str:
    return "\n".join(
        "".join(e.itertext()) for e in ET.fromstring(svg).iter() if e.tag.endswith("text")
    )


def texts(figure):
    return [t for axes in figure.axes for t in axes.texts]


@pytest.mark.parametrize("name", DRAWINGS)
def test_files_are_whole_and_the_same_twice(name, tmp_path):
    draw, expected = DRAWINGS[name]
    first = s.save(draw(), tmp_path / "a", name)
    second = s.save(draw(), tmp_path / "b", name)
    assert set(first) == {"svg", "png", "pdf"}
    for extension, path in first.items():
        assert path == tmp_path / "a" / f"{name}.{extension}"
        assert path.read_bytes() == second[extension].read_bytes(), extension
    assert sorted(p.name for p in (tmp_path / "a").iterdir()) == sorted(
        p.name for p in first.values()
    )
    assert first["png"].read_bytes().startswith(b"\x89PNG")
    assert first["pdf"].read_bytes().startswith(b"%PDF")
    shown = words(first["svg"].read_text())
    for text in expected:
        assert text in shown


def test_files_hold_no_date_and_other_data_other_bytes():
    svg, pdf = s.to_bytes(learning_curve(), "svg"), s.to_bytes(learning_curve(), "pdf")
    assert b"dc:date" not in svg and b"CreationDate" not in pdf
    changed = s.to_bytes(f.comparison(ROWS[:-1], BOUND, xlabel=REWARD))
    assert changed != s.to_bytes(f.comparison(ROWS, BOUND, xlabel=REWARD))


def test_the_reader_own_style_changes_nothing_and_is_left_alone():
    plain = s.to_bytes(learning_curve())
    with matplotlib.rc_context({"font.size": 20, "axes.facecolor": "red", "svg.fonttype": "path"}):
        assert s.to_bytes(learning_curve()) == plain
        assert matplotlib.rcParams["font.size"] == 20


def test_palette_is_okabe_ito_and_groups_differ_beyond_colour():
    okabe_ito = ["000000", "E69F00", "56B4E9", "009E73", "F0E442", "0072B2", "D55E00", "CC79A7"]
    assert {c.lstrip("#") for c in s.PALETTE} <= set(okabe_ito)
    assert len(set(s.PALETTE)) == len(s.PALETTE) == len(s.MARKERS)
    assert len({marker for _, marker in s.GROUPS.values()}) == len(s.GROUPS)
    lines = [line for line in learning_curve().axes[0].lines if line.get_marker() != "None"]
    assert [line.get_color() for line in lines] == list(s.PALETTE[:2])
    assert lines[0].get_linestyle() != lines[1].get_linestyle()


def test_learning_curve_draws_the_statistic_and_no_band_for_one_seed():
    values = np.array([[0.0, 1.0], [0.0, 2.0], [0.0, 3.0], [0.0, 99.0]])
    curve = f.Curve("x", [0, 10], values)
    axes = f.learning_curve([curve], ylabel="y (s)", statistic=interquartile_mean).axes[0]
    np.testing.assert_allclose(axes.lines[0].get_ydata(), [0.0, 2.5])
    assert len(axes.collections) == 1
    alone = f.learning_curve([f.Curve("x", [0, 10], values[:1])], ylabel="y (s)")
    assert not alone.axes[0].collections


def test_far_reference_does_not_squeeze_and_margin_labels_do_not_overlap():
    figure = learning_curve()
    figure.draw_without_rendering()
    bottom, top = figure.axes[0].get_ylim()
    assert -0.15 < bottom < 0.0 and 0.249 < top < 0.35
    labels = [t for t in texts(figure) if t.get_text()]
    assert "\N{DOWNWARDS ARROW} random (-0.7)" in [t.get_text() for t in labels]
    assert_apart(labels)


def test_far_policy_is_clipped_and_keeps_its_number():
    axes = f.comparison(ROWS, BOUND, xlabel=REWARD).axes[0]
    left, right = axes.get_xlim()
    assert 0.0 < left < 0.049 and 0.251 < right < 0.3
    assert "-0.720" in [t.get_text() for t in axes.texts]
    assert [t.get_text() for t in axes.get_yticklabels()] == [r.label for r in [*ROWS, BOUND]]
    assert axes.yaxis_inverted()
    near = [*ROWS[:3], f.Row("random", "rule", -0.05, -0.06, -0.04), ROWS[4]]
    assert f.comparison(near, BOUND, xlabel=REWARD).axes[0].get_xlim()[0] < -0.06


def test_trade_off_labels_do_not_overlap():
    figure = trade_off()
    figure.draw_without_rendering()
    for axes in figure.axes:
        assert {t.get_text() for t in axes.texts} == {f"policy {i}" for i in range(4)}
        assert_apart(list(axes.texts))


def assert_apart(labels):
    boxes = [t.get_window_extent() for t in labels]
    for i, box in enumerate(boxes):
        for j in range(i):
            assert overlap(box, boxes[j]) < 1.0, (
                labels[i].get_text(),
                labels[j].get_text(),
            )


def test_action_shares_add_up_and_shade_by_quality():
    figure = action_shares()
    bars = figure.axes[0].containers
    ends = [bars[-1][y].get_x() + bars[-1][y].get_width() for y in range(2)]
    np.testing.assert_allclose(ends, 1.0)
    shown = [t.get_text() for t in texts(figure)]
    assert "60\xa0%" in shown and "1\xa0%" not in shown and "no decisions" in shown
    local_low, local_high, offload_low, offload_high = (b[0].get_facecolor()[:3] for b in bars)
    assert sum(local_low) > sum(local_high) and sum(offload_low) > sum(offload_high)
    assert np.argmax(local_high) == 2 and np.argmax(offload_high) == 0  # blue, vermilion


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: f.learning_curve([], ylabel="y"), "'curves' is empty"),
        (
            lambda: f.learning_curve([f.Curve("a", [1, 2], [[1.0]])], ylabel="y"),
            "curve 'a' has steps",
        ),
        (
            lambda: f.learning_curve([f.Curve("a", [1, 2], [[1.0, np.nan]])], ylabel="y"),
            "1 of 2 values that are NaN",
        ),
        (lambda: f.comparison([], xlabel="x"), "'rows' is empty"),
        (
            lambda: f.comparison([f.Row("a", "learnt", 1, 1, 1)], xlabel="x"),
            "did you mean 'learned'",
        ),
        (lambda: f.comparison([f.Row("a", "rule", np.nan, 1, 1)], xlabel="x"), "NaN or infinite"),
        (lambda: f.action_shares(["a"], ["local low"], [[0.5]], "t"), "add up to"),
        (lambda: f.action_shares(["a"], ["local low"], [[0.5, 0.5]], "t"), "has shape"),
        (lambda: s.to_bytes(trade_off(), "svgz"), "did you mean 'svg'"),
    ],
)
def test_refusals(call, message):
    with pytest.raises(InputError, match=message):
        call()


def test_a_failed_write_leaves_the_old_file_and_no_litter(tmp_path, monkeypatch):
    path = tmp_path / "kept.svg"
    files.write_bytes(path, b"old")

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(files.os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        files.write_bytes(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_importing_does_not_import_matplotlib_or_jax():
    code = (
        "import sys, edgewright.reporting.figures, edgewright.reporting.html\n"
        "assert not {'matplotlib', 'jax', 'scipy'} & set(sys.modules), 'heavy import'"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
