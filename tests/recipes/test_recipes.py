"""The ready recipes: how they adapt to a data set."""

from pathlib import Path

import numpy as np
import pytest

import tinysight
from tinysight.recipe import Facts
from tinysight.recipes import RECIPES


@pytest.mark.parametrize(
    ("pictures", "batch"),
    [(1, 1), (4, 4), (15, 15), (16, 16), (17, 16), (639, 16), (640, 32), (5120, 256), (10**6, 256)],
)
@pytest.mark.parametrize("name", RECIPES)
def test_a_batch_is_at_most_the_training_split(name: str, pictures: int, batch: int) -> None:
    assert RECIPES[name](Facts(pictures=pictures)).batch_size == batch


@pytest.mark.parametrize("name", ["quick", "linear"])
@pytest.mark.parametrize("n", [4, 10, 17])
def test_a_handful_of_pictures_is_trained_on(
    n: int, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    images = np.random.default_rng(0).integers(0, 255, (n, 8, 8, 3)).astype(np.uint8)
    run = tinysight.train((images, np.arange(n) % 2), name, quiet=True, epochs=2)
    assert run.recipe.batch_size == len(run.data().train) < n
    assert "Too few pictures to say: " in str(run)
    assert "Undecided" in run.report().read_text(encoding="utf-8")
