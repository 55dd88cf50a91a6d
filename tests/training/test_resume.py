"""A training that was stopped and gone on with ends to the bit as one that was not."""

import math
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import torch
from tests.training.runs import Runner, same

from tinysight import training
from tinysight.data.dataset import DataSet
from tinysight.errors import CheckpointError, Interrupted, UsageError
from tinysight.progress import Progress
from tinysight.recipe import Recipe
from tinysight.run import RunFolder, Unfinished
from tinysight.training import loop
from tinysight.training.resuming import Carried, Standing

PER_EPOCH, EPOCHS = 6, 3  # of `small` on `toy`
QUIET = Progress(quiet=True)

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
TIMES = {"seconds", "pictures_per_second", "seconds_process", "epoch_seconds", "peak_memory_bytes"}


@contextmanager
def stopping_in(step: int) -> Iterator[None]:
    """Send SIGTERM to this process while a training does its step of that number, from 1."""
    real = loop.factor

    def factor(settings: Any, at: int, *rest: Any) -> float:
        if at + 1 == step:
            os.kill(os.getpid(), signal.SIGTERM)
        return real(settings, at, *rest)

    with patch.object(loop, "factor", factor):
        yield


@contextmanager
def stopping_after(epoch: int) -> Iterator[None]:
    """The same while it measures at the end of an epoch."""
    real, seen = loop.score, []

    def score(*words: Any) -> tuple[float, float]:
        seen.append(1)
        if len(seen) == 2 * epoch - 1:  # of clean and validation accuracy
            os.kill(os.getpid(), signal.SIGTERM)
        return real(*words)

    with patch.object(loop, "score", score):
        yield


def go_on(data: DataSet, folder: RunFolder, **fields: Any) -> RunFolder:
    recipe = folder.recipe().override_all(fields)
    return training.resume(training.plan(data, recipe, device="cpu"), folder, progress=QUIET)


def untimed(values: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in values.items() if k not in TIMES and v == v}


def assert_equal(found: RunFolder, whole: RunFolder) -> None:
    """Everything of two runs but their times."""
    for tag in ("last", "best"):
        a, b = found.load_checkpoint(tag), whole.load_checkpoint(tag)
        assert same(a.tensors, b.tensors), tag
        # The best may have been written while the training was being stopped.
        now = {} if tag == "last" else {"stopped": None}
        assert untimed(a.state | now) == untimed(b.state | now)
    a, b = found.load_checkpoint("last").training, whole.load_checkpoint("last").training
    assert a is not None
    assert b is not None
    assert same(a.tensors, b.tensors)
    assert untimed(a.numbers) == untimed(b.numbers)
    rows = [[untimed(row) for row in folder.metrics()] for folder in (found, whole)]
    assert rows[0] == rows[1]
    assert [row["epoch"] for row in rows[0]] == list(range(1, len(rows[0]) + 1))


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
        ("constant, dropout", lambda: patch.object(loop, "_seed_dropout", lambda *_: None)),
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


# What else is gone on from.


def test_a_run_without_a_checkpoint_begins_anew(
    run: Runner,
    toy: DataSet,
    whole: Callable[[str], RunFolder],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    expected = whole("sgd")
    with patch.object(training, "fit", side_effect=KeyError), pytest.raises(KeyError):
        run(toy, expected.recipe(), tmp_path / "run")
    folder = RunFolder(tmp_path / "run")
    training.resume(training.plan(toy, folder.recipe(), device="cpu"), folder, progress=Progress())
    assert "nothing was saved yet: beginning anew" in capsys.readouterr().err
    assert_equal(folder, expected)


@pytest.mark.parametrize("kind", ["weights", "training", "json"])
def test_a_damaged_last_checkpoint_falls_back_to_the_one_before(
    kind: str,
    run: Runner,
    toy: DataSet,
    whole: Callable[[str], RunFolder],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    expected, folder = whole("cosine, ema"), RunFolder(tmp_path / "run")
    with stopping_in(PER_EPOCH + 3), pytest.raises(Interrupted):
        run(toy, expected.recipe(), folder.path)
    said = folder.read_json("checkpoints/last")
    name = "last.json" if kind == "json" else said[kind]
    file = folder.path / "checkpoints" / name
    file.write_bytes(file.read_bytes()[:-7])
    with pytest.raises(CheckpointError, match=f"{name} is damaged: sha256 .* expected, .* found"):
        folder.load_checkpoint("last")
    training.resume(training.plan(toy, folder.recipe(), device="cpu"), folder, progress=Progress())
    said = capsys.readouterr().err
    assert f"{name} is damaged: sha256" in said
    assert "going on from the checkpoint before it" in said
    assert "going on from step 6 of 18" in said
    assert_equal(folder, expected)


def test_where_no_checkpoint_is_whole_nothing_is_gone_on_with(
    run: Runner, toy: DataSet, small: Recipe, tmp_path: Path
) -> None:
    folder = run(toy, small, tmp_path / "run")
    for file in (folder.path / "checkpoints").glob("training-*"):
        file.write_bytes(b"")
    with pytest.raises(CheckpointError, match="is damaged: sha256 .* expected, .* found"):
        go_on(toy, folder, epochs=9)


def test_a_complete_training_goes_on_with_more_epochs_alone(
    run: Runner, toy: DataSet, small: Recipe, tmp_path: Path
) -> None:
    folder = run(toy, small, tmp_path / "run")
    folder.write({"report.html": "made"})
    before = folder.verify()
    with pytest.raises(UsageError, match="has done 2 of 2 epochs and is complete; to go on, give"):
        go_on(toy, folder)
    with pytest.raises(UsageError, match=r"has done 2 of 1\.5 epochs and is complete; to go on, g"):
        go_on(toy, folder, epochs=1.5)
    assert folder.verify() == before
    go_on(toy, folder, epochs=4)
    assert [row["step"] for row in folder.metrics()] == [6, 12, 18, 24]
    assert folder.recipe().epochs == 4
    assert folder.state("last")["stopped"] == "completed"


def test_a_complete_training_without_a_report_is_only_reported(
    run: Runner, toy: DataSet, small: Recipe, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = run(toy, small, tmp_path / "run")
    before = folder.read("checkpoints/last.json")
    training.resume(training.plan(toy, small, device="cpu"), folder, progress=Progress())
    assert "the training is complete; it is evaluated and reported" in capsys.readouterr().err
    assert folder.read("checkpoints/last.json") == before


def test_an_epoch_that_was_cut_short_is_completed(
    run: Runner, toy: DataSet, small: Recipe, tmp_path: Path
) -> None:
    recipe = small.override("epochs", 1.5).override("schedule.name", "constant")
    folder = run(toy, recipe, tmp_path / "run")
    assert [row["step"] for row in folder.metrics()] == [6, 9]
    go_on(toy, folder, epochs=3)
    whole = run(toy, recipe.override("epochs", 3), tmp_path / "whole")
    assert same(folder.load_checkpoint("last").tensors, whole.load_checkpoint("last").tensors)
    assert [untimed(r) for r in folder.metrics()] == [untimed(r) for r in whole.metrics()]


def test_within_a_long_epoch_it_is_saved_too(
    run: Runner, toy: DataSet, small: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved: list[int] = []
    real = RunFolder.save_checkpoint

    def save(self: RunFolder, tags: Any, tensors: Any, state: Any, **named: Any) -> None:
        saved.append(state["step"])
        real(self, tags, tensors, state, **named)

    monkeypatch.setattr(RunFolder, "save_checkpoint", save)
    monkeypatch.setattr(loop, "SAVE_SECONDS", 0.0)
    often = run(toy, small, tmp_path / "often")
    assert saved == [1, 2, 3, 4, 5, 6, 6, 7, 8, 9, 10, 11, 12, 12]
    monkeypatch.setattr(loop, "SAVE_SECONDS", math.inf)
    assert_equal(often, run(toy, small, tmp_path / "seldom"))
    assert saved[14:] == [6, 12]


# What is refused


def test_a_checkpoint_of_weights_alone_is_no_place_to_go_on_from(
    run: Runner, toy: DataSet, small: Recipe, tmp_path: Path
) -> None:
    folder = run(toy, small, tmp_path / "run")
    kept = folder.load_checkpoint("last")
    folder.save_checkpoint(("last",), kept.tensors, {"stopped": "interrupted"})
    with pytest.raises(CheckpointError, match="has weights alone, and cannot be gone on from"):
        go_on(toy, folder)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (
            lambda t, n: (t | {"tally": torch.zeros(3)}, n),
            r"the last checkpoint of .* does not fit its recipe: of another shape: training tally",
        ),
        (lambda t, n: ({k: v for k, v in t.items() if k != "tally"}, n), "missing: training tally"),
        (lambda t, n: (t | {"optim.9": torch.zeros(1)}, n), r"extra: training optim\.9"),
        (
            lambda t, n: ({k: torch.full_like(v, math.nan) for k, v in t.items()}, n),
            "has values not finite",
        ),
        (lambda t, n: (t, n | {"step": -1}), "step must be greater than or equal to 0"),
        (lambda t, n: (t, n | {"position": 3}), "position Extra inputs are not permitted"),
    ],
)
def test_a_checkpoint_that_does_not_fit_is_refused(
    change: Callable[..., Any],
    text: str,
    run: Runner,
    toy: DataSet,
    small: Recipe,
    tmp_path: Path,
) -> None:
    with stopping_in(3), pytest.raises(Interrupted):
        run(toy, small, tmp_path / "run")
    folder = RunFolder(tmp_path / "run")
    kept = folder.load_checkpoint("last")
    assert kept.training is not None
    bad = Unfinished(*change(kept.training.tensors, kept.training.numbers))
    folder.save_checkpoint(("last",), kept.tensors, kept.state, training=bad)
    with pytest.raises(CheckpointError, match=text):
        go_on(toy, folder)
