"""Networks of the user's own, torch's and Keras's, from training to report."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.api.arrays import noise
from tests.models.written import KERAS, built

import tinysight
from tinysight.errors import CheckpointError, ModelError, RecipeError
from tinysight.models import build, describe
from tinysight.models.keras_network import KerasNetwork
from tinysight.recipe import Model
from tinysight.reporting.gathering import gather
from tinysight.training import planning

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
    with pytest.raises(
        (RecipeError, CheckpointError),
        match=r"nets\.py, or what it imports from beside it, is not what",
    ):
        tinysight.load(run.path).model()


def test_what_its_file_imports_from_beside_it_is_a_part_of_it(here: Path) -> None:
    data = noise(90, 0)
    Path("nets.py").write_text("from pieces.body import head as model\n")
    Path("pieces").mkdir()
    body = Path("pieces/body.py")
    text = TORCH.replace("def model", "def head").replace("nn.Dropout(0.3)", "nn.Tanh()")
    body.write_text(text)
    run = tinysight.train(data, "linear", **SETTINGS, model="nets.py:model")
    assert (run.path / "network.pieces.body.py").read_text() == text
    assert all(f.problem is None for f in tinysight.verify(run))
    settled = run.evaluate("validation").metrics
    body.write_text(text.replace("Tanh", "Sigmoid"))
    changed = r"nets\.py, or what it imports from beside it, is not what it was: sha256"
    with pytest.raises((RecipeError, CheckpointError), match=changed):
        tinysight.load(run.path).evaluate("validation", data=data, device="cpu")
    with pytest.raises((RecipeError, CheckpointError), match=changed):
        tinysight.resume(run, data=data, epochs=3, quiet=True, device="cpu")
    other = tinysight.train(data, "linear", **SETTINGS, model="nets.py:model")
    assert "Sigmoid" in str(other.model())  # imported anew within the same process
    body.write_text(text)
    again = tinysight.load(run.path).evaluate("validation", data=data, device="cpu")
    assert again.metrics == settled


def test_one_whose_file_is_gone_is_said_to_have_a_copy(here: Path) -> None:
    Path("nets.py").write_text(TORCH)
    run = tinysight.train(noise(90, 0), "linear", **SETTINGS, model="nets.py:model")
    Path("nets.py").rename("moved.py")
    gone = (
        r"cannot read .*nets\.py: No such file or directory; the run's network\.py is a copy of it"
    )
    with pytest.raises((RecipeError, CheckpointError), match=gone):
        tinysight.load(run.path).model()
    (run.path / "network.py").rename("nets.py")
    assert tinysight.load(run.path).model() is not None


TIED = """
from torch import nn
class model(nn.Module):
    def __init__(self, shape, classes):
        super().__init__()
        self.first, self.twice = nn.Linear(192, 8), nn.Linear(8, 8)
        self.again, self.tied = self.twice, nn.Linear(8, 8)
        self.tied.weight = self.twice.weight
        self.last = nn.Linear(8, classes)

    def forward(self, x):
        x = self.first(x.flatten(1))
        for layer in (self.twice, self.again, self.tied, self.last):
            x = layer(x.relu())
        return x
"""


def test_weights_of_two_names_are_kept(here: Path) -> None:
    Path("nets.py").write_text(TIED)
    kept = {"ema": 0.5, "schedule.name": "constant", "keep": "last"}
    asked = {**SETTINGS, **kept, "model": "nets.py:model"}
    run = tinysight.train(noise(90, 0), "linear", **asked)
    model = run.model()
    assert model.get_parameter("net.tied.weight") is model.get_parameter("net.twice.weight")
    assert (
        run.evaluate("validation").metrics
        == tinysight.load(run.path).evaluate("validation", data=noise(90, 0), device="cpu").metrics
    )
    whole = tinysight.train(noise(90, 0), "linear", **{**asked, "epochs": 3})
    again = tinysight.resume(run, data=noise(90, 0), epochs=3, quiet=True, device="cpu")
    weights, expected = again.model().state_dict(), whole.model().state_dict()
    assert all(torch.equal(weights[key], value) for key, value in expected.items())


def test_one_that_cannot_be_copied_is_refused_before_it_is_trained(here: Path) -> None:
    Path("nets.py").write_text("""
from torch import nn
class model(nn.Linear):
    def __init__(self):
        super().__init__(192, 3)
        self.kept = []

    def forward(self, x):
        self.kept.append(super().forward(x.flatten(1)))
        return self.kept[-1]
""")
    with pytest.raises(ModelError, match="cannot be copied, which training needs: Only Tensors"):
        tinysight.train(noise(90, 0), "linear", **SETTINGS, model="nets.py:model")
    assert not Path("runs").exists()


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


def test_constraints_of_a_keras_model_are_kept_to(here: Path) -> None:
    text = KERAS.replace("Dense(3, ", "Dense(3, kernel_constraint=MaxNorm(0.01), ")
    Path("nets.py").write_text("from keras.constraints import MaxNorm" + text)
    asked = {**SETTINGS, "optim.lr": 0.01, "model": "nets.py:model", "keep": "last"}
    net = tinysight.train(noise(90, 0), "linear", **asked).model().net
    assert isinstance(net, KerasNetwork)
    norms = net.network.layers[-1].kernel.value.detach().norm(dim=0)
    assert norms.max() < 0.01 + 1e-6
    assert norms.min() > 0.005  # and it has weights


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
