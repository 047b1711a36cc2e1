"""Define the colours and sizes of figures, and save them reproducibly.

Colours are the Okabe-Ito palette. `save` writes SVG, PNG and PDF without dates or random ids: the
same data give the same bytes. matplotlib is imported only when a figure is drawn.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgewright.core.errors import InputError, nearest
from edgewright.core.files import write_bytes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BLUE, VERMILION, GREEN, PURPLE = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
ORANGE, SKY, BLACK, GREY = "#E69F00", "#56B4E9", "#000000", "#6B6B6B"
PALETTE = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, BLACK)
MARKERS = ("o", "s", "D", "^", "v", "P", "X")
DASHES = ("-", (0, (5, 1.5)), (0, (1.2, 1.2)), (0, (4, 1.2, 1, 1.2)), (0, (8, 2)), (0, (2, 2)))
GROUPS = {
    "learned": (BLUE, "o"),
    "rule": (ORANGE, "s"),
    "oracle": (GREEN, "D"),
    "bound": (BLACK, "|"),
}
WIDTH, WIDE = 4.4, 7.2  # inches: one column, two columns
SMALL = 7.0  # points: labels inside and beside the axes
_METADATA: dict[str, dict[str, Any]] = {
    "svg": dict.fromkeys(("Creator", "Date", "Format", "Type")),
    "png": {"Software": None},
    "pdf": {"Creator": "Edgewright", "Producer": None, "CreationDate": None},
}


@contextmanager
def style() -> Iterator[None]:
    """Draw in this module's style, whatever the reader's own matplotlibrc says."""
    import matplotlib

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(
            {
                "font.size": 8.0,
                "axes.titlesize": 8.5,
                "axes.labelsize": 8.0,
                "legend.fontsize": SMALL,
                "xtick.labelsize": SMALL,
                "ytick.labelsize": SMALL,
                "axes.spines.top": False,
                "axes.spines.right": False,
                "axes.linewidth": 0.6,
                "axes.axisbelow": True,
                "axes.grid": True,
                "grid.color": "#E4E4E4",
                "grid.linewidth": 0.5,
                "xtick.major.width": 0.6,
                "ytick.major.width": 0.6,
                "lines.linewidth": 1.4,
                "lines.markersize": 4.0,
                "hatch.linewidth": 0.5,
                "legend.frameon": False,
                "legend.handlelength": 2.6,
                "figure.constrained_layout.use": True,
                "figure.dpi": 100.0,
                "savefig.dpi": 220.0,
                "svg.fonttype": "none",
                "svg.hashsalt": "edgewright",
                "pdf.fonttype": 42,
            }
        )
        yield


def canvas(width: float, height: float, panels: int = 1) -> tuple[Figure, list[Axes]]:
    """Return a figure of a size in inches and its panels."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height))
    return figure, [figure.add_subplot(1, panels, i + 1) for i in range(panels)]


def to_bytes(figure: Figure, extension: str = "svg") -> bytes:
    """Return the file contents of a figure: ``"svg"``, ``"png"`` or ``"pdf"``, always the same."""
    if extension not in _METADATA:
        raise InputError(
            f"figure format '{extension}' is unknown", hint=nearest(extension, _METADATA)
        )
    with style():
        buffer = io.BytesIO()
        figure.savefig(buffer, format=extension, metadata=_METADATA[extension])
    return buffer.getvalue()


def to_svg(figure: Figure) -> str:
    """Return a figure as SVG text, e.g. for the report."""
    return to_bytes(figure, "svg").decode()


def save(
    figure: Figure, folder: Path | str, name: str, formats: Sequence[str] = ("svg", "png", "pdf")
) -> dict[str, Path]:
    """Write ``folder/name.svg``, ``.png``, ``.pdf``, each whole or not at all; return the paths."""
    contents = {extension: to_bytes(figure, extension) for extension in formats}
    paths = {extension: Path(folder) / f"{name}.{extension}" for extension in formats}
    for extension, path in paths.items():
        write_bytes(Path(path), contents[extension])
    return paths


def group(name: str) -> tuple[str, str]:
    """Return the colour and marker of a group."""
    if name not in GROUPS:
        raise InputError(f"group '{name}' is unknown", hint=nearest(name, GROUPS))
    return GROUPS[name]


def percent(share: float) -> str:
    """Return a share as a percentage."""
    return f"{100 * share:.0f}\N{NO-BREAK SPACE}%"


def shades(categories: Sequence[str]) -> list[str]:
    """Return one colour per ``"<location> <quality>"``: location by hue, quality by lightness."""
    from matplotlib.colors import to_hex, to_rgb

    pairs = [(*category.rsplit(" ", 1), "")[:2] for category in categories]
    locations = list(dict.fromkeys(location for location, _ in pairs))
    qualities = list(dict.fromkeys(quality for _, quality in pairs))
    hues = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY)
    colours = []
    for location, quality in pairs:
        rank = qualities.index(quality) / (len(qualities) - 1) if len(qualities) > 1 else 1.0
        hue = np.asarray(to_rgb(hues[locations.index(location) % len(hues)]))
        colours.append(to_hex(tuple(hue + (1 - hue) * 0.62 * (1 - rank))))
    return colours


def _luminance(colour: str) -> float:
    from matplotlib.colors import to_rgb

    return float(np.dot(to_rgb(colour), (0.2126, 0.7152, 0.0722)))


def some(items: Sequence[Any], what: str) -> None:
    """Refuse to draw nothing."""
    if not items:
        raise InputError(f"'{what}' is empty, so there is nothing to draw")
