"""torch.compile where it is wanted, and the network as it is where that fails."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["Network", "compiled"]

Network = Callable[[Tensor], Tensor]  # from pictures, n c h w, to logits, n k


def compiled(model: nn.Module, images: Tensor, labels: Tensor) -> tuple[Network, str | None]:
    """Return `model` compiled, and None; or `model` itself and why it could not be compiled.

    It is tried on one step, whose traces in the model are undone: what is compiled is compiled
    now, and not in the middle of the training. Weights and statistics are shared.

    Args:
        model: in training mode.
        images: a batch as the training will have it; labels: theirs.
    """
    before = {name: value.clone() for name, value in model.state_dict().items()}
    found: Network = model
    said = None
    try:
        found = torch.compile(model)  # loads the compiler, which takes a second
        F.cross_entropy(found(images).float(), labels).backward()
    except Exception as error:  # whatever a compiler may lack, the model can do
        found, said = model, f"{type(error).__name__}: {str(error).strip().splitlines()[0]}"
    model.zero_grad()
    model.load_state_dict(before)
    return found, said
