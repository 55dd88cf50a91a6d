import copy
import math
import subprocess
import sys
import tempfile
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from tinysight.recipe import Optim
from tinysight.training.averaging import Average
from tinysight.training.optim import optimiser


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(16, 2))


def test_weight_decay_is_off_norms_and_biases() -> None:
    optimizer = optimiser(network(), Optim(weight_decay=0.1))
    decayed, free = optimizer.groups
    assert (decayed.weight_decay, free.weight_decay) == (0.1, 0.0)
    assert [p.ndim for p in decayed.params] == [4, 2]
    assert [p.ndim for p in free.params] == [1, 1, 1, 1]


def test_a_decayed_step_without_gradient_shrinks_the_kernels_alone() -> None:
    model = network()
    before = copy.deepcopy(model.state_dict())
    optimizer = optimiser(model, Optim(name="adamw", lr=0.5, weight_decay=0.1))
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    for name, value in model.named_parameters():
        expected = before[name] * (0.95 if value.ndim > 1 else 1.0)
        torch.testing.assert_close(value.detach(), expected)


@pytest.mark.parametrize("nesterov", [True, False])
def test_sgd_against_its_formula(nesterov: bool) -> None:
    w = nn.Linear(1, 1, bias=False)
    optimizer = optimiser(w, Optim(lr=0.1, momentum=0.9, nesterov=nesterov, weight_decay=0.01))
    weight, velocity = w.weight.item(), 0.0
    for gradient in (1.0, -0.5, 2.0):
        w.weight.grad = torch.tensor([[gradient]])
        optimizer.step()
        g = gradient + 0.01 * weight
        velocity = 0.9 * velocity + g
        weight -= 0.1 * (g + 0.9 * velocity if nesterov else velocity)
        assert w.weight.item() == pytest.approx(weight, rel=1e-5)


@pytest.mark.parametrize("name", ["adam", "adamw"])
def test_adam_in_the_convention_of_keras_against_its_formula(name: Any) -> None:
    """Epsilon is added to the root before its correction; here it is large, so that it shows."""
    w = nn.Linear(1, 1, bias=False)
    settings = {"lr": 0.1, "betas": (0.9, 0.99), "eps": 0.1, "weight_decay": 0.0}
    optimizer = optimiser(w, Optim(name=name, convention="keras", **settings))
    weight, m, v = w.weight.item(), 0.0, 0.0
    for step, gradient in enumerate((1.0, -0.5, 2.0), start=1):
        w.weight.grad = torch.tensor([[gradient]])
        optimizer.done = step - 1
        optimizer.step()
        m += (gradient - m) * (1 - 0.9)
        v += (gradient**2 - v) * (1 - 0.99)
        rate = 0.1 * math.sqrt(1 - 0.99**step) / (1 - 0.9**step)
        weight -= rate * m / (math.sqrt(v) + 0.1)
        assert w.weight.item() == pytest.approx(weight, rel=1e-5)


THEIRS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "sgd": lambda groups: torch.optim.SGD(groups, 0.1, 0.9, nesterov=True, fused=True),
    "plain": lambda groups: torch.optim.SGD(groups, 0.1, fused=True),
    "adam": lambda groups: torch.optim.Adam(groups, 0.1, (0.8, 0.95), 1e-6, fused=True),
    "adamw": lambda groups: torch.optim.AdamW(groups, 0.1, (0.8, 0.95), 1e-6, fused=True),
}
OURS: dict[str, Optim] = {
    "sgd": Optim(weight_decay=0.1),
    "plain": Optim(momentum=0.0, weight_decay=0.1),
    "adam": Optim(name="adam", betas=(0.8, 0.95), eps=1e-6, weight_decay=0.1),
    "adamw": Optim(name="adamw", betas=(0.8, 0.95), eps=1e-6, weight_decay=0.1),
}


@pytest.mark.parametrize("name", OURS)
def test_ten_steps_are_those_of_torchs_own(name: str) -> None:
    ours, theirs = network(), network()
    parameters = list(theirs.parameters())
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": 0.1},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    expected, found = THEIRS[name](groups), optimiser(ours, OURS[name])
    for step in range(10):
        found.lr = 0.1 / (step + 1)
        for group in expected.param_groups:
            group["lr"] = found.lr
        batch = torch.rand(6, 3, 4, 4)
        for model, optimizer in ((ours, found), (theirs, expected)):
            optimizer.zero_grad()
            model(batch).square().mean().backward()
            optimizer.step()
    for one, two in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.equal(one, two)


def test_a_training_does_not_load_torchs_compiler() -> None:
    code = """
import sys
import numpy as np
import tinysight
x = np.random.default_rng(0).integers(0, 255, (60, 8, 8, 3)).astype(np.uint8)
tinysight.train((x, np.arange(60) % 3), model="plain", epochs=1, batch_size=16, quiet=True)
print("torch._dynamo" in sys.modules)
"""
    with tempfile.TemporaryDirectory() as here:
        words = [sys.executable, "-c", code]
        said = subprocess.run(words, cwd=here, capture_output=True, text=True, check=True)
    assert said.stdout == "False\n"


def test_average_against_its_formula() -> None:
    model = nn.Linear(1, 1, bias=False)
    average = Average(model, decay=0.5)
    expected = model.weight.item()
    for step in range(1, 12):
        with torch.no_grad():
            model.weight.fill_(float(step))
        average.update(model)
        decay = min(0.5, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * step
    assert float(average.model.weight) == pytest.approx(expected)  # pyright: ignore[reportArgumentType]


def test_average_takes_batch_statistics_too_and_copies_counters() -> None:
    model = network().train()
    average = Average(model, decay=0.9)
    model(torch.rand(8, 3, 4, 4))
    average.update(model)
    norm = average.model.get_submodule("1")
    assert isinstance(norm, nn.BatchNorm2d)
    assert norm.running_mean is not None
    assert norm.running_mean.abs().sum() > 0
    assert norm.num_batches_tracked == 1
    assert not average.model.training


def test_average_moves_a_weight_of_two_names_once() -> None:
    model = nn.Sequential(nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False))
    weight = model.get_parameter("0.weight")
    model[1].weight = weight
    start = weight.item()
    average = Average(model, decay=0.5)
    with torch.no_grad():
        weight.fill_(start + 1)
    average.update(model)
    kept = average.model.get_parameter("0.weight")
    assert kept.item() == pytest.approx(start + 1 - 2 / 11)
    assert kept is average.model.get_parameter("1.weight")


def test_muon_changes_the_inner_layers_and_sgd_the_rest() -> None:
    settings = Optim(name="muon", lr=0.1, lr_head=0.02, lr_bias=3.0, weight_decay=0.5)
    inner, head, vectors = optimiser(network(), settings).groups
    assert [(g.rule, [p.ndim for p in g.params]) for g in (inner, head, vectors)] == [
        ("muon", [4]), ("sgd", [2]), ("sgd", [1, 1, 1, 1]),
    ]  # fmt: skip
    assert [g.weight_decay for g in (inner, head, vectors)] == [0.0, 0.5, 0.0]
    assert [round(0.1 * g.scale, 9) for g in (inner, head, vectors)] == [0.1, 0.02, 3.0]


@pytest.mark.parametrize("name", ["sgd", "adam", "adamw"])
def test_the_last_layer_and_the_biases_have_rates_of_their_own(name: str) -> None:
    fields = {"name": name, "lr": 0.1, "weight_decay": 0.0}
    own = Optim.model_validate({**fields, "lr_head": 0.2, "lr_bias": 0.4})
    moved: list[dict[str, torch.Tensor]] = []
    for settings in (Optim.model_validate(fields), own):
        model = network()
        before = {k: v.clone() for k, v in model.named_parameters()}
        for parameter in model.parameters():
            parameter.grad = torch.ones_like(parameter)
        optimiser(model, settings).step()
        moved.append({k: v.detach() - before[k] for k, v in model.named_parameters()})
    plain, changed = moved
    for key, value in plain.items():
        factor = 4 if value.ndim == 1 else 2 if key == "3.weight" else 1
        torch.testing.assert_close(changed[key], factor * value)


@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("name", ["sgd", "adam", "adamw", "muon"])
def test_a_step_that_is_not_finite_changes_nothing(name: str, first: bool) -> None:
    model = network()
    optimizer = optimiser(model, Optim.model_validate({"name": name}))
    if not first:
        for parameter in model.parameters():
            parameter.grad = torch.ones_like(parameter)
        optimizer.step(found_inf=torch.tensor(False))
    before = copy.deepcopy(dict(model.named_parameters()))
    kept = [[t.clone() for t in g.first] or [torch.zeros_like(p) for p in g.params]
            for g in optimizer.groups]  # fmt: skip
    for parameter in model.parameters():
        parameter.grad = torch.full_like(parameter, torch.nan)
    optimizer.step(found_inf=torch.tensor(True))
    for key, value in model.named_parameters():
        assert torch.equal(value, before[key])
    for group, was in zip(optimizer.groups, kept, strict=True):
        torch.testing.assert_close(group.first, was, atol=0, rtol=0)


@pytest.mark.parametrize("name", ["sgd", "adam", "adamw", "muon"])
def test_what_has_no_gradient_stays_as_it_is(name: Any) -> None:
    """A layer that the network does not use, or not in every step, as torch.optim has it."""
    model = nn.ModuleList(nn.Conv2d(3, 3, 3) for _ in range(3))
    optimizer = optimiser(model, Optim(name=name, lr=0.1, weight_decay=0.1))
    before = copy.deepcopy(model)
    images = torch.randn(2, 3, 8, 8)
    for used in (0, 2):
        optimizer.zero_grad()
        model[used](images).square().mean().backward()
        optimizer.step()
    pairs = zip(model.parameters(), before.parameters(), strict=True)
    moved = [not torch.equal(a, b) for a, b in pairs][::2]  # less the biases
    assert moved == [True, False, True]
    kept = [t for name, t in optimizer.tensors().items() if ".first." in name]
    assert sum(bool(t.any()) for t in kept) == 4  # weights and biases of the two that were used
