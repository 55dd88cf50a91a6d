"""The networks by name, and how one is built from a recipe's settings."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from tinysight.errors import ModelError, RecipeError, first_line, unknown
from tinysight.models import foreign
from tinysight.models.classifier import Classifier, lay_out
from tinysight.models.describe import Description, Layer, describe
from tinysight.models.layers import Whiten
from tinysight.models.mobile import mobilenet
from tinysight.models.options import check
from tinysight.models.plain import linear, mlp, p0, p3, plain
from tinysight.models.resnet import p2, resnet, resnet9, resnet18
from tinysight.models.speed import speednet
from tinysight.recipe import Model

__all__ = [
    "MODELS",
    "Builder",
    "Classifier",
    "Description",
    "Layer",
    "adapt",
    "build",
    "check_copied",
    "describe",
    "resolve",
]

# Builders take (shape, classes, *, options) and return the network and a note on what they chose.
Builder = Callable[..., tuple[nn.Module, str]]

MODELS: dict[str, Builder] = {
    "linear": linear,
    "mlp": mlp,
    "mobilenet": mobilenet,
    "p0": p0,
    "p2": p2,
    "p3": p3,
    "plain": plain,
    "resnet": resnet,
    "resnet18": resnet18,
    "resnet9": resnet9,
    "speednet": speednet,
}

ADAPT_ON = 1_000  # pictures; of 32x32 pixels they have nearly a million patches
ADAPT_PIXELS = 4_000_000  # at most, of larger ones
# The plan's weights, those trained, gradients, momentum and average: 20 bytes each, 20 GB.
MOST_PARAMETERS = 1_000_000_000


def resolve(settings: Model, *, named: bool = False) -> Model:
    """Return the settings checked, with every option of the model written out.

    Args:
        named: by the user just now; see `foreign.resolve`.

    Raises:
        UnknownName: no such model.
        RecipeError: an option that the model lacks, or a value that it refuses.
        ModelError: a file that nobody has named on this machine.
    """
    if foreign.is_foreign(settings.name):
        name, given = foreign.resolve(settings.name, settings.options, named=named)
        return Model(name=name, **given)
    if settings.name not in MODELS:
        raise unknown("model", settings.name, [*MODELS, "path.py:name"])
    options = check(settings.name, MODELS[settings.name], settings.options)
    return Model(name=settings.name, **options)


def build(
    settings: Model,
    shape: tuple[int, int, int],
    classes: int,
    *,
    mean: Sequence[float],
    deviation: Sequence[float],
    seed: int,
) -> Classifier:
    """Build a model on the CPU, in its memory format and training mode.

    Its weights follow from settings, shape, classes and seed alone; the random state of the
    process stays as it is.

    Args:
        settings: the model's name and options.
        shape: height, width and channels of the pictures.
        classes: number of classes, 2 or more.
        mean: of the training pictures, a value a channel, as fractions of the range (0..1).
        deviation: likewise.
        seed: 0 or more.

    Raises:
        UnknownName: no such model.
        RecipeError: an option that the model lacks, a value that it refuses, or a model that is
            too large to train.
        ModelError: pictures or classes that no model can take.

    >>> model = build(Model(name="linear"), (8, 8, 1), 10, mean=[0.5], deviation=[0.3], seed=0)
    >>> model(torch.zeros(4, 1, 8, 8)).shape
    torch.Size([4, 10])
    """
    settings = resolve(settings)
    name, options = settings.name, settings.options
    if classes < 2:
        raise ModelError(f"a classifier needs 2 classes or more, got {classes}")
    if min(shape) < 1:
        raise ModelError(f"pictures need a height, a width and channels, got {shape}")
    if name in MODELS:
        with torch.device("meta"):  # shapes without memory: weigh first
            _weigh(name, MODELS[name](shape, classes, **options)[0], shape)
    with torch.random.fork_rng(devices=[]), torch.device("cpu"):
        # torch.manual_seed would seed the accelerators too, which fork_rng does not put back here
        torch.default_generator.manual_seed(seed)
        memory_format = torch.channels_last
        if name in MODELS:
            net, note = MODELS[name](shape, classes, **options)
        else:
            net, note, memory_format = foreign.build(name, options, shape, classes, seed=seed)
            _weigh(name, net, shape)
        model = Classifier(
            net,
            shape,
            classes,
            mean=mean,
            deviation=deviation,
            name=name,
            note=note,
            memory_format=memory_format,
        )
    lay_out(model, memory_format)
    return model


def check_copied(model: Classifier) -> None:
    """Refuse a network of the user's own that cannot be copied, as training does with it.

    Raises:
        ModelError: says what is in the way.
    """
    if not foreign.is_foreign(model.name):
        return
    try:
        copy.deepcopy(model)
    except ModelError:
        raise
    except Exception as error:
        raise ModelError(
            f"{model.name} cannot be copied, which training needs: {first_line(error)}"
        ) from error


def _weigh(name: str, net: nn.Module, shape: tuple[int, int, int]) -> None:
    """Refuse a network that is too large to train."""
    weight = sum(p.numel() for p in net.parameters())
    if weight > MOST_PARAMETERS:
        h, w, c = shape
        raise RecipeError(
            f"model {name} would have {weight:,} parameters for {w}x{h}x{c} pictures, "
            f"at most {MOST_PARAMETERS:,} can be trained; choose smaller pictures (data.size) or "
            "options"
        )


def adapt(model: Classifier, images: Tensor) -> None:
    """Set the layers that are not trained but follow from the pictures: those of `Whiten`.

    Args:
        model: as built; a whitening is its net's first layer.
        images: uint8 n h w c, of the train split; those looked at are spread over it.
    """
    n, h, w, _ = images.shape
    count = min(n, ADAPT_ON, ADAPT_PIXELS // (h * w))
    at = torch.arange(count) * n // count
    for module in model.modules():
        if isinstance(module, Whiten):
            module.adapt(model.normalise(images[at].permute(0, 3, 1, 2)))
