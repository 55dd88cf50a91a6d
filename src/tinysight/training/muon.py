"""The update of Muon: a step of equal size in every direction of a layer's weights."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["muon", "orthogonal"]

# Of x -> a x + b x^3 + c x^5, chosen for speed near zero rather than to end at 1: singular values
# come to lie about 1, which serves as well. Source: K. Jordan et al., "Muon" (2024).
ROUNDS = 3
A, B, C = 3.4445, -4.7750, 2.0315


def orthogonal(matrix: Tensor) -> Tensor:
    """Return about the nearest matrix to `matrix` (r c) with orthonormal rows or columns.

    By Newton-Schulz rounds. All of them are polynomials in the Gram matrix of the shorter side, so
    only the first and the last product have the longer side in them.
    """
    wide = matrix if len(matrix) <= matrix.shape[1] else matrix.T
    wide = wide / wide.norm().clamp_min(torch.finfo(wide.dtype).tiny)
    gram = wide @ wide.T
    one = torch.eye(len(gram), dtype=gram.dtype, device=gram.device)
    whole = one
    for _ in range(ROUNDS):
        factor = A * one + B * gram + C * gram @ gram
        whole = factor @ whole
        gram = factor @ gram @ factor
    found = whole @ wide
    return found if len(matrix) <= matrix.shape[1] else found.T


def muon(
    params: list[Tensor],
    grads: list[Tensor],
    momenta: list[Tensor],
    *,
    lr: float,
    momentum: float,
    nesterov: bool,
    found_inf: Tensor | None = None,
) -> None:
    """Take one step of Muon with weights of fixed norm, as airbench94_muon has it.

    Each layer's weights (o ...) are brought to the norm root of o, that of o orthonormal filters,
    then moved by `lr` against the orthogonal part of the averaged gradient.

    Args:
        momenta: one a parameter, changed in place; zeros at the start.
        found_inf: one value on the parameters' device; where it is not 0, nothing is changed.
    """
    for parameter, grad, kept in zip(params, grads, momenta, strict=True):
        averaged = momentum * kept + grad
        towards = grad + momentum * averaged if nesterov else averaged
        step = orthogonal(towards.flatten(1)).view_as(parameter)
        size = parameter.norm()
        scale = torch.where(size > 0, len(parameter) ** 0.5 / size, 1.0)
        moved = parameter * scale - lr * step
        if found_inf is not None:
            averaged = torch.where(found_inf > 0, kept, averaged)
            moved = torch.where(found_inf > 0, parameter, moved)
        kept.copy_(averaged)
        parameter.copy_(moved)
