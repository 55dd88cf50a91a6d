"""Decoded once, memory-mapped afterwards, never trusted unchecked."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from tinysight.data import cache, load
from tinysight.data.cache import cache_folder, cached
from tinysight.data.dataset import DataSet
from tinysight.data.prepared import Prepared, prepare
from tinysight.data.reading import Reading, Records
from tinysight.errors import DataError
from tinysight.recipe import Recipe

Pixels = NDArray[np.uint8]
X = np.random.default_rng(0).integers(0, 256, (40, 6, 5, 3), dtype=np.uint8)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TINYSIGHT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def pictures(tmp_path: Path, write_folder: Callable[..., Path]) -> Path:
    return write_folder(tmp_path / "pets", {"cat": X[:20], "dog": X[20:]})


class Counted:
    """Builds a data set and counts how often."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self) -> Prepared:
        self.times += 1
        files = tuple(f"{i}\n\udcff.png" for i in range(40))  # a name that is no UTF-8
        records = Records(X, np.arange(40) % 2, files, X[..., 0] > 99)
        reading = Reading("x", ("a", "b"), {"train": records}, {"k": [1]}, ("n",), mirror=False)
        return prepare(reading)


def entries(folder: Path) -> list[Path]:
    return sorted(p for p in folder.iterdir() if p.suffix == ".safetensors")


def same(one: DataSet, two: DataSet) -> bool:
    parts = [(one.train, two.train), (one.validation, two.validation), (one.test, two.test)]
    return all(
        a is not None
        and b is not None
        and torch.equal(a.images, b.images)
        and torch.equal(a.labels, b.labels)
        and (a.ids, a.files) == (b.ids, b.files)
        for a, b in parts
    ) and (one.source, one.fingerprints, one.title) == (two.source, two.fingerprints, two.title)


def test_what_comes_back_is_what_was_built(folder: Path) -> None:
    build = Counted()
    first, notes = cached("a name/x", ["way"], ["identity"], build)
    again, _ = cached("a name/x", ["way"], ["identity"], build)
    built = Counted()()
    assert build.times == 1
    assert notes == ()
    for found in (first, again):
        for name in ("images", "labels", "digests", "pictures", "masks"):
            a, b = (getattr(p.parts["train"], name) for p in (found, built))
            assert torch.equal(a, b)
            assert a.dtype == b.dtype
        assert found.parts["train"].files == built.parts["train"].files
        for name in cache.FIELDS:
            assert getattr(found, name) == getattr(built, name)
    assert entries(folder)[0].name.startswith("a-name-x-")


def test_the_second_opening_decodes_nothing(
    folder: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = load(pictures)
    assert same(first, load(pictures, cache=False))

    def decode(*_: Any, **__: Any) -> Any:
        raise AssertionError("decoded again")

    monkeypatch.setattr("tinysight.data.readers.folder.decode_all", decode)
    again = load(pictures)
    assert same(first, again)
    assert again.notes == first.notes
    # The cut is no part of what is cached.
    other = load(pictures, Recipe(data={"split_seed": 3, "validation_share": 0.2}).data)
    assert other.train.ids != first.train.ids
    with pytest.raises(AssertionError):
        load(pictures, Recipe(data={"size": 8}).data)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_pictures_are_memory_mapped(folder: Path, pictures: Path) -> None:
    prepared, _ = cached("x", ["w"], ["i"], Counted())
    assert entries(folder)[0].name in Path("/proc/self/maps").read_text()
    assert prepared.parts["train"].images.shape == (40, 6, 5, 3)


@pytest.mark.parametrize("change", ["touched", "renamed", "added", "removed"])
def test_a_changed_source_is_decoded_again_and_replaces_its_entry(
    folder: Path, pictures: Path, change: str, encode: Callable[..., bytes]
) -> None:
    first = load(pictures)
    file = pictures / "cat" / "0000.png"
    if change == "touched":
        file.write_bytes(encode(255 - X[0]))
        os.utime(file, ns=(1, 1))
    elif change == "renamed":
        file.rename(pictures / "cat" / "other.png")
    elif change == "added":
        (pictures / "cat" / "new.png").write_bytes(encode(255 - X[0]))
    else:
        file.unlink()
    again = load(pictures)
    assert same(again, load(pictures, cache=False))
    assert not same(again, first)
    assert len(entries(folder)) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="has no time of change")
def test_a_change_that_keeps_size_and_time_is_noticed(
    folder: Path, pictures: Path, encode: Callable[..., bytes], write_parquet: Callable[..., Path]
) -> None:
    labels = np.arange(40) % 2
    table = write_parquet(folder.parent / "t.parquet", X, label=labels, kind="BMP")
    picture = pictures / "cat" / "0000.png"
    picture.write_bytes(encode(X[0], "BMP"))
    for file, source in ((picture, pictures), (table, table)):
        first, before = load(source), file.stat()
        raw = bytearray(file.read_bytes())
        raw[raw.index(X[0, 0, 0, ::-1].tobytes())] ^= 255  # blue of a corner; a BMP is not packed
        file.write_bytes(raw)
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
        after = file.stat()
        assert (after.st_size, after.st_mtime_ns) == (before.st_size, before.st_mtime_ns)
        again = load(source)
        assert same(again, load(source, cache=False))
        assert not same(again, first)


def test_other_rights_and_a_hard_link_cost_a_decoding_and_nothing_else(
    folder: Path, pictures: Path
) -> None:
    first = load(pictures)
    (pictures / "cat" / "0000.png").chmod(0o400)
    os.link(pictures / "cat" / "0001.png", folder.parent / "linked.png")
    assert same(first, load(pictures))
    assert len(entries(folder)) == 1


def test_a_copy_of_the_folder_has_an_entry_of_its_own(folder: Path, pictures: Path) -> None:
    first = load(pictures)
    copy = folder.parent / "copy"
    shutil.copytree(pictures, copy)
    again = load(copy)
    assert again.fingerprints == first.fingerprints
    assert again.source["origin"] == str(copy)
    assert len(entries(folder)) == 2
    assert same(first, load(pictures))


@pytest.mark.parametrize("damage", ["flip", "cut", "manifest", "manifest keys", "gone"])
def test_a_damaged_entry_is_noticed_and_made_anew(folder: Path, damage: str) -> None:
    build = Counted()
    cached("x", ["w"], ["i"], build)
    data, manifest = entries(folder)[0], next(folder.glob("*.json"))
    raw = bytearray(data.read_bytes())
    if damage == "flip":
        raw[len(raw) // 2] ^= 1
        data.write_bytes(raw)
    elif damage == "cut":
        data.write_bytes(raw[:-100])
    elif damage == "manifest":
        manifest.write_text("{")
    elif damage == "manifest keys":
        manifest.write_text("[]")
    else:
        data.unlink()
    found, notes = cached("x", ["w"], ["i"], build)
    assert build.times == 2
    assert torch.equal(found.parts["train"].images, Counted()().parts["train"].images)
    if damage == "gone":
        assert notes == ()
    else:
        assert notes[0].startswith("the cached copy was damaged (")
        assert notes[0].endswith(") and was made anew")
    assert cached("x", ["w"], ["i"], build)[1] == ()
    assert build.times == 2


def test_a_manifest_cannot_name_a_file_elsewhere(folder: Path) -> None:
    build = Counted()
    cached("x", ["w"], ["i"], build)
    manifest = next(folder.glob("*.json"))
    said = json.loads(manifest.read_text())
    outside = folder.parent / "outside.safetensors"
    entries(folder)[0].rename(outside)
    manifest.write_text(json.dumps(said | {"file": "../outside.safetensors"}))
    cached("x", ["w"], ["i"], build)
    assert build.times == 2


def test_a_cache_that_cannot_be_written_is_done_without(
    tmp_path: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("TINYSIGHT_CACHE", str(tmp_path / "file"))
    data = load(pictures)
    assert data.notes[0].startswith("not cached, the next start decodes again: ")
    assert same(data, load(pictures, cache=False))


def test_a_folder_without_rights_is_done_without(
    nobody: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (nobody / "cache").mkdir(mode=0o500)
    monkeypatch.setenv("TINYSIGHT_CACHE", str(nobody / "cache"))
    _, notes = cached("x", ["w"], ["i"], Counted())
    assert "Permission denied" in notes[0]


def test_nothing_half_written_stays(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(cache, "save_file", full)
    _, notes = cached("x", ["w"], ["i"], Counted())
    assert notes == (
        "not cached, the next start decodes again: [Errno 28] No space left on device",
    )
    assert list(folder.iterdir()) == []


def test_a_refusal_is_not_cached(folder: Path, pictures: Path) -> None:
    (pictures / "cat" / "0003.png").write_bytes(b"x")
    for _ in range(2):
        with pytest.raises(DataError, match=r"1 of 40 pictures cannot be read: cat/0003\.png"):
            load(pictures)


def test_what_is_in_memory_is_not_cached(folder: Path) -> None:
    load((X, np.arange(40) % 2))
    assert not folder.exists()


def test_where_the_cache_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TINYSIGHT_CACHE", "/a/b")
    assert cache_folder() == Path("/a/b")
    monkeypatch.delenv("TINYSIGHT_CACHE")
    monkeypatch.setattr(Path, "home", lambda: Path("/home/me"))
    monkeypatch.setenv("XDG_CACHE_HOME", "/xdg")
    monkeypatch.setenv("LOCALAPPDATA", "/local")
    places = {
        "linux": "/xdg/tinysight",
        "darwin": "/home/me/Library/Caches/tinysight",
        "win32": "/local/tinysight/cache",
    }
    for platform, place in places.items():
        monkeypatch.setattr(sys, "platform", platform)
        assert cache_folder() == Path(place)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert cache_folder() == Path("/home/me/.cache/tinysight")


def test_without_a_home_there_is_no_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    def home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("TINYSIGHT_CACHE")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", home)
    _, notes = cached("x", ["w"], ["i"], Counted())
    assert notes == ("not cached: Could not determine home directory.",)


def test_what_a_killed_process_left_is_removed_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TINYSIGHT_CACHE", str(tmp_path / "cache"))
    np.savez(tmp_path / "x.npz", images=np.zeros((60, 8, 8), np.uint8), labels=np.arange(60) % 3)
    load(tmp_path / "x.npz")
    (entry,) = cache_folder().glob("x.npz-*.json")
    old, new = (entry.with_name(f".{entry.stem}.{end}") for end in ("old", "new"))
    for left in (old, new):
        left.write_bytes(b"x")
    os.utime(old, (1, 1))
    np.savez(tmp_path / "x.npz", images=np.ones((60, 8, 8), np.uint8), labels=np.arange(60) % 3)
    load(tmp_path / "x.npz")
    assert (old.exists(), new.exists()) == (False, True)
