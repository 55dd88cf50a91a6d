"""The stages put together, from Python."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch.utils.data import TensorDataset

import tinysight
from tinysight import api
from tinysight.errors import (
    CheckpointError,
    DataError,
    Diverged,
    ResourceError,
    TinysightError,
    UnknownName,
    UsageError,
)
from tinysight.machine import choose_device
from tinysight.recipe import Facts

FIVE: Any = 5
Arrays = tuple[NDArray[np.uint8], NDArray[np.int64]]


def noise(n: int, seed: int, classes: int = 3) -> Arrays:
    """Pictures whose channel `label` is the brightest."""
    random = np.random.default_rng(seed)
    labels = np.arange(n) % classes
    images = random.integers(0, 120, (n, 8, 8, 3)).astype(np.uint8)
    images[np.arange(n), :, :, labels] += 100
    return images, labels


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def small() -> dict[str, Any]:
    return {"epochs": 2, "batch_size": 16, "model": "linear", "quiet": True}


@pytest.fixture
def folder(here: Path) -> Path:
    """A folder of pictures: class/*.png."""
    images, labels = noise(60, 0)
    for i, (image, label) in enumerate(zip(images, labels, strict=True)):
        place = here / "pictures" / ("red", "green", "blue")[label]
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(place / f"{i}.png")
    return here / "pictures"


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


def test_arrays_tensors_and_torch_data_sets_are_one(small: dict[str, Any]) -> None:
    train, test = noise(90, 0), noise(30, 1)
    classes = ["red", "green", "blue"]
    by_arrays = tinysight.load_data(train, test=test, classes=classes, layout="nhwc")
    tensors = TensorDataset(torch.from_numpy(train[0]), torch.from_numpy(train[1]))
    by_dataset = tinysight.load_data(tensors, test=test, classes=classes, layout="nhwc")
    assert by_arrays.fingerprints == by_dataset.fingerprints
    runs = [tinysight.train(d, evaluate_test=True, **small) for d in (by_arrays, by_dataset)]
    assert runs[0].folder.load_checkpoint("best").tensors.keys()
    files = [r.folder.read_json("checkpoints/best")["files"] for r in runs]
    assert files[0] == files[1]


def test_data_that_was_in_memory_is_asked_for_again(small: dict[str, Any]) -> None:
    run = tinysight.train(tinysight.load_data(noise(90, 0), layout="nhwc"), **small)
    run.evaluate("validation")
    again = tinysight.load(run.path)
    with pytest.raises(DataError, match=r"was in memory when it was trained; give it again"):
        again.evaluate("validation")
    with pytest.raises(DataError, match=r"is not what .* was trained on: it differs in train"):
        again.evaluate(data=tinysight.load_data(noise(90, 1), layout="nhwc"))
    found = again.evaluate(data=tinysight.load_data(noise(90, 0), layout="nhwc"))
    assert found.probabilities.tolist() == run.evaluate().probabilities.tolist()
    again.evaluate("validation")


def test_data_that_has_moved_is_found_where_one_says(folder: Path, small: dict[str, Any]) -> None:
    run = tinysight.train(folder, **small).path
    folder.rename("elsewhere")
    with pytest.raises(DataError, match=r"the data of .* is not at .*pictures; say where it is"):
        tinysight.evaluate(run)
    assert tinysight.evaluate(run, data="elsewhere").metrics.top1.n == 5


def test_data_that_has_changed_since_is_refused(folder: Path, small: dict[str, Any]) -> None:
    run = tinysight.train(folder, **small)
    Image.new("RGB", (8, 8), "red").save(folder / "red" / "more.png")
    with pytest.raises(DataError, match=r"is not what .* was trained on: it differs in train"):
        tinysight.load(run.path).evaluate("validation")


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
        "8x8x3, 3 classes",
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
    expected = first.folder.read_json("checkpoints/best")["files"]
    for again in ("mine.json", here / "mine.json", "mine", first.path, str(first.path), "runs/x"):
        if again == "runs/x":
            first.path.rename(again)
            again = "x"
        run = tinysight.train(folder, again, quiet=True)
        assert run.folder.read_json("checkpoints/best")["files"] == expected, again


@pytest.mark.parametrize(
    "call",
    [
        lambda: tinysight.load("nowhere"),
        lambda: tinysight.load_data("nowhere"),
        lambda: tinysight.train("digits", epochs=0),
        lambda: tinysight.train("digits", "quik"),
        lambda: tinysight.load_data("digits", sise=3),
        lambda: tinysight.load_data("digits", size=2),
    ],
)
def test_refusals_have_one_root(call: Callable[[], object]) -> None:
    with pytest.raises(TinysightError):
        call()


def test_a_misspelled_argument_is_named() -> None:
    with pytest.raises(
        UnknownName, match="unknown argument of load_data 'sise'; did you mean 'size"
    ):
        tinysight.load_data("digits", sise=3)


def test_a_data_set_read_otherwise_is_read_so_again(folder: Path, small: dict[str, Any]) -> None:
    data = tinysight.load_data(folder, split_seed=5, size=12, validation_share=0.3)
    run = tinysight.train(data, **small)
    assert run.recipe.data == data.settings
    again = tinysight.load(run.path)
    assert again.data().validation.ids == data.validation.ids
    assert again.evaluate().probabilities.tolist() == run.evaluate().probabilities.tolist()


def test_fields_that_come_too_late_are_refused(folder: Path, small: dict[str, Any]) -> None:
    data = tinysight.load_data(folder, split_seed=5)
    with pytest.raises(UsageError, match="data.size=32 comes too late: the data set was read with"):
        tinysight.train(data, **{**small, "data.size": 32})
    tinysight.train(data, **{**small, "data.split_seed": 5})


def test_an_altered_data_set_is_no_longer_its_source(folder: Path, small: dict[str, Any]) -> None:
    data = tinysight.load_data(folder)
    part = data.with_splits(train=data.train.take(torch.arange(20)))
    run = tinysight.train(part, **small)
    assert run.folder.read_json("data")["fingerprints"] == {}
    with pytest.raises(DataError, match="was in memory when it was trained"):
        tinysight.load(run.path).evaluate()


def test_renamed_classes_are_another_data_set(folder: Path, small: dict[str, Any]) -> None:
    run = tinysight.train(folder, **small)
    (folder / "red").rename(folder / "scarlet")
    with pytest.raises(DataError, match="the class names"):
        tinysight.load(run.path).evaluate()


def test_file_names_need_not_be_text(folder: Path, small: dict[str, Any]) -> None:
    (folder / "red" / "0.png").rename(folder / "red" / os.fsdecode(b"\xff\xfe.png"))
    run = tinysight.train(folder, **small)
    for split in ("validation", "test"):
        run.evaluate(split)
    assert run.report().exists()
    assert len(run.predict(folder)) == 60


def test_a_bad_picture_is_left_out_where_asked(folder: Path, small: dict[str, Any]) -> None:
    (folder / "red" / "bad.png").write_text("no picture")
    with pytest.raises(DataError, match="bad.png"):
        tinysight.train(folder, **small)
    run = tinysight.train(folder, skip_bad=True, **small)
    assert tinysight.load(run.path).evaluate().metrics.top1.n == 5


def test_batches_are_taken_apart(folder: Path, small: dict[str, Any]) -> None:
    run = tinysight.train(folder, **small)
    images, _ = noise(4, 3)
    one = [run.predict(image)[0].top for image in images]
    for batch in (images, torch.from_numpy(images), [images[:2], images[2:]]):
        found = [p.top for p in run.predict(batch)]
        assert [[c for c, _ in top] for top in found] == [[c for c, _ in top] for top in one]
        np.testing.assert_allclose([top[0][1] for top in found], [top[0][1] for top in one], 1e-5)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: tinysight.train("digits", FIVE), "recipe must be a name, a file, a run folder"),
        (
            lambda: tinysight.train("digits", out=FIVE),
            "out must be the path of a new or empty fold",
        ),
        (lambda: tinysight.train("digits", out=""), "out must be the path of a new or empty fold"),
        (
            lambda: tinysight.train(""),
            "the data set's name or path is empty; `.` is the folder you",
        ),
        (lambda: tinysight.train("a" * 300), "is no data set: File name too long"),
        (lambda: tinysight.train("digits", "a" * 300), "unknown recipe 'aaa"),
        (lambda: tinysight.load(FIVE), "run must be a name or a path, got int"),
        (lambda: tinysight.load_data("digits", settings=None), "unknown argument of load_data"),
        (
            lambda: tinysight.load_data("digits", classes=FIVE),
            "classes must be a list of names, got",
        ),
        (
            lambda: api.preview("digits", out="preview.jpg"),
            "the preview is a PNG; out must end in .png, got",
        ),
        (
            lambda: api.preview("nowhere", "quik", out="x.png"),
            "unknown recipe 'quik'; did you mean",
        ),
        (
            lambda: tinysight.load_data("digits", layout="nhwc"),
            "value_range and layout are for arrays, in memory or in files; digits has none",
        ),
        (lambda: tinysight.train("cifar10", value_range=(0, 1)), "are for arrays, .* cifar10 has"),
    ],
)
def test_wrong_types_are_refused(call: Callable[[], object], text: str) -> None:
    with pytest.raises(UsageError, match=text):
        call()


def test_a_diverged_training_leaves_a_report(folder: Path, small: dict[str, Any]) -> None:
    wild = small | {"optim.name": "sgd", "optim.lr": 100, "schedule.name": "constant"}
    wild |= {"model": "mlp", "batch_size": 4}
    with pytest.raises(Diverged) as error:
        tinysight.train(folder, **wild)
    assert "the loss became non-finite at" in (error.value.run / "report.html").read_text()
    with pytest.raises(CheckpointError, match=r"is missing: the training diverged before an epoch"):
        tinysight.load(error.value.run).evaluate()


def test_a_picture_by_a_name_that_is_too_long_is_unreadable(
    folder: Path, small: dict[str, Any]
) -> None:
    (found,) = tinysight.train(folder, **small).predict("a" * 300 + ".png")
    assert found.error is not None
    assert "File name too long" in found.error


def test_reading_shows_how_far_it_is(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tinysight.progress._Counter.every", 0.0)
    tinysight.load_data(folder, cache=False)
    assert "reading pictures: 60 of 60" in capsys.readouterr().err
    tinysight.load_data(folder, cache=False, quiet=True)
    assert not capsys.readouterr().err


def test_top_is_a_whole_number(folder: Path, small: dict[str, Any]) -> None:
    run = tinysight.train(folder, **small)
    for top in (0, -1, 1.5, True):
        with pytest.raises(UsageError, match="top must be a whole number of 1 or more, got"):
            run.predict(folder, top=top)  # pyright: ignore[reportArgumentType]


def test_what_can_be_refused_is_refused_before_the_data_is_read(here: Path) -> None:
    (here / "full").mkdir()
    (here / "full" / "file").touch()
    for wrong, text in (
        ({"out": "full"}, "is not empty"),
        ({"device": "gpu"}, "device must be one of"),
        ({"init": "nowhere"}, "unknown run 'nowhere'"),
        ({"model": "resnet19"}, "unknown model"),
    ):
        with pytest.raises(UsageError, match=text):
            tinysight.train("no such data", **wrong)  # pyright: ignore[reportArgumentType]


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


def test_what_is_no_picture_is_counted_and_said(
    folder: Path, small: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    run = tinysight.train(folder, **small)
    (folder / "red" / "notes.TXT").touch()
    capsys.readouterr()
    assert len(run.predict(folder)) == 60
    assert capsys.readouterr().err == "skipped 1 file that is no picture: 1 .txt\n"
    (folder / "a.txt").touch()
    (folder / "README").touch()
    assert len(run.predict([folder, folder / "red"])) == 80
    said = "skipped 4 files that are no pictures: 3 .txt, 1 without ending\n"
    assert capsys.readouterr().err == said
    assert len(run.predict(folder, quiet=True)) == 60
    assert not capsys.readouterr().err
    for i in range(12):
        (folder / f"a.x{i}").touch()
    run.predict(folder)
    assert capsys.readouterr().err.endswith(", 1 .x3, 1 .x4, and others\n")


def test_what_arrays_leave_open_is_stated_to_every_verb(here: Path, small: dict[str, Any]) -> None:
    images, labels = noise(60, 0)
    open_: Any = (images / 255, labels)
    stated: dict[str, Any] = {
        "value_range": (0, 1), "layout": "nhwc", "classes": ["red", "green", "blue"]
    }  # fmt: skip
    with pytest.raises(UsageError, match="what black and white are is not guessed"):
        tinysight.plan(open_, layout="nhwc", **small)
    assert tinysight.plan(open_, **stated, **small).data.classes == ("red", "green", "blue")
    run = tinysight.train(open_, **stated, **small)
    assert run.classes == ("red", "green", "blue")
    assert api.preview(open_, out=here / "x.png", **stated).exists()
    data = tinysight.load_data(open_, **stated)
    for name, value in stated.items():
        with pytest.raises(UsageError, match=f"{name} comes too late: the data set is read alrea"):
            tinysight.train(data, **{name: value}, **small)
    # A file is read in the same way again.
    np.savez(here / "x.npz", x_train=images / 255, y_train=labels)
    run = tinysight.train("x.npz", **stated, **small)
    assert tinysight.load(run.path).evaluate("test").metrics.top1.n == 6


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


def test_test_time_augmentation_that_cannot_be_is_refused(small: dict[str, Any]) -> None:
    digits = tinysight.train("digits", **small)
    with pytest.raises(
        UsageError, match="tta=mirror looks at mirror images, which are not of their class in dig"
    ):
        digits.evaluate("test", tta="mirror")
    assert digits.folder.test_reads() == []
    with pytest.raises(UsageError, match="tta must be one of none, mirror, mirror[+]shift, got"):
        digits.evaluate("test", tta="flip")


def test_what_a_training_cannot_do_is_refused_before_it(
    folder: Path, small: dict[str, Any], here: Path
) -> None:
    for words, said in (
        ({"tta": "flip"}, "tta must be one of none, mirror, mirror[+]shift, got 'flip'"),
        ({"compilation": "yes"}, "compile must be one of auto, on, off, got 'yes'"),
        ({"device": "gpu"}, "device must be one of"),
    ):
        with pytest.raises(UsageError, match=said):
            tinysight.train("no such data", **words, **small)
    with pytest.raises(UsageError, match="looks at mirror images, which are not of their class"):
        tinysight.train("digits", tta="mirror", **small)
    with pytest.raises(UsageError, match="a final fit has none but on test; add --evaluate-test"):
        tinysight.train(folder, tta="mirror", final=True, **small)
    dots = noise(30, 0)[0][:, :1, :1].copy(), noise(30, 0)[1]
    with pytest.raises(UsageError, match="moves pictures by a pixel, which needs 2; use tta=mirr"):
        tinysight.train(dots, tta="mirror+shift", layout="nhwc", **small)
    assert not (here / "runs").exists()
