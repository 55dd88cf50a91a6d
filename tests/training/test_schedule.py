import math

import pytest
import torch

from tinysight.recipe import Schedule
from tinysight.training.schedule import Plateau, factor


def curve(settings: Schedule, total: int = 101, per_epoch: int = 10) -> list[float]:
    return [factor(settings, step, total, per_epoch) for step in range(total)]


def test_onecycle_goes_through_its_three_points() -> None:
    found = curve(Schedule(name="onecycle", start=0.1, peak=0.25, end=0.02))
    assert found[0] == pytest.approx(0.1)
    assert found[25] == pytest.approx(1.0)
    assert found[100] == pytest.approx(0.02)
    assert found[50] == pytest.approx(1 - 0.98 * 25 / 75)
    assert max(found) == pytest.approx(1.0)


def test_cosine_against_torch() -> None:
    weight = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([weight], lr=1.0)
    theirs = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=100, eta_min=0.05)
    for found in curve(Schedule(name="cosine", end=0.05)):
        assert found == pytest.approx(theirs.get_last_lr()[0])
        optimizer.step()
        theirs.step()


@pytest.mark.parametrize("name", ["constant", "cosine", "linear", "plateau"])
def test_warm_up_rises_linearly_to_one(name: str) -> None:
    found = curve(Schedule.model_validate({"name": name, "warmup": 2.0, "start": 0.1}))
    assert found[0] == pytest.approx(0.1)
    assert found[10] == pytest.approx(0.55)
    assert found[20] == pytest.approx(1.0)
    assert found[100] == pytest.approx(0.0 if name in ("cosine", "linear") else 1.0)


def test_a_training_of_one_step_has_a_rate() -> None:
    for name in ("constant", "cosine", "onecycle"):
        assert math.isfinite(factor(Schedule.model_validate({"name": name}), 0, 1, 1))


def test_plateau_against_torch() -> None:
    losses = [1.0, 0.9, 0.95, 0.91, 0.9, 0.89999, 0.5, 0.6, 0.6, 0.6, 0.6, 0.4]
    weight = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([weight], lr=1.0)
    theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.1, patience=2)
    ours = Plateau(Schedule(name="plateau", factor=0.1, patience=2))
    for loss in losses:
        theirs.step(loss)
        ours.see(loss)
        assert ours.factor == pytest.approx(optimizer.param_groups[0]["lr"])
    assert ours.factor < 0.5


def test_other_schedules_ignore_the_plateau() -> None:
    ours = Plateau(Schedule(name="cosine"))
    for _ in range(3 * ours.settings.patience):
        ours.see(1.0)
    assert ours.factor == 1.0


def test_linear_falls_in_a_straight_line() -> None:
    found = curve(Schedule(name="linear", end=0.2))
    assert found == pytest.approx([1 - 0.8 * step / 100 for step in range(101)])
