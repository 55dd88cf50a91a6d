"""Statistics against a slow reference, duplicates against a hand-made case."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tinysight.data import load, statistics
from tinysight.data.statistics import inspect, mean_and_deviation

X = np.random.default_rng(0).integers(0, 256, (60, 7, 5, 3), dtype=np.uint8)
Y = np.arange(60) % 3


@pytest.mark.parametrize("chunk", [1, 300, 2**18])
@pytest.mark.parametrize("channels", [1, 3])
def test_mean_and_deviation(channels: int, chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statistics, "CHUNK", chunk)
    images = X[..., :channels]
    mean, deviation = mean_and_deviation(torch.from_numpy(images))
    fractions = images.astype(np.float64) / 255
    np.testing.assert_allclose(mean, fractions.mean(axis=(0, 1, 2)), rtol=1e-14)
    np.testing.assert_allclose(deviation, fractions.std(axis=(0, 1, 2)), rtol=1e-14)
    parts = mean_and_deviation(torch.from_numpy(images[:13]), torch.from_numpy(images[13:]))
    assert parts == (mean, deviation)


def test_it_is_the_deviation_of_pixels_not_the_mean_of_deviations() -> None:
    images = torch.zeros(2, 4, 4, 1, dtype=torch.uint8)
    images[1] = 255  # each picture's own deviation is 0
    assert mean_and_deviation(images) == ((0.5,), (0.5,))


def test_white_pictures_do_not_overflow() -> None:
    white = torch.full((1, 4100, 4100, 1), 255, dtype=torch.uint8)
    assert mean_and_deviation(white) == ((1.0,), (0.0,))


def test_counts_sizes_and_statistics_of_train_with_validation() -> None:
    data = load({"train": (X[:50], Y[:50]), "test": (X[50:], Y[50:])})
    info = inspect(data)
    assert {s: sum(c) for s, c in info.counts.items()} == {"train": 45, "validation": 5, "test": 10}
    assert info.mean == mean_and_deviation(torch.from_numpy(X[:50]))[0]
    assert info.found["sizes"] == [{"height": 7, "width": 5, "n": 60}]
    assert info.found["modes"] == {"RGB": 60}
    assert [d.groups for d in info.duplicates] == [0, 0]
    own = {"train": (X[:40], Y[:40]), "val": (X[40:50], Y[40:50]), "test": (X[50:], Y[50:])}
    assert inspect(load(own)).mean == mean_and_deviation(torch.from_numpy(X[:40]))[0]


def duplicated() -> dict[str, Any]:
    """Train: 0 three times (labels agree), 1 twice (they do not). Test: 2 and 3 stand in train,
    3 with another label, and 50 twice in test itself.
    """
    x = np.concatenate([X[:40], X[[0, 0, 1]]])
    y = np.concatenate([Y[:40], [Y[0], Y[0], 2]])
    test = np.concatenate([X[50:], X[[50, 2, 3]]])
    labels = np.concatenate([Y[50:], [Y[50], Y[2], 1]])
    return {"train": (x, y), "test": (test, labels)}


def test_duplicates_within_and_across_the_splits() -> None:
    data = load(duplicated(), classes=["a", "b", "c"])
    info = inspect(data)
    train, test = info.duplicates
    assert (train.split, train.groups, train.pictures, train.conflicting) == ("train", 2, 5, 1)
    assert (test.split, test.groups, test.pictures, test.conflicting) == ("test", 1, 2, 0)
    (overlap,) = info.overlaps
    assert (overlap.split, overlap.other) == ("test", "train")
    assert (overlap.pictures, overlap.conflicting) == (2, 1)
    assert sorted(len(group) for group in train.examples) == [2, 3]
    pair = next(group for group in train.examples if len(group) == 2)
    assert {name for _, name in pair} == {"b", "c"}
    assert "2 of the 13 test pictures stand in train as well (exact copies)" in info.notes


def test_a_split_of_its_own_is_compared_with_train_too() -> None:
    data = load({"train": (X[:40], Y[:40]), "val": (X[39:50], Y[39:50]), "test": (X[49:], Y[49:])})
    found = {(o.split, o.other): o.pictures for o in inspect(data).overlaps}
    assert found == {
        ("validation", "train"): 1,
        ("test", "train"): 0,
        ("test", "validation"): 1,
    }


def test_plain_values_and_text() -> None:
    info = inspect(load(duplicated(), classes=["ant", "bee", "cow"], name="pets"))
    json.dumps(info.to_dict(), allow_nan=False)
    lines = str(info).splitlines()
    assert lines[0] == "pets, 56 pictures of 3 classes"
    at = lines.index("found as      5x7 (56)")
    assert lines[at + 1 : at + 4] == [
        "              array (56)",
        "              RGB (56)",
        "classes       3, with 12 to 14 pictures each in train",
    ]
    at = lines.index(
        "duplicates    2 groups of exact copies in train (5 pictures), 1 of them with conflicting "
        "labels"
    )
    # The group whose labels do not agree stands first.
    assert re.fullmatch(r" {14}e\.g\. \w{16} \((bee|cow)\) = \w{16} \((bee|cow)\)", lines[at + 1])
    assert lines[at + 2] == (
        "              1 group of exact copies in test (2 pictures), 0 of them with conflicting "
        "labels"
    )
    assert lines[at + 4] == (
        "              2 pictures of test also in train, 1 of them with another label"
    )
    assert "unreadable    none" in lines
    table = lines[lines.index("class  train  validation  test") :]
    assert [row.split()[0] for row in table] == ["class", "ant", "bee", "cow", "all"]
    assert table[-1].split() == ["all", "39", "4", "13"]


def test_a_data_set_without_a_reader_can_be_inspected() -> None:
    from dataclasses import replace

    data = replace(load((X, Y)), source={})
    lines = str(inspect(data)).splitlines()
    assert lines[lines.index("found as      not known") + 1].startswith("classes       3, with ")


def test_unreadable_files_are_counted_and_the_first_ten_named(
    tmp_path: Path, write_folder: Callable[..., Path]
) -> None:
    write_folder(tmp_path, {"cat": X[:30], "dog": X[30:]})
    for i in range(13):
        (tmp_path / "cat" / f"x{i:02d}.png").write_bytes(b"hello")
    info = inspect(load(tmp_path, skip_bad=True))
    lines = str(info).splitlines()
    at = lines.index("unreadable    13, left out")
    assert [line.split()[0] for line in lines[at + 1 : at + 11]] == [
        f"cat/x{i:02d}.png" for i in range(10)
    ]
    assert lines[at + 11] == "              and 3 more; --json lists all"
    assert len(info.to_dict()["unreadable"]) == 13


def test_of_many_classes_those_with_most_and_fewest_are_listed() -> None:
    labels = np.concatenate([np.repeat(np.arange(30), 2), np.full(20, 17), np.full(15, 3)])
    pixels = np.random.default_rng(1).integers(0, 256, (len(labels), 6, 6, 1), dtype=np.uint8)
    info = inspect(load({"train": (pixels, labels), "test": (pixels[:1], labels[:1])}))
    lines = str(info).splitlines()
    table = [line.split() for line in lines[lines.index("") :][1:]]
    table = table[table.index(["class", "train", "validation", "test"]) :]
    assert [row[0] for row in table[1:3]] == ["17", "3"]
    assert len(table) == 1 + 10 + 1 + 10 + 1
    assert table[11] == ["…", "10", "between;", "--json", "has", "all", "…", "…", "…"]
    assert len(info.to_dict()["counts"]["train"]) == 30


def test_columns_stand_below_each_other_whatever_the_names() -> None:
    from rich.cells import cell_len

    names = ["猫の写真", "c\n\x1b[31mat", "x" * 90]
    text = str(inspect(load((X, Y), classes=names)))
    lines = text.splitlines()
    table = lines[-5:]
    assert table[0].startswith("class ")
    assert len({cell_len(line) for line in table}) == 1
    assert all(line.isprintable() for line in lines)
