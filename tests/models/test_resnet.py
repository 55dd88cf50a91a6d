"""The residual networks: published sizes, and how they fit themselves to a picture."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from tinysight.errors import RecipeError
from tinysight.models import Classifier, build, describe
from tinysight.recipe import Model


def make(name: str, shape: tuple[int, int, int] = (32, 32, 3), **options) -> Classifier:
    c = shape[2]
    settings = Model(name=name, **options)
    return build(settings, shape, 10, mean=[0.5] * c, deviation=[0.25] * c, seed=0)


@pytest.mark.parametrize(
    ("depth", "published"),
    # He et al. (2016), table 6, in millions
    [(20, 0.27), (32, 0.46), (44, 0.66), (56, 0.85), (110, 1.7)],
)
def test_resnet_has_the_published_size(depth: int, published: float) -> None:
    model = make("resnet", depth=depth)
    millions = sum(p.numel() for p in model.parameters()) / 1e6
    assert millions == pytest.approx(published, rel=0.02)
    weighted = [m for m in model.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    assert len(weighted) == depth


def test_resnet20_to_the_last_parameter() -> None:
    assert sum(p.numel() for p in make("resnet", depth=20).parameters()) == 269_722


def test_resnet18_to_the_last_parameter() -> None:
    assert sum(p.numel() for p in make("resnet18").parameters()) == 11_173_962


def test_resnet9_layer_by_layer() -> None:
    model = make("resnet9")
    assert sum(p.numel() for p in model.parameters()) == 1_867_552
    ends = ("conv", "pool", "head")
    rows = [r for r in describe(model, (32, 32, 3)).layers if r.name.endswith(ends)]
    assert [(r.name.removeprefix("net."), r.output) for r in rows] == [
        ("stem.conv", (32, 32, 32)),
        ("stem.pool", (32, 16, 16)),
        ("conv1.conv", (64, 16, 16)),
        ("conv2.conv", (128, 16, 16)),
        ("conv2.pool", (128, 8, 8)),
        ("residual2.body.first.conv", (128, 8, 8)),
        ("residual2.body.second.conv", (128, 8, 8)),
        ("conv3.conv", (256, 8, 8)),
        ("conv3.pool", (256, 4, 4)),
        ("residual3.body.first.conv", (256, 4, 4)),
        ("residual3.body.second.conv", (256, 4, 4)),
        ("pool", (256, 1, 1)),
        ("head", (10,)),
    ]
    assert make("resnet9", width=8).get_parameter("net.head.weight").shape == (10, 64)


def test_p2_by_hand() -> None:
    """Stem; three blocks that widen, with 1x1 shortcuts, after poolings; one dense layer."""
    stem = 3 * 48 * 9 + 2 * 48
    blocks = sum(
        9 * a * b + 2 * b + 9 * b * b + 2 * b + a * b + 2 * b
        for a, b in ((48, 96), (96, 192), (192, 384))
    )
    dense = 4 * 4 * 384 * 10 + 10
    found = describe(make("p2"), (32, 32, 3))
    assert found.parameters == stem + blocks + dense
    assert make("p2").note.endswith("3 poolings, to 4x4; flattens 6,144 values")
    assert describe(make("p2", depth=2), (32, 32, 3)).parameters > found.parameters


def test_resnet9_scales_its_logits() -> None:
    images = torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8)
    eighth, double = make("resnet9", width=8).eval(), make("resnet9", width=8, scale=2).eval()
    maps: list[torch.Tensor] = []
    eighth.get_submodule("net.residual3").register_forward_hook(lambda *a: maps.append(a[2]))
    logits = eighth(images)
    raw = maps[0].amax((2, 3)) @ eighth.get_parameter("net.head.weight").T
    assert torch.allclose(logits, raw / 8, atol=1e-6)
    assert torch.allclose(double(images), logits * 16, atol=1e-5)


@pytest.mark.parametrize("name", ["resnet", "resnet18"])
def test_convolutions_start_with_variance_two_over_fan_out(name: str) -> None:
    for module in make(name, width=32).modules():
        if isinstance(module, nn.Conv2d) and module.weight.numel() > 4_000:
            fan_out = module.weight.shape[0] * math.prod(module.weight.shape[2:])
            assert float(module.weight.detach().std()) == pytest.approx(
                math.sqrt(2 / fan_out), rel=0.05
            )


@pytest.mark.parametrize(
    ("name", "shape", "note"),
    [
        ("resnet9", (32, 32, 3), "stem 3x3, stride 1, for 32x32 pictures; 3 poolings, to 4x4"),
        ("resnet9", (28, 28, 1), "stem 3x3, stride 1, for 28x28 pictures; 3 poolings, to 3x3"),
        ("resnet9", (40, 40, 3), "stem 3x3, stride 1, for 40x40 pictures; 3 poolings, to 5x5"),
        ("resnet9", (41, 41, 3), "stem 3x3, stride 2, for 41x41 pictures; 2 of 3 poolings, to 5x5"),
        ("resnet9", (64, 64, 3), "stem 3x3, stride 2, for 64x64 pictures; 3 poolings, to 4x4"),
        ("resnet9", (12, 12, 3), "stem 3x3, stride 1, for 12x12 pictures; 2 of 3 poolings, to 3x3"),
        ("resnet9", (8, 8, 1), "stem 3x3, stride 1, for 8x8 pictures; 1 of 3 poolings, to 4x4"),
        ("resnet9", (4, 4, 1), "stem 3x3, stride 1, for 4x4 pictures; 0 of 3 poolings, to 4x4"),
        ("resnet9", (24, 40, 3), "stem 3x3, stride 1, for 40x24 pictures; 3 poolings, to 5x3"),
        (
            "resnet9",
            (100, 5, 3),
            "stem 3x3, stride 2, for 5x100 pictures; 0 of 3 poolings, to 3x50",
        ),
        (
            "resnet18",
            (32, 32, 3),
            "stem 3x3, stride 1, for 32x32 pictures; stages at 32x32, 16x16, 8x8, 4x4 (3 halvings)",
        ),
        (
            "resnet",
            (100, 100, 3),
            "stem 3x3, stride 4 in 2 steps, for 100x100 pictures; "
            "stages at 25x25, 13x13, 7x7 (2 halvings)",
        ),
        (
            "resnet",
            (8, 8, 1),
            "stem 3x3, stride 1, for 8x8 pictures; stages at 8x8, 8x8, 4x4 (1 of 2 halvings)",
        ),
    ],
)
def test_the_net_fits_itself_to_the_picture_and_says_so(name: str, shape, note: str) -> None:
    model = make(name, shape, width=16)
    assert model.note == note
    maps = [
        r.output[1:] for r in describe(model, shape).layers if r.receptive_field and r.output[2:]
    ]
    assert f"{maps[-1][1]}x{maps[-1][0]}" in note.split(";")[1]


NARROW = {"resnet9": 1, "resnet": 1, "resnet18": 16}


@pytest.mark.parametrize("name", ["resnet9", "resnet", "resnet18"])
def test_the_trunk_never_works_above_40_pixels_nor_ends_below_3(name: str) -> None:
    for side in [*range(3, 70), 96, 128, 224]:
        layers = describe(make(name, (side, side, 1), width=NARROW[name]), (side, side, 1)).layers
        maps = [r for r in layers if r.receptive_field and r.output[2:]]
        trunk = [r for r in maps if "stem" not in r.name and "reduce" not in r.name]
        assert max(r.output[1] for r in trunk[1:]) <= 40, side
        assert trunk[-1].output[1] >= 3, side


def test_resnet18_refuses_widths_that_crash_torch() -> None:
    """See ProjectedWidth: with 8 or 12 channels the backward pass ends the process."""
    with pytest.raises(RecipeError, match="model.width must be greater than or equal to 16, got 8"):
        make("resnet18", width=8)


def test_without_shortcuts_it_is_the_plain_network_of_the_paper() -> None:
    """The same parameters; a block is its own layers and ReLU, with nothing added."""
    residual, plain = (
        make("resnet", depth=8).eval(),
        make("resnet", depth=8, shortcuts=False).eval(),
    )
    assert list(plain.state_dict()) == list(residual.state_dict())
    plain.load_state_dict(residual.state_dict())
    images = torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8)
    assert not torch.allclose(plain(images), residual(images), atol=1e-3)
    net = dict(plain.net.named_children())
    x = net["stem"](plain.normalise(images))
    for number in (1, 2, 3):
        for block in net[f"stage{number}"].children():
            x = dict(block.named_children())["body"](x).relu()
    assert torch.allclose(net["head"](x.mean((2, 3))), plain(images), atol=1e-5)
