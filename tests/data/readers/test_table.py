"""Parquet tables: where the shards lie, which columns count, what is refused."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from tinysight.data import load
from tinysight.data.readers import find, table
from tinysight.data.reading import Options
from tinysight.errors import DataError, UnknownName
from tinysight.recipe import Recipe

Pixels = NDArray[np.uint8]
Noise = Callable[..., Pixels]
Write = Callable[..., Path]
NAMES = {"label": ["cat", "dog"]}


def labels(n: int, classes: int = 2) -> list[int]:
    return [i % classes for i in range(n)]


def test_the_same_content_as_a_folder_is_the_same_data_set(
    tmp_path: Path, noise: Noise, write_folder: Write, write_parquet: Write
) -> None:
    pixels = noise(60, 10, 12, 3)
    both = {"train": pixels[:40], "test": pixels[40:]}
    for split, x in both.items():
        write_folder(tmp_path / "folder" / split, {"cat": x[::2], "dog": x[1::2]})
        order = np.random.default_rng(5).permutation(len(x))
        half = len(x) // 2
        for i, part in enumerate((order[:half], order[half:])):
            file = tmp_path / "table" / f"{split}-{i:05d}-of-00002.parquet"
            write_parquet(file, x[part], label=np.array(labels(len(x)))[part], names=NAMES)
    folder, shards = load(tmp_path / "folder"), load(tmp_path / "table")
    assert shards.fingerprints == folder.fingerprints
    assert shards.classes == folder.classes == ("cat", "dog")
    for name in ("train", "validation", "test"):
        one, two = folder.split(name), shards.split(name)
        assert one is not None
        assert two is not None
        assert one.ids == two.ids
        assert (one.images == two.images).all()
        assert (one.labels == two.labels).all()
    assert shards.train.files == ()
    assert shards.source["kind"] == "parquet"
    assert shards.source["label"] == "label"
    assert shards.notes == ()


@pytest.mark.parametrize(
    "layout",
    [
        "{}-00000-of-00001.parquet",
        "data/{}-x.parquet",
        "plain_text/{}.parquet",
        "odd/{}.parquet",
        "default/{}/0000.parquet",
    ],
)
def test_where_the_shards_may_lie(
    tmp_path: Path, layout: str, noise: Noise, write_parquet: Write
) -> None:
    for split, seed in {"train": 0, "validation": 1, "test": 2}.items():
        file = tmp_path / layout.format(split)
        write_parquet(file, noise(10, 6, 6, 1, seed=seed), label=labels(10), names=NAMES)
    data = load(tmp_path, cache=False)
    assert [len(data.train), len(data.validation), len(data.test or ())] == [10, 10, 10]
    assert data.shape == (6, 6, 1)


def test_a_single_file_is_a_table_without_splits(
    tmp_path: Path, noise: Noise, write_parquet: Write
) -> None:
    file = write_parquet(tmp_path / "birds.parquet", noise(30, 6, 6, 3), label=labels(30))
    data = load(file, cache=False)
    assert data.name == "birds"
    assert len(data.test or ()) == 3
    assert data.classes == ("0", "1")
    assert load(file, classes=["robin", "wren"], cache=False).classes == ("robin", "wren")
    with pytest.raises(DataError, match="1 classes were given, but label runs to 1; give 2 names"):
        load(file, classes=["robin"])


def test_file_names_are_kept(tmp_path: Path, noise: Noise, write_parquet: Write) -> None:
    pixels, names = noise(30, 6, 6, 3), [f"p{i}.png" for i in range(30)]
    file = write_parquet(
        tmp_path / "a.parquet", pixels, label=labels(30), paths=names, image="image"
    )
    data = load(file, cache=False)
    at = int(data.train.files[0][1:-4])
    np.testing.assert_array_equal(data.train.images[0].numpy(), pixels[at])


def test_the_finest_labels_unless_others_are_asked_for(
    tmp_path: Path, noise: Noise, write_parquet: Write
) -> None:
    fine = labels(40, 4)
    coarse = [i // 2 for i in fine]
    names = {"coarse_label": ["animal", "thing"], "fine_label": ["cat", "dog", "cup", "pen"]}
    write_parquet(
        tmp_path / "train.parquet",
        noise(40, 6, 6, 3),
        coarse_label=coarse,
        fine_label=fine,
        names=names,
    )
    data = load(tmp_path)
    assert data.classes == ("cat", "dog", "cup", "pen")
    assert data.notes[0] == (
        "labels of column fine_label (4 classes); there is also coarse_label (2; data.label=coarse)"
    )
    assert data.source["groups"] == {
        "coarse_label": {"cat": "animal", "dog": "animal", "cup": "thing", "pen": "thing"}
    }
    for wanted in ("coarse", "coarse_label"):
        other = load(tmp_path, Recipe(data={"label": wanted}).data)
        assert other.classes == ("animal", "thing")
        assert other.source["groups"] == {}
    with pytest.raises(UnknownName, match=r"unknown label column 'fin'; did you mean 'fine'"):
        load(tmp_path, Recipe(data={"label": "fin"}).data)


def test_damaged_rows_are_named_and_can_be_skipped(
    tmp_path: Path, noise: Noise, write_parquet: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table, "BATCH", 4)
    rows = [*noise(40, 6, 6, 3)]
    label_of = {x.tobytes(): i % 2 for i, x in enumerate(rows)}
    rows[9], rows[30] = b"no picture", None
    file = write_parquet(tmp_path / "a.parquet", rows, label=labels(40), names=NAMES)
    with pytest.raises(
        DataError, match=r"2 of 40 .* a\.parquet row 9 is not a picture.* row 30 has"
    ):
        load(file)
    data = load(file, skip_bad=True, cache=False)
    assert len(data.train) + len(data.validation) + len(data.test or ()) == 38
    assert data.source["unreadable"][1] == "a.parquet row 30 has no bytes"
    for image, label in zip(data.train.images, data.train.labels, strict=True):
        assert label_of[image.numpy().tobytes()] == int(label)


def test_a_column_of_plain_bytes(
    tmp_path: Path, noise: Noise, encode: Callable[..., bytes], write_parquet: Write
) -> None:
    pixels = noise(20, 6, 6, 3)
    cells = pa.array([encode(x) for x in pixels], pa.binary())
    pq.write_table(pa.table({"picture": cells, "labels": labels(20)}), tmp_path / "a.parquet")
    write_parquet(tmp_path / "b.parquet", pixels, label=labels(20))
    one, two = load(tmp_path / "a.parquet"), load(tmp_path / "b.parquet")
    assert one.fingerprints == two.fingerprints


def test_progress_is_told(tmp_path: Path, noise: Noise, write_parquet: Write) -> None:
    file = write_parquet(tmp_path / "a.parquet", noise(100, 6, 6, 3), label=labels(100))
    seen: list[tuple[int, int]] = []
    load(file, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(64, 100), (100, 100)]


# What is refused


def test_a_missing_shard_is_named(tmp_path: Path, noise: Noise, write_parquet: Write) -> None:
    write_parquet(tmp_path / "train-00000-of-00003.parquet", noise(9, 6, 6, 3), label=labels(9))
    with pytest.raises(DataError, match=r"train lacks shard 1, 2 of 3 \(numbered from 0\); 1 are"):
        load(tmp_path)


def test_several_tables_and_no_train(tmp_path: Path, noise: Noise, write_parquet: Write) -> None:
    write_parquet(tmp_path / "b" / "train.parquet", noise(9, 6, 6, 3), label=labels(9))
    write_parquet(tmp_path / "a" / "train.parquet", noise(9, 6, 6, 3), label=labels(9))
    with pytest.raises(DataError, match=r"holds several tables: 'a', 'b'; name one, e\.g\. .*a$"):
        load(tmp_path)
    write_parquet(tmp_path / "c" / "test.parquet", noise(9, 6, 6, 3), label=labels(9))
    with pytest.raises(DataError, match="has tables of test but none of train; add train"):
        load(tmp_path / "c")


def test_labels_of_test_that_train_lacks(
    tmp_path: Path, noise: Noise, write_parquet: Write
) -> None:
    three = {"label": ["cat", "dog", "cow"]}
    write_parquet(tmp_path / "train.parquet", noise(9, 6, 6, 3), label=labels(9), names=three)
    write_parquet(tmp_path / "test.parquet", [b"x"] * 9, label=labels(9, 3), names=three)
    # Before the pictures are decoded, which would be refused here.
    with pytest.raises(DataError, match="test has pictures of classes that train lacks: 'cow'"):
        load(tmp_path)


def test_a_link_that_leads_nowhere_and_forks_of_files(
    tmp_path: Path, noise: Noise, write_parquet: Write
) -> None:
    write_parquet(tmp_path / "train" / "0.parquet", noise(9, 6, 6, 3), label=labels(9))
    (tmp_path / "train" / "._0.parquet").write_bytes(b"left by a Mac")
    assert len(load(tmp_path).classes) == 2
    (tmp_path / "train" / "1.parquet").symlink_to("nowhere")
    with pytest.raises(DataError, match=r"1\.parquet cannot be read as parquet: .*No such file"):
        load(tmp_path)


def test_damaged_files(tmp_path: Path, noise: Noise, write_parquet: Write) -> None:
    file = write_parquet(tmp_path / "a.parquet", noise(30, 16, 16, 3), label=labels(30))
    raw = file.read_bytes()
    file.write_bytes(raw[: len(raw) // 2])
    with pytest.raises(DataError, match=r"a\.parquet cannot be read as parquet: ") as refused:
        load(file)
    assert str(refused.value).isprintable()
    file.write_bytes(raw[:5000] + bytes(9000) + raw[14000:])  # its footer stands
    with pytest.raises(DataError, match=r"a\.parquet cannot be read as parquet|cannot be read: a"):
        load(file)


def test_columns_that_are_not_there(tmp_path: Path, noise: Noise, write_parquet: Write) -> None:
    file = write_parquet(tmp_path / "a.parquet", noise(9, 6, 6, 3), name=["x"] * 9)
    with pytest.raises(DataError, match=r"no column of labels; whole numbers in a column named"):
        load(file)
    ids = write_parquet(tmp_path / "b.parquet", noise(9, 6, 6, 3), label=[10**9] * 9)
    with pytest.raises(DataError, match="no column of labels"):
        load(ids)
    pq.write_table(pa.table({"label": labels(4), "text": ["a"] * 4}), tmp_path / "c.parquet")
    with pytest.raises(DataError, match=r"has no columns that can be the pictures; one of encoded"):
        load(tmp_path / "c.parquet")
    two = pa.table({"label": labels(4), "a": [b"x"] * 4, "b": [b"x"] * 4})
    pq.write_table(two, tmp_path / "d.parquet")
    with pytest.raises(DataError, match=r"has 2 columns that can be the pictures"):
        load(tmp_path / "d.parquet")


def test_a_shard_without_the_columns_of_the_first(
    tmp_path: Path, noise: Noise, write_parquet: Write
) -> None:
    write_parquet(tmp_path / "train.parquet", noise(9, 6, 6, 3), label=labels(9))
    write_parquet(tmp_path / "test.parquet", noise(9, 6, 6, 3), other_label=labels(9))
    with pytest.raises(
        DataError, match=r"test\.parquet lacks the column label, which the first shard of train has"
    ):
        load(tmp_path)


def test_labels_that_are_not_there(tmp_path: Path, noise: Noise, write_parquet: Write) -> None:
    for name, wrong in {"a": 2, "b": -1, "c": None}.items():
        file = write_parquet(
            tmp_path / f"{name}.parquet",
            noise(9, 6, 6, 3),
            label=[*labels(5), wrong, *labels(3)],
            names=NAMES,
        )
        shown = -1 if wrong is None else wrong
        with pytest.raises(
            DataError,
            match=rf"1 rows of train have labels outside 0 to .* 5 with {shown}; mend or remove",
        ):
            load(file)
    write_parquet(tmp_path / "d" / "train.parquet", noise(9, 6, 6, 3), label=labels(9), names=NAMES)
    write_parquet(tmp_path / "d" / "test.parquet", noise(9, 6, 6, 3), label=[-1] * 9, names=NAMES)
    with pytest.raises(DataError, match=r"no row of test has a label .*was it published without"):
        load(tmp_path / "d")


def test_no_rows_and_own_names(tmp_path: Path, noise: Noise, write_parquet: Write) -> None:
    write_parquet(tmp_path / "train.parquet", noise(9, 6, 6, 3), label=labels(9), names=NAMES)
    with pytest.raises(DataError, match="names its 2 classes itself; leave classes out"):
        load(tmp_path, classes=["a", "b"])
    empty = pa.array([], pa.int64())
    write_parquet(tmp_path / "test.parquet", [], label=empty, names=NAMES)
    with pytest.raises(DataError, match="test has no rows; remove it, or fetch it again"):
        load(tmp_path)


def small(compression: str) -> bytes:
    pixels = np.random.default_rng(0).integers(0, 256, (12, 4, 4, 3), dtype=np.uint8)
    cells = []
    for i, picture in enumerate(pixels):
        file = io.BytesIO()
        Image.fromarray(picture).save(file, "PNG")
        cells.append({"bytes": file.getvalue(), "path": f"é{i}.png"})
    kinds = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    columns = {"img": pa.array(cells, kinds), "label": pa.array([i % 2 for i in range(12)])}
    file = io.BytesIO()
    pq.write_table(pa.table(columns), file, compression=compression)
    return file.getvalue()


SMALL = [small(compression) for compression in ("none", "snappy", "zstd")]


def survives(raw: bytes) -> None:
    """The bytes give a data set or one of our errors."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.parquet"
        path.write_bytes(raw)
        try:
            reading = find(path).read(Options(Recipe().data))
        except (DataError, UnknownName):
            return
        for records in reading.splits.values():
            assert records.images.shape[0] == len(records.labels) > 0
            assert 0 <= records.labels.min() <= records.labels.max() < len(reading.classes)


@settings(max_examples=200, deadline=2000)
@given(st.sampled_from(SMALL), st.data())
def test_flipped_bytes(raw: bytes, data: st.DataObject) -> None:
    changed = bytearray(raw)
    places = st.one_of(st.integers(0, len(raw) - 1), st.integers(len(raw) - 700, len(raw) - 1))
    for at, value in data.draw(
        st.lists(st.tuples(places, st.integers(0, 255)), min_size=1, max_size=6)
    ):
        changed[at] = value
    survives(bytes(changed))


@settings(max_examples=60, deadline=2000)
@given(st.sampled_from(SMALL), st.data())
def test_cut_and_reordered_bytes(raw: bytes, data: st.DataObject) -> None:
    a, b, c = sorted(data.draw(st.tuples(*[st.integers(0, len(raw))] * 3)))
    survives(raw[:a])
    survives(raw[a:])
    survives(raw[:a] + raw[b:c] + raw[a:b] + raw[c:])


@pytest.mark.parametrize("rows", [11, 13])
def test_columns_that_disagree_in_length(
    rows: int, tmp_path: Path, noise: Noise, write_parquet: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a damaged table may promise; pyarrow does not write one."""
    path = write_parquet(tmp_path / "x.parquet", noise(12, 4, 4, 3), label=labels(12))
    right = table.Table._items

    def items(self: table.Table, split: str, column: str) -> Iterator[tuple[str, bytes | None]]:
        found = list(right(self, split, column))
        return iter([*found, *found][:rows])

    monkeypatch.setattr(table.Table, "_items", items)
    with pytest.raises(DataError, match=r"pictures but 12 labels; the source is damaged: fetch"):
        load(path)


def test_text_that_pyarrow_cannot_decode_is_told() -> None:
    with (
        pytest.raises(DataError, match=r"x\.parquet cannot be read as parquet: 'utf-8' codec"),
        table._reading(Path("x.parquet")),
    ):
        b"\xff".decode()
