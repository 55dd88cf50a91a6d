"""The command line, in this process; what a shell sees is its output and exit code."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from PIL import Image

from tinysight import __version__
from tinysight.cli import main


class Said(NamedTuple):
    code: int
    out: str
    err: str


Cli = Callable[..., Said]


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Cli:
    def call(*words: str) -> Said:
        with pytest.raises(SystemExit) as left:
            main([str(w) for w in words])
        said = capsys.readouterr()
        return Said(int(left.value.code or 0), said.out, said.err)

    return call


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of one epoch on the digits, made through the command line."""
    out = tmp_path_factory.mktemp("runs") / "digits-001"
    words = [
        "train",
        "digits",
        "epochs=1",
        "model=linear",
        "--out",
        str(out),
        "--evaluate-test",
        "-q",
    ]
    with pytest.raises(SystemExit) as left:
        main(words)
    assert not left.value.code
    return out


def test_help_names_every_verb(cli: Cli) -> None:
    said = cli("--help")
    assert said.code == 0
    for verb in ("train", "evaluate", "predict", "report", "recipes", "data"):
        assert verb in said.out
    assert cli("--version").out.strip() == __version__


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (
            ["trian", "digits"],
            2,
            "unknown verb 'trian'; did you mean 'train'? Known: data, evaluate",
        ),
        (["train"], 2, "Missing argument"),
        (["train", "digits", "--epochs", "3"], 2, "No such option: --epochs"),
        (["train", "digits", "lerning_rate=3"], 2, "did you mean 'optim.lr'"),
        (["train", "digits", "optim.lr=nan"], 2, "optim.lr must be a finite number"),
        (["train", "digits", "epochs"], 2, "expected FIELD=VALUE, got 'epochs'"),
        (["train", "digits", "epochs=0"], 2, "epochs must be greater than or equal to 1"),
        (
            ["train", "digits", "batch_size=99999"],
            2,
            "batch_size must be less than or equal to 65536",
        ),
        (["train", "digits", "batch_size=5000"], 2, "batch_size (5000) is above the"),
        (["train", "digits", "seed=-1"], 2, "seed must be greater than or equal to 0"),
        (
            ["train", "digits", "model=resnet19"],
            2,
            "unknown model 'resnet19'; did you mean 'resnet",
        ),
        (["train", "digits", "--recipe", "quik"], 2, "unknown recipe 'quik'; did you mean 'quick'"),
        (["train", "digits", "--recipe", "none.json"], 2, "cannot read the recipe none.json"),
        (["train", "digits", "--device", "gpu"], 2, "device must be one of auto, cpu, cuda, mps"),
        (["train", "digts"], 2, "did you mean 'digits'"),
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


def test_debug_shows_the_traceback(cli: Cli) -> None:
    said = cli("--debug", "recipes", "quik")
    assert "Traceback" in said.err
    assert said.code == 2


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
    assert first["files"] == again["files"]


def test_an_output_folder_that_is_not_empty_is_refused(cli: Cli, trained: Path) -> None:
    said = cli("train", "digits", "--out", trained)
    assert (said.code, "is not empty; name a new or empty folder" in said.err) == (2, True)


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
    assert "macro mean" in said.out
    before = len(json.loads((trained / "evaluation" / "test_reads.json").read_text()))
    assert f"test labels read {before + 1} times" in cli("evaluate", trained, "--split", "test").out
    values = json.loads(cli("evaluate", trained, "--json").out)
    assert 0 <= values["metrics"]["top1"]["low"] <= values["metrics"]["top1"]["high"] <= 1
    wrong = cli("evaluate", trained, "--split", "train")
    assert (wrong.code, "split must be validation or test, got 'train'" in wrong.err) == (2, True)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for i, size in enumerate([(32, 32), (50, 40)]):
        Image.new("L", size, 40 * i).save(folder / f"{i}.png")
    (folder / "notes.txt").write_text("not a picture")
    return folder


def test_predict_as_table_json_and_csv(cli: Cli, trained: Path, pictures: Path) -> None:
    table = cli("predict", trained, pictures)
    assert table.code == 0
    assert "0.png" in table.out
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
    assert sorted(bool(p["error"]) for p in json.loads(said.out)) == [False, False, True]


@pytest.mark.parametrize(
    ("words", "text"),
    [(["--top", "0"], "top must be 1 or more, got 0"), ([], "no picture to classify")],
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


def test_data_is_listed_inspected_and_drawn(cli: Cli, tmp_path: Path) -> None:
    assert "digits" in cli("data", "list").out
    assert set(json.loads(cli("data", "list", "--json").out)) == {"digits", "shapes"}
    assert cli("data", "info", "digits").code == 0
    assert json.loads(cli("data", "info", "digits", "--json").out)
    out = tmp_path / "preview.png"
    assert cli("data", "preview", "digits", "augment.rotate=20", "--out", out).out.strip() == str(
        out
    )
    with Image.open(out) as picture:
        assert picture.size[0] > 300
