"""By which pictures a training is chosen, when it stops, and which weights it keeps."""

import json
from pathlib import Path
from typing import Any

import pytest

import tinysight
from tinysight import terminal
from tinysight.errors import RecipeError, UsageError


@pytest.fixture
def source(small: dict[str, Any]) -> dict[str, Any]:
    return {**small, "protocol": "source"}


def test_the_protocol_of_the_sources_is_marked_wherever_it_is_shown(
    folder: Path, source: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    run = tinysight.train(folder, **{**source, "quiet": False})
    shown = capsys.readouterr().err
    assert "test accuracy of 6 pictures" in shown
    marked = "test-selected (protocol=source, which learns from validation too): no measure"
    assert marked in " ".join(shown.split())
    assert ", test-selected" in str(run)
    data = run.folder.data()
    trained_on = sum(data["splits"][name]["n"] for name in ("train", "validation"))
    assert run.folder.state("last")["step"] == 2 * -(-trained_on // 16)
    evaluation = run.evaluate("test")
    assert str(evaluation).endswith(", test-selected")
    capsys.readouterr()
    terminal.evaluation(evaluation)
    assert capsys.readouterr().out.splitlines()[0].endswith(", n=6, test-selected")
    terminal.evaluation_json(evaluation)
    assert json.loads(capsys.readouterr().out)["test_selected"] is True
    assert run.history[-1]["validation_accuracy"] == evaluation.metrics.top1.value
    assert run.folder.read_json("evaluation/test/metrics")["test_selected"] is True
    page = run.report().read_text(encoding="utf-8")
    assert "of 6 test pictures" in page
    assert "validation pictures, a gap" not in page
    assert "<b>Test-selected</b>, by protocol=source" in page
    assert "learning too: protocol=source" in page
    assert "choosing the checkpoint, and the number above" in page
    reads = [read["by"] for read in run.folder.test_reads()]
    assert reads == ["train, by protocol=source", "evaluate", "evaluate"]
    assert not (run.path / "evaluation" / "validation").exists()
    with pytest.raises(UsageError, match="is by protocol=source: it was trained on its validation"):
        run.evaluate("validation")


def test_no_other_run_is_marked(folder: Path, small: dict[str, Any]) -> None:
    run = tinysight.train(folder, evaluate_test=True, **small)
    assert "test-selected" not in str(run)
    assert "est-selected" not in run.report().read_text(encoding="utf-8")
    assert run.folder.read_json("evaluation/test/metrics")["test_selected"] is False


def test_what_has_no_test_split_cannot_be_chosen_on_it(
    folder: Path, source: dict[str, Any]
) -> None:
    data = tinysight.load_data(folder, quiet=True).with_splits(test=None)
    with pytest.raises(RecipeError, match="protocol=source: pictures has no test split to choose"):
        tinysight.train(data, **source)
    with pytest.raises(RecipeError, match="final=true chooses nothing, protocol=source on test; d"):
        tinysight.train(folder, final=True, **source)


def test_a_run_by_the_source_goes_on_by_it(folder: Path, source: dict[str, Any]) -> None:
    run = tinysight.train(folder, **source)
    with pytest.raises(UsageError, match="is complete"):
        tinysight.resume(run.path, quiet=True)
    more = tinysight.resume(run.path, epochs=3, quiet=True)
    assert [row["epoch"] for row in more.history] == [1, 2, 3]


def test_it_stops_after_the_epoch_that_reaches_an_accuracy(
    folder: Path, small: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    asked = {**small, "epochs": 60, "quiet": False, "optim.lr": 0.05}
    run = tinysight.train(folder, stop_at=0.8, keep="last", **asked)
    *before, last = [row["train_accuracy_running"] for row in run.history]
    assert before
    assert max(before) < 0.8 <= last
    assert run.folder.state("best")["epoch"] == len(run.history) < 60
    assert "stopped: the running training accuracy, " in capsys.readouterr().err
    page = run.report().read_text(encoding="utf-8")
    assert "when the running training accuracy had reached 80%." in page
    assert "which chose nothing: the last epoch" in page
    assert "watching; the last checkpoint is kept" in page


def test_the_best_or_the_last_is_kept(folder: Path, small: dict[str, Any]) -> None:
    """At a rate of nothing all epochs are equal, and the first is the best."""
    still = {**small, "epochs": 3, "optim.lr": 1e-30}
    best, last = (
        tinysight.train(folder, "linear", keep=keep, evaluate_test=True, **still)
        for keep in ("best", "last")
    )
    assert best.folder.state("best")["epoch"] == 1
    assert last.folder.state("best")["epoch"] == 3
    assert "The last epoch" in last.report().read_text(encoding="utf-8")
    assert json.loads((last.path / "recipe.json").read_text())["keep"] == "last"
