"""Going on with a run from the command line, and checking its files."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from unittest.mock import Mock

import pytest
from tests.cli.calls import Cli

import tinysight
from tinysight import api, training
from tinysight.run import RunFolder


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained, tmp_path / "run"))


def test_a_complete_run_goes_on_with_more_epochs(cli: Cli, run: Path) -> None:
    said = cli("train", "--resume", run)
    assert said.code == 2
    assert "has done 1 of 1 epochs and is complete; to go on, give it more, epochs=2" in said.err
    said = cli("train", "--resume", run, "epochs=3")
    assert said.code == 0, said.err
    assert re.search(r"going on from step \d+ of \d+", said.err)
    assert "INFO going on from step " in (run / "log.txt").read_text()
    assert [row["epoch"] for row in RunFolder(run).metrics()] == [1, 2, 3]
    # The evaluation on test is of the weights before.
    page = (run / "report.html").read_text()
    assert "The evaluation on test is of earlier weights and left out: do it again." in page
    assert "The test labels have been read once" in page
    assert cli("evaluate", run, "--split", "test").code == 0
    assert cli("report", run).code == 0
    assert "earlier weights" not in (run / "report.html").read_text()


def test_the_data_and_the_recipe_may_be_named_again(cli: Cli, run: Path) -> None:
    words = ("train", "digits", "--resume", run, "--recipe", run / "recipe.json", "epochs=2")
    said = cli(*words)
    assert said.code == 0, said.err


def test_a_recipe_that_is_named_brings_no_other_length(cli: Cli, tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert cli("train", "digits", "--recipe", "linear", "epochs=1", "--out", run).code == 0
    said = cli("train", "--resume", run, "--recipe", "linear")
    assert (said.code, "has done 1 of 1 epochs and is complete" in said.err) == (2, True)


def test_what_is_shown_of_a_run_is_of_its_weights(cli: Cli, run: Path) -> None:
    """As JSON too: the evaluation on test is of the weights before."""
    said = cli("train", "--resume", run, "epochs=3", "--json")
    assert said.code == 0, said.err
    assert set(json.loads(said.out)) == {"run", "report", "test_selected", "validation"}
    file = run / "evaluation" / "validation" / "metrics.json"
    file.write_text(file.read_text().replace("0", "1", 1))
    said = cli("train", "--resume", run, "epochs=4", "--json")
    assert said.code == 0  # it is evaluated anew
    assert RunFolder(run).read_json("evaluation/validation/metrics")


def test_a_dry_run_says_where_it_would_go_on_from(cli: Cli, run: Path) -> None:
    step = RunFolder(run).state("last")["step"]
    said = cli("train", "--resume", run, "epochs=3", "--dry-run")
    assert (said.code, f"resumed from step {step}" in said.out) == (0, True)


@pytest.mark.parametrize("name", ["metrics.csv", "model.json", "checkpoints/best.json"])
@pytest.mark.parametrize("verb", ["report", "verify"])
def test_a_file_that_is_gone_is_missed(name: str, verb: str, cli: Cli, run: Path) -> None:
    (run / name).unlink()
    said = cli(verb, run)
    assert said.code == 4
    assert f"{name} is missing; {run / 'manifest.json'} names it: restore" in said.err + said.out


def test_damage_is_said_also_where_it_is_to_be_quiet(cli: Cli, run: Path) -> None:
    assert cli("train", "--resume", run, "epochs=2").code == 0
    (run / "checkpoints" / "last.json").write_text("{}")
    said = cli("train", "--resume", run, "epochs=3", "--quiet")
    assert said.code == 0
    lines = said.err.splitlines()
    assert len(lines) == 2
    assert "last.json is damaged: sha256 " in lines[0]
    assert lines[0].endswith("; going on from the checkpoint before it")
    assert "before it went back; it is kept until beaten" in lines[1]


def test_a_folder_that_is_moved_meanwhile_is_missed(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, out = RunFolder.save_checkpoint, tmp_path / "run"

    def moved(*words: object, **named: object) -> None:
        out.rename(tmp_path / "moved")
        real(*words, **named)  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr(RunFolder, "save_checkpoint", moved)
    said = cli("train", "digits", "--recipe", "linear", "epochs=1", "--out", out)
    assert said.code in (4, 5)
    assert not out.exists()
    monkeypatch.undo()
    assert cli("train", "--resume", tmp_path / "moved").code == 0


def test_where_the_data_lies_now_is_remembered(cli: Cli, spoilt: Path, tmp_path: Path) -> None:
    (spoilt / "cat" / "bad.png").unlink()
    out, there = tmp_path / "run", tmp_path / "elsewhere"
    assert cli("train", spoilt, "epochs=1", "model=linear", "--out", out).code == 0
    spoilt.rename(there)
    said = cli("train", "--resume", out, "epochs=2")
    assert (said.code, f"or tinysight train PATH --resume {out}" in said.err) == (3, True)
    said = cli("train", there, "--resume", out, "epochs=2")
    assert said.code == 0, said.err
    assert cli("evaluate", out).code == 0


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("manifest.json", "manifest.json is a file of the run "),
        ("checkpoints", "unknown run "),
        ("broken", "recipe.json is missing: no whole run"),
    ],
)
def test_what_is_no_run_folder_is_said(path: str, text: str, cli: Cli, run: Path) -> None:
    (run / "broken").mkdir()
    shutil.copy(run / "manifest.json", run / "broken")
    said = cli("verify", run / path)
    assert (said.code in (2, 4), text in said.err) == (True, True)


@pytest.mark.parametrize(
    ("words", "texts"),
    [
        (
            ["seed=4", "optim.lr=0.5", "epochs=3"],
            ["seed is 0 in the run, 4 is asked for", "optim.lr is ", "Only epochs may be changed"],
        ),
        (["data.split_seed=4"], ["data.split_seed is 0 in the run, 4 is asked for"]),
        (["--recipe", "linear"], ["batch_size is", "optim.name is", "name is quick in the run"]),
        (["model=plain"], ["model.name is linear in the run, plain is asked for"]),
    ],
)
def test_another_recipe_is_refused_with_the_differences(
    words: list[str], texts: list[str], cli: Cli, run: Path
) -> None:
    before = (run / "manifest.json").read_bytes()
    said = cli("train", "--resume", run, *words)
    assert said.code == 4
    assert "cannot be resumed as asked: " in said.err
    for text in texts:
        assert text in said.err
    assert said.err.splitlines()[-1].startswith("error: ")
    assert (run / "manifest.json").read_bytes() == before


def test_other_data_is_refused_with_the_differences(cli: Cli, run: Path, spoilt: Path) -> None:
    (spoilt / "cat" / "bad.png").unlink()
    said = cli("train", spoilt, "--resume", run, "epochs=2")
    assert said.code == 4
    assert "cannot be resumed as asked: the data differs in train (" in said.err
    assert re.search(r"[\d,]+ pictures then, \d+ now\); the data differs in validation", said.err)
    assert "; the data differs in the class names (0, 1, 2 and 7 more then, bird, cat " in said.err


def test_another_order_of_the_classes_is_refused(cli: Cli, spoilt: Path, tmp_path: Path) -> None:
    (spoilt / "cat" / "bad.png").unlink()
    out = tmp_path / "mine"
    assert cli("train", spoilt, "epochs=1", "model=linear", "--out", out).code == 0
    folder = RunFolder(out)
    data = folder.data()
    folder.write_json("data", data | {"classes": data["classes"][::-1]})
    said = cli("train", "--resume", out, "epochs=2")
    assert (said.code, "differs in the order of the classes" in said.err) == (4, True)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--out", "elsewhere"], "--out is settled by the run that --resume names; leave it out"),
        (["--skip-bad"], "--skip-bad is settled by the run"),
        (["--classes", "a,b"], "--classes is settled by the run"),
        (["optim.lr"], "expected FIELD=VALUE, got 'optim.lr'"),
    ],
)
def test_what_the_run_has_settled_is_refused(
    words: list[str], text: str, cli: Cli, run: Path
) -> None:
    data = ["digits"] if words == ["optim.lr"] else []
    said = cli("train", *data, "--resume", run, *words)
    assert (said.code, text in said.err) == (2, True)


def test_a_diverged_run_would_diverge_again(cli: Cli, run: Path) -> None:
    RunFolder(run).write_json("diverged", {"epoch": 1, "steps": [3, 3], "learning_rate": 3.0})
    said = cli("train", "--resume", run, "epochs=3")
    assert (said.code, "diverged, and would again; train anew" in said.err) == (2, True)


def test_a_run_that_is_trained_already_is_refused(cli: Cli, run: Path) -> None:
    with RunFolder(run).training():
        said = cli("train", "--resume", run, "epochs=3")
    assert said.code == 4
    assert f"is being trained by process {os.getpid()}; wait for it, or stop it" in said.err


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_process_that_was_stopped_is_gone_on_with(
    number: signal.Signals, code: int, cli: Cli, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    words = ["train", "digits", "epochs=4000", "model=linear", "--out", str(out)]
    with subprocess.Popen(
        [sys.executable, "-m", "tinysight", *words],
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: (
            signal.signal(number, signal.default_int_handler) if number == signal.SIGINT else None
        ),
    ) as process:
        until = time.monotonic() + 60
        while not (out / "checkpoints" / "last.json").exists() and time.monotonic() < until:
            time.sleep(0.05)
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
    assert process.returncode == code
    assert f"go on with tinysight train --resume {out}" in err
    done = RunFolder(out).load_checkpoint("last").state
    assert done["stopped"] == "interrupted"
    rows = len(RunFolder(out).metrics())
    said = cli("train", "--resume", out, f"epochs={rows + 2}")
    assert said.code == 0, said.err
    assert [row["epoch"] for row in RunFolder(out).metrics()] == list(range(1, rows + 3))


def test_the_weights_of_a_warm_start_need_not_be_there_any_more(
    cli: Cli, run: Path, tmp_path: Path
) -> None:
    second = tmp_path / "second"
    words = ("model=linear", "epochs=1", f"init={run}")
    assert cli("train", "digits", *words, "--out", second).code == 0
    shutil.rmtree(run)
    assert cli("train", "--resume", second, "epochs=2").code == 0


def test_the_files_of_a_run_are_checked(cli: Cli, run: Path) -> None:
    said = cli("verify", run)
    assert said.code == 0, said.err
    assert "as written" in said.out
    (run / "report.html").write_text("another page")
    (run / "evaluation" / "test" / "predictions.parquet").unlink()
    said = cli("verify", run, "--json")
    problems = {Path(f["path"]).name: f["problem"] for f in json.loads(said.out) if f["problem"]}
    assert problems["report.html"].startswith("is damaged: sha256 ")
    assert problems["predictions.parquet"].startswith("is missing; ")
    assert said.code == 4
    assert "2 of " in said.err
    assert "files are not what was written" in said.err
    assert [f.problem for f in tinysight.verify(run) if f.problem] == list(problems.values())


def test_a_fault_in_a_training_is_one_line_and_a_traceback_in_the_log(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault = ZeroDivisionError("of ours\nin two lines")
    monkeypatch.setattr(training, "fit", Mock(side_effect=fault))
    out = tmp_path / "run"
    said = cli("train", "digits", "model=linear", "--out", out)
    assert said.code == 1
    line = f"a fault of tinysight's own: ZeroDivisionError: of ours; the traceback is in {out}/log"
    assert line in said.err
    assert "Traceback" not in said.err
    assert "Traceback" in (out / "log.txt").read_text()


def test_memory_that_is_short_leaves_what_was_saved(
    cli: Cli, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = RunFolder(run).verify(), RunFolder(run).recipe()
    monkeypatch.setattr(training, "fit", lambda *_, **__: (_ for _ in ()).throw(MemoryError()))
    said = cli("train", "--resume", run, "epochs=3")
    assert said.code == 5
    assert "out of memory: an allocation failed; close other programs, or train with" in said.err
    assert (RunFolder(run).verify(), RunFolder(run).recipe()) == before
    monkeypatch.undo()
    assert api.resume(run, epochs=3, quiet=True).folder.state("last")["stopped"] == "completed"
