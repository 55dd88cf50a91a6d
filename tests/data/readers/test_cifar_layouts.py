"""CIFAR in the layouts in which it is published: read alike, and what is not so refused by name."""

from __future__ import annotations

import functools
import importlib.util
import os
import pickle
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tests.data.readers.cifar_layouts import (
    COARSE,
    FINE,
    NAMES,
    TEN,
    WRITERS,
    M,
    N,
    as_tar,
    as_zip,
    batch,
    fine,
    hundred_binary,
    labels,
    pictures,
    planes,
    ten_binary,
    ten_python,
)
from tests.data.readers.cifar_reading import read, reader, refused

from tinysight.data import DataSet, load
from tinysight.data.canonical import CANONICAL
from tinysight.data.containers import open_container
from tinysight.data.readers.cifar import find
from tinysight.data.reading import Options
from tinysight.data.statistics import inspect
from tinysight.errors import DataError
from tinysight.recipe import Recipe

# From the published table, not from the package.
RECORDS = {
    ("cifar10", None): (
        "312eba2e95c7a84e25d7dc2786581186593645d078c39e500d03846655a725be",
        "fe0ab331ab239f2d245a3ed5639cec26cefacc06496158730f4399ad8de185b2",
    ),
    ("cifar100", None): (
        "dcbcfd9e91854ee5188ccfe5ca482d910b2ff4460c7d1250c306c528753d7bb6",
        "f7bf39ac7569ebf7e84a3b15108499a2ebb70bb7b17d80edb432bef167efdb25",
    ),
    ("cifar100", "coarse"): (
        "e3532b4cb9fc13831965f46ecf50f285aed0bf491fef7e262e66fc813e5fa750",
        "c004d84fb813599cb26726a750f2b36f6cd4ee139df12569e104e6e857db7702",
    ),
}


@pytest.mark.parametrize("writer", ["ten_python", "ten_binary"])
@pytest.mark.parametrize("pack", ["folder", "parent", "tar.gz", "tar", "zip", "flat"])
def test_cifar10(writer: str, pack: str, tmp_path: Path) -> None:
    folder = WRITERS[writer](tmp_path / "in" / "batches")
    if pack == "folder":
        path = folder
    elif pack == "parent":
        path = folder.parent
    elif pack == "zip":
        path = as_zip(folder, tmp_path / "my.cifar.zip")
    elif pack == "flat":
        path = Path(shutil.make_archive(str(tmp_path / "flat"), "gztar", folder))
    else:
        path = as_tar(folder, tmp_path / f"my.{pack}", "w:gz" if pack == "tar.gz" else "w")
    done: list[tuple[int, int]] = []
    options = Options(Recipe().data, progress=lambda *counts: done.append(counts))
    reading = reader(path).read(options)
    assert reading.classes == NAMES
    assert not reading.numbered
    assert list(reading.splits) == ["train", "test"]
    train, test = reading.splits["train"], reading.splits["test"]
    np.testing.assert_array_equal(train.images, np.concatenate([pictures(i) for i in range(5)]))
    np.testing.assert_array_equal(test.images, pictures(5))
    assert train.labels.dtype == np.int64
    assert train.labels.tolist() == [x for i in range(5) for x in labels(i)]
    assert test.labels.tolist() == labels(5)
    python = writer == "ten_python"
    assert test.files == (tuple(f"5_{i}.png" for i in range(N)) if python else ())
    assert len(train.files) == (20 if python else 0)
    assert done[-1] == (24, 24)
    ending = "" if python else ".bin"
    assert reading.source == {
        "kind": "cifar-python" if python else "cifar-binary",
        "path": str(path),
        "container": {"parent": "folder", "flat": "tar.gz"}.get(pack, pack),
        "files": {"train": [f + ending for f in TEN[:5]], "test": [TEN[5] + ending]},
        "label": "label",
        "sizes": [{"height": 32, "width": 32, "n": 24}],
        "distinct_sizes": 1,
        "modes": {"RGB": 24},
        "formats": {"array": 24},
        "unreadable": [],
    }
    assert reading.notes == (
        "pictures in a file, unlike CIFAR-10: "
        + ", ".join(f"{name}{ending} 4 rather than 10,000" for name in TEN),
    )
    assert reading.name == {"folder": "batches", "parent": "in", "flat": "flat"}.get(pack, "my")


@pytest.mark.parametrize("writer", ["hundred_python", "hundred_binary"])
@pytest.mark.parametrize(
    "label", [None, "fine", "fine_label", "fine_labels", "coarse", "coarse_label"]
)
def test_cifar100(writer: str, label: str | None, tmp_path: Path) -> None:
    reading = read(WRITERS[writer](tmp_path / "x"), label=label)
    coarse = (label or "").startswith("coarse")
    values = [[x // 5 if coarse else x for x in fine(file)] for file in range(2)]
    assert [r.labels.tolist() for r in reading.splits.values()] == values
    assert reading.classes == (COARSE if coarse else FINE)
    assert reading.source["label"] == ("coarse_label" if coarse else "fine_label")
    assert reading.source["other_labels"] == ["fine_label" if coarse else "coarse_label"]
    groups = {FINE[x]: COARSE[x // 5] for x in fine(0)}
    # A coarse class has several fine ones, so it has no group.
    assert reading.source["groups"] == ({} if coarse else {"coarse_label": groups})
    assert reading.notes[0] == (
        "labels of coarse_label (20 classes); there is also fine_label (100; data.label=fine)"
        if coarse
        else "labels of fine_label (100 classes); "
        "there is also coarse_label (20; data.label=coarse)"
    )
    np.testing.assert_array_equal(reading.splits["test"].images, pictures(1, M))


def test_the_text_may_be_python3s(tmp_path: Path) -> None:
    folder = ten_python(tmp_path / "x")
    for file, name in enumerate(TEN):
        own = {k.decode(): v for k, v in batch(file).items()}
        own["filenames"] = [f"ü{i}\ud800\0" for i in range(N)]
        (folder / name).write_bytes(pickle.dumps(own, 0))
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": list(NAMES)}, 5))
    reading = read(folder)
    assert reading.classes == NAMES
    # What no file name can hold, and the cache could not keep, is replaced.
    assert reading.splits["test"].files[0] == "ü0?\ufffd"


def test_names_of_the_classes(tmp_path: Path) -> None:
    folder = ten_python(tmp_path / "x")
    (folder / "batches.meta").unlink()
    reading = read(folder)
    assert reading.classes == tuple("0123456789")
    assert reading.numbered
    assert read(folder, tuple("abcdefghij")).classes == tuple("abcdefghij")
    refused(
        "9 classes were given, but CIFAR-10 has 10 of label", folder, classes=tuple("abcdefghi")
    )
    ten_python(tmp_path / "y")
    assert read(tmp_path / "y", NAMES).classes == NAMES
    refused("names its 10 classes itself; leave classes out", tmp_path / "y", classes=tuple("ab"))


def test_data_of_ones_own_may_have_other_classes(tmp_path: Path) -> None:
    folder = ten_python(tmp_path / "x")
    (folder / "batches.meta").write_bytes(
        pickle.dumps({b"label_names": [*NAMES, "an eleventh"]}, 2)
    )
    (folder / "data_batch_1").write_bytes(pickle.dumps(batch(0, labels=[10, 0, 1, 2]), 2))
    reading = read(folder)
    assert reading.classes[10] == "an eleventh"
    assert reading.splits["train"].labels[0] == 10


def test_another_size(tmp_path: Path) -> None:
    reading = read(ten_binary(tmp_path / "x"), size=16)
    assert reading.splits["train"].images.shape == (20, 16, 16, 3)
    small = Image.fromarray(pictures(5)[0]).resize((16, 16), Image.Resampling.BICUBIC)
    np.testing.assert_array_equal(reading.splits["test"].images[0], np.asarray(small))
    assert reading.notes[-1] == (
        "24 of 24 pictures of 32x32 brought to 16x16 (central crop, bicubic)"
    )
    assert read(tmp_path / "x", size=32).notes == read(tmp_path / "x").notes


def test_columns_in_fortran_order(tmp_path: Path) -> None:
    folder = ten_python(tmp_path / "x")
    turned = batch(5, data=np.asfortranarray(planes(pictures(5))))
    (folder / "test_batch").write_bytes(pickle.dumps(turned, 2))
    np.testing.assert_array_equal(read(folder).splits["test"].images, pictures(5))


def test_what_leads_outside_of_an_archive_is_said(tmp_path: Path) -> None:
    folder = ten_binary(tmp_path / "x")
    (folder / "link").symlink_to("/etc/passwd")
    reading = read(as_tar(folder, tmp_path / "x.tgz"))
    assert reading.notes[-1] == "left out of x.tgz: 1 link"


def test_inspect_shows_it(tmp_path: Path) -> None:
    folder = ten_python(tmp_path / "x")
    again = batch(5, data=planes(np.concatenate([pictures(0)[:2], pictures(5)[:2]])))
    (folder / "test_batch").write_bytes(pickle.dumps(again, 2))
    path = as_tar(folder, tmp_path / "x.tar.gz")
    data = load(path, Recipe(data={"validation_share": 0.5}).data)
    info = inspect(data)
    assert info.found["sizes"] == [{"height": 32, "width": 32, "n": 24}]
    assert [(o.pictures, o.conflicting) for o in info.overlaps] == [(2, 0)]
    assert "32x32 (24)" in str(info)
    assert "array (24)" in str(info)


def test_nothing_is_found_where_nothing_is(tmp_path: Path, noise: Any, write_folder: Any) -> None:
    write_folder(tmp_path, {"train": noise(2, 8, 8, 3), "test": noise(2, 8, 8, 3)})
    assert find(open_container(tmp_path)) is None
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "train").write_bytes(b"")
    (tmp_path / "other" / "batches.meta").write_bytes(b"")
    assert find(open_container(tmp_path)) is None
    assert find(open_container(as_tar(tmp_path / "other", tmp_path / "x.tar.gz"))) is None


def test_the_identity_of_a_folder_is_of_its_files(tmp_path: Path) -> None:
    folder = ten_python(tmp_path / "x")
    before = reader(folder).identity()
    (folder / "readme.html").write_text("x")
    assert reader(folder).identity() == before
    os.utime(folder / "data_batch_4", ns=(0, 0))
    assert reader(folder).identity() != before
    before = reader(folder).identity()
    (folder / "batches.meta").unlink()
    assert reader(folder).identity() != before
    path = as_tar(folder, tmp_path / "x.tar.gz")
    assert reader(path).identity()[2:] == open_container(path).identity()


def test_a_stray_file_of_another_layout_is_left_alone(tmp_path: Path) -> None:
    folder = ten_python(tmp_path / "x")
    for name in ("meta", "fine_label_names.txt"):
        (folder / name).write_bytes(b"no names of this")
    assert read(folder).classes == NAMES


def test_several_data_sets(tmp_path: Path) -> None:
    ten_python(tmp_path / "cifar-10-batches-py")
    hundred_binary(tmp_path / "cifar-100-binary")
    with pytest.raises(DataError) as error:
        find(open_container(tmp_path))
    assert str(error.value) == (
        f"{tmp_path} holds several data sets: CIFAR-10 (cifar-python) in cifar-10-batches-py, "
        "CIFAR-100 (cifar-binary) in cifar-100-binary; give a folder with one of them"
    )
    assert read(tmp_path / "cifar-100-binary").classes == FINE


@pytest.fixture(scope="module")
def official(
    tmp_path_factory: pytest.TempPathFactory, need: Callable[[str, bool, str], None]
) -> Path:
    """All layouts that make_official.py writes, each in a folder of its own."""
    script = Path(__file__).parents[4] / "shared" / "data" / "make_official.py"
    need("data", script.is_file(), f"no real data at {script.parent}")
    spec = importlib.util.spec_from_file_location("make_official", script)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    vars(module)["read"] = functools.cache(module.read)  # the parquet files take the longest
    out = tmp_path_factory.mktemp("official")
    for name in ("cifar10", "cifar100"):
        for form in ("python", "binary"):
            module.main(name, form, out / f"{name}-{form}")
    return out


@pytest.mark.slow
@pytest.mark.parametrize(("name", "label"), RECORDS)
def test_the_real_ones_have_one_fingerprint(
    name: str, label: str | None, official: Path, shared_data: Path
) -> None:
    paths = [official / f"{name}-python", official / f"{name}-binary"]
    if name == "cifar10":
        paths += [paths[0] / "cifar-10-batches-py", paths[0] / "cifar-10-python.tar.gz"]
        paths[0] = as_zip(paths[2], official / "cifar10.zip", zipfile.ZIP_STORED)
    paths.append(shared_data / name)  # parquet
    first: DataSet | None = None
    for path in paths:
        data = load(path, Recipe(data={"label": label}).data)
        known = CANONICAL[data.name]
        assert data.name == (f"{name}-coarse" if label else name)
        assert data.title == f"canonical {known.title}, all 60,000 pictures"
        assert data.classes == known.classes
        assert (data.fingerprints["train"], data.fingerprints["test"]) == RECORDS[name, label]
        assert not any("unlike" in note for note in data.notes)
        first = first or data
        assert data.test is not None
        assert first.test is not None
        for own, same in (
            (data.train, first.train),
            (data.validation, first.validation),
            (data.test, first.test),
        ):
            assert torch.equal(own.images, same.images)
            assert torch.equal(own.labels, same.labels)
    if name == "cifar100" and first is not None and not label:
        assert first.source["groups"]["coarse_label"]["apple"] == "fruit_and_vegetables"
