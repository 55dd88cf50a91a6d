"""Figures inside a page: SVG without anything that could clash with the page or leave it."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from tinysight.reporting.theme import MARGIN

__all__ = ["inline"]

XLINK = "{http://www.w3.org/1999/xlink}"
DROPPED = ("metadata", "style", "script")


def inline(svg: str, *, prefix: str, label: str) -> str:
    """Return matplotlib's SVG as an `<svg>` element to stand in an HTML page.

    Ids get the prefix, so that figures do not share them; namespaces, metadata and the style
    sheet that would apply to the whole page are dropped, and `label` is its text for those who
    do not see it. The margin of a file is cut off: the page has its own.
    """
    prefix = re.sub(r"[^\w-]", "-", prefix)  # a run's name may hold what ends a url(#...)
    root = ElementTree.fromstring(svg)
    for parent in list(root.iter()):
        parent.tag = parent.tag.rpartition("}")[2]
        parent.tail = None
        for child in list(parent):
            if child.tag.rpartition("}")[2] in DROPPED:
                parent.remove(child)
        for name, value in list(parent.attrib.items()):
            if name == "id":
                parent.set(name, prefix + value)
            elif name.startswith(XLINK):
                del parent.attrib[name]
                parent.set(name.removeprefix(XLINK), re.sub("^#", f"#{prefix}", value))
            elif name == "style":
                parent.set(name, re.sub(r"font-family: [^;]*; ", "", value))  # the page's instead
            elif "url(#" in value:
                parent.set(name, value.replace("url(#", f"url(#{prefix}"))
    width, height = (float(v) - 2 * MARGIN for v in root.attrib["viewBox"].split()[2:])
    root.attrib = {
        "viewBox": f"{MARGIN} {MARGIN} {width:g} {height:g}",
        "width": f"{width:g}",
        "height": f"{height:g}",
        "role": "img",
        "aria-label": label,
    }
    return ElementTree.tostring(root, encoding="unicode")
