"""The optimiser that a recipe asks for."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.optim.adam import adam
from torch.optim.adamw import adamw
from torch.optim.sgd import sgd

from tinysight import recipe

__all__ = ["Group", "Optimiser", "optimiser"]


@dataclass
class Group:
    """Parameters with one weight decay, and what is kept of each from step to step."""

    params: list[nn.Parameter]
    weight_decay: float
    first: list[Tensor | None] = field(default_factory=list)  # momentum, or mean gradient
    second: list[Tensor] = field(default_factory=list)  # mean squared gradient
    steps: list[Tensor] = field(default_factory=list)


class Optimiser:
    """SGD, Adam or AdamW by torch's functions, which do one fused step over all parameters.

    `torch.optim.SGD` and its like do the same, but load torch's compiler when they are made, a
    second of every start, which nothing here needs.

    Attributes:
        lr: the learning rate of the next step.
    """

    def __init__(self, groups: list[Group], settings: recipe.Optim) -> None:
        self.groups, self.settings, self.lr = groups, settings, settings.lr

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for group in self.groups:
            for parameter in group.params:
                parameter.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """Change the parameters by their gradients, which all must have."""
        for group in self.groups:
            params: list[Tensor] = [*group.params]
            grads = [p.grad for p in params if p.grad is not None]
            if self.settings.name == "sgd":
                self._descend(group, params, grads)
            else:
                self._adapt(group, params, grads)

    def _descend(self, group: Group, params: list[Tensor], grads: list[Tensor]) -> None:
        momentum = self.settings.momentum
        group.first = group.first or [None] * len(params)
        sgd(
            params,
            grads,
            group.first,
            fused=True,
            weight_decay=group.weight_decay,
            momentum=momentum,
            lr=self.lr,
            dampening=0.0,
            nesterov=self.settings.nesterov and momentum > 0,
            maximize=False,
        )

    def _adapt(self, group: Group, params: list[Tensor], grads: list[Tensor]) -> None:
        if not group.steps:
            group.first = [torch.zeros_like(p) for p in params]
            group.second = [torch.zeros_like(p) for p in params]
            group.steps = [torch.zeros((), device=p.device) for p in params]
        beta1, beta2 = self.settings.betas
        function = adam if self.settings.name == "adam" else adamw
        function(
            params,
            grads,
            [kept for kept in group.first if kept is not None],
            group.second,
            [],
            group.steps,
            fused=True,
            amsgrad=False,
            beta1=beta1,
            beta2=beta2,
            lr=self.lr,
            weight_decay=group.weight_decay,
            eps=self.settings.eps,
            maximize=False,
        )


def optimiser(model: nn.Module, settings: recipe.Optim) -> Optimiser:
    """Return the optimiser over the model's trainable parameters.

    Weight decay is left off everything of one dimension or none (norms and biases), as in
    Goyal et al., "Accurate, large minibatch SGD" (arXiv:1706.02677), section 5.1.
    """
    trainable = [p for p in model.parameters() if p.requires_grad]
    groups = [
        Group([p for p in trainable if p.ndim > 1], settings.weight_decay),
        Group([p for p in trainable if p.ndim <= 1], 0.0),
    ]
    return Optimiser([group for group in groups if group.params], settings)
