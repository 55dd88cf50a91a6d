"""The range test itself: what it trains, what it leaves alone, and where it ends."""

import math
import os
import signal
from dataclasses import replace
from typing import Any

import pytest
import torch
from tests.training.test_loop import Locked
from torch import Tensor

from tinysight.data.dataset import DataSet
from tinysight.errors import Interrupted, UsageError
from tinysight.recipe import Optim, Recipe
from tinysight.training import plan, ratetest
from tinysight.training.optim import Optimiser
from tinysight.training.ratetest import bounds, check_steps, range_test
from tinysight.training.signals import StopRequest
from tinysight.training.suggesting import RateTest


def find(data: DataSet, recipe: Recipe, **words: Any) -> RateTest:
    ready = plan(data, recipe, device="cpu", compilation="off")
    low, high = bounds(recipe.optim, words.pop("low", None), words.pop("high", None))
    words = {"steps": 60, "shown": lambda *_: None, "stop": StopRequest()} | words
    return range_test(ready, low=low, high=high, **words)


@pytest.mark.parametrize("name", ["sgd", "adam", "adamw", "muon"])
def test_it_suggests_a_rate_at_which_the_loss_falls(toy: DataSet, small: Recipe, name: str) -> None:
    recipe = small.override("optim.name", name)
    before = torch.get_rng_state()
    found = find(toy, recipe, steps=100)
    assert torch.equal(torch.get_rng_state(), before)
    assert found == find(toy, recipe, steps=100)
    assert found.optimiser == name
    assert len(found.rates) == len(found.losses) == len(found.smoothed) <= 100
    assert found.low is not None
    assert found.high is not None
    assert found.suggested is not None
    assert found.rates[0] < found.low < found.suggested < found.high <= found.rates[-1]
    assert found.fields == {"optim.lr": found.suggested}
    assert found.losses[0] == pytest.approx(math.log(3), abs=0.5)
    assert min(found.smoothed) < 0.5 * found.guess


def test_the_rate_rises_by_the_same_factor_from_bound_to_bound(toy: DataSet, small: Recipe) -> None:
    found = find(toy, small, low=1e-4, high=1e-2, steps=21)
    assert found.rates == pytest.approx([10 ** (-4 + i / 10) for i in range(21)])
    assert found.diverged is None


def test_each_step_is_that_of_a_training_at_the_same_rate(
    toy: DataSet, small: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Order, augmentation and dropout are the training's own, in its second epoch too."""
    seen: list[tuple[int, list[int], float]] = []
    real = ratetest.make_batch

    def make_batch(split: Any, index: Tensor, recipe: Recipe, **words: Any) -> Any:
        seen.append((words["epoch"], index.tolist(), words["done"]))
        return real(split, index, recipe, **words)

    monkeypatch.setattr(ratetest, "make_batch", make_batch)
    find(toy, small, steps=20, high=1e-2)
    assert [epoch for epoch, *_ in seen] == [1] * 6 + [2] * 6 + [3] * 6 + [4] * 2
    assert sorted(i for _, index, _ in seen[6:12] for i in index) == list(range(90))
    assert seen[0][1] != seen[6][1]
    assert {done for *_, done in seen} == {0.0}


def test_dropout_and_the_count_of_steps_are_those_of_a_training(
    toy: DataSet, small: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = small.override("model.dropout", 0.5)
    first = find(toy, recipe, steps=20)
    torch.manual_seed(123)
    assert find(toy, recipe, steps=20) == first
    done: list[int] = []
    real = ratetest.update

    def update(network: Any, model: Any, optimizer: Optimiser, *words: Any, **named: Any) -> Any:
        done.append(optimizer.done)
        return real(network, model, optimizer, *words, **named)

    monkeypatch.setattr(ratetest, "update", update)
    find(toy, recipe, steps=20, high=1e-2)
    assert done == list(range(20))


def test_the_plan_is_left_as_it_was_and_the_held_out_are_not_read(
    toy: DataSet, small: Recipe
) -> None:
    assert toy.test is not None
    recipe = small.override("final", True)
    parts = {
        n: Locked(s.images, s.labels, s.ids) for n in ("validation", "test") if (s := toy.split(n))
    }
    ready = plan(replace(toy, **parts), recipe, device="cpu", compilation="off")
    before = {k: v.clone() for k, v in ready.model.state_dict().items()}
    range_test(ready, low=1e-3, high=0.1, steps=20, shown=lambda *_: None, stop=StopRequest())
    after = ready.model.state_dict()
    assert all(torch.equal(before[k], after[k]) for k in before)


def test_head_and_biases_keep_their_ratio(toy: DataSet, small: Recipe) -> None:
    settings = {"optim.name": "muon", "optim.lr": 0.1, "optim.lr_head": 0.02, "optim.lr_bias": 5.0}
    found = find(toy, small.override_all(settings), steps=100)
    assert found.suggested is not None
    assert found.fields["optim.lr"] == found.suggested
    assert found.fields["optim.lr_head"] == pytest.approx(0.2 * found.suggested, rel=5e-3)
    assert found.fields["optim.lr_bias"] == pytest.approx(50 * found.suggested, rel=5e-3)
    Recipe().override_all(settings | found.fields)  # a recipe takes them
    assert found.rates[-1] <= 1000 / 50


def test_mixed_weighted_and_smoothed_losses_are_what_is_recorded(
    toy: DataSet, small: Recipe
) -> None:
    fields = {
        "augment.mixup": 0.4,
        "augment.cutmix": 1.0,
        "loss.label_smoothing": 0.1,
        "ema": 0.9,
        "optim.clip": 1.0,
        "model.dropout": 0.2,
    }
    plain, mixed = find(toy, small), find(toy, small.override_all(fields))
    assert min(mixed.losses) > min(plain.losses)
    assert mixed.guess == pytest.approx(math.log(3))


def test_guessing_is_by_the_classes_as_the_loss_weighs_them() -> None:
    from tinysight.training.ratetest import _guess

    skewed = [90, 10]
    by_hand = -(0.9 * math.log(0.9) + 0.1 * math.log(0.1))
    assert _guess(skewed, None, 0.0) == pytest.approx(by_hand)
    assert _guess(skewed, torch.tensor([1.0, 9.0]), 0.0) == pytest.approx(math.log(2))
    assert _guess(skewed, None, 1.0) == pytest.approx(math.log(2))
    assert _guess([5, 0], None, 0.0) == 0
    weights = torch.tensor([0.5, 5.0])
    targets = torch.tensor([0] * 90 + [1] * 10)
    least = min(
        float(
            torch.nn.functional.cross_entropy(
                torch.tensor([math.log(p), math.log(1 - p)]).expand(100, 2),
                targets,
                weights,
                label_smoothing=0.1,
            )
        )
        for p in torch.linspace(0.001, 0.999, 999).tolist()
    )
    assert _guess(skewed, weights, 0.1) == pytest.approx(least, abs=1e-4)


def test_it_ends_where_the_loss_is_past_help(toy: DataSet, small: Recipe) -> None:
    found = find(toy, small, high=100.0, steps=100)
    assert found.diverged is not None
    assert len(found.rates) < 100
    assert found.rates[-1] <= found.diverged <= 100
    assert all(math.isfinite(loss) for loss in found.losses)


def test_a_loss_that_is_never_finite_suggests_nothing(
    toy: DataSet, small: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = (torch.zeros(()), torch.tensor(math.nan), torch.tensor(True))
    monkeypatch.setattr(ratetest, "update", lambda *_, **__: broken)
    with pytest.raises(UsageError, match=r"gradient is not finite: it is so before the weights"):
        find(toy, small)
    one = iter([(torch.zeros(()), torch.tensor(2.0), torch.tensor(False)), broken])
    monkeypatch.setattr(ratetest, "update", lambda *_, **__: next(one))
    with pytest.raises(UsageError, match=r"not finite at a rate of 0\.001 already; give a lower"):
        find(toy, small)


def test_ctrl_c_ends_it_after_its_step(toy: DataSet, small: Recipe) -> None:
    steps: list[int] = []

    def shown(done: int, total: int) -> None:
        steps.append(done)
        assert total == 60
        if done == 3:
            os.kill(os.getpid(), signal.SIGINT)

    with (
        pytest.raises(
            Interrupted, match="stopped by SIGINT at step 3 of 60 .* nothing was saved"
        ) as e,
        StopRequest() as stop,
    ):
        find(toy, small, shown=shown, stop=stop)
    assert e.value.exit_code == 130
    assert steps == [1, 2, 3]


def test_bounds_are_by_the_optimiser_unless_they_are_given() -> None:
    assert bounds(Optim(name="adam", lr=0.5), None, None) == pytest.approx((1e-5, 1.0))
    assert bounds(Optim(name="sgd"), None, None) == pytest.approx((1e-3, 100.0))
    assert bounds(Optim(name="sgd"), 0.01, 1) == (0.01, 1)
    muon = Optim(name="muon", lr=0.1, lr_bias=20.0)
    assert bounds(muon, None, None) == pytest.approx((1.2e-3, 5.0))
    low, high = bounds(Optim(name="adam"), None, 1e-6)
    assert low < high == 1e-6


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [
        (0.0, None, "low must be a finite rate above 0, got 0.0"),
        (None, math.inf, "high must be a finite rate above 0, got inf"),
        (True, None, "low must be a finite rate above 0, got True"),
        ("0.1", None, "low must be a finite rate above 0, got '0.1'"),
        (0.1, 0.1, r"low \(0.1\) must be below high \(0.1\), by a factor of 100 say"),
        (
            None,
            20,
            r"high \(20\) would set optim.lr_bias above the 1000 that a recipe may have; "
            "use at most 5",
        ),
        (6.0, None, r"low \(6\) must be below high \(5\), by a factor of 100 say"),
    ],
)
def test_bounds_that_cannot_be_are_refused(low: Any, high: Any, text: str) -> None:
    with pytest.raises(UsageError, match=text):
        bounds(Optim(name="muon", lr=0.1, lr_bias=20.0), low, high)


@pytest.mark.parametrize("steps", [19, 2_001, 50.0, True, None])
def test_steps_that_draw_no_curve_are_refused(steps: Any) -> None:
    with pytest.raises(UsageError, match="steps must be a whole number from 20 to 2,000, got"):
        check_steps(steps)
    check_steps(20)
