from pathlib import Path

import pytest
import torch
from tests.study.made_up import TINY

from tinysight.data.dataset import DataSet, Split
from tinysight.study import run_study
from tinysight.study.report import Report


def _split(n: int, seed: int) -> Split:
    """Pictures whose channel `label` is the brightest: any model can learn them."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 120, (n, 8, 8, 3), generator=generator, dtype=torch.uint8)
    labels = torch.arange(n) % 3
    for i, label in enumerate(labels.tolist()):
        images[i, :, :, label] += 100
    return Split(images, labels, tuple(f"{seed}{i:015x}" for i in range(n)))


@pytest.fixture(scope="session")
def toy() -> DataSet:
    return DataSet(
        name="toy",
        classes=("red", "green", "blue"),
        train=_split(60, 0),
        validation=_split(30, 1),
        test=_split(30, 2),
        fingerprints={"train": "0" * 64, "test": "1" * 64},
        title="toy, 120 pictures",
    )


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def done(toy: DataSet, here: Path) -> Report:
    return run_study("overfitting", toy, **TINY)
