"""The real CIFAR-10 and CIFAR-100: recognised, measured, opened fast."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tinysight.data import DataSet, load
from tinysight.data.fingerprint import images_fingerprint
from tinysight.data.statistics import inspect
from tinysight.recipe import Recipe

pytestmark = pytest.mark.slow

# From the published table, not from the package.
RECORDS = {
    "cifar10": (
        "312eba2e95c7a84e25d7dc2786581186593645d078c39e500d03846655a725be",
        "fe0ab331ab239f2d245a3ed5639cec26cefacc06496158730f4399ad8de185b2",
    ),
    "cifar100": (
        "dcbcfd9e91854ee5188ccfe5ca482d910b2ff4460c7d1250c306c528753d7bb6",
        "f7bf39ac7569ebf7e84a3b15108499a2ebb70bb7b17d80edb432bef167efdb25",
    ),
    "cifar100-coarse": (
        "e3532b4cb9fc13831965f46ecf50f285aed0bf491fef7e262e66fc813e5fa750",
        "c004d84fb813599cb26726a750f2b36f6cd4ee139df12569e104e6e857db7702",
    ),
}
# Which pictures the seed 0 cuts off; whoever reports a number on them counts on that.
VALIDATION = {
    "cifar10": "4e533f903e397a0560221edc0a22073004395908a649bfb04415ce034fbd0295",
    "cifar100": "2d9328b98b58603f60a99bc301925e936492861f9229118040c4aba3cb4b0fa4",
}
TEST_PICTURES = "8e88583d85964a87472afcaf914f3e6c188ba18a09714ad10d9acfa9eb6c78a2"

COLD = """
import sys
from tinysight.data import load
from tinysight.process import peak_memory
load(sys.argv[1])
print(peak_memory())
"""


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("decoded")


@pytest.fixture(autouse=True)
def keep(kept: Path, own_cache: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TINYSIGHT_CACHE", str(kept))


def splits_of(data: DataSet) -> tuple[int, int, int]:
    assert data.test is not None
    return len(data.train), len(data.validation), len(data.test)


def test_the_first_opening_needs_little_memory(shared_data: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", COLD, str(shared_data / "cifar10")],
        env=os.environ,
        capture_output=True,
        text=True,
        check=True,
    )
    assert 0 <= int(done.stdout) < 1.2e9


def test_cifar10(shared_data: Path) -> None:
    load(shared_data / "cifar10")
    began = time.process_time()
    data = load(shared_data / "cifar10")
    assert time.process_time() - began < 1.5
    assert data.name == "cifar10"
    assert data.title == "canonical CIFAR-10, all 60,000 pictures"
    assert data.classes[0] == "airplane"
    assert data.classes[9] == "truck"
    assert splits_of(data) == (45_000, 5_000, 10_000)
    assert (data.fingerprints["train"], data.fingerprints["test"]) == RECORDS["cifar10"]
    assert data.validation.digest == VALIDATION["cifar10"]
    assert data.notes == ()
    info = inspect(data)
    assert info.counts == {"train": (4500,) * 10, "validation": (500,) * 10, "test": (1000,) * 10}
    assert [round(v, 4) for v in info.mean] == [0.4914, 0.4822, 0.4465]
    assert [round(v, 4) for v in info.deviation] == [0.2470, 0.2435, 0.2616]
    assert [d.groups for d in info.duplicates] == [0, 0]
    assert [o.pictures for o in info.overlaps] == [0]
    assert data.test is not None
    assert images_fingerprint(data.test.images) == TEST_PICTURES


def test_lost_labels_are_noticed(shared_data: Path) -> None:
    data = load(shared_data / "cifar10")
    assert data.test is not None
    images, labels = data.test.images, data.test.labels
    lost = load({"train": (data.train.images, data.train.labels), "test": (images, 9 - labels)})
    assert lost.title == "the pictures of CIFAR-10 with other labels"


def test_cifar100(shared_data: Path) -> None:
    data = load(shared_data / "cifar100")
    assert data.name == "cifar100"
    assert data.title == "canonical CIFAR-100, all 60,000 pictures"
    assert (data.fingerprints["train"], data.fingerprints["test"]) == RECORDS["cifar100"]
    assert splits_of(data) == (45_000, 5_000, 10_000)
    assert set(data.validation.counts(100)) == {50}
    assert data.validation.digest == VALIDATION["cifar100"]
    assert data.source["groups"]["coarse_label"]["apple"] == "fruit_and_vegetables"
    assert "10 of the 10,000 test pictures stand in train as well (exact copies)" in data.notes
    info = inspect(data)
    train, _ = info.duplicates
    assert (train.groups, train.conflicting) == (14, 9)
    assert [(o.split, o.other, o.pictures) for o in info.overlaps] == [("test", "train", 10)]
    assert [round(v, 4) for v in info.mean] == [0.5071, 0.4865, 0.4409]
    assert [round(v, 4) for v in info.deviation] == [0.2673, 0.2564, 0.2762]


def test_cifar100_by_its_coarse_labels(shared_data: Path) -> None:
    data = load(shared_data / "cifar100", Recipe(data={"label": "coarse"}).data)
    assert data.name == "cifar100-coarse"
    assert data.title == "canonical CIFAR-100 with its 20 coarse labels, all 60,000 pictures"
    assert (data.fingerprints["train"], data.fingerprints["test"]) == RECORDS["cifar100-coarse"]


def test_test_alone_and_as_a_folder_of_png(
    shared_data: Path, tmp_path: Path, write_folder: Callable[..., Path]
) -> None:
    data = load(shared_data / "cifar10")
    assert data.test is not None
    images, labels = np.asarray(data.test.images)[:3000], np.asarray(data.test.labels)[:3000]
    write_folder(
        tmp_path / "folder",
        {name: images[labels == k] for k, name in enumerate(data.classes)},
    )
    folder, arrays = load(tmp_path / "folder"), load((images, labels))
    assert folder.fingerprints == arrays.fingerprints
    assert folder.train.ids == arrays.train.ids
    assert folder.validation.ids == arrays.validation.ids
