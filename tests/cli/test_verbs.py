"""The verbs, in this process; what a shell sees is their output and exit code."""

import csv
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
from tests.cli.calls import Cli

from tinysight import __version__
from tinysight.machine import choose_device
from tinysight.run import RunFolder


def test_json_has_the_accuracy_over_several_views_beside_that_of_one(
    cli: Cli, tmp_path: Path
) -> None:
    images = np.random.default_rng(0).integers(0, 256, (60, 8, 8, 3), dtype=np.uint8)
    np.savez(tmp_path / "x.npz", images=images, labels=np.arange(60) % 3)
    words = ["train", tmp_path / "x.npz", "epochs=1", "model=linear", "--out", tmp_path / "run"]
    said = cli(*map(str, words), "--evaluate-test", "--tta", "mirror", "--json", "-q")
    found = json.loads(said.out)
    assert found["test"]["n"] == found["test_augmented"]["top1"]["n"] == 6
    assert found["test_augmented"]["tta"] == "mirror"
    assert "validation_augmented" in found
    said = cli("evaluate", str(tmp_path / "run"), "--tta", "mirror")
    assert "(mirror, 2 views: " in said.out
    assert "; what follows is of the single view\n" in said.out


def test_help_names_every_verb(cli: Cli) -> None:
    said = cli("--help")
    assert said.code == 0
    for verb in ("train", "evaluate", "predict", "report", "recipes", "data"):
        assert verb in said.out
    assert cli("--version").out.strip() == __version__


def test_a_training_leaves_a_whole_run(trained: Path) -> None:
    for file in [
        "recipe.json",
        "data.json",
        "model.json",
        "environment.json",
        "metrics.csv",
        "report.html",
        "checkpoints/best.json",
        "checkpoints/last.json",
        "evaluation/validation/metrics.json",
        "evaluation/validation/predictions.parquet",
        "evaluation/test/metrics.json",
    ]:
        assert (trained / file).stat().st_size > 0, file
    figures = {p.suffix for p in (trained / "evaluation" / "figures").iterdir()}
    assert figures == {".png", ".svg"}


def test_the_recipe_of_a_run_repeats_it(cli: Cli, trained: Path, tmp_path: Path) -> None:
    said = cli(
        "train", "digits", "--recipe", trained / "recipe.json", "--out", tmp_path / "again", "-q"
    )
    assert said.code == 0
    first = json.loads((trained / "checkpoints" / "best.json").read_text())
    again = json.loads((tmp_path / "again" / "checkpoints" / "best.json").read_text())
    assert first["weights"] == again["weights"]


def test_a_dry_run_shows_layers_and_trains_nothing(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    said = cli("train", "digits", "--dry-run", "-q")
    assert said.code == 0
    assert "field, px" in said.out
    assert not (tmp_path / "runs").exists()
    table = json.loads(cli("train", "digits", "--dry-run", "--json", "-q").out)
    assert table["parameters"] == sum(r["parameters"] for r in table["layers"])


def test_evaluate_prints_classes_and_counts_reads_of_the_test_labels(
    cli: Cli, trained: Path
) -> None:
    said = cli("evaluate", trained)
    assert said.out.startswith("validation accuracy ")
    n = json.loads((trained / "evaluation/validation/metrics.json").read_text())["n"]
    for mean in ("macro mean", "weighted mean"):
        assert re.search(rf"^{mean} +{n} ", said.out, flags=re.MULTILINE), said.out
    before = len(RunFolder.open(trained).test_reads())
    assert f"test labels read {before + 1} times" in cli("evaluate", trained, "--split", "test").out
    values = json.loads(cli("evaluate", trained, "--json").out)
    assert values["device"] == choose_device().type
    assert 0 <= values["metrics"]["top1"]["low"] <= values["metrics"]["top1"]["high"] <= 1
    wrong = cli("evaluate", trained, "--split", "train")
    assert (wrong.code, "split must be validation or test, got 'train'" in wrong.err) == (2, True)


def test_predict_as_table_json_and_csv(cli: Cli, trained: Path, pictures: Path) -> None:
    table = cli("predict", trained, pictures)
    assert table.code == 0
    assert "0.png" in table.out
    assert table.err.startswith("skipped 1 file that is no picture: 1 .txt\n")
    found = json.loads(cli("predict", trained, pictures, "--json", "--top", "3").out)
    assert [len(p["top"]) for p in found] == [3, 3]
    values = [t["probability"] for t in found[0]["top"]]
    assert values == sorted(values, reverse=True)
    rows = list(csv.DictReader(io.StringIO(cli("predict", trained, pictures, "--csv").out)))
    assert [r["rank"] for r in rows] == ["1", "2", "3", "4", "5"] * 2
    assert rows[0]["class"] == found[0]["top"][0]["class"]


def test_predict_names_what_it_cannot_read_and_does_the_rest(
    cli: Cli, trained: Path, pictures: Path
) -> None:
    (pictures / "bad.png").write_text("no picture")
    said = cli("predict", trained, pictures, "--json")
    assert said.code == 3
    assert "1 of 3 pictures could not be read" in said.err
    name = pictures / "bad.png"
    assert f"\n{name} is not a picture: it starts with 'no picture'" in said.err
    assert said.err.count(str(name)) == 1
    assert sorted(bool(p["error"]) for p in json.loads(said.out)) == [False, False, True]


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--top", "0"], "top must be a whole number of 1 or more, got 0"),
        ([], "no picture to classify"),
    ],
)
def test_predict_refuses(
    words: list[str], text: str, cli: Cli, trained: Path, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    said = cli("predict", trained, tmp_path / "empty", *words)
    assert (said.code, text in said.err) == (2, True)


def test_report_can_be_written_twice(cli: Cli, trained: Path) -> None:
    first = cli("report", trained)
    assert first.out.strip() == str(trained / "report.html")
    page = (trained / "report.html").read_bytes()
    assert cli("report", trained).code == 0
    assert (trained / "report.html").read_bytes() == page


def test_recipes_are_listed_and_shown(cli: Cli) -> None:
    assert "quick" in cli("recipes").out
    assert set(json.loads(cli("recipes", "--json").out)) >= {"quick", "linear"}
    shown = cli("recipes", "quick").out
    assert "source:" in shown
    assert "optim.lr" in shown
    assert json.loads(cli("recipes", "quick", "--json").out)["name"] == "quick"
    assert "properties" in json.loads(cli("recipes", "--schema").out)


@pytest.mark.parametrize("words", [[], ["data"], ["--debug"]])
def test_without_a_verb_the_help_is_shown(words: list[str], cli: Cli) -> None:
    said = cli(*words)
    assert (said.code, said.err) == (2, "")
    assert "Commands" in said.out


def test_a_run_is_evaluated_on_its_data_where_it_is_now(cli: Cli, trained: Path) -> None:
    assert cli("evaluate", trained, "--data", "digits").code == 0
    said = cli("evaluate", trained, "--data", "shapes")
    assert (said.code, "shapes is not what" in said.err) == (3, True)
