"""What a data set is recognised as, by its content."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from tinysight.data import canonical, load, prepared
from tinysight.data.canonical import CANONICAL, Canonical, recognise
from tinysight.data.fingerprint import fingerprint, images_fingerprint
from tinysight.data.prepared import prepare
from tinysight.data.reading import Reading, Records
from tinysight.errors import DataError

X: NDArray[np.uint8] = np.random.default_rng(0).integers(0, 256, (60, 5, 5, 3), dtype=np.uint8)
Y = np.arange(60) % 3
NAMES = ("ant", "bee", "cow")
TRAIN, TEST = slice(0, 40), slice(40, 60)


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> Canonical:
    """A canonical data set of 60 pictures instead of CIFAR."""
    parts = {"train": TRAIN, "test": TEST}
    known = Canonical(
        "tiny",
        "Tiny-3",
        NAMES,
        (5, 5, 3),
        {"train": 40, "test": 20},
        {s: fingerprint(X[at], Y[at]) for s, at in parts.items()},
        {s: images_fingerprint(X[at]) for s, at in parts.items()},
    )
    coarse = replace(known, name="tiny-coarse", records={"train": "no", "test": "no"})
    for module in (canonical, prepared):
        monkeypatch.setattr(module, "CANONICAL", {"coarse": coarse, "tiny": known})
    return known


def splits(labels: NDArray[Any] = Y) -> dict[str, Any]:
    return {"train": (X[TRAIN], labels[TRAIN]), "test": (X[TEST], labels[TEST])}


def test_the_whole() -> None:
    data = load(splits(), name=None)
    assert data.name == "tiny"
    assert data.title == "canonical Tiny-3, all 60 pictures"
    assert data.classes == NAMES  # labels without names get the canonical ones
    assert load(splits(), name="mine").name == "mine"
    assert load(splits(), classes=["x", "y", "z"]).classes == ("x", "y", "z")


def test_class_names_in_another_order_are_brought_to_the_canonical_one() -> None:
    order = ("cow", "ant", "bee")
    labels = np.array([order.index(NAMES[y]) for y in Y])
    data = load(splits(labels), classes=order)
    assert data.title == "canonical Tiny-3, all 60 pictures"
    assert data.classes == NAMES
    expected = load(splits())
    assert data.train.ids == expected.train.ids
    assert torch.equal(data.train.labels, expected.train.labels)


def test_parts_of_it() -> None:
    alone = load((X[TRAIN], Y[TRAIN]), name="mine")
    assert alone.title == "canonical Tiny-3, the 40 train pictures alone"
    assert load((X[TRAIN], Y[TRAIN])).name == "arrays"
    other = load({"train": (X[TRAIN], Y[TRAIN]), "test": (X[:9], Y[:9])})
    assert other.title == "canonical Tiny-3, the 40 train pictures alone; test not canonical"
    assert other.name == "arrays"
    third = load({**splits(), "validation": (X[:9], Y[:9])})
    assert third.title == (
        "canonical Tiny-3, the 40 train and 20 test pictures alone; validation not canonical"
    )


def test_pictures_whose_labels_were_changed() -> None:
    changed = Y.copy()
    changed[0] = 1
    data = load({"train": (X[TRAIN], changed[TRAIN])})
    assert data.title == "the pictures of Tiny-3 with other labels"
    assert data.name == "arrays"
    assert data.notes[0] == (
        "the pictures are those of Tiny-3, the labels are not: lost, changed, or in another order"
    )


def test_anything_else_has_a_plain_title() -> None:
    data = load((X[:30], Y[:30]), name="thirty")
    assert data.title == "thirty, 30 pictures of 3 classes"
    assert recognise({"train": "x"}) is None


def test_duplicates_stand_in_an_order_that_does_not_depend_on_the_container() -> None:
    same = np.repeat(X[:1], 3, axis=0)
    files = ("c.png", "a.png", "b.png")
    pixels, labels = np.concatenate([same, X[1:2]]), np.array([0, 0, 0, 1])
    reading = Reading("x", ("a", "b"), {"train": Records(pixels, labels, (*files, "z.png"))}, {})
    own = tuple(name for name in prepare(reading).parts["train"].files if name != "z.png")
    assert own == ("a.png", "b.png", "c.png")


def test_labels_and_files_follow_their_pictures() -> None:
    files = tuple(f"{i}.png" for i in range(60))
    part = prepare(Reading("x", NAMES, {"train": Records(X, Y, files)}, {})).parts["train"]
    places = [int(name[:-4]) for name in part.files]
    assert places != sorted(places)
    np.testing.assert_array_equal(part.images.numpy(), X[places])
    np.testing.assert_array_equal(part.labels.numpy(), Y[places])


def test_masks_follow_their_pictures() -> None:
    masks = X[..., 0] > 100
    reading = Reading("x", NAMES, {"train": Records(X, Y, masks=masks)}, {})
    part = prepare(reading).parts["train"]
    assert part.masks is not None
    assert torch.equal(part.masks, part.images[..., 0] > 100)


def test_a_split_that_lost_all_its_pictures() -> None:
    reading = Reading("x", NAMES, {"train": Records(X, Y), "test": Records(X[:0], Y[:0])}, {})
    with pytest.raises(DataError, match="test has no pictures left; nothing in it could be read"):
        prepare(reading)


def test_names_that_no_reader_may_hand_over() -> None:
    with pytest.raises(DataError, match="class names must differ, there is more than once: 'a'"):
        prepare(Reading("x", ("a", "a", "b"), {"train": Records(X, Y)}, {}))


def test_what_a_split_lacks() -> None:
    pixels = 255 - X  # nothing known
    train, test = Records(pixels[:40], Y[:40] % 2 * 2), Records(pixels[40:], Y[40:] * 0)
    records = {"train": train, "test": test}
    assert prepare(Reading("x", NAMES, records, {})).notes == (
        "train has no picture of 1 class: 'bee'",
        "test has no picture of 1 class: 'cow'",  # and the other is said already
    )


def test_what_is_known_only_once_the_pictures_are_read() -> None:
    """A class of train may have damaged files alone, which were left out."""
    records = {"train": Records(X[:40], Y[:40] % 2), "test": Records(X[40:], Y[40:])}
    with pytest.raises(
        DataError, match="test has pictures of classes that train lacks: 'cow'; add some to train"
    ):
        prepare(Reading("x", NAMES, records, {}))


def test_numbers_of_another_count_keep_their_names() -> None:
    """The test split is canonical; train, which is not, has a class more."""
    data = load({"train": (X[TRAIN], Y[TRAIN] + np.arange(40) % 2), "test": (X[TEST], Y[TEST])})
    assert data.title == "canonical Tiny-3, the 20 test pictures alone; train not canonical"
    assert data.classes == ("0", "1", "2", "3")


def test_the_real_table() -> None:
    assert len({d for k in CANONICAL.values() for d in k.records.values()}) == len(CANONICAL) * 2
