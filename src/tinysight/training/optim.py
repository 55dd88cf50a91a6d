"""The optimiser that a recipe asks for."""

from __future__ import annotations

from torch import nn, optim

from tinysight import recipe

__all__ = ["optimiser"]


def optimiser(model: nn.Module, settings: recipe.Optim) -> optim.Optimizer:
    """Return the optimiser over the model's trainable parameters.

    Weight decay is left off everything of one dimension or none (norms and biases), as in
    Goyal et al., "Accurate, large minibatch SGD" (arXiv:1706.02677), section 5.1.
    """
    trainable = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in trainable if p.ndim > 1], "weight_decay": settings.weight_decay},
        {"params": [p for p in trainable if p.ndim <= 1], "weight_decay": 0.0},
    ]
    groups = [g for g in groups if g["params"]]
    match settings.name:
        case "sgd":
            return optim.SGD(
                groups,
                lr=settings.lr,
                momentum=settings.momentum,
                nesterov=settings.nesterov and settings.momentum > 0,
                fused=True,
            )
        case "adam":
            return optim.Adam(groups, settings.lr, settings.betas, settings.eps, fused=True)
        case "adamw":
            return optim.AdamW(groups, settings.lr, settings.betas, settings.eps, fused=True)
