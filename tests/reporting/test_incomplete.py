"""Reports of runs that are not whole: ended early, damaged, or with parts not done."""

import re

import numpy as np
import pytest
from tests.reporting.pages import SECTIONS, remove, report

import tinysight
from tinysight.errors import CheckpointError, Diverged
from tinysight.evaluation.metrics import Metrics
from tinysight.reporting import notebook, write_report
from tinysight.reporting.gathering import gather

FILES = ("data.json", "model.json", "environment.json")


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_said(run, undrawn, name):
    folder = run()
    remove(folder, name)
    page = report(folder)
    assert f"{name} is missing from the run folder" in page.text
    assert [a["id"] for t, a in page.tags if t == "h2"] == SECTIONS


@pytest.mark.parametrize(
    ("missing", "text"),
    [
        (["metrics.csv"], "No epoch was completed, so there is nothing to draw."),
        (["checkpoints"], "No verdict: the best checkpoint has no clean training accuracy"),
        (
            ["evaluation/test/metrics.json", "evaluation/validation"],
            "This run has not been evaluated; while training, its best checkpoint",
        ),
        (["evaluation/test/gallery.json"], "The run folder holds no such pictures."),
        (
            [*FILES, "metrics.csv", "checkpoints", "evaluation/test", "evaluation/validation"],
            "This run has not been evaluated. The test labels have been read once",
        ),
    ],
)
def test_what_was_not_done_is_said(run, missing, text):
    folder = run()
    remove(folder, *missing)
    page = report(folder)
    assert text in page.text
    assert [a["id"] for t, a in page.tags if t == "h2"] == SECTIONS


@pytest.mark.parametrize(
    ("stopped", "epochs", "text"),
    [
        ("interrupted", 3, "Interrupted: 3 of 10 epochs were completed."),
        ("early", 3, "Stopped early, as the recipe asks: 3 of 10 epochs"),
        (None, 3, "no recorded end: 3 of 10 epochs were completed. It is still running"),
        ("interrupted", 1, "A single epoch: points, no curves yet."),
    ],
)
def test_a_training_that_did_not_end_says_so(run, stopped, epochs, text):
    said = report(run(n_epochs=epochs, planned=10, stopped=stopped, splits=("validation",))).text
    assert text in said


@pytest.mark.parametrize(
    ("steps", "text"),
    [
        (
            [2110, 2110],
            "Stopped: the loss or a gradient became non-finite at step 2110 (epoch 13), at a",
        ),
        (
            [2101, 2120],
            "non-finite at a step from 2101 to 2120 (epoch 13), at a learning rate of 3;",
        ),
    ],
)
def test_a_diverged_training_says_where(run, undrawn, steps, text):
    folder = run(splits=("validation",), planned=20, stopped=None)
    folder.write_json("diverged", {"epoch": 13, "steps": steps, "learning_rate": 3.0})
    said = report(folder).text
    assert text in said
    assert "12 of 20 epochs were completed. The checkpoints hold what was before." in said
    assert "It is still running" not in said
    assert text in notebook.summary(folder)
    assert text in notebook.html(folder)


def test_a_training_that_diverged_at_once_can_be_reported(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    images = np.random.default_rng(0).integers(0, 255, (60, 8, 8, 3)).astype(np.uint8)
    wild = {"optim.name": "sgd", "optim.lr": 100, "schedule.name": "constant"}
    wild |= {"model": "mlp", "epochs": 3}
    with pytest.raises(Diverged, match="no epoch was complete; try"):
        tinysight.train((images, np.arange(60) % 3), batch_size=4, quiet=True, out="run", **wild)
    run = tinysight.load("run")
    for said in (report(run.folder).text, str(run), run._repr_html_()):
        assert re.search(
            r"Stopped: the loss or a gradient became non-finite at step \d+ \(epoch 1\)", said
        )
        assert "No epoch was complete, so there are no weights to evaluate" in said


@pytest.mark.parametrize("steps", [[1], [1, "2"], None])
def test_a_damaged_record_of_a_divergence_is_named(run, undrawn, steps):
    folder = run()
    folder.write_json("diverged", {"epoch": 3, "steps": steps, "learning_rate": 3.0})
    with pytest.raises(CheckpointError, match=r"diverged\.json is damaged: steps"):
        write_report(folder)


def test_steps_that_cannot_be_draw_no_rate(run):
    folder = run()
    text = folder.metrics_csv.read_text()
    for step in ("nan", "inf", "0", "-5"):
        folder.write({"metrics.csv": re.sub(r"(?m)^(1\.0),[^,]*", rf"\1,{step}", text)})
        assert gather(folder).epochs[0]["step"] != 176
        assert gather(folder).rates == []


def test_an_interruption_before_the_first_epoch_is_reported(run):
    folder = run(splits=())
    remove(folder, "metrics.csv", "checkpoints/best.json")
    last = folder.read_json("checkpoints/last")
    nothing = dict.fromkeys(("validation_accuracy", "validation_loss", "train_accuracy_clean"))
    last["state"] |= nothing | {"stopped": "interrupted", "epoch": 1}
    folder.write_json("checkpoints/last", last)
    assert "Interrupted: 0 of 12 epochs were completed." in report(folder).text


def test_a_damaged_file_is_named(run, undrawn):
    folder = run()
    folder.write({"model.json": "{"})
    with pytest.raises(CheckpointError, match=r"model\.json is not JSON"):
        write_report(folder)


def test_a_run_without_mistakes(run):
    folder = run(splits=("validation",))
    said = folder.read_json("evaluation/validation/metrics")
    metrics = Metrics.from_dict(said["metrics"])
    k = len(metrics.classes)
    said["metrics"]["confusion"] = [[100 * (i == j) for j in range(k)] for i in range(k)]
    said["metrics"]["top1"] = {"value": 1.0, "low": 0.996, "high": 1.0, "n": 1000}
    folder.write_json("evaluation/validation/metrics", said)
    folder.write_json("evaluation/validation/gallery", {"right": [], "wrong": []})
    page = report(folder)
    assert page.text.count("No mistake at all.") == 2
    assert not list((folder.path / "evaluation" / "figures").glob("*pairs*"))
