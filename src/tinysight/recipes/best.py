"""96 % on CIFAR-10 and beyond, for a GPU."""

from __future__ import annotations

from tinysight.recipe import Augment, Facts, Loss, Model, Optim, Recipe, Schedule
from tinysight.recipes.adapting import batch_size, epochs

__all__ = ["best"]


def best(facts: Facts) -> Recipe:
    """Train the wide and deep network of the CIFAR speed runs for 96 %.

    Source: legacy/airbench96.py of github.com/KellerJordan/cifar10-airbench (f1c599c; also
        arXiv:2404.00498, section 4): its network, rates, alternating flip, crop and cutout.
    For: the best single model, on a GPU.
    Expected: not yet run.
    Record: `tinysight train cifar10 --recipe best final=true --evaluate-test --tta mirror+shift`.
        Not yet run. Differences from the source: 40 epochs, not 37; a moving average of the
        weights in place of lookahead; statistics of the norms over fewer steps; weight decay none
        on norms and, since it goes with the rate, 81 times less on the head; no bias behind the
        whitening; bf16.
    """
    batch = batch_size(facts, 1024)
    share = batch / 1024
    return Recipe(
        name="best",
        epochs=epochs(facts, 40),
        batch_size=batch,
        model=Model.model_validate({"name": "speednet", "widths": [128, 384, 512], "depth": 3}),
        augment=Augment(flip=facts.mirror, alternate=facts.mirror, crop=4, cutout=12),
        optim=Optim(
            name="sgd",
            lr=1.17 * share,  # airbench's 9.0, by its own scale for momentum, of a mean loss
            lr_head=0.0145 * share,  # its logits are divided by 9, these start so small
            lr_bias=75 * share,
            momentum=0.85,
            weight_decay=1.3e-3,
        ),
        schedule=Schedule(name="onecycle", peak=0.1, start=0.2),
        loss=Loss(label_smoothing=0.2),
        ema=0.99,
    )
