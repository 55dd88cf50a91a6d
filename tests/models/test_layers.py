"""The parts, each against a hand-worked case or plain arithmetic."""

from __future__ import annotations

from typing import Literal

import pytest
import torch
from torch.nn import functional as F

from tinysight.models.layers import (
    GlobalMax,
    PadShortcut,
    Scale,
    basic_block,
    conv_norm_relu,
    residual,
)


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
