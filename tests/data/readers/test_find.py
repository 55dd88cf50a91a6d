"""What lies at a path: every layout through `load`, and what is none."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.data.readers.cifar_layouts import NAMES, WRITERS, as_tar, as_zip, ten_python
from tests.data.readers.tiny_tree import NAMES as WORDS
from tests.data.readers.tiny_tree import pack, published, write

from tinysight.data import load
from tinysight.data.containers.inflating import Inflated
from tinysight.data.readers import find
from tinysight.errors import DataError, UsageError

X = np.random.default_rng(0).integers(0, 256, (60, 8, 8, 3), dtype=np.uint8)
Y = np.arange(60) % 3


def idx(folder: Path) -> Path:
    """The four files of MNIST, small and unpacked."""
    folder.mkdir()
    for part, own in (("train", slice(0, 40)), ("t10k", slice(40, 60))):
        x, y = X[own, ..., 0], Y[own].astype(np.uint8)
        shape = b"".join(n.to_bytes(4, "big") for n in x.shape)
        (folder / f"{part}-images-idx3-ubyte").write_bytes(b"\0\0\x08\x03" + shape + x.tobytes())
        head = b"\0\0\x08\x01" + len(y).to_bytes(4, "big")
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(head + y.tobytes())
    return folder


@pytest.mark.parametrize("writer", WRITERS)
def test_cifar_in_a_folder_and_in_archives(writer: str, tmp_path: Path) -> None:
    folder = WRITERS[writer](tmp_path / "x")
    paths = [folder, as_tar(folder, tmp_path / "x.tgz"), as_zip(folder, tmp_path / "x.zip")]
    found = [load(path, cache=False) for path in paths]
    assert {data.source["container"] for data in found} == {"folder", "tar.gz", "zip"}
    assert len({data.fingerprints["train"] for data in found}) == 1
    assert len({data.validation.digest for data in found}) == 1


def test_idx_by_its_folder_an_archive_and_one_of_its_files(tmp_path: Path) -> None:
    folder = idx(tmp_path / "mine")
    paths = [folder, as_tar(folder, tmp_path / "x.tgz"), folder / "t10k-labels-idx1-ubyte"]
    found = [load(path, cache=False) for path in paths]
    assert [data.source["kind"] for data in found] == ["idx"] * 3
    assert len({data.fingerprints["test"] for data in found}) == 1


def test_tiny_imagenet_in_a_folder_and_in_archives(tmp_path: Path) -> None:
    files = published()
    paths = [
        write(tmp_path / "a", files),
        pack(tmp_path / "x.zip", files),
        pack(tmp_path / "x.tgz", files, "tar.gz"),
    ]
    found = [load(path, cache=False) for path in paths]
    assert [data.source["kind"] for data in found] == ["tiny-imagenet"] * 3
    assert {data.classes for data in found} == {WORDS}
    assert len({data.fingerprints["train"] for data in found}) == 1


def test_a_layout_of_the_channels_reaches_every_reader_of_arrays(tmp_path: Path) -> None:
    images = X[..., 0][:, None].repeat(3, axis=1)  # n 3 8 8: as n h w c it has 8 channels
    square = np.resize(X, (60, 3, 3, 3))
    (tmp_path / "npz").mkdir()
    for split in ("train", "test"):
        np.savez(tmp_path / "npz" / f"{split}.npz", images=square, labels=Y)
    np.savez(tmp_path / "one.npz", images=square, labels=Y)
    folder = tmp_path / "idx"
    folder.mkdir()
    for part in ("train", "t10k"):
        shape = b"".join(n.to_bytes(4, "big") for n in square.shape)
        raw = b"\0\0\x08\x04" + shape + square.tobytes()
        (folder / f"{part}-images-idx4-ubyte").write_bytes(raw)
        head = b"\0\0\x08\x01" + len(Y).to_bytes(4, "big")
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(head + Y.astype(np.uint8).tobytes())
    packed = as_tar(folder, tmp_path / "idx.tgz")
    for path in (tmp_path / "npz", tmp_path / "one.npz", folder, packed):
        with pytest.raises(UsageError, match="can be n h w c or n c h w; state layout='nhwc' or"):
            load(path)
        first, last = load(path, layout="nchw"), load(path, layout="nhwc")
        assert first.fingerprints != last.fingerprints
        assert {x.numpy().tobytes() for x in last.train.images} <= {x.tobytes() for x in square}
    assert load((images, Y)).shape == (8, 8, 3)


def test_a_layout_is_not_for_what_has_no_arrays(tmp_path: Path) -> None:
    folder = ten_python(tmp_path / "x")
    packed = as_tar(folder, tmp_path / "x.tgz")
    with pytest.raises(UsageError, match="is for arrays, in memory or in files; .* has none"):
        load(folder, layout="nchw")
    with pytest.raises(UsageError, match=r"layout is for arrays; .*x\.tgz has none"):
        load(packed, layout="nchw")


def test_one_folder_with_two_data_sets_is_refused(tmp_path: Path) -> None:
    folder = ten_python(tmp_path / "x")
    np.savez(folder / "mine.npz", images=X, labels=Y)
    with pytest.raises(DataError, match=r"x holds several data sets: CIFAR, \.npz files; give the"):
        load(folder)
    # What is beside a data set and damaged does not matter to it.
    np.savez(folder / "mine.npz", images=X)
    assert load(folder).source["kind"] == "cifar-python"


def test_arrays_beside_folders_of_pictures_are_not_chosen_from(
    tmp_path: Path, write_folder: Callable[..., Path]
) -> None:
    write_folder(tmp_path / "x", {"cat": X[:30], "dog": X[30:]})
    np.savez(tmp_path / "x" / "mine.npz", images=X, labels=Y)
    with pytest.raises(DataError, match=r"several data sets: \.npz files, folders of pictures; g"):
        load(tmp_path / "x")


def test_arrays_beside_other_files_do_not_make_an_npz(tmp_path: Path) -> None:
    folder = ten_python(tmp_path / "x")
    np.save(folder / "mean.npy", X[0])
    assert load(as_zip(folder, tmp_path / "x.zip")).source["kind"] == "cifar-python"


def test_files_of_two_tests_are_not_mixed(tmp_path: Path) -> None:
    folder = idx(tmp_path / "x")
    other = (folder / "t10k-images-idx3-ubyte").read_bytes()
    (folder / "test-images-idx3-ubyte").write_bytes(other)
    with pytest.raises(DataError, match="has files of both t10k and test, which are one split; re"):
        load(folder)
    (folder / "t10k-images-idx3-ubyte").unlink()
    with pytest.raises(DataError, match="has files of both t10k and test, which are one split; re"):
        load(folder)


def test_two_files_for_one_thing_are_not_chosen_from(tmp_path: Path) -> None:
    folder = idx(tmp_path / "x")
    raw = (folder / "train-labels-idx1-ubyte").read_bytes()
    (folder / "train-labels.idx1-ubyte").write_bytes(raw[:8] + raw[:7:-1])
    with pytest.raises(DataError, match="has two files for the labels of train: 'train-labels-id"):
        load(folder)


def test_folders_that_are_too_deep(tmp_path: Path) -> None:
    deep = tmp_path / "a"
    deep.mkdir()
    (deep / "wnids.txt").write_text("n01443537\nn02012849\n")
    (deep / "/".join("x" * 60)).mkdir(parents=True)
    with pytest.raises(DataError, match="a has folders more than 40 deep; give the folder of the"):
        load(deep)


def test_a_folder_that_holds_an_archive_alone_says_so(tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    as_tar(ten_python(tmp_path / "make" / "x"), tmp_path / "here" / "x.tgz")
    with pytest.raises(DataError, match=r"it holds 'x\.tgz': give that; expected split/class"):
        load(tmp_path / "here")


def test_arrays_with_their_range_are_read_again_from_what_a_run_keeps(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", images=X.transpose(0, 3, 1, 2) / 255, labels=Y)
    with pytest.raises(UsageError, match=r"state value_range=\(0, 1\) or \(0, 255\)"):
        load(tmp_path / "x.npz")
    data = load(tmp_path / "x.npz", value_range=(np.float64(0), 1), layout="nchw")
    kept = json.loads(json.dumps(data.source))
    assert kept["options"] == {"value_range": [0.0, 1.0], "layout": "nchw"}
    again = load(kept["origin"], **kept["options"])
    assert again.train.digest == data.train.digest
    assert load((X, Y), layout="nhwc").fingerprints == data.fingerprints


def test_two_ways_of_reading_are_two_in_the_cache(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", images=X / 510, labels=Y)
    dark, bright = (load(tmp_path / "x.npz", value_range=(0, top)) for top in (1, 0.5))
    assert dark.train.images.max() < bright.train.images.max() == 255


def test_a_table_of_pictures(tmp_path: Path, write_folder: Callable[..., Path]) -> None:
    write_folder(tmp_path / "x", {"cat": X[:30], "dog": X[30:]})
    lines = [f"{kind}/{i:04}.png,{kind}" for kind in ("cat", "dog") for i in range(30)]
    (tmp_path / "x" / "all.csv").write_text("\n".join(["file,label", *lines]))
    by_table = load(tmp_path / "x" / "all.csv")
    assert by_table.source["kind"] == "manifest"
    assert load(tmp_path / "x").source["kind"] == "manifest"
    (tmp_path / "x" / "all.csv").unlink()
    assert load(tmp_path / "x").fingerprints == by_table.fingerprints


def test_a_warm_start_unpacks_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = as_tar(ten_python(tmp_path / "x"), tmp_path / "x.tgz")
    first = load(path)
    assert first.classes == NAMES

    def unpacked(*_: object) -> None:
        raise AssertionError("unpacked")

    monkeypatch.setattr(Inflated, "__init__", unpacked)
    assert load(path).train.digest == first.train.digest


def test_an_archive_that_is_changed_is_read_again(tmp_path: Path) -> None:
    path = as_tar(ten_python(tmp_path / "x"), tmp_path / "x.tgz")
    assert load(path).source["kind"] == "cifar-python"
    as_tar(idx(tmp_path / "y"), path)
    assert load(path).source["kind"] == "idx"


Make = Callable[[Path], object]


def notes(path: Path) -> None:
    path.mkdir()
    (path / "notes.txt").write_text("x")
    (path / "more.txt").write_text("x")


@pytest.mark.parametrize(
    ("name", "make", "text"),
    [
        ("x.tgz", lambda p: (notes(p.parent / "n"), as_tar(p.parent / "n", p)), "(it holds 'n/mo"),
        ("x.zip", lambda p: (notes(p.parent / "n"), as_zip(p.parent / "n", p)), "unpack it and gi"),
        ("cat.png", lambda p: p.write_bytes(b"\x89PNG\r\n\x1a\n"), "is a picture; give the folder"),
        ("cat", lambda p: p.write_bytes(b"\x93NUMPY\1\0"), "is one array (.npy); give pictur"),
        ("batch", lambda p: p.write_bytes(b"\x80\x02}q"), "is a pickle; of pickles CIFAR's own"),
        ("x.dat", lambda p: p.write_bytes(b"text"), "starts with 'text', not gzip, tar or zip"),
        ("cat.png", lambda p: p.write_bytes(b""), "is empty (0 bytes); fetch or copy it again"),
        ("x.parquet", lambda p: p.write_bytes(b"text"), "cannot be read as parquet"),
        ("x", lambda p: p.write_bytes(b"PAR1"), "cannot be read as parquet"),
        ("x.npz", lambda p: p.write_bytes(b"PK"), "x.npz starts with 'PK'"),
        ("x.csv", lambda p: p.write_bytes(b"a,b"), "a first line that names the columns is expec"),
        ("x.gz", lambda p: p.write_bytes(b"<html>"), "a web page was saved in its place"),
        ("pipe", os.mkfifo, "is neither a file nor a folder"),
        ("run", lambda p: (p.mkdir(), (p / ".training.lock").touch()), "is a run folder, no data"),
        ("none", Path.mkdir, "has no pictures in class folders"),
    ],
)  # fmt: skip
def test_what_is_no_data_set(name: str, make: Make, text: str, tmp_path: Path) -> None:
    make(tmp_path / name)
    with pytest.raises(DataError) as error:
        load(tmp_path / name)
    assert text in str(error.value)


@pytest.mark.parametrize("given", [{"value_range": (0, 1)}, {"layout": "nhwc"}])
def test_what_is_for_arrays_alone(
    given: dict[str, Any], tmp_path: Path, write_folder: Callable[..., Path]
) -> None:
    write_folder(tmp_path / "x", {"cat": X[:30], "dog": X[30:]})
    for source in ("digits", tmp_path / "x"):
        with pytest.raises(UsageError, match="for arrays, in memory or in files; .* has none"):
            load(source, **given)
    with pytest.raises(UsageError, match="test is for data in memory; digits is read from disk"):
        load("digits", test=(X, Y))


def test_pictures_of_a_folder_that_may_not_be_looked_into(nobody: Path) -> None:
    (nobody / "x").mkdir(mode=0)
    with pytest.raises(DataError, match="x cannot be read: Permission denied"):
        load(nobody / "x")


def test_what_is_whole_is_read_beside_what_is_damaged(tmp_path: Path) -> None:
    folder = idx(tmp_path / "x")
    (folder / "old.npz").write_bytes(b"no zip")
    assert load(folder).source["kind"] == "idx"


def test_an_archive_of_arrays_and_more_is_no_npz(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("images.npy", b"")
        archive.writestr("notes.txt", b"")
    with pytest.raises(DataError, match=r"\(it holds 'images\.npy', 'notes\.txt'\)"):
        load(path)


def test_an_archive_without_files_is_said_to_be_one(tmp_path: Path) -> None:
    zipfile.ZipFile(tmp_path / "x.zip", "w").close()
    with pytest.raises(DataError, match=r"give the folder \(it holds no files\)"):
        load(tmp_path / "x.zip")


def test_the_layout_is_part_of_what_an_archive_is(tmp_path: Path) -> None:
    zipfile.ZipFile(tmp_path / "x.zip", "w").close()
    plain, stated = find(tmp_path / "x.zip"), find(tmp_path / "x.zip", layout="nhwc")
    assert plain.identity() != stated.identity()
