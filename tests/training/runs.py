"""What tests of trainings share: how one is run, and whether two ended alike."""

from collections.abc import Callable

import torch
from torch import Tensor

from tinysight.run import RunFolder

Runner = Callable[..., RunFolder]


def weights(folder: RunFolder, tag: str = "last") -> dict[str, Tensor]:
    return folder.load_checkpoint(tag).tensors


def same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)
