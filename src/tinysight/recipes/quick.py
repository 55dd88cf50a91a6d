"""The default recipe: the best accuracy for a few minutes on two cores."""

from __future__ import annotations

import math

from tinysight.recipe import Augment, Facts, Loss, Model, Optim, Recipe, Schedule

__all__ = ["batch_size", "epochs", "quick"]


def quick(facts: Facts) -> Recipe:
    """Train a small residual network for a few minutes on a laptop's CPU.

    Source: after D. Page, "How to train your ResNet" (2018-2019): ResNet-9 at half width with the
        first pooling moved to the front, one-cycle rate, label smoothing, flips and crops.
    For: a first good model of any data set; the default.
    Expected: CIFAR-10 84.45 % on test in 194 s, CIFAR-100 52.30 % in 180 s, on two cores with
        avx512_bf16; see the record below.
    Record: `tinysight train DATA --recipe quick --evaluate-test`, one seed (0), single view,
        the checkpoint chosen on validation, test read once. CIFAR-10: 84.45 % [83.73, 85.15],
        n=10,000, validation 84.70 %, n=5,000, 194 s. CIFAR-100: 52.30 % [51.32, 53.28],
        n=10,000, validation 50.98 %, 180 s. `shapes`: 97.60 % [96.83, 98.19], n=2,000, 87 s.
        `digits`: 99.44 % [96.92, 99.90], n=180, 37 s (36 to 39, n=3 runs of equal weights). Two
        cores of an AMD EPYC, bf16, torch 2.13.0. Differences from the source: no whitening, no
        average of the weights, 3 epochs for CIFAR's 45,000 pictures.
    """
    batch = batch_size(facts)
    return Recipe(
        name="quick",
        epochs=epochs(facts),
        batch_size=batch,
        model=Model(name="resnet9"),
        augment=Augment(flip=facts.mirror, crop=2, fill="reflect"),
        optim=Optim(name="sgd", lr=0.3 * batch / 256, momentum=0.9, weight_decay=5e-4),
        schedule=Schedule(name="onecycle", peak=0.25),
        loss=Loss(label_smoothing=0.1),
    )


def epochs(facts: Facts) -> int:
    """Return 3 epochs for CIFAR's 45,000 pictures, up to 16 for fewer: work grows as the root."""
    return max(3, min(16, round(3 * math.sqrt(45_000 / facts.pictures))))


def batch_size(facts: Facts) -> int:
    """Return 256, or for a small set the power of two that leaves 20 steps an epoch or more.

    At least 16, but never more than there are training pictures.
    """
    wanted = max(16, min(256, 2 ** int(math.log2(max(facts.pictures / 20, 1)))))
    return min(wanted, facts.pictures)
