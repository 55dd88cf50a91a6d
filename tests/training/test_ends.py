"""How trainings end before their time: early, diverged, by a signal."""

import math
import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.training.runs import Runner, same, weights
from torch import Tensor, nn

from tinysight import training
from tinysight.data.dataset import DataSet
from tinysight.errors import Diverged, Interrupted
from tinysight.evaluation.predict import score
from tinysight.models import Classifier
from tinysight.models.restore import restore
from tinysight.progress import Progress
from tinysight.recipe import Recipe
from tinysight.run import RunFolder
from tinysight.training import loop
from tinysight.training.loop import fit


def test_training_stops_early(run: Runner, toy: DataSet, small: Recipe, tmp_path: Path) -> None:
    recipe = small.override("optim.lr", 1e-9).override("epochs", 50).override("patience", 2)
    folder = run(toy, recipe, tmp_path / "run")
    assert len(folder.metrics()) == 3
    assert folder.load_checkpoint("last").state["stopped"] == "early"


def test_a_loss_that_leaves_the_numbers_stops_the_run(
    run: Runner, toy: DataSet, small: Recipe, tmp_path: Path
) -> None:
    recipe = small.override("optim.lr", 100).override("epochs", 30).override("optim.clip", None)
    recipe = recipe.override("schedule.name", "constant").override("model.batchnorm", False)
    with pytest.raises(
        Diverged, match=r"the loss or a gradient became non-finite at step \d+ .*optim.clip=1"
    ):
        run(toy, recipe, tmp_path / "run")
    said = RunFolder(tmp_path / "run").read_json("diverged")
    first, last = said["steps"]
    assert 1 <= first == last <= 6 * said["epoch"]
    assert said["learning_rate"] == 100


def test_a_loss_that_only_the_weights_of_classes_break_stops_the_run(
    run: Runner, toy: DataSet, small: Recipe, tmp_path: Path
) -> None:
    heavy = small.override("loss.class_weights", [1e38] * len(toy.classes))
    with pytest.raises(Diverged, match="the loss or a gradient became non-finite at step 1 "):
        run(toy, heavy, tmp_path / "run")


def test_weights_that_the_first_step_breaks_are_blamed_on_the_rate(
    run: Runner, toy: DataSet, small: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = loop.update

    def update(network: Any, model: Any, *more: Any, **how: Any) -> Any:
        found = real(network, model, *more, **how)
        with torch.no_grad():
            next(model.parameters()).fill_(math.inf)
        return found

    monkeypatch.setattr(loop, "update", update)
    one = small.override("batch_size", len(toy.train))
    with pytest.raises(Diverged, match="step 1 .*try a lower optim.lr"):
        run(toy, one, tmp_path / "run")
    assert RunFolder(tmp_path / "run").read_json("diverged")["at_once"] is False


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

    def noticed(model: Classifier, *words: Any, **named: Any) -> None:
        progress.model = model
        fit(model, *words, **named)

    monkeypatch.setattr(training, "fit", noticed)
    with pytest.raises(Diverged, match=r"at step 13 \(epoch 3\), .* hold what was before"):
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


def test_a_break_in_the_last_step_is_never_saved(
    run: Runner, toy: DataSet, small: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loss is finite, the weights that the step leaves are not: only validation shows it."""
    monkeypatch.setattr("tinysight.training.loop.score", lambda *_: (float("nan"), 0.5))
    with pytest.raises(Diverged, match="no epoch was complete; try"):
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
    ("owner", "name"), [(RunFolder, "made"), (training, "fit"), (loop, "environment")]
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
