"""Whether a network of the user's own takes the pictures and gives logits, seen by trying it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from tinysight.errors import ModelError, first_line
from tinysight.models.layers import lay_out
from tinysight.models.logits import squashed_by

__all__ = ["examined"]

SOFTMAX = (nn.Softmax, nn.LogSoftmax)


def examined(
    net: nn.Module, name: str, shape: tuple[int, int, int], classes: int
) -> torch.memory_format:
    """Return the memory format in which a network can be trained on pictures of `shape` (h w c).

    That is channels-last, or contiguous where it does not take that (`x.view(n, -1)` does not). A
    softmax layer at its end is taken out; its statistics are left as they are.

    Raises:
        ModelError: it does not take such pictures, does not give a logit for each class, ends in a
            sigmoid or in a softmax that is no layer, or cannot be trained.
    """
    output, last = _followed(net, name, shape)
    if last and isinstance(net.get_submodule(last), SOFTMAX):
        parent, _, child = last.rpartition(".")
        setattr(net.get_submodule(parent), child, nn.Identity())
        output, _ = _followed(net, name, shape)
    if not any(p.requires_grad for p in net.parameters()):
        raise ModelError(f"{name} has no weights that could be trained")
    _check_logits(output, name, classes)
    return _memory_format(net, name, shape, classes)


def _check_logits(output: Tensor, name: str, classes: int) -> None:
    """Refuse what is not a logit for each class of two pictures, or leads back to no weights."""
    if tuple(output.shape) != (2, classes):
        raise ModelError(
            f"{name} gives {' x '.join(map(str, output.shape))} for 2 pictures of {classes} "
            f"classes, expected 2 x {classes}"
        )
    if not output.requires_grad:
        raise ModelError(
            f"{name} gives what no gradient leads back from: it computes under torch.no_grad or "
            "detaches"
        )
    ends = squashed_by(output)
    if ends == "sigmoid":
        raise ModelError(
            f"{name} ends in a sigmoid, expected a logit for each class: leave the sigmoid out, "
            "the loss does the rest"
        )
    if ends:
        raise ModelError(
            f"{name} ends in a {ends} that is no layer of its own: return what comes before it, "
            "the loss does the rest"
        )


def _followed(net: nn.Module, name: str, shape: tuple[int, int, int]) -> tuple[Tensor, str | None]:
    """The logits of two black pictures, and the name of the layer that they came from."""
    last: list[tuple[str, Any]] = []
    hooks = [
        module.register_forward_hook(lambda _m, _i, out, at=at: last.append((at, out)))
        for at, module in net.named_modules()
        if not any(True for _ in module.children())
    ]
    training = net.training
    try:
        output = net.eval()(_black(shape, torch.contiguous_format))
    except Exception as error:
        raise ModelError(f"{name} does not take {_pictures(shape)}: {first_line(error)}") from error
    finally:
        net.train(training)
        for hook in hooks:
            hook.remove()
    if not isinstance(output, Tensor):
        raise ModelError(f"{name} gives {type(output).__name__}, expected one tensor of logits")
    return output, next((at for at, out in reversed(last) if out is output), None)


def _memory_format(
    net: nn.Module, name: str, shape: tuple[int, int, int], classes: int
) -> torch.memory_format:
    """The memory format in which a network can be trained: channels-last, where it takes that.

    Its statistics are left as they are.

    Raises:
        ModelError: it fails in training mode, or does not give logits there.
    """
    kept = {key: value.clone() for key, value in net.state_dict().items()}

    def trained(memory_format: torch.memory_format) -> object:
        lay_out(net, memory_format)
        with torch.no_grad():
            return net.train()(_black(shape, memory_format))

    try:
        try:
            output, found = trained(torch.channels_last), torch.channels_last
        except RuntimeError:  # as `x.view(len(x), -1)` has it
            output, found = trained(torch.contiguous_format), torch.contiguous_format
    except Exception as error:
        raise ModelError(
            f"{name} does not take {_pictures(shape)} in training mode: {first_line(error)}"
        ) from error
    finally:
        net.load_state_dict(kept)
    if not isinstance(output, Tensor) or tuple(output.shape) != (2, classes):
        raise ModelError(
            f"{name} gives {type(output).__name__} in training mode, expected logits as in "
            "evaluation mode"
        )
    return found


def _black(shape: tuple[int, int, int], memory_format: torch.memory_format) -> Tensor:
    """Two normalised pictures, n c h w."""
    h, w, c = shape
    return torch.zeros(2, c, h, w).contiguous(memory_format=memory_format)


def _pictures(shape: tuple[int, int, int]) -> str:
    return f"pictures of {'x'.join(map(str, shape))}"
