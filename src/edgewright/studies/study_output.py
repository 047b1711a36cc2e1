"""Write the tables, verdicts, figures, HTML page and Markdown page of a study.

table.csv       one row for each arm, seed and episode; other groups as <group>.csv
verdicts.json   every verdict, with what was asked and when
figures/        SVG and PNG
report.html     all of it on one page
outcome.md      the verdicts as Markdown, with the command, the date and the figures
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edgewright.core.files import write_bytes
from edgewright.core.sealed import write_json
from edgewright.reporting import html
from edgewright.reporting.comparison_page import page_facts
from edgewright.reporting.style import save, to_svg
from edgewright.studies.claim import STATUSES, Verdict
from edgewright.studies.markdown import markdown
from edgewright.studies.study import Study
from edgewright.studies.table import Table
from edgewright.studies.verdict_text import READING, Occasion, number, side_by_side, summary

MARKS = {"reproduced": "yes", "not reproduced": "no", "not comparable": "n/c"}


def occasion(study: Study, table: Table, command: str, seconds: float) -> Occasion:
    """Return the facts of a run that has just ended."""
    plan = table.plan
    work = sum(result.facts.get("seconds", 0.0) for result in table.results.values())
    facts = {
        **page_facts(),
        "plan": f"{'quick' if plan.quick else 'full'}: {plan.seeds} seeds, "
        f"{plan.steps:.0f} steps in the main trainings",
        "work": f"{len(table.results)} jobs, {work / 60:.1f} minutes of process time in all",
        "duration": f"{seconds / 60:.1f} minutes for this call",
    }
    return Occasion(command, seconds, facts)


def as_data(
    study: Study, table: Table, verdicts: Sequence[Verdict], when: Occasion, out: Path
) -> dict[str, Any]:
    """Return what ``edgewright study --json`` prints."""
    plan = table.plan
    counted = Counter((v.setting, v.status) for v in verdicts)
    settings = list(dict.fromkeys(v.setting for v in verdicts))
    return {
        "study": study.name,
        "quick": plan.quick,
        "seeds": plan.seeds,
        "steps": plan.steps,
        "verdicts": [verdict.as_dict() for verdict in verdicts],
        "counts": {s: {status: counted[s, status] for status in STATUSES} for s in settings},
        "seconds": round(when.seconds, 1),
        "command": when.command,
        **{name: when.facts[name] for name in ("date", "version")},
        "out": str(out),
        "report": str(out / "report.html"),
    }


def write_outcome(
    study: Study, table: Table, verdicts: Sequence[Verdict], when: Occasion, out: Path
) -> dict[str, Any]:
    """Write all files of a study and return what ``--json`` prints."""
    groups = {name.split("/")[0] for result in table.results.values() for name in result.arrays}
    for group in sorted(groups):
        name = "table" if group == study.table else group
        table.write_csv(out / f"{name}.csv", group)
    content = as_data(study, table, verdicts, when, out)
    write_json(out / "verdicts.json", _finite(content))
    drawn: dict[str, tuple[str, str]] = {}
    for name, (caption, figure) in study.figures(table).items():
        save(figure, out / "figures", f"{study.name}-{name}", ("svg", "png"))
        drawn[f"{study.name}-{name}"] = caption, to_svg(figure)
    page = _page(study, table, verdicts, when, drawn)
    html.write(out / "report.html", page)
    text = markdown(study, table, verdicts, when, {n: caption for n, (caption, _) in drawn.items()})
    write_bytes(out / "outcome.md", text.encode())
    return content


def _finite(value: Any) -> Any:
    return json.loads(json.dumps(value, default=str))


def _page(
    study: Study,
    table: Table,
    verdicts: Sequence[Verdict],
    when: Occasion,
    drawn: dict[str, tuple[str, str]],
) -> str:
    settings, rows = side_by_side(verdicts)
    shown = [
        {
            **row,
            **{
                s: f"{MARKS[row[s].status]}: {number(row[s])}" if s in row else None
                for s in settings
            },
        }
        for row in rows
    ]
    columns = [
        html.Column("figure", "figure"),
        html.Column("claim", "claim", wrap=True),
        html.Column("published", "published", wrap=True),
        *(html.Column(s, f"measured: {s}", wrap=True) for s in settings),
    ]
    reasons = [
        {**v.as_dict(), "number": number(v)}
        for v in sorted(verdicts, key=lambda v: settings.index(v.setting))
    ]
    why = [
        html.Column("figure", "figure"),
        html.Column("claim", "claim"),
        html.Column("setting", "setting"),
        html.Column("status", "verdict"),
        html.Column("number", "measured [95 %]"),
        html.Column("seeds", "seeds"),
        html.Column("reason", "reason", wrap=True),
    ]
    caption = f"{', '.join(f'{mark}: {status}' for status, mark in MARKS.items())}."
    sections = [
        html.Section(
            "Verdicts",
            [*summary(verdicts), READING, *study.notes(table)],
            table=html.Table(columns, shown, caption),
        ),
        html.Section(
            "Figures",
            figures=[html.FigureItem(caption, svg) for caption, svg in drawn.values()],
        ),
        *study.sections(table),
        html.Section("Reasons", table=html.Table(why, reasons, "Every verdict.")),
    ]
    facts = {"command": when.command, **when.facts}
    return html.render(study.title, study.source, facts, sections)
