"""The verbs in a session of Python: what each returns and shows."""

import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from tests.api.arrays import noise

import tinysight
from tinysight import api
from tinysight.errors import (
    CheckpointError,
    Diverged,
    ResourceError,
    UsageError,
)
from tinysight.machine import choose_device, threads
from tinysight.models import Classifier
from tinysight.recipe import Facts
from tinysight.training import planning


def test_every_verb_twice_in_a_session(folder: Path, small: dict[str, Any]) -> None:
    first = tinysight.train(folder, **small)
    again = tinysight.train(folder, **small)
    assert (first.path.name, again.path.name) == ("pictures-quick-001", "pictures-quick-002")
    for run in (first, tinysight.load("pictures-quick-001")):
        for _ in range(2):
            found = run.evaluate("test")
            assert found.metrics.top1.n == len(found.labels) == len(found.ids) == len(found.files)
            assert [p.top[0][0] for p in run.predict([folder / "red" / "0.png"])] == ["red"]
            assert run.report().read_text().startswith("<!doctype html>")
    assert len(first.folder.test_reads()) == 4
    one, two = first.model().state_dict(), again.model().state_dict()
    assert all(torch.equal(one[k], two[k]) for k in one)


def test_all_that_computes_keeps_to_the_processors_that_it_may_use(
    folder: Path, small: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    if torch.get_num_threads() == 1:
        pytest.skip("torch computes on one thread here")
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(threads, "_allowed_processors", lambda: 1)
    seen: set[int] = set()
    taken, whiten = Classifier.forward, planning.adapt

    def watched(model: Classifier, images: torch.Tensor) -> torch.Tensor:
        seen.add(torch.get_num_threads())
        return taken(model, images)

    def watched_too(*words: Any) -> None:
        seen.add(torch.get_num_threads())
        whiten(*words)

    monkeypatch.setattr(Classifier, "forward", watched)
    monkeypatch.setattr(planning, "adapt", watched_too)
    run = tinysight.train(folder, **small)
    run.evaluate("test")
    run.predict([folder / "red" / "0.png"])
    assert seen == {1}


def test_a_set_without_a_test_split_says_so(folder: Path, small: dict[str, Any]) -> None:
    data = tinysight.load_data(folder).with_splits(test=None)
    with pytest.raises(UsageError, match="--evaluate-test: pictures has no test split"):
        tinysight.train(data, evaluate_test=True, **small)
    assert not Path("runs").exists()
    run = tinysight.train(data, **small)
    with pytest.raises(UsageError, match="pictures has no test split; evaluate on validation"):
        run.evaluate("test")


def test_a_notebook_shows_the_run(folder: Path, small: dict[str, Any]) -> None:
    run = tinysight.train(folder, **small)
    page = run._repr_html_()
    assert "validation accuracy" in page
    assert page.count("<svg") == 1
    assert "validation accuracy" in str(run)
    assert str(run.path) in str(run)
    assert "Run" in repr(run)


def test_in_ipython_a_run_is_shown_as_html(folder: Path, small: dict[str, Any]) -> None:
    from IPython.core.formatters import DisplayFormatter

    run = tinysight.train(folder, **small)
    shown, _ = DisplayFormatter().format(run)
    assert "<svg" in shown["text/html"]


def test_pictures_of_every_kind_are_predicted(folder: Path, small: dict[str, Any]) -> None:
    run = tinysight.train(folder, **small)
    file = folder / "red" / "0.png"
    array = np.asarray(Image.open(file))
    answers = [run.predict(p)[0].top for p in (file, str(file), file.read_bytes(), array)]
    answers.append(run.predict(Image.open(file))[0].top)
    assert all(a == answers[0] for a in answers)
    assert len(run.predict(folder)) == 60
    assert len(run.predict([folder / "red", array])) == 21


def test_the_plan_says_what_will_be_done(folder: Path) -> None:
    ready = tinysight.plan(folder, epochs=3, batch_size=16, model="resnet9")
    said = str(ready)
    for part in (
        "49 train",
        "8x8 RGB, 3 classes",
        "resnet9",
        "3 epochs of 4 steps",
        "batch 16",
        "stem",
    ):
        assert part in said, part


def test_recipes_can_be_names_files_and_values(
    folder: Path, here: Path, small: dict[str, Any]
) -> None:
    recipe = tinysight.RECIPES["linear"](Facts()).override("epochs", 1)
    recipe = recipe.override("batch_size", 16)
    (here / "mine.json").write_text(recipe.to_json())
    (here / "mine").write_text(recipe.to_json())
    first = tinysight.train(folder, recipe, quiet=True)
    expected = first.folder.read_json("checkpoints/best")["weights"]
    for again in ("mine.json", here / "mine.json", "mine", first.path, str(first.path), "runs/x"):
        if again == "runs/x":
            first.path.rename(again)
            again = "x"
        run = tinysight.train(folder, again, quiet=True)
        assert run.folder.read_json("checkpoints/best")["weights"] == expected, again


def test_a_diverged_training_leaves_a_report(folder: Path, small: dict[str, Any]) -> None:
    wild = small | {"optim.name": "sgd", "optim.lr": 100, "schedule.name": "constant"}
    wild |= {"model": "mlp", "batch_size": 4}
    with pytest.raises(Diverged) as error:
        tinysight.train(folder, **wild)
    assert (
        "the loss or a gradient became non-finite at"
        in (error.value.run / "report.html").read_text()
    )
    with pytest.raises(CheckpointError, match=r"is missing: the training diverged before an epoch"):
        tinysight.load(error.value.run).evaluate()


def test_reading_shows_how_far_it_is(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tinysight.progress._Counter.every", 0.0)
    tinysight.load_data(folder, cache=False)
    assert "reading pictures: 60 of 60" in capsys.readouterr().err
    tinysight.load_data(folder, cache=False, quiet=True)
    assert not capsys.readouterr().err


def test_the_order_of_overrides_does_not_matter(folder: Path) -> None:
    fields: dict[str, Any] = {"schedule.warmup": 1, "schedule.name": "cosine"}
    first = tinysight.plan(folder, quiet=True, **fields).recipe
    assert first == tinysight.plan(folder, quiet=True, **dict(reversed(fields.items()))).recipe


def sheet_of(path: Path) -> NDArray[np.uint8]:
    return np.asarray(Image.open(path).convert("RGB"))


def test_a_preview_shows_what_mixing_makes_and_builds_no_model(folder: Path) -> None:
    off, on = Path("off.png"), Path("on.png")
    # A plan refuses such batches; only the data is drawn.
    fields: dict[str, Any] = {"batch_size": 5000, "augment.flip": False, "augment.crop": 0}
    with pytest.raises(UsageError, match="is above the 49 training pictures"):
        tinysight.plan(folder, **fields)
    for out, alpha in ((off, 0.0), (on, 1.0)):
        fields["augment.mixup"] = alpha
        api.preview(folder, out=out, **fields)
    plain, mixed = sheet_of(off), sheet_of(on)
    assert mixed.shape[0] > plain.shape[0]  # for the shares below the pictures
    colours = {tuple(c) for c in plain.reshape(-1, 3).tolist()}
    new = [c for c in mixed.reshape(-1, 3).tolist() if tuple(c) not in colours]
    assert len(new) > 1000


def test_an_evaluation_says_where_it_was_computed(
    folder: Path, small: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def choose(name: str = "auto") -> torch.device:
        asked.append(name)
        return choose_device(name)

    monkeypatch.setattr("tinysight.api.run.choose_device", choose)
    run = tinysight.train(folder, device="cpu", **small)
    assert set(asked) == {"cpu"}
    said = run.folder.read_json("evaluation/validation/metrics")
    assert (said["device"], run.evaluate().device) == ("cpu", choose_device().type)
    assert asked[-1] == "auto"
    assert next(run.model(device="cpu").parameters()).device.type == "cpu"
    (found,) = run.predict(folder / "red" / "0.png", device="cpu")
    assert found.top[0][0] == "red"
    for call in (run.evaluate, run.model, lambda device: run.predict(folder, device=device)):
        with pytest.raises(UsageError, match="device must be one of auto, cpu, cuda, mps, got"):
            call(device="gpu")
    with pytest.raises(UsageError, match="device must be one of"):
        tinysight.evaluate(run.path, data="no such data", device="gpu")


def test_a_model_is_brought_to_its_device(
    folder: Path, small: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tinysight.train(folder, **small)
    # The one other device that every machine has; it computes nothing.
    monkeypatch.setattr("tinysight.api.run.choose_device", torch.device)
    assert {p.device.type for p in run.model(device="meta").parameters()} == {"meta"}


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_a_gpu_answers_as_the_cpu_does(folder: Path, small: dict[str, Any]) -> None:
    run = tinysight.train(folder, device="cuda", **small)
    assert run.folder.read_json("evaluation/validation/metrics")["device"] == "cuda"
    there, here = (run.evaluate("test", device=d).probabilities for d in ("cuda", "cpu"))
    np.testing.assert_allclose(there, here, atol=1e-5)
    found = [run.predict(folder, device=d) for d in ("cuda", "cpu")]
    assert [p.top[0][0] for p in found[0]] == [p.top[0][0] for p in found[1]]


def test_the_log_has_evaluations_and_what_goes_wrong_in_them(
    folder: Path, small: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tinysight.train(folder, **small)
    text = (run.path / "log.txt").read_text()
    assert "INFO validation accuracy" in text

    def broken(*_: object) -> None:
        warnings.warn("of a library", stacklevel=1)
        raise ZeroDivisionError("of ours")

    monkeypatch.setattr("tinysight.api.run.write_report", broken)
    monkeypatch.setattr("tinysight.evaluation.result.save", broken)
    for call in (run.report, run.evaluate):
        before = (run.path / "log.txt").read_text()
        with warnings.catch_warnings(), pytest.raises(ZeroDivisionError) as error:
            warnings.simplefilter("always")
            call()
        assert error.value.__notes__ == [f"the traceback is in {run.path / 'log.txt'}"]
        added = (run.path / "log.txt").read_text().removeprefix(before)
        assert "UserWarning: of a library" in added
        assert "Traceback" in added


def test_the_recipe_file_of_a_run_is_checked_and_another_is_not(
    folder: Path, small: dict[str, Any]
) -> None:
    run = tinysight.train(folder, **small)
    file = run.path / "recipe.json"
    text = file.read_text()
    assert tinysight.plan(folder, file, quiet=True).recipe == run.recipe
    other = Path("mine", "recipe.json")
    other.parent.mkdir()
    other.write_text(text.replace('"seed": 0', '"seed": 7'))
    assert tinysight.plan(folder, other, quiet=True).recipe.seed == 7
    file.write_text(other.read_text())
    with pytest.raises(CheckpointError, match=r"recipe\.json is damaged: sha256 .* expected"):
        tinysight.plan(folder, file, quiet=True)


def test_a_full_disk_after_the_training_says_that_it_is_saved(
    folder: Path, small: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise ResourceError("cannot write x.svg: No space left on device")

    monkeypatch.setattr("tinysight.api.run.write_report", full)
    with pytest.raises(ResourceError, match="x.svg: No space left on device; the training is save"):
        tinysight.train(folder, **small)
    monkeypatch.undo()
    os.chdir(folder.parent)
    assert tinysight.load("pictures-quick-001").report().is_file()


def test_a_final_fit_is_evaluated_on_test_alone(folder: Path, small: dict[str, Any]) -> None:
    run = tinysight.train(folder, final=True, evaluate_test=True, **small)
    assert run.recipe.final
    assert not (run.path / "evaluation" / "validation").exists()
    page = run.report().read_text(encoding="utf-8")
    assert "A final fit, trained on the validation pictures too: the last weights were" in page
    assert "A final fit: nothing was held out, so there is no validation to draw." in page
    assert "learning too: a final fit" in page
    assert "choosing the checkpoint" not in page
    assert "test accuracy" in str(run)
    with pytest.raises(
        UsageError, match="is a final fit: it was trained on its validation split too, so that"
    ):
        run.evaluate("validation")
    alone = tinysight.train(folder, final=True, **small)
    assert "This run has not been evaluated" in alone.report().read_text(encoding="utf-8")
    assert alone.predict(noise(1, 0)[0][0])[0].error is None


def test_test_time_augmentation_stands_beside_the_single_view(
    folder: Path, small: dict[str, Any]
) -> None:
    run = tinysight.train(folder, evaluate_test=True, tta="mirror", **small)
    found = run.evaluate("test", tta="mirror+shift")
    assert found.augmented is not None
    assert found.augmented.tta == "mirror+shift"
    single = run.evaluate("test")
    assert single.augmented is None
    assert single.metrics == found.metrics
    run.evaluate("test", tta="mirror+shift")
    said = run.folder.read_json("evaluation/test/metrics")
    assert said["augmented"]["top1"]["n"] == said["n"]
    words = "with test-time augmentation (mirror+shift"
    assert f"single view; {found.augmented.top1} {words}, 6 views: 3 places" in str(found)
    assert words in str(run)
    assert words in run.report().read_text(encoding="utf-8")


def test_a_stop_after_the_training_says_what_is_left_to_do(
    folder: Path,
    small: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(tinysight.Run, "evaluate", interrupted)
    loud: dict[str, Any] = small | {"quiet": False}
    with pytest.raises(KeyboardInterrupt):
        tinysight.train(folder, out="stopped", **loud)
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith("the training is complete and saved in stopped; what is left to do: ")
    assert said.endswith("tinysight evaluate stopped, and: tinysight report stopped")
