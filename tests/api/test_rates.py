import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

import tinysight
from tinysight.api import rates
from tinysight.errors import ResourceError, UsageError

SMALL: dict[str, Any] = {"model": "linear", "batch_size": 64, "quiet": True}


def test_a_test_leaves_its_numbers_and_its_plot_and_nothing_else(here: Path) -> None:
    found = tinysight.find_rate("digits", "linear", steps=40, quiet=True)
    assert found.folder == str(Path("lr-find") / "digits-linear-001")
    assert sorted(p.name for p in here.iterdir()) == ["lr-find"]
    folder = here / "lr-find" / "digits-linear-001"
    assert sorted(p.name for p in folder.iterdir()) == [
        "lr-find.json",
        "lr-find.png",
        "lr-find.svg",
    ]
    said = json.loads((folder / "lr-find.json").read_text())
    assert said["suggested"] == found.suggested
    assert said["losses"] == list(found.losses)
    assert said["recipe"]["name"] == "linear"
    digits = tinysight.load_data("digits")
    assert said["data"]["fingerprints"] == digits.fingerprints
    assert (said["data"]["split"], said["data"]["n"]) == ("train", len(digits.train))
    assert said["data"]["digest"] == digits.train.digest
    assert said["environment"]["compiled_why"] == "asked for"  # no kernels for so few steps
    (folder.parent / "digits-linear-007").mkdir()
    again = tinysight.find_rate(digits, "linear", steps=40, quiet=True)
    assert again.folder == str(Path("lr-find") / "digits-linear-008")
    assert (again.rates, again.losses) == (found.rates, found.losses)


def test_what_it_suggests_is_taken_by_train(here: Path) -> None:
    found = tinysight.find_rate("digits", steps=60, out=here / "test", **SMALL)
    assert set(found.fields) == {"optim.lr", "optim.lr_head", "optim.lr_bias"}
    assert found.folder == str(here / "test")
    words: dict[str, Any] = {**SMALL, **found.fields, "epochs": 1}
    run = tinysight.train("digits", **words)
    assert run.recipe.optim.lr == found.suggested


def test_bounds_are_taken(here: Path) -> None:
    found = tinysight.find_rate("digits", "linear", low=1e-3, high=1e-1, steps=20, quiet=True)
    assert (found.rates[0], found.rates[-1]) == pytest.approx((1e-3, 1e-1))


def test_ctrl_c_leaves_nothing(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = rates.range_test

    def stopped(*words: Any, **named: Any) -> Any:
        os.kill(os.getpid(), signal.SIGINT)
        return real(*words, **named)

    monkeypatch.setattr(rates, "range_test", stopped)
    with pytest.raises(tinysight.TinysightError, match="at step 1 of 20 of the range test"):
        tinysight.find_rate("digits", "linear", steps=20, quiet=True)
    assert list(here.iterdir()) == []


def test_a_stop_while_it_is_saved_is_heard_after_that(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = rates.range_test

    def late(*words: Any, **named: Any) -> Any:
        found = real(*words, **named)
        os.kill(os.getpid(), signal.SIGINT)
        return found

    monkeypatch.setattr(rates, "range_test", late)
    with pytest.raises(KeyboardInterrupt):
        tinysight.find_rate("digits", "linear", steps=20, quiet=True)
    assert json.loads((here / "lr-find" / "digits-linear-001" / "lr-find.json").read_text())


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ({"steps": 5}, "steps must be a whole number from 20 to 2,000, got 5"),
        ({"low": 2.0, "high": 1.0}, r"low \(2\) must be below high \(1\)"),
        ({"high": 1e3}, r"high \(1000\) would set optim.lr above the 100 that a recipe may have"),
        ({"device": "gpu"}, "device must be one of"),
        ({"out": 3}, "out must be the path of a new or empty folder, got 3"),
    ],
)
def test_refusals_come_before_the_data_is_read(
    words: dict[str, Any], text: str, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rates, "taken", lambda *_, **__: pytest.fail("the data was read"))
    with pytest.raises(UsageError, match=text):
        tinysight.find_rate("digits", "linear", quiet=True, **words)
    assert list(here.iterdir()) == []


def test_a_folder_that_holds_something_is_refused(here: Path) -> None:
    (here / "mine").mkdir()
    (here / "mine" / "notes").touch()
    with pytest.raises(UsageError, match="mine is not empty; name a new or empty folder"):
        tinysight.find_rate("digits", "linear", out=here / "mine", quiet=True)
    (here / "lr-find").touch()
    with pytest.raises(UsageError, match="lr-find is a file; name a new or empty folder"):
        tinysight.find_rate("digits", "linear", quiet=True)


def test_a_folder_that_cannot_be_made_is_said(nobody: Path) -> None:
    (nobody / "locked").mkdir(mode=0o555)
    out = nobody / "locked" / "test"
    with pytest.raises(ResourceError, match="cannot make the folder .*cannot be written; name ano"):
        tinysight.find_rate("digits", "linear", out=out, quiet=True)
