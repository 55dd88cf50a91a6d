"""A training that was stopped and gone on with ends to the bit as one that was not."""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from tests.training.runs import (
    PER_EPOCH,
    Runner,
    assert_equal,
    go_on,
    stopping_after,
    stopping_in,
)

from tinysight.data.dataset import DataSet
from tinysight.errors import Interrupted
from tinysight.recipe import Recipe
from tinysight.run import RunFolder
from tinysight.training import loop
from tinysight.training.resuming import Carried, Standing
from tinysight.training.tally import Tally

EPOCHS = 3

RECIPES: dict[str, dict[str, Any]] = {
    "sgd": {},
    "sgd without momentum": {"optim.momentum": 0.0, "optim.nesterov": False},
    "adam": {"optim.name": "adam", "optim.lr": 0.003},
    "adamw": {"optim.name": "adamw", "optim.lr": 0.003, "optim.clip": 1.0},
    "muon": {"optim.name": "muon", "optim.lr": 0.05, "optim.lr_bias": 0.1},
    "cosine, ema": {"schedule.name": "cosine", "schedule.warmup": 1, "ema": 0.9},
    "linear, adam, ema": {"schedule.name": "linear", "optim.name": "adam", "ema": 0.8},
    "plateau": {"schedule.name": "plateau", "schedule.patience": 1, "optim.lr": 0.5},
    "constant, dropout": {"schedule.name": "constant", "model.dropout": 0.4},
    "mixup": {"augment.mixup": 0.4, "augment.flip": True, "augment.crop": 1},
    "cutmix, smoothing": {"augment.cutmix": 1.0, "loss.label_smoothing": 0.1},
    "early stopping": {"patience": 1, "optim.lr": 1e-9, "epochs": 9},
    "final fit": {"final": True},
    "half an epoch": {"epochs": 2.5},
    "smaller pictures first": {"augment.shrink": 0.75, "augment.erase": 0.5},
}


@pytest.fixture(scope="module")
def wholes() -> dict[str, RunFolder]:
    """Runs that were not stopped, by their recipe."""
    return {}


@pytest.fixture
def whole(
    wholes: dict[str, RunFolder],
    run: Runner,
    toy: DataSet,
    small: Recipe,
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[[str], RunFolder]:
    def made(name: str) -> RunFolder:
        if name not in wholes:
            recipe = small.override_all({"epochs": EPOCHS, **RECIPES[name]})
            wholes[name] = run(toy, recipe, tmp_path_factory.mktemp("whole") / "run")
        return wholes[name]

    return made


@pytest.mark.parametrize(
    "at", [1, PER_EPOCH + 2, 2 * PER_EPOCH, "edge"], ids=["first", "middle", "last", "edge"]
)
@pytest.mark.parametrize("name", RECIPES)
def test_a_resumed_training_ends_as_one_that_was_not_stopped(
    name: str,
    at: int | str,
    run: Runner,
    toy: DataSet,
    whole: Callable[[str], RunFolder],
    tmp_path: Path,
) -> None:
    expected = whole(name)
    stop = stopping_after(1) if at == "edge" else stopping_in(int(at))
    with stop, pytest.raises(Interrupted, match="go on with tinysight train --resume"):
        run(toy, expected.recipe(), tmp_path / "run")
    assert_equal(go_on(toy, RunFolder(tmp_path / "run")), expected)


@pytest.mark.parametrize("name", RECIPES)
def test_three_resumes_in_a_chain(
    name: str, run: Runner, toy: DataSet, whole: Callable[[str], RunFolder], tmp_path: Path
) -> None:
    expected, folder = whole(name), RunFolder(tmp_path / "run")
    with stopping_in(2), pytest.raises(Interrupted):
        run(toy, expected.recipe(), folder.path)
    for step in (PER_EPOCH, PER_EPOCH + 5):
        with stopping_in(step), pytest.raises(Interrupted):
            go_on(toy, folder)
    assert_equal(go_on(toy, folder), expected)
    assert [r["step"] for r in folder.read_json("environment")["resumed"]] == [2, 6, 11]


def test_the_kernels_and_bf16_go_on_to_the_bit(run: Runner, toy: DataSet, tmp_path: Path) -> None:
    recipe = Recipe(name="p3", epochs=2, batch_size=30, precision="bf16").override("model", "p3")
    first = run(toy, recipe, tmp_path / "whole")
    with stopping_in(4), pytest.raises(Interrupted):
        run(toy, recipe, tmp_path / "run")
    assert_equal(go_on(toy, RunFolder(tmp_path / "run")), first)


# Controls: what is not taken up again shows.


def forgetting(names: str) -> Any:
    """`Carried.take_up` that loses what is carried under names that begin so."""
    real = Carried.take_up

    def take_up(self: Carried, found: Any, tally: Any, folder: RunFolder) -> Standing:
        now = real(self, found, tally, folder)
        for name, tensor in self._others().items():
            if name.startswith(names):
                tensor.zero_()
        return now

    return patch.object(Carried, "take_up", take_up)


def displaced(by: int) -> Any:
    """The same, at another step than it was stopped in."""
    real = Carried.take_up

    def take_up(self: Carried, found: Any, tally: Any, folder: RunFolder) -> Standing:
        now = real(self, found, tally, folder)
        now.step += by
        return now

    return patch.object(Carried, "take_up", take_up)


def other_order() -> Any:
    real = loop.order
    return patch.object(
        loop, "order", lambda n, size, *, seed, epoch: real(n, size, seed=seed + 1, epoch=epoch)
    )


@pytest.mark.parametrize(
    ("name", "lost"),
    [
        ("sgd", lambda: forgetting("optim")),
        ("adam", lambda: forgetting("optim.0.steps")),
        ("muon", lambda: forgetting("optim.0.first")),
        ("cosine, ema", lambda: forgetting("model.net")),
        ("sgd", lambda: displaced(1)),
        ("sgd", lambda: displaced(-1)),
        ("sgd", other_order),
        ("constant, dropout", lambda: patch.object(loop, "seed_dropout", lambda *_: None)),
    ],
)
def test_what_is_not_taken_up_again_shows(
    name: str,
    lost: Callable[[], Any],
    run: Runner,
    toy: DataSet,
    whole: Callable[[str], RunFolder],
    tmp_path: Path,
) -> None:
    expected, folder = whole(name), RunFolder(tmp_path / "run")
    with stopping_in(PER_EPOCH + 2), pytest.raises(Interrupted):
        run(toy, expected.recipe(), folder.path)
    with lost():
        go_on(toy, folder)
    with pytest.raises(AssertionError):
        assert_equal(folder, expected)


# Decided by all that is counted from epoch to epoch: after epoch 2 the plateau has waited once,
# after 4 it has lowered the rate and waited again, after 5 the patience is at its end.
COUNTING = {
    "epochs": 9,
    "schedule.name": "plateau",
    "schedule.patience": 1,
    "schedule.factor": 0.5,
    "optim.lr": 1.0,
    "optim.momentum": 0.0,
    "optim.nesterov": False,
    "ema": 0.5,
    "patience": 4,
}


@pytest.fixture(scope="module")
def counted(run: Runner, toy: DataSet, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    recipe = Recipe(name="counting", batch_size=16, precision="fp32").override("model", "plain")
    asked = recipe.override_all({"model.width": 4, **COUNTING})
    return run(toy, asked, tmp_path_factory.mktemp("counted") / "run")


@pytest.mark.parametrize(
    ("field", "lost", "step"),
    [
        (None, None, 2 * PER_EPOCH + 2),
        (None, None, 4 * PER_EPOCH + 2),
        ("plateau_waited", 0, 2 * PER_EPOCH + 2),
        ("plateau_best", None, 2 * PER_EPOCH + 2),
        ("plateau_factor", 1.0, 4 * PER_EPOCH + 2),
        ("best", None, 2 * PER_EPOCH + 2),
        ("best_epoch", 2, 2 * PER_EPOCH + 2),
        ("risen_epoch", 3, 4 * PER_EPOCH + 2),
        ("averaged", 0, 2 * PER_EPOCH + 2),
        ("epoch_pictures", 0, 2 * PER_EPOCH + 2),
        ("tally", None, 2 * PER_EPOCH + 2),
    ],
)
def test_all_that_is_counted_is_taken_up_again(
    field: str | None,
    lost: Any,
    step: int,
    run: Runner,
    toy: DataSet,
    counted: RunFolder,
    tmp_path: Path,
) -> None:
    """Nothing lost: equal. Each number lost, or the running sums: not."""
    assert counted.state("last")["stopped"] == "early"
    assert len(counted.metrics()) == 5
    folder, real = RunFolder(tmp_path / "run"), Carried.take_up

    def take_up(self: Carried, found: Any, tally: Tally, where: RunFolder) -> Standing:
        if field not in (None, "tally"):
            found.training.numbers[field] = lost
        now = real(self, found, tally, where)
        if field == "tally":
            tally.sums.zero_()
        return now

    with stopping_in(step), pytest.raises(Interrupted):
        run(toy, counted.recipe(), folder.path)
    with patch.object(Carried, "take_up", take_up):
        go_on(toy, folder)
    if field is None:
        assert_equal(folder, counted)
        return
    with pytest.raises(AssertionError):
        assert_equal(folder, counted)
