"""A step: its batch made from the pictures, and the update of the weights by it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tinysight.augment import augment, mix
from tinysight.augment.layout import beside
from tinysight.models.classifier import Classifier
from tinysight.recipe import Recipe
from tinysight.training.compiling import Network
from tinysight.training.loss import cross_entropy
from tinysight.training.optim import Optimiser
from tinysight.training.pictures import Loaded

__all__ = ["BROKEN_AT_ONCE", "make_batch", "seed_dropout", "update"]

# What is said of a loss that is not finite in the first step, which no rate has had a part in.
BROKEN_AT_ONCE = (
    "it is so before the weights were changed once, so that the learning rate is not to blame: "
    "look at what the network computes, or try precision=fp32"
)


def make_batch(
    seen: Loaded,
    index: Tensor,
    recipe: Recipe,
    *,
    classes: int,
    mean: Sequence[float],
    epoch: int,
    done: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the augmented pictures at `index` (n c h w), their labels, and the loss's targets.

    The targets are the labels, or where the recipe mixes pictures, n k shares of classes.

    Args:
        mean: a channel's, as a fraction; it fills what is erased.
        epoch: what is drawn for a picture is a function of the seed, the epoch and its index.
        done: the share of the training that is done.
    """
    at = beside(index, seen.images)
    labels = seen.labels[at]
    images = seen.images[at].permute(0, 3, 1, 2)  # n c h w, channels-last as it lies
    drawn = {"seed": recipe.seed, "epoch": epoch}
    images = augment(images, index, recipe.augment, **drawn, done=done, mean=mean)
    if not (recipe.augment.mixup or recipe.augment.cutmix):
        return images, labels, labels
    targets = F.one_hot(labels, classes).float()
    images, targets = mix(images, targets, index, recipe.augment, **drawn)
    return images, labels, targets


def update(
    network: Network,
    model: Classifier,
    optimizer: Optimiser,
    images: Tensor,
    targets: Tensor,
    recipe: Recipe,
    *,
    weights: Tensor | None,
    autocast: AbstractContextManager[object],
) -> tuple[Tensor, Tensor, Tensor]:
    """Do one step at the optimiser's rate; return the logits, the loss, and whether it is broken.

    The loss is the cross-entropy; what a network adds to it for its weights is trained on alone.

    A broken step, one whose loss or gradient is no number, changes no weight. The host waits for
    nothing.

    Args:
        network: `model`, or code made for it that shares its weights.
        weights: of the classes in the loss.
        autocast: what the forward pass computes under.
    """
    with autocast:
        logits = network(images)
    loss = cross_entropy(logits.float(), targets, weights, smoothing=recipe.loss.label_smoothing)
    penalty = model.penalty()
    total = loss if penalty is None else loss + penalty
    optimizer.zero_grad()
    total.backward()
    if recipe.optim.clip:
        nn.utils.clip_grad_norm_(model.parameters(), recipe.optim.clip)
    broken = _broken(total, model)
    optimizer.step(found_inf=broken)
    model.constrain(unless=broken)
    return logits, loss, broken


def seed_dropout(seed: int, step: int, device: torch.device) -> None:
    """Make dropout a function of the seed and the step.

    The device's own generator alone: `torch.manual_seed` would seed all the others too.
    """
    number = (seed * 0x9E3779B97F4A7C15 + step) % 2**63
    torch.default_generator.manual_seed(number)
    if device.type == "cuda":
        torch.cuda.manual_seed(number)
    elif device.type == "mps":
        torch.mps.manual_seed(number)


def _broken(loss: Tensor, model: nn.Module) -> Tensor:
    """Whether the loss or a gradient is no number: one value on their device, not waited for.

    By the gradients' norms, which are quick to have; one above 1e19 counts as none.
    """
    grads = [p.grad for p in model.parameters() if p.grad is not None]
    norms = torch._foreach_norm(grads, 2)  # pyright: ignore[reportPrivateImportUsage]
    return torch.stack([loss.detach(), *norms]).isfinite().all().logical_not()
