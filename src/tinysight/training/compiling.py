"""The network in code made for it, where that is wanted, and as it is where that fails."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tinysight.machine import Compilation, Precision
from tinysight.training.kernels import fused

__all__ = ["Network", "compiled"]

Network = Callable[[Tensor], Tensor]  # from pictures, n c h w, to logits, n k


def compiled(
    model: nn.Module,
    compilation: Compilation,
    precision: Precision,
    batch: tuple[Tensor, Tensor],
    rounding: AbstractContextManager[object],
    say: Callable[[str], None],
) -> Network:
    """Return `model` as `compilation` has it; where that fails, the model itself, and say why.

    Weights and statistics are shared with the model.

    Args:
        model: in training mode.
        batch: pictures and labels as the training will have them.
        rounding: what the training computes under.
        say: shows a line to the user.
    """
    if compilation.by is None:
        return model
    try:
        if compilation.by == "kernels":
            return fused(model, precision.dtype)
        say("compiling the network: half a minute or more")
        return _compiled(model, *batch, rounding)
    except Exception as error:  # whatever a compiler may lack, the model can do without
        first = str(error).strip().partition("\n")[0]
        say(f"it cannot be compiled and is run as it is: {type(error).__name__}: {first}")
    return model


def _compiled(
    model: nn.Module, images: Tensor, labels: Tensor, rounding: AbstractContextManager[object]
) -> Network:
    """The model by torch.compile.

    It is tried on one step, whose traces in the model are undone: what is compiled is compiled
    now, and not in the middle of the training.
    """
    before = {name: value.clone() for name, value in model.state_dict().items()}
    try:
        made = torch.compile(model)  # loads the compiler, which takes a second
        with rounding:
            logits = made(images)
        F.cross_entropy(logits.float(), labels).backward()
        return made
    finally:
        model.zero_grad()
        model.load_state_dict(before)
