"""Where pixels go: mirror, crop, one resampling for every affine transform, smaller pictures."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from tinysight.augment.layout import beside, lines, packed, planes, unlined

__all__ = [
    "Fill",
    "affine",
    "flip_crop",
    "shrink",
    "shrunk",
    "similarity",
]

Fill = Literal["zero", "reflect"]

SMALLEST = 16  # pixels a side, under which no picture is shrunk

# Coordinates are rounded to 1/256 pixel. A bilinear weight is then a multiple of 2^-16, and its
# product with a uint8 sums exactly in float32: every device and batch size gives the same bytes
# (where height and width are powers of two; else within one level). The rounding moves no value
# by more than one level.
GRID = 256.0


def flip_crop(
    images: Tensor,
    *,
    mirrored: Tensor | None = None,
    top: Tensor | None = None,
    left: Tensor | None = None,
    fill: Fill = "reflect",
) -> Tensor:
    """Mirror left-right, then cut a window of the picture's own size out of it, in one gather.

    Args:
        images: uint8, n c h w.
        mirrored: bool, n.
        top: int64, n; the row where the window begins, 0 being the picture's own first. Padding
            by p pixels and cutting at random is a draw from -p to p.
        left: int64, n; the column, likewise.
        fill: what is seen beyond the picture, which has no end: "zero" is black; "reflect"
            mirrors at the outermost pixel's centre (`d c b | a b c d | c b a`, numpy's "reflect"),
            as the CIFAR speed runs do.
    """
    n, c, h, w = images.shape
    rows, columns = (_window(start, n, size, images) for start, size in ((top, h), (left, w)))
    inside = None
    if fill == "zero" and not (top is None and left is None):
        inside = ((rows >= 0) & (rows < h))[:, :, None] & (
            (columns >= 0) & (columns < w)
        ).repeat_interleave(c, 1)[:, None]
    rows, columns = _reflect(rows, h), _reflect(columns, w)
    if mirrored is not None:
        columns = torch.where(beside(mirrored, images)[:, None], w - 1 - columns, columns)
    rows = (torch.arange(n, device=images.device)[:, None] * h + rows) * w
    at = rows[:, :, None] + columns[:, None, :]
    found = lines(images).view(n * h * w, c).index_select(0, at.view(-1)).view(n, h, w * c)
    return unlined(found if inside is None else found.mul_(inside), c)


def _window(start: Tensor | None, n: int, size: int, images: Tensor) -> Tensor:
    """Which rows or columns of the endless picture each window shows: n size."""
    steps = torch.arange(size, device=images.device)
    return steps.expand(n, size) if start is None else steps + beside(start, images)[:, None]


def _reflect(position: Tensor, size: int) -> Tensor:
    """Positions on a line mirrored at the centres of its first and last pixel."""
    if size == 1:
        return torch.zeros_like(position)
    position = position.remainder(2 * size - 2)
    return torch.minimum(position, 2 * size - 2 - position)


def shrink(images: Tensor, height: int, width: int) -> Tensor:
    """Return the pictures smaller, each new pixel a mean over those that it covers (bilinear)."""
    size = (height, width)
    return packed(
        F.interpolate(planes(images), size, mode="bilinear", align_corners=False, antialias=True)
    )


def shrunk(height: int, width: int, share: float) -> tuple[int, int]:
    """Return the size of pictures shrunk to `share` of each side, neither under 16 pixels."""
    share = min(1.0, max(share, SMALLEST / min(height, width)))
    return round(height * share), round(width * share)


def similarity(
    *,
    right: Tensor | None = None,
    down: Tensor | None = None,
    degrees: Tensor | None = None,
    factor: Tensor | None = None,
) -> Tensor:
    """Return the matrices (n 2 3) for `affine` of a translation, then a rotation, then a zoom.

    One at least is given, each of n values. An output point p shows the input point
    `R(-degrees) p / factor - (right, down)`.

    Args:
        right, down: pixels.
        degrees: counter-clockwise, about the picture's centre.
        factor: above 1 things grow, about the centre.
    """
    given = next(v for v in (right, down, degrees, factor) if v is not None)
    zero = torch.zeros_like(given)
    angle = torch.deg2rad(zero if degrees is None else degrees)
    cosine, sine = torch.cos(angle), torch.sin(angle)
    if factor is not None:
        cosine, sine = cosine / factor, sine / factor
    x = zero if right is None else right
    y = zero if down is None else down
    # y grows downwards: a counter-clockwise turn on the screen is a clockwise one in (x, y).
    return torch.stack([cosine, -sine, -x, sine, cosine, -y], 1).view(-1, 2, 3)


def affine(images: Tensor, matrix: Tensor, fill: Fill = "reflect") -> Tensor:
    """Resample the pictures, bilinear, in one pass.

    Args:
        images: uint8, n c h w.
        matrix: n 2 3; takes an output pixel's (x, y, 1), in pixels from the centre of the
            picture, y down, to the point of the input that it shows.
        fill: "zero" is black, and a pixel that lies half outside is half black; "reflect"
            mirrors at the picture's edge (`d c b a | a b c d | d c b a`, numpy's "symmetric"),
            which is what Keras calls "reflect" in RandomRotation and RandomZoom.
    """
    h, w = images.shape[2:]
    m = beside(matrix.to(torch.float32), images)[..., None]
    size = beside(torch.tensor([w, h]), images)[:, None, None]
    x = torch.arange(w, device=images.device) - (w - 1) / 2
    y = torch.arange(h, device=images.device) - (h - 1) / 2
    grid = (m[:, :, 0] * x)[:, :, None, :] + (m[:, :, 1] * y + m[:, :, 2])[..., None]
    # grid_sample has -1 and 1 at the outer edges of the outermost pixels.
    grid = grid.mul_(GRID).round_().mul_(2 / (GRID * size)).permute(0, 2, 3, 1)
    mode = "reflection" if fill == "reflect" else "zeros"
    return packed(
        F.grid_sample(planes(images), grid, mode="bilinear", padding_mode=mode, align_corners=False)
    )
