"""Arrays, tensors, lists and torch data sets; nothing is guessed from values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch.utils.data import Dataset, IterableDataset, TensorDataset

from tinysight.data import load
from tinysight.data.readers.arrays import as_pixels
from tinysight.errors import DataError, UsageError
from tinysight.recipe import Recipe


def pixels(*shape: int) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


X, Y = pixels(60, 8, 9, 3), np.arange(60) % 3


class Pairs(Dataset[Any]):
    """A torch data set over two lists."""

    def __init__(self, pictures: Any, labels: Any, classes: Any = None) -> None:
        self.pictures, self.labels = pictures, labels
        self.classes = classes  # as torchvision's have them

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, i: int) -> Any:
        return self.pictures[i], self.labels[i]


SAME = {
    "array": (X, Y),
    "list of labels": (X, Y.tolist()),
    "tensor": (torch.from_numpy(X), torch.from_numpy(Y)),
    "n c h w": (X.transpose(0, 3, 1, 2), Y),
    "list of arrays": ([*X], Y),
    "list of PIL": ([Image.fromarray(x) for x in X], Y),
    "data set of PIL": Pairs([Image.fromarray(x) for x in X], Y.tolist()),
    "data set of tensors": TensorDataset(torch.from_numpy(X).permute(0, 3, 1, 2), torch.tensor(Y)),
    "other order": (X[::-1], Y[::-1]),
    "a dict": {"train": (X, Y)},
}
STATED = {
    "0 to 1": ((X / 255).astype(np.float32), (0, 1)),
    "0 to 255": (X.astype(np.float64), (0, 255)),
    "whole numbers": (X.astype(np.int32), (0, 255)),
    "-1 to 1": (torch.from_numpy(X).float() / 127.5 - 1, (-1, 1)),
}


@pytest.mark.parametrize("kind", SAME)
def test_every_form_gives_the_same_data_set(kind: str) -> None:
    data, expected = load(SAME[kind]), load((X, Y))
    assert data.fingerprints == expected.fingerprints
    assert data.train.ids == expected.train.ids
    assert data.shape == (8, 9, 3)
    assert data.classes == ("0", "1", "2")
    assert "origin" not in data.source


@pytest.mark.parametrize("kind", STATED)
def test_a_stated_range_is_brought_to_bytes(kind: str) -> None:
    images, value_range = STATED[kind]
    np.testing.assert_array_equal(as_pixels(images, value_range), X)
    data = load((images, Y), value_range=value_range)
    assert data.fingerprints == load((X, Y)).fingerprints


def test_half_precision_and_rounding() -> None:
    values = torch.tensor([0, 0.25, 0.5, 1]).view(1, 2, 2, 1)
    for kind in (torch.float16, torch.bfloat16, torch.float64):
        assert as_pixels(values.to(kind), (0, 1)).ravel().tolist() == [0, 64, 128, 255]


def test_what_is_there_is_used() -> None:
    splits = {"train": (X[:40], Y[:40]), "val": (X[40:50], Y[40:50]), "test": (X[50:], Y[50:])}
    data = load(splits, name="my set", classes=["a", "b", "c"])
    assert (len(data.train), len(data.validation), len(data.test or ())) == (40, 10, 10)
    assert (data.name, data.classes) == ("my-set", ("a", "b", "c"))
    beside = load((X[:50], Y[:50]), test=Pairs(X[50:], Y[50:]))
    assert len(beside.test or ()) == 10
    assert beside.fingerprints["test"] == data.fingerprints["test"]
    assert load(Pairs(X, Y, ["x", "y", "z"])).classes == ("x", "y", "z")


def test_grey_mixed_and_resized() -> None:
    assert load((X[..., 0], Y)).shape == (8, 9, 1)
    assert load((X, Y), Recipe(data={"size": 16}).data).shape == (16, 16, 3)
    other = load((X, Y), test=(pixels(6, 20, 20), Y[:6]))
    assert other.shape == (32, 32, 3)
    assert other.notes == (
        "66 of 66 pictures of 2 sizes brought to 32x32 (central crop, bicubic)",
        "6 of 66 pictures are grey and became RGB like the others",
    )


def test_the_source_arrays_stay_as_they_were() -> None:
    x, y = X.copy(), Y.copy()
    data = load((x, y))
    data.train.images.zero_()
    np.testing.assert_array_equal(x, X)
    np.testing.assert_array_equal(y, Y)


def test_a_class_without_pictures_is_said() -> None:
    data = load((X, Y), classes=["a", "b", "c", "d"])
    assert "train has no picture of 1 class: 'd'" in data.notes


def test_gaps_in_the_labels_are_said() -> None:
    data = load((X, np.where(Y == 0, 0, 5)))
    assert data.classes == tuple("012345")
    assert data.notes[0] == "train has no picture of 4 classes: '1', '2', '3', '4'"
    assert data.train.counts(6)[1:5] == [0, 0, 0, 0]


# Layouts


def test_layouts_that_the_shape_decides() -> None:
    assert as_pixels(pixels(5, 3, 8, 8)).shape == (5, 8, 8, 3)
    assert as_pixels(pixels(5, 8, 8, 3)).shape == (5, 8, 8, 3)
    assert as_pixels(pixels(5, 1, 8, 8)).shape == (5, 8, 8, 1)
    assert as_pixels(pixels(5, 8, 8)).shape == (5, 8, 8, 1)


def test_layouts_that_it_does_not_decide() -> None:
    images = pixels(5, 3, 8, 3)
    with pytest.raises(UsageError, match=r"can be n h w c or n c h w; state layout='nhwc' or"):
        as_pixels(images)
    np.testing.assert_array_equal(as_pixels(images, layout="nhwc"), images)
    np.testing.assert_array_equal(as_pixels(images, layout="nchw"), images.transpose(0, 2, 3, 1))
    with pytest.raises(DataError, match=r"1 or 3 channels are expected, in the second or the last"):
        as_pixels(pixels(5, 8, 8, 4))
    with pytest.raises(
        DataError, match=r"the shape \(5, 8, 8, 3\) has not 1 or 3 channels as nchw"
    ):
        as_pixels(pixels(5, 8, 8, 3), layout="nchw")
    # Those too that need none: of three axes, and of PIL.
    for images in (X, X[..., 0], [Image.fromarray(x) for x in X]):
        for wrong in ("hwc", ["nhwc"]):
            with pytest.raises(UsageError, match=r"layout must be nhwc or nchw, got \[?'n?hwc'"):
                load((images, Y), layout=wrong)  # pyright: ignore[reportArgumentType]


# What is refused


@pytest.mark.parametrize("kind", [np.float32, np.float64, np.int64, np.uint16])
def test_the_range_is_never_guessed(kind: type) -> None:
    with pytest.raises(UsageError, match="what black and white are is not guessed: state value_ra"):
        load((X.astype(kind), Y))
    with pytest.raises(UsageError, match="train 0 are float32; what black and white"):
        load(Pairs(torch.from_numpy(X).permute(0, 3, 1, 2) / 255, Y))


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite(wrong: float) -> None:
    images = (X / 255).astype(np.float32)
    images[17, 2, 3, 1] = wrong
    with pytest.raises(DataError, match="train: record 17 has values that are not finite"):
        load((images, Y), value_range=(0, 1))


def test_values_outside_the_range() -> None:
    with pytest.raises(DataError, match=r"has values from 0 to 25\d, outside value_range \(0, 1\)"):
        load((X.astype(np.float32), Y), value_range=(0, 1))


@pytest.mark.parametrize(
    "images", [X, X / 255, [Image.fromarray(x) for x in X]], ids=["bytes", "floats", "PIL"]
)
@pytest.mark.parametrize(
    "wrong",
    [
        1,
        (1, 0),
        (0, 0),
        (0, 1, 2),
        ("a", "b"),
        "01",
        {0, 1},
        (False, True),
        (None, 1),
        (0, np.inf),
        (np.nan, 1),
        np.array([0, 255]),
    ],
    ids=repr,
)
def test_ranges_that_are_none(images: Any, wrong: Any) -> None:
    with pytest.raises(UsageError) as refused:
        load((images, Y), value_range=wrong)
    assert str(refused.value) == (
        "value_range must be (low, high), the finite numbers that black and white are, such as "
        f"(0, 1) or (0, 255); got {wrong!r}"
    )


def test_ranges_that_are_one() -> None:
    expected = load((X, Y)).fingerprints
    for given in ((0, 255), [0, 255], (np.uint8(0), np.float32(255))):
        assert load((X, Y), value_range=given).fingerprints == expected  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("images", [X.astype(object), X.astype(str), [[1], [1, 2]], "a.png"])
def test_arrays_that_are_not_numbers(images: Any) -> None:
    with pytest.raises(DataError, match="an array of numbers is expected, got .*; open files with"):
        as_pixels(images)
    with pytest.raises(DataError, match=r"got bool; use images\.astype\('uint8'\) \* 255"):
        as_pixels(X > 9)


def test_shapes_that_are_not_pictures() -> None:
    with pytest.raises(
        DataError, match=r"n h w, n h w c or n c h w is expected, got the shape \(6"
    ):
        load((X[:, 0, 0, 0], Y))
    with pytest.raises(DataError, match=r"no pictures, got the shape \(0, 8, 9, 3\)"):
        load((X[:0], Y[:0]))


def test_class_names_that_do_not_fit() -> None:
    with pytest.raises(DataError, match="label 2 of train record 2 is out of range for 2 classes"):
        load((X, Y), classes=["a", "b"])
    with pytest.raises(DataError, match="class names must differ, there is more than once: 'a'"):
        load((X, Y), classes=["a", "a", "b"])
    with pytest.raises(UsageError, match="classes must be a list of names, got 'abc'"):
        load((X, Y), classes="abc")
    with pytest.raises(DataError, match="label 2,000 of train record 2 is out of range: 60 pict"):
        load((X, Y * 1000))


def test_labels_are_checked_before_the_pictures() -> None:
    damaged = [*X[:-1], np.zeros((2, 900, 3), np.uint8)]
    with pytest.raises(DataError, match="test has pictures of classes that train lacks: '2'; add"):
        load({"train": (damaged, Y % 2), "test": (X, Y)})
    with pytest.raises(DataError, match=r"train has pictures of one class alone \('1'\); two or"):
        load((damaged, Y * 0 + 1))
    with pytest.raises(DataError, match="class names must differ, there is more than once: 'a'"):
        load((damaged, Y), classes=["a", "a", "b"])
    with pytest.raises(
        DataError, match=r"one class alone \('0'\); two or more are needed: add one"
    ):
        load((damaged, Y * 0))


# Torch data sets, whose code may do anything


class Odd(Pairs):
    """Pairs, but for item 7."""

    def __init__(self, seventh: Any) -> None:
        super().__init__(X, Y.tolist())
        self.seventh = seventh

    def __getitem__(self, i: int) -> Any:
        if i != 7:
            return super().__getitem__(i)
        if isinstance(self.seventh, BaseException):
            raise self.seventh
        return self.seventh


@pytest.mark.parametrize(
    ("item", "said"),
    [
        (None, "test: item 7 is of type NoneType, a pair (picture, label) is expected; give (imag"),
        ({"image": X[0]}, "test: item 7 is of type dict, a pair (picture, label) is expected"),
        ((X[0], 1, 2), "test: item 7 is of type tuple of 3, a pair (picture, label) is expected"),
        ((None, 1), "test 7: an array of numbers is expected, got object; open files with PIL.Im"),
        (("a.png", 1), "test 7: an array of numbers is expected, got <U5; open files with"),
        (
            (X[:1, None], 1),
            "test 7: h w, h w c or c h w is expected, got the shape (1, 1, 8, 9, 3)",
        ),
        ((X[0][..., [0, 1, 2, 0]], 1), "test 7: 1 or 3 channels are expected, in the second or"),
        ((X[0][:0], 1), "test 7: no pictures, got the shape (1, 0, 9, 3)"),
        ((X[0] / 255, 1), "test 7 are float64; what black and white are is not guessed: state"),
        (
            (X[0], "cat"),
            "test: labels must be whole numbers, got str: label 'cat' of record 7; use",
        ),
        (
            (X[0], 1.0),
            "test: labels must be whole numbers, got float: label 1.0 of record 7; number",
        ),
        ((X[0], True), "test: labels must be whole numbers, got bool: label True of record 7; use"),
        (
            (X[0], np.array([0, 1])),
            "got ndarray: label array([0, 1]) of record 7; number the class",
        ),
        ((X[0], -1), "test: label -1 of record 7 is negative; number the classes 0, 1, 2"),
        ((X[0], 2**70), "test: label 1180591620717411303424 of record 7 is too large; number the"),
        (ValueError("oh\nno\x1b"), r"test: item 7 raised ValueError: oh no\x1b; mend the data set"),
        (IndexError("list index"), "test: item 7 raised IndexError: list index; mend the data set"),
        (UsageError("no"), "test: item 7 raised UsageError: no; mend the data set, or leave that"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_odd_item_is_named_with_its_split(item: Any, said: str) -> None:
    with pytest.raises((DataError, UsageError)) as refused:
        load((X, Y), test=Odd(item))
    assert said in str(refused.value)
    assert str(refused.value).isprintable()
    if isinstance(item, BaseException):
        assert refused.value.__cause__ is item  # for whoever debugs their data set


def test_an_interrupt_is_no_odd_item() -> None:
    with pytest.raises(KeyboardInterrupt):
        load(Odd(KeyboardInterrupt()))
    with pytest.raises(MemoryError):
        load(Odd(MemoryError()))


def test_lengths_that_are_none() -> None:
    class Long(Pairs):
        def __len__(self) -> Any:
            return self.labels

    with pytest.raises(DataError, match="train: no pictures, the length of the data set is 0"):
        load(Long(X, 0))
    with pytest.raises(DataError, match=r"train: no pictures, the length of the data set is 6\.0"):
        load(Long(X, 6.0))

    class Shy(Pairs):
        def __len__(self) -> int:
            raise NotImplementedError("ask the other one")

    with pytest.raises(DataError, match="length of the data set raised NotImplementedError: ask"):
        load(Shy(X, Y))


def test_items_that_are_not_pairs() -> None:
    with pytest.raises(DataError, match=r"item 0 is of type ndarray, a pair \(picture, label\)"):
        load([*X])


def test_a_cut_file_behind_a_pil_picture_is_named(tmp_path: Path) -> None:
    Image.fromarray(pixels(80, 80, 3)).save(tmp_path / "a.png")
    raw = (tmp_path / "a.png").read_bytes()
    (tmp_path / "a.png").write_bytes(raw[: len(raw) // 2])
    whole = [Image.fromarray(x) for x in X[:-1]]
    with Image.open(tmp_path / "a.png") as cut, pytest.raises(DataError) as refused:
        load(([*whole, cut], Y))
    assert "1 of 60 pictures cannot be read: train 59 is damaged or cut short" in str(refused.value)
    with Image.open(tmp_path / "a.png") as cut:
        data = load(([*whole, cut], Y), skip_bad=True)
    assert "1 unreadable picture left out" in data.notes


def test_sources_that_are_none() -> None:
    class Stream(IterableDataset[Any]):
        def __iter__(self) -> Any:
            return iter(())

    with pytest.raises(UsageError, match="a torch Dataset with a length is expected, got Stream"):
        load(Stream())
    with pytest.raises(UsageError, match="a torch Dataset with a length is expected, got int"):
        load(7)
    with pytest.raises(
        UsageError, match="splits are train, validation and test, each once; got 'x'"
    ):
        load({"x": (X, Y)})
    with pytest.raises(UsageError, match="each once; got 'valid'"):
        load({"val": (X, Y), "valid": (X, Y)})
    with pytest.raises(UsageError, match="a train split is needed; got test"):
        load({"test": (X, Y)})
    with pytest.raises(UsageError, match="has a test split and test was given; leave one out"):
        load({"train": (X, Y), "test": (X, Y)}, test=(X, Y))
    with pytest.raises(UsageError, match=r"data.label='fine' .*; this data is in memory with one"):
        load((X, Y), Recipe(data={"label": "fine"}).data)
