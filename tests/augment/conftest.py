from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

Pictures = Callable[..., Tensor]


@pytest.fixture
def noise() -> Pictures:
    """Random pictures, uint8 n c h w in channels-last memory."""

    def make(n: int = 6, c: int = 3, h: int = 12, w: int = 17, seed: int = 0) -> Tensor:
        values = np.random.default_rng(seed).integers(0, 256, (n, h, w, c), dtype=np.uint8)
        return torch.from_numpy(values).permute(0, 3, 1, 2)

    return make


@pytest.fixture
def smooth() -> Pictures:
    """Pictures that change slowly, so that a resampling is forgiven its neighbourhood."""

    def make(n: int = 6, c: int = 3, h: int = 12, w: int = 17, seed: int = 0) -> Tensor:
        random = np.random.default_rng(seed).uniform(0.1, 0.35, (n, 1, 1, c, 2))
        y, x = np.mgrid[:h, :w][..., None]
        waves = np.sin(random[..., 0] * y + random[..., 1] * x + np.arange(c))
        values = np.rint(127.5 + 127.5 * waves).astype(np.uint8)
        return torch.from_numpy(values).permute(0, 3, 1, 2)

    return make
