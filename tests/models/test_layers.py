"""The parts, each against a hand-worked case or plain arithmetic."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from tinysight.errors import ModelError
from tinysight.models import build
from tinysight.models.layers import (
    Classifier,
    GlobalMax,
    Normalise,
    PadShortcut,
    Scale,
    basic_block,
    conv_norm_relu,
    residual,
)
from tinysight.recipe import Model


def test_normalise_by_hand() -> None:
    # 51 of 255 is 0.2, 204 is 0.8: (0.2 - 0.5) / 0.25 = -1.2 and (0.8 - 0.4) / 0.5 = 0.8
    images = torch.tensor([[[[51]], [[204]]]], dtype=torch.uint8)
    out = Normalise([0.5, 0.4], [0.25, 0.5])(images)
    assert out.dtype == torch.float32
    assert out.flatten().tolist() == pytest.approx([-1.2, 0.8], abs=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("memory", [torch.contiguous_format, torch.channels_last])
def test_the_global_maximum_is_torchs_where_values_are_equal_too(
    dtype: torch.dtype, memory: torch.memory_format
) -> None:
    torch.manual_seed(0)
    maps = torch.randint(0, 4, (6, 5, 4, 3)).to(dtype).contiguous(memory_format=memory)
    weight = torch.randn(6, 5, 1, 1).to(dtype)
    results: list[list[torch.Tensor]] = []
    for layer in (GlobalMax(), torch.nn.AdaptiveMaxPool2d(1)):
        x = maps.clone().requires_grad_()
        y = layer(x)
        y.backward(weight)
        assert x.grad is not None
        results.append([y.detach(), x.grad])
    assert results[0][0].shape == (6, 5, 1, 1)
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))


def test_normalise_leaves_mean_0_and_deviation_1() -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (50, 3, 6, 5), dtype=np.uint8)
    fractions = images.astype(np.float64) / 255
    normalise = Normalise(fractions.mean((0, 2, 3)).tolist(), fractions.std((0, 2, 3)).tolist())
    out = normalise(torch.from_numpy(images)).double()
    assert torch.allclose(out.mean((0, 2, 3)), torch.zeros(3).double(), atol=1e-6)
    assert torch.allclose(out.std((0, 2, 3), correction=0), torch.ones(3).double(), atol=1e-6)


@pytest.mark.parametrize("deviation", [0.0, 1e-12, 0.003])
def test_a_constant_channel_is_centred_and_no_more(deviation: float) -> None:
    normalise = Normalise([0.2], [deviation])
    out = normalise(torch.tensor([51, 255, 0], dtype=torch.uint8).view(3, 1, 1, 1))
    assert out.flatten().tolist() == pytest.approx([0.0, 0.8, -0.2], abs=1e-6)


def test_normalise_is_exact_under_autocast() -> None:
    images = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16)
    normalise = Normalise([0.4914], [0.2470])
    with torch.autocast("cpu", torch.bfloat16):
        out = normalise(images)
        between = normalise(torch.full((1, 1, 1, 1), 200.3))  # augmented: no whole grey level
    expected = (np.arange(256) / 255 - 0.4914) / 0.2470
    assert out.dtype == torch.float32
    assert np.allclose(out.flatten().numpy(), expected, atol=1e-5)
    assert float(between) == pytest.approx((200.3 / 255 - 0.4914) / 0.2470, abs=1e-5)


def test_the_statistics_travel_with_the_weights() -> None:
    assert set(Normalise([0.5], [0.2]).state_dict()) == {"mean", "deviation"}


@pytest.mark.parametrize("shape", [(2, 1, 8, 6), (2, 3, 6, 8), (3, 8, 6), (2, 3, 8, 7)], ids=str)
def test_pictures_of_another_shape(shape: tuple[int, ...]) -> None:
    net = torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())
    model = Classifier(net, (8, 6, 3), 3, mean=[0.5] * 3, deviation=[0.2] * 3)
    assert model(torch.zeros(2, 3, 8, 6)).shape == (2, 3)
    with pytest.raises(ModelError, match=r"model custom takes pictures n 3 8 6 \(n c h w\), got "):
        model(torch.zeros(shape))


def test_statistics_of_another_number_of_channels_are_refused() -> None:
    said = "mean and deviation must have one value for each of the 3 channels, got 3 and 1"
    with pytest.raises(ModelError, match=said):
        Classifier(torch.nn.Flatten(), (8, 6, 3), 3, mean=[0.5] * 3, deviation=[0.2])


def test_scale() -> None:
    assert Scale(0.125)(torch.tensor([8.0, -1.0])).tolist() == [1.0, -0.125]


@pytest.mark.parametrize("size", [(6, 6), (7, 5)])
def test_pad_shortcut_is_every_second_pixel_and_zeros(size: tuple[int, int]) -> None:
    x = torch.rand(2, 3, *size)
    out = PadShortcut(3, 8, 2)(x)
    assert out.shape[1] == 8
    assert torch.equal(out[:, 2:5], x[:, :, ::2, ::2])
    assert not out[:, :2].any()
    assert not out[:, 5:].any()
    assert torch.equal(PadShortcut(3, 8, 1)(x)[:, 2:5], x)


def test_conv_norm_relu_is_what_it_is_called() -> None:
    block = conv_norm_relu(2, 4)
    pooled = conv_norm_relu(2, 4, pool=True)
    x = torch.randn(8, 2, 6, 6)
    for b, pool in ((block, False), (pooled, True)):
        y = F.conv2d(x, b.get_parameter("conv.weight"), padding=1)
        y = F.max_pool2d(y, 2) if pool else y
        y = (y - y.mean((0, 2, 3), keepdim=True)) / (
            y.var((0, 2, 3), keepdim=True, correction=0) + 1e-5
        ).sqrt()
        assert torch.allclose(b(x), y.clamp(min=0), atol=1e-5)
    assert [n for n, _ in pooled.named_children()] == ["conv", "pool", "norm", "relu"]
    assert not any("bias" in n for n, _ in block.get_submodule("conv").named_parameters())


def test_residual_adds_its_input() -> None:
    block = residual(4).eval()
    x = torch.randn(2, 4, 5, 5)
    first, second = block.get_submodule("body.first"), block.get_submodule("body.second")
    assert torch.allclose(block(x), x + second(first(x)))
    assert bool((block(x) < 0).any())  # no ReLU after the sum


@pytest.mark.parametrize("shortcut", ["pad", "project"])
def test_basic_block_is_relu_of_the_sum(shortcut: Literal["pad", "project"]) -> None:
    x = torch.randn(2, 4, 6, 6)
    same = basic_block(4, 4, shortcut=shortcut).eval()
    assert same.shortcut is None
    assert torch.allclose(same(x), (same.body(x) + x).clamp(min=0))
    wide = basic_block(4, 6, stride=2, shortcut=shortcut).eval()
    assert wide.shortcut is not None
    assert torch.allclose(wide(x), (wide.body(x) + wide.shortcut(x)).clamp(min=0))
    assert wide(x).shape == (2, 6, 3, 3)
    assert sum(p.numel() for p in wide.shortcut.parameters()) == (0 if shortcut == "pad" else 36)


def test_a_size_that_is_accepted_is_taken_and_no_other() -> None:
    model = build(Model(name="speednet"), (32, 32, 3), 10, mean=[0.5] * 3, deviation=[0.2] * 3,
                  seed=0).train()  # fmt: skip
    statistics = {k: v.clone() for k, v in model.state_dict().items()}
    model.accept(24, 24)
    assert model.training
    assert all(torch.equal(v, statistics[k]) for k, v in model.state_dict().items())
    assert model(torch.zeros(2, 3, 24, 24)).shape == (2, 10)
    for shape in ((2, 3, 16, 16), (2, 1, 24, 24), (2, 3, 24, 32)):
        with pytest.raises(ModelError, match="model speednet takes pictures n 3 32 32"):
            model(torch.zeros(shape))


@pytest.mark.parametrize(
    ("name", "size", "small", "said"),
    [
        ("p3", (32, 32), (24, 24), "model p3, built for pictures of 32x32, does not take those of "
         r"24x24 that the training would start on \(mat1 .*\); use augment.shrink=1"),
        ("speednet", (64, 64), (16, 16), r"of 64x64, does not take those of 16x16 .* \(.*size.*\)"),
    ],
)  # fmt: skip
def test_a_size_that_the_network_cannot_take_is_refused(
    name: str, size: tuple[int, int], small: tuple[int, int], said: str
) -> None:
    model = build(Model(name=name), (*size, 3), 10, mean=[0.5] * 3, deviation=[0.2] * 3, seed=0)
    with pytest.raises(ModelError, match=said):
        model.accept(*small)
    assert model.sizes == {size}
