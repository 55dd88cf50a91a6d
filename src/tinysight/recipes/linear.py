"""The floor: what no network at all can do."""

from __future__ import annotations

from tinysight.recipe import Facts, Loss, Model, Optim, Recipe, Schedule
from tinysight.recipes.adapting import batch_size, epochs

__all__ = ["linear"]


def linear(facts: Facts) -> Recipe:
    """Fit a linear model on the pixels (multinomial logistic regression).

    Source: ours.
    For: a floor in a minute; a network that is not well above it has learned little.
    Expected: CIFAR-10 40.48 % on test in 7 s on two cores.
    Record: `tinysight train DATA --recipe linear --evaluate-test`, one seed (0), the checkpoint
        chosen on validation. CIFAR-10: 40.48 % [39.52, 41.45], n=10,000, 7 s. `shapes`: 9.25 %
        [8.06, 10.60], n=2,000: no better than chance. Two cores of an AMD EPYC, torch 2.13.0.
    """
    return Recipe(
        name="linear",
        epochs=epochs(facts, 6),
        batch_size=batch_size(facts, 256),
        model=Model(name="linear"),
        optim=Optim(name="adamw", lr=1e-3, weight_decay=1e-2),
        schedule=Schedule(name="onecycle"),
        loss=Loss(),
    )
