"""The pictures of a training, where it computes: whole, in samples, and how long they take."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

import torch
from torch import Tensor

from tinysight.augment import augment, size_at
from tinysight.data.dataset import Split
from tinysight.recipe import Augment

__all__ = ["Loaded", "batch_samples", "clean_pictures", "load", "sample", "seconds_of", "work"]

CLEAN_AT_MOST = 2_500  # training pictures on which the clean accuracy is measured each epoch
TIMED = 250  # pictures by which the time of an epoch's evaluation is estimated


def clean_pictures(train: int, validation: int) -> int:
    """Return on how many of `train` pictures the clean accuracy is measured.

    As many as are held out for validation, so that the two are equally sure; 0 are in a final fit.
    """
    return min(validation or train, train, CLEAN_AT_MOST)


@dataclass(frozen=True)
class Loaded:
    """Pictures (uint8 n h w c) and labels (int64 n) on the device that computes."""

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)


def load(split: Split, device: torch.device) -> Loaded:
    """Return a split on the device."""
    return Loaded(split.images.to(device), split.labels.to(device))


def batch_samples(split: Loaded, per_epoch: int, settings: Augment) -> list[tuple[Tensor, Tensor]]:
    """Return a batch of each shape that the training has, pictures n c h w and labels."""
    n, small, found = len(split), Augment(shrink=settings.shrink), {}
    for m, done in product({n // per_epoch, -(-n // per_epoch)}, (0.0, 1.0)):
        images = split.images[:m].permute(0, 3, 1, 2)
        images = augment(images, torch.arange(m), small, seed=0, epoch=0, done=done)
        found[images.shape] = images, split.labels[:m]
    return list(found.values())


def sample(split: Loaded, n: int, *, seed: int) -> Loaded:
    """Return a fixed random part of a split, for the clean training accuracy."""
    index = torch.randperm(len(split), generator=torch.Generator().manual_seed(seed))[:n]
    index = index.sort().values.to(split.labels.device)
    return Loaded(split.images[index], split.labels[index])


def work(settings: Augment, total: int, size: tuple[int, int], step: int) -> float:
    """Return what the steps up to `step` cost, in steps on pictures of full size."""
    small = min(step, settings.shrink_until * total)
    return small * math.prod(size_at(0.0, settings, *size)) / math.prod(size) + step - small


def seconds_of(measure: Callable[[Loaded], object], split: Loaded, n: int) -> float:
    """Return how long it will take to measure `n` pictures, by some of a split."""
    some = Loaded(split.images[:TIMED], split.labels[:TIMED])
    measure(some)  # the first time is slower
    began = time.perf_counter()
    measure(some)
    return (time.perf_counter() - began) * n / len(some)
