"""Write a study as one HTML file without scripts or outside addresses, readable offline.

The page carries its own style and its figures as inline SVG. Whatever is put in is escaped; the SVG
is parsed and rewritten so that the ids of one figure never meet those of another.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from string import Template

from edgewright.core.files import write_bytes
from edgewright.reporting.html_style import STYLE
from edgewright.reporting.html_table import Column, Table, as_text, inline_code, table_html
from edgewright.reporting.inline_svg import isolate_svg


@dataclass(frozen=True)
class FigureItem:
    """A figure as SVG text, see `figures.to_svg`, and what it shows, in words."""

    caption: str
    svg_text: str


@dataclass(frozen=True)
class Section:
    """A heading and what stands under it; ``code`` is folded away under ``code_title``.

    In ``paragraphs`` a pair of backticks marks code; nothing else is markup.
    """

    title: str
    paragraphs: Sequence[str] = ()
    table: Table | None = None
    figures: Sequence[FigureItem] = field(default=())
    code: str | None = None
    code_title: str = "Resolved scenario"


def render(title: str, subtitle: str, facts: Mapping[str, str], sections: Sequence[Section]) -> str:
    """Return the whole page as text.

    Args:
        title: of the page.
        subtitle: one sentence under it; may be empty.
        facts: name to value, shown at the top; ``"command"``, the exact command that made the page,
            is set apart as code.
        sections: in order; they make the table of contents.
    """
    anchors = _anchors([section.title for section in sections])
    contents = "".join(
        f'<li><a href="#{a}">{html.escape(s.title)}</a></li>'
        for a, s in zip(anchors, sections, strict=True)
    )
    body, tables, figures = [], 0, 0
    for anchor, section in zip(anchors, sections, strict=True):
        parts = [
            _heading(section.title, anchor),
            *(f"<p>{inline_code(p)}</p>" for p in section.paragraphs),
        ]
        if section.table is not None:
            tables += 1
            parts.append(table_html(section.table, tables))
        for item in section.figures:
            figures += 1
            parts.append(_figure(item, figures))
        if section.code is not None:
            summary, code = html.escape(section.code_title), html.escape(section.code)
            parts.append(
                f"<details><summary>{summary}</summary><pre><code>{code}</code></pre></details>"
            )
        body.append(f'<section aria-labelledby="{anchor}">' + "\n".join(parts) + "</section>")
    return _PAGE.substitute(
        title=html.escape(title),
        subtitle=f'<p class="subtitle">{inline_code(subtitle)}</p>' if subtitle else "",
        facts=_facts(facts),
        contents=f'<nav aria-label="Contents"><ol>{contents}</ol></nav>' if contents else "",
        body="\n".join(body),
        style=STYLE,
    )


def write(path: Path | str, html_text: str) -> None:
    """Write the page, whole or not at all."""
    write_bytes(Path(path), html_text.encode())


def _anchors(titles: Iterable[str]) -> list[str]:
    taken: list[str] = []
    for title in titles:
        base = "s-" + (re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-") or "section")
        anchor, n = base, 2
        while anchor in taken:
            anchor, n = f"{base}-{n}", n + 1
        taken.append(anchor)
    return taken


def _heading(title: str, anchor: str) -> str:
    link = f'<a class="anchor" href="#{anchor}" aria-label="Link to this section">#</a>'
    return f'<h2 id="{anchor}">{html.escape(title)}{link}</h2>'


def _facts(facts: Mapping[str, str]) -> str:
    pairs = "".join(
        f"<div><dt>{html.escape(name)}</dt><dd>{html.escape(str(value))}</dd></div>"
        for name, value in facts.items()
        if name != "command"
    )
    text = f"<dl>{pairs}</dl>" if pairs else ""
    if "command" in facts:
        command = html.escape(str(facts["command"]))
        text += f'<p class="made">Made by</p><pre class="command"><code>{command}</code></pre>'
    return text


def _figure(item: FigureItem, number: int) -> str:
    svg = isolate_svg(item.svg_text, f"f{number}-", item.caption)
    caption = f"<figcaption>Figure {number}. {inline_code(item.caption)}</figcaption>"
    card = f'<div class="card" tabindex="0" role="region" aria-label="Figure {number}">{svg}</div>'
    return f'<figure id="figure-{number}">{card}{caption}</figure>'


_PAGE = Template("""<!DOCTYPE html>
<html lang="en-GB">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<title>$title</title>
<style>$style</style>
</head>
<body>
<header>
<h1>$title</h1>
$subtitle
$facts
</header>
$contents
<main>
$body
</main>
</body>
</html>
""")

__all__ = ["Column", "FigureItem", "Section", "Table", "as_text", "render", "write"]
