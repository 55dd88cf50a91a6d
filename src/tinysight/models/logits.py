"""Whether what a network returns are logits, or what a softmax or a sigmoid made of them."""

from __future__ import annotations

from torch import Tensor

__all__ = ["squashed_by"]

SQUASHING = {
    "SoftmaxBackward0": "softmax",
    "LogSoftmaxBackward0": "softmax",
    "SigmoidBackward0": "sigmoid",
}
# Operations that leave the values as they are.
CARRYING = {
    "AliasBackward0",
    "CloneBackward0",
    "ReshapeAliasBackward0",
    "SqueezeBackward0",
    "SqueezeBackward1",
    "ToCopyBackward0",
    "TransposeBackward0",
    "UnsafeViewBackward0",
    "UnsqueezeBackward0",
    "ViewBackward0",
}


def squashed_by(output: object) -> str | None:
    """Say what made a network's output, "softmax" or "sigmoid", by its last operation.

    None where it was neither, or is no tensor. The values are not looked at: logits may well sum
    to one.

    >>> import torch
    >>> weight = torch.ones(2, 3, requires_grad=True)
    >>> squashed_by(weight.softmax(1).view(3, 2)), squashed_by(weight + 1)
    ('softmax', None)
    """
    last = output.grad_fn if isinstance(output, Tensor) else None
    while last is not None and type(last).__name__ in CARRYING:
        last = last.next_functions[0][0]
    return SQUASHING.get(type(last).__name__)
