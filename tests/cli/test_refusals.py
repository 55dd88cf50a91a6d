"""What the command line refuses, and what it says then."""

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.cli.calls import Cli


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (
            ["trian", "digits"],
            2,
            "unknown verb 'trian'; did you mean 'train'? Known: data, evaluate",
        ),
        (["train"], 2, "missing argument DATA: a name (see data list) or a path"),
        (["train", "digits", "--epochs", "3"], 2, "no such option: --epochs"),
        (["train", "digits", "lerning_rate=3"], 2, "did you mean 'optim.lr'"),
        (["train", "digits", "optim.lr=nan"], 2, "optim.lr must be a finite number"),
        (["train", "digits", "epochs"], 2, "expected FIELD=VALUE, got 'epochs'"),
        (["train", "digits", "epochs=0"], 2, "epochs must be greater than 0, got 0"),
        (
            ["train", "digits", "batch_size=99999"],
            2,
            "batch_size must be less than or equal to 65536",
        ),
        (
            ["train", "digits", "batch_size=5000"],
            2,
            "batch_size (5000) is above the 1455 training pictures; use at most",
        ),
        (["train", "digits", "seed=-1"], 2, "seed must be greater than or equal to 0"),
        (
            ["train", "digits", "model=resnet19"],
            2,
            "unknown model 'resnet19'; did you mean 'resnet",
        ),
        (["train", "digits", "--recipe", "quik"], 2, "unknown recipe 'quik'; did you mean 'quick'"),
        (["train", "digits", "--recipe", "none.json"], 2, "cannot read the recipe none.json"),
        (["train", "digits", "--device", "gpu"], 2, "device must be one of auto, cpu, cuda, mps"),
        (["evaluate", "runs/x", "--device"], 2, "requires an argument"),
        (["train", "digts"], 2, "did you mean 'digits'"),
        (
            ["data", "info", "digits", "--value-range", "1"],
            2,
            "--value-range must be LOW,HIGH, what black and white are, such as 0,1 or 0,255; got",
        ),
        (["train", "x.npz", "--value-range", "0,a"], 2, "--value-range must be LOW,HIGH, what"),
        (["data", "info", ".", "--value-range", "1,0"], 2, "value_range must be (low, high), the"),
        (["data", "info", ".", "--layout", "hwc"], 2, "layout must be"),
        (["data", "info", ".", "--classes", "a,,b"], 2, "classes must be a list of names, got"),
        (["train", "digits", "init=nowhere"], 2, "unknown run 'nowhere'"),
        (["evaluate", "nowhere"], 2, "unknown run 'nowhere'"),
        (
            ["predict", "nowhere", "x.png", "--json", "--csv"],
            2,
            "--json and --csv exclude each other",
        ),
        (["recipes", "quik"], 2, "unknown recipe 'quik'"),
        (["data", "info", "/no/such/place"], 2, "/no/such/place"),
    ],
)
def test_what_cannot_be_done_is_refused_in_one_line(
    words: list[str],
    code: int,
    text: str,
    cli: Cli,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    said = cli(*words)
    assert said.code == code
    assert text in said.err
    last = said.err.strip().splitlines()[-1]
    assert last.startswith("error: ")
    assert "Traceback" not in said.err
    assert not (tmp_path / "runs").exists()


def test_an_output_folder_that_is_not_empty_is_refused(cli: Cli, trained: Path) -> None:
    said = cli("train", "digits", "--out", trained)
    assert (said.code, "is not empty; name a new or empty folder" in said.err) == (2, True)


def test_a_current_folder_that_is_gone(cli: Cli, tmp_path: Path, monkeypatch: Any) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    said = cli("data", "list")
    assert said.code == 2
    assert said.err == "error: the current folder no longer exists; change into another\n"


def test_an_option_of_a_verb_without_fields_is_no_field(cli: Cli) -> None:
    said = cli("report", "x", "--out", "a.csv")
    assert said.code == 2
    assert "FIELD" not in said.err
    assert "field is given without dashes" not in said.err


@pytest.mark.parametrize(
    ("word", "text"),
    [
        ("--epochs=3", "a recipe's field is given without dashes: epochs=VALUE"),
        ("--optim.lr=3", "a recipe's field is given without dashes: optim.lr=VALUE"),
        ("--lr=3", "a recipe's field is given without dashes: optim.lr=VALUE"),
        ("--evaluate-tst", "Possible options: --evaluate-test"),
        ("--blurb", "No such option: --blurb"),
    ],
)
def test_an_option_that_is_none_is_answered_by_what_was_meant(
    word: str, text: str, cli: Cli
) -> None:
    said = cli("train", "digits", word)
    assert (said.code, text in said.err) == (2, True), said.err


def test_a_field_given_twice_is_refused(cli: Cli) -> None:
    said = cli("train", "digits", "epochs=3", "epochs=4")
    assert (said.code, "epochs is given twice: 3 and 4; leave one out" in said.err) == (2, True)


def test_an_output_that_is_a_file_is_refused_before_the_data_is_read(
    cli: Cli, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    said = cli("train", "/no/such/data", "--out", tmp_path / "file")
    assert (said.code, "is a file; name a new or empty folder" in said.err) == (2, True)


def test_an_output_folder_that_cannot_be_made_is_said(cli: Cli, nobody: Path) -> None:
    (nobody / "closed").mkdir(mode=0o500)
    said = cli("train", "digits", "epochs=1", "model=linear", "-q", "--out", nobody / "closed/run")
    assert said.code == 5
    assert re.search("cannot make the run folder .*cannot be written; name another", said.err)
    assert said.err.count("\n") == 1


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_a_gpu_that_is_not_here_is_refused(cli: Cli) -> None:
    said = cli("train", "digits", "--device", "cuda")
    text = "device cuda was asked for, but torch finds none here; use --device auto"
    assert (said.code, text in said.err) == (2, True)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
@pytest.mark.parametrize("words", [["evaluate"], ["predict", "x.png"]])
def test_a_gpu_that_is_not_here_is_refused_later_too(
    words: list[str], cli: Cli, trained: Path
) -> None:
    said = cli(words[0], trained, *words[1:], "--device", "cuda")
    assert (said.code, "device cuda was asked for, but torch finds none" in said.err) == (2, True)
