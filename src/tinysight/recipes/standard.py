"""The network and training that most studies compare with."""

from __future__ import annotations

from tinysight.recipe import Augment, Facts, Model, Optim, Recipe, Schedule
from tinysight.recipes.adapting import batch_size, epochs

__all__ = ["standard"]


def standard(facts: Facts) -> Recipe:
    """Train a ResNet-18 with a small stem for 200 epochs, as the literature does.

    Source: He et al. (2016) with a stem of 3x3 and stride 1; training as in DeVries and Taylor,
        "Cutout" (arXiv:1708.04552), section 4.1, without cutout: published mean of 5 runs 95.28 %
        on CIFAR-10, 77.54 % on CIFAR-100.
    For: a baseline that others have too, on a GPU.
    Expected: not yet run.
    Record: `tinysight train DATA --recipe standard --evaluate-test`. Not yet run. Differences from
        the source: a cosine behind an epoch of warm-up, where it has three steps of 0.2; no
        weight decay on norms and biases; 45,000 of the 50,000 pictures; bf16 where there is any.
    """
    batch = batch_size(facts, 128)
    return Recipe(
        name="standard",
        epochs=epochs(facts, 200),
        batch_size=batch,
        model=Model(name="resnet18"),
        augment=Augment(flip=facts.mirror, crop=4, fill="zero"),
        optim=Optim(name="sgd", lr=0.1 * batch / 128, momentum=0.9, weight_decay=5e-4),
        schedule=Schedule(name="cosine", warmup=1.0),
    )
