"""Source project P1: a base network that overfits, and a robust one that does not."""

from __future__ import annotations

from tinysight.recipe import Augment, Facts, Model, Optim, Recipe, Schedule
from tinysight.recipes.adapting import batch_size, epochs

__all__ = ["overfit_base", "overfit_robust"]


def overfit_base(facts: Facts) -> Recipe:
    """Train P1's base network, without any regularisation, until it knows its pictures.

    Source: student project P1, "From theory to robust CNNs", on CIFAR-10, Keras: published 80.03 %
        training and 69.27 % validation accuracy, "overfitting".
    For: watching a network overfit.
    Expected: not yet run.
    Record: `tinysight train cifar10 --recipe overfit-base protocol=source`, stopped where its
        running training accuracy reaches 80 %, the last weights kept. Not yet run. Chosen here, as
        the source leaves it open: 16, 32 and 64 channels, of 16, 24 and 32 for the first the one
        whose validation accuracy is nearest the source's when 80 % is reached (68.3, 71.6 and
        72.6 % of 5,000, seed 0); Adam at 0.001, constant; and what Keras has where nothing is said:
        no padding, batches of 32, its starts, Adam's epsilon of 1e-7.
    """
    return Recipe(
        name="overfit-base",
        epochs=epochs(facts, 40),
        batch_size=batch_size(facts, 32),
        model=Model.model_validate(
            {"name": "plain", "width": 16, "padding": "valid", "conventions": "keras"}
        ),
        optim=Optim(name="adam", lr=1e-3, weight_decay=0.0, eps=1e-7, convention="keras"),
        schedule=Schedule(name="constant"),
        stop_at=0.8,
        keep="last",
    )


def overfit_robust(facts: Facts) -> Recipe:
    """Train P1's robust network: the base one with augmentation, and dropout before the last layer.

    Source: student project P1: flip, rotation by up to 36 degrees, zoom by up to 10 %, dropout of
        0.5; published 61.03 % training and 64.62 % validation accuracy, "generalises".
    For: watching the two usual cures of overfitting at work.
    Expected: not yet run.
    Record: `tinysight train cifar10 --recipe overfit-robust protocol=source`, stopped where its
        running training accuracy reaches 61 %, where the source stood, the last weights kept. Not
        yet run. Chosen here as for `overfit-base`. The source's training accuracy is counted while
        dropout and augmentation are on, which lowers it: the clean one stands beside it.
    """
    base = overfit_base(facts)
    return base.model_copy(
        update={
            "name": "overfit-robust",
            "epochs": epochs(facts, 60),
            "model": Model.model_validate({**base.model.model_dump(), "dropout": 0.5}),
            "augment": Augment(flip=facts.mirror, rotate=36, zoom=0.1, fill="reflect"),
            "stop_at": 0.61,
        }
    )
