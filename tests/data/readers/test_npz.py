"""NumPy's .npz: which keys count, what must be stated, and what is refused before it is read."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.data.readers.npz_files import (
    LABELS,
    Noise,
    header,
    member,
    pack,
    read,
    refused,
    save,
)

from tinysight.data.assembly import assemble
from tinysight.data.prepared import prepare
from tinysight.data.readers import npz
from tinysight.data.statistics import inspect
from tinysight.errors import DataError, UsageError
from tinysight.recipe import Recipe


def test_a_file_for_each_split(tmp_path: Path, noise: Noise) -> None:
    pixels = {split: noise(20, 6, 7, 3, seed=i) for i, split in enumerate(["train", "val", "test"])}
    for split, images in pixels.items():
        save(tmp_path / f"{split}.npz", images=images, labels=LABELS)
    (tmp_path / "notes.txt").write_text("x")
    reading = read(tmp_path)
    assert list(reading.splits) == ["train", "validation", "test"]
    for split, records in zip(pixels, reading.splits.values(), strict=True):
        np.testing.assert_array_equal(records.images, pixels[split])
        assert records.labels.tolist() == LABELS.tolist()
        assert records.labels.dtype == np.int64
    assert (reading.name, reading.classes, reading.numbered) == (tmp_path.name, ("0", "1"), True)
    assert reading.notes == ()
    assert reading.source["kind"] == "npz"
    assert reading.source["keys"]["train"] == ["images in train.npz", "labels in train.npz"]
    assert reading.source["sizes"] == [{"height": 6, "width": 7, "n": 60}]


@pytest.mark.parametrize(
    ("keys", "splits"),
    [
        (["x_train", "y_train", "x_test", "y_test"], ["train", "test"]),
        (["X_train", "y_train", "X_test", "y_test"], ["train", "test"]),
        (
            [f"{s}_{k}" for s in ("train", "val", "test") for k in ("images", "labels")],
            ["train", "validation", "test"],
        ),
        (["images", "labels"], ["train"]),
        (["x", "y"], ["train"]),
        (["images", "labels", "images_test", "labels_test"], ["train", "test"]),
    ],
)
@pytest.mark.parametrize("column", [False, True], ids=["n", "n x 1"])
@pytest.mark.parametrize("save_as", [np.savez, np.savez_compressed])
def test_one_file(
    tmp_path: Path,
    keys: list[str],
    splits: list[str],
    column: bool,
    save_as: Callable[..., None],
    noise: Noise,
) -> None:
    labels = LABELS.astype(np.uint8)
    arrays = {
        key: (labels[:, None] if column else labels)
        if key.startswith("y") or "labels" in key
        else noise(20, 5, 5, 3, seed=i)
        for i, key in enumerate(keys)
    }
    path = tmp_path / "some.npz"
    save_as(path, **arrays)
    reading = read(path)
    assert list(reading.splits) == splits
    assert reading.name == "some"
    for images, records in zip(keys[::2], reading.splits.values(), strict=True):
        np.testing.assert_array_equal(records.images, arrays[images])
        assert records.labels.tolist() == LABELS.tolist()


def test_the_content_decides_not_the_name(tmp_path: Path, noise: Noise) -> None:
    save(tmp_path / "a.npz", images=noise(20, 4, 4, 1), labels=LABELS).rename(tmp_path / "a.data")
    assert npz.find(tmp_path / "a.data") is not None
    (tmp_path / "b.data").write_text("no zip")
    assert npz.find(tmp_path / "b.data") is None
    with zipfile.ZipFile(tmp_path / "c.zip", "w") as archive:
        archive.writestr("train/cat/1.png", b"x")
    assert npz.find(tmp_path / "c.zip") is None
    (tmp_path / "folder").mkdir()
    assert npz.find(tmp_path / "folder") is None


@pytest.mark.slow
def test_the_real_cifar10(tmp_path: Path, shared_data: Path) -> None:
    make = [sys.executable, str(shared_data / "make_official.py"), "cifar10", "npz", str(tmp_path)]
    subprocess.run(make, check=True, capture_output=True)
    prepared = prepare(read(tmp_path))
    assert prepared.title == "canonical CIFAR-10, all 60,000 pictures"
    assert prepared.name == "cifar10"
    assert prepared.classes[0] == "airplane"
    assert prepared.fingerprints == {  # from the published table, not from the package
        "train": "312eba2e95c7a84e25d7dc2786581186593645d078c39e500d03846655a725be",
        "test": "fe0ab331ab239f2d245a3ed5639cec26cefacc06496158730f4399ad8de185b2",
    }


def test_files_of_other_things_in_a_folder_do_not_count(tmp_path: Path, noise: Noise) -> None:
    save(tmp_path / "features.npz", features=np.zeros(3))
    (tmp_path / ".train.npz").write_bytes(b"half a download")
    assert npz.find(tmp_path) is None
    save(tmp_path / "cats.npz", images=noise(20, 4, 4, 3), labels=LABELS)
    found = npz.find(tmp_path)
    assert found is not None
    assert {key.file.name for key in found.keys} == {"cats.npz"}
    save(tmp_path / "dogs.npz", images=noise(20, 4, 4, 3), labels=LABELS)
    with pytest.raises(DataError, match=r"holds several .npz files: 'cats.npz', 'dogs.npz'; name"):
        npz.find(tmp_path)
    save(tmp_path / "train.npz", images=noise(20, 4, 4, 3), labels=LABELS)
    found = npz.find(tmp_path)
    assert found is not None
    assert {key.file.name for key in found.keys} == {"train.npz"}


def test_what_info_shows(tmp_path: Path, noise: Noise) -> None:
    images = noise(40, 6, 6, 1)
    save(tmp_path / "a.npz", images=images, labels=np.arange(40) % 2, extra=np.zeros(3))
    reading = read(tmp_path / "a.npz")
    info = inspect(assemble(prepare(reading), Recipe().data))
    assert (info.found["formats"], info.found["modes"]) == ({"array": 40}, {"L": 40})
    assert "6x6, grey" in str(info)
    assert "arrays that are not read: 'extra in a.npz'" in str(info)


def test_identity(tmp_path: Path, noise: Noise) -> None:
    path = save(tmp_path / "a.npz", images=noise(20, 4, 4, 3), labels=LABELS)

    def identity(**how: Any) -> list[Any]:
        found = npz.find(path, **how)
        assert found is not None
        return found.identity()

    first = identity()
    assert identity() == first
    assert identity(layout="nhwc") != first
    assert identity(value_range=(0, 1)) != first
    os.utime(path, (1, 1))
    assert identity() != first


def test_the_shapes_and_orders_of_arrays(tmp_path: Path, noise: Noise) -> None:
    images = noise(20, 5, 6, 3)
    for name, array in {
        "planes": images.transpose(0, 3, 1, 2),
        "fortran": np.asfortranarray(images),
    }.items():
        reading = read(save(tmp_path / f"{name}.npz", images=array, labels=LABELS))
        np.testing.assert_array_equal(reading.splits["train"].images, images)
    grey = read(save(tmp_path / "grey.npz", images=images[..., 0], labels=LABELS))
    np.testing.assert_array_equal(grey.splits["train"].images, images[..., :1])
    both = save(tmp_path / "both.npz", images=noise(20, 3, 6, 3), labels=LABELS)
    with pytest.raises(UsageError, match=r"images: the shape \(20, 3, 6, 3\) can be n h w c or n"):
        read(both)
    assert read(both, layout="nchw").splits["train"].images.shape == (20, 6, 3, 3)
    assert read(both, size=8, layout="nhwc").splits["train"].images.shape == (20, 8, 8, 3)


def test_many_pictures_are_read_a_few_at_a_time(
    tmp_path: Path, noise: Noise, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(npz, "STEP", 7 * 4 * 4 * 3)
    images = noise(20, 4, 4, 3)
    for save_as in (np.savez, np.savez_compressed):
        save_as(tmp_path / "a.npz", images=images, labels=LABELS)
        reading = read(tmp_path / "a.npz")
        np.testing.assert_array_equal(reading.splits["train"].images, images)


@pytest.mark.parametrize("kind", ["float32", "float64", ">f4", "float16", "int64", "uint16", "|i1"])
def test_what_is_not_uint8_has_its_range_stated(tmp_path: Path, kind: str, noise: Noise) -> None:
    images = noise(20, 4, 4, 3) // 2
    path = save(tmp_path / "a.npz", images=images.astype(kind), labels=LABELS)
    with pytest.raises(UsageError, match=r"a\.npz images are \S+; what black and white are is not"):
        read(path)
    reading = read(path, value_range=(0, 255))
    np.testing.assert_array_equal(reading.splits["train"].images, images)


def test_floats_from_0_to_1(tmp_path: Path, noise: Noise) -> None:
    images = noise(20, 4, 4, 3)
    path = save(tmp_path / "a.npz", images=images / np.float32(255), labels=LABELS)
    np.testing.assert_array_equal(read(path, value_range=(0, 1)).splits["train"].images, images)
    binary = save(tmp_path / "b.npz", images=images > 99, labels=LABELS)
    with pytest.raises(DataError, match=r"holds '\|b1'; whole numbers or floats are read"):
        read(binary)
    binary = save(tmp_path / "b.npz", images=(images > 99).astype(np.uint8), labels=LABELS)
    reading = read(binary, value_range=(0, 1))
    assert set(np.unique(reading.splits["train"].images)) == {0, 255}


def test_the_names_of_the_classes(tmp_path: Path, noise: Noise) -> None:
    images = noise(20, 4, 4, 3)
    path = tmp_path / "a.npz"
    for key in ("classes", "class_names", "label_names"):
        for names in (np.array(["cat", "dög"]), np.char.encode(["cat", "dög"], "utf-8")):
            reading = read(save(path, images=images, labels=LABELS, **{key: names}))
            assert (reading.classes, reading.numbered) == (("cat", "dög"), False)
    with pytest.raises(DataError, match=r"a\.npz names its 2 classes itself; leave classes out"):
        read(path, classes=("a", "b"))
    save(path, images=images, labels=LABELS)
    assert read(path, classes=("a", "b")).classes == ("a", "b")
    objects = np.array(["cat", "dog"], object)
    save(path, images=images, labels=LABELS, classes=objects)
    with pytest.raises(DataError, match="a.npz classes holds Python objects, which could run code"):
        read(path)
    assert read(path, classes=("a", "b")).classes == ("a", "b")


def test_other_ways_of_writing_the_header(tmp_path: Path) -> None:
    pixels = bytes(range(16))
    for said in (
        "{'shape':(2,2,4),'fortran_order':False,'descr':'|u1'}",
        '{"descr": "u1", "fortran_order": False, "shape": (2L, 2L, 4L)}   ',
    ):
        labels = member("", header("(2,)"), b"\0\1")
        pack(tmp_path / "a.npz", {"images": member("", said, pixels), "labels": labels})
        reading = read(tmp_path / "a.npz")
        assert reading.splits["train"].images.tobytes() == pixels
    wide = b"\x93NUMPY\x02\0" + struct.pack("<I", len(said)) + said.encode() + pixels
    pack(tmp_path / "a.npz", {"images": wide, "labels": labels})
    assert read(tmp_path / "a.npz").splits["train"].images.tobytes() == pixels


@pytest.mark.parametrize("kind", ["U5", "S5"])
def test_labels_that_are_names_are_named(tmp_path: Path, kind: str, noise: Noise) -> None:
    names = np.array(["\xe9meu" if kind == "U5" else "emu", "cat"] * 5).astype(kind)
    path = save(tmp_path / "x.npz", images=noise(10, 8, 8), labels=names)
    shown = repr(names[0].item()).replace("\\", "\\\\")
    refused(f"label {shown} of record 0", path)
