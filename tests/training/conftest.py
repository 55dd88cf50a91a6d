from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tinysight.data.dataset import DataSet, Split
from tinysight.progress import Progress
from tinysight.recipe import Recipe
from tinysight.run import RunFolder
from tinysight.training import plan, train


def toy_split(n: int, *, seed: int, classes: int = 3) -> Split:
    """Pictures whose channel `label` is the brightest: any model can learn them."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 120, (n, 8, 8, 3), generator=generator, dtype=torch.uint8)
    labels = torch.arange(n) % classes
    for i, label in enumerate(labels.tolist()):
        images[i, :, :, label] += 100
    return Split(images, labels, tuple(f"{i:016x}" for i in range(n)))


@pytest.fixture(scope="session")
def toy() -> DataSet:
    return DataSet(
        name="toy",
        classes=("red", "green", "blue"),
        train=toy_split(90, seed=0),
        validation=toy_split(30, seed=1),
        test=toy_split(30, seed=2),
        fingerprints={"train": "0" * 64, "test": "1" * 64},
        title="toy, 150 pictures",
    )


@pytest.fixture
def small() -> Recipe:
    """A training of a second: fp32, so that it is the same on every machine."""
    recipe = Recipe(name="small", epochs=2, batch_size=16, precision="fp32")
    return recipe.override("model", "plain").override("model.width", 4).override("optim.lr", 0.05)


@pytest.fixture(scope="session")
def run() -> Callable[..., RunFolder]:
    """Train into a folder on the CPU, quietly or with a progress of one's own."""

    def call(
        data: DataSet, recipe: Recipe, out: Path, progress: Progress | None = None
    ) -> RunFolder:
        ready = plan(data, recipe, device="cpu")
        return train(ready, out=out, progress=progress or Progress(quiet=True))

    return call
