"""Networks without shortcuts: linear, perceptron, the plain 3-block network, P0 and P3.

They flatten in torch's order, c h w. Keras flattens h w c, so a dense kernel that comes from there
needs its rows permuted: row (y * w + x) * c + k there is column (k * h + y) * w + x here.

Weights start as torch has it (uniform, +-1/sqrt(fan in)), in `p0` and `p3` as Keras has it (Glorot
uniform, zero biases), in `plain` as is asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from torch import nn

from tinysight.models.keras_conventions import (
    Conventions,
    batch_norm,
    batch_norm_1d,
    same_conv,
    start,
)
from tinysight.models.layers import Shuffle, named
from tinysight.models.options import Dropout, Hidden, Order, Width

__all__ = ["linear", "mlp", "p0", "p3", "plain"]

Padding = Literal["same", "valid"]

BLOCKS = 3
# Of each block of `p0` its convolutions (side, stride, channels in widths), and whether it pools.
P0 = (
    (((5, 1, 1),), True),
    (((3, 1, 2), (3, 2, 2)), False),
    (((3, 1, 4), (1, 1, 4)), True),
)


def linear(
    shape: tuple[int, int, int], classes: int, *, shuffle: Order | None = None
) -> tuple[nn.Module, str]:
    """Return one dense layer from the pixels to the classes; `shuffle` as in `plain`."""
    h, w, c = shape
    parts, note = _order(shape, shuffle)
    net = named(**parts, flatten=nn.Flatten(), head=nn.Linear(h * w * c, classes))
    return net, f"{note}flattens {h * w * c:,} values of {w}x{h}x{c} pictures"


def mlp(
    shape: tuple[int, int, int],
    classes: int,
    *,
    hidden: Hidden = (512, 256),
    dropout: Dropout = 0.0,
    shuffle: Order | None = None,
) -> tuple[nn.Module, str]:
    """Return a multi-layer perceptron: dense layers with ReLU, dropout after each of them.

    `shuffle` as in `plain`.
    """
    h, w, c = shape
    parts, note = _order(shape, shuffle)
    parts["flatten"] = nn.Flatten()
    inside = h * w * c
    for number, width in enumerate(hidden, start=1):
        parts[f"hidden{number}"] = _dense(inside, width, dropout)
        inside = width
    net = named(**parts, head=nn.Linear(inside, classes))
    return net, f"{note}flattens {h * w * c:,} values of {w}x{h}x{c} pictures"


def plain(
    shape: tuple[int, int, int],
    classes: int,
    *,
    width: Width = 32,
    batchnorm: bool = False,
    dropout: Dropout = 0.0,
    padding: Padding = "same",
    conventions: Conventions = "torch",
    shuffle: Order | None = None,
) -> tuple[nn.Module, str]:
    """Return 3 blocks of `width`, twice and four times `width` channels, and one dense layer.

    A block is a 3x3 convolution, ReLU, batch norm if asked for, and a 2x2 maximum. Without padding
    ("valid", which Keras has where nothing is said) each convolution takes two pixels off. This is
    the base network of source project P1, with dropout its robust one, with batch norm also P4's.

    `shuffle` puts the pixels of every picture into another order first, which it draws: what is
    local is lost, and what a convolution knows of pictures with it.
    """
    norm = batch_norm if conventions == "keras" else nn.BatchNorm2d
    norms = [norm(width * 2**i) for i in range(BLOCKS)] if batchnorm else None
    ordered, said = _order(shape, shuffle)
    parts, features, note = _blocks(shape, width, norms, padding)
    if dropout:
        parts["dropout"] = nn.Dropout(dropout)
    net = named(**ordered, **parts, head=nn.Linear(features, classes))
    if conventions == "keras":
        start(net)
    return net, said + note


def p0(
    shape: tuple[int, int, int], classes: int, *, width: Width = 64, dropout: Dropout = 0.5
) -> tuple[nn.Module, str]:
    """Return our network for source project P0, which names its layers and leaves their sizes open.

    Filters of three sizes and two strides, in the conventions of Keras:

    1. 5x5, `width` channels; 2x2 maximum;
    2. 3x3, twice `width`; 3x3 with stride 2, twice `width`;
    3. 3x3, four times `width`; 1x1, four times `width`; 2x2 maximum;

    each convolution followed by batch norm and ReLU, each block by half the `dropout`; then a dense
    layer of eight times `width` with batch norm, ReLU and the whole `dropout`, and the last one.
    What a batch norm follows has no bias.
    """
    size, inside = shape[:2], shape[2]
    parts: dict[str, nn.Module] = {}
    for number, (layers, pooled) in enumerate(P0, start=1):
        block: dict[str, nn.Module] = {}
        for place, (side, stride, factor) in enumerate(layers, start=1):
            conv, size = same_conv(size, inside, factor * width, side, stride)
            inside = factor * width
            block[f"layer{place}"] = named(conv=conv, norm=batch_norm(inside), relu=nn.ReLU())
        if pooled and min(size) >= 2:
            block["pool"] = nn.MaxPool2d(2)
            size = size[0] // 2, size[1] // 2
        if dropout:
            block["dropout"] = nn.Dropout(dropout / 2)
        parts[f"block{number}"] = named(**block)
    h, w = size
    features, hidden = h * w * inside, 8 * width
    dense: dict[str, nn.Module] = {
        "dense": nn.Linear(features, hidden, bias=False),
        "norm": batch_norm_1d(hidden),
        "relu": nn.ReLU(),
    }
    if dropout:
        dense["dropout"] = nn.Dropout(dropout)
    net = named(
        **parts, flatten=nn.Flatten(), hidden=named(**dense), head=nn.Linear(hidden, classes)
    )
    start(net)
    return net, f"{shape[1]}x{shape[0]} to {w}x{h}; flattens {features:,} values"


def p3(
    shape: tuple[int, int, int], classes: int, *, dropout: Dropout = 0.5
) -> tuple[nn.Module, str]:
    """Return the network of source project P3, layer by layer, in the conventions of Keras.

    1,455,626 parameters for 10 classes of 32x32x3 pictures, of which 896 are the running
    statistics of the batch norms, so that 1,454,730 are trained.
    """
    norms = [batch_norm(64 * 2**i) for i in range(BLOCKS)]
    parts, features, note = _blocks(shape, 64, norms)
    net = named(
        **parts,
        hidden1=_dense(features, 256, dropout),
        hidden2=_dense(256, 128, dropout),
        head=nn.Linear(128, classes),
    )
    start(net)
    return net, note


def _order(shape: tuple[int, int, int], shuffle: int | None) -> tuple[dict[str, nn.Module], str]:
    """The layer that puts pixels into another order, if that is asked for; what is said of it."""
    if shuffle is None:
        return {}, ""
    return {"shuffle": Shuffle(*shape[:2], shuffle)}, f"pixels shuffled by seed {shuffle}; "


def _blocks(
    shape: tuple[int, int, int],
    width: int,
    norms: Sequence[nn.BatchNorm2d] | None,
    padding: Padding = "same",
) -> tuple[dict[str, nn.Module], int, str]:
    """The 3 blocks and the flattening; how many values come out; what was chosen.

    A block pools only while both sides have two pixels, and goes without padding only while both
    have three.
    """
    h, w, inside = shape
    parts: dict[str, nn.Module] = {}
    pools = 0
    for i in range(BLOCKS):
        outside = width * 2**i
        block: dict[str, nn.Module] = {
            "conv": nn.Conv2d(inside, outside, 3, padding=1),
            "relu": nn.ReLU(),
        }
        if padding == "valid" and min(h, w) >= 3:
            block["conv"] = nn.Conv2d(inside, outside, 3)
            h, w = h - 2, w - 2
        if norms is not None:
            block["norm"] = norms[i]
        if min(h, w) >= 2:
            block["pool"] = nn.MaxPool2d(2)
            h, w, pools = h // 2, w // 2, pools + 1
        parts[f"block{i + 1}"] = named(**block)
        inside = outside
    parts["flatten"] = nn.Flatten()
    counted = f"{pools} poolings" if pools == BLOCKS else f"{pools} of {BLOCKS} poolings"
    note = f"{counted}, {shape[1]}x{shape[0]} to {w}x{h}; flattens {h * w * inside:,} values"
    return parts, h * w * inside, note


def _dense(inside: int, outside: int, dropout: float) -> nn.Sequential:
    """A dense layer with ReLU, and dropout where there is any."""
    parts: dict[str, nn.Module] = {"dense": nn.Linear(inside, outside), "relu": nn.ReLU()}
    if dropout:
        parts["dropout"] = nn.Dropout(dropout)
    return named(**parts)
