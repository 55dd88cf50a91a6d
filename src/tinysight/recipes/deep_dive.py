"""Source project P0: every basic layer, on CIFAR-100."""

from __future__ import annotations

from tinysight.recipe import Augment, Facts, Model, Optim, Recipe, Schedule
from tinysight.recipes.adapting import batch_size, epochs

__all__ = ["deep_dive"]


def deep_dive(facts: Facts) -> Recipe:
    """Train P0's network: filters of several sizes and strides, pooling, batch norm, dropout.

    Source: student project P0, "Deep dive into CNNs", on CIFAR-100: Keras, Adam, 20 epochs, data
        augmentation, early stopping. It names its layers and leaves their sizes open, and published
        no accuracy.
    For: seeing what each basic layer does.
    Expected: 56 % on CIFAR-100's test, in 21 minutes on two cores.
    Record: `tinysight train cifar100 --recipe deep-dive protocol=source`, test-selected: 57.10 %
        [56.13, 58.07] (n=1) after 20 epochs, in 1,454 s on two cores of an Intel Xeon with
        amx_bf16. Under our own protocol 55.98 % [55.00, 56.95] (n=1; validation 55.52 %), in 1,259
        s. Chosen here, as the source leaves it open: the sizes, see model p0; flip, shifts of a
        tenth and rotation of 5 degrees; learning rate 0.001, constant; early stopping after 5
        epochs without a better validation accuracy, the best kept; and what Keras has where nothing
        is said: batches of 32, its starts, batch norm, Adam's epsilon of 1e-7.
    """
    return Recipe(
        name="deep-dive",
        epochs=epochs(facts, 20),
        batch_size=batch_size(facts, 32),
        model=Model(name="p0"),
        augment=Augment(flip=facts.mirror, translate=0.1, rotate=5, fill="reflect"),
        optim=Optim(name="adam", lr=1e-3, weight_decay=0.0, eps=1e-7, convention="keras"),
        schedule=Schedule(name="constant"),
        patience=5,
    )
