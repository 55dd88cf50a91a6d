"""The command line, in this process; what a shell sees is its output and exit code."""

import csv
import io
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from PIL import Image

from tinysight import __version__, api
from tinysight.cli import main
from tinysight.evaluation.predict import Prediction
from tinysight.machine import choose_device
from tinysight.run import RunFolder


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


def test_data_is_listed_inspected_and_drawn(cli: Cli, tmp_path: Path) -> None:
    assert "digits" in cli("data", "list").out
    listed = json.loads(cli("data", "list", "--json").out)
    assert set(listed) >= {"digits", "shapes", "cifar10", "tiny-imagenet"}
    assert listed["digits"] == {
        "about": "Handwritten digits, 1,797 real scans of 8x8 (scikit-learn), shown at 32x32; 10 "
        "classes.",
        "here": True,
        "path": None,
        "download_bytes": 0,
    }
    assert (listed["cifar10"]["here"], listed["cifar10"]["download_bytes"]) == (False, 170_498_071)
    assert cli("data", "info", "digits").code == 0
    assert json.loads(cli("data", "info", "digits", "--json").out)
    out = tmp_path / "preview.png"
    assert cli("data", "preview", "digits", "augment.rotate=20", "--out", out).out.strip() == str(
        out
    )
    with Image.open(out) as picture:
        assert picture.size[0] > 300


def test_a_wrong_verb_of_data_is_named_with_its_neighbours(cli: Cli) -> None:
    said = cli("data", "lst")
    verbs = "add, fetch, info, list, preview, remove, verify"
    text = f"unknown verb 'data lst'; did you mean 'list'? Known: {verbs}"
    assert (said.code, said.err) == (2, f"error: {text}\n")
    assert "unknown verb 'trian'; did you mean 'train'?" in cli("--debug", "trian", "digits").err


@pytest.mark.parametrize("words", [[], ["data"], ["--debug"]])
def test_without_a_verb_the_help_is_shown(words: list[str], cli: Cli) -> None:
    said = cli(*words)
    assert (said.code, said.err) == (2, "")
    assert "Commands" in said.out


def test_a_preview_of_yours_is_not_written_over(cli: Cli, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "preview.png").write_text("mine")
    assert cli("data", "preview", "digits").out == "preview-2.png\n"
    assert cli("data", "preview", "digits").out == "preview-3.png\n"
    assert api.preview("digits") == Path("preview-4.png")
    assert (tmp_path / "preview.png").read_text() == "mine"


def test_info_lists_what_cannot_be_read(cli: Cli, tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        for i in range(20):
            pixels = torch.randint(0, 255, (8, 8, 3), dtype=torch.uint8).numpy()
            Image.fromarray(pixels).save(tmp_path / name / f"{i}.png")
    (tmp_path / "cat" / "3.png").write_text("no picture")
    said = cli("data", "info", str(tmp_path))
    assert said.code == 0
    assert "1, left out" in said.out
    assert "cat/3.png is not a picture" in said.out


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


@pytest.mark.parametrize("word", ["skip_bad=1", "progress=1", "cache=1", "optim.lr=1", "data.x=1"])
def test_info_takes_the_fields_of_data_alone(word: str, cli: Cli) -> None:
    said = cli("data", "info", "digits", word)
    assert said.code == 2
    assert f"unknown field of data {word.partition('=')[0]!r}" in said.err
    assert "Known: label, size, split_seed, test_share, validation_share" in said.err


def test_info_reads_the_values_of_fields_as_a_recipe_does(cli: Cli) -> None:
    for words in (["size=16"], ["data.size=16", "label=none"]):
        assert json.loads(cli("data", "info", "digits", "--json", *words).out)["shape"][:2] == [
            16,
            16,
        ]
    assert "did you mean 'size'" in cli("data", "info", "digits", "sise=16").err
    wrong = cli("data", "info", "digits", "size=2")
    assert (wrong.code, "data.size must be greater than or equal to 4" in wrong.err) == (2, True)


@pytest.fixture
def spoilt(tmp_path: Path) -> Path:
    """Two classes of ten pictures each, and one more file that is no picture."""
    for label in ("bird", "cat"):
        (tmp_path / "spoilt" / label).mkdir(parents=True)
        for i in range(10):
            picture = Image.effect_noise((8, 8), 60)
            picture.save(tmp_path / "spoilt" / label / f"{i}.png")
    (tmp_path / "spoilt" / "cat" / "bad.png").write_text("no picture")
    return tmp_path / "spoilt"


@pytest.mark.parametrize("words", [["train", "--dry-run"], ["data", "preview", "--out", "x.png"]])
def test_unreadable_pictures_are_left_out_when_asked(
    words: list[str], cli: Cli, spoilt: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(spoilt.parent)
    refused = cli(*words, spoilt)
    assert (refused.code, "bad.png" in refused.err) == (3, True)
    assert cli(*words, spoilt, "--skip-bad").code == 0


EVIL = "\x1b[31mred\x07\x9b"
ESCAPED = r"\x1b[31mred\x07\x9b"


def test_names_reach_no_terminal_raw(
    cli: Cli, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [
        Prediction(f"{EVIL}a.png", ((f"{EVIL}class", 0.9),), notes=(f"{EVIL} note",)),
        Prediction("b\udc80.png", (), error=f"{EVIL} is not a picture"),
    ]
    monkeypatch.setattr(api, "predict", lambda *a, **k: found)
    table, rows = cli("predict", trained, "x.png"), cli("predict", trained, "x.png", "--csv")
    for said in (table, rows):
        assert not {"\x1b", "\x07", "\x9b", "\udc80"} & set(said.out + said.err)
    assert f"{ESCAPED}a.png" in table.out
    assert f"{ESCAPED}class 90.0%" in table.out
    assert f"{ESCAPED}a.png: {ESCAPED} note\n" in table.err
    assert rf"b\udc80.png: {ESCAPED} is not a picture" in table.err
    assert rf"b\udc80.png,,,,{ESCAPED} is not a picture" in rows.out
    assert json.loads(cli("predict", trained, "x.png", "--json").out)[0]["picture"][:4] == EVIL[:4]


def test_class_names_of_an_evaluation_reach_no_terminal_raw(
    cli: Cli, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = api.evaluate(trained)
    classes = [replace(c, name=f"{EVIL}{c.name}") for c in found.metrics.classes]
    names = tuple(c.name for c in classes)
    wicked = replace(found, metrics=replace(found.metrics, classes=tuple(classes)))
    monkeypatch.setattr(api, "evaluate", lambda *a, **k: wicked)
    said = cli("evaluate", trained)
    assert said.code == 0
    assert "\x1b" not in said.out
    assert names[0].replace(EVIL, ESCAPED) in said.out
    assert "most confused: " in said.out


@pytest.mark.parametrize("words", [["train", "--skip-bad", "--dry-run"], ["data", "info"]])
def test_names_of_folders_reach_no_terminal_raw(words: list[str], cli: Cli, spoilt: Path) -> None:
    (spoilt / "bird").rename(spoilt / EVIL)
    said = cli(*words, spoilt.rename(spoilt.parent / EVIL))
    assert said.code == 0
    assert not {"\x1b", "\x07", "\x9b"} & set(said.out + said.err)


def test_an_error_reaches_no_terminal_raw_and_stays_one_line(cli: Cli) -> None:
    said = cli("data", "info", f"./{EVIL}\n" + "x" * 200)
    assert said.code == 2
    assert said.err.count("\n") == 1
    assert "\x1b" not in said.err
    assert "x" * 200 in said.err
    said = cli("train", "digits", "--recipe", f"{EVIL}.json")
    assert f"cannot read the recipe {ESCAPED}.json" in said.err


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (OSError(28, "No space left on device", "a/b"), "No space left on device: a/b"),
        (PermissionError(13, "Permission denied", b"c"), "Permission denied: c"),
        (OSError("odd"), "odd"),
        (MemoryError(), "out of memory: an allocation failed; use a smaller batch_size"),
        (
            torch.OutOfMemoryError("CUDA out of memory.\nmore"),
            "out of memory: CUDA out of memory.; use a smaller batch_size",
        ),
        (
            RuntimeError("DefaultCPUAllocator: not enough memory"),
            "out of memory: DefaultCPUAllocator: not enough memory; use a smaller batch_size",
        ),
        (
            RuntimeError("can't allocate memory: you tried"),
            "out of memory: can't allocate memory: you tried; use a smaller batch_size",
        ),
    ],
    ids=lambda v: v if isinstance(v, str) else type(v).__name__,
)
def test_what_the_machine_lacks_is_said_in_one_line(
    error: Exception, text: str, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(api, "report", fail)
    said = cli("report", "x")
    assert (said.code, said.err) == (5, f"error: {text}\n")


def test_torch_says_that_memory_is_out_as_we_expect(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "report", lambda _: torch.empty(2**60, dtype=torch.uint8))
    said = cli("report", "x")
    assert said.code == 5
    assert said.err.startswith("error: out of memory: ")


def test_a_fault_of_ours_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object) -> None:
        raise RuntimeError("a fault")

    monkeypatch.setattr(api, "report", fail)
    with pytest.raises(RuntimeError, match="a fault"):
        main(["report", "x"])


def test_an_interruption_is_said(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(api, "report", fail)
    said = cli("report", "x")
    assert (said.code, said.err) == (130, "error: stopped by SIGINT\n")


def test_sigterm_is_said_wherever_it_comes(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(api, "report", lambda _: os.kill(os.getpid(), signal.SIGTERM))
    said = cli("report", "x")
    assert (said.code, said.err) == (143, "error: stopped by SIGTERM\n")
    assert signal.getsignal(signal.SIGTERM) is before


def test_an_interruption_of_the_import_is_said() -> None:
    code = """
import sys
from importlib.abc import MetaPathFinder
class Interrupting(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == "tinysight.cli":
            raise KeyboardInterrupt
sys.meta_path.insert(0, Interrupting())
from tinysight.__main__ import main
main()
"""
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (said.returncode, said.stderr) == (130, "error: stopped by SIGINT\n")


@pytest.fixture(params=["", "1"], ids=["buffered", "unbuffered"])
def started(request: pytest.FixtureRequest) -> Callable[..., subprocess.Popen[bytes]]:
    """The command as a process; with a buffer, what fails to be written fails at the exit."""

    def start(*words: str, stdout: Any) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "tinysight", *words],
            stdout=stdout,
            stderr=subprocess.PIPE,
            env=os.environ | {"PYTHONUNBUFFERED": request.param},
        )

    return start


@pytest.mark.parametrize(
    "words", [["recipes", "--schema"], ["data", "list", "--json"], ["recipes"], ["--help"]]
)
def test_a_broken_pipe_is_quiet(
    words: list[str], started: Callable[..., subprocess.Popen[bytes]]
) -> None:
    # Its reading end is closed before the start: `| head -1` may or may not have read all by then.
    reading, writing = os.pipe()
    os.close(reading)
    with started(*words, stdout=writing) as process:
        os.close(writing)
        _, err = process.communicate(timeout=120)
    assert (process.returncode, err) == (141, b"")


def test_the_first_line_is_enough_for_a_reader(
    started: Callable[..., subprocess.Popen[bytes]],
) -> None:
    with started("recipes", "--schema", stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == b"{\n"
        process.stdout.close()
        assert process.stderr.read() == b""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_under_standard_output_is_said(
    started: Callable[..., subprocess.Popen[bytes]],
) -> None:
    with (
        Path("/dev/full").open("wb") as full,
        started("data", "list", "--json", stdout=full) as process,
    ):
        _, err = process.communicate(timeout=120)
    assert (process.returncode, err) == (5, b"error: No space left on device\n")


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
    assert (said.code, "epochs is given twice: 3 and 4; leave one away" in said.err) == (2, True)


def test_a_run_is_evaluated_on_its_data_where_it_is_now(cli: Cli, trained: Path) -> None:
    assert cli("evaluate", trained, "--data", "digits").code == 0
    said = cli("evaluate", trained, "--data", "shapes")
    assert (said.code, "shapes is not what" in said.err) == (3, True)


@pytest.mark.parametrize("closed", ["1", "2", "12"])
def test_closed_outputs_drop_what_they_get(closed: str) -> None:
    line = f"import os; [os.close(int(n)) for n in {closed!r}]"
    line += "; os.execv(os.sys.executable, [os.sys.executable, '-m', 'tinysight', 'data', 'list'])"
    ended = subprocess.run([sys.executable, "-c", line], capture_output=True, text=True)
    assert (ended.returncode, "Traceback" in ended.stdout + ended.stderr) == (0, False)


def test_names_that_an_encoding_lacks_are_escaped(tmp_path: Path) -> None:
    for name in ("猫", "perro"):
        (tmp_path / name).mkdir()
        for i in range(12):
            Image.new("RGB", (8, 8), (i, 0, 0)).save(tmp_path / name / f"{i}.png")
    words = [sys.executable, "-m", "tinysight", "data", "info", str(tmp_path)]
    env = {**os.environ, "PYTHONIOENCODING": "ascii"}
    ended = subprocess.run(words, capture_output=True, text=True, env=env)
    assert (ended.returncode, "\\u732b" in ended.stdout) == (0, True), ended.stderr


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


def test_what_arrays_leave_open_is_stated_by_options(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    images = np.random.default_rng(0).random((60, 3, 8, 3))
    np.savez("x.npz", x_train=images, y_train=np.arange(60) % 2)
    assert cli("data", "info", "x.npz", "--layout", "nchw").code == 2
    options = ["--value-range", "0,1", "--layout", "nchw", "--classes", "cat, dog"]
    said = json.loads(cli("data", "info", "x.npz", "--json", *options).out)
    assert (said["shape"], said["classes"]) == ([8, 3, 3], ["cat", "dog"])
    assert cli("data", "preview", "x.npz", *options).out == "preview.png\n"
    words = ["model=linear", "epochs=1", "batch_size=16", "-q", "--out", "run"]
    assert cli("train", "x.npz", *words, *options).code == 0
    assert cli("evaluate", "run", "--split", "test", "--device", "cpu").code == 0
    assert RunFolder.open("run").data()["classes"] == ["cat", "dog"]


def test_the_name_of_an_unreadable_picture_stands_once(
    cli: Cli, trained: Path, tmp_path: Path
) -> None:
    long = tmp_path / ("x" * 150 + ".png")
    long.write_text("no picture")
    said = cli("predict", trained, long, tmp_path / "none.png")
    assert said.code == 3
    first, second, _ = said.err.splitlines()
    assert (first.count(".png"), second.count(".png")) == (1, 1)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
@pytest.mark.parametrize("words", [["evaluate"], ["predict", "x.png"]])
def test_a_gpu_that_is_not_here_is_refused_later_too(
    words: list[str], cli: Cli, trained: Path
) -> None:
    said = cli(words[0], trained, *words[1:], "--device", "cuda")
    assert (said.code, "device cuda was asked for, but torch finds none" in said.err) == (2, True)
