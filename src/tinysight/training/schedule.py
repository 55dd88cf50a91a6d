"""The learning rate over a training."""

from __future__ import annotations

import math
from dataclasses import dataclass

from tinysight import recipe

__all__ = ["Plateau", "factor"]


def factor(settings: recipe.Schedule, step: int, total: int, per_epoch: int) -> float:
    """Return the factor on `optim.lr` at `step` (from 0) of `total` steps.

    `onecycle` rises linearly from `start` to 1 at the share `peak` of the training and falls
    linearly to `end` (Smith, arXiv:1708.07120; the linear form is that of Page's ResNet-9 runs).
    The others rise linearly over `warmup` epochs; then `cosine` falls to `end` (Loshchilov and
    Hutter, arXiv:1608.03983, one period), `linear` in a straight line, `constant` and `plateau`
    stay.
    """
    last = max(total - 1, 1)
    if settings.name == "onecycle":
        top = settings.peak * last
        if step <= top:
            return settings.start + (1 - settings.start) * step / top
        return settings.end + (1 - settings.end) * (last - step) / (last - top)
    warm = settings.warmup * per_epoch
    if step < warm:
        return settings.start + (1 - settings.start) * step / warm
    if settings.name in ("constant", "plateau"):
        return 1.0
    done = min((step - warm) / max(last - warm, 1), 1.0)
    left = 1 - done if settings.name == "linear" else 0.5 * (1 + math.cos(math.pi * done))
    return settings.end + (1 - settings.end) * left


@dataclass
class Plateau:
    """Lower the rate when the validation loss has not fallen for more than `patience` epochs.

    As torch's ReduceLROnPlateau with mode "min" and a relative threshold of 1e-4.
    """

    settings: recipe.Schedule
    factor: float = 1.0
    best: float = math.inf
    waited: int = 0

    def see(self, validation_loss: float) -> None:
        """Take in the validation loss of an epoch; with other schedules nothing happens."""
        if self.settings.name != "plateau":
            return
        if validation_loss < self.best * (1 - 1e-4):
            self.best, self.waited = validation_loss, 0
            return
        self.waited += 1
        if self.waited > self.settings.patience:
            self.factor *= self.settings.factor
            self.waited = 0
