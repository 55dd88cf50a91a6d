"""What a data set and its parts say of themselves."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from tinysight.data import load
from tinysight.data.dataset import quoted, without

X = np.random.default_rng(0).integers(0, 256, (600, 7, 5, 3), dtype=np.uint8)
Y = np.arange(600) % 5


def test_a_data_set_shows_itself_in_a_line() -> None:
    data = load({"train": (np.concatenate([X, X]), np.concatenate([Y, Y])), "test": (X, Y)})
    assert repr(data) == (
        "DataSet 'arrays': train 1,080, validation 120, test 600; pictures of 5x7 RGB, 5 classes: "
        "'0', '1', '2' and 2 more"
    )
    assert "test" not in repr(data.with_splits(test=None))
    strange = replace(data, name="a\nb" * 90, classes=("c\n" * 90, "d"))
    assert repr(strange).isprintable()
    assert len(repr(strange)) < 300


def test_a_split_shows_itself_in_a_line() -> None:
    data = load((X[..., 0], Y))
    assert repr(data.train) == "Split of 486 pictures of 5x7 grey"
    assert repr(data.train.take(torch.arange(2))) == "Split of 2 pictures of 5x7 grey"


def test_what_is_taken_are_the_records_at_those_places() -> None:
    data = load((X, Y))
    at = torch.tensor([5, 3, 3])
    taken = data.train.take(at)
    assert torch.equal(taken.images, data.train.images[at])
    assert torch.equal(taken.labels, data.train.labels[at])
    assert taken.ids == tuple(data.train.ids[i] for i in (5, 3, 3))


def test_names_in_a_message() -> None:
    assert quoted(["it's", "a\n"]) == "\"it's\", 'a\\n'"
    assert quoted([str(i) for i in range(12)]).endswith("'9' and 2 more")
    assert without("train", ["cat"]) == "train has no picture of 1 class: 'cat'"
