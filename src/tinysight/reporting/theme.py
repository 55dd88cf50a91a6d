"""How figures look, and how they become files: colours, type, axes, PNG and SVG.

Figures are laid out in pixels: one unit of an SVG is one CSS pixel, and type sizes are in them.
Nothing here touches pyplot, a backend or lasting rcParams.
"""

from __future__ import annotations

import io
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinysight.run import write_atomic

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "DARK",
    "LIGHT",
    "MARGIN",
    "UNITS",
    "Theme",
    "as_drawn",
    "cut",
    "drawable",
    "dress",
    "head",
    "legend",
    "new_figure",
    "panel",
    "save",
    "style",
    "to_png",
    "to_svg",
    "widest",
]

UNITS = 72  # SVG units an inch
SHARP = 2  # pixels of a PNG to a unit
MARGIN = 16  # units around a figure that is saved as a file


@dataclass(frozen=True)
class Theme:
    """Colours that stay apart for colour-blind readers: blue against orange, and greys.

    Attributes:
        paper, soft: background of the page, and of what stands out from it.
        ink, muted, rule: text, lesser text, lines.
        first, first_pale, second: training (clean, running) and right; validation and wrong.
        bar: what bars are filled with, quiet enough for an interval to be read on it.
        heat: stops of a ramp whose lightness changes steadily, from none to all.
    """

    paper: str
    soft: str
    ink: str
    muted: str
    rule: str
    first: str
    first_pale: str
    second: str
    bar: str
    heat: tuple[str, ...]


LIGHT = Theme(
    paper="#ffffff",
    soft="#f4f6f8",
    ink="#1c2127",
    muted="#59636e",
    rule="#dde2e7",
    first="#0b67ad",
    first_pale="#86b7dd",
    second="#c2560b",
    bar="#a5cbe9",
    heat=("#f4f6f8", "#d0e3f3", "#8dbfe5", "#3787c0", "#0b4f8a", "#062b52"),
)
DARK = Theme(
    paper="#12161b",
    soft="#1a2027",
    ink="#e6eaef",
    muted="#9aa5b1",
    rule="#2d353f",
    first="#5cb0f2",
    first_pale="#3f73a0",
    second="#f0935a",
    bar="#2b5f8e",
    heat=("#1a2027", "#123a5e", "#1b62a0", "#4b9ad9", "#a3d0f5", "#eaf5ff"),
)

# For the scripts that DejaVu lacks; whichever of these the machine has are asked in this order.
OTHER_SCRIPTS = (
    "Noto Sans CJK SC",
    "Noto Sans CJK TC",
    "Noto Sans CJK JP",
    "Noto Sans CJK KR",
    "Noto Sans SC",
    "Noto Sans TC",
    "Noto Sans JP",
    "Noto Sans KR",
    "Source Han Sans SC",
    "Source Han Sans JP",
    "WenQuanYi Zen Hei",
    "WenQuanYi Micro Hei",
    "Droid Sans Fallback",
    "IPAGothic",
    "NanumGothic",
    "PingFang SC",
    "Hiragino Sans",
    "Hiragino Sans GB",
    "Apple SD Gothic Neo",
    "Microsoft YaHei",
    "SimHei",
    "Yu Gothic",
    "MS Gothic",
    "Malgun Gothic",
    "Noto Sans Devanagari",
    "Noto Sans Thai",
    "Arial Unicode MS",
    "Noto Emoji",
)


def _families() -> tuple[str, ...]:
    """The fonts that figures are drawn with: each sign in the first that has it."""
    from matplotlib.font_manager import fontManager

    installed = set(fontManager.get_font_names())
    return ("DejaVu Sans", *(f for f in OTHER_SCRIPTS if f in installed))


@contextmanager
def style() -> Iterator[None]:
    """Draw with our settings inside the block; leave matplotlib as found."""
    import matplotlib

    settings: Any = {
        "font.family": [*_families(), "sans-serif"],
        "font.sans-serif": ["DejaVu Sans", "Arial", "Helvetica"],
        "font.size": 11,
        "text.parse_math": False,  # a class may be called $x$
        "svg.fonttype": "none",  # text stays text: sharp, small, searchable
        "svg.hashsalt": "tinysight",  # ids that do not differ from call to call
        "axes.unicode_minus": True,
    }
    with matplotlib.rc_context(settings):
        yield


def new_figure(width: float, height: float, theme: Theme) -> Figure:
    """Return an empty figure of a size in pixels."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width / UNITS, height / UNITS), dpi=UNITS, facecolor=theme.paper)


def panel(figure: Figure, left: float, top: float, width: float, height: float) -> Axes:
    """Add axes at a place in pixels, counted from the top left corner."""
    wide, high = (float(v) * UNITS for v in figure.get_size_inches())
    return figure.add_axes((left / wide, 1 - (top + height) / high, width / wide, height / high))


def dress(axes: Axes, theme: Theme, *, grid: str = "y", title: str = "") -> None:
    """Give axes the theme's colours, thin lines and a grid along one axis ("x", "y" or "")."""
    axes.set_facecolor(theme.paper)
    for side, spine in axes.spines.items():
        spine.set_visible(side == "bottom" and grid == "y")
        spine.set_color(theme.muted)
        spine.set_linewidth(0.8)
    axes.tick_params(colors=theme.muted, labelcolor=theme.muted, labelsize=10, length=0, pad=6)
    axes.set_axisbelow(True)
    if grid == "x":
        axes.xaxis.grid(True, color=theme.rule, linewidth=0.8)
    elif grid == "y":
        axes.yaxis.grid(True, color=theme.rule, linewidth=0.8)
    if title:
        axes.set_title(title, loc="left", fontsize=12, fontweight="bold", color=theme.ink, pad=26)


def legend(axes: Axes, theme: Theme, *, columns: int, raised: float = 0.0) -> None:
    """Name the lines above axes, in so many columns.

    Args:
        raised: how far above, as a share of the axes' height.
    """
    axes.legend(
        loc="lower left", bbox_to_anchor=(-0.01, 1.0 + raised), ncols=columns, frameon=False,
        fontsize=10, labelcolor=theme.muted, handlelength=1.3, handletextpad=0.5,
        columnspacing=1.2, borderpad=0, borderaxespad=0.35,
    )  # fmt: skip


def head(figure: Figure, title: str, remark: str, theme: Theme) -> None:
    """Write a figure's title, and a remark below it, into the top left corner."""
    high = float(figure.get_size_inches()[1]) * UNITS
    for text, below, size, weight, colour in (
        (title, 10, 12, "bold", theme.ink),
        (remark, 30, 10, "normal", theme.muted),
    ):
        figure.text(
            0, 1 - below / high, text, fontsize=size, fontweight=weight, color=colour, va="center"
        )


def cut(name: str, most: int) -> str:
    """Return a name fit to be drawn: no control characters, at most so many characters."""
    shown = "".join("\ufffd" if unicodedata.category(c) in ("Cc", "Cs", "Cn") else c for c in name)
    return shown if len(shown) <= most else shown[: most - 1].rstrip() + "…"


def drawable(name: str) -> bool:
    """Say whether the fonts of this machine have every sign of a name."""
    signs = _signs(_files(_families()))
    return all(ord(c) in signs for c in cut(name, len(name)))


def as_drawn(names: Sequence[str], most: int) -> list[str]:
    """Return class names as they are drawn, cut to so many characters.

    Names that would be the same are cut in the middle instead. A name that no font here can draw
    is replaced by the number of its class, from 0.
    """
    short = [cut(name, most) for name in names]
    same = {name for name, n in Counter(short).items() if n > 1}
    half = most // 2
    found = []
    for number, (name, drawn) in enumerate(zip(names, short, strict=True)):
        if not drawable(name):
            found.append(f"class {number}")
        elif drawn in same:
            whole = cut(name, len(name))
            found.append(f"{whole[: most - half - 1].rstrip()}…{whole[-half:].lstrip()}")
        else:
            found.append(drawn)
    return found


def widest(names: Iterable[str], size: float) -> float:
    """Return the width in pixels of the longest of these names at a type size."""
    from matplotlib.font_manager import get_font

    font = get_font(list(_files(_families())))
    font.set_size(size, UNITS)
    longest = 0.0
    for name in names:
        font.set_text(name)
        longest = max(longest, font.get_width_height()[0] / 64)
    return longest


def _files(families: tuple[str, ...]) -> tuple[str, ...]:
    from matplotlib.font_manager import findfont

    return tuple(findfont(family) for family in families)


@cache
def _signs(files: tuple[str, ...]) -> frozenset[int]:
    """The code points that these font files have."""
    from matplotlib.font_manager import get_font

    return frozenset(code for file in files for code in get_font(file).get_charmap())


def to_svg(figure: Figure) -> str:
    """Return a figure as SVG text, the same for the same figure, with MARGIN around it."""
    return _draw(figure, "svg", {"Date": None, "Creator": None}).decode()


def to_png(figure: Figure) -> bytes:
    """Return a figure as PNG, twice as sharp as the SVG's units, with MARGIN around it."""
    return _draw(figure, "png", {"Software": None})


def save(figure: Figure, path: Path) -> tuple[Path, Path]:
    """Write `<path>.png` and `<path>.svg`; return both.

    Raises:
        ResourceError: the disk or the folder does not take them.
    """
    png, svg = path.with_name(f"{path.name}.png"), path.with_name(f"{path.name}.svg")
    write_atomic(png, to_png(figure))
    write_atomic(svg, to_svg(figure))
    return png, svg


def _draw(figure: Figure, form: str, metadata: dict[str, None]) -> bytes:
    from matplotlib.transforms import Bbox

    wide, high = figure.get_size_inches()
    more = MARGIN / UNITS
    buffer = io.BytesIO()
    with style():
        figure.savefig(
            buffer,
            format=form,
            dpi=UNITS * SHARP,
            facecolor=figure.get_facecolor(),
            bbox_inches=Bbox([[-more, -more], [wide + more, high + more]]),
            metadata=metadata,
        )
    return buffer.getvalue()
