"""What makes trainings fast changes nothing else: bf16, smaller pictures, compilation, traces."""

import gzip
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.training.runs import Runner, same, weights
from torch import Tensor, nn

from tinysight.data.dataset import DataSet, Split
from tinysight.errors import ModelError, RecipeError
from tinysight.evaluation.predict import score
from tinysight.models.classifier import Classifier
from tinysight.models.restore import restore
from tinysight.progress import Progress
from tinysight.recipe import Recipe
from tinysight.training import plan, train
from tinysight.training.tracing import tracing


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

    def asked(
        self: Progress, epochs: int, steps: int, evaluation: Any, work: Any, **named: Any
    ) -> Any:
        costs.append((work(6), work(steps)))
        return shown(self, epochs, steps, evaluation, work, **named)

    monkeypatch.setattr(Progress, "training", asked)
    monkeypatch.setattr(Classifier, "forward", watched)
    recipe = small.override_all({"model": "resnet9", "model.width": 8, **fields})
    folder = run(data, recipe, tmp_path / "run")
    trained = [side for side in seen if side == 20]
    assert len(trained) == 6 + 2  # half of 12 steps, and two when the plan was made
    assert costs == [(6 * 0.625**2, 6 * 0.625**2 + 6)]
    restore(folder, "best")(torch.zeros(1, 3, 32, 32))
    with pytest.raises(ModelError, match="does not take those of 20x20"):
        plan(data, small.override_all(fields), device="cpu")


def _doubled(split: Split) -> Split:
    images = split.images.repeat_interleave(4, 1).repeat_interleave(4, 2)
    return replace(split, images=images)


@pytest.mark.parametrize("fields", [{"ema": 0.9}, {"augment.mixup": 0.2, "augment.cutmix": 1.0}])
def test_smaller_pictures_go_with(
    fields: dict[str, Any], run: Runner, toy: DataSet, small: Recipe, tmp_path: Path
) -> None:
    wide = replace(toy, **{s: _doubled(getattr(toy, s)) for s in ("train", "validation", "test")})
    changes = {"model": "resnet9", "model.width": 8, "augment.shrink": 0.5, **fields}
    folder = run(wide, small.override_all(changes), tmp_path / "run")
    assert [row["epoch"] for row in folder.metrics()] == [1, 2]


def test_pictures_that_cannot_be_smaller_stay_and_cost_what_they_cost(
    run: Runner, toy: DataSet, small: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    costs: list[float] = []
    shown = Progress.training

    def asked(
        self: Progress, epochs: int, steps: int, evaluation: Any, work: Any, **named: Any
    ) -> Any:
        costs.append(work(steps) / steps)
        return shown(self, epochs, steps, evaluation, work, **named)

    monkeypatch.setattr(Progress, "training", asked)
    run(toy, small.override("augment.shrink", 0.5), tmp_path / "run")  # of 8x8, by a flattening net
    assert costs == [1.0]


def test_patience_and_plateau_begin_where_pictures_are_of_full_size(
    run: Runner, toy: DataSet, small: Recipe, tmp_path: Path
) -> None:
    wide = replace(toy, **{s: _doubled(getattr(toy, s)) for s in ("train", "validation", "test")})
    changes: dict[str, Any] = {"model": "resnet9", "model.width": 8, "augment.shrink": 0.5}
    changes |= {"optim.lr": 1e-9, "epochs": 12, "patience": 2}
    changes |= {"schedule.name": "plateau", "schedule.patience": 1}
    folder = run(wide, small.override_all(changes), tmp_path / "run")
    rows = folder.metrics()
    assert len(rows) >= 7  # five epochs that do not count, and two without a better one
    assert {row["learning_rate"] for row in rows[:7]} == {1e-9}


def test_a_batch_of_one_is_refused_where_the_smaller_pictures_need_two(
    toy: DataSet, small: Recipe
) -> None:
    wide = replace(toy, **{s: _doubled(getattr(toy, s)) for s in ("train", "validation", "test")})
    changes = {"model": "speednet", "batch_size": 1, "augment.shrink": 0.5}
    with pytest.raises(RecipeError, match=r"one value a channel .*augment\.shrink=1, where it is"):
        plan(wide, small.override_all(changes), device="cpu")
    plan(wide, small.override_all(changes | {"augment.shrink": 1.0}), device="cpu")


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


def test_what_is_compiled_is_tried_on_pictures_of_both_sizes(
    toy: DataSet, small: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wide = {s: _doubled(getattr(toy, s)) for s in ("train", "validation", "test")}
    sides: list[int] = []

    def watched(model: nn.Module) -> Any:
        def forward(images: Tensor) -> Tensor:
            sides.append(images.shape[-1])
            return model(images)

        return forward

    monkeypatch.setattr(torch, "compile", watched)
    fields = {"model": "resnet9", "model.width": 8, "augment.shrink": 0.625}
    ready = plan(replace(toy, **wide), small.override_all(fields), device="cpu", compilation="on")
    train(ready, out=tmp_path / "run", progress=Progress(quiet=True))
    assert sorted(sides[:2]) == [20, 32]
    assert sides[2:] == [20] * 6 + [32] * 6


@pytest.mark.filterwarnings("error:Profiler")
@pytest.mark.parametrize(
    ("epochs", "which"),
    [
        (0.1, "the only step"),
        (1, "3 steps after the first 3"),
        (6, "10 steps after the first 11"),
    ],
)
def test_a_trace_says_where_the_time_goes(
    epochs: float, which: str, toy: DataSet, small: Recipe, tmp_path: Path
) -> None:
    ready = plan(toy, small.override("epochs", epochs), device="cpu")
    folder = train(ready, out=tmp_path / "run", trace=True, progress=Progress(quiet=True))
    text = (folder.path / "trace.txt").read_text()
    assert text.startswith(f"{which}, with the evaluation of an epoch")
    assert "aten::mkldnn_convolution" in text
    events = json.loads(gzip.decompress((folder.path / "trace.json.gz").read_bytes()))
    assert any("convolution_backward" in e.get("name", "") for e in events["traceEvents"])


@pytest.mark.parametrize(("batch", "traced"), [(16, 1), (18, 0)])
def test_a_training_that_ends_before_its_trace_says_so(
    batch: int, traced: int, toy: DataSet, small: Recipe, tmp_path: Path
) -> None:
    """After two epochs of 6 steps, or of 5; the twelfth is the first to be looked at."""
    said: list[str] = []

    class Listening(Progress):
        def say(self, text: str) -> None:
            said.append(text)

    patient = small.override_all(
        {"epochs": 50, "patience": 1, "optim.lr": 1e-9, "batch_size": batch}
    )
    ready = plan(toy, patient, device="cpu")
    folder = train(ready, out=tmp_path / "run", trace=True, progress=Listening(quiet=True))
    assert len(folder.metrics()) == 2
    there = folder.path / "trace.txt"
    assert there.exists() == bool(traced)
    assert ("no trace: the training ended before its step 12" in said) == (not traced)
    assert not traced or there.read_text().startswith("1 step after the first 11, with")

    folder.write({"trace.txt": "of a training before this one"})
    said.clear()
    with tracing(folder, 100, torch.device("cpu"), said.append) as step_ended:
        step_ended()
    assert said == ["no trace: the training ended before its step 12"]
