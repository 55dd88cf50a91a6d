"""What the arms of several studies have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tinysight.recipe import Augment, Facts, Model, Optim, Recipe, Schedule
from tinysight.recipes.adapting import batch_size

if TYPE_CHECKING:
    from tinysight.data.dataset import DataSet

__all__ = ["facts_of", "fixed", "small_network"]


def facts_of(data: DataSet) -> Facts:
    """Return what recipes adapt to in a data set."""
    return Facts(len(data.train), len(data.classes), data.mirror)


def fixed(recipe: Recipe, epochs: float) -> Recipe:
    """Return a recipe that trains for so many epochs, whatever comes, and keeps the last weights.

    Nothing is chosen then, so that validation accuracies can be compared.
    """
    return recipe.model_copy(
        update={"epochs": epochs, "keep": "last", "stop_at": None, "patience": None}
    )


def small_network(
    data: DataSet,
    *,
    epochs: float,
    lr: float = 0.05,
    batch: int = 128,
    augment: Augment | None = None,
    weight_decay: float = 5e-4,
    **model: Any,
) -> Recipe:
    """Return the recipe of a small network trained by SGD with momentum along a cosine."""
    return fixed(
        Recipe(
            name="study",
            batch_size=batch_size(facts_of(data), batch),
            model=Model.model_validate({"name": "plain", **model}),
            augment=augment or Augment(),
            optim=Optim(name="sgd", lr=lr, momentum=0.9, weight_decay=weight_decay),
            schedule=Schedule(name="cosine"),
        ),
        epochs,
    )
