"""The network in code made for it, where that is wanted, and as it is where that fails."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tinysight.errors import first_line
from tinysight.machine import Compilation, Precision
from tinysight.training.kernels import fused

__all__ = ["Network", "compiled"]

Network = Callable[[Tensor], Tensor]  # from pictures, n c h w, to logits, n k


def compiled(
    model: nn.Module,
    compilation: Compilation,
    precision: Precision,
    batches: Callable[[], Iterable[tuple[Tensor, Tensor]]],
    autocast: AbstractContextManager[object],
    say: Callable[[str], None],
) -> tuple[Network, Compilation]:
    """Return `model` as `compilation` has it; where that fails, the model itself, and say why.

    Weights and statistics are shared with the model. The second that is returned is what came of
    it, for the record.

    Args:
        model: in training mode.
        batches: makes pictures and labels as the training will have them, a batch of each shape.
        autocast: what the training computes under.
        say: shows a line to the user.
    """
    if compilation.by is None:
        return model, compilation
    try:
        if compilation.by == "kernels":
            return fused(model, precision.dtype), compilation
        say("compiling the network: half a minute or more; a stop is heard after that")
        return _compiled(model, batches(), autocast), compilation
    except Exception as error:  # whatever a compiler may lack, the model can do without
        why = f"{type(error).__name__}: {first_line(error)}"
        say(f"it cannot be compiled and is run as it is: {why}; --compile off leaves it at that")
        return model, Compilation(None, f"failed, {why}")


def _compiled(
    model: nn.Module,
    batches: Iterable[tuple[Tensor, Tensor]],
    autocast: AbstractContextManager[object],
) -> Network:
    """The model by torch.compile.

    It is tried on a step of each shape, whose traces in the model are undone: what is compiled is
    compiled now, and not in the middle of the training.
    """
    before = {name: value.clone() for name, value in model.state_dict().items()}
    try:
        made = torch.compile(model)  # loads the compiler, which takes a second
        for images, labels in batches:
            with autocast:
                logits = made(images)
            F.cross_entropy(logits.float(), labels).backward()
        return made
    finally:
        model.zero_grad()
        model.load_state_dict(before)
