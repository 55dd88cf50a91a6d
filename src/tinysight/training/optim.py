"""The optimiser that a recipe asks for."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn
from torch.optim.adam import adam
from torch.optim.adamw import adamw
from torch.optim.sgd import sgd

from tinysight import recipe
from tinysight.training.muon import muon

__all__ = ["Group", "Optimiser", "optimiser"]


@dataclass
class Group:
    """Parameters that are treated alike, and what is kept of each from step to step.

    Attributes:
        rule: what changes them: sgd, adam, adamw or muon.
        scale: of the learning rate.
    """

    params: list[nn.Parameter]
    rule: str
    weight_decay: float = 0.0
    scale: float = 1.0
    first: list[Tensor] = field(default_factory=list)  # momentum, or mean gradient
    second: list[Tensor] = field(default_factory=list)  # mean squared gradient
    steps: list[Tensor] = field(default_factory=list)


class Optimiser:
    """SGD, Adam or AdamW by torch's functions, which do one fused step over all parameters; Muon.

    `torch.optim.SGD` and its like do the same, but load torch's compiler when they are made, a
    second of every start, which nothing here needs.

    Attributes:
        lr: the learning rate of the next step.
        done: how many steps were done before it.
    """

    def __init__(self, groups: list[Group], settings: recipe.Optim) -> None:
        self.groups, self.settings, self.lr, self.done = groups, settings, settings.lr, 0
        for group in groups:
            # From zeros the first step is the gradient's, as torch has it; a void one leaves zeros.
            group.first = [torch.zeros_like(p) for p in group.params]
            if group.rule in ("adam", "adamw"):
                group.second = [torch.zeros_like(p) for p in group.params]
                group.steps = [torch.zeros((), device=p.device) for p in group.params]

    def tensors(self) -> dict[str, Tensor]:
        """Return what is kept from step to step, by the place of its parameter."""
        return {
            f"{g}.{kind}.{i}": tensor
            for g, group in enumerate(self.groups)
            for kind in ("first", "second", "steps")
            for i, tensor in enumerate(getattr(group, kind))
        }

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for group in self.groups:
            for parameter in group.params:
                parameter.grad = None

    @torch.no_grad()
    def step(self, found_inf: Tensor | None = None) -> None:
        """Change the parameters that have a gradient; others stay, as `torch.optim` has it.

        Args:
            found_inf: one truth value on the device of the parameters: where it is true, nothing is
                changed. The host does not wait for it.
        """
        found_inf = None if found_inf is None else found_inf.float()
        for group in map(_with_gradients, self.groups):
            params: list[Tensor] = [*group.params]
            grads = [p.grad for p in params if p.grad is not None]
            if group.rule == "muon":
                self._orthogonalise(group, params, grads, found_inf)
            elif group.rule == "sgd":
                self._descend(group, params, grads, found_inf)
            else:
                self._adapt(group, params, grads, found_inf)

    def _orthogonalise(
        self, group: Group, params: list[Tensor], grads: list[Tensor], found_inf: Tensor | None
    ) -> None:
        muon(
            params,
            grads,
            group.first,
            lr=self.lr * group.scale,
            momentum=self.settings.momentum,
            nesterov=self.settings.nesterov,
            found_inf=found_inf,
        )

    def _descend(
        self, group: Group, params: list[Tensor], grads: list[Tensor], found_inf: Tensor | None
    ) -> None:
        momentum = self.settings.momentum
        sgd(
            params,
            grads,
            [*group.first],
            fused=True,
            found_inf=found_inf,
            weight_decay=group.weight_decay,
            momentum=momentum,
            lr=self.lr * group.scale,
            dampening=0.0,
            nesterov=self.settings.nesterov and momentum > 0,
            maximize=False,
        )

    def _adapt(
        self, group: Group, params: list[Tensor], grads: list[Tensor], found_inf: Tensor | None
    ) -> None:
        beta1, beta2 = self.settings.betas
        function = adam if group.rule == "adam" else adamw
        eps = self.settings.eps
        if self.settings.convention == "keras":  # torch divides the root by the same
            eps /= math.sqrt(1 - beta2 ** (self.done + 1))
        function(
            params,
            grads,
            group.first,
            group.second,
            [],
            group.steps,
            fused=True,
            found_inf=found_inf,
            amsgrad=False,
            beta1=beta1,
            beta2=beta2,
            lr=self.lr * group.scale,
            weight_decay=group.weight_decay,
            eps=eps,
            maximize=False,
        )


def _with_gradients(group: Group) -> Group:
    """The group's parameters that have a gradient, and what is kept of them: the same tensors."""
    at = [i for i, parameter in enumerate(group.params) if parameter.grad is not None]
    if len(at) == len(group.params):
        return group
    kept = {kind: getattr(group, kind) for kind in ("first", "second", "steps")}
    some = {kind: [tensors[i] for i in at] if tensors else [] for kind, tensors in kept.items()}
    return replace(group, params=[group.params[i] for i in at], **some)


def optimiser(model: nn.Module, settings: recipe.Optim) -> Optimiser:
    """Return the optimiser over the model's trainable parameters.

    Weight decay is left off everything of one dimension or none (norms and biases), as in
    Goyal et al., "Accurate, large minibatch SGD" (arXiv:1706.02677), section 5.1. With muon it is
    left off the layers that it changes too: their norm is held. The last layer and the biases are
    changed by sgd then.
    """
    trainable = [p for p in model.parameters() if p.requires_grad]
    layers = [p for p in trainable if p.ndim > 1]
    apart = settings.name == "muon" or settings.lr_head is not None
    inner, head = (layers[:-1], layers[-1:]) if apart else (layers, [])
    vectors = [p for p in trainable if p.ndim <= 1]
    rule = "sgd" if settings.name == "muon" else settings.name
    decay = 0.0 if settings.name == "muon" else settings.weight_decay
    groups = [
        Group(inner, settings.name, decay),
        Group(head, rule, settings.weight_decay, (settings.lr_head or settings.lr) / settings.lr),
        Group(vectors, rule, 0.0, (settings.lr_bias or settings.lr) / settings.lr),
    ]
    return Optimiser([group for group in groups if group.params], settings)
