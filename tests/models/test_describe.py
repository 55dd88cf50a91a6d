"""The layer table: against hand-worked cases, torch's own counter and measured fields."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from tinysight.models import MODELS, Classifier, build, describe
from tinysight.models.layers import PadShortcut, Residual, named
from tinysight.recipe import Model


def make(name: str, shape: tuple[int, int, int] = (32, 32, 3), **options: Any) -> Classifier:
    c = shape[2]
    settings = Model(name=name, **options)
    return build(settings, shape, 10, mean=[0.5] * c, deviation=[0.25] * c, seed=0)


def wrap(net: nn.Module, shape: tuple[int, int, int] = (64, 64, 1)) -> Classifier:
    c = shape[2]
    return Classifier(net, shape, 2, mean=[0.0] * c, deviation=[1.0] * c)


def fields(net: nn.Module) -> list[int | None]:
    return [row.receptive_field for row in describe(wrap(net), (64, 64, 1)).layers]


def conv(kernel: Any, stride: Any = 1, padding: Any = 0, dilation: Any = 1) -> nn.Conv2d:
    return nn.Conv2d(1, 1, kernel, stride, padding, dilation, bias=False)


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        ([conv(3), conv(3), conv(3)], [3, 5, 7]),
        ([conv(3, 2), conv(3)], [3, 7]),
        ([conv(3), nn.MaxPool2d(2), conv(3), nn.AvgPool2d(2), conv(5)], [3, 4, 8, 10, 26]),
        ([nn.MaxPool2d(3, 2, 1), nn.ReLU(), conv(1, 2), conv(7)], [3, 3, 3, 27]),
        ([conv(3, dilation=4), conv(2, 2), conv(2)], [9, 10, 12]),
        ([conv((1, 7)), conv((7, 1))], [7, 7]),
        ([conv(3), nn.ZeroPad2d((0, 1, 0, 1)), conv(3, 2), conv(3)], [3, 3, 5, 9]),
        ([nn.ReflectionPad2d(1), conv(3), nn.ReplicationPad2d(2), conv(5)], [1, 3, 3, 7]),
        ([conv((1, 3), (1, 2)), conv((5, 3), (2, 1))], [3, 7]),
        ([conv(3), nn.AdaptiveAvgPool2d(1), conv(1)], [3, None, None]),
        ([conv(3), nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(1, 2)], [3, None, None, None]),
        ([conv(64), nn.AdaptiveAvgPool2d(1)], [64, None]),
        ([conv(64), nn.AdaptiveMaxPool2d(1)], [64, None]),
        ([conv(3), nn.ConvTranspose2d(1, 1, 3, padding=1), conv(3)], [3, None, None]),
        ([nn.Identity(), nn.Flatten(), nn.Linear(4096, 2)], [1, None, None]),
    ],
    ids=lambda v: str(v) if isinstance(v[0], int) else "",
)
def test_receptive_fields_by_hand(layers: list[nn.Module], expected: list[int | None]) -> None:
    assert fields(nn.Sequential(*layers)) == [1, *expected]


def test_of_branches_the_largest_counts() -> None:
    wide = nn.Sequential(conv(3, padding=1), conv(5, padding=2))
    after = nn.Sequential(Residual(wide, conv(1)), conv(3))
    # 1; 3, 7 in the body; 1 in the shortcut; 7 + 2 behind the sum
    assert fields(after) == [1, 3, 7, 1, 9]


def test_branches_that_look_to_different_sides_add_up() -> None:
    class Sides(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.left, self.right = conv(2, padding=1), conv(3)
            self.last = nn.Identity()

        def forward(self, x: Tensor) -> Tensor:
            # pixels -1..0 beside 0..2
            return self.last(self.left(x)[:, :, :62, :62] * 0 + self.right(x))

    # a slice that crops is not followed: the field is unknown rather than wrong
    assert fields(Sides()) == [1, 2, 3, None]

    class Both(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.wide, self.even, self.last = conv(3, 2, 1), conv(2, 2), nn.Identity()

        def forward(self, x: Tensor) -> Tensor:
            return self.last(self.wide(x) + self.even(x))

    # pixels -1..1 together with 0..1
    assert fields(Both()) == [1, 3, 2, 3]

    class Padded(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.within, self.pad, self.behind = conv(3, padding=1), nn.ZeroPad2d(1), conv(3)
            self.last = nn.Identity()

        def forward(self, x: Tensor) -> Tensor:
            return self.last(self.within(x) + self.behind(self.pad(x)))

    # pixels -1..1 twice
    assert fields(Padded()) == [1, 3, 1, 3, 3]


def test_a_gate_from_the_whole_picture_makes_the_field_whole() -> None:
    class Gate(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.squeeze, self.last = nn.AdaptiveAvgPool2d(1), nn.Identity()

        def forward(self, x: Tensor) -> Tensor:
            return self.last(x * self.squeeze(x))

    assert fields(Gate()) == [1, None, None]


def test_operations_that_are_no_layers_are_followed_too() -> None:
    class Functional(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.last = conv(3), nn.Identity()

        def forward(self, x: Tensor) -> Tensor:
            x = nn.functional.max_pool2d(self.first(x).relu() + 1, 2)
            return self.last(nn.functional.conv2d(x, torch.ones(1, 1, 3, 3)))

    # 3; + 1 for the pooling; + 2 * 2
    assert fields(Functional()) == [1, 3, 8]


def measured(net: nn.Module, layer: str, side: int, channels: int) -> int:
    """The extent of the pixels that move the unit at the centre of a layer's output.

    With positive weights nothing cancels and no ReLU closes; a maximum, whose gradient goes to one
    pixel of its window, stands in as a mean over the same window.
    """
    for name, module in list(net.named_modules()):
        if isinstance(module, nn.MaxPool2d):
            parent = net.get_submodule(name.rpartition(".")[0])
            kernel, stride, padding = module.kernel_size, module.stride, module.padding
            mean = nn.AvgPool2d(kernel, stride, padding)  # pyright: ignore[reportArgumentType]
            setattr(parent, name.rpartition(".")[2], mean)
        elif isinstance(module, nn.BatchNorm2d):
            setattr(
                net.get_submodule(name.rpartition(".")[0]), name.rpartition(".")[2], nn.Identity()
            )
    net = net.double().eval()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.fill_(1 / parameter[0].numel())
    outputs: list[Tensor] = []
    hook = net.get_submodule(layer).register_forward_hook(lambda *a: outputs.append(a[2]))
    image = torch.ones(1, channels, side, side, dtype=torch.double, requires_grad=True)
    net(image)
    hook.remove()
    centre = outputs[0].shape[-1] // 2
    outputs[0][0, :, centre, centre].sum().backward()
    assert image.grad is not None
    rows = (image.grad[0].sum(0) > 0).any(1).nonzero().flatten()
    columns = (image.grad[0].sum(0) > 0).any(0).nonzero().flatten()
    assert int(rows[0]) > 0, "the picture is too small to see the edge of the field"
    assert int(rows[-1]) < side - 1, "the picture is too small to see the edge of the field"
    height, width = (int(v[-1] - v[0]) + 1 for v in (rows, columns))
    assert height == width == len(rows) == len(columns)
    return width


@pytest.mark.parametrize(
    ("name", "options", "shape"),
    [
        ("plain", {"width": 1, "batchnorm": True}, (32, 32, 3)),
        ("resnet9", {"width": 1}, (32, 32, 3)),
        ("resnet9", {"width": 1}, (12, 12, 1)),
        ("resnet9", {"width": 1}, (64, 64, 3)),
        ("resnet", {"depth": 14, "width": 1}, (32, 32, 3)),
        ("resnet", {"depth": 8, "width": 1}, (64, 64, 1)),
        ("resnet18", {"width": 16}, (32, 32, 3)),
    ],
)
def test_receptive_fields_as_measured(name: str, options: dict, shape) -> None:
    """Each row with a field, against the gradient of one unit of it in a large picture."""
    rows = describe(make(name, shape, **options), shape).layers
    found = [r for r in rows if r.receptive_field and r.name.startswith("net.")]
    net = make(name, shape, **options).net
    if name == "plain":  # its dense layer would refuse the large picture
        net = net[: len(net) - 2]  # pyright: ignore[reportIndexIssue, reportArgumentType]
    assert len(found) > 8
    for row in found:
        if row.kind in ("Conv2d", "MaxPool2d", "PadShortcut") or row.name.endswith("activation"):
            assert measured(net, row.name[4:], 257, shape[2]) == row.receptive_field, row.name


@pytest.mark.parametrize("shape", [(32, 32, 3), (24, 40, 1), (64, 64, 3)], ids=str)
@pytest.mark.parametrize("name", MODELS)
def test_flops_as_torch_counts_them(name: str, shape: tuple[int, int, int]) -> None:
    model = make(name, shape).eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(torch.zeros(1, shape[2], *shape[:2]))
    description = describe(model, shape)
    assert description.flops == counter.get_total_flops()
    assert description.flops == sum(row.flops for row in description.layers)
    assert description.parameters == sum(row.parameters for row in description.layers)
    assert description.parameters == sum(p.numel() for p in model.parameters())


def test_flops_by_hand() -> None:
    net = nn.Sequential(
        nn.Conv2d(4, 8, 3, padding=1, groups=2),
        nn.ConvTranspose2d(8, 2, 2, stride=2),
        nn.Flatten(),
        nn.Linear(2 * 12 * 12, 5),
    )
    rows = describe(wrap(net, (6, 6, 4)), (6, 6, 4)).layers
    assert [(r.flops, r.parameters) for r in rows] == [
        (0, 0),
        (2 * 6 * 6 * 8 * (2 * 9), 8 * 2 * 9 + 8),
        (2 * 6 * 6 * 8 * 2 * 4, 8 * 2 * 4 + 2),
        (0, 0),
        (2 * 288 * 5, 288 * 5 + 5),
    ]


def test_a_layer_used_twice_has_two_rows_and_counts_once() -> None:
    shared = nn.Conv2d(1, 1, 3, padding=1)
    description = describe(wrap(nn.Sequential(shared, nn.ReLU(), shared)), (64, 64, 1))
    rows = [r for r in description.layers if r.kind == "Conv2d"]
    assert [(r.name, r.parameters, r.receptive_field) for r in rows] == [
        ("net.0", 10, 3),
        ("net.0", 0, 5),
    ]
    assert description.parameters == 10


def test_the_pad_shortcut_looks_at_one_pixel() -> None:
    assert fields(named(pick=PadShortcut(1, 4, 2), conv=nn.Conv2d(4, 1, 3))) == [1, 1, 5]


@pytest.mark.parametrize("name", MODELS)
def test_the_model_is_left_as_found(name: str) -> None:
    model = make(name, (16, 16, 3))
    model(torch.randint(0, 256, (4, 3, 16, 16), dtype=torch.uint8)).sum().backward()
    first = next(m for m in model.modules() if not list(m.children()))
    first.eval()  # a mixture of modes
    frozen = next(model.parameters())
    frozen.requires_grad = False
    modes = [m.training for m in model.modules()]
    weights = {k: v.clone() for k, v in model.state_dict().items()}
    gradients = [None if p.grad is None else p.grad.clone() for p in model.parameters()]
    state = torch.get_rng_state()

    description = describe(model, (16, 16, 3))

    learned = sum(p.numel() for p in model.parameters() if p.requires_grad)
    assert description.trainable == learned <= description.parameters - frozen.numel()
    assert [m.training for m in model.modules()] == modes
    assert all(torch.equal(v, weights[k]) for k, v in model.state_dict().items())
    for parameter, gradient in zip(model.parameters(), gradients, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, atol=0, rtol=0)
    assert torch.equal(torch.get_rng_state(), state)
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())
    assert torch.is_grad_enabled()


def test_the_model_is_left_as_found_after_an_error_too() -> None:
    class Broken(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            raise RuntimeError("broken on purpose")

    model = wrap(nn.Sequential(nn.ReLU(), Broken()))
    with pytest.raises(RuntimeError, match="broken on purpose"):
        describe(model, (64, 64, 1))
    assert model.training
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


@pytest.mark.parametrize("name", ["linear", "speednet"])
def test_describing_does_not_load_the_compiler(name: str) -> None:
    """Nor symbolic shapes, a second more, which random numbers on no device would load."""
    code = (
        "import sys, torch\n"
        "from tinysight.models import build, describe\n"
        "from tinysight.recipe import Model\n"
        f"settings = Model(name='{name}')\n"
        "model = build(settings, (8, 8, 1), 2, mean=[0.5], deviation=[0.2], seed=0)\n"
        "describe(model, (8, 8, 1))\n"
        "print([m for m in ('torch._dynamo', 'sympy') if m in sys.modules])"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"


def test_the_form_of_model_json() -> None:
    values = describe(make("plain", (8, 8, 1), width=2), (8, 8, 1)).to_dict()
    assert set(values) == {
        "name",
        "note",
        "layers",
        "parameters",
        "trainable",
        "statistics",
        "flops",
    }
    assert values["name"] == "plain"
    assert values["note"] == "3 poolings, 8x8 to 1x1; flattens 8 values"
    assert values["layers"][1] == {
        "name": "net.block1.conv",
        "kind": "Conv2d",
        "output": [2, 8, 8],
        "parameters": 20,
        "flops": 2 * 8 * 8 * 2 * 9,
        "receptive_field": 3,
    }
    assert values["layers"][-1]["output"] == [10]
    assert values["layers"][-1]["receptive_field"] is None
