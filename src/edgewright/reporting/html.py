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
        style=_STYLE,
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
    return f'<figure id="figure-{number}"><div class="card">{svg}</div>{caption}</figure>'


_STYLE = """
:root{color-scheme:light dark;--ink:#1b1f24;--soft:#59636e;--page:#fff;--panel:#f4f6f8;
--rule:#d5dbe1;--link:#005a9c;--mark:#e6f1fa}
@media (prefers-color-scheme:dark){:root{--ink:#e4e8ec;--soft:#9aa5b1;--page:#14181d;
--panel:#1d232a;--rule:#36404a;--link:#7cc0f2;--mark:#17324a}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:62rem;padding:1.5rem 1.25rem 4rem;background:var(--page);
color:var(--ink);font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
h1{font-size:1.9rem;line-height:1.2;margin:.5rem 0 .25rem}
h2{font-size:1.3rem;margin:2.5rem 0 .5rem;padding-top:.75rem;border-top:1px solid var(--rule)}
p{max-width:44rem}.subtitle{color:var(--soft);font-size:1.1rem;margin-top:0}
a{color:var(--link)}.anchor{margin-left:.4em;text-decoration:none;opacity:0}
h2:hover .anchor,.anchor:focus{opacity:1}
dl{display:grid;grid-template-columns:repeat(auto-fit,minmax(11rem,1fr));gap:.6rem 1.5rem;
margin:1rem 0}
dt{color:var(--soft);font-size:.8rem}dd{margin:0;overflow-wrap:anywhere}
.made{color:var(--soft);font-size:.8rem;margin:0}
pre{background:var(--panel);border:1px solid var(--rule);border-radius:6px;padding:.6rem .8rem;
overflow-x:auto;font-size:.85rem;margin:.25rem 0 1rem}
code{font-family:ui-monospace,"Cascadia Mono",Menlo,Consolas,monospace;font-size:.92em}
nav ol{columns:18rem;padding-left:1.4rem}
.scroll{overflow-x:auto;margin:1rem 0}
table{border-collapse:collapse;font-size:.92rem;min-width:min(100%,28rem)}
caption{text-align:left;color:var(--soft);font-size:.88rem;padding-bottom:.4rem}
th,td{padding:.32rem .8rem;border-bottom:1px solid var(--rule);white-space:nowrap}
thead th{border-bottom:2px solid var(--soft);vertical-align:bottom}
.num{text-align:right;font-variant-numeric:tabular-nums}.text{text-align:left}
td.wrap{white-space:normal;min-width:11rem;vertical-align:top}
.unit{color:var(--soft);font-weight:400}.chosen{background:var(--mark)}
figure{margin:1.5rem 0}.card{background:#fff;border-radius:6px;padding:.5rem;width:fit-content;
max-width:100%}
.card svg{display:block;max-width:100%;height:auto}
figcaption{color:var(--soft);font-size:.88rem;margin-top:.4rem;max-width:44rem}
summary{cursor:pointer;color:var(--link)}
@media print{:root{color-scheme:light;--ink:#000;--soft:#444;--page:#fff;--panel:#fff;--rule:#bbb;
--link:#000;--mark:#eee}body{max-width:none;padding:0;font-size:10.5pt}.anchor{display:none}
figure,tr{break-inside:avoid}h2{break-after:avoid}pre{white-space:pre-wrap}
.scroll{overflow:visible}details::details-content{content-visibility:visible;height:auto}}
"""

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
