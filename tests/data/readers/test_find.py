"""What lies at a path: every layout through `load`, and what is none."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.data.readers.cifar_layouts import NAMES, WRITERS, as_tar, as_zip, ten_python

from tinysight.data import load
from tinysight.data.containers.inflating import Inflated
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
        ("x.tgz", lambda p: (notes(p.parent / "n"), as_tar(p.parent / "n", p)), "it holds 'n/mo"),
        ("x.zip", lambda p: (notes(p.parent / "n"), as_zip(p.parent / "n", p)), "unpack it and gi"),
        ("cat.png", lambda p: p.write_bytes(b"\x89PNG\r\n\x1a\n"), "not gzip, tar or zip: no arc"),
        ("cat.png", lambda p: p.write_bytes(b""), "is empty (0 bytes); fetch or copy it again"),
        ("x.parquet", lambda p: p.write_bytes(b"PAR1"), "cannot be read as parquet"),
        ("x", lambda p: p.write_bytes(b"PAR1"), "cannot be read as parquet"),
        ("x.npz", lambda p: p.write_bytes(b"PK"), "x.npz starts with 'PK'"),
        ("x.csv", lambda p: p.write_bytes(b"a,b"), "a first line that names the columns is expec"),
        ("x.gz", lambda p: p.write_bytes(b"<html>"), "a web page was saved in its place"),
        ("pipe", os.mkfifo, "is neither a file nor a folder"),
        ("runs", lambda p: (p.mkdir(), (p / "recipe.json").touch()), "is a run folder, no data"),
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
        with pytest.raises(UsageError, match="is for arrays, in memory or in files; .* has none"):
            load(source, **given)
    with pytest.raises(UsageError, match="test is for data in memory; digits is read from disk"):
        load("digits", test=(X, Y))


def test_pictures_of_a_folder_that_may_not_be_looked_into(nobody: Path) -> None:
    (nobody / "x").mkdir(mode=0)
    with pytest.raises(DataError, match="x cannot be read: Permission denied"):
        load(nobody / "x")
