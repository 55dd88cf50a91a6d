"""A run folder that something has damaged: one line that names the file, from every stage."""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinysight
from tinysight.errors import CheckpointError
from tinysight.run import RunFolder


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run") / "run"
    tinysight.train("digits", "linear", epochs=1, out=out, quiet=True)
    return out


@pytest.fixture
def run(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "run"))


def edit(path: Path, change: Callable[[Any], Any]) -> None:
    path.write_text(json.dumps(change(json.loads(path.read_text()))))


def not_safetensors(run: Path) -> None:
    """Weights that are none, with a manifest that says so truly."""
    (run / "checkpoints" / "weights-x.safetensors").write_bytes(b"no weights")
    digest = hashlib.sha256(b"no weights").hexdigest()
    files = {"weights-x.safetensors": digest}
    edit(run / "checkpoints" / "best.json", lambda m: {**m, "files": files})


def uneven(metrics: dict[str, Any]) -> dict[str, Any]:
    metrics["metrics"]["confusion"].pop()
    return metrics


@pytest.mark.parametrize(
    ("damage", "text"),
    [
        (
            lambda r: (r / "data.json").write_text("[]"),
            "data.json is damaged: a JSON object expected, list found",
        ),
        (lambda r: (r / "data.json").write_text("{}"), "data.json is damaged: name"),
        (
            lambda r: edit(r / "data.json", lambda d: {**d, "shape": [32]}),
            "data.json is damaged: shape",
        ),
        (
            lambda r: (r / "data.json").write_bytes(b"{\xff"),
            "data.json is damaged: no UTF-8 text, first at byte 1",
        ),
        (lambda r: (r / "data.json").unlink(), "data.json is missing"),
        (
            lambda r: (r / "checkpoints" / "best.json").write_text("[]"),
            "best.json is damaged: a JSON object expected, list found",
        ),
        (
            lambda r: edit(r / "checkpoints" / "best.json", lambda m: {**m, "files": {}}),
            "best.json is damaged: files",
        ),
        (not_safetensors, "weights-x.safetensors is not a safetensors file: "),
    ],
)
def test_predict_and_evaluate_name_what_is_damaged(
    damage: Callable[[Path], object], text: str, run: Path
) -> None:
    damage(run)
    picture = np.zeros((32, 32, 1), np.uint8)
    for stage in (lambda: tinysight.evaluate(run), lambda: tinysight.predict(run, picture)):
        with pytest.raises(CheckpointError) as refused:
            stage()
        assert text in str(refused.value)
        assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("damage", "text"),
    [
        (
            lambda r: (r / "metrics.csv").write_text("a,b\n1,2\n"),
            "metrics.csv lacks the columns epoch",
        ),
        (lambda r: (r / "metrics.csv").write_bytes(b"a\x00b,\n" * 3), "metrics.csv "),
        (
            lambda r: edit(r / "evaluation" / "validation" / "metrics.json", uneven),
            "metrics.json is damaged: its confusion matrix has not a row and a column",
        ),
    ],
)
def test_report_names_what_is_damaged(
    damage: Callable[[Path], object], text: str, run: Path
) -> None:
    damage(run)
    with pytest.raises(CheckpointError) as refused:
        tinysight.report(run)
    assert text in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_row_that_is_no_row_is_named(run: Path) -> None:
    folder = RunFolder(run)
    lines = folder.metrics_csv.read_text().splitlines()
    folder.metrics_csv.write_text("\n".join([lines[0], "x" + lines[1], lines[1]]) + "\n")
    with pytest.raises(CheckpointError, match="row 1 is not numbers, one a column"):
        folder.metrics()


def test_what_is_no_csv_is_named(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import csv

    before = csv.field_size_limit(10)
    try:
        with pytest.raises(CheckpointError, match=r"metrics.csv is not CSV: field larger"):
            RunFolder(run).metrics()
    finally:
        csv.field_size_limit(before)
