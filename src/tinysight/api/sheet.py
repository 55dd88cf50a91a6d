"""A data set as one picture: samples, and what the augmentation of a recipe makes of some."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from tinysight.api.preparing import draft, fitted, given, taken
from tinysight.augment import augment, mix
from tinysight.data.dataset import DataSet
from tinysight.data.readers.arrays import Layout, Range
from tinysight.data.statistics import mean_and_deviation
from tinysight.errors import UsageError
from tinysight.recipe import Recipe
from tinysight.reporting import preview as draw_preview
from tinysight.reporting import spread, theme
from tinysight.run import write_atomic

__all__ = ["preview"]

PREVIEWED = 6  # pictures whose augmentation is drawn
EPOCHS = 8  # of which it is drawn


def preview(
    data: Any,
    recipe: str | Path | Recipe = "quick",
    *,
    out: str | Path | None = None,
    value_range: Range | None = None,
    layout: Layout | None = None,
    classes: Sequence[str] | None = None,
    skip_bad: bool = False,
    **overrides: Any,
) -> Path:
    """Draw samples of each class and what the recipe's augmentation makes of some, as one PNG.

    Where it mixes pictures, the share of each picture itself stands below what came of it.

    Args:
        out: else the first of preview.png, preview-2.png and so on that is not there yet.
        data, recipe, value_range, layout, classes, skip_bad, overrides: as `train` takes them.

    Raises:
        UsageError: `out` does not end in .png.
        ResourceError: it cannot be written.
    """
    if out is not None and Path(out).suffix.lower() != ".png":
        raise UsageError(f"the preview is a PNG; out must end in .png, got {str(out)!r}")
    reading = given(value_range, layout, classes)
    asked = draft(recipe, overrides)
    data = taken(data, asked, overrides, skip_bad=skip_bad, quiet=False, **reading)
    rows, shares = _augmented(data, fitted(recipe, data, overrides))
    figure = draw_preview(
        data.train.images.numpy(), data.train.labels.numpy(), data.classes, rows, shares
    )
    path = _next_free() if out is None else Path(out)
    write_atomic(path, theme.to_png(figure))
    return path


def _next_free() -> Path:
    """The first name of a preview that nothing in the current folder has."""
    names = (Path(f"preview{f'-{i}' if i > 1 else ''}.png") for i in count(1))
    return next(path for path in names if not path.exists())


def _augmented(
    data: DataSet, recipe: Recipe
) -> tuple[list[NDArray[np.uint8]], list[list[float]] | None]:
    """Rows of a picture and what some epochs make of it, and the share of it in each of them.

    The pictures are one batch, so that each is mixed with the one above it. They are of full size,
    as a training ends, also where it starts on smaller ones.
    """
    mean, _ = mean_and_deviation(data.train.images)
    chosen = torch.from_numpy(spread(data.train.labels.numpy(), PREVIEWED))
    pictures = data.train.images[chosen].permute(0, 3, 1, 2)
    # Of one class each, so that the share of a picture is that of its class.
    itself = torch.eye(len(chosen))
    made, shares = [pictures], [itself.diagonal()]
    for epoch in range(1, EPOCHS + 1):
        at = {"seed": recipe.seed, "epoch": epoch}
        images = augment(pictures, chosen, recipe.augment, **at, mean=mean)
        images, targets = mix(images, itself, chosen, recipe.augment, **at)
        made.append(images)
        shares.append(targets.diagonal())
    rows = torch.stack(made, dim=1).permute(0, 1, 3, 4, 2).numpy()
    mixes = recipe.augment.mixup or recipe.augment.cutmix
    return list(rows), torch.stack(shares, dim=1).tolist() if mixes else None
