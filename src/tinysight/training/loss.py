"""The loss: cross-entropy with weights of classes and smoothed targets."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from tinysight.recipe import Loss

__all__ = ["class_weights", "cross_entropy"]


def cross_entropy(
    logits: Tensor, targets: Tensor, weights: Tensor | None, *, smoothing: float
) -> Tensor:
    """Return the mean cross-entropy of a batch, each picture counted by its class's weight.

    For labels as torch has it; for mixed targets, where torch divides by the number of pictures,
    a picture counts by the weights of its classes, as much as each is in it. Where all of a batch
    weighs nothing the loss is 0.

    Args:
        logits: n k.
        targets: n labels, or n k shares of classes.
        weights: k, or None where all count the same.
        smoothing: the share of each target that is spread over all classes.
    """
    if weights is None:
        return F.cross_entropy(logits, targets, label_smoothing=smoothing)
    total = F.cross_entropy(logits, targets, weights, reduction="sum", label_smoothing=smoothing)
    counted = targets @ weights if targets.is_floating_point() else weights[targets]
    mass = counted.sum()
    # Smoothing gives the other classes a share, of which there is no mean where nothing weighs.
    return total * (mass > 0) / mass.clamp_min(torch.finfo(mass.dtype).tiny)


def class_weights(settings: Loss, counts: list[int], device: torch.device) -> Tensor | None:
    """Return the weight of each class in the loss, or None where all count the same.

    "balanced" is n / (k * count), as in scikit-learn's `compute_class_weight`.
    """
    if settings.class_weights is None:
        return None
    weights = settings.class_weights
    if weights == "balanced":
        weights = [sum(counts) / (len(counts) * max(c, 1)) for c in counts]
    return torch.tensor(weights, device=device)
