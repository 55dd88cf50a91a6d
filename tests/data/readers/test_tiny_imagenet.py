"""Tiny ImageNet's tree: as published, as people rearrange it, and as it arrives when cut off."""

from __future__ import annotations

import io
import os
import tempfile
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from tests.data.limited import needs_proc, read_within_200_megabytes
from tests.data.readers.tiny_tree import (
    CLASSES,
    NAMES,
    PUBLISHED,
    ROOT,
    pack,
    published,
    write,
)

from tinysight.data.assembly import assemble
from tinysight.data.containers import open_container
from tinysight.data.prepared import prepare
from tinysight.data.readers import tiny_imagenet
from tinysight.data.reading import Options, Reading
from tinysight.data.statistics import inspect
from tinysight.errors import DataError, UsageError
from tinysight.recipe import Recipe


def sorted_val(files: dict[str, bytes], below: str) -> dict[str, bytes]:
    """The tree with val in folders of classes."""
    lines = files["val/val_annotations.txt"].decode().splitlines()
    wnid_of = dict(line.split("\t")[:2] for line in lines)
    return {
        f"val/{wnid_of[Path(name).name]}/{below}{Path(name).name}"
        if name.startswith("val/images/")
        else name: raw
        for name, raw in files.items()
    }


def read(source: Any, *, skip_bad: bool = False, **how: Any) -> Reading:
    classes = how.pop("classes", None)
    found = tiny_imagenet.find(open_container(source) if isinstance(source, Path) else source)
    assert found is not None
    return found.read(Options(Recipe(data=how).data, classes, skip_bad))


def refused(text: str, path: Path, **how: Any) -> None:
    with pytest.raises(DataError) as caught:
        read(path, **how)
    assert text in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_published_tree(tmp_path: Path) -> None:
    write(tmp_path, published())
    for path in (tmp_path, tmp_path / "tiny-imagenet-200"):
        reading = read(path)
        assert reading.classes == NAMES
        assert {s: len(r.labels) for s, r in reading.splits.items()} == {"train": 40, "test": 16}
        assert reading.splits["train"].images.shape == (40, 64, 64, 3)
        assert reading.name == "tiny-imagenet-200"
        assert reading.notes == (
            "its val split serves as test: the test split has no labels",
            "test/ has 5 pictures without labels, left out",
            "7 of 56 pictures are grey and became RGB like the others",
        )
    wnids = sorted(CLASSES)
    for split, records in reading.splits.items():
        for image, label, file in zip(records.images, records.labels, records.files, strict=True):
            raw = PUBLISHED[file]
            expected = np.asarray(Image.open(io.BytesIO(raw)).convert("RGB"))
            np.testing.assert_array_equal(image, expected)
            if split == "train":
                assert file.split("/")[1] == wnids[label]
            else:
                boxes = PUBLISHED["val/val_annotations.txt"].decode()
                assert f"{Path(file).name}\t{wnids[label]}\t" in boxes
    assert not reading.numbered
    assert reading.mirror
    dataset = assemble(prepare(reading), Recipe().data)
    assert "its val split serves as test: the test split has no labels" in dataset.notes
    assert dataset.source["splits"] == {"validation": "cut from train", "test": "own"}
    info = inspect(dataset)
    assert info.found["sizes"] == [{"height": 64, "width": 64, "n": 56}]
    assert info.found["modes"] == {"RGB": 49, "L": 7}
    assert info.found["formats"] == {"JPEG": 56}


@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
def test_an_archive_is_the_same_data_set(tmp_path: Path, kind: str) -> None:
    folder = prepare(read(write(tmp_path / "folder", PUBLISHED)))
    files = published() | {"__MACOSX/tiny-imagenet-200/wnids.txt": b"x"}
    path = pack(tmp_path / f"tiny.{kind}", files, kind)
    found = tiny_imagenet.find(open_container(path))
    assert found is not None
    reading = found.read(Options(Recipe().data))
    archive = prepare(reading)
    assert archive.fingerprints == folder.fingerprints
    for split, part in archive.parts.items():
        assert part.files == folder.parts[split].files
        assert (part.images == folder.parts[split].images).all()
        assert (part.labels == folder.parts[split].labels).all()
    assert (reading.name, reading.source["container"]) == ("tiny", kind)


@pytest.mark.parametrize("below", ["", "images/"])
@pytest.mark.parametrize("annotations", [True, False])
def test_val_sorted_into_classes(tmp_path: Path, below: str, annotations: bool) -> None:
    expected = prepare(read(write(tmp_path / "a", PUBLISHED)))
    files = sorted_val(PUBLISHED, below)
    if not annotations:
        del files["val/val_annotations.txt"]
    found = prepare(read(write(tmp_path / "b", files)))
    assert found.fingerprints == expected.fingerprints
    assert found.classes == expected.classes


def test_what_else_lies_about(tmp_path: Path) -> None:
    write(tmp_path / "a", PUBLISHED)
    write(
        tmp_path / "a",
        {
            "train/.DS_Store": b"x",
            "train/n01443537/images/._n01443537_0.JPEG": b"x",
            "train/n01443537/images/list.txt": b"x",
            "readme.md": b"x",
            "runs/one/picture.png": b"x",
        },
    )
    assert {s: len(r.labels) for s, r in read(tmp_path / "a").splits.items()} == {
        "train": 40,
        "test": 16,
    }
    assert tiny_imagenet.find(open_container(tmp_path / "a" / "train")) is None
    assert tiny_imagenet.find(open_container(pack(tmp_path / "x.zip", {"a/b.txt": b"x"}))) is None
    write(tmp_path / "b", PUBLISHED)
    with pytest.raises(DataError, match=r"several data sets with a wnids\.txt: 'a/wnids\.txt', 'b"):
        tiny_imagenet.find(open_container(tmp_path))


def test_without_words(tmp_path: Path) -> None:
    files = {name: raw for name, raw in PUBLISHED.items() if name != "words.txt"}
    reading = read(write(tmp_path, files))
    assert reading.classes == tuple(sorted(CLASSES))
    assert reading.notes[0] == "without words.txt the classes are called by their WordNet ids"


def test_sizes(tmp_path: Path) -> None:
    reading = read(write(tmp_path, PUBLISHED), size=32)
    assert reading.splits["train"].images.shape == (40, 32, 32, 3)
    assert "56 of 56 pictures of 64x64 brought to 32x32 (central crop, bicubic)" in reading.notes


@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_identity(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a"
    write(path, PUBLISHED) if kind == "folder" else pack(path, PUBLISHED)

    def identity() -> list[Any]:
        found = tiny_imagenet.find(open_container(path))
        assert found is not None
        return found.identity()

    first = identity()
    assert identity() == first
    os.utime(path if kind == "zip" else path / "val" / "images" / "val_3.JPEG", (1, 1))
    assert identity() != first


def test_settings_that_do_not_fit(tmp_path: Path) -> None:
    write(tmp_path, PUBLISHED)
    with pytest.raises(UsageError, match=r"classes were given, but .* names its classes in wnids"):
        read(tmp_path, classes=("a", "b"))
    with pytest.raises(UsageError, match="picks a label column of a table; Tiny ImageNet in"):
        read(tmp_path, label="fine")


def change(files: dict[str, bytes], what: dict[str, bytes | None]) -> dict[str, bytes]:
    return {n: raw for n, raw in (files | what).items() if raw is not None}


BOXES = PUBLISHED["val/val_annotations.txt"]
WNIDS = PUBLISHED["wnids.txt"]
NO_TRAIN: dict[str, Any] = {n: None for n in PUBLISHED if n.startswith("train/n04399382")}
NO_VAL: dict[str, Any] = {n: None for n in PUBLISHED if n.startswith("val/")}


@pytest.mark.parametrize("kind", ["folder", "zip"])
@pytest.mark.parametrize(
    ("what", "text"),
    [
        ({"wnids.txt": b""}, "wnids.txt names 0 classes; 200 are expected, two at least: fetch"),
        ({"wnids.txt": WNIDS + b"n02012849\n"}, "wnids.txt names twice: 'n02012849'; mend it"),
        (
            {"wnids.txt": WNIDS + b"n9\n"},
            "train has no pictures of 1 of the 5 classes in wnids.txt",
        ),
        (NO_TRAIN, "has no pictures of 1 of the 4 classes in wnids.txt: 'n04399382'; fetch or"),
        (NO_VAL, "val has no pictures of 4 of the 4 classes in wnids.txt: 'n01443537', 'n0201"),
        ({"train/n9/images/a.JPEG": b"x"}, "train has pictures in folders that wnids.txt does not"),
        ({"train/n9/a.JPEG": b"x"}, "does not name: 'n9'; remove or name them"),
        ({"val/n03126707/a.JPEG": b"x"}, "16 pictures in images/ and 1 in folders of classes; rem"),
        (
            {"val/val_annotations.txt": None},
            "which has their classes, is not there; fetch or unpac",
        ),
        ({"val/val_annotations.txt": BOXES[: BOXES.index(b"val_14")]}, "has no class for 2 of the"),
        (
            {"val/val_annotations.txt": BOXES + b"val_x n0\n"},
            "line 17: a file and a class of wnids",
        ),
        ({"val/val_annotations.txt": BOXES + b"x.JPEG\tn9\n"}, "expected, found 'x.JPEG"),
        (
            {"val/val_annotations.txt": BOXES + b"val_0.JPEG\tn04399382\n"},
            "line 17 gives val_0.JPEG another class",
        ),
        ({"val/images/val_3.JPEG": None}, "lacks 1 of the 16 pictures that val_annotations.txt na"),
        ({"val/images/val_3.JPEG": b"x"}, "1 of 56 pictures cannot be read: "),
        ({"val/images/val_3.JPEG": b""}, "val/images/val_3.JPEG is empty (0 bytes)"),
    ],
)
def test_trees_that_are_refused(
    tmp_path: Path, kind: str, what: dict[str, bytes | None], text: str
) -> None:
    files = change(PUBLISHED, what)
    path = write(tmp_path / "a", files) if kind == "folder" else pack(tmp_path / "a.zip", files)
    refused(text, path)


def test_what_can_be_left_out(tmp_path: Path) -> None:
    what = {
        "val/images/val_3.JPEG": None,
        "val/images/val_7.JPEG": b"x",
        "train/n04399382/images/n04399382_0.JPEG": b"x",
    }
    write(tmp_path, change(PUBLISHED, what))
    reading = read(tmp_path, skip_bad=True)
    assert {s: len(r.labels) for s, r in reading.splits.items()} == {"train": 39, "test": 14}
    assert len(reading.source["unreadable"]) == 3
    assert "val/images/val_3.JPEG is not there" in reading.source["unreadable"]
    assert "3 unreadable pictures left out" in reading.notes
    assert reading.notes[0].startswith("val has 3 to 4 pictures a class; as published all have")
    for name in reading.splits["test"].files:
        assert name not in what


def test_a_picture_that_is_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiny_imagenet, "MAX_PICTURE", 100)
    refused("bytes; 100 are expected at most", write(tmp_path, PUBLISHED))


def test_a_zip_with_a_picture_twice(tmp_path: Path) -> None:
    path = pack(tmp_path / "a.zip", PUBLISHED)
    twice = "train/n04399382/images/n04399382_0.JPEG"
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr(twice, b"x")
    refused("n04399382_0.JPEG twice; it cannot be told which is meant", path)


def test_a_zip_cut_in_half(tmp_path: Path) -> None:
    path = pack(tmp_path / "a.zip", PUBLISHED)
    raw = path.read_bytes()
    path.write_bytes(raw[: len(raw) // 2])
    with pytest.raises(DataError, match="is damaged as zip"):
        tiny_imagenet.find(open_container(path))


@needs_proc
def test_bombs_take_no_memory(tmp_path: Path) -> None:
    bomb = bytes(25 * 10**7)
    names = ("words.txt", "val/images/val_3.JPEG")
    paths = [pack(tmp_path / f"{i}.zip", PUBLISHED | {n: bomb}) for i, n in enumerate(names)]
    paths.append(write(tmp_path / "folder", PUBLISHED))
    os.truncate(tmp_path / "folder" / "words.txt", 10**12)
    said = read_within_200_megabytes("tiny_imagenet", paths, contained=True)
    assert len(said) == 3
    for line in said:
        assert "bytes; 16,777,216 are expected at most" in line


SMALL = published(ROOT, 3, 2)
TEXTS = [name for name in SMALL if name.endswith("s.txt") and "boxes" not in name]


def survives(path: Path) -> None:
    """What lies at the path is a data set or gives one of our errors."""
    try:
        found = tiny_imagenet.find(open_container(path))
        if found is None:
            return
        found.identity()
        reading = found.read(Options(Recipe().data, skip_bad=True))
    except DataError:
        return
    for records in reading.splits.values():
        assert len(records.images) == len(records.labels) == len(records.files)
        assert set(Counter(records.labels.tolist())) <= set(range(len(reading.classes)))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    here = tmp_path_factory.mktemp("place")
    write(here / "tree", SMALL)
    pack(here / "tree.zip", SMALL)
    return here


def flipped(raw: bytes, data: st.DataObject) -> bytes:
    changed = bytearray(raw)
    for at, value in data.draw(
        st.lists(st.tuples(st.integers(0, len(raw) - 1), st.integers(0, 255)), max_size=6)
    ):
        changed[at] = value
    return bytes(changed)


def moved(raw: bytes, data: st.DataObject) -> bytes:
    a, b, c = sorted(data.draw(st.tuples(*[st.integers(0, len(raw))] * 3)))
    return data.draw(st.sampled_from([raw[:a], raw[a:], raw[:a] + raw[b:c] + raw[a:b] + raw[c:]]))


Change = Callable[[bytes, st.DataObject], bytes]


@settings(max_examples=150, deadline=2000)
@given(st.sampled_from(TEXTS) | st.sampled_from(sorted(SMALL)), st.data())
def test_damaged_files(place: Path, name: str, data: st.DataObject) -> None:
    path, how = place / "tree" / name, data.draw(st.sampled_from([flipped, moved]))
    path.write_bytes(how(SMALL[name], data))
    try:
        survives(place / "tree")
    finally:
        path.write_bytes(SMALL[name])


@settings(max_examples=100, deadline=2000)
@given(st.sampled_from([flipped, moved]), st.data())
def test_damaged_zips(place: Path, how: Change, data: st.DataObject) -> None:
    raw = (place / "tree.zip").read_bytes()
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "a.zip").write_bytes(how(raw, data))
        survives(Path(folder) / "a.zip")


@settings(max_examples=40, deadline=2000)
@given(st.sets(st.sampled_from(sorted(SMALL)), max_size=12))
def test_missing_files(names: set[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        survives(write(Path(folder), {n: raw for n, raw in SMALL.items() if n not in names}))


def test_what_stands_elsewhere_is_counted(tmp_path: Path) -> None:
    extra = {
        "val/images/n01443537/x.JPEG": b"x",
        "train/n01443537/images/deeper/x.JPEG": b"x",
        "train/n01443537/images/x.tif": b"x",
        "runs/one/x.png": b"x",
    }
    notes = read(write(tmp_path, PUBLISHED | extra)).notes
    said = "3 pictures left out: where none belong, or of a kind that is not read"
    assert said in notes


def test_lines_of_another_system(tmp_path: Path) -> None:
    """A byte order mark, and lines that end as on Windows."""
    changed = {
        name: b"\xef\xbb\xbf" + raw.replace(b"\n", b"\r\n")
        for name, raw in PUBLISHED.items()
        if name.endswith(".txt") and "boxes" not in name
    }
    found, expected = (
        read(write(tmp_path / "a", PUBLISHED | changed)),
        read(write(tmp_path / "b", PUBLISHED)),
    )
    assert found.classes == expected.classes
    for split, records in expected.splits.items():
        np.testing.assert_array_equal(found.splits[split].labels, records.labels)


def test_two_files_that_change_places_are_noticed(tmp_path: Path) -> None:
    write(tmp_path, PUBLISHED)
    one, two = (tmp_path / f"train/n01443537/images/n01443537_{i}.JPEG" for i in (0, 1))
    found = tiny_imagenet.find(open_container(tmp_path))
    assert found is not None
    before = found.identity()
    one.rename(tmp_path / "x")
    two.rename(one)
    (tmp_path / "x").rename(two)
    again = tiny_imagenet.find(open_container(tmp_path))
    assert again is not None
    assert again.identity() != before
