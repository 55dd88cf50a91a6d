"""Runs of every released format are loaded by this version, and gone on with."""

import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from tests.golden.make import STEPS, pictures

import tinysight

GOLDEN = Path(__file__).parent / "golden"
FORMATS = sorted(p.name for p in GOLDEN.glob("format-*"))

# The SHA-256 sums of the best weights.
KNOWN = {"format-2": "2d33d80040def676743e11276b0b17652520b6ea6e77be5c00c64146bf1c18c7"}


def test_there_is_a_run_of_every_format() -> None:
    assert sorted(KNOWN) == FORMATS


@pytest.mark.parametrize("name", FORMATS)
def test_a_run_of_an_older_version_is_loaded(name: str, tmp_path: Path) -> None:
    path = Path(shutil.copytree(GOLDEN / name, tmp_path / "run"))
    run = tinysight.load(path)
    assert all(found.problem is None for found in tinysight.verify(run))
    assert run.folder.digest("best") == KNOWN[name]
    assert len(run.folder.test_reads()) == 1
    data = tinysight.load_data(pictures(), quiet=True)
    for split in ("validation", "test"):
        table = pq.read_table(path / "evaluation" / split / "predictions.parquet")
        stored = np.array(table["probabilities"].to_pylist())
        found = run.evaluate(split, data=data, device="cpu").probabilities
        np.testing.assert_allclose(found, stored, atol=1e-5)
    assert tinysight.report(run).is_file()


@pytest.mark.parametrize("name", FORMATS)
def test_a_training_of_an_older_version_is_gone_on_with(name: str, tmp_path: Path) -> None:
    path = Path(shutil.copytree(GOLDEN / name, tmp_path / "run"))
    assert tinysight.load(path).folder.state("last")["step"] == STEPS
    run = tinysight.resume(path, data=pictures(), device="cpu", quiet=True)
    assert [row["epoch"] for row in run.history] == [1, 2, 3, 4]
    assert run.folder.state("last")["stopped"] == "completed"
