import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.training.runs import Runner, same, weights

from tinysight.data.dataset import DataSet, Split
from tinysight.errors import RecipeError
from tinysight.evaluation.predict import probabilities, score
from tinysight.models.restore import restore
from tinysight.progress import Progress
from tinysight.recipe import Recipe
from tinysight.reporting.gathering import gather
from tinysight.training import loop, pictures, plan, train

COLUMNS = [
    "epoch",
    "step",
    "learning_rate",
    "train_loss_running",
    "train_accuracy_running",
    "train_loss_clean",
    "train_accuracy_clean",
    "validation_loss",
    "validation_accuracy",
    "pictures_per_second",
    "seconds",
]


def test_a_network_learns_and_the_run_says_so(
    run: Runner, toy: DataSet, small: Recipe, tmp_path: Path
) -> None:
    folder = run(toy, small.override("epochs", 6), tmp_path / "run")
    rows = folder.metrics()
    assert list(rows[0]) == COLUMNS
    assert [r["epoch"] for r in rows] == [1, 2, 3, 4, 5, 6]
    assert [r["step"] for r in rows] == [6, 12, 18, 24, 30, 36]
    assert rows[-1]["validation_accuracy"] > 0.9
    best = max(r["validation_accuracy"] for r in rows)
    assert folder.load_checkpoint("best").state["validation_accuracy"] == best
    state = folder.load_checkpoint("last").state
    assert state["stopped"] == "completed"
    if sys.platform == "linux":
        assert state["seconds_process"] > state["seconds"] > 0
    loss, accuracy = score(restore(folder, "last"), toy.validation.images, toy.validation.labels)
    assert (loss, accuracy) == (rows[-1]["validation_loss"], rows[-1]["validation_accuracy"])


def test_equal_recipe_and_seed_give_equal_weights(
    run: Runner, toy: DataSet, small: Recipe, tmp_path: Path
) -> None:
    recipe = small.override("model.dropout", 0.3).override("augment.flip", True)
    before = torch.get_rng_state()
    first = weights(run(toy, recipe, tmp_path / "a"))
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(123)
    assert same(first, weights(run(toy, recipe, tmp_path / "b")))
    assert not same(first, weights(run(toy, recipe.override("seed", 1), tmp_path / "c")))


def test_a_plan_can_be_carried_out_again(toy: DataSet, small: Recipe, tmp_path: Path) -> None:
    ready = plan(toy, small, device="cpu")
    before = {k: v.clone() for k, v in ready.model.state_dict().items()}
    first, again = (
        weights(train(ready, out=tmp_path / name, progress=Progress(quiet=True)))
        for name in ("a", "b")
    )
    assert same(first, again)
    assert same(before, ready.model.state_dict())


def test_timing_an_evaluation_leaves_the_training_as_it_is(
    run: Runner, toy: DataSet, small: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = small.override("model.dropout", 0.3).override("model.batchnorm", True)
    first = weights(run(toy, recipe, tmp_path / "a"))
    monkeypatch.setattr("tinysight.progress.FIRST_ESTIMATE", -1.0)
    monkeypatch.setattr(loop, "SHOW_SECONDS", 0.0)
    timed: list[float] = []

    def noticed(*words: Any) -> float:
        timed.append(seconds(*words))
        return timed[-1]

    seconds = pictures.seconds_of
    monkeypatch.setattr(loop, "seconds_of", noticed)
    assert same(first, weights(run(toy, recipe, tmp_path / "b")))
    assert len(timed) == 1
    assert timed[0] > 0


class Locked(Split):
    """A split that tells how large it is, and nothing else."""

    def __getattribute__(self, name: str) -> Any:
        if name in ("images", "labels", "masks", "take"):
            raise AssertionError(f"the {name} of a locked split were read")
        return super().__getattribute__(name)

    def __len__(self) -> int:
        return len(self.ids)

    def counts(self, classes: int) -> list[int]:
        return [len(self) // classes] * classes


def test_training_does_not_read_the_test_split(
    run: Runner, toy: DataSet, small: Recipe, tmp_path: Path
) -> None:
    assert toy.test is not None
    locked = Locked(toy.test.images, toy.test.labels, toy.test.ids)
    folder = run(replace(toy, test=locked), small, tmp_path / "run")
    assert folder.data()["splits"]["test"]["counts"] == [10, 10, 10]
    assert same(weights(folder), weights(run(toy, small, tmp_path / "open")))
    with pytest.raises(AssertionError, match="the labels of a locked split were read"):
        len(locked.labels)


@pytest.mark.parametrize("optim", ["sgd", "adam", "adamw"])
@pytest.mark.parametrize("schedule", ["constant", "cosine", "onecycle", "plateau"])
def test_every_optimiser_with_every_schedule(
    optim: str, schedule: str, run: Runner, toy: DataSet, small: Recipe, tmp_path: Path
) -> None:
    recipe = small.override("optim.name", optim).override("schedule.name", schedule)
    recipe = recipe.override("optim.lr", 0.01).override("optim.clip", 1.0).override("epochs", 3)
    rows = run(toy, recipe, tmp_path / "run").metrics()
    assert rows[-1]["train_loss_clean"] < rows[0]["train_loss_running"]


@pytest.mark.parametrize(
    "change", ["augment.mixup", "augment.cutmix", "ema", "loss.label_smoothing"]
)
def test_an_option_changes_the_weights(
    change: str, run: Runner, toy: DataSet, small: Recipe, tmp_path: Path
) -> None:
    plain = weights(run(toy, small, tmp_path / "a"))
    assert not same(plain, weights(run(toy, small.override(change, 0.5), tmp_path / "b")))


def test_the_learning_rate_follows_the_plateau(
    run: Runner, toy: DataSet, small: Recipe, tmp_path: Path
) -> None:
    recipe = small.override("schedule.name", "plateau").override("schedule.patience", 1)
    recipe = recipe.override("optim.lr", 1e-9).override("epochs", 5).override("optim.momentum", 0)
    rates = [r["learning_rate"] for r in run(toy, recipe, tmp_path / "run").metrics()]
    assert rates[0] == 1e-9
    assert rates[-1] == pytest.approx(1e-10)


def test_of_equal_accuracies_the_lowest_loss_is_best(
    run: Runner, toy: DataSet, small: Recipe, tmp_path: Path
) -> None:
    folder = run(toy, small.override("epochs", 12), tmp_path / "run")
    rows = folder.metrics()
    top = max(r["validation_accuracy"] for r in rows)
    equal = [r for r in rows if r["validation_accuracy"] == top]
    assert len(equal) > 1
    chosen = min(equal, key=lambda r: r["validation_loss"])
    assert folder.load_checkpoint("best").state["epoch"] == chosen["epoch"] > equal[0]["epoch"]


def test_a_batch_above_the_data_is_refused(
    run: Runner, toy: DataSet, small: Recipe, tmp_path: Path
) -> None:
    with pytest.raises(RecipeError, match=r"batch_size \(91\) is above the 90 training pictures"):
        run(toy, small.override("batch_size", 91), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_batch_of_one_is_refused_where_a_norm_needs_two(toy: DataSet, small: Recipe) -> None:
    tiny = replace(toy, train=replace(toy.train, images=toy.train.images[:, :4, :4]))
    recipe = small.override("model", "p3")
    one = replace(tiny, train=tiny.train.take(torch.arange(3)))
    text = r"batch_size \(2\) leaves a batch of one of the 3 training pictures, of which net.block3"
    with pytest.raises(RecipeError, match=text):
        plan(one, recipe.override("batch_size", 2))
    plan(one, recipe.override("batch_size", 3))
    plan(replace(toy, train=toy.train.take(torch.arange(3))), recipe.override("batch_size", 2))


def test_the_plan_says_of_how_many_pictures_an_accuracy_is(toy: DataSet, small: Recipe) -> None:
    ready = plan(toy, small.override("batch_size", 90).override("epochs", 1), device="cpu")
    said = " ".join(str(ready).split())
    # Wilson, 15 of 30: 33.2 to 66.8 %
    assert "validation accuracy of 30 pictures, within 16.8 points (95%)" in said
    assert "clean training accuracy of 30, within 16.8 points" in said
    assert "1 epoch of 1 step, batch 90" in said
    long = replace(ready, notes=("a word " * 40,))
    assert max(map(len, str(long).splitlines())) <= 100


def test_class_weights_of_another_number_are_refused(toy: DataSet, small: Recipe) -> None:
    with pytest.raises(RecipeError, match="class_weights has 2 weights, the data set 3 classes"):
        plan(toy, small.override("loss.class_weights", (1.0, 2.0)))


def test_class_weights_reach_the_loss(
    run: Runner, toy: DataSet, small: Recipe, tmp_path: Path
) -> None:
    recipe = small.override("loss.class_weights", (1.0, 0.0, 0.0)).override("epochs", 5)
    model = restore(run(toy, recipe, tmp_path / "run"), "last")
    assert (probabilities(model, toy.test.images).argmax(1) == 0).all()  # pyright: ignore[reportOptionalMemberAccess]


def test_any_seed_will_do(run: Runner, toy: DataSet, small: Recipe, tmp_path: Path) -> None:
    large = run(toy, small.override("seed", 2**63 - 1), tmp_path / "a")
    assert not same(weights(large), weights(run(toy, small, tmp_path / "b")))


def test_the_running_loss_is_on_the_scale_of_the_others(
    run: Runner, toy: DataSet, small: Recipe, tmp_path: Path
) -> None:
    recipe = small.override("loss.label_smoothing", 0.5).override("epochs", 1)
    recipe = recipe.override("optim.lr", 1e-9)
    (row,) = run(toy, recipe, tmp_path / "run").metrics()
    assert row["train_loss_running"] == pytest.approx(row["train_loss_clean"], rel=0.05)


@pytest.mark.parametrize(
    ("epochs", "ends", "lasted"),
    # 3.0000000000000004 is what 0.1 * 3 * 10 comes to
    [
        (0.5, [3], 3),
        (1.5, [6, 9], 9),
        (0.01, [1], 1),
        (1e-9, [1], 1),
        (0.1 * 3 * 10, [6, 12, 18], 18),
    ],
)
def test_the_last_epoch_may_be_cut_short(
    epochs: float,
    ends: list[int],
    lasted: int,
    run: Runner,
    toy: DataSet,
    small: Recipe,
    tmp_path: Path,
) -> None:
    folder = run(toy, small.override("epochs", epochs), tmp_path / "run")
    rows = folder.metrics()
    assert [r["step"] for r in rows] == ends
    assert rows[-1]["learning_rate"] == 0 or lasted == 1  # one cycle, gone through to its end
    assert folder.state("last")["stopped"] == "completed"
    drawn = gather(folder).rates
    assert drawn[-1][0] == pytest.approx(min(epochs, lasted / 6))
