"""Networks without shortcuts: linear, perceptron, the plain 3-block network and P3.

They flatten in torch's order, c h w. Keras flattens h w c, so a dense kernel that comes from there
needs its rows permuted: row (y * w + x) * c + k there is column (k * h + y) * w + x here.

Weights start as torch has it (uniform, +-1/sqrt(fan in)), in `p3` as Keras has it (Glorot uniform,
zero biases).
"""

from __future__ import annotations

from torch import nn

from tinysight.models.layers import named
from tinysight.models.options import Dropout, Hidden, Width

__all__ = ["linear", "mlp", "p3", "plain"]

BLOCKS = 3


def linear(shape: tuple[int, int, int], classes: int) -> tuple[nn.Module, str]:
    """Return one dense layer from the pixels to the classes."""
    h, w, c = shape
    net = named(flatten=nn.Flatten(), head=nn.Linear(h * w * c, classes))
    return net, f"flattens {h * w * c:,} values of {h}x{w}x{c} pictures"


def mlp(
    shape: tuple[int, int, int],
    classes: int,
    *,
    hidden: Hidden = (512, 256),
    dropout: Dropout = 0.0,
) -> tuple[nn.Module, str]:
    """Return a multi-layer perceptron: dense layers with ReLU, dropout after each of them."""
    h, w, c = shape
    parts: dict[str, nn.Module] = {"flatten": nn.Flatten()}
    inside = h * w * c
    for number, width in enumerate(hidden, start=1):
        parts[f"hidden{number}"] = _dense(inside, width, dropout)
        inside = width
    net = named(**parts, head=nn.Linear(inside, classes))
    return net, f"flattens {h * w * c:,} values of {h}x{w}x{c} pictures"


def plain(
    shape: tuple[int, int, int],
    classes: int,
    *,
    width: Width = 32,
    batchnorm: bool = False,
    dropout: Dropout = 0.0,
) -> tuple[nn.Module, str]:
    """Return 3 blocks of `width`, twice and four times `width` channels, and one dense layer.

    A block is a 3x3 convolution, ReLU, batch norm if asked for, and a 2x2 maximum. This is the
    base network of source project P1, and with dropout its robust one.
    """
    norms = [nn.BatchNorm2d(width * 2**i) for i in range(BLOCKS)] if batchnorm else None
    parts, features, note = _blocks(shape, width, norms)
    if dropout:
        parts["dropout"] = nn.Dropout(dropout)
    return named(**parts, head=nn.Linear(features, classes)), note


def p3(
    shape: tuple[int, int, int], classes: int, *, dropout: Dropout = 0.5
) -> tuple[nn.Module, str]:
    """Return the network of source project P3, layer by layer, in the conventions of Keras.

    1,455,626 parameters for 10 classes of 32x32x3 pictures, of which 896 are the running
    statistics of the batch norms, so that 1,454,730 are trained.
    """
    norms = [nn.BatchNorm2d(64 * 2**i, eps=1e-3, momentum=0.01) for i in range(BLOCKS)]
    parts, features, note = _blocks(shape, 64, norms)
    net = named(
        **parts,
        hidden1=_dense(features, 256, dropout),
        hidden2=_dense(256, 128, dropout),
        head=nn.Linear(128, classes),
    )
    for module in net.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    return net, note


def _blocks(
    shape: tuple[int, int, int], width: int, norms: list[nn.BatchNorm2d] | None
) -> tuple[dict[str, nn.Module], int, str]:
    """The 3 blocks and the flattening; how many values come out; what was chosen.

    A block pools only while both sides have two pixels.
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
        if norms is not None:
            block["norm"] = norms[i]
        if min(h, w) >= 2:
            block["pool"] = nn.MaxPool2d(2)
            h, w, pools = h // 2, w // 2, pools + 1
        parts[f"block{i + 1}"] = named(**block)
        inside = outside
    parts["flatten"] = nn.Flatten()
    counted = f"{pools} poolings" if pools == BLOCKS else f"{pools} of {BLOCKS} poolings"
    note = f"{counted}, {shape[0]}x{shape[1]} to {h}x{w}; flattens {h * w * inside:,} values"
    return parts, h * w * inside, note


def _dense(inside: int, outside: int, dropout: float) -> nn.Sequential:
    """A dense layer with ReLU, and dropout where there is any."""
    parts: dict[str, nn.Module] = {"dense": nn.Linear(inside, outside), "relu": nn.ReLU()}
    if dropout:
        parts["dropout"] = nn.Dropout(dropout)
    return named(**parts)
