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
    TinysightError,
    UnknownName,
    UsageError,
)
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
    ],
)
def test_wrong_types_are_refused(call: Callable[[], object], text: str) -> None:
    with pytest.raises(UsageError, match=text):
        call()


def test_a_diverged_training_leaves_a_report(folder: Path, small: dict[str, Any]) -> None:
    wild = small | {"optim.lr": 100, "schedule.name": "constant", "model": "mlp", "batch_size": 4}
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
    monkeypatch.setattr("tinysight.progress.LINE_AFTER", 0.0)
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
