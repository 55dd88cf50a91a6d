"""Networks of the user's own: what is taken, what is refused, and what is never run."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from tinysight.errors import ModelError, RecipeError
from tinysight.models import (
    Classifier,
    build,
    check_copied,
    describe,
    foreign,
    resolve,
    trust,
)
from tinysight.recipe import Model

HEAD = "import torch\nfrom torch import nn\n"
FUNCTION = (
    HEAD
    + """
def net(shape, classes, width=4):
    h, w, c = shape
    return nn.Sequential(
        nn.Conv2d(c, width, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(width, classes),
    )
"""
)


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TINYSIGHT_DATA", str(tmp_path / "data"))
    path = tmp_path / "nets.py"
    path.write_text(FUNCTION)
    return path


def made(
    file: Path, text: str | None = None, name: str = "net", classes: int = 3, **options: Any
) -> Classifier:
    if text is not None:
        file.write_text(text)
    settings = Model.model_validate({"name": f"{file}:{name}", **options})
    given = {"mean": [0.5] * 3, "deviation": [0.25] * 3, "seed": 0}
    return build(resolve(settings, named=True), (8, 8, 3), classes, **given)


def test_a_function_is_called_with_what_it_takes(file: Path) -> None:
    model = made(file, width=6)
    assert model(torch.zeros(2, 3, 8, 8)).shape == (2, 3)
    assert model.get_parameter("net.0.weight").shape == (6, 3, 3, 3)
    assert model.note == "own network, a torch module"
    assert model.training
    fixed = made(file, HEAD + "def net():\n return nn.Sequential(nn.Flatten(), nn.Linear(192, 3))")
    assert fixed(torch.zeros(2, 3, 8, 8)).shape == (2, 3)


def test_a_class_and_a_module_are_taken_too(file: Path) -> None:
    text = HEAD + "class Net(nn.Sequential):\n def __init__(self, classes):\n  super().__init__("
    text += "nn.Flatten(), nn.Linear(192, classes))\nnet = Net(3)\n"
    for name in ("Net", "net"):
        assert made(file, text, name)(torch.zeros(2, 3, 8, 8)).shape == (2, 3)


def test_its_weights_follow_from_the_seed_and_the_globals_stay(file: Path) -> None:
    torch.manual_seed(3)
    before = torch.get_rng_state()
    a, b = made(file), made(file)
    assert all(torch.equal(x, y) for x, y in zip(a.parameters(), b.parameters(), strict=True))
    assert torch.equal(before, torch.get_rng_state())


def test_what_lies_beside_the_file_can_be_imported(file: Path) -> None:
    (file.parent / "parts_of_mine.py").write_text("SIDE = 192\n")
    text = HEAD + "from parts_of_mine import SIDE\nnet = nn.Sequential(nn.Flatten(), "
    assert made(file, text + "nn.Linear(SIDE, 3))").net[1].in_features == 192  # pyright: ignore


VIEWING = (
    HEAD
    + """
class net(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 32, 3, padding=1), nn.BatchNorm2d(32)
        self.first = nn.Sequential(self.conv, nn.ReLU(), self.norm, nn.MaxPool2d(2))
        self.head = nn.Linear(32 * 4 * 4, classes)

    def forward(self, x):
        return self.head(self.first(x).view(len(x), -1))
"""
)


def test_one_that_views_its_maps_is_contiguous_in_memory(file: Path) -> None:
    model = made(file, VIEWING)
    said = "contiguous in memory: it does not take channels-last pictures"
    assert model.note == f"own network, a torch module, {said}"
    assert model.get_parameter("net.conv.weight").is_contiguous()
    images = torch.randint(0, 256, (4, 3, 8, 8)).to(memory_format=torch.channels_last)
    model(images).sum().backward()
    reshaping = made(file, VIEWING.replace("view", "reshape"))
    assert reshaping.note == "own network, a torch module"
    assert not reshaping.get_parameter("net.conv.weight").is_contiguous()
    assert torch.allclose(model(images), reshaping(images), atol=1e-5)


def test_its_statistics_are_left_as_it_has_them(file: Path) -> None:
    model = made(file, VIEWING)
    assert model.get_buffer("net.norm.num_batches_tracked") == 0
    assert model.training


def test_layers_that_return_several_are_described(file: Path) -> None:
    text = """
class net(nn.Module):
    def __init__(self):
        super().__init__()
        self.pool = nn.MaxPool2d(2, return_indices=True)
        self.rows = nn.LSTM(12, 5, batch_first=True)
        self.head = nn.Linear(5, 3)

    def forward(self, x):
        x, _ = self.pool(x)
        return self.head(self.rows(x.permute(0, 2, 1, 3).flatten(2))[0][:, -1])
"""
    found = describe(made(file, HEAD + text), (8, 8, 3)).layers
    assert [layer.output for layer in found[1:]] == [(3, 4, 4), (4, 5), (3,)]
    assert sum(layer.parameters for layer in found) == 4 * 5 * (12 + 5 + 2) + 5 * 3 + 3


def test_a_file_may_have_the_name_of_a_library(file: Path) -> None:
    other = file.with_name("keras.py")
    assert made(other, FUNCTION).note == "own network, a torch module"


@pytest.mark.parametrize("end", ["nn.Softmax(dim=1)", "nn.LogSoftmax(dim=1)"])
def test_a_softmax_at_its_end_is_left_to_the_loss(end: str, file: Path) -> None:
    """By the layer, never by the values: logits that happen to sum to one stay as they are."""
    text = HEAD + f"net = nn.Sequential(nn.Flatten(), nn.Sequential(nn.Linear(192, 3), {end}))"
    model = made(file, text)
    images = torch.randint(0, 256, (4, 3, 8, 8))
    linear = model.get_submodule("net.1.0")
    expected = linear(model.normalise(images).flatten(1))
    assert torch.allclose(model(images), expected)
    inside = HEAD + "net = nn.Sequential(nn.Flatten(), nn.Softmax(dim=1), nn.Linear(192, 3))"
    assert isinstance(made(file, inside).get_submodule("net.1"), nn.Softmax)


@pytest.mark.parametrize(
    ("text", "error", "said"),
    [
        ("", RecipeError, "unknown name in .*nets.py 'net'"),
        ("nett = 3", RecipeError, "did you mean 'nett'"),
        ("net = 3", ModelError, "nets.py:net is int, expected a torch module, a Keras model on"),
        ("x = 1\n1 / 0", ModelError, r"nets\.py, line 2: ZeroDivisionError: division by zero"),
        ("import nothing_of_the_kind", ModelError, "line 1: ModuleNotFoundError: No module named"),
        ("def net(: pass", ModelError, "SyntaxError: invalid syntax"),
        (HEAD + "net = nn.Linear(8, 3)", ModelError, "gives 2 x 3 x 8 x 3 for 2 pictures of"),
        (
            "import sys\nsys.exit(3)",
            ModelError,
            "nets.py ends the program when it is run",
        ),
        ("def net(): raise SystemExit(3)", ModelError, "nets.py:net: SystemExit: 3"),
        (
            HEAD + "net = nn.Sequential(nn.Flatten(), nn.Linear(192, 7))",
            ModelError,
            "gives 2 x 7 for 2 pictures of 3 classes, expected 2 x 3",
        ),
        (
            HEAD + "net = nn.Sequential(nn.Flatten(), nn.Linear(5, 3))",
            ModelError,
            "does not take pictures of 8x8 RGB: mat1 and mat2 shapes cannot be multiplied",
        ),
        (
            HEAD + "net = nn.Sequential(nn.Flatten(), nn.Linear(192, 3), nn.Sigmoid())",
            ModelError,
            "ends in a sigmoid, expected a logit for each class: leave the sigmoid out",
        ),
        (
            HEAD + "net = nn.Sequential(nn.Flatten(), nn.Linear(192, 3))\n"
            "net.requires_grad_(False)",
            ModelError,
            "has no weights that could be trained",
        ),
        (
            HEAD + "class N(nn.Linear):\n @torch.no_grad()\n def forward(self, x): "
            "return super().forward(x.flatten(1))\nnet = N(192, 3)",
            ModelError,
            "gives what no gradient leads back from: it computes under torch.no_grad or detaches",
        ),
        (
            HEAD + "end = nn.Softmax(1)\n"
            "net = nn.Sequential(nn.Flatten(), nn.Linear(192, 8), end, nn.Linear(8, 3), end)",
            ModelError,
            "ends in a softmax layer that it uses elsewhere, too: return what comes before it, the",
        ),
        (
            HEAD + "class N(nn.Linear):\n def forward(self, x):\n  if self.training: exit(3)"
            "\n  return super().forward(x.flatten(1))\nnet = N(192, 3)",
            ModelError,
            r"does not take pictures of 8x8 RGB in training mode: sys.exit\(3\)",
        ),
        (
            HEAD + "class N(nn.Linear):\n def forward(self, x): exit(3)\nnet = N(192, 3)",
            ModelError,
            r"does not take pictures of 8x8 RGB: sys.exit\(3\)",
        ),
        (
            HEAD
            + "class N(nn.Linear):\n def forward(self, x):\n  x = super().forward(x.flatten(1))"
            "\n  return x.softmax(1) if self.training else x\nnet = N(192, 3)",
            ModelError,
            "ends in a softmax that is not its last layer",
        ),
        (
            HEAD
            + "class N(nn.Linear):\n def forward(self, x):\n  x = super().forward(x.flatten(1))"
            "\n  return (x, x) if self.training else x\nnet = N(192, 3)",
            ModelError,
            "gives tuple in training mode, expected logits as in evaluation mode",
        ),
        (
            HEAD + "class N(nn.Linear):\n def forward(self, x):\n  assert not self.training, 'no'"
            "\n  return super().forward(x.flatten(1))\nnet = N(192, 3)",
            ModelError,
            "does not take pictures of 8x8 RGB in training mode: no",
        ),
        (
            HEAD + "class N(nn.Linear):\n def forward(self, x): return super().forward(x.flatten(1)"
            ").softmax(1)\nnet = N(192, 3)",
            ModelError,
            "ends in a softmax that is not its last layer: return what comes before it",
        ),
        (
            HEAD + "class N(nn.Module):\n def forward(self, x): return [x]\nnet = N()",
            ModelError,
            "gives list, expected one tensor of logits",
        ),
        ("def net(depth): pass", RecipeError, "called with shape, classes and the options .*depth"),
        ("def net(): raise ValueError('no')", ModelError, "nets.py:net: ValueError: no"),
    ],
)
def test_what_is_no_network_is_refused(
    text: str, error: type[Exception], said: str, file: Path
) -> None:
    with pytest.raises(error, match=said) as raised:
        made(file, text)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_it_is_the_same_where_no_gradients_are_kept(mode: Any, file: Path) -> None:
    text = (
        HEAD
        + """
class net(nn.Module):
    def __init__(self):
        super().__init__()
        self.last, self.end = nn.Linear(192, 3), nn.Softmax(1)

    def forward(self, x):
        with torch.set_grad_enabled(self.training):
            return self.end(self.last(x.flatten(1)))
"""
    )
    with mode():
        model = made(file, text)
    model(torch.zeros(2, 3, 8, 8)).sum().backward()
    assert isinstance(model.get_submodule("net.end"), nn.Identity)
    assert model.get_parameter("net.last.bias").grad is not None


def test_one_that_cannot_be_copied_is_refused(file: Path) -> None:
    text = (
        HEAD
        + """
class net(nn.Linear):
    def __init__(self):
        super().__init__(192, 3)

    def forward(self, x):
        self.kept = super().forward(x.flatten(1))
        return self.kept
"""
    )
    with pytest.raises(ModelError, match="cannot be copied, which training needs: Only Tensors cr"):
        check_copied(made(file, text))


def test_options_that_it_does_not_take_are_refused(file: Path) -> None:
    with pytest.raises(RecipeError, match="unknown option of model .* 'wide'; did you mean 'width"):
        made(file, wide=3)
    with pytest.raises(RecipeError, match="unknown option of model .* 'width'"):
        made(file, HEAD + "net = nn.Linear(3, 3)", width=3)
    with pytest.raises(RecipeError, match=r"expected path\.py:name, got '3' for the name"):
        made(file, name="3")
    with pytest.raises(RecipeError, match=r"cannot read .*none\.py: No such file"):
        made(file.parent / "none.py")


def test_another_file_than_it_was_is_refused(file: Path) -> None:
    settings = resolve(Model(name=f"{file}:net"), named=True)
    assert resolve(settings, named=True) == settings
    file.write_text(FUNCTION + "# changed\n")
    with pytest.raises(
        RecipeError, match=r"beside it, is not what it was: sha256 .* expected, .* f"
    ):
        resolve(settings, named=True)


def test_code_that_nobody_has_named_is_not_run(file: Path) -> None:
    touched = file.parent / "touched"
    file.write_text(f"open({str(touched)!r}, 'w')\n" + FUNCTION)
    settings = Model(name=f"{file}:net")
    with pytest.raises(ModelError, match="is code that you have not run on this machine before"):
        resolve(settings)
    assert not touched.exists()
    named = resolve(settings, named=True)
    digest = named.options[foreign.SUM]
    assert resolve(named) == named
    assert [p.name for p in (file.parent / "data" / "networks").iterdir()] == [digest]
    trust.add(digest)
    assert [p.name for p in (file.parent / "data" / "networks").iterdir()] == [digest]
