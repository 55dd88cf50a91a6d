import gzip
import json
import math
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tinysight import training
from tinysight.data.dataset import DataSet, Split
from tinysight.errors import CheckpointError, Diverged, Interrupted, ModelError, RecipeError
from tinysight.evaluation.predict import probabilities, score
from tinysight.models.layers import Classifier
from tinysight.models.restore import restore, warm_start
from tinysight.progress import Progress
from tinysight.recipe import Recipe
from tinysight.reporting.gathering import gather
from tinysight.run import RunFolder
from tinysight.training import loop, plan, train
from tinysight.training.loop import fit

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
Runner = Callable[..., RunFolder]


def weights(folder: RunFolder, tag: str = "last") -> dict[str, Tensor]:
    return folder.load_checkpoint(tag).tensors


def same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


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

    seconds = loop._seconds
    monkeypatch.setattr(loop, "_seconds", noticed)
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


def test_training_stops_early(run: Runner, toy: DataSet, small: Recipe, tmp_path: Path) -> None:
    recipe = small.override("optim.lr", 1e-9).override("epochs", 50).override("patience", 2)
    folder = run(toy, recipe, tmp_path / "run")
    assert len(folder.metrics()) == 3
    assert folder.load_checkpoint("last").state["stopped"] == "early"


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


def test_a_loss_that_leaves_the_numbers_stops_the_run(
    run: Runner, toy: DataSet, small: Recipe, tmp_path: Path
) -> None:
    recipe = small.override("optim.lr", 100).override("epochs", 30).override("optim.clip", None)
    recipe = recipe.override("schedule.name", "constant").override("model.batchnorm", False)
    with pytest.raises(Diverged, match=r"the loss became non-finite at step \d+ .*optim.clip=1"):
        run(toy, recipe, tmp_path / "run")
    said = RunFolder(tmp_path / "run").read_json("diverged")
    first, last = said["steps"]
    assert 1 <= first == last <= 6 * said["epoch"]
    assert said["learning_rate"] == 100


class Poisoned(Progress):
    """Breaks the weights after the second epoch, so that the next step's loss is no number."""

    model: torch.nn.Module

    def epoch(self, row: Any, *, better: bool) -> None:
        if row["epoch"] == 2:
            next(self.model.parameters()).data.fill_(torch.nan)


def test_the_step_at_which_the_loss_broke_is_recorded(
    run: Runner, toy: DataSet, small: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    progress = Poisoned(quiet=True)

    def noticed(model: torch.nn.Module, *words: Any, **named: Any) -> None:
        progress.model = model
        fit(model, *words, **named)

    monkeypatch.setattr(training, "fit", noticed)
    with pytest.raises(Diverged, match=r"at step 13 \(epoch 3\), .* hold the epochs before"):
        run(toy, small.override("epochs", 9), tmp_path / "run", progress)
    folder = RunFolder(tmp_path / "run")
    said = folder.read_json("diverged")
    assert (said["epoch"], said["steps"]) == (3, [13, 13])
    assert folder.load_checkpoint("last").state["epoch"] == 2
    restore(folder, "last")


class Stopping(Progress):
    """Sends a signal at the end of the second epoch."""

    def __init__(self, number: int) -> None:
        super().__init__(quiet=True)
        self.number = number

    def step(self, step: int, epoch: int, loss: float, accuracy: float, speed: float) -> None:
        if step == 12:
            os.kill(os.getpid(), self.number)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_saves_and_leaves(
    number: int, code: int, run: Runner, toy: DataSet, small: Recipe, tmp_path: Path
) -> None:
    with pytest.raises(Interrupted, match=r"stopped by SIG\w+ in epoch 2 at step 12") as error:
        run(toy, small.override("epochs", 9), tmp_path / "run", Stopping(number))
    assert error.value.exit_code == code
    folder = RunFolder(tmp_path / "run")
    state = folder.load_checkpoint("last").state
    assert (state["stopped"], state["epoch"], state["step"]) == ("interrupted", 2, 12)
    assert len(folder.metrics()) == 1
    assert not same(weights(folder, "last"), weights(folder, "best"))


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


def test_a_warm_start_takes_what_fits(
    run: Runner, toy: DataSet, small: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    first = run(toy, small, tmp_path / "first")
    recipe = small.override("init", str(first.path)).override("seed", 5)
    ready = plan(toy, recipe, device="cpu")
    assert any(n.startswith("warm start from") for n in ready.notes)
    assert same(dict(ready.model.state_dict()), weights(first, "best"))
    second = train(ready, out=tmp_path / "second", progress=Progress(quiet=True))
    assert second.data()["init"] == first.load_checkpoint("best").digest
    assert first.data()["init"] is None
    wider = plan(toy, small.override("model", "mlp"), device="cpu").model
    with pytest.raises(CheckpointError, match="no kernel of .* fits this model"):
        warm_start(wider, first)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (
            lambda w: w.pop(next(k for k in w if k.endswith("weight"))),
            "does not fit plain: missing: ",
        ),
        (lambda w: w.update(odd=torch.zeros(1)), "extra: odd"),
        (lambda w: w.update({k: v[:1] for k, v in w.items() if v.ndim == 4}), "of another shape: "),
        (
            lambda w: next(v for v in w.values() if v.ndim == 4).fill_(torch.nan),
            "not finite, first in",
        ),
    ],
)
def test_weights_that_do_not_fit_are_refused(
    change: Callable[[dict[str, Tensor]], object],
    text: str,
    run: Runner,
    toy: DataSet,
    small: Recipe,
    tmp_path: Path,
) -> None:
    folder = run(toy, small.override("epochs", 1), tmp_path / "run")
    tensors = weights(folder, "best")
    change(tensors)
    folder.save_checkpoint(("best",), tensors, {})
    with pytest.raises(CheckpointError, match=text):
        restore(folder)


def test_a_start_that_is_not_finite_is_refused(
    run: Runner, toy: DataSet, small: Recipe, tmp_path: Path
) -> None:
    folder = run(toy, small.override("epochs", 1), tmp_path / "run")
    tensors = weights(folder, "best")
    next(iter(tensors.values())).fill_(torch.inf)
    folder.save_checkpoint(("best",), tensors, {})
    text = f"the best checkpoint of {folder.path} has values that are not finite, first in n"
    with pytest.raises(CheckpointError, match=text):
        plan(toy, small.override("init", str(folder.path)))


def test_bf16_trains_where_it_is_asked_for(
    run: Runner, toy: DataSet, small: Recipe, tmp_path: Path
) -> None:
    recipe = small.override("precision", "bf16").override("epochs", 6)
    folder = run(toy, recipe, tmp_path / "run")
    assert folder.metrics()[-1]["validation_accuracy"] > 0.9
    assert folder.read_json("environment")["precision"] == "bf16"
    assert all(v.dtype == torch.float32 for v in weights(folder).values() if v.is_floating_point())


def test_the_run_s_mode_and_threads_are_left_as_found(
    toy: DataSet, small: Recipe, tmp_path: Path
) -> None:
    ready = plan(toy, small, device="cpu")
    threads = torch.get_num_threads()
    ready.model.train()
    score(ready.model, toy.validation.images, toy.validation.labels)
    assert all(m.training for m in ready.model.modules())
    assert torch.get_num_threads() == threads


def test_a_break_in_the_last_step_is_never_saved(
    run: Runner, toy: DataSet, small: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loss is finite, the weights that the step leaves are not: only validation shows it."""
    monkeypatch.setattr("tinysight.training.loop.score", lambda *_: (float("nan"), 0.5))
    with pytest.raises(Diverged, match="no epoch was complete, so nothing was saved"):
        run(toy, small, tmp_path / "run")
    assert not (tmp_path / "run" / "checkpoints").exists()
    assert not (tmp_path / "run" / "metrics.csv").exists()
    assert RunFolder(tmp_path / "run").read_json("diverged")["steps"] == [6, 6]


def test_a_signal_during_validation_is_heard(
    run: Runner, toy: DataSet, small: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*arguments: Any) -> tuple[float, float]:
        os.kill(os.getpid(), signal.SIGTERM)
        monkeypatch.setattr("tinysight.training.loop.score", score)
        return score(*arguments)

    monkeypatch.setattr("tinysight.training.loop.score", interrupted)
    with pytest.raises(Interrupted, match="stopped by SIGTERM in epoch 1 at step 6") as error:
        run(toy, small, tmp_path / "run")
    assert error.value.exit_code == 143
    state = RunFolder(tmp_path / "run").load_checkpoint("best").state
    assert state["stopped"] == "interrupted"
    assert state["validation_accuracy"] is not None


class StoppingAtOnce(Progress):
    """Sends SIGINT at the first look."""

    def step(self, step: int, epoch: int, loss: float, accuracy: float, speed: float) -> None:
        os.kill(os.getpid(), signal.SIGINT)


def test_a_run_stopped_in_its_first_epoch_can_be_used(
    run: Runner, toy: DataSet, small: Recipe, tmp_path: Path
) -> None:
    with pytest.raises(Interrupted, match="evaluate, predict and report take the best so far"):
        run(toy, small, tmp_path / "run", StoppingAtOnce(quiet=True))
    restore(RunFolder(tmp_path / "run"), "best")


@pytest.mark.parametrize(
    ("owner", "name"), [(RunFolder, "create"), (training, "fit"), (loop, "environment")]
)
def test_a_signal_before_the_first_step_leaves_a_whole_run(
    owner: Any,
    name: str,
    run: Runner,
    toy: DataSet,
    small: Recipe,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = getattr(owner, name)

    def signalled(*words: Any, **named: Any) -> Any:
        os.kill(os.getpid(), signal.SIGTERM)
        return real(*words, **named)

    monkeypatch.setattr(owner, name, signalled)
    with pytest.raises(Interrupted, match="stopped by SIGTERM in epoch 1 at step 1"):
        run(toy, small, tmp_path / "run")
    folder = RunFolder(tmp_path / "run")
    restore(folder, "best")
    assert folder.recipe() == small


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


def test_a_start_that_has_seen_this_validation_is_refused(
    run: Runner, toy: DataSet, small: Recipe, tmp_path: Path
) -> None:
    first = run(toy, small, tmp_path / "first")
    recipe = small.override("init", str(first.path))
    other_cut = replace(toy, validation=toy.train.take(torch.arange(20)))
    with pytest.raises(RecipeError, match=r"was trained on another cut .*data.split_seed=0"):
        plan(other_cut, recipe)
    notes = plan(replace(toy, fingerprints={"train": "2" * 64}), recipe).notes
    assert any("was trained on other data" in n for n in notes)


def test_a_training_that_starts_on_smaller_pictures(
    run: Runner, toy: DataSet, small: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wide = {s: _doubled(getattr(toy, s)) for s in ("train", "validation", "test")}
    data = replace(toy, **wide)
    fields = {"augment.shrink": 0.625, "augment.shrink_until": 0.5}
    seen: list[int] = []
    taken = Classifier.forward

    def watched(model: Classifier, images: Tensor) -> Tensor:
        seen.append(images.shape[2])
        return taken(model, images)

    costs: list[tuple[float, float]] = []
    shown = Progress.training

    def asked(self: Progress, epochs: int, steps: int, evaluation: Any, work: Any) -> Any:
        costs.append((work(6), work(steps)))
        return shown(self, epochs, steps, evaluation, work)

    monkeypatch.setattr(Progress, "training", asked)
    monkeypatch.setattr(Classifier, "forward", watched)
    recipe = small.override_all({"model": "resnet9", "model.width": 8, **fields})
    folder = run(data, recipe, tmp_path / "run")
    trained = [side for side in seen if side == 20]
    assert len(trained) == 6 + 1  # half of 12 steps, and one when the size was accepted
    assert costs == [(6 * 0.625**2, 6 * 0.625**2 + 6)]
    restore(folder, "best")(torch.zeros(1, 3, 32, 32))
    with pytest.raises(ModelError, match="takes pictures of 32x32 alone"):
        plan(data, small.override_all(fields), device="cpu")


def _doubled(split: Split) -> Split:
    images = split.images.repeat_interleave(4, 1).repeat_interleave(4, 2)
    return replace(split, images=images)


def test_a_final_fit_is_no_start_for_what_chooses_on_its_pictures(
    run: Runner, toy: DataSet, small: Recipe, tmp_path: Path
) -> None:
    final = small.override("final", True)
    folder = run(toy, final, tmp_path / "final")
    start = small.override("init", str(folder.path))
    with pytest.raises(RecipeError, match="is a final fit: it was trained on its validation split"):
        plan(toy, start, device="cpu")
    assert plan(toy, start.override("final", True), device="cpu").init


def test_a_final_fit_takes_validation_in_and_keeps_the_last_weights(
    run: Runner, toy: DataSet, small: Recipe, tmp_path: Path
) -> None:
    recipe = small.override("final", True).override("epochs", 3)
    folder = run(toy, recipe, tmp_path / "final")
    rows = folder.metrics()
    assert [r["step"] for r in rows] == [8, 16, 24]  # 120 pictures in batches of 15
    assert all(math.isnan(r["validation_accuracy"]) for r in rows)
    assert same(weights(folder, "best"), weights(folder, "last"))
    state = folder.load_checkpoint("best").state
    assert (state["epoch"], state["validation_accuracy"]) == (3, None)
    both = toy.train.joined(toy.validation)
    assert (len(both), both.ids[:90], both.ids[90:]) == (120, toy.train.ids, toy.validation.ids)


def test_a_final_fit_is_weighed_by_all_that_it_trains_on(toy: DataSet, small: Recipe) -> None:
    with pytest.raises(RecipeError, match="batch_size .100. is above the 90 training pictures"):
        plan(toy, small.override("batch_size", 100), device="cpu")
    both = small.override_all({"batch_size": 100, "final": True})
    assert "of 2 steps" in str(plan(toy, both, device="cpu"))
    odd = replace(toy, validation=toy.validation.take(torch.arange(29)))
    pairs = small.override_all({"model": "plain", "model.batchnorm": True, "batch_size": 2})
    plan(odd, pairs, device="cpu")
    tiny = replace(odd, **{s: _shrunk(getattr(odd, s)) for s in ("train", "validation", "test")})
    with pytest.raises(RecipeError, match="leaves a batch of one of the 119 training pictures"):
        plan(tiny, pairs.override("final", True), device="cpu")


def _shrunk(split: Split) -> Split:
    return replace(split, images=split.images[:, :1, :1].contiguous())


def test_a_final_fit_says_that_nothing_is_chosen(toy: DataSet, small: Recipe) -> None:
    said = str(plan(toy, small.override("final", True), device="cpu"))
    assert "final fit on train and validation, the last weights are kept" in said
    assert "of 8 steps" in said


def test_a_step_that_is_not_finite_changes_nothing(
    run: Runner, toy: DataSet, small: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a GPU the host looks at the loss only now and then; the weights wait for nobody."""
    seen: list[dict[str, Tensor]] = []
    real = loop.optimiser

    def watched(model: nn.Module, settings: Any) -> Any:
        made = real(model, settings)
        step = made.step

        def stepped(found_inf: Tensor | None = None) -> None:
            before = {k: v.clone() for k, v in model.state_dict().items()}
            step(found_inf=found_inf)
            if found_inf:
                seen.extend([before, dict(model.named_parameters())])

        made.step = stepped
        return made

    monkeypatch.setattr(loop, "optimiser", watched)
    with pytest.raises(Diverged):
        run(toy, small.override("optim.lr", 100.0).override("epochs", 9), tmp_path / "run")
    before, after = seen[:2]
    assert all(torch.equal(before[k], v) for k, v in after.items())


@pytest.mark.filterwarnings("ignore")  # of the compiler, about itself
def test_a_compiled_training_is_the_same_within_rounding(
    toy: DataSet, small: Recipe, tmp_path: Path
) -> None:
    plain = train(plan(toy, small, device="cpu"), out=tmp_path / "a", progress=Progress(quiet=True))
    ready = plan(toy, small, device="cpu", compilation="on")
    made = train(ready, out=tmp_path / "b", progress=Progress(quiet=True))
    assert made.read_json("environment")["compiled"] == "torch.compile"
    for key, value in weights(plain).items():
        torch.testing.assert_close(weights(made)[key], value, atol=1e-4, rtol=1e-3)


def test_what_cannot_be_compiled_is_trained_as_it_is(
    run: Runner,
    toy: DataSet,
    small: Recipe,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    expected = weights(run(toy, small, tmp_path / "a"))

    def broken(_: nn.Module) -> Any:
        def forward(_: Tensor) -> Tensor:
            raise RuntimeError("no compiler\nand much more")

        return forward

    monkeypatch.setattr(torch, "compile", broken)
    ready = plan(toy, small, device="cpu", compilation="on")
    folder = train(ready, out=tmp_path / "b", progress=Progress())
    assert same(weights(folder), expected)
    said = capsys.readouterr().err
    assert "it cannot be compiled and is run as it is: RuntimeError: no compiler; --comp" in said
    found = folder.read_json("environment")
    assert (found["compiled"], found["compiled_why"]) == (None, "failed, RuntimeError: no compiler")


def test_what_is_compiled_is_tried_on_batches_of_every_size(
    toy: DataSet, small: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []

    def watched(model: nn.Module) -> Any:
        def forward(images: Tensor) -> Tensor:
            sizes.append(len(images))
            return model(images)

        return forward

    monkeypatch.setattr(torch, "compile", watched)
    ready = plan(toy, small.override_all({"epochs": 1, "batch_size": 13}), device="cpu",
                 compilation="on")  # fmt: skip
    train(ready, out=tmp_path / "run", progress=Progress(quiet=True))
    tried, trained = sizes[:2], sizes[2:]
    assert tried == [12, 13]
    assert set(trained) == {12, 13}
    assert len(trained) == 7


@pytest.mark.parametrize("epochs", [1, 6])
def test_a_trace_says_where_the_time_goes(
    epochs: int, toy: DataSet, small: Recipe, tmp_path: Path
) -> None:
    ready = plan(toy, small.override("epochs", epochs), device="cpu")
    folder = train(ready, out=tmp_path / "run", trace=True, progress=Progress(quiet=True))
    assert "aten::mkldnn_convolution" in (folder.path / "trace.txt").read_text()
    events = json.loads(gzip.decompress((folder.path / "trace.json.gz").read_bytes()))
    assert any("convolution_backward" in e.get("name", "") for e in events["traceEvents"])


@pytest.mark.parametrize(
    ("epochs", "ends", "lasted"),
    # 3.0000000000000004 is what 0.1 * 3 * 10 comes to
    [(0.5, [3], 3), (1.5, [6, 9], 9), (0.01, [1], 1), (0.1 * 3 * 10, [6, 12, 18], 18)],
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
