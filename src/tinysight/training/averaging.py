"""An exponential moving average of a model's weights."""

from __future__ import annotations

import copy

import torch
from torch import nn

__all__ = ["Average"]


class Average:
    """The moving average of a model's parameters and batch statistics.

    The decay is eased in as min(decay, (1 + t) / (10 + t)), so that the first steps do not hold
    the average at the random start. Source: TensorFlow's ExponentialMovingAverage, `num_updates`.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.model = copy.deepcopy(model).eval().requires_grad_(False)
        self.decay = decay
        self.steps = 0

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Take one step of the average towards `model`."""
        self.steps += 1
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        kept, theirs = self.model.state_dict(keep_vars=True), model.state_dict()
        once = {id(v): k for k, v in kept.items()}  # a weight may have two names
        ours = {k: kept[k].detach() for k in once.values()}
        floating = [k for k, v in ours.items() if v.is_floating_point()]
        torch._foreach_lerp_(  # pyright: ignore[reportPrivateImportUsage]
            [ours[k] for k in floating], [theirs[k] for k in floating], 1 - decay
        )
        for key in ours.keys() - set(floating):
            ours[key].copy_(theirs[key])
