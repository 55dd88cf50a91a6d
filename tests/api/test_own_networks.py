"""Networks of the user's own, torch's and Keras's, from training to report."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import torch
from tests.api.arrays import noise

import tinysight
from tinysight.errors import CheckpointError, ModelError, RecipeError
from tinysight.models import Classifier, build, describe, resolve
from tinysight.models.keras_network import KerasNetwork
from tinysight.recipe import Model
from tinysight.reporting.gathering import gather
from tinysight.training import planning

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
        with pytest.raises(
            ModelError, match="is code that you have not run on this machine before"
        ):
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
        (KERAS.replace('"softmax"', '"sigmoid"'), "ends in a sigmoid, expected a logit for each"),
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


def test_smaller_pictures_than_a_keras_model_takes_are_refused(tmp_path: Path) -> None:
    model = built(tmp_path / "nets.py", KERAS)
    with pytest.raises(ModelError, match=r"does not take those of 6x6 .*\(Input 0 .*shrink=1$"):
        model.accept(6, 6)


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


SUBCLASS = """
import keras
class model(keras.Model):
    def __init__(self, classes):
        super().__init__()
        self.flat = keras.layers.Flatten()
        self.head = HEAD
        self.gate = keras.layers.Dense(6, activation="softmax")

    def call(self, x):
        x = self.flat(x)
        return self.head(self.gate(x))
"""


def test_the_softmax_that_is_left_out_is_the_one_at_its_end(tmp_path: Path) -> None:
    head = 'keras.layers.Dense(classes, activation="softmax")'
    model = built(tmp_path / "nets.py", SUBCLASS.replace("HEAD", head))
    assert isinstance(model.net, KerasNetwork)
    network = model.net.network
    assert network.head.activation is keras.activations.linear
    assert network.gate.activation is keras.activations.softmax
    plain = SUBCLASS.replace("HEAD", "keras.layers.Dense(classes)")
    model = built(tmp_path / "nets.py", plain)
    assert isinstance(model.net, KerasNetwork)
    assert model.net.network.gate.activation is keras.activations.softmax
    within = "keras.Sequential([keras.layers.Dense(classes), keras.layers.Softmax()])"
    with pytest.raises(ModelError, match="ends in a softmax that is no layer of its own"):
        built(tmp_path / "nets.py", SUBCLASS.replace("HEAD", within))


def test_a_layer_of_keras_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="is a layer of Keras, Dense, expected a model"):
        built(tmp_path / "nets.py", "import keras\nmodel = keras.layers.Dense(3)")


def test_what_a_keras_model_adds_to_its_loss_is_trained_on(here: Path) -> None:
    """Weights that are as good as forbidden go to zero; without the regulariser they do not."""
    data = noise(90, 0)
    text = KERAS.replace("Dense(3, ", 'Dense(3, kernel_regularizer="l2", ')
    sizes = []
    for said in (text.replace('"l2"', "L2(30.0)"), text.replace('"l2"', "None")):
        Path("nets.py").write_text("from keras.regularizers import L2" + said)
        asked = {**SETTINGS, "epochs": 10, "optim.lr": 0.01, "model": "nets.py:model"}
        run = tinysight.train(data, "linear", **asked, keep="last")
        net = run.model().net
        assert isinstance(net, KerasNetwork)
        sizes.append(float(net.network.layers[-1].kernel.value.detach().abs().mean()))
    assert sizes[0] < 0.2 * sizes[1]


def test_its_layers_are_described_and_its_dropout_is_known(here: Path) -> None:
    Path("nets.py").write_text(KERAS)
    run = tinysight.train(noise(90, 0), "linear", **SETTINGS, model="nets.py:model")
    rows = run.folder.read_json("model")["layers"]
    found = [(row["kind"], row["output"], row["parameters"]) for row in rows]
    assert found == [
        ("Normalise", [3, 8, 8], 0),
        ("Conv2D", [6, 6, 4], 3 * 9 * 4 + 4),
        ("BatchNormalization", [6, 6, 4], 8),
        ("Flatten", [144], 0),
        ("Dropout", [144], 0),
        ("Dense", [3], 144 * 3 + 3),
    ]
    assert rows[1]["flops"] == 2 * 36 * 4 * 27
    assert gather(run.folder).switched_on == ("dropout",)
    model = tinysight.plan(noise(90, 0), "linear", model="nets.py:model").model
    assert isinstance(model.net, KerasNetwork)
    assert all("call" not in vars(layer) for layer in model.net.network.layers)


def test_one_that_is_contiguous_in_memory_has_no_kernels(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their maps are channels-last."""
    text = """
from torch import nn
class model(nn.Module):
    def __init__(self):
        super().__init__()
        parts = nn.Conv2d(3, 32, 3), nn.ReLU(), nn.BatchNorm2d(32), nn.MaxPool2d(2)
        self.first = nn.Sequential(*parts)
        self.head = nn.Linear(288, 3)

    def forward(self, x):
        return self.head(self.first(x).view(len(x), -1))
"""
    found: list[int] = []
    real = planning.choose_compilation

    def chosen(*words: Any, blocks: int, **more: Any) -> Any:
        found.append(blocks)
        return real(*words, blocks=blocks, **more)

    monkeypatch.setattr(planning, "choose_compilation", chosen)
    for said in (text, text.replace("view", "reshape")):
        Path("nets.py").write_text(said)
        plan = tinysight.plan(noise(90, 0), "linear", model="nets.py:model", device="cpu")
        assert ("; contiguous; " in str(plan)) == ("view" in said)
    assert found == [0, 1]


def test_it_computes_where_its_pictures_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not on the device that Keras would choose, here one that is not there."""
    monkeypatch.setattr("keras.src.backend.torch.core.DEFAULT_DEVICE", "cuda")
    model = built(tmp_path / "nets.py", KERAS)
    assert model(torch.randint(0, 256, (2, 3, 8, 8))).isfinite().all()


@pytest.mark.filterwarnings("ignore:Do not pass an `input_shape`")  # Keras's, of the listing
def test_the_published_listing_of_p3_works_as_it_stands(here: Path, shared_data: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (60, 32, 32, 3)).astype(np.uint8)
    data = images, np.arange(60) % 10
    name = f"{shared_data.parent / 'peers' / 'p3_listing.py'}:model"
    asked = {**SETTINGS, "epochs": 1, "keep": "last", "model": name}
    run = tinysight.train(data, "batchnorm", **asked)
    model = run.model()
    own = build(Model(name="p3"), (32, 32, 3), 10, mean=[0.5] * 3, deviation=[0.25] * 3, seed=0)
    assert describe(model, (32, 32, 3)).parameters == describe(own, (32, 32, 3)).parameters
    assert run.evaluate("validation", device="cpu").metrics.top1.n
