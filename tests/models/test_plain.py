"""The networks without shortcuts: against a plain computation of the published listing."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tinysight.models import Classifier, build, describe
from tinysight.models.layers import Shuffle
from tinysight.recipe import Model


def make(name: str, shape: tuple[int, int, int] = (32, 32, 3), **options) -> Classifier:
    c = shape[2]
    settings = Model(name=name, **options)
    return build(settings, shape, 10, mean=[0.0] * c, deviation=[1.0] * c, seed=0)


def test_p3_has_the_published_number_of_parameters() -> None:
    description = describe(make("p3"), (32, 32, 3))
    assert description.parameters + description.statistics == 1_455_626
    assert description.trainable == 1_454_730


def test_p3_computes_the_published_listing() -> None:
    """Conv, ReLU, BatchNorm, MaxPool, three times; Flatten; Dense 256, 128, 10."""
    model = make("p3").eval()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):  # statistics and scales that are not neutral
            nn.init.normal_(module.weight)
            nn.init.normal_(module.bias)
            module.get_buffer("running_mean").normal_()
            module.get_buffer("running_var").uniform_(0.5, 2)
    w = {k.removeprefix("net."): v for k, v in model.state_dict().items()}
    images = torch.randint(0, 256, (3, 3, 32, 32), dtype=torch.uint8)
    x: Tensor = images / 255
    for i in (1, 2, 3):
        x = F.conv2d(x, w[f"block{i}.conv.weight"], w[f"block{i}.conv.bias"], padding=1).relu()
        mean, variance, scale, shift = (
            w[f"block{i}.norm.{n}"].view(1, -1, 1, 1)
            for n in ("running_mean", "running_var", "weight", "bias")
        )
        x = (x - mean) / (variance + 1e-3).sqrt() * scale + shift
        x = x.unfold(2, 2, 2).unfold(3, 2, 2).amax((-1, -2))
    x = x.flatten(1)
    for part in ("hidden1.dense", "hidden2.dense"):
        x = (x @ w[f"{part}.weight"].T + w[f"{part}.bias"]).relu()
    x = x @ w["head.weight"].T + w["head.bias"]
    assert torch.allclose(model(images), x, rtol=1e-3, atol=1e-4 * float(x.abs().max()))


def test_p3_norms_move_a_hundredth_a_step() -> None:
    model = make("p3").train()
    seen: list[Tensor] = []
    block = model.get_submodule("net.block1")
    block.get_submodule("relu").register_forward_hook(lambda *a: seen.append(a[2]))
    model(torch.randint(0, 256, (4, 3, 32, 32), dtype=torch.uint8))
    mean = seen[0].mean((0, 2, 3))
    assert torch.allclose(block.get_buffer("norm.running_mean"), 0.01 * mean, atol=1e-7)


def test_p3_starts_as_keras_does() -> None:
    """Glorot uniform: every weight within sqrt(6 / (fan in + fan out)), and up to it."""
    for module in make("p3").modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            area = math.prod(module.weight.shape[2:])
            limit = math.sqrt(6 / (area * (module.weight.shape[0] + module.weight.shape[1])))
            assert 0.97 * limit < module.weight.abs().max() <= limit
            assert module.bias is not None
            assert not module.bias.any()


def test_p3_drops_half_of_both_dense_layers() -> None:
    dropouts = {n: m.p for n, m in make("p3").named_modules() if isinstance(m, nn.Dropout)}
    assert dropouts == {"net.hidden1.dropout": 0.5, "net.hidden2.dropout": 0.5}
    assert not [m for m in make("p3", dropout=0).modules() if isinstance(m, nn.Dropout)]


def test_plain_by_hand() -> None:
    # 3*32*9+32 + 32*64*9+64 + 64*128*9+128 + (4*4*128)*10+10
    assert describe(make("plain"), (32, 32, 3)).parameters == 896 + 18_496 + 73_856 + 20_490
    kinds = [row.kind for row in describe(make("plain"), (32, 32, 3)).layers]
    assert kinds == ["Normalise", *["Conv2d", "ReLU", "MaxPool2d"] * 3, "Flatten", "Linear"]
    full = describe(make("plain", batchnorm=True, dropout=0.5), (32, 32, 3))
    block = ["Conv2d", "ReLU", "BatchNorm2d", "MaxPool2d"]
    kinds = [row.kind for row in full.layers]
    assert kinds == ["Normalise", *block * 3, "Flatten", "Dropout", "Linear"]


def test_plain_without_padding_by_hand() -> None:
    """32, 30, 15, 13, 6, 4, 2 pixels."""
    model = make("plain", padding="valid", width=16)
    sides = [row.output[1] for row in describe(model, (32, 32, 3)).layers if row.kind == "Conv2d"]
    assert sides == [30, 13, 4]
    assert model.note == "3 poolings, 32x32 to 2x2; flattens 256 values"
    assert make("plain", (4, 4, 1), padding="valid").note.startswith("1 of 3 poolings, 4x4 to 1x1")


def test_p0_by_hand() -> None:
    rows = describe(make("p0"), (32, 32, 3)).layers
    convs = [(row.output, row.parameters) for row in rows if row.kind == "Conv2d"]
    assert convs == [
        ((64, 32, 32), 3 * 64 * 25),
        ((128, 16, 16), 64 * 128 * 9),
        ((128, 8, 8), 128 * 128 * 9),
        ((256, 8, 8), 128 * 256 * 9),
        ((256, 8, 8), 256 * 256),
    ]
    assert [row.kind for row in rows].count("Dropout") == 4


def test_plain_pools_while_there_are_two_pixels() -> None:
    model = make("plain", (5, 40, 1))
    assert model.note == "2 of 3 poolings, 40x5 to 10x1; flattens 1,280 values"


def test_linear_is_one_matrix_over_pixels_in_c_h_w_order() -> None:
    model = make("linear", (4, 5, 3))
    weight, bias = model.get_parameter("net.head.weight"), model.get_parameter("net.head.bias")
    images = torch.randint(0, 256, (2, 4, 5, 3), dtype=torch.uint8)
    expected = torch.zeros(2, 10)
    for y in range(4):
        for x in range(5):
            for c in range(3):
                expected += images[:, y, x, c, None] / 255 * weight[:, (c * 4 + y) * 5 + x]
    assert torch.allclose(model(images.permute(0, 3, 1, 2)), expected + bias, atol=1e-5)


def test_mlp_by_hand() -> None:
    rows = describe(make("mlp", (8, 8, 1), hidden=[20, 12], dropout=0.1), (8, 8, 1)).layers
    assert [(r.kind, r.parameters) for r in rows] == [
        ("Normalise", 0),
        ("Flatten", 0),
        ("Linear", 64 * 20 + 20),
        ("ReLU", 0),
        ("Dropout", 0),
        ("Linear", 20 * 12 + 12),
        ("ReLU", 0),
        ("Dropout", 0),
        ("Linear", 12 * 10 + 10),
    ]


def test_shuffle_moves_whole_pixels_by_the_seed_alone() -> None:
    """The same order for every picture and build; the channels of a pixel stay together."""
    first, again, other = (Shuffle(4, 5, seed) for seed in (1, 1, 2))
    x = torch.arange(2 * 3 * 20, dtype=torch.float32).view(2, 3, 4, 5)
    moved = first(x)
    assert torch.equal(moved, again(x))
    assert not torch.equal(moved, other(x))
    flat, before = moved.flatten(2), x.flatten(2)
    assert torch.equal(flat.sort(2).values, before)
    assert torch.equal(flat[0, 1] - flat[0, 0], torch.full((20,), 20.0))  # of one pixel
    assert torch.equal(flat[1] - flat[0], torch.full((3, 20), 60.0))  # of all pictures alike


@pytest.mark.parametrize("name", ["linear", "mlp", "plain"])
def test_shuffled_networks_see_pixels_in_another_order(name: str) -> None:
    plain, shuffled = make(name).eval(), make(name, shuffle=1).eval()
    assert "pixels shuffled by seed 1; " in shuffled.note
    weights = {k: v for k, v in shuffled.state_dict().items() if not k.endswith("shuffle.order")}
    plain.load_state_dict(weights)
    images = torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8)
    moved = Shuffle(32, 32, 1)(images)
    assert torch.allclose(shuffled(images), plain(moved), atol=1e-4)
    assert not torch.allclose(shuffled(images), plain(images), atol=1e-2)
    assert describe(shuffled, (32, 32, 3)).parameters == describe(plain, (32, 32, 3)).parameters
