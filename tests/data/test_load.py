"""`load`: names, paths, what it hands on."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from tinysight.data import DATASETS, load
from tinysight.data.embedded import EMBEDDED
from tinysight.errors import DataError, UnknownName, UsageError
from tinysight.recipe import Recipe

X = np.random.default_rng(0).integers(0, 256, (60, 6, 6, 3), dtype=np.uint8)
Y = np.arange(60) % 3


def test_digits() -> None:
    from sklearn.datasets import load_digits

    data = load("digits")
    assert (data.name, data.shape, data.mirror) == ("digits", (32, 32, 1), False)
    assert data.classes == tuple("0123456789")
    assert data.title == "digits, 1,797 scanned handwritten digits"
    sizes = [len(data.train), len(data.validation), len(data.test or ())]
    assert sizes == [1455, 162, 180]
    assert data.source["origin"] == "digits"
    assert data.source["sizes"] == [{"height": 8, "width": 8, "n": 1797}]
    # At 8x8 the scans themselves, 0..16 as 0..255.
    raw = load("digits", Recipe(data={"size": 8}).data)
    scans = np.asarray(load_digits(return_X_y=True)[0]).reshape(-1, 8, 8)
    expected = {np.rint(scan * 255 / 16).astype(np.uint8).tobytes() for scan in scans}
    assert raw.shape == (8, 8, 1)
    assert {x.numpy().tobytes() for x in raw.train.images} <= expected
    assert raw.train.images.max() == 255


def test_shapes(monkeypatch: pytest.MonkeyPatch) -> None:
    from tinysight.data import embedded
    from tinysight.data.embedded.drawing import CLASSES, draw

    monkeypatch.setattr(embedded, "SHAPES", {"train": (60, 0), "test": (20, 1)})
    data = load("shapes", cache=False)
    assert (data.name, data.shape, data.classes) == ("shapes", (32, 32, 3), CLASSES)
    assert data.title == "shapes, 80 drawn pictures"
    assert (len(data.train), len(data.validation), len(data.test or ())) == (54, 6, 20)
    images, labels, masks = draw(60, 0, size=32)
    drawn = {
        x.tobytes(): (int(y), m.tobytes()) for x, y, m in zip(images, labels, masks, strict=True)
    }
    assert data.train.masks is not None
    assert data.train.masks.dtype == torch.bool
    for image, label, mask in zip(
        data.train.images, data.train.labels, data.train.masks, strict=True
    ):
        assert drawn[image.numpy().tobytes()] == (int(label), mask.numpy().tobytes())
    assert data.notes == (
        "validation has no picture of 4 classes: 'circle', 'square', 'star', 'heart'",
    )


@pytest.mark.parametrize("name", EMBEDDED)
def test_the_embedded_refuse_what_they_have_not(name: str) -> None:
    with pytest.raises(UsageError, match=f"{name} has its own labels and classes; leave label and"):
        load(name, Recipe(data={"label": "fine"}).data)
    with pytest.raises(UsageError, match="leave label and classes out"):
        load(name, classes=["a"])
    assert DATASETS[name].endswith("10 classes.")


def test_a_name_that_is_nothing(tmp_path: Path) -> None:
    with pytest.raises(
        UnknownName, match=r"unknown data set 'digit'; did you mean 'digits'\? Known"
    ):
        load("digit")
    with pytest.raises(UnknownName, match="nor is it a path"):
        load(tmp_path / "gone")


def test_the_origin_loads_the_same_again(
    tmp_path: Path, write_folder: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_folder(tmp_path / "pets", {"cat": X[:30], "dog": X[30:]})
    (tmp_path / "pets" / "cat" / "0000.png").write_bytes(b"x")
    monkeypatch.chdir(tmp_path)
    data = load("pets", name="my pets", skip_bad=True)
    assert data.name == "my-pets"
    monkeypatch.chdir("/")
    again = load(data.source["origin"], **data.source["options"])
    assert again.fingerprints == data.fingerprints
    assert (again.name, again.source, again.notes) == (data.name, data.source, data.notes)
    json.dumps(data.source, allow_nan=False)


def test_a_relative_path_and_a_name_of_a_data_set(
    tmp_path: Path, write_folder: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_folder(tmp_path / "digits", {"cat": X[:30], "dog": X[30:]})
    monkeypatch.chdir(tmp_path)
    assert len(load("digits").classes) == 10
    assert load("./digits").classes == ("cat", "dog")


def test_names_are_fit_for_a_folder_and_a_recipe(
    tmp_path: Path, write_folder: Callable[..., Path]
) -> None:
    for name, slug in {"my pets (2024)!": "my-pets-2024", "...": "data"}.items():
        assert load((X, Y), name=name).name == slug
    write_folder(tmp_path / "Ünï", {"a": X[:30], "b": X[30:]})
    data = load(tmp_path / "Ünï")
    assert (data.name, data.title) == ("Uni", "Ünï, 60 pictures of 2 classes")


def test_the_splits_are_in_canonical_order_and_apart() -> None:
    data = load((X, Y))
    assert data.test is not None
    ids = [*data.train.ids, *data.validation.ids, *data.test.ids]
    assert len(set(ids)) == 60
    for split in (data.train, data.validation, data.test):
        assert list(split.ids) == sorted(split.ids)
        assert split.images.dtype == torch.uint8
        assert split.labels.dtype == torch.int64
        assert split.images.is_contiguous()


def test_pictures_of_test_that_stand_in_train_are_said() -> None:
    data = load({"train": (X[:50], Y[:50]), "test": (X[46:], Y[46:])})
    assert data.notes == ("4 of the 14 test pictures stand in train as well (exact copies)",)
    cut = load((np.concatenate([X, X]), np.concatenate([Y, Y])))
    assert any("test pictures stand in train as well" in note for note in cut.notes)
    own = load({"train": (X[:50], Y[:50]), "val": (X[49:], Y[49:]), "test": (X[50:], Y[50:])})
    assert own.notes == (
        "1 of the 11 validation pictures stand in train as well (exact copies)",
        "validation is the source's own, 11 pictures",
    )


def test_too_few_pictures_for_the_splits() -> None:
    with pytest.raises(DataError, match="3 pictures of 3 classes are too few to cut 1 of them off"):
        load((X[:3], Y[:3]))


def test_pictures_without_labels_are_refused() -> None:
    with pytest.raises(DataError, match=r"train: item 0 is of type ndarray, a pair \(picture, lab"):
        load(np.zeros((4, 8, 8), np.uint8))
