"""The networks of P0, P1 and P3 as Keras has them, and their weights carried over."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import torch
from torch import Tensor, nn

layers: Any = keras.layers  # whose stubs know no backend


def p0(dropout: float, classes: int = 10) -> Any:
    def conv(width: int, side: int, stride: int = 1) -> list[Any]:
        return [
            layers.Conv2D(width, side, stride, padding="same", use_bias=False),
            layers.BatchNormalization(),
            layers.ReLU(),
        ]

    return keras.Sequential(
        [
            keras.Input((32, 32, 3)),
            *conv(64, 5), layers.MaxPooling2D(), layers.Dropout(dropout / 2),
            *conv(128, 3), *conv(128, 3, 2), layers.Dropout(dropout / 2),
            *conv(256, 3), *conv(256, 1), layers.MaxPooling2D(), layers.Dropout(dropout / 2),
            layers.Flatten(),
            layers.Dense(512, use_bias=False), layers.BatchNormalization(), layers.ReLU(),
            layers.Dropout(dropout),
            layers.Dense(classes, activation="softmax"),
        ]
    )  # fmt: skip


def p1(dropout: float, classes: int = 10) -> Any:
    blocks = [
        layer
        for width in (16, 32, 64)
        for layer in (
            layers.Conv2D(width, 3, activation="relu"),
            layers.MaxPooling2D(),
        )
    ]
    head = [layers.Flatten(), layers.Dropout(dropout), layers.Dense(classes, activation="softmax")]
    return keras.Sequential([keras.Input((32, 32, 3)), *blocks, *head])


def p3(dropout: float, classes: int = 10) -> Any:
    blocks = [
        layer
        for width in (64, 128, 256)
        for layer in (
            layers.Conv2D(width, 3, padding="same", activation="relu"),
            layers.BatchNormalization(),
            layers.MaxPooling2D(),
        )
    ]
    dense = [
        layer
        for width in (256, 128)
        for layer in (layers.Dense(width, activation="relu"), layers.Dropout(dropout))
    ]
    head = layers.Dense(classes, activation="softmax")
    return keras.Sequential([keras.Input((32, 32, 3)), *blocks, layers.Flatten(), *dense, head])


@dataclass(frozen=True)
class Pair:
    """A tensor of ours and the same of theirs.

    Attributes:
        as_torch: brings a tensor of the variable's shape into torch's order.
    """

    name: str
    mine: Tensor
    variable: Any
    as_torch: Callable[[Tensor], Tensor] = lambda tensor: tensor

    @property
    def value(self) -> Tensor:
        return self.as_torch(self.variable.value).detach()

    @property
    def gradient(self) -> Tensor:
        return self.as_torch(self.variable.value.grad)


def pairs(ours: nn.Module, theirs: Any) -> list[Pair]:
    """What the networks have learned, layer by layer in order."""
    kinds = (layers.Conv2D, layers.Dense, layers.BatchNormalization)
    there = [layer for layer in theirs.layers if isinstance(layer, kinds)]
    here = [
        (name, module)
        for name, module in ours.named_modules()
        if isinstance(module, nn.Conv2d | nn.Linear | nn.BatchNorm1d | nn.BatchNorm2d)
    ]
    found: list[Pair] = []
    channels = 0  # of the last map, until it is flattened
    for (name, module), layer in zip(here, there, strict=True):
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            assert isinstance(layer, layers.BatchNormalization)
            parts = {"weight": "gamma", "bias": "beta"}
            parts |= {"running_mean": "moving_mean", "running_var": "moving_variance"}
            for mine, theirs_ in parts.items():
                tensor = getattr(module, mine)
                found.append(Pair(f"{name}.{mine}", tensor, getattr(layer, theirs_)))
            continue
        if isinstance(module, nn.Conv2d):
            channels = module.out_channels
            kernel = lambda v: v.permute(3, 2, 0, 1)  # noqa: E731
        elif channels:  # the first dense layer takes h w c there, c h w here
            side = math.isqrt(module.in_features // channels)
            kernel = lambda v, s=side: (  # noqa: E731
                v.reshape(s, s, -1, v.shape[1]).permute(3, 2, 0, 1).flatten(1)
            )
            channels = 0
        else:
            kernel = lambda v: v.T  # noqa: E731
        found.append(Pair(f"{name}.weight", module.weight, layer.kernel, kernel))
        if module.bias is not None:
            found.append(Pair(f"{name}.bias", module.bias, layer.bias))
    return found


def carry_over(ours: nn.Module, theirs: Any) -> None:
    """Give our network the weights of theirs."""
    with torch.no_grad():
        for pair in pairs(ours, theirs):
            pair.mine.copy_(pair.value)
