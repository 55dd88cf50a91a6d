"""Whether a network of the user's own takes the pictures and gives logits, seen by trying it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from tinysight.errors import ModelError, first_line
from tinysight.models.classifier import lay_out
from tinysight.models.logits import squashed_by
from tinysight.pictures.formats import sized

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
    output, layers = _followed(net, name, shape)
    last = layers[-1] if layers else ""
    if last and isinstance(net.get_submodule(last), SOFTMAX):
        if layers.count(last) > 1:
            raise ModelError(
                f"{name} ends in a softmax layer that it uses elsewhere, too: return what comes "
                "before it, the loss does the rest"
            )
        parent, _, child = last.rpartition(".")
        setattr(net.get_submodule(parent), child, nn.Identity())
        output, _ = _followed(net, name, shape)
    if not any(p.requires_grad for p in net.parameters()):
        raise ModelError(f"{name} has no weights that could be trained")
    _check_logits(output, name, classes)
    output, memory_format = _in_training(net, name, shape)
    _check_logits(output, name, classes, " in training mode")
    if not output.requires_grad:
        raise ModelError(
            f"{name} gives what no gradient leads back from: it computes under torch.no_grad or "
            "detaches"
        )
    return memory_format


def _check_logits(output: Tensor, name: str, classes: int, mode: str = "") -> None:
    """Refuse what is not a logit for each class of two pictures."""
    if tuple(output.shape) != (2, classes):
        raise ModelError(
            f"{name} gives {' x '.join(map(str, output.shape))}{mode} for 2 pictures of {classes} "
            f"classes, expected 2 x {classes}"
        )
    ends = squashed_by(output)
    if ends == "sigmoid":
        raise ModelError(
            f"{name} ends in a sigmoid, expected a logit for each class: leave the sigmoid out, "
            "the loss does the rest"
        )
    if ends:
        raise ModelError(
            f"{name} ends in a {ends} that is not its last layer: return what comes before it, "
            "the loss does the rest"
        )


def _followed(net: nn.Module, name: str, shape: tuple[int, int, int]) -> tuple[Tensor, list[str]]:
    """The logits of two black pictures, and the names of the layers up to the one they came from.

    No names where they came from no layer.
    """
    outputs: list[tuple[str, Any]] = []
    hooks = [
        module.register_forward_hook(lambda _m, _i, out, at=at: outputs.append((at, out)))
        for at, module in net.named_modules()
        if not any(True for _ in module.children())
    ]
    training = net.training
    try:
        output = net.eval()(_black(shape, torch.contiguous_format))
    except (Exception, SystemExit) as error:
        raise ModelError(f"{name} does not take {_pictures(shape)}: {_said(error)}") from error
    finally:
        net.train(training)
        for hook in hooks:
            hook.remove()
    if not isinstance(output, Tensor):
        raise ModelError(f"{name} gives {type(output).__name__}, expected one tensor of logits")
    ends = [place for place, (_, out) in enumerate(outputs) if out is output]
    return output, [at for at, _ in outputs[: ends[-1] + 1]] if ends else []


def _in_training(
    net: nn.Module, name: str, shape: tuple[int, int, int]
) -> tuple[Tensor, torch.memory_format]:
    """The output in training mode, and the memory format that the network takes.

    Its statistics are left as they are.

    Raises:
        ModelError: it fails in training mode, or does not give a tensor there.
    """
    kept = {key: value.clone() for key, value in net.state_dict().items()}

    def trained(memory_format: torch.memory_format) -> object:
        lay_out(net, memory_format)
        return net.train()(_black(shape, memory_format))

    try:
        try:
            output, found = trained(torch.channels_last), torch.channels_last
        except RuntimeError:  # as `x.view(len(x), -1)` has it
            output, found = trained(torch.contiguous_format), torch.contiguous_format
    except (Exception, SystemExit) as error:
        raise ModelError(
            f"{name} does not take {_pictures(shape)} in training mode: {_said(error)}"
        ) from error
    finally:
        net.load_state_dict(kept)
    if not isinstance(output, Tensor):
        raise ModelError(
            f"{name} gives {type(output).__name__} in training mode, expected logits as in "
            "evaluation mode"
        )
    return output, found


def _black(shape: tuple[int, int, int], memory_format: torch.memory_format) -> Tensor:
    """Two normalised pictures, n c h w."""
    h, w, c = shape
    return torch.zeros(2, c, h, w).contiguous(memory_format=memory_format)


def _pictures(shape: tuple[int, int, int]) -> str:
    return f"pictures of {sized(shape)}"


def _said(error: BaseException) -> str:
    return f"sys.exit({error.code!r})" if isinstance(error, SystemExit) else first_line(error)
