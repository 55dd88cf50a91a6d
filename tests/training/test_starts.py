"""Trainings that start from weights, and final fits."""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tests.training.runs import Runner, same, weights
from torch import Tensor

from tinysight.data.dataset import DataSet, Split
from tinysight.errors import CheckpointError, RecipeError
from tinysight.models.restore import restore, warm_start
from tinysight.progress import Progress
from tinysight.recipe import Recipe
from tinysight.training import plan, train


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
