"""Random numbers that depend on (seed, epoch, stream, index) and on nothing else.

The picture at `index` takes the draw number `index` of a SplitMix64 generator whose state is a
hash of (seed, epoch, stream); each draw of that generator can be computed alone. So a picture
gets the same numbers in any batch, on any device, in any thread, and a resumed training needs no
saved state. Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014
(figure 13, with the `mix64` variant 13 of D. Stafford's finalisers).
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["Stream", "uniform"]

GOLDEN = 0x9E3779B97F4A7C15  # the odd number next to 2^64 / golden ratio
MASK = 2**64 - 1


class Stream(IntEnum):
    """What a draw is for: each use has its own, so that none changes another's numbers.

    The values are part of every training's result; new ones are added, none is ever changed.
    """

    FLIP = 1
    CROP_TOP = 2
    CROP_LEFT = 3
    SHIFT_RIGHT = 4
    SHIFT_DOWN = 5
    ROTATE = 6
    ZOOM = 7
    TRIVIAL_OPERATION = 8
    TRIVIAL_STRENGTH = 9
    TRIVIAL_SIGN = 10
    BRIGHTNESS = 11
    CONTRAST = 12
    SATURATION = 13
    HUE = 14
    CUTOUT_ROW = 15
    CUTOUT_COLUMN = 16
    ERASE = 17
    ERASE_AREA = 18
    ERASE_ASPECT = 19
    ERASE_ROW = 20
    ERASE_COLUMN = 21
    MIX_KIND = 22
    MIXUP_SHARE = 23
    CUTMIX_SHARE = 24
    CUTMIX_ROW = 25
    CUTMIX_COLUMN = 26


def uniform(stream: Stream, indices: Tensor, *, seed: int, epoch: int, attempt: int = 0) -> Tensor:
    """Return one number of [0, 1) for each index: float64, n, on the CPU, multiples of 2^-53.

    Args:
        stream: what the numbers are for.
        indices: int64, n; a picture's position in the train split.
        seed: of the training, 0 to 2^63 - 1.
        epoch: counted from 0 or from 1, as the caller likes.
        attempt: another number for the same use, e.g. where the first did not fit.
    """
    key = 0
    for word in (seed, epoch, int(stream) + (attempt << 32)):
        key = int(_mix64(np.array([(key + word + GOLDEN) & MASK], dtype=np.uint64))[0])
    return torch.from_numpy((_draws(key, indices) >> np.uint64(11)) * 2.0**-53)


def _draws(state: int, indices: Tensor) -> NDArray[np.uint64]:
    """The outputs number `indices` (the first is 0) of a SplitMix64 that starts at `state`."""
    steps = indices.cpu().numpy().astype(np.uint64) + np.uint64(1)
    return _mix64(np.uint64(state) + steps * np.uint64(GOLDEN))


def _mix64(z: NDArray[np.uint64]) -> NDArray[np.uint64]:
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))
