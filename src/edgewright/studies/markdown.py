"""A study as a Markdown page for documentation: verdicts, reasons, raw numbers, figures."""

from __future__ import annotations

from collections.abc import Sequence

from edgewright.reporting.html import Section, as_text
from edgewright.studies.claim import Verdict
from edgewright.studies.study import Study
from edgewright.studies.table import Table
from edgewright.studies.verdict_text import READING, Occasion, number, side_by_side, summary


def markdown(
    study: Study,
    table: Table,
    verdicts: Sequence[Verdict],
    when: Occasion,
    captions: dict[str, str],
) -> str:
    """Return the verdict page for documentation."""
    settings, rows = side_by_side(verdicts)
    lines = [f"# {study.title}", "", study.source, "", "```console", f"$ {when.command}", "```", ""]
    lines += [f"- {name}: {value}" for name, value in when.facts.items()]
    lines += ["", *(f"{sentence}  " for sentence in summary(verdicts)), "", READING, ""]
    lines += [f"- {note}" for note in study.notes(table)]
    lines += ["", "## Verdicts", "", _line("figure", "claim", "published", *settings)]
    lines.append(_line(*["---"] * (3 + len(settings))))
    for row in rows:
        cells = [
            f"**{row[s].status}**: {number(row[s])}" if s in row else "\N{EN DASH}"
            for s in settings
        ]
        lines.append(_line(row["figure"], row["claim"], row["published"], *cells))
    lines += ["", "## Reasons", ""]
    heads = ("claim", "setting", "published", "measured [95 %]", "verdict", "seeds", "reason")
    lines += [_line(*heads), _line(*["---"] * len(heads))]
    for v in verdicts:
        cells = (v.setting, v.published, number(v), v.status, str(v.seeds), v.reason)
        lines.append(_line(f"`{v.claim}`", *cells))
    for section in study.sections(table):
        lines += _section(section)
    lines += ["", "## Figures", ""]
    for name, caption in captions.items():
        lines += [f"![{caption}](figures/{name}.svg)", "", caption, ""]
    return "\n".join(lines).rstrip() + "\n"


def _section(section: Section) -> list[str]:
    """Return a section of the report: its paragraphs, and its table with the caption above."""
    lines = ["", f"## {section.title}", ""]
    for paragraph in section.paragraphs:
        lines += [paragraph, ""]
    if section.table is None:
        return lines
    if section.table.caption:
        lines += [section.table.caption, ""]
    heads, rows = as_text(section.table)
    return [*lines, _line(*heads), _line(*["---"] * len(heads)), *(_line(*row) for row in rows)]


def _line(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
