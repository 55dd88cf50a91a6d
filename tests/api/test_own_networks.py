"""Networks of the user's own, torch's and Keras's, from training to report."""

from pathlib import Path
from typing import Any

import keras
import pytest
import torch
from tests.api.arrays import noise

import tinysight
from tinysight.errors import CheckpointError, ModelError, RecipeError
from tinysight.models import Classifier, build, resolve
from tinysight.models.keras_network import KerasNetwork
from tinysight.recipe import Model

KERAS = """
from keras import Sequential
from keras.layers import BatchNormalization, Conv2D, Dense, Dropout, Flatten, Input
model = Sequential([
    Input((8, 8, 3)),
    Conv2D(4, 3, activation="relu"),
    BatchNormalization(),
    Flatten(),
    Dropout(0.5),
    Dense(3, activation="softmax"),
])
"""
TORCH = """
from torch import nn
def model(shape, classes):
    h, w, c = shape
    return nn.Sequential(nn.Flatten(), nn.Dropout(0.3), nn.Linear(h * w * c, classes))
"""
SETTINGS: dict[str, Any] = {"epochs": 2, "batch_size": 16, "quiet": True, "device": "cpu"}


@pytest.fixture(autouse=True)
def own_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TINYSIGHT_DATA", str(tmp_path / "own"))


def built(file: Path, text: str, name: str = "model", classes: int = 3) -> Classifier:
    file.write_text(text)
    given = {"mean": [0.5] * 3, "deviation": [0.25] * 3, "seed": 0}
    settings = resolve(Model(name=f"{file}:{name}"), named=True)
    return build(settings, (8, 8, 3), classes, **given)


def state(model: Classifier) -> dict[str, torch.Tensor]:
    return {k: v.clone() for k, v in model.state_dict().items()}


def differing(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> set[str]:
    return {k for k in a if not torch.equal(a[k], b[k])}


@pytest.mark.parametrize("text", [KERAS, TORCH], ids=["keras", "torch"])
def test_it_is_trained_evaluated_gone_on_with_and_reported(text: str, here: Path) -> None:
    data = noise(90, 0)
    Path("nets.py").write_text(text)
    asked = {**SETTINGS, "model": "nets.py:model", "ema": 0.5, "optim.weight_decay": 0.01}
    run = tinysight.train(data, "linear", evaluate_test=True, **asked)
    assert (run.path / "network.py").read_text() == text
    assert all(f.problem is None for f in tinysight.verify(run))
    assert "nets.py:model" in run.report().read_text(encoding="utf-8")
    assert run.predict(data[0][0], device="cpu")[0].top
    again = tinysight.load(run.path)
    assert again.evaluate("test", data=data, device="cpu").metrics == run.evaluate("test").metrics
    whole = tinysight.train(data, "linear", **{**asked, "epochs": 3}, patience=9)
    part = tinysight.train(data, "linear", **asked, patience=9)
    first = tinysight.resume(part, data=data, epochs=3, quiet=True, device="cpu")
    assert [r["epoch"] for r in first.history] == [r["epoch"] for r in whole.history]
    Path("nets.py").write_text(text + "# changed\n")
    with pytest.raises((RecipeError, CheckpointError), match=r"nets\.py is not what it was: sha2"):
        tinysight.load(run.path).model()


def test_a_stopped_training_of_a_keras_network_goes_on_to_the_bit(here: Path) -> None:
    """Its dropout draws from a state of its own, which is carried with the weights."""
    data = noise(90, 0)
    Path("nets.py").write_text(KERAS)
    asked = {**SETTINGS, "model": "nets.py:model", "schedule.name": "constant", "keep": "last"}
    whole = tinysight.train(data, "linear", **{**asked, "epochs": 4})
    part = tinysight.train(data, "linear", **asked)
    tinysight.resume(part, data=data, epochs=4, quiet=True, device="cpu")
    a, b = (run.folder.load_checkpoint("last").tensors for run in (whole, part))
    assert all(torch.equal(a[k], b[k]) for k in a)


def test_a_run_of_somebody_elses_is_not_run(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = noise(90, 0)
    Path("nets.py").write_text(TORCH)
    run = tinysight.train(data, "linear", **{**SETTINGS, "model": "nets.py:model"})
    monkeypatch.setenv("TINYSIGHT_DATA", str(here / "another user"))
    for call in (
        lambda: tinysight.load(run.path).model(),
        lambda: tinysight.train(data, str(run.path), **SETTINGS),
    ):
        with pytest.raises(ModelError, match="is code that nobody has named on this machine"):
            call()


def test_training_and_evaluation_mode_reach_its_layers(tmp_path: Path) -> None:
    model = built(tmp_path / "nets.py", KERAS)
    images = torch.randint(0, 256, (16, 3, 8, 8))
    before = state(model)
    first, second = model.train()(images), model(images)
    assert not torch.equal(first, second)  # dropout acts
    moved = differing(before, state(model))
    assert any("moving_mean" in name for name in moved)
    assert any("moving_variance" in name for name in moved)
    before = state(model)
    first, second = model.eval()(images), model(images)
    assert torch.equal(first, second)
    assert not differing(before, state(model))


def test_what_it_returns_is_what_comes_before_its_softmax(tmp_path: Path) -> None:
    images = torch.randint(0, 256, (4, 3, 8, 8))
    ends = {
        "in the layer": KERAS,
        "a layer": KERAS.replace('Dense(3, activation="softmax")', "Dense(3), Softmax()"),
        "an activation": KERAS.replace('activation="softmax")', ")").replace(
            "Dense(3, )", 'Dense(3), Activation("softmax")'
        ),
        "none": KERAS.replace(', activation="softmax"', ""),
    }
    found = []
    for text in ends.values():
        text = text.replace("import BatchN", "import Activation, Softmax, BatchN")
        model = built(tmp_path / "nets.py", text).eval()
        found.append(model(images))
        assert isinstance(model.net, KerasNetwork)
        last = model.net.network.layers[-1]
        assert not isinstance(last, keras.layers.Softmax)
    assert all(torch.allclose(found[0], other, atol=1e-6) for other in found)
    assert (found[0].sum(1) - 1).abs().min() > 1e-3  # no probabilities


@pytest.mark.parametrize(
    ("text", "entry"),
    [
        (KERAS, "n h w c"),
        (KERAS.replace("Input((8, 8, 3))", "Input((192,))").replace(
            'Conv2D(4, 3, activation="relu"),', 'Dense(5),'), "n values"),
        (KERAS.replace("    Input((8, 8, 3)),\n", ""), "n h w c"),
    ],
)  # fmt: skip
def test_the_order_of_channels_is_its_own(text: str, entry: str, tmp_path: Path) -> None:
    model = built(tmp_path / "nets.py", text).eval()
    assert isinstance(model.net, KerasNetwork)
    assert model.net.entry == entry
    images = torch.randint(0, 256, (2, 3, 8, 8))
    there = model.normalise(images).permute(0, 2, 3, 1)
    there = there.flatten(1) if entry == "n values" else there
    assert torch.equal(model(images), model.net.network(there, training=False))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            KERAS.replace("Input((8, 8, 3))", "Input((32, 32, 3))"),
            "takes 32 x 32 x 3, the picture",
        ),
        (KERAS.replace('"softmax"', '"sigmoid"'), "ends in a Sigmoid that is no layer of"),
        (KERAS.replace("Dense(3,", "Dense(4,"), "gives 2 x 4 for 2 pictures of 3 classes"),
        ("import keras\nmodel = keras.Sequential()", r"nets\.py:model has no layers"),
        (
            KERAS.replace("    Input((8, 8, 3)),\n", "").replace("Conv2D(4, 3,", "Conv2D(4, 9,"),
            "cannot be built for 8x8x3: ",
        ),
    ],
)
def test_a_keras_model_that_does_not_fit_is_refused(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=said) as error:
        built(tmp_path / "nets.py", text)
    assert "\n" not in str(error.value)


def test_several_inputs_are_refused(tmp_path: Path) -> None:
    text = """
import keras
a, b = keras.Input((8, 8, 3)), keras.Input((8, 8, 3))
model = keras.Model([a, b], keras.layers.Dense(3)(keras.layers.Flatten()(a + b)))
"""
    with pytest.raises(ModelError, match="takes 2 inputs, expected one: pictures"):
        built(tmp_path / "nets.py", text)


def test_muon_is_refused_and_fp32_is_chosen(here: Path) -> None:
    data = noise(90, 0)
    Path("nets.py").write_text(KERAS)
    asked = {**SETTINGS, "model": "nets.py:model"}
    with pytest.raises(RecipeError, match="optim.name=muon takes kernels as torch lays them out"):
        tinysight.train(data, "quick", **asked)
    plan = tinysight.plan(data, "linear", **asked)
    assert (plan.precision.name, plan.precision.why[:21]) == ("fp32", "a Keras network has a")
    forced = tinysight.plan(data, "linear", **asked, precision="bf16")
    assert forced.precision.name == "bf16"
    assert plan.table.parameters == 3 * 9 * 4 + 4 + 2 * 4 + 144 * 3 + 3
    assert plan.table.statistics == 8
