"""Where a training is gone on from: what is damaged, complete, cut short, or does not fit."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import torch
from tests.training.runs import (
    PER_EPOCH,
    Runner,
    assert_equal,
    go_on,
    same,
    stopping_after,
    stopping_in,
    untimed,
)

from tinysight import training
from tinysight.data.dataset import DataSet
from tinysight.errors import CheckpointError, Interrupted, UsageError
from tinysight.progress import Progress
from tinysight.recipe import Recipe
from tinysight.run import RunFolder, Unfinished
from tinysight.training import loop


@pytest.fixture
def expected(run: Runner, toy: DataSet, small: Recipe, tmp_path: Path) -> RunFolder:
    """A run that was not stopped."""
    recipe = small.override_all({"epochs": 3, "schedule.name": "cosine", "ema": 0.9})
    return run(toy, recipe, tmp_path / "expected")


class Listening(Progress):
    """Keeps what is said."""

    def __init__(self) -> None:
        super().__init__(quiet=True)
        self.said: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)
        super().say(text)


def test_a_run_without_a_checkpoint_begins_anew(
    run: Runner,
    toy: DataSet,
    expected: RunFolder,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
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
    expected: RunFolder,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = RunFolder(tmp_path / "run")
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
    assert all(f.problem is None for f in folder.verify())
    assert_equal(folder, expected)


def damage(folder: RunFolder, tag: str, kind: str = "weights") -> None:
    said = folder.read_json(f"checkpoints/{tag}")
    file = folder.path / "checkpoints" / (f"{tag}.json" if kind == "json" else said[kind])
    file.write_bytes(file.read_bytes()[:-7])


def test_it_falls_back_again_where_it_is_damaged_again(
    run: Runner, toy: DataSet, expected: RunFolder, tmp_path: Path
) -> None:
    folder = RunFolder(tmp_path / "run")
    with stopping_in(PER_EPOCH + 3), pytest.raises(Interrupted):
        run(toy, expected.recipe(), folder.path)
    for _ in range(2):
        damage(folder, "last")
        with stopping_in(PER_EPOCH + 3), pytest.raises(Interrupted):
            go_on(toy, folder)
        assert all(f.problem is None for f in folder.verify())
        assert folder.read_json("checkpoints/before")["numbers"]["step"] == PER_EPOCH
    assert_equal(go_on(toy, folder), expected)


@pytest.mark.parametrize("kind", ["weights", "json"])
def test_a_best_that_is_damaged_is_chosen_anew_and_said(
    kind: str, run: Runner, toy: DataSet, small: Recipe, tmp_path: Path
) -> None:
    recipe, folder = small.override("epochs", 4), RunFolder(tmp_path / "run")
    with stopping_in(2 * PER_EPOCH + 3), pytest.raises(Interrupted):
        run(toy, recipe, folder.path)
    damage(folder, "best", kind)
    heard = Listening()
    training.resume(training.plan(toy, recipe, device="cpu"), folder, progress=heard)
    assert " expected, " in heard.said[0]
    assert heard.said[0].endswith("; it is given up")
    assert "the weights of epoch 1, the best so far, are lost; it is chosen" in " ".join(heard.said)
    assert folder.load_checkpoint("best").state["epoch"] in (3, 4)
    assert all(f.problem is None for f in folder.verify())


def test_a_best_of_an_epoch_that_is_done_again_is_chosen_anew(
    run: Runner, toy: DataSet, small: Recipe, tmp_path: Path
) -> None:
    """`last` and `best` are of epoch 2, `before` is of epoch 1."""
    recipe, folder = small.override("epochs", 3), RunFolder(tmp_path / "run")
    with stopping_after(2), pytest.raises(Interrupted):
        run(toy, recipe, folder.path)
    assert folder.state("best")["epoch"] == 2
    damage(folder, "last", "training")
    heard = Listening()
    training.resume(training.plan(toy, recipe, device="cpu"), folder, progress=heard)
    assert "the best so far is of epoch 2, before it went back; it is kept until" in " ".join(
        heard.said
    )
    assert_equal(folder, run(toy, recipe, tmp_path / "whole"))


def test_where_no_checkpoint_is_whole_nothing_is_gone_on_with(
    run: Runner, toy: DataSet, small: Recipe, tmp_path: Path
) -> None:
    folder = run(toy, small, tmp_path / "run")
    for file in (folder.path / "checkpoints").glob("training-*"):
        file.write_bytes(b"")
    with pytest.raises(CheckpointError, match="is damaged: sha256 .* expected, .* found") as error:
        go_on(toy, folder, epochs=9)
    assert f"; no checkpoint is whole: train anew with --recipe {folder.path}" in str(error.value)


def reported(folder: RunFolder) -> None:
    """Leave what an evaluation and a report leave."""
    found = {"weights": folder.digest("best")}
    folder.write_json("evaluation/validation/metrics", found)
    folder.write({"report.html": "made"})


def test_a_complete_training_goes_on_with_more_epochs_alone(
    run: Runner, toy: DataSet, small: Recipe, tmp_path: Path
) -> None:
    folder = run(toy, small, tmp_path / "run")
    reported(folder)
    before = folder.verify()
    said = "has done 2 of 2 epochs and is complete; to go on, give it more, epochs=4 say"
    with pytest.raises(UsageError, match=said):
        go_on(toy, folder)
    with pytest.raises(UsageError, match=said):
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
    reported(folder)
    folder.write_json("evaluation/validation/metrics", {"weights": "of an earlier epoch"})
    go_on(toy, folder)  # the report is of other weights
    reported(folder)
    with pytest.raises(UsageError, match="is complete"):
        go_on(toy, folder)


def test_one_that_stopped_early_waits_anew_where_it_is_given_more(
    run: Runner, toy: DataSet, small: Recipe, tmp_path: Path
) -> None:
    recipe = small.override_all({"epochs": 9, "patience": 2, "optim.lr": 1e-9})
    folder = run(toy, recipe, tmp_path / "run")
    assert (len(folder.metrics()), folder.state("last")["stopped"]) == (3, "early")
    reported(folder)
    for epochs in (9, 4):
        with pytest.raises(UsageError, match="3 of 9 epochs and is complete; .* epochs=18 say"):
            go_on(toy, folder, epochs=epochs)
    go_on(toy, folder, epochs=18)
    assert (len(folder.metrics()), folder.state("last")["stopped"]) == (5, "early")


def test_one_that_was_stopped_at_the_end_that_it_is_given_is_complete(
    run: Runner, toy: DataSet, small: Recipe, tmp_path: Path
) -> None:
    folder = RunFolder(tmp_path / "run")
    with stopping_after(1), pytest.raises(Interrupted):
        run(toy, small, folder.path)
    heard = Listening()
    shorter = small.override("epochs", 1)
    training.resume(training.plan(toy, shorter, device="cpu"), folder, progress=heard)
    assert heard.said == ["the training is complete; it is evaluated and reported"]
    assert (folder.state("last")["stopped"], folder.recipe().epochs) == ("completed", 1)
    reported(folder)
    with pytest.raises(UsageError, match="has done 1 of 1 epochs and is complete; to go on, give"):
        go_on(toy, folder, epochs=0.5)


def test_less_than_was_done_is_refused(
    run: Runner, toy: DataSet, small: Recipe, tmp_path: Path
) -> None:
    folder = RunFolder(tmp_path / "run")
    with stopping_in(9), pytest.raises(Interrupted):
        run(toy, small, folder.path)
    with pytest.raises(UsageError, match=r"has done 1\.5 of 2 epochs; to go on, give it more, epo"):
        go_on(toy, folder, epochs=1)


def test_where_the_last_is_kept_nothing_is_said_of_the_best(
    run: Runner, toy: DataSet, small: Recipe, tmp_path: Path
) -> None:
    """At a rate of nothing the first epoch stays the best, and the second is kept."""
    recipe = small.override_all({"keep": "last", "optim.lr": 1e-30, "epochs": 3})
    folder = RunFolder(tmp_path / "run")
    with stopping_in(2 * PER_EPOCH + 2), pytest.raises(Interrupted):
        run(toy, recipe, folder.path)
    assert folder.state("best")["epoch"] == 2
    heard = Listening()
    training.resume(training.plan(toy, recipe, device="cpu"), folder, progress=heard)
    assert not any("the best so far" in text for text in heard.said)
    assert folder.state("best")["epoch"] == 3


def test_a_better_checkpoint_of_a_later_epoch_is_not_lost(
    run: Runner, toy: DataSet, small: Recipe, tmp_path: Path
) -> None:
    """`last` is damaged, and what is gone on with is another training, by its length."""
    folder = run(toy, small, tmp_path / "run")
    best = folder.load_checkpoint("best")
    assert best.state["epoch"] == 2
    damage(folder, "last", "json")
    go_on(toy, folder, epochs=3, **{"optim.lr": 1e-9})
    assert len(folder.metrics()) == 3
    assert same(folder.load_checkpoint("best").tensors, best.tensors)
    assert folder.load_checkpoint("last").state["validation_accuracy"] < 1


def test_the_recipe_is_another_from_the_first_save_on(
    run: Runner, toy: DataSet, small: Recipe, tmp_path: Path
) -> None:
    folder = run(toy, small, tmp_path / "run")
    before = folder.verify(), folder.recipe()
    with patch.object(training, "fit", side_effect=MemoryError), pytest.raises(MemoryError):
        go_on(toy, folder, epochs=5)
    assert (folder.verify(), folder.recipe()) == before
    with stopping_in(2 * PER_EPOCH + 1), pytest.raises(Interrupted):
        go_on(toy, folder, epochs=5)
    assert folder.recipe().epochs == 5


def test_nothing_is_traced_where_no_step_is_left(
    run: Runner, toy: DataSet, small: Recipe, tmp_path: Path
) -> None:
    folder = RunFolder(tmp_path / "run")
    with stopping_in(2 * PER_EPOCH), pytest.raises(Interrupted):
        run(toy, small, folder.path)
    ready = training.plan(toy, small, device="cpu")
    training.resume(ready, folder, trace=True, progress=Progress(quiet=True))
    assert len(folder.metrics()) == 2
    assert not (folder.path / "trace.txt").exists()


def test_an_epoch_that_was_cut_short_is_completed(
    run: Runner, toy: DataSet, small: Recipe, tmp_path: Path
) -> None:
    """As if it had not been measured at its half: for the plateau, say, which waits for a loss."""
    recipe = small.override_all(
        {"epochs": 1.5, "schedule.name": "plateau", "schedule.patience": 1, "optim.lr": 0.3}
    )
    folder = run(toy, recipe, tmp_path / "run")
    assert [row["step"] for row in folder.metrics()] == [6, 9]
    go_on(toy, folder, epochs=5)
    whole = run(toy, recipe.override("epochs", 5), tmp_path / "whole")
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
        (lambda t, n: (t | {"tally": t["tally"].long()}, n), "of another type: training tally"),
        (lambda t, n: (t, n | {"step": -1}), "step must be greater than or equal to 0"),
        (lambda t, n: (t, n | {"step": "7"}), "step must be a valid integer"),
        (lambda t, n: (t, n | {"epoch": 5}), "stands at step 3 with 5 epochs of 6 steps complete"),
        (lambda t, n: (t, n | {"step": 8}), "stands at step 8 with 0 epochs of 6 steps complete"),
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
