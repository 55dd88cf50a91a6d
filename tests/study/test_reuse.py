"""What a study has done is used again, and one that was stopped goes on."""

import shutil
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.study.made_up import TINY
from tests.training.runs import stopping_in

from tinysight.api import Run
from tinysight.data.dataset import DataSet
from tinysight.errors import Interrupted
from tinysight.machine import choose_precision
from tinysight.run import RunFolder
from tinysight.study import run_study, running
from tinysight.study.report import Report


def test_what_is_done_is_used_again(done: Report, toy: DataSet) -> None:
    before = {p: p.stat().st_mtime_ns for p in (done.path / "runs").rglob("*") if p.is_file()}
    again = run_study("overfitting", toy, **TINY)
    assert again.reused == again.trainings == 8
    after = {p: p.stat().st_mtime_ns for p in (done.path / "runs").rglob("*") if p.is_file()}
    assert before == after
    assert again.to_dict()["arms"] == done.to_dict()["arms"]
    more = run_study("overfitting", toy, **{**TINY, "seeds": 3})
    assert (more.reused, more.trainings) == (8, 12)
    other = run_study("overfitting", toy, **{**TINY, "epochs": 2})
    assert other.reused == 0


def test_a_study_that_is_stopped_goes_on(done: Report, toy: DataSet, here: Path) -> None:
    with stopping_in(3), pytest.raises(Interrupted) as stopped:
        run_study("overfitting", toy, out=here / "stopped", **TINY)
    assert str(stopped.value) == (
        "stopped at 1 of 8: base, seed 0; what is done is kept: give the same command again to "
        "go on"
    )
    assert stopped.value.exit_code == 128 + signal.SIGTERM
    found = run_study("overfitting", toy, out=here / "stopped", **TINY)
    trainings = [a["trainings"] for a in found.to_dict()["arms"]]
    for whole, resumed in zip(done.to_dict()["arms"], trainings, strict=True):
        for first, second in zip(whole["trainings"], resumed, strict=True):
            assert {**first, "seconds": 0} == {**second, "seconds": 0}


def test_one_that_was_stopped_before_its_evaluation_is_evaluated(
    done: Report, toy: DataSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, text = done.path / "other", "stopped at 1 of 8: base, seed 0; what is"
    with monkeypatch.context() as within, pytest.raises(Interrupted, match=text) as stopped:
        within.setattr(Run, "evaluate", _stopped)
        run_study("overfitting", toy, out=place, **TINY)
    assert stopped.value.exit_code == 128 + signal.SIGINT
    (folder,) = (place / "runs").iterdir()
    assert not (folder / "evaluation").exists()
    rows = (folder / "metrics.csv").read_bytes()
    found = run_study("overfitting", toy, out=place, **TINY)
    assert found.reused == 0
    assert (folder / "metrics.csv").read_bytes() == rows


def test_an_evaluation_of_earlier_weights_is_none(
    toy: DataSet, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped in its third epoch, evaluated as it is, trained to the end, stopped once more."""
    words: dict[str, Any] = {**TINY, "epochs": 3, "out": here / "stopped"}
    with stopping_in(6), pytest.raises(Interrupted):
        run_study("overfitting", toy, **words)
    (folder,) = (here / "stopped" / "runs").iterdir()
    Run(RunFolder.open(folder), toy).evaluate("validation")
    with monkeypatch.context() as within, pytest.raises(Interrupted):
        within.setattr(Run, "evaluate", _stopped)
        run_study("overfitting", toy, **words)
    assert (folder / "evaluation" / "validation" / "metrics.json").is_file()
    found = run_study("overfitting", toy, **words)
    assert found.reused == 0


def _stopped(*_: Any, **__: Any) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("what", ["number format", "torch"])
def test_trainings_in_other_numbers_are_others(
    what: str, done: Report, toy: DataSet, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(done.path, here / "copy")
    if what == "torch":
        monkeypatch.setattr(torch, "__version__", "3.0")
    else:
        chosen = choose_precision("auto", torch.device("cpu"))
        other = replace(chosen, name="bf16" if chosen.name == "fp32" else "fp32")
        monkeypatch.setattr(running, "choose_precision", lambda *_: other)
    found = run_study("overfitting", toy, out=here / "copy", **TINY)
    assert found.reused == 0
    monkeypatch.undo()
    assert run_study("overfitting", toy, out=here / "copy", **TINY).reused == 8
