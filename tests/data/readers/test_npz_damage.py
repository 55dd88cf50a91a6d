""".npz files that do not fit, are damaged, or would do harm."""

from __future__ import annotations

import io
import struct
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.data.limited import needs_proc, read_within_200_megabytes
from tests.data.readers.npz_files import (
    LABELS,
    Noise,
    header,
    member,
    one_label,
    pack,
    read,
    refused,
    save,
)

from tinysight.data.readers import npy
from tinysight.errors import DataError, UsageError


def test_names_that_do_not_fit(tmp_path: Path, noise: Noise) -> None:
    images, path = noise(20, 4, 4, 3), tmp_path / "a.npz"
    save(path, images=images, labels=LABELS, classes=np.array(["cat"]))
    refused("label 1 of train record 1 is out of range for 1 classes, 0 to 0", path)
    save(path, images=images, labels=LABELS * 999)
    refused("label 999 of train record 1 is out of range: 20 pictures cannot have so many", path)
    save(path, images=images, labels=LABELS, classes=np.array([1, 2]))
    refused("names of classes are a row of str, got int64 of the shape (2,)", path)
    save(path, images=images, labels=LABELS, classes=np.array([b"\xff", b"b"]))
    refused("the names of the classes are no text; write them again", path)
    save(path, images=images, labels=LABELS, classes=np.array(["a", "b"]), label_names=["b", "a"])
    refused("names its classes in two ways: classes in a.npz and label_names in a.npz", path)


def test_keys_that_do_not_fit(tmp_path: Path, noise: Noise) -> None:
    images, path = noise(20, 4, 4, 3), tmp_path / "a.npz"
    save(path, pictures=images, labels_train=LABELS)
    refused("has labels_train in a.npz as the labels of train but no images; its keys are", path)
    save(path, features=images)
    refused("has no pictures to train on: the keys images and labels, x_train and y_train", path)
    save(path, x_test=images, y_test=LABELS)
    refused("expected, found 'x_test', 'y_test'", path)
    save(path, x=images, y=LABELS, images=images)
    refused("has the images of train twice: x in a.npz and images in a.npz", path)
    (tmp_path / "f").mkdir()
    save(tmp_path / "f" / "val.npz", images=images, labels=LABELS)
    save(tmp_path / "f" / "valid.npz", images=images, labels=LABELS)
    refused("has the images of validation twice: images in val.npz and images", tmp_path / "f")


def test_arrays_that_do_not_fit(tmp_path: Path, noise: Noise) -> None:
    images, path = noise(20, 4, 4, 3), tmp_path / "a.npz"
    save(path, images=images, labels=LABELS[:19])
    refused("a.npz labels: 20 pictures but 19 labels", path)
    save(path, images=images, labels=np.eye(20))
    refused("labels must have one axis, got the shape (20, 20)", path)
    save(path, images=images, labels=LABELS - 1)
    refused("label -1 of record 0 is negative", path)
    save(path, images=images, labels=LABELS / 2)
    refused("labels must be whole numbers, got float64", path)
    save(path, images=images, labels=np.full(20, 2**63, np.uint64))
    refused("label 9223372036854775808 of record 0 is too large", path)
    save(path, images=images.reshape(20, -1), labels=LABELS)
    refused("n h w, n h w c or n c h w is expected, got the shape (20, 48)", path)
    save(path, images=images[:0], labels=LABELS[:0])
    refused("a.npz images is empty, of the shape (0, 4, 4, 3); write it again", path)
    save(path, images=np.float32(images), labels=LABELS)
    refused("has values from 4 to 248, outside value_range (0, 1)", path, value_range=(0, 1))
    spoiled = images.astype(np.float32)
    spoiled[7, 0, 0, 0] = np.nan
    save(path, images=spoiled, labels=LABELS)
    refused("record 7 has values that are not finite (NaN or inf)", path, value_range=(0, 255))
    save(path, images=np.array(list(images), object), labels=LABELS)
    refused("a.npz images holds Python objects, which could run code when they are read", path)
    save(path, images=np.zeros((1, 30, 900, 3), np.uint8), labels=LABELS[:1])
    refused("each picture of", path)
    save(path, images=np.array([["a"]]), labels=LABELS[:1])
    refused("an array of numbers is expected, got <U1", path)
    save(path, images=images, labels=LABELS)
    with pytest.raises(UsageError, match="one array of labels for each split"):
        read(path, label="coarse")


class Payload:
    def __reduce__(self) -> Any:
        return Path.touch, (Path(tempfile.gettempdir()) / "tinysight-payload-ran",)


def test_a_pickle_is_not_run(tmp_path: Path, noise: Noise) -> None:
    ran = Path(tempfile.gettempdir()) / "tinysight-payload-ran"
    ran.unlink(missing_ok=True)
    evil = np.array([Payload()], object)
    for keys in ("images", "labels", "classes"):
        arrays = {"images": noise(20, 4, 4, 3), "labels": LABELS} | {keys: evil}
        refused("holds Python objects, which could", save(tmp_path / "a.npz", **arrays))
    assert not ran.exists()


def test_files_that_are_no_npz(tmp_path: Path, noise: Noise) -> None:
    path = tmp_path / "a.npz"
    path.write_bytes(b"<html><body>Log in</body></html>")
    refused("a web page was saved in its place", path)
    path.write_bytes(b"")
    refused("is empty (0 bytes)", path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.txt", b"x")
    refused("is no .npz: a zip file with .npy arrays in it is expected", path)
    save(path, images=noise(20, 4, 4, 3), labels=LABELS)
    raw = path.read_bytes()
    path.write_bytes(raw[: len(raw) // 2])
    refused("is damaged as zip", path)
    at = raw.index(noise(20, 4, 4, 3).tobytes())
    path.write_bytes(raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :])
    refused("a.npz images is damaged or cannot be read (Bad CRC-32", path)
    np.savez_compressed(path, images=noise(20, 4, 4, 3), labels=LABELS)
    raw = path.read_bytes()
    at = raw.index(b"PK\1\2") + 16
    path.write_bytes(raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :])
    refused("a.npz images is damaged or cannot be read (Bad CRC-32", path)


@pytest.mark.parametrize(
    ("images", "text"),
    [
        (b"x" * 20, "images is no .npy array: it starts with 'xxxxxxxx'"),
        (b"\x93NUMPY\x09\0ab", "is no .npy array: it starts with"),
        (b"\x93NUMPY\x03\0\xff\xff\xff\x7f{}", "has a header of 2,147,483,647 bytes; at most 10,"),
        (member("", "{'shape': (1, 4, 4)}"), "images has a damaged header: {'shape': (1, 4, 4)}"),
        (member("", header("(1, 4, 4)") * 2, bytes(16)), "images has a damaged header"),
        (member("", header("(1, 4, -4)"), bytes(16)), "images has a damaged header"),
        (member("", header(f"({'1' * 5000})"), bytes(16)), "images has a damaged header"),
        (member("", header("(1,1,1,1,1,1,1,1,1,1)"), bytes(1)), "images has a damaged header"),
        (member("", "(" * 9999, bytes(16)), "images has a damaged header"),
        (member("", header("(4)", "'<c8'"), bytes(32)), "holds '<c8'; whole numbers or floats"),
        (member("", header("(4)", "'|S0'"), b""), "holds '|S0'; whole numbers or floats are"),
        (member("", header("(4)", "'|V16'"), bytes(64)), "holds '|V16'; whole numbers or floats"),
        (member("", header("(4)", "[('a', '<f4')]"), bytes(64)), "images has a damaged header"),
        (member("", header("(1, 4, 4)"), bytes(15)), "1 x 4 x 4 uint8 are expected by its header"),
        (member("", header("(1, 4, 4)"), bytes(17)), "16 bytes; 17 are there"),
        (member("", header("(1000000000000000, 4, 4)"), bytes(16)), "16,000,000,000,000,000 bytes"),
        (member("", header("(999999999999999999,) "), bytes(16)), "999,999,999,999,999,999 bytes"),
        (
            member("", header(f"(0, {10**17}, {10**17})"), b""),
            "images is empty, of the shape (0, 1",
        ),
        (member("", header("(1, 9000, 9000)"), bytes(9)), "81,000,000 bytes; 9 are there"),
        (b"\x93NUMPY\x01\0\xff\x00{", "cannot be read (it ends 254 bytes too early)"),
    ],
)
def test_damaged_headers(tmp_path: Path, images: bytes, text: str) -> None:
    refused(text, pack(tmp_path / "a.npz", {"images": images, "labels": one_label()}))


@pytest.mark.parametrize("key", ["labels", "classes"])
def test_empty_arrays_of_absurd_shapes(tmp_path: Path, key: str) -> None:
    empty = member("", header(f"({10**17}, 0, {10**17})", "'<U9'"))
    members = {"images": member("", header("(1, 4, 4)"), bytes(16)), "labels": one_label()}
    refused(f"{key} is empty, of the shape", pack(tmp_path / "a.npz", members | {key: empty}))


def test_ways_of_packing_that_numpy_has_not(tmp_path: Path) -> None:
    images = member("", header("(1, 4, 4)"), bytes(16))
    path = pack(tmp_path / "a.npz", {"images": images, "labels": one_label()}, zipfile.ZIP_LZMA)
    refused("is encrypted or packed in another way than numpy packs; write", path)
    pack(path, {"images": images, "labels": one_label()})
    raw = bytearray(path.read_bytes())
    at = raw.index(b"PK\1\2")
    raw[at + 20 : at + 28] = struct.pack("<II", 1000, 1000)  # the sizes, packed and not
    path.write_bytes(raw)
    refused("is said to be larger than its file; fetch it again", path)


def bomb(rows: int) -> bytes:
    return member("", header(f"({rows}, 32, 32)"), bytes(rows * 1024))


def test_bombs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    labels = member("", header("(300,)"), bytes([0, 1] * 150))
    path = tmp_path / "a.npz"
    pack(path, {"images": bomb(300), "labels": labels}, zipfile.ZIP_DEFLATED)
    assert len(read(path, classes=("a", "b")).splits["train"].labels) == 300
    monkeypatch.setattr(npy, "FREE", 2**18)
    refused("to 307,200, as bombs do; if it is what it should be, write it again with", path)


@needs_proc
def test_what_is_promised_takes_no_memory(tmp_path: Path) -> None:
    labels = member("", header("(1000000,)"), bytes(10**6))
    files = {
        "header": {"images": member("", header("(9000000, 32, 32)"), bytes(99)), "labels": labels},
        "bomb": {"images": bomb(250_000), "labels": labels},
        "labels": {
            "images": bomb(1),
            "labels": member("", header("(250000000,)"), bytes(25 * 10**7)),
        },
        "names": {
            "images": member("", header("(2, 4, 4)"), bytes(32)),
            "labels": member("", header("(2,)"), b"\0\1"),
            "classes": member("", header("(50000,)", "'<U1250'"), bytes(25 * 10**7)),
        },
    }
    paths = [
        pack(tmp_path / f"{name}.npz", members, zipfile.ZIP_DEFLATED)
        for name, members in files.items()
    ]
    lies = bytearray(paths[0].read_bytes())
    at = lies.index(b"PK\1\2")
    lies[at + 24 : at + 28] = struct.pack("<I", 4 * 10**9)  # the size of what is packed
    (tmp_path / "lies.npz").write_bytes(lies)
    said = read_within_200_megabytes("npz", [*paths, tmp_path / "lies.npz"])
    assert len(said) == 5
    assert "9,216,000,000 bytes; 99 are there" in said[0]
    assert all("as bombs do" in line for line in said[1:4]), said
    assert "are there" in said[4]


def small(kind: str) -> bytes:
    file = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 256, (6, 3, 4), dtype=np.uint8)
    names = np.array(["cat", "dog"])
    save_as = np.savez if kind == "stored" else np.savez_compressed
    save_as(
        file, x_train=pixels, y_train=LABELS[:6], x_test=pixels, y_test=LABELS[:6], classes=names
    )
    return file.getvalue()


SMALL = {kind: small(kind) for kind in ("stored", "deflated")}


def survives(raw: bytes) -> None:
    """The bytes give a data set or one of our errors."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.npz"
        path.write_bytes(raw)
        try:
            reading = read(path)
        except (DataError, UsageError):
            return
        for records in reading.splits.values():
            assert records.images.dtype == np.uint8
            assert records.images.shape[0] == len(records.labels) > 0
            assert records.labels.min() >= 0
            assert records.labels.max() < len(reading.classes)


@settings(max_examples=150, deadline=2000)
@given(st.sampled_from(sorted(SMALL)), st.data())
def test_flipped_bytes(kind: str, data: st.DataObject) -> None:
    raw = bytearray(SMALL[kind])
    for at, value in data.draw(
        st.lists(st.tuples(st.integers(0, len(raw) - 1), st.integers(0, 255)), max_size=8)
    ):
        raw[at] = value
    survives(bytes(raw))


@settings(max_examples=60, deadline=2000)
@given(st.sampled_from(sorted(SMALL)), st.data())
def test_cut_and_reordered_bytes(kind: str, data: st.DataObject) -> None:
    raw = SMALL[kind]
    a, b, c = sorted(data.draw(st.tuples(*[st.integers(0, len(raw))] * 3)))
    survives(raw[:a])
    survives(raw[a:])
    survives(raw[:a] + raw[b:c] + raw[a:b] + raw[c:])


@settings(max_examples=150, deadline=2000)
@given(st.data())
def test_flipped_bytes_of_a_header(data: st.DataObject) -> None:
    """Within the zip, so that its own checks do not come first."""
    with zipfile.ZipFile(io.BytesIO(SMALL["stored"])) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    name = data.draw(st.sampled_from(sorted(members)))
    raw = bytearray(members[name])
    for at, value in data.draw(
        st.lists(st.tuples(st.integers(0, 127), st.integers(0, 255)), min_size=1, max_size=6)
    ):
        raw[at] = value
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for other, content in members.items():
            archive.writestr(other, bytes(raw) if other == name else content)
    survives(file.getvalue())
