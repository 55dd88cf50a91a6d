"""Damaged files of a run folder: every verb refuses them in one line that names the file."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.folders import sealed

import tinysight
from tinysight.errors import CheckpointError
from tinysight.reporting.gathering import gather
from tinysight.run import RunFolder

VERBS: dict[str, Callable[[Path], object]] = {
    "load": lambda run: tinysight.load(run).classes,
    "evaluate": tinysight.evaluate,
    "predict": lambda run: tinysight.predict(run, np.zeros((8, 8, 3), np.uint8)),
    "report": tinysight.report,
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of a second, trained on a folder of pictures, evaluated and reported."""
    here = tmp_path_factory.mktemp("whole")
    random = np.random.default_rng(0)
    for i in range(30):
        place = here / "pictures" / ("red", "green", "blue")[i % 3]
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(place / f"{i}.png")
    settings: dict[str, Any] = {"epochs": 2, "batch_size": 8, "model": "linear", "quiet": True}
    return tinysight.train(here / "pictures", out=here / "run", **settings).path


@pytest.fixture
def run(whole: Path, tmp_path: Path) -> Path:
    """A copy of it, to be damaged."""
    return Path(shutil.copytree(whole, tmp_path / "run"))


def change(**fields: object) -> Callable[[bytes], bytes]:
    """Another value for some fields of a JSON file."""
    return lambda raw: json.dumps(json.loads(raw) | fields).encode()


def old(file: Path) -> bytes:
    return file.read_bytes() if file.exists() else b""


HEADER = b'{"a":{"dtype":"F4","shape":[2],"data_offsets":[0,1]}}'  # a type of number unknown here
NO_SUCH_NUMBERS = len(HEADER).to_bytes(8, "little") + HEADER + b"\0"


# The file, its new content or the change of the old, the verbs that read it, what is said.
@pytest.mark.parametrize(
    ("name", "content", "verbs", "text"),
    [
        ("recipe.json", b"", "evaluate predict report", "recipe.json is not JSON"),
        (
            "recipe.json",
            b"{}",
            "evaluate predict report",
            "a recipe written out in full is expected",
        ),
        (
            "recipe.json",
            b"[]",
            "evaluate predict report",
            "a recipe written out in full is expected",
        ),
        (
            "recipe.json",
            change(epochs=0),
            "evaluate predict report",
            "damaged: epochs must be greater",
        ),
        (
            "data.json",
            b"[]",
            "load evaluate predict report",
            "is damaged: a JSON object expected, list found",
        ),
        ("data.json", b"{}", "load evaluate predict report", "is damaged: name Field required"),
        ("data.json", b"{", "load evaluate predict report", "data.json is not JSON"),
        ("data.json", b"[" * 100_000, "load report", "is not JSON: maximum recursion depth"),
        (
            "data.json",
            b'{"name": "\xff"}',
            "load evaluate predict report",
            "is damaged: no UTF-8 text, first at byte",
        ),
        (
            "data.json",
            change(shape=[8, 8]),
            "load evaluate predict report",
            "shape List should have",
        ),
        ("data.json", change(shape="8x8x3"), "load predict report", "shape must be a valid array"),
        (
            "data.json",
            change(shape=[8, 0, 3]),
            "load predict report",
            "shape.1 must be greater than 0",
        ),
        (
            "data.json",
            change(shape=[8, 8.5, 3]),
            "load predict report",
            "shape.1 must be a valid int",
        ),
        ("data.json", change(shape=[8, 8, 1]), "load predict report", "for each of 1 channels"),
        (
            "data.json",
            change(classes=["a"]),
            "load report",
            r"splits.train.counts must have 1 counts",
        ),
        ("data.json", change(classes=[1, 2, 3]), "load report", "classes.0 must be a valid string"),
        ("data.json", change(init="abc"), "load report", "init String should match pattern"),
        ("data.json", change(source=None), "load evaluate report", "source must be an object"),
        (
            "data.json",
            change(source={"origin": "x", "options": {"foo": 1}}),
            "load evaluate",
            "source.options.foo Extra inputs are not permitted",
        ),
        ("data.json", change(fingerprints=[]), "load evaluate", "fingerprints must be an object"),
        (
            "checkpoints/best.json",
            b"[]",
            "evaluate predict report",
            "is damaged: a JSON object expected, list found",
        ),
        (
            "checkpoints/best.json",
            change(weights="../../weights-000000000000.safetensors"),
            "evaluate predict report",
            "weights String should match pattern",
        ),
        (
            "checkpoints/best.json",
            change(numbers={"step": 3}),
            "evaluate predict report",
            "numbers of a training need a file of its tensors",
        ),
        (
            "checkpoints/best.json",
            change(state=[]),
            "evaluate predict report",
            "state must be an obj",
        ),
        (
            "checkpoints/best.json",
            change(state={"train_accuracy_clean": "high"}),
            "evaluate predict report",
            "state.train_accuracy_clean must be a valid number",
        ),
        ("metrics.csv", b"a,b\n1,2\n", "report", "lacks the columns epoch, step, learning_rate"),
        ("metrics.csv", b"\xff\xfe", "report", "is damaged: no UTF-8 text, first at byte 0"),
        (
            "metrics.csv",
            lambda raw: raw.replace(b"\n1,", b"\none,"),
            "report",
            "row 1 is not numbers, one a column",
        ),
        ("metrics.csv", b"a\x00b,\n" * 3, "report", "metrics.csv "),
        ("metrics.csv", b"x" * 200_000, "report", "metrics.csv is not CSV: field larger than"),
        ("model.json", b"[]", "report", "is damaged: a JSON object expected, list found"),
        ("model.json", b"{}", "report", "is damaged: name Field required"),
        ("model.json", change(layers=[{}]), "report", "layers.0.name Field required"),
        ("environment.json", b"3", "report", "is damaged: a JSON object expected, int found"),
        ("environment.json", change(command=3), "report", "command must be a valid string"),
        (
            "evaluation/validation/metrics.json",
            b"[]",
            "report",
            "is damaged: a JSON object expected, list found",
        ),
        ("evaluation/validation/metrics.json", b"{}", "report", "checkpoint Field required"),
        (
            "evaluation/validation/metrics.json",
            lambda raw: raw.replace(b'"top1"', b'"top"'),
            "report",
            "metrics.top1 Field required",
        ),
        (
            "evaluation/validation/metrics.json",
            lambda raw: raw.replace(b'"confusion": [', b'"confusion": [[],'),
            "report",
            "confusion matrix has not a row and a column for each of 3 classes",
        ),
        (
            "evaluation/validation/metrics.json",
            lambda raw: raw.replace(
                b'"augmented": null',
                b'"augmented": {"tta": "flip", "top1": {"value": 1, "low": 0, "high": 1, "n": 9}}',
            ),
            "report",
            "augmented tta must be one of none, mirror, mirror[+]shift, got 'flip'",
        ),
        ("evaluation/validation/gallery.json", b'{"right": [{}]}', "report", "right.0.label Field"),
        ("evaluation/test_reads.jsonl", b"{\n", "report", "line 1 is not JSON"),
        ("evaluation/test_reads.jsonl", b'{"by": 3}\n', "report", "by must be a valid string"),
    ],
)
def test_a_damaged_file_is_refused_in_a_line_that_names_it(
    name: str, content: bytes | Callable[[bytes], bytes], verbs: str, text: str, run: Path
) -> None:
    file = run / name
    sealed(RunFolder(run), name, content if isinstance(content, bytes) else content(old(file)))
    for verb in verbs.split():
        with pytest.raises(CheckpointError, match=text) as caught:
            VERBS[verb](run)
        assert str(file) in str(caught.value)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("verb", ["evaluate", "predict"])
@pytest.mark.parametrize(
    "raw",
    [
        b"no weights at all",
        b"",
        NO_SUCH_NUMBERS,
    ],
)
def test_bytes_that_are_no_weights_are_refused_though_their_sum_is_right(
    raw: bytes, verb: str, run: Path
) -> None:
    name = json.loads((run / "checkpoints" / "best.json").read_text())["weights"]
    sealed(RunFolder(run), f"checkpoints/{name}", raw)
    with pytest.raises(CheckpointError, match=f"{name} is not a safetensors file: ") as caught:
        VERBS[verb](run)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "name",
    [
        "data.json",
        "model.json",
        "metrics.csv",
        "checkpoints/best.json",
        "evaluation/validation/metrics.json",
        "evaluation/test_reads.jsonl",
    ],
)
def test_a_file_that_may_not_be_read_is_named(name: str, nobody: Path) -> None:
    folder = RunFolder(nobody)
    folder.write({"recipe.json": tinysight.Recipe().to_json(), name: "{}"})
    (nobody / name).chmod(0)
    with pytest.raises(CheckpointError, match=f"{name} cannot be read: Permission denied"):
        gather(folder)


def test_weights_that_may_not_be_read_are_named(nobody: Path) -> None:
    import torch

    folder = RunFolder(nobody)
    folder.save_checkpoint(("best",), {"a": torch.zeros(1)}, {})
    (file,) = (nobody / "checkpoints").glob("*.safetensors")
    file.chmod(0)
    with pytest.raises(CheckpointError, match="safetensors cannot be read: Permission denied"):
        folder.load_checkpoint("best")


def test_a_folder_that_may_not_be_searched_is_not_missing(nobody: Path) -> None:
    folder = RunFolder(nobody)
    folder.write({"recipe.json": tinysight.Recipe().to_json(), "checkpoints/best.json": "{}"})
    (nobody / "checkpoints").chmod(0)
    with pytest.raises(CheckpointError, match=r"best\.json cannot be read: Permission denied"):
        gather(RunFolder(nobody))


def test_a_whole_run_is_refused_by_none(run: Path) -> None:
    for verb in VERBS.values():
        verb(run)


def test_names_that_are_no_unicode_do_not_count_as_damage(run: Path) -> None:
    data = json.loads((run / "data.json").read_text())
    data["title"] = "half a pair \udcff"
    sealed(RunFolder(run), "data.json", json.dumps(data))
    assert RunFolder(run).data()["title"] == "half a pair \udcff"
    tinysight.report(run)


@pytest.mark.parametrize(
    ("name", "verb"),
    [
        (name, verb)
        for name, verbs in {
            "data.json": "load evaluate predict",
            "checkpoints/best.json": "evaluate predict",
            "recipe.json": "load evaluate predict report",
        }.items()
        for verb in verbs.split()
    ],
)
def test_a_missing_file_is_named(name: str, verb: str, run: Path) -> None:
    (run / name).unlink()
    with pytest.raises(CheckpointError, match=f"{name} is missing"):
        VERBS[verb](run)
