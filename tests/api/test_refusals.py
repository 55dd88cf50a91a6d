"""What the verbs refuse, when, and in which words."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.api.arrays import noise

import tinysight
from tinysight import api
from tinysight.errors import (
    TinysightError,
    UnknownName,
    UsageError,
)

FIVE: Any = 5


@pytest.mark.parametrize(
    "call",
    [
        lambda: tinysight.load("nowhere"),
        lambda: tinysight.load_data("nowhere"),
        lambda: tinysight.train("digits", epochs=0),
        lambda: tinysight.train("digits", "quik"),
        lambda: tinysight.load_data("digits", sise=3),
        lambda: tinysight.load_data("digits", size=2),
    ],
)
def test_refusals_have_one_root(call: Callable[[], object]) -> None:
    with pytest.raises(TinysightError):
        call()


def test_a_misspelled_argument_is_named() -> None:
    with pytest.raises(
        UnknownName, match="unknown argument of load_data 'sise'; did you mean 'size"
    ):
        tinysight.load_data("digits", sise=3)


def test_fields_that_come_too_late_are_refused(folder: Path, small: dict[str, Any]) -> None:
    data = tinysight.load_data(folder, split_seed=5)
    with pytest.raises(UsageError, match="data.size=32 comes too late: the data set was read with"):
        tinysight.train(data, **{**small, "data.size": 32})
    tinysight.train(data, **{**small, "data.split_seed": 5})


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: tinysight.train("digits", FIVE), "recipe must be a name, a file, a run folder"),
        (
            lambda: tinysight.train("digits", out=FIVE),
            "out must be the path of a new or empty fold",
        ),
        (lambda: tinysight.train("digits", out=""), "out must be the path of a new or empty fold"),
        (
            lambda: tinysight.train(""),
            "the data set's name or path is empty; `.` is the folder you",
        ),
        (lambda: tinysight.train("a" * 300), "is no data set: File name too long"),
        (lambda: tinysight.train("digits", "a" * 300), "unknown recipe 'aaa"),
        (lambda: tinysight.load(FIVE), "run must be a name or a path, got int"),
        (lambda: tinysight.load_data("digits", settings=None), "unknown argument of load_data"),
        (
            lambda: tinysight.load_data("digits", classes=FIVE),
            "classes must be a list of names, got",
        ),
        (
            lambda: api.preview("digits", out="preview.jpg"),
            "the preview is a PNG; out must end in .png, got",
        ),
        (
            lambda: api.preview("nowhere", "quik", out="x.png"),
            "unknown recipe 'quik'; did you mean",
        ),
        (
            lambda: tinysight.load_data("digits", layout="nhwc"),
            "value_range and layout are for arrays, in memory or in files; digits has none",
        ),
        (lambda: tinysight.train("cifar10", value_range=(0, 1)), "are for arrays, .* cifar10 has"),
    ],
)
def test_wrong_types_are_refused(call: Callable[[], object], text: str) -> None:
    with pytest.raises(UsageError, match=text):
        call()


def test_a_picture_by_a_name_that_is_too_long_is_unreadable(
    folder: Path, small: dict[str, Any]
) -> None:
    (found,) = tinysight.train(folder, **small).predict("a" * 300 + ".png")
    assert found.error is not None
    assert "File name too long" in found.error


def test_top_is_a_whole_number(folder: Path, small: dict[str, Any]) -> None:
    run = tinysight.train(folder, **small)
    for top in (0, -1, 1.5, True):
        with pytest.raises(UsageError, match="top must be a whole number of 1 or more, got"):
            run.predict(folder, top=top)  # pyright: ignore[reportArgumentType]


def test_what_can_be_refused_is_refused_before_the_data_is_read(here: Path) -> None:
    (here / "full").mkdir()
    (here / "full" / "file").touch()
    for wrong, text in (
        ({"out": "full"}, "is not empty"),
        ({"device": "gpu"}, "device must be one of"),
        ({"init": "nowhere"}, "unknown run 'nowhere'"),
        ({"model": "resnet19"}, "unknown model"),
    ):
        with pytest.raises(UsageError, match=text):
            tinysight.train("no such data", **wrong)  # pyright: ignore[reportArgumentType]


def test_test_time_augmentation_that_cannot_be_is_refused(small: dict[str, Any]) -> None:
    digits = tinysight.train("digits", **small)
    with pytest.raises(
        UsageError, match="tta=mirror looks at mirror images, which are not of their class in dig"
    ):
        digits.evaluate("test", tta="mirror")
    assert digits.folder.test_reads() == []
    with pytest.raises(UsageError, match="tta must be one of none, mirror, mirror[+]shift, got"):
        digits.evaluate("test", tta="flip")


def test_what_a_training_cannot_do_is_refused_before_it(
    folder: Path, small: dict[str, Any], here: Path
) -> None:
    for words, said in (
        ({"tta": "flip"}, "tta must be one of none, mirror, mirror[+]shift, got 'flip'"),
        ({"compilation": "yes"}, "compile must be one of auto, on, off, got 'yes'"),
        ({"device": "gpu"}, "device must be one of"),
    ):
        with pytest.raises(UsageError, match=said):
            tinysight.train("no such data", **words, **small)
    with pytest.raises(UsageError, match="looks at mirror images, which are not of their class"):
        tinysight.train("digits", tta="mirror", **small)
    with pytest.raises(UsageError, match="a final fit has none but on test; add --evaluate-test"):
        tinysight.train(folder, tta="mirror", final=True, **small)
    dots = noise(30, 0)[0][:, :1, :1].copy(), noise(30, 0)[1]
    with pytest.raises(UsageError, match="moves pictures by a pixel, which needs 2; use tta=mirr"):
        tinysight.train(dots, tta="mirror+shift", layout="nhwc", **small)
    assert not (here / "runs").exists()
