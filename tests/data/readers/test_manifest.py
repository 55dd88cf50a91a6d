"""CSV tables of pictures: how they may be written, and what in them is refused."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from tests.data.limited import needs_proc, read_within_200_megabytes

from tinysight.data import load
from tinysight.data.assembly import assemble
from tinysight.data.prepared import prepare
from tinysight.data.readers import folder, listing, manifest
from tinysight.data.reading import Options, Reading
from tinysight.data.statistics import inspect
from tinysight.errors import DataError, UnknownName, UsageError
from tinysight.recipe import Recipe

Pixels = NDArray[np.uint8]
Noise = Callable[..., Pixels]
Write = Callable[..., Path]


def read(
    path: Path, *, classes: tuple[str, ...] | None = None, skip_bad: bool = False, **data: Any
) -> Reading:
    found = manifest.find(path)
    assert found is not None
    return found.read(Options(Recipe(data=data).data, classes, skip_bad))


def table(path: Path, *lines: str, first: str = "path,label") -> Path:
    path.write_text("\n".join([first, *lines, ""]), encoding="utf-8")
    return path


@pytest.fixture
def pictures(tmp_path: Path, noise: Noise, write_folder: Write) -> Path:
    """A folder with a/0000.png to a/0007.png."""
    write_folder(tmp_path, {"a": noise(8, 6, 6, 3)})
    return tmp_path


def rows(labels: Iterable[Any]) -> list[str]:
    return [f"a/{i:04d}.png,{label}" for i, label in enumerate(labels)]


def test_the_same_content_as_a_folder_is_the_same_data_set(
    tmp_path: Path, noise: Noise, write_folder: Write
) -> None:
    for seed, split in enumerate(["train", "val", "test"]):
        pixels = {"cat": noise(9, 8, 8, 3, seed=seed), "dog": noise(5, 8, 8, 3, seed=seed + 9)}
        write_folder(tmp_path / split, pixels)
    files = sorted(f.relative_to(tmp_path) for f in tmp_path.rglob("*.png"))
    order = np.random.default_rng(0).permutation(len(files))
    lines = [f"{files[i].as_posix()},{files[i].parts[1]},{files[i].parts[0]}" for i in order]
    expected = prepare(folder.find(tmp_path).read(Options(Recipe().data)))
    path = table(tmp_path / "all.csv", *lines, first="path,label,split")
    reading = read(path)
    found = prepare(reading)
    assert found.fingerprints == expected.fingerprints
    assert found.classes == expected.classes == ("cat", "dog")
    for split, part in found.parts.items():
        assert part.files == expected.parts[split].files
    assert (reading.name, reading.numbered, reading.notes) == ("all", False, ())
    assert reading.source["kind"] == "manifest"
    assert reading.source["tables"] == ["all.csv"]
    assert read(tmp_path).notes == (
        "the pictures that all.csv lists; others in the folder are not read",
    )
    info = inspect(assemble(found, Recipe().data))
    assert info.found["sizes"] == [{"height": 8, "width": 8, "n": 42}]
    assert (info.found["formats"], info.found["modes"]) == ({"PNG": 42}, {"RGB": 42})
    assert "8x8, RGB" in str(info)


@pytest.mark.slow
def test_the_real_cifar10(tmp_path: Path, shared_data: Path, encode: Callable[..., bytes]) -> None:
    data = load(shared_data / "cifar10")
    assert data.test is not None
    lines = []
    for i, (image, label) in enumerate(zip(data.test.images, data.test.labels, strict=True)):
        (tmp_path / f"{i}.png").write_bytes(encode(image.numpy()))
        lines.append(f"{i}.png,{data.classes[label]}")
    prepared = prepare(read(table(tmp_path / "test.csv", *lines)))
    assert prepared.fingerprints == {  # of test in the published table, not from the package
        "train": "fe0ab331ab239f2d245a3ed5639cec26cefacc06496158730f4399ad8de185b2",
    }


@pytest.mark.parametrize(
    "text",
    [
        "path,label\na/0000.png,cat\na/0001.png,dog\n",
        "\ufeffpath,label\r\na/0000.png,cat\r\na/0001.png,dog\r\n",
        "path,label\ra/0000.png,cat\ra/0001.png,dog",
        "Label;FILENAME\ncat;a/0000.png\n dog ; a/0001.png \n\n;\n",
        'id\tfile_name\ttarget\n1\t"a/0000.png"\t"cat"\n2\ta/0001.png\tdog',
        '"image","class"\n"a/0000.png","cat"\n"a/0001.png","dog"\n',
        'image_path,class_name\n"a/0000.png",cat\n\n./a/../a/0001.png,dog\n',
    ],
)
def test_ways_of_writing_it(pictures: Path, text: str, noise: Noise) -> None:
    path = pictures / "some.csv"
    path.write_bytes(text.encode())
    reading = read(path)
    assert reading.classes == ("cat", "dog")
    np.testing.assert_array_equal(reading.splits["train"].images, noise(8, 6, 6, 3)[:2])
    assert reading.splits["train"].labels.tolist() == [0, 1]


def test_quoted_names(pictures: Path) -> None:
    (pictures / "a" / "0000.png").rename(pictures / "a" / 'x, "y"; é.png')
    (pictures / "a" / "0002.png").rename(pictures / "a" / "two\r\nlines.png")
    raw = 'path,label\r\n"a/x, ""y""; é.png","é, ü"\r\na/0001.png,e\u0301\r\n"a/two\r\nlines.png",é'
    (pictures / "a.csv").write_bytes(raw.encode())
    reading = read(pictures / "a.csv")
    assert reading.classes == ("é", "é, ü")
    assert reading.splits["train"].files[0] == 'a/x, "y"; é.png'
    assert reading.splits["train"].files[1:] == ("a/0001.png", "a/two\r\nlines.png")


def test_labels_that_are_numbers(pictures: Path) -> None:
    path = pictures / "a.csv"
    reading = read(table(path, *rows([0, 1, 2, 10, 9, 8, 7, 6])))
    assert reading.classes == ("0", "1", "2", "6", "7", "8", "9", "10")
    assert reading.splits["train"].labels.tolist() == [0, 1, 2, 7, 6, 5, 4, 3]
    assert not reading.numbered
    reading = read(table(path, *rows([2, 1, 0, 1])))
    assert (reading.classes, reading.numbered) == (("0", "1", "2"), True)
    assert reading.splits["train"].labels.tolist() == [2, 1, 0, 1]
    assert not read(table(path, *rows(["00", "01"]))).numbered
    named = read(table(path, *rows([2, 0, 2])), classes=("cat", "dog", "eel"))
    assert (named.classes, named.numbered) == (("cat", "dog", "eel"), False)
    assert named.splits["train"].labels.tolist() == [2, 0, 2]
    with pytest.raises(DataError, match="label 2 of train record 0 is out of range for 2 classes"):
        read(path, classes=("cat", "dog"))
    with pytest.raises(UsageError, match="names its classes in the column label"):
        read(table(path, *rows(["cat", "dog"])), classes=("a", "b"))


def test_several_columns_of_labels(pictures: Path) -> None:
    lines = [f"a/{i:04d}.png,{'xy'[i // 4]},{i % 4 + i // 4 * 4},{'abcdefgh'[i]}" for i in range(8)]
    first = "path,coarse_label,label,class"
    reading = read(table(pictures / "a.csv", *lines, first=first))
    assert reading.classes == tuple("abcdefgh")
    assert reading.source["label"] == "class"
    assert reading.source["other_labels"] == ["coarse_label", "label"]
    assert reading.notes[0] == (
        "labels of column class; there is also coarse_label (data.label=coarse), "
        "label (data.label=label)"
    )
    for wanted in ("coarse", "coarse_label", "Coarse"):
        assert read(pictures / "a.csv", label=wanted).classes == ("x", "y")
    with pytest.raises(UnknownName, match="unknown label column 'coarser'; did you mean 'coarse_"):
        read(pictures / "a.csv", label="coarser")


def test_a_table_for_each_split(pictures: Path) -> None:
    table(pictures / "Train.csv", "a/0000.png,x", "a/0001.png,y")
    table(pictures / "test.tsv", "a/0002.png\ty", first="path\tlabel")
    table(pictures / "numbers.csv", "1,2", first="path,length")
    reading = read(pictures)
    assert {s: r.files for s, r in reading.splits.items()} == {
        "train": ("a/0000.png", "a/0001.png"),
        "test": ("a/0002.png",),
    }
    table(pictures / "test.tsv", "a/0001.png\ty", first="path\tlabel")
    refused("test.tsv line 2 lists a/0001.png again, as Train.csv line 3 does; remove", pictures)
    table(pictures / "test.tsv", "a/0002.png\ty", first="path\tcoarse_label")
    refused("columns of labels are label in Train.csv, but coarse_label in test.tsv", pictures)


def test_what_is_no_table_of_pictures(tmp_path: Path, pictures: Path) -> None:
    assert manifest.find(pictures) is None
    assert manifest.find(pictures / "a" / "0000.png") is None
    assert manifest.find(pictures / "nothing.csv") is None
    table(pictures / ".hidden.csv", "a/0000.png,x")
    table(pictures / "weights.csv", "1,2", first="epoch,loss")
    assert manifest.find(pictures) is None
    text = table(pictures / "list.txt", "a/0000.png,x", "a/0001.png,y")
    assert read(text).classes == ("x", "y")
    for name in ("one.csv", "two.csv"):
        table(pictures / name, "a/0000.png,x", "a/0001.png,y")
    with pytest.raises(
        DataError, match=r"holds several tables of pictures: 'one.csv', 'two.csv'; n"
    ):
        manifest.find(pictures)


def refused(text: str, path: Path, **how: Any) -> None:
    with pytest.raises(DataError) as caught:
        read(path, **how)
    assert text in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"", "a first line that names the columns is expected, path,label or path,label,split"),
        (b"\xef\xbb\xbf", "path,label,split; found ''"),
        (b"a/0000.png,cat\n", "path,label,split; found 'a/0000.png,cat'"),
        (b"path,label\n", "lists no pictures to train on: it has no rows below its first line"),
        (b"path,label,split\na,x,test\n", "lists no pictures to train on: it has only test"),
        (
            b"path,label\na/0000.png\n",
            "line 2: 2 fields are expected as in the first line, found 1",
        ),
        (b"path,label\n,x\n", "line 2 names no picture; fill or remove it"),
        (b"path,label\nb,\na,x\nc, \n", "2 of 3 rows have no label: a.csv line 2, a.csv line 4"),
        (b"path,label,split\na,x,tran\n", "line 2: the split 'tran' is unknown; train, validation"),
        (b"path,label,split\na,x,\n", "line 2: the split '' is unknown"),
        (b"path,label\na,x\nb,x\n./a,y\n", "line 4 lists ./a again, as a.csv line 2 does; remove"),
        (b"path,label\na,Cat\nb,cat\n", "has the classes 'Cat' and 'cat', which differ in case"),
        (b"path,label,split\na,x,train\nb,y,train\nc,z,test\n", "classes that train lacks: 'z'"),
        (b"path,label,label\na,x,y\n", "names the column label twice; rename one"),
        (b"path,label\nb,x\ncaf\xe9.png,x\n", "line 3: the byte 0xe9 is no UTF-8; save the table"),
        ("path,label\na,x\n".encode("utf-16"), "line 1: the byte 0xff is no UTF-8"),
        (b"path,label\na,x\n\0\n", "line 3 has a NUL, which no text has; write the table again"),
        (b'path,label\n"a"b,x\n', "line 2 is no CSV: ',' expected after '\"'"),
        (b'path,label\n"a,x\nb,y\n', "is no CSV: unexpected end of data"),
        (b"path,label\n" + b"a" * 200_000 + b",x\n", "line 2 is no CSV: field larger than field"),
    ],
)
def test_tables_that_are_refused(pictures: Path, raw: bytes, text: str) -> None:
    (pictures / "a.csv").write_bytes(raw)
    refused(text, pictures / "a.csv")


def test_a_table_that_is_too_long(pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "MAX_BYTES", 30)
    refused("37 bytes; at most 30 are read of a table", table(pictures / "a.csv", *rows("xy")))


def test_pictures_that_are_missing_or_no_files(pictures: Path) -> None:
    os.mkfifo(pictures / "pipe.png")
    (pictures / "a" / "link.png").symlink_to("0003.png")
    strange = ["none.png,x", "pipe.png,x", "a,x", "/dev/zero,x", f"{'n' * 300}.png,x"]
    path = table(pictures / "a.csv", *rows("xyx"), *strange, "a/link.png,y")
    refused("5 of 9 pictures cannot be read: none.png: no such file; pipe.png is not a file", path)
    refused("a is not a file; /dev/zero is not a file; nnn", path)
    reading = read(path, skip_bad=True)
    assert reading.splits["train"].files == (*(f"a/000{i}.png" for i in range(3)), "a/link.png")
    assert reading.splits["train"].labels.tolist() == [0, 1, 0, 1]
    assert len(reading.source["unreadable"]) == 5
    table(path, *rows("xy"), *(f"{i},x" for i in range(30)))
    refused("30 of 32 pictures cannot be read: 0: no such file", path)
    refused("and 20 more", path)


def test_paths_that_lead_elsewhere_are_said(pictures: Path) -> None:
    (pictures / "lists").mkdir()
    lines = [f"../a/0000.png,x\n{pictures}/a/0001.png,y\nhere/../../a/0002.png,y"]
    (pictures / "lists" / "here").mkdir()
    (pictures / "lists" / "..x.png").write_bytes((pictures / "a" / "0004.png").read_bytes())
    reading = read(table(pictures / "lists" / "a.csv", *lines, "..x.png,x"))
    assert len(reading.splits["train"].files) == 4
    assert reading.notes == ("3 of 4 paths are absolute or lead out of the folder of the table",)


def test_identity(pictures: Path) -> None:
    path = table(pictures / "a.csv", *rows("xy"), "missing.png,x")

    def identity() -> list[Any]:
        found = manifest.find(path)
        assert found is not None
        return found.identity()

    seen = [identity()]
    assert identity() == seen[0]
    os.utime(pictures / "a" / "0001.png", (1, 1))
    seen.append(identity())
    Image.new("RGB", (3, 3)).save(pictures / "missing.png")
    seen.append(identity())
    table(path, *rows("yx"), "missing.png,x")
    seen.append(identity())
    assert all(seen[i] != seen[j] for i in range(4) for j in range(i))
    found = manifest.find(path)
    path.unlink()
    assert found is not None
    with pytest.raises(DataError, match="no such file"):
        found.identity()


@needs_proc
def test_hostile_tables_take_no_memory(pictures: Path) -> None:
    sparse = pictures / "sparse.csv"
    with sparse.open("wb") as file:
        file.write(b"path,label\n")
        file.truncate(10**12)
    wide = table(pictures / "wide.csv", "x" + "," * 10**6)
    quoted = table(pictures / "quoted.csv", '"' + "\n" * 10_000_000)
    big = pictures / "a" / "big.png"
    with big.open("wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n")
        file.truncate(10**12)
    listed = table(pictures / "listed.csv", "a/big.png,x", "a/0000.png,y")
    said = read_within_200_megabytes("manifest", (sparse, wide, quoted, listed))
    assert "1,000,000,000,000 bytes; at most 67,108,864 are read of a table" in said[0]
    assert "2 fields are expected" in said[1]
    assert "is no CSV" in said[2]
    assert "has 1,000,000,000,000 bytes" in said[3]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    here = tmp_path_factory.mktemp("place")
    (here / "a").mkdir()
    for i in range(4):
        Image.new("RGB", (4, 4), (i, i, i)).save(here / "a" / f"000{i}.png")
    return here


SMALL = (
    b'path,label,split\r\na/0000.png,cat,train\r\n"a/0001.png","dog",train\r\n'
    b"a/0002.png,cat,test\r\na/0003.png,dog,val\r\n"
)


def survives(place: Path, raw: bytes) -> None:
    """The bytes give a data set or one of our errors."""
    with tempfile.NamedTemporaryFile(dir=place, suffix=".csv") as file:
        file.write(raw)
        file.flush()
        try:
            found = manifest.find(Path(file.name))
            assert found is not None
            found.identity()
            reading = found.read(Options(Recipe().data))
        except DataError:
            return
    for records in reading.splits.values():
        assert len(records.images) == len(records.labels) == len(records.files) > 0
        assert records.labels.max() < len(reading.classes)


@settings(max_examples=200, deadline=2000)
@given(st.data())
def test_flipped_bytes(place: Path, data: st.DataObject) -> None:
    raw = bytearray(SMALL)
    for at, value in data.draw(
        st.lists(st.tuples(st.integers(0, len(raw) - 1), st.integers(0, 255)), max_size=8)
    ):
        raw[at] = value
    survives(place, bytes(raw))


@settings(max_examples=60, deadline=2000)
@given(st.data())
def test_cut_and_reordered_bytes(place: Path, data: st.DataObject) -> None:
    a, b, c = sorted(data.draw(st.tuples(*[st.integers(0, len(SMALL))] * 3)))
    survives(place, SMALL[:a])
    survives(place, SMALL[a:])
    survives(place, SMALL[:a] + SMALL[b:c] + SMALL[a:b] + SMALL[c:])


@settings(max_examples=100, deadline=2000)
@given(st.binary(max_size=200))
def test_any_bytes(place: Path, raw: bytes) -> None:
    survives(place, b"path,label\n" + raw)
    survives(place, raw)
