"""A Keras model as a torch module: its modes, its order of channels, its end, its copies."""

import copy
import os
import subprocess
import sys
from pathlib import Path
from textwrap import indent

import keras
import pytest
import torch
from tests.models.written import KERAS, built, differing, state

from tinysight.errors import ModelError
from tinysight.models.keras_network import KerasNetwork


@pytest.fixture(autouse=True)
def own_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TINYSIGHT_DATA", str(tmp_path / "own"))


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
            "cannot be built for 8x8 RGB: ",
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
    with pytest.raises(ModelError, match="ends in a softmax that is not its last layer"):
        built(tmp_path / "nets.py", SUBCLASS.replace("HEAD", within))


def test_a_layer_of_keras_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="is a layer of Keras, Dense, expected a model"):
        built(tmp_path / "nets.py", "import keras\nmodel = keras.layers.Dense(3)")


OWN_LAYER = """
import keras
class Scaled(keras.layers.Layer):
    def __init__(self, factors):  # which Keras cannot save
        super().__init__()
        self.factors = factors

    def build(self, shape):
        self.weight = self.add_weight(shape=(shape[-1],), initializer="ones")

    def call(self, x):
        return x * self.weight * self.factors.mean

class model(keras.Model):
    def __init__(self, shape, classes):
        super().__init__()
        self.inner = keras.Sequential(
            [keras.layers.Flatten(), keras.layers.BatchNormalization(), keras.layers.Dropout(0.5)]
        )
        self.scaled = Scaled(type("Factors", (), {"mean": 2.0}))
        self.outer = keras.layers.Dense(classes)

    def call(self, x):
        return self.outer(self.scaled(self.inner(x)))
"""


@pytest.mark.parametrize("text", [KERAS, OWN_LAYER], ids=["listing", "own layers"])
def test_a_copy_is_the_same_and_has_weights_of_its_own(text: str, tmp_path: Path) -> None:
    model = built(tmp_path / "nets.py", text)
    images = torch.randint(0, 256, (4, 3, 8, 8))
    model(images)  # whose statistics are to be copied too
    next(model.net.parameters()).requires_grad_(False)
    drawn = torch.get_rng_state()
    twin = copy.deepcopy(model)
    assert torch.equal(torch.get_rng_state(), drawn)
    assert twin.training
    assert not differing(state(model), state(twin))
    assert [p.requires_grad for p in twin.parameters()] == [
        p.requires_grad for p in model.parameters()
    ]
    assert torch.equal(twin.eval()(images), model.eval()(images))
    before = state(model)
    twin.train()(images).sum().backward()
    with torch.no_grad():
        for parameter in twin.parameters():
            parameter.add_(1)
    assert not differing(before, state(model))
    assert all(p.grad is None for p in model.parameters())


BODY = """
import keras
body = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(4, 3), keras.layers.Flatten()])
body.trainable = False
"""
HEADED = """
import keras
from elsewhere_made import body
model = keras.Sequential([body, keras.layers.Dense(3)])
"""


def test_one_that_cannot_be_made_twice_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere_made.py").write_text(BODY)
    model = built(tmp_path / "nets.py", HEADED)
    with pytest.raises(ModelError, match="is made in a file that the one named imports, once and"):
        copy.deepcopy(model)


def test_a_file_that_imports_one_gives_the_same_for_the_same_seed(tmp_path: Path) -> None:
    """Where its own text does not name Keras, too."""
    (tmp_path / "maker.py").write_text(f"def made():\n{indent(KERAS, '    ')}\n    return model")
    first = built(tmp_path / "nets.py", "from maker import made as model")
    second = built(tmp_path / "nets.py", "from maker import made as model")
    assert not differing(state(first), state(second))
    assert not differing(state(first), state(copy.deepcopy(first)))


def test_a_file_that_imports_one_finds_its_backend(tmp_path: Path) -> None:
    text = KERAS.replace("8, 8, 3", "32, 32, 1").replace("Dense(3", "Dense(10")
    (tmp_path / "maker.py").write_text(f"def made():\n{indent(text, '    ')}\n    return model")
    (tmp_path / "nets.py").write_text("from maker import made")
    words = [sys.executable, "-m", "tinysight", "train", "digits", "--recipe", "batchnorm"]
    words += ["model=nets.py:made", "--dry-run"]
    environment = {k: v for k, v in os.environ.items() if k != "KERAS_BACKEND"}
    said = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert said.returncode == 0, said.stderr
    assert "Conv2D" in said.stdout


def test_weights_of_a_broken_step_are_left_where_they_are(tmp_path: Path) -> None:
    text = KERAS.replace("Dense(3, ", 'Dense(3, kernel_constraint="unit_norm", ')
    model = built(tmp_path / "nets.py", text)
    before = state(model)
    model.constrain(unless=torch.tensor(True))
    assert not differing(before, state(model))
    model.constrain(unless=torch.tensor(False))
    (name,) = differing(before, state(model))
    assert torch.allclose(state(model)[name].norm(dim=0), torch.ones(3))


@pytest.mark.parametrize("outputs", ["[end, end]", "{'a': end}"])
def test_several_outputs_are_refused(outputs: str, tmp_path: Path) -> None:
    text = f"""
import keras
given = keras.Input((8, 8, 3))
end = keras.layers.Dense(3)(keras.layers.Flatten()(given))
model = keras.Model(given, {outputs})
"""
    with pytest.raises(ModelError, match=r"gives (list|dict), expected one tensor of logits"):
        built(tmp_path / "nets.py", text)
