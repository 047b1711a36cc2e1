"""Rewrite the SVG of a figure so that it can stand inside an HTML page."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

from edgewright.core.errors import InputError

_PX_PER_PT = 1.9  # a figure grows up to this many CSS pixels per point of its own width
MIN_PX_PER_PT = 1.45
"""A figure is not drawn smaller than this: letters of 7 points stay 10 pixels high. On a narrow
page it is moved sideways instead."""


def isolate_svg(svg_text: str, prefix: str, label: str = "") -> str:
    """Return an SVG to stand inside an HTML page: every id and reference carries ``prefix``.

    Prologue, comments, metadata, namespace addresses and fixed size are dropped; a link to anything
    outside the drawing, or a script in it, is refused.

    Args:
        svg_text: a whole SVG document.
        prefix: of the ids, unique on the page.
        label: what a screen reader says.
    """
    try:
        root = ET.fromstring(svg_text)
    except ET.ParseError as error:
        raise InputError(f"the figure '{label}' is not valid SVG: {error}") from error
    for element in root.iter():
        element.tag = _local(element.tag)
        for name, value in list(element.attrib.items()):
            del element.attrib[name]
            element.set(_local(name), _reference(_local(name), value, prefix, label))
        if element.tag in ("script", "foreignObject"):
            raise InputError(
                f"the figure '{label}' holds a <{element.tag}>", hint="draw it without"
            )
        if element.tag == "style":  # a style inside HTML would reach the whole page
            element.text = re.sub(r"\*(?=\s*\{)", f"#{prefix}root *", element.text or "")
        element.tail = (element.tail or "").strip() or None
        for child in [c for c in element if _local(c.tag) in ("metadata", "title")]:
            element.remove(child)
    root.set("id", f"{prefix}root")
    root.set("role", "img")
    root.set("aria-label", label)
    for name in ("width", "height", "version"):
        root.attrib.pop(name, None)
    box = root.get("viewBox", "").split()
    if len(box) == 4:
        width, least = float(box[2]) * _PX_PER_PT, float(box[2]) * MIN_PX_PER_PT
        root.set("style", f"width:{width:.0f}px;min-width:{least:.0f}px")
    return ET.tostring(root, encoding="unicode")


def _local(name: str) -> str:
    return name.rsplit("}", 1)[-1]


def _reference(name: str, value: str, prefix: str, label: str) -> str:
    """Return an attribute's value with the ids in it prefixed."""
    if name == "id":
        return prefix + value
    if name == "href":
        if value.startswith("#"):
            return f"#{prefix}{value[1:]}"
        if not value.startswith("data:image/"):
            raise InputError(f"the figure '{label}' points outside itself, to '{value}'")
    if name.startswith("on"):
        raise InputError(f"the figure '{label}' holds a script in '{name}'", hint="draw it without")
    return re.sub(r"url\(\s*['\"]?#([^)'\"]+)['\"]?\s*\)", rf"url(#{prefix}\1)", value)
