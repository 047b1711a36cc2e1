"""The report: well formed, self-contained, escaped, and every id its own."""

import re
from html.parser import HTMLParser

import numpy as np
import pytest

from edgewright.core.errors import InputError
from edgewright.evaluation.statistics import Interval
from edgewright.reporting import figures as f
from edgewright.reporting import html as r
from edgewright.reporting.inline_svg import isolate_svg
from edgewright.reporting.style import to_svg

VOID = {"meta", "link", "br", "hr", "img", "input"}


class Page(HTMLParser):
    """Checks that tags balance, and collects ids, references, and text by tag."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.references: list[str] = []
        self.texts: dict[str, list[str]] = {}
        self.tags: list[tuple[str, dict]] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        if tag not in VOID:
            self.open.append(tag)
        self._note(tag, dict(attrs))

    def handle_startendtag(self, tag, attrs):
        self._note(tag, dict(attrs))

    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag

    def handle_data(self, data):
        for tag in self.open[-1:]:
            self.texts.setdefault(tag, []).append(data)

    def _note(self, tag, attrs):
        self.tags.append((tag, attrs))
        for name, value in attrs.items():
            if name == "id":
                self.ids.append(value)
            elif name in ("href", "xlink:href", "src", "aria-labelledby"):
                self.references.append(value.removeprefix("#"))
            self.references += re.findall(r"url\(#([^)]+)\)", value or "")

    def cells(self, kind: str = "") -> list[dict]:
        return [a for tag, a in self.tags if tag == "td" and (not kind or a.get("class") == kind)]


def svg(scale: float = 1.0) -> str:
    values = scale * np.random.default_rng(0).normal(size=(3, 6))
    curve = f.Curve("a < b & c", np.arange(6.0), values)
    line = f.Line("bound", 1.2 * float(values.max()), True)
    return to_svg(f.learning_curve([curve], [line], ylabel="delay (s)"))


def page() -> str:
    columns = [
        r.Column("name", "Policy"),
        r.Column("delay", "Mean delay", "s", ".2f", "min"),
        r.Column("score", "Score", "no unit", ".3f", "max"),
    ]
    rows = [
        {
            "name": "<script>alert(1)</script>",
            "delay": 2.125,
            "score": Interval(0.9, 0.85, 0.95, 0.95),
        },
        {"name": "ours & theirs", "delay": np.float32(1.5), "score": None, "ours": True},
        {"name": "third", "delay": float("nan"), "score": Interval(0.7, 0.6, 0.8, 0.95)},
    ]
    table = r.Table(columns, rows, "All on `held-out` episodes.", "ours")
    sections = [
        r.Section("Results", ["A <b>bold</b> claim, see `compare`."], table),
        r.Section(
            "Results", [], None, [r.FigureItem("One.", svg()), r.FigureItem("Two.", svg(3.0))]
        ),
        r.Section("§", ["Text."], table, code="slot_s = 1.0  # <unit> s & more\n"),
    ]
    facts = {"seeds": "10", "command": 'edgewright study x --set "a<b"'}
    return r.render("Edge <AI>", "Does it pay?", facts, sections)


@pytest.fixture(scope="module")
def parsed() -> tuple[str, Page]:
    text = page()
    return text, Page(text)


def test_tags_balance_and_ids_are_unique(parsed):
    _, tree = parsed
    assert len(tree.ids) == len(set(tree.ids))
    assert {"s-results", "s-results-2", "table-1", "table-2", "figure-1", "figure-2"} <= set(
        tree.ids
    )


def test_every_reference_finds_its_own_figure(parsed):
    _, tree = parsed
    assert any(reference.startswith("f2-") for reference in tree.references)
    assert set(tree.references) <= set(tree.ids)


def test_nothing_comes_from_outside(parsed):
    text, tree = parsed
    assert "http://" not in text and "https://" not in text and "//cdn" not in text
    assert not {"script", "link", "img", "iframe", "object", "metadata"} & {t for t, _ in tree.tags}
    assert "@import" not in text and "url(http" not in text
    policy = [a["content"] for t, a in tree.tags if "http-equiv" in a]
    assert policy and "default-src 'none'" in policy[0]


def test_values_are_escaped(parsed):
    text, tree = parsed
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text and "<script" not in text
    assert "<b>" not in text
    assert "Edge <AI>" in tree.texts["h1"] and "Edge <AI>" in tree.texts["title"]
    assert 'edgewright study x --set "a<b"' in tree.texts["code"]
    assert "slot_s = 1.0  # <unit> s & more\n" in tree.texts["code"]
    assert any("a < b & c" in t for t in tree.texts["text"])


def test_command_stands_at_the_top_and_the_code_is_folded(parsed):
    text, tree = parsed
    assert text.index("edgewright study x") < text.index("<nav") < text.index("<section")
    assert "open" not in dict(next(a for t, a in tree.tags if t == "details").items())
    assert "Resolved scenario" in tree.texts["summary"]
    assert tree.texts["dt"] == ["seeds"] and tree.texts["dd"] == ["10"]


def test_contents_link_to_every_section(parsed):
    text, _ = parsed
    nav = text[text.index("<nav") : text.index("</nav>")]
    assert re.findall('href="#([^"]+)"', nav) == ["s-results", "s-results-2", "s-section"]


def test_numbers_units_and_best_values(parsed):
    text, tree = parsed
    assert 'class="num">Mean delay <span class="unit">(s)</span></th>' in text
    assert 'class="num" data-label="Mean delay (s)">2.12</td>' in text
    assert 'class="num" data-label="Mean delay (s)"><strong>1.50</strong></td>' in text
    best = '<strong>0.900</strong> <span class="interval">[0.850, 0.950]</span></td>'
    assert best in text
    assert text.count(">\N{EN DASH}</td>") == 2 * 2  # None and NaN, in two tables
    assert text.count('<tr role="row" class="chosen">') == 2
    assert len(tree.cells("num")) == 2 * 6 and len(tree.cells("text")) == 2 * 3
    assert "font-variant-numeric:tabular-nums" in text and "prefers-color-scheme:dark" in text
    assert "@media print" in text and "overflow-x:auto" in text


def test_one_number_is_not_called_the_best():
    table = r.Table([r.Column("x", "X", best="max")], [{"x": 1.0}, {"x": None}])
    assert "<strong>" not in r.render("t", "", {}, [r.Section("a", [], table)])


def test_isolated_svg_styles_only_itself_and_scales():
    text = isolate_svg(svg(), "p-", 'say "delay"')
    assert re.search(r"<style[^>]*>[^*<]*#p-root \*\s*\{", text)
    assert 'aria-label="say &quot;delay&quot;"' in text and 'role="img"' in text
    opening = text[: text.index(">")]
    assert " height=" not in opening and " width=" not in opening and "viewBox=" in opening


def test_isolating_moves_every_kind_of_reference():
    text = isolate_svg(
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">'
        '<!-- c --><metadata>m</metadata><defs><path id="a"/><clipPath id="c"/></defs>'
        '<use xlink:href="#a"/><use href="#a"/><g clip-path="url(#c)" style="fill: url( \'#a\' )"/>'
        "</svg>",
        "f7-",
    )
    assert text.count('href="#f7-a"') == 2 and 'clip-path="url(#f7-c)"' in text
    assert "fill: url(#f7-a)" in text and "metadata" not in text and "<!--" not in text


@pytest.mark.parametrize(
    ("inner", "message"),
    [
        ('<image href="https://example.org/x.png"/>', "points outside itself"),
        ("<script>x</script>", "holds a <script>"),
        ('<rect onclick="x()"/>', "holds a script in 'onclick'"),
        ("<g>", "not valid SVG"),
    ],
)
def test_an_unsafe_figure_is_refused(inner, message):
    with pytest.raises(InputError, match=message):
        isolate_svg(f'<svg xmlns="http://www.w3.org/2000/svg">{inner}</svg>', "f1-", "caption")


def test_a_misspelt_column_is_refused():
    table = r.Table([r.Column("delai_s", "Delay")], [{"delay_s": 1.0}])
    with pytest.raises(InputError, match="did you mean 'delay_s'"):
        r.render("t", "", {}, [r.Section("a", [], table)])
    table = r.Table([r.Column("delay_s", "Delay")], [{"delay_s": 1.0}], highlight_key="our")
    with pytest.raises(InputError, match="highlight_key 'our'"):
        r.render("t", "", {}, [r.Section("a", [], table)])


def test_same_input_same_page_and_an_atomic_write(tmp_path):
    text = page()
    assert text == page()
    r.write(tmp_path / "new" / "report.html", text)
    assert (tmp_path / "new" / "report.html").read_text(encoding="utf-8") == text
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["report.html"]


def test_an_empty_report_is_still_a_page():
    tree = Page(r.render("Nothing yet", "", {}, []))
    assert tree.texts["h1"] == ["Nothing yet"] and "nav" not in {t for t, _ in tree.tags}
