"""Runs of every released format are loaded by this version, to the bit."""

import hashlib
import shutil
from pathlib import Path

import pytest
from tests.golden.make import pictures

import tinysight

GOLDEN = Path(__file__).parent / "golden"
FORMATS = sorted(p.name for p in GOLDEN.glob("format-*"))

# The SHA-256 sums of the best weights, and their validation accuracy.
KNOWN = {"format-2": ("c9da0478197f68b995031daf2caf125736f69f79d2fe00e77617fe8478d7475a", 0.8)}


def test_there_is_a_run_of_every_format() -> None:
    assert sorted(KNOWN) == FORMATS


@pytest.mark.parametrize("name", FORMATS)
def test_a_run_of_an_older_version_is_loaded(name: str, tmp_path: Path) -> None:
    path = Path(shutil.copytree(GOLDEN / name, tmp_path / "run"))
    run = tinysight.load(path)
    assert all(found.problem is None for found in tinysight.verify(run))
    digest, accuracy = KNOWN[name]
    kept = run.folder.load_checkpoint("best")
    assert kept.digest == digest
    raw = path / "checkpoints" / f"weights-{digest[:12]}.safetensors"
    assert hashlib.sha256(raw.read_bytes()).hexdigest() == digest
    data = tinysight.load_data(pictures(), quiet=True)
    assert run.evaluate("validation", data=data, device="cpu").metrics.top1.value == accuracy
    assert len(run.folder.test_reads()) == 1
    assert len(run.history) == 2
    again = tinysight.resume(run, data=data, device="cpu", epochs=3, quiet=True)
    assert [row["epoch"] for row in again.history] == [1, 2, 3]
