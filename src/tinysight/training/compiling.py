"""torch.compile where it is wanted, and the network as it is where that fails."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["Network", "compiled"]

Network = Callable[[Tensor], Tensor]  # from pictures, n c h w, to logits, n k


def compiled(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    rounding: AbstractContextManager[object],
    say: Callable[[str], None],
) -> Network:
    """Return `model` compiled; or, where that fails, the model itself, and say why.

    It is tried on one step, whose traces in the model are undone: what is compiled is compiled
    now, and not in the middle of the training. Weights and statistics are shared.

    Args:
        model: in training mode.
        images: a batch as the training will have it; labels: theirs.
        rounding: what the training computes under.
        say: shows a line to the user.
    """
    say("compiling the network: half a minute or more")
    before = {name: value.clone() for name, value in model.state_dict().items()}
    found: Network = model
    try:
        made = torch.compile(model)  # loads the compiler, which takes a second
        with rounding:
            logits = made(images)
        F.cross_entropy(logits.float(), labels).backward()
        found = made
    except Exception as error:  # whatever a compiler may lack, the model can do without
        first = str(error).strip().partition("\n")[0]
        say(f"it cannot be compiled and is run as it is: {type(error).__name__}: {first}")
    model.zero_grad()
    model.load_state_dict(before)
    return found
