"""CIFAR's layouts with files that are missing, damaged or of something else."""

from __future__ import annotations

import contextlib
import pickle
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.data.mutants import mutants
from tests.data.readers.cifar_layouts import (
    TEN,
    WRITERS,
    as_tar,
    as_zip,
    batch,
    batch100,
    hundred_binary,
    hundred_python,
    pictures,
    planes,
    ten_binary,
    ten_python,
)
from tests.data.readers.cifar_reading import read, refused

from tinysight.data.containers import open_container
from tinysight.data.readers.cifar import find
from tinysight.data.reading import Options
from tinysight.errors import DataError, UnknownName
from tinysight.recipe import Recipe


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
