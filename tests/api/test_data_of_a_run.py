"""The data of a run: found again, moved, changed, or in memory."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tests.api.arrays import noise
from torch.utils.data import TensorDataset

import tinysight
from tinysight import api
from tinysight.errors import (
    DataError,
    UsageError,
)


def test_arrays_tensors_and_torch_data_sets_are_one(small: dict[str, Any]) -> None:
    train, test = noise(90, 0), noise(30, 1)
    classes = ["red", "green", "blue"]
    by_arrays = tinysight.load_data(train, test=test, classes=classes, layout="nhwc")
    tensors = TensorDataset(torch.from_numpy(train[0]), torch.from_numpy(train[1]))
    by_dataset = tinysight.load_data(tensors, test=test, classes=classes, layout="nhwc")
    assert by_arrays.fingerprints == by_dataset.fingerprints
    runs = [tinysight.train(d, evaluate_test=True, **small) for d in (by_arrays, by_dataset)]
    assert runs[0].folder.load_checkpoint("best").tensors.keys()
    files = [r.folder.read_json("checkpoints/best")["weights"] for r in runs]
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


def test_a_data_set_read_otherwise_is_read_so_again(folder: Path, small: dict[str, Any]) -> None:
    data = tinysight.load_data(folder, split_seed=5, size=12, validation_share=0.3)
    run = tinysight.train(data, **small)
    assert run.recipe.data == data.settings
    again = tinysight.load(run.path)
    assert again.data().validation.ids == data.validation.ids
    assert again.evaluate().probabilities.tolist() == run.evaluate().probabilities.tolist()


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
