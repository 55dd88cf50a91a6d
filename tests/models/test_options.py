"""What a recipe may say about a model, and what it hears when it may not."""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch

from tinysight.errors import ModelError, RecipeError, UnknownName
from tinysight.models import build, resolve
from tinysight.recipe import Model


def test_an_unknown_model() -> None:
    with pytest.raises(
        UnknownName,
        match=re.escape("unknown model 'rasnet18'; did you mean 'resnet18'? Known: linear"),
    ):
        resolve(Model(name="rasnet18"))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"name": "resnet9", "widht": 8},
            "unknown option of model resnet9 'widht'; did you mean 'width'? Known: scale, width",
        ),
        ({"name": "linear", "width": 8}, "unknown option of model linear 'width'. Known: shuffle"),
        ({"name": "p3", "shape": 8}, "unknown option of model p3 'shape'. Known: dropout"),
        ({"name": "resnet9", "width": 0}, "model.width must be greater than or equal to 1, got 0"),
        (
            {"name": "resnet9", "width": 513},
            "model.width must be less than or equal to 512, got 513",
        ),
        ({"name": "resnet9", "width": "a"}, "model.width must be a valid integer, got 'a'"),
        ({"name": "resnet9", "width": 1.5}, "model.width must be a valid integer, got 1.5"),
        ({"name": "resnet9", "width": True}, "model.width must be a valid integer, got True"),
        ({"name": "resnet9", "width": None}, "model.width must be a valid integer, got None"),
        ({"name": "resnet9", "scale": 0}, "model.scale must be greater than 0, got 0"),
        (
            {"name": "resnet9", "scale": float("nan")},
            "model.scale must be a finite number, got nan",
        ),
        (
            {"name": "resnet", "depth": 21},
            "model.depth must be 6n+2 (8, 14, 20, 26, 32, ...), the nearest 20",
        ),
        (
            {"name": "resnet", "depth": 2},
            "model.depth must be 6n+2 (8, 14, 20, 26, 32, ...), the nearest 8,",
        ),
        ({"name": "resnet", "depth": 6002}, "model.depth must be less than or equal to 1202"),
        ({"name": "plain", "dropout": 1}, "model.dropout must be less than 1, got 1"),
        ({"name": "plain", "dropout": -0.1}, "model.dropout must be greater than or equal to 0"),
        ({"name": "plain", "batchnorm": "perhaps"}, "model.batchnorm must be a valid boolean"),
        (
            {"name": "mlp", "hidden": 512},
            "model.hidden must be a list of 1 to 16 widths, such as [512, 256], got 512",
        ),
        (
            {"name": "mlp", "hidden": []},
            "model.hidden must be a list of 1 to 16 widths, such as [512, 256], got []",
        ),
        (
            {"name": "mlp", "hidden": [8, 0]},
            "model.hidden.1 must be greater than or equal to 1, got 0",
        ),
    ],
    ids=lambda v: "-".join(map(str, v.values())) if isinstance(v, dict) else "",
)
def test_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError, match="^" + re.escape(message)) as caught:
        resolve(Model(**settings))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("depth", [8, 20, 32, 44, 56, 110])
def test_depths_that_are_6n_plus_2(depth: int) -> None:
    assert resolve(Model.model_validate({"name": "resnet", "depth": depth})).options == {
        "depth": depth,
        "width": 16,
        "shortcuts": True,
    }


def test_a_model_too_large_to_train_is_refused_before_it_takes_memory() -> None:
    settings = Model.model_validate({"name": "mlp", "hidden": [16_384]})
    with pytest.raises(
        RecipeError, match=r"model mlp would have 12,884,951,042 parameters for 512x512x3 pictures"
    ):
        build(settings, (512, 512, 3), 2, mean=[0.5] * 3, deviation=[0.2] * 3, seed=0)


def test_one_class_is_none() -> None:
    with pytest.raises(ModelError, match="a classifier needs 2 classes or more, got 1"):
        build(Model(name="linear"), (8, 8, 1), 1, mean=[0.5], deviation=[0.2], seed=0)


def test_pictures_without_pixels() -> None:
    with pytest.raises(ModelError, match="pictures need a height, a width and channels"):
        build(Model(name="linear"), (8, 0, 1), 2, mean=[0.5], deviation=[0.2], seed=0)


def test_statistics_for_other_channels() -> None:
    with pytest.raises(ModelError, match="one value for each of the 3 channels, got 1 and 3"):
        build(Model(name="linear"), (8, 8, 3), 2, mean=[0.5], deviation=[0.2] * 3, seed=0)


def test_building_where_another_device_is_the_default() -> None:
    with torch.device("meta"):
        model = build(Model(name="linear"), (8, 8, 1), 2, mean=[0.5], deviation=[0.2], seed=0)
    assert {v.device.type for v in model.state_dict().values()} == {"cpu"}
