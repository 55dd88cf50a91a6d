"""The ready recipes: how they adapt to a data set."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinysight
from tinysight.recipe import Facts
from tinysight.recipes import RECIPES
from tinysight.recipes.adapting import batch_size, epochs


@pytest.mark.parametrize(
    ("pictures", "most", "batch"),
    [
        *((n, 256, n) for n in (1, 4, 15, 16)),
        (17, 256, 16),
        (639, 256, 16),
        (640, 256, 32),
        (5120, 256, 256),
        (9_999, 500, 250),
        (10_000, 500, 500),
        (10**6, 500, 500),
    ],
)
def test_a_batch_leaves_twenty_steps_where_it_can(pictures: int, most: int, batch: int) -> None:
    assert batch_size(Facts(pictures=pictures), most) == batch


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("pictures", [1, 4, 17, 639, 10**6])
def test_a_batch_is_at_most_the_training_split(name: str, pictures: int) -> None:
    assert 1 <= RECIPES[name](Facts(pictures=pictures)).batch_size <= pictures


@pytest.mark.parametrize(
    ("pictures", "found"), [(45_000, 8), (11_250, 16), (100, 40), (180_000, 4), (10**7, 3)]
)
def test_epochs_grow_as_the_pictures_get_fewer(pictures: int, found: int) -> None:
    assert epochs(Facts(pictures=pictures), 8) == found


def test_rates_follow_the_batch() -> None:
    large, small = RECIPES["fast"](Facts()), RECIPES["fast"](Facts(pictures=2_500))
    assert (large.batch_size, small.batch_size) == (500, 125)
    assert small.optim.lr == large.optim.lr / 2
    assert (small.optim.lr_head, small.optim.lr_bias) == (0.01 / 4, 26 / 4)


def test_the_last_layer_s_rate_grows_with_the_classes() -> None:
    rates = [RECIPES["quick"](Facts(classes=k)).optim.lr_head for k in (2, 10, 100)]
    assert rates == [0.01, 0.01, 0.1]


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_trains(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As it is, but for the epochs and the widths of its network."""
    monkeypatch.chdir(tmp_path)
    narrow: dict[str, Any] = {
        "speednet": {"model.widths": [8, 16, 16]},
        "resnet18": {"model.width": 16},
    }
    fields = narrow.get(RECIPES[name](Facts()).model.name, {})
    images = np.random.default_rng(0).integers(0, 255, (60, 12, 12, 3)).astype(np.uint8)
    run = tinysight.train((images, np.arange(60) % 3), name, quiet=True, epochs=2, **fields)
    assert [row["epoch"] for row in run.history] == [1, 2]
    assert run.evaluate("test").metrics.top1.n == 6


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
