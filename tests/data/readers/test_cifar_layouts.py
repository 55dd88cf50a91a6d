"""CIFAR in the layouts in which it is published: read alike, and what is not so refused by name."""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import os
import pickle
import shutil
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from tests.data.mutants import mutants
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
    batch100,
    fine,
    hundred_binary,
    hundred_python,
    labels,
    pictures,
    planes,
    ten_binary,
    ten_python,
)

from tinysight.data import DataSet, load
from tinysight.data.canonical import CANONICAL
from tinysight.data.containers import open_container
from tinysight.data.readers.cifar import Cifar, find
from tinysight.data.reading import Options, Reading
from tinysight.data.statistics import inspect
from tinysight.errors import DataError, UnknownName
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


def reader(path: Path) -> Cifar:
    found = find(open_container(path))
    assert found is not None
    return found


def read(path: Path, classes: tuple[str, ...] | None = None, **data: Any) -> Reading:
    return reader(path).read(Options(Recipe(data=data).data, classes))


def refused(text: str, path: Path, kind: type[Exception] = DataError, **how: Any) -> None:
    with pytest.raises(kind) as error:
        read(path, **how)
    assert text in str(error.value)
    assert str(error.value).isprintable()


# Read alike


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
        "labels of coarse_label (20 classes); there is also fine_label (100; label=fine)"
        if coarse
        else "labels of fine_label (100 classes); there is also coarse_label (20; label=coarse)"
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
    refused("names its 10 classes itself; leave classes away", tmp_path / "y", classes=tuple("ab"))


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


# What is found, and at what cost


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


# What is refused


@pytest.mark.parametrize("pack", ["folder", "tar.gz"])
@pytest.mark.parametrize(
    ("writer", "gone", "text"),
    [
        (
            "ten_python",
            ["data_batch_3"],
            "lacks data_batch_3; CIFAR-10 has data_batch_1, data_batch_2",
        ),
        (
            "ten_binary",
            ["data_batch_3.bin"],
            "lacks data_batch_3.bin; CIFAR-10 has data_batch_1.bin",
        ),
        ("ten_python", ["test_batch"], "lacks test_batch; CIFAR-10 has data_batch_1, "),
        (
            "ten_python",
            [*TEN[:4], "batches.meta"],
            "lacks data_batch_1, data_batch_2, data_batch_3, ",
        ),
        (
            "ten_binary",
            [f"{f}.bin" for f in TEN[1:]] + ["batches.meta.txt"],
            "lacks data_batch_2.bin",
        ),
        ("hundred_python", ["train"], "lacks train; CIFAR-100 has train, test: fetch or unpack it"),
        (
            "hundred_binary",
            ["test.bin"],
            "lacks test.bin; CIFAR-100 has train.bin, test.bin: fetch or unpack it again",
        ),
    ],
)
def test_a_missing_file_is_named(
    writer: str, gone: list[str], text: str, pack: str, tmp_path: Path
) -> None:
    folder = WRITERS[writer](tmp_path / "x")
    for name in gone:
        (folder / name).unlink()
    path = folder if pack == "folder" else as_tar(folder, tmp_path / "x.tar.gz")
    refused(f"{folder if pack == 'folder' else f'{path}: x'} {text}", path)


def test_a_binary_file_that_is_not_whole(tmp_path: Path) -> None:
    folder = ten_binary(tmp_path / "x")
    file = folder / "data_batch_2.bin"
    raw = file.read_bytes()
    file.write_bytes(raw[:-1])
    refused(
        "data_batch_2.bin has 12,291 bytes; 10000 x 3073 expected, or fewer whole records of 3073 "
        "bytes; fetch or write it again",
        folder,
    )
    file.write_bytes(b"")
    refused("data_batch_2.bin has 0 bytes; 10000 x 3073 expected", folder)
    hundred = hundred_binary(tmp_path / "y")
    (hundred / "train.bin").write_bytes(raw[:-1])
    refused("train.bin has 12,291 bytes; 50000 x 3074 expected", hundred)


def test_a_binary_file_that_is_too_large(tmp_path: Path) -> None:
    folder = ten_binary(tmp_path / "x")
    with (folder / "test_batch.bin").open("r+b") as file:
        file.truncate(10_001 * 3073)
    refused("has 30,733,073 bytes; 30,730,000 are expected at most", folder)


def test_cifar100_given_as_cifar10_and_the_other_way_round(tmp_path: Path) -> None:
    ten, hundred = ten_binary(tmp_path / "a"), hundred_binary(tmp_path / "b")
    ten_raw, raw = (ten / "test_batch.bin").read_bytes(), (hundred / "test.bin").read_bytes()
    (ten / "test_batch.bin").write_bytes(raw)
    (hundred / "test.bin").write_bytes(ten_raw)
    refused("bytes; it looks like CIFAR-100, give it as such", ten)
    refused("bytes; it looks like CIFAR-10, give it as such", hundred)
    ten, hundred = ten_python(tmp_path / "c"), hundred_python(tmp_path / "d")
    (ten / "data_batch_5").write_bytes(pickle.dumps(batch100(4), 2))
    (hundred / "train").write_bytes(pickle.dumps(batch(4), 2))
    refused("data_batch_5 lacks labels; it looks like CIFAR-100; its keys are: ", ten)
    refused("train lacks coarse_labels, fine_labels; it looks like CIFAR-10; its keys", hundred)


@pytest.mark.parametrize(("value", "shown"), [(10, "10"), (-1, "-1"), (2**40, str(2**40))])
def test_a_label_out_of_range(value: int, shown: str, tmp_path: Path) -> None:
    folder = ten_python(tmp_path / "x")
    (folder / "data_batch_2").write_bytes(pickle.dumps(batch(1, labels=[0, 1, value, value]), 2))
    refused(
        f"data_batch_2: record 2 (numbered from 0) has the label {shown}; 0 to 9 are expected, "
        "2 records have others",
        folder,
    )


def test_a_label_out_of_range_in_a_binary_file(tmp_path: Path) -> None:
    folder = hundred_binary(tmp_path / "x")
    raw = bytearray((folder / "test.bin").read_bytes())
    raw[3 * 3074] = 20
    (folder / "test.bin").write_bytes(raw)
    text = "test.bin: record 3 (numbered from 0) has the coarse_label 20; 0 to 19 are expected, 1"
    refused(text, folder)
    refused(text, folder, label="coarse")


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"data": None}, "data_batch_1 lacks data; its keys are: batch_label, labels, filenames"),
        ({"labels": None, "data": None}, "data_batch_1 lacks data, labels; its keys are: batch"),
        ({"data": b"123"}, "data_batch_1: data is bytes; uint8 of n x 3072 is expected"),
        ({"data": planes(pictures(0))[:, 1:]}, "data is (4, 3071); uint8 of n x 3072 is expected"),
        ({"data": planes(pictures(0)).ravel()}, "data is (12288,); uint8 of n x 3072 is expected"),
        ({"data": pictures(0)}, "data is (4, 32, 32, 3); uint8 of n x 3072 is expected"),
        ({"data": planes(pictures(0))[:0]}, "data is (0, 3072); uint8 of n x 3072 is expected"),
        (
            {"data": planes(pictures(0)).astype(float)},
            "refused: the pickle holds an array of type f8",
        ),
        ({"labels": [0, 1, 2]}, "data_batch_1 has 4 pictures but 3 labels"),
        ({"labels": (0, 1, 2, 3)}, "data_batch_1: labels is not a list of whole numbers"),
        ({"labels": [0, 1, 2, "3"]}, "data_batch_1: labels is not a list of whole numbers"),
        ({"labels": [0, 1, 2, True]}, "data_batch_1: labels is not a list of whole numbers"),
        ({"filenames": ["a"]}, "data_batch_1 has 4 pictures but 1 filenames"),
        ({"filenames": 3}, "data_batch_1: filenames is not a list of names"),
        ({"filenames": ["a", 1, "b", "c"]}, "data_batch_1: filenames holds other than names"),
    ],
)
def test_a_batch_that_is_none(changes: dict[str, Any], text: str, tmp_path: Path) -> None:
    folder = ten_python(tmp_path / "x")
    (folder / "data_batch_1").write_bytes(pickle.dumps(batch(0, **changes), 2))
    refused(text, folder)


@pytest.mark.parametrize("file", ["data_batch_1", "batches.meta"])
def test_files_that_are_no_dicts(file: str, tmp_path: Path) -> None:
    folder = ten_python(tmp_path / "x")
    (folder / file).write_bytes(pickle.dumps([1], 2))
    refused(f"{file} holds a list; a dict is expected of CIFAR", folder)
    (folder / file).write_bytes(b"<html>")
    refused(f"{file} is no pickle: it starts with '<html>'", folder)
    (folder / file).write_bytes(b"cos\nsystem\n(Vtouch harm\ntR.")
    refused(f"{file} refused: the pickle asks for os.system", folder)


def test_names_that_are_none(tmp_path: Path) -> None:
    folder = ten_python(tmp_path / "x")
    (folder / "batches.meta").write_bytes(pickle.dumps({b"labels": []}, 2))
    refused("batches.meta lacks label_names; its keys are: labels", folder)
    (folder / "batches.meta").write_bytes((folder / "test_batch").read_bytes())
    refused("batches.meta has an array of 12,288 bytes; at most 0 are expected", folder)
    (folder / "batches.meta").write_bytes(pickle.dumps({b"label_names": []}, 2))
    refused("batches.meta: label_names is not a list of names", folder)
    binary = ten_binary(tmp_path / "y")
    (binary / "batches.meta.txt").write_text("\n\n")
    refused("batches.meta.txt: its text is not a list of names", binary)
    (binary / "batches.meta.txt").write_bytes(b"x" * (2**20 + 1))
    refused("has 1,048,577 bytes; 1,048,576 are expected at most", binary)


def test_an_unknown_label_column(tmp_path: Path) -> None:
    ten, hundred = ten_python(tmp_path / "a"), hundred_python(tmp_path / "b")
    refused(
        "unknown label column 'corse'; did you mean 'coarse'?", hundred, UnknownName, label="corse"
    )
    refused("unknown label column 'fine'. Known: label", ten, UnknownName, label="fine")
    assert read(ten, label="label").source["label"] == "label"


def test_the_error_names_the_member_of_an_archive(tmp_path: Path) -> None:
    folder = ten_python(tmp_path / "batches")
    (folder / "data_batch_1").write_bytes(b"]")
    refused(
        "x.tgz: batches/data_batch_1 is damaged as a pickle", as_tar(folder, tmp_path / "x.tgz")
    )


# The real ones


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


# Bytes cut, flipped, moved


def packed(writer: Callable[[Path], Path]) -> list[bytes]:
    with tempfile.TemporaryDirectory() as name:
        folder = writer(Path(name) / "in" / "x")
        archives = [as_tar(folder, Path(name) / "a.tar", "w"), as_tar(folder, Path(name) / "a.tgz")]
        return [path.read_bytes() for path in [*archives, as_zip(folder, Path(name) / "b")]]


ARCHIVES = [raw for writer in WRITERS.values() for raw in packed(writer)]


@settings(deadline=2000, max_examples=200)
@given(raw=st.sampled_from(ARCHIVES).flatmap(mutants))
def test_damaged_archives_are_told(raw: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x"
        path.write_bytes(raw)
        with contextlib.suppress(DataError):
            if found := find(open_container(path)):
                found.read(Options(Recipe().data))


FILES = {
    writer.__name__: {
        p.name: p.read_bytes() for p in writer(Path(tempfile.mkdtemp()) / "x").iterdir()
    }
    for writer in WRITERS.values()
}


@settings(deadline=2000, max_examples=200)
@given(data=st.data(), writer=st.sampled_from(sorted(WRITERS)))
def test_damaged_files_are_told(data: st.DataObject, writer: str) -> None:
    files = FILES[writer]
    name = data.draw(st.sampled_from(sorted(files)))
    with tempfile.TemporaryDirectory() as folder:
        for own, raw in files.items():
            (Path(folder) / own).write_bytes(data.draw(mutants(raw)) if own == name else raw)
        with contextlib.suppress(DataError):
            if found := find(open_container(Path(folder))):
                found.read(Options(Recipe().data))
