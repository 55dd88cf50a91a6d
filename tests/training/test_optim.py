import copy

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
    decayed, free = optimizer.param_groups
    assert (decayed["weight_decay"], free["weight_decay"]) == (0.1, 0.0)
    assert [p.ndim for p in decayed["params"]] == [4, 2]
    assert [p.ndim for p in free["params"]] == [1, 1, 1, 1]


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


def test_nesterov_without_momentum_is_plain_descent() -> None:
    assert optimiser(nn.Linear(1, 1), Optim(momentum=0.0)).param_groups[0]["nesterov"] is False


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
