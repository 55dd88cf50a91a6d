"""IDX files: where they may stand, what they must hold, and what is refused."""

from __future__ import annotations

import gzip
import io
import os
import struct
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from tests.data.limited import needs_proc, read_within_200_megabytes

from tinysight.data.assembly import assemble
from tinysight.data.containers import open_container
from tinysight.data.prepared import prepare
from tinysight.data.readers import idx
from tinysight.data.reading import Options, Reading
from tinysight.data.statistics import inspect
from tinysight.errors import DataError, UsageError
from tinysight.recipe import Recipe

Noise = Callable[..., NDArray[np.uint8]]

KINDS = {"uint8": 8, "int8": 9, "int16": 11, "int32": 12, "float32": 13, "float64": 14}
LABELS = np.arange(20) % 2


def packed(array: Any) -> bytes:
    """An array as IDX, by the format's own description."""
    array = np.asarray(array)
    head = struct.pack(">BBBB", 0, 0, KINDS[array.dtype.name], array.ndim)
    lengths = struct.pack(f">{array.ndim}I", *array.shape)
    return head + lengths + array.astype(array.dtype.newbyteorder(">")).tobytes()


def files(noise: Noise, *shape: int, n: int = 20) -> dict[str, bytes]:
    """A data set of n and n / 2 pictures."""
    images = noise(n, *shape)
    labels = np.arange(n, dtype=np.uint8) % 2
    axes = len(shape) + 1
    return {
        f"train-images-idx{axes}-ubyte": packed(images),
        "train-labels-idx1-ubyte": packed(labels),
        f"t10k-images-idx{axes}-ubyte": packed(images[: n // 2]),
        "t10k-labels-idx1-ubyte": packed(labels[: n // 2]),
    }


def write(folder: Path, content: dict[str, bytes]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, raw in content.items():
        (folder / name).write_bytes(gzip.compress(raw) if name.endswith(".gz") else raw)
    return folder


def read(path: Path, *, classes: tuple[str, ...] | None = None, **data: Any) -> Reading:
    layout = data.pop("layout", None)
    found = idx.find(path, layout=layout)
    assert found is not None
    return found.read(Options(Recipe(data=data).data, classes))


def refused(text: str, path: Path, **how: Any) -> None:
    with pytest.raises(DataError) as caught:
        read(path, **how)
    assert text in str(caught.value)
    assert "\n" not in str(caught.value)


def test_digits_in_the_layout_of_mnist(tmp_path: Path) -> None:
    bunch: Any = load_digits()
    images = np.zeros((len(bunch.images), 28, 28), np.uint8)
    images[:, 10:18, 10:18] = bunch.images * 15
    labels = bunch.target.astype(np.uint8)
    content = {
        "train-images-idx3-ubyte.gz": packed(images[:1500]),
        "train-labels-idx1-ubyte.gz": packed(labels[:1500]),
        "t10k-images-idx3-ubyte.gz": packed(images[1500:]),
        "t10k-labels-idx1-ubyte.gz": packed(labels[1500:]),
    }
    reading = read(write(tmp_path / "mnist", content))
    assert list(reading.splits) == ["train", "test"]
    for split, part in {"train": slice(1500), "test": slice(1500, None)}.items():
        np.testing.assert_array_equal(reading.splits[split].images[..., 0], images[part])
        assert reading.splits[split].labels.tolist() == labels[part].tolist()
    assert reading.classes == tuple("0123456789")
    assert (reading.name, reading.numbered, reading.notes) == ("mnist", True, ())
    info = inspect(assemble(prepare(reading), Recipe().data))
    assert info.shape == (28, 28, 1)
    assert info.found["sizes"] == [{"height": 28, "width": 28, "n": 1797}]
    assert (info.found["formats"], info.found["modes"]) == ({"array": 1797}, {"L": 1797})
    assert sum(info.counts["test"]) == 297


@pytest.mark.parametrize("mark", ["-", "."])
@pytest.mark.parametrize("end", ["", ".gz"])
@pytest.mark.parametrize("prefix", ["", "emnist-letters-"])
@pytest.mark.parametrize("test", ["t10k", "test"])
@pytest.mark.parametrize("below", ["", "raw"])
def test_names_and_places(
    tmp_path: Path, mark: str, end: str, prefix: str, test: str, below: str, noise: Noise
) -> None:
    content = {
        prefix + name.replace("-idx", f"{mark}idx").replace("t10k", test) + end: raw
        for name, raw in files(noise, 5, 6).items()
    }
    write(tmp_path / "set" / below, content)
    (tmp_path / "set" / "processed").mkdir()
    reading = read(tmp_path / "set")
    assert {s: len(r.labels) for s, r in reading.splits.items()} == {"train": 20, "test": 10}
    upright = noise(20, 5, 6)
    if prefix:  # EMNIST's lie on their sides
        upright = upright.transpose(0, 2, 1)
        assert "they were set upright" in reading.notes[0]
    np.testing.assert_array_equal(reading.splits["train"].images[..., 0], upright)
    assert reading.name == "set"
    assert read(tmp_path / "set" / below).name == "set"
    one = tmp_path / "set" / below / next(iter(content))
    upright = noise(10, 5, 6).transpose(0, 2, 1) if prefix else noise(10, 5, 6)
    assert read(one).splits["test"].images.tobytes() == upright.tobytes()


@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz"])
def test_in_an_archive(tmp_path: Path, kind: str, noise: Noise) -> None:
    content = {f"MNIST/raw/{n}.gz": gzip.compress(r) for n, r in files(noise, 5, 6).items()}
    path = tmp_path / f"mnist.{kind}"
    if kind == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            for name, raw in content.items():
                archive.writestr(name, raw)
    else:
        with tarfile.open(path, "w:gz" if kind == "tar.gz" else "w") as archive:
            for name, raw in content.items():
                info = tarfile.TarInfo(name)
                info.size = len(raw)
                archive.addfile(info, io.BytesIO(raw))
    found = idx.find(open_container(path))
    assert found is not None
    reading = found.read(Options(Recipe().data))
    np.testing.assert_array_equal(reading.splits["train"].images[..., 0], noise(20, 5, 6))
    assert reading.splits["train"].labels.tolist() == LABELS.tolist()
    assert (reading.name, reading.source["container"]) == ("mnist", kind)


def test_what_is_not_idx(tmp_path: Path, noise: Noise) -> None:
    assert idx.find(tmp_path) is None
    assert idx.find(tmp_path / "train-labels-idx1-ubyte") is None
    (tmp_path / "some.gz").write_bytes(gzip.compress(b"x"))
    assert idx.find(tmp_path / "some.gz") is None
    for i in range(11):  # class folders are not looked into
        write(tmp_path / "classes" / str(i), files(noise, 4, 4) if i == 3 else {})
    assert idx.find(tmp_path / "classes") is None


def test_the_unpacked_one_of_two_and_one_of_several_sets(tmp_path: Path, noise: Noise) -> None:
    content = files(noise, 4, 4)
    write(tmp_path / "one", content | {f"{name}.gz": b"damaged" for name in content})
    reading = read(tmp_path / "one")
    assert reading.source["files"]["train images"] == "train-images-idx3-ubyte"
    letters = {f"emnist-letters-{name}": raw for name, raw in content.items()}
    write(tmp_path / "one", letters)
    refused(
        "holds several sets of IDX files: 'emnist-letters', '.'; give a folder", tmp_path / "one"
    )
    assert read(tmp_path / "one" / "emnist-letters-train-images-idx3-ubyte").name == "one"
    write(tmp_path / "two", content)
    refused("holds several sets of IDX files: 'one/emnist-letters', 'one', 'two'; give", tmp_path)


def test_colours_and_their_axis(tmp_path: Path, noise: Noise) -> None:
    reading = read(write(tmp_path / "a", files(noise, 5, 6, 3)))
    np.testing.assert_array_equal(reading.splits["train"].images, noise(20, 5, 6, 3))
    reading = read(write(tmp_path / "b", files(noise, 3, 5, 6)), size=8)
    assert reading.splits["train"].images.shape == (20, 8, 8, 3)
    write(tmp_path / "c", files(noise, 3, 5, 3))
    with pytest.raises(UsageError, match=r"train-images-idx4-ubyte: the shape \(20, 3, 5, 3\) can"):
        read(tmp_path / "c")
    assert read(tmp_path / "c", layout="nchw").splits["train"].images.shape == (20, 5, 3, 3)
    with pytest.raises(UsageError, match="picks a label column of a table; IDX files as in"):
        read(tmp_path / "a", label="fine")


def test_labels(tmp_path: Path, noise: Noise) -> None:
    content = files(noise, 4, 4)
    for kind in ("uint8", "int16", "int32"):
        labels = packed((LABELS + 1).astype(kind))
        half = packed((LABELS[:10] + 1).astype(kind))
        reading = read(write(tmp_path, content | {MARKS: labels, "t10k-labels-idx1-ubyte": half}))
        assert reading.splits["train"].labels.tolist() == (LABELS + 1).tolist()
        assert reading.classes == ("0", "1", "2")
    assert read(tmp_path, classes=("a", "b", "c")).classes == ("a", "b", "c")
    refused("label 2 of train record 1 is out of range for 2 classes", tmp_path, classes=("a", "b"))


def test_identity(tmp_path: Path, noise: Noise) -> None:
    write(tmp_path, files(noise, 4, 4))

    def identity(**how: Any) -> list[Any]:
        found = idx.find(tmp_path, **how)
        assert found is not None
        return found.identity()

    first = identity()
    assert identity() == first
    assert identity(layout="nchw") != first
    (tmp_path / "notes.txt").write_text("x")
    assert identity() == first
    os.utime(tmp_path / "t10k-labels-idx1-ubyte", (1, 1))
    assert identity() != first


IMAGES, MARKS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"


@pytest.mark.parametrize("end", ["", ".gz"])
@pytest.mark.parametrize(
    ("name", "change", "text"),
    [
        (IMAGES, lambda raw: raw[:-1], "20 x 4 x 4 expected, 320 bytes; 319 are there: fetch or"),
        (IMAGES, lambda raw: raw + b"x", "20 x 4 x 4 expected, 320 bytes; there are more: fetch"),
        (
            MARKS,
            lambda raw: raw[:-1],
            "20 expected, 20 bytes; 19 are there: fetch or copy it again",
        ),
        (IMAGES, lambda raw: raw[:9], "idx3-ubyte{end} ends within its header; fetch or copy it"),
        (IMAGES, lambda raw: b"", "is no IDX file: it starts with ''; fetch or copy it again"),
        (IMAGES, lambda raw: b"<html>", "is no IDX file: it starts with '<htm'; fetch or copy"),
        (IMAGES, lambda raw: b"\0\0\7\3" + raw[4:], "is no IDX file: it starts with '"),
        (IMAGES, lambda raw: b"\0\0\x0d\3" + raw[4:], "20 x 4 x 4 expected, 1,280 bytes; 320 are"),
        (IMAGES, lambda raw: b"\0\0\x09\3" + raw[4:], "holds int8; pictures are expected as unsi"),
        (IMAGES, lambda raw: packed(LABELS.astype(np.uint8)), "1 axes, images have 3 or 4: are im"),
        (MARKS, lambda raw: packed(np.zeros((20, 4, 4), np.uint8)), "labels and images swapped?"),
        (MARKS, lambda raw: packed(np.zeros((20, 8), np.uint8)), "2 axes, labels have 1; mend it"),
        (MARKS, lambda raw: packed(LABELS[:19].astype(np.uint8)), "20 pictures but 19 labels"),
        (MARKS, lambda raw: packed(LABELS.astype(np.int8) - 1), "label -1 of record 0 is negative"),
        (MARKS, lambda raw: packed(LABELS.astype(np.float32)), "labels must be whole numbers"),
        (MARKS, lambda raw: raw[:-1] + b"\xc8", "label 200 of train record 19 is out of range: 30"),
        (IMAGES, lambda raw: packed(np.zeros((0, 4, 4), np.uint8)), "no pictures, got the shape"),
        (IMAGES, lambda raw: packed(np.zeros((20, 1, 30), np.uint8)), "each picture of "),
        (
            IMAGES,
            lambda raw: raw[:4] + b"\xff" * 12,
            "4,294,967,295 x 4,294,967,295 x 4,294,967,295 expected",
        ),
    ],
)
def test_files_that_are_refused(
    tmp_path: Path,
    name: str,
    change: Callable[[bytes], bytes],
    text: str,
    end: str,
    noise: Noise,
) -> None:
    content = {f"{n}{end}": change(r) if n == name else r for n, r in files(noise, 4, 4).items()}
    refused(text.format(end=end), write(tmp_path, content))


def test_files_that_are_missing(tmp_path: Path, noise: Noise) -> None:
    content = files(noise, 4, 4)
    for name, text in {
        IMAGES: "has no images of train, as train-images-idx3-ubyte would be; found 't10k-ima",
        MARKS: "has no labels of train, as train-labels-idx1-ubyte would be; found 't10k-ima",
        "t10k-labels-idx1-ubyte": "has no labels of test, as t10k-labels-idx1-ubyte would be",
    }.items():
        less = {n: raw for n, raw in content.items() if n != name}
        refused(text, write(tmp_path / name, less))
    train = {name: raw for name, raw in content.items() if name.startswith("train")}
    assert list(read(write(tmp_path / "alone", train)).splits) == ["train"]


def test_damaged_gzip(tmp_path: Path, noise: Noise) -> None:
    write(tmp_path, {f"{name}.gz": raw for name, raw in files(noise, 9, 9).items()})
    path = tmp_path / f"{IMAGES}.gz"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    refused("is cut short: its gzip stream stops before its end", tmp_path)
    path.write_bytes(whole[:-8] + bytes(4) + whole[-4:])
    refused("is damaged as gzip", tmp_path)
    path.unlink()
    path.symlink_to("nothing")
    refused("has no images of train", tmp_path)


@needs_proc
def test_what_is_promised_takes_no_memory(tmp_path: Path, noise: Noise) -> None:
    content = files(noise, 4, 4)
    huge = struct.pack(">BBBBIII", 0, 0, 8, 3, 250_000, 32, 32)
    many = struct.pack(">BBBBI", 0, 0, 8, 1, 4 * 10**9)
    places = [
        write(tmp_path / "claim", content | {IMAGES: huge}),
        write(tmp_path / "labels", content | {MARKS: many}),
        write(tmp_path / "cut", {f"{n}.gz": r for n, r in (content | {IMAGES: huge}).items()}),
        write(tmp_path / "more", {f"{n}.gz": r for n, r in content.items()}),
        write(tmp_path / "bomb", {f"{n}.gz": r for n, r in content.items()}),
        write(tmp_path / "sparse", content),
    ]
    bomb = gzip.compress(huge[:4] + struct.pack(">III", 30_000, 32, 32) + bytes(25 * 10**7), 1)
    (tmp_path / "more" / f"{IMAGES}.gz").write_bytes(bomb)
    (tmp_path / "bomb" / f"{IMAGES}.gz").write_bytes(gzip.compress(huge + bytes(25 * 10**7), 1))
    with (tmp_path / "sparse" / IMAGES).open("wb") as file:
        file.write(struct.pack(">BBBBIII", 0, 0, 8, 3, 20, 4, 4))
        file.truncate(10**12)
    claim, labels, cut, more, whole, sparse = read_within_200_megabytes("idx", places)
    assert "250,000 x 32 x 32 expected, 256,000,000 bytes; 0 are there" in claim
    assert "4,000,000,000 expected, 4,000,000,000 bytes; 0 are there" in labels
    assert "256,000,000 bytes, packed in" in cut
    assert "30,000 x 32 x 32 expected, 30,720,000 bytes; there are more" in more
    assert "as bombs are; fetch it again" in whole
    assert "there are more" in sparse


def survives(content: dict[str, bytes]) -> None:
    """The files give a data set or one of our errors."""
    with tempfile.TemporaryDirectory() as folder:
        for name, raw in content.items():
            (Path(folder) / name).write_bytes(raw)
        try:
            reading = read(Path(folder))
        except DataError:
            return
    for records in reading.splits.values():
        assert records.images.dtype == np.uint8
        assert len(records.images) == len(records.labels) > 0
        assert 0 <= records.labels.min() <= records.labels.max() < len(reading.classes)


def small(end: str) -> dict[str, bytes]:
    pixels = np.random.default_rng(0).integers(0, 256, (6, 3, 4), dtype=np.uint8)
    content = {IMAGES: packed(pixels), MARKS: packed(np.arange(6, dtype=np.uint8) % 2)}
    return {f"{n}{end}": gzip.compress(r) if end else r for n, r in content.items()}


@settings(max_examples=200, deadline=2000)
@given(st.sampled_from(["", ".gz"]), st.sampled_from([IMAGES, MARKS]), st.data())
def test_flipped_bytes(end: str, name: str, data: st.DataObject) -> None:
    content = small(end)
    raw = bytearray(content[name + end])
    for at, value in data.draw(
        st.lists(st.tuples(st.integers(0, len(raw) - 1), st.integers(0, 255)), max_size=6)
    ):
        raw[at] = value
    survives(content | {name + end: bytes(raw)})


@settings(max_examples=100, deadline=2000)
@given(st.sampled_from(["", ".gz"]), st.sampled_from([IMAGES, MARKS]), st.data())
def test_cut_and_reordered_bytes(end: str, name: str, data: st.DataObject) -> None:
    content = small(end)
    raw = content[name + end]
    a, b, c = sorted(data.draw(st.tuples(*[st.integers(0, len(raw))] * 3)))
    for changed in (raw[:a], raw[a:], raw[:a] + raw[b:c] + raw[a:b] + raw[c:]):
        survives(content | {name + end: changed})


@settings(max_examples=100, deadline=2000)
@given(st.lists(st.integers(0, 2**32 - 1), max_size=8), st.integers(0, 255), st.binary(max_size=99))
def test_any_header_in_good_gzip(lengths: list[int], kind: int, rest: bytes) -> None:
    raw = bytes([0, 0, kind, len(lengths)]) + struct.pack(f">{len(lengths)}I", *lengths) + rest
    survives(small(".gz") | {f"{IMAGES}.gz": gzip.compress(raw)})
    survives(small("") | {MARKS: raw})
