"""Networks in files that tests write, and what is asked of them."""

from pathlib import Path

import torch

from tinysight.models import Classifier, build, resolve
from tinysight.recipe import Model

KERAS = """
from keras import Sequential
from keras.layers import BatchNormalization, Conv2D, Dense, Dropout, Flatten, Input
model = Sequential([
    Input((8, 8, 3)),
    Conv2D(4, 3, activation="relu"),
    BatchNormalization(),
    Flatten(),
    Dropout(0.5),
    Dense(3, activation="softmax"),
])
"""


def built(file: Path, text: str, name: str = "model", classes: int = 3) -> Classifier:
    file.write_text(text)
    given = {"mean": [0.5] * 3, "deviation": [0.25] * 3, "seed": 0}
    settings = resolve(Model(name=f"{file}:{name}"), named=True)
    return build(settings, (8, 8, 3), classes, **given)


def state(model: Classifier) -> dict[str, torch.Tensor]:
    return {k: v.clone() for k, v in model.state_dict().items()}


def differing(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> set[str]:
    return {k for k in a if not torch.equal(a[k], b[k])}
