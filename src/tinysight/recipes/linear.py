"""The floor: what no network at all can do."""

from __future__ import annotations

from tinysight.recipe import Facts, Loss, Model, Optim, Recipe, Schedule
from tinysight.recipes.quick import batch_size, epochs

__all__ = ["linear"]


def linear(facts: Facts) -> Recipe:
    """Fit a linear model on the pixels (multinomial logistic regression).

    Source: ours.
    For: a floor in a minute; a network that is not well above it has learned little.
    Expected: not yet run.
    """
    return Recipe(
        name="linear",
        epochs=2 * epochs(facts),
        batch_size=batch_size(facts),
        model=Model(name="linear"),
        optim=Optim(name="adamw", lr=1e-3, weight_decay=1e-2),
        schedule=Schedule(name="onecycle"),
        loss=Loss(),
    )
