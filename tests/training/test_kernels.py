"""Own kernels compute what torch does, where they fit, and are left where they do not."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tinysight.data.dataset import DataSet
from tinysight.models import build
from tinysight.models.keras_conventions import batch_norm
from tinysight.progress import Progress
from tinysight.recipe import Model, Optim, Recipe
from tinysight.training import plan, train
from tinysight.training.kernels import blocks, fused, library

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or not shutil.which("gcc"), reason="own kernels need Linux and gcc"
)
BF16, FP32 = torch.bfloat16, torch.float32


def block(channels: int = 16, **norm: Any) -> nn.Sequential:
    made = nn.Sequential(nn.ReLU(), nn.BatchNorm2d(channels, **norm), nn.MaxPool2d(2))
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():  # weights of both signs, so that windows keep their least value too
        for parameter in made.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    return made


def after(net: nn.Module, x: Tensor, dy: Tensor) -> list[Tensor]:
    """What a step leaves: output, gradients, statistics."""
    x = x.clone().requires_grad_()
    y = net(x)
    y.backward(dy.to(y.dtype))
    assert x.grad is not None
    grads = [p.grad for p in net.parameters() if p.grad is not None]
    return [t.detach().double() for t in (y, x.grad, *grads, *net.buffers())]


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("dtype", [BF16, FP32])
@pytest.mark.parametrize(
    "shape", [(128, 64, 16, 16), (3, 16, 7, 9), (70, 48, 2, 2), (2, 32, 3, 2), (1, 2048, 2, 5)]
)
def test_a_block_is_torchs(
    shape: tuple[int, ...], dtype: torch.dtype, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    n, c, h, w = shape
    generator = torch.Generator().manual_seed(0)
    x = (torch.randn(shape, generator=generator) + 0.5).to(dtype)
    dy = torch.randn((n, c, h // 2, w // 2), generator=generator).to(dtype)
    # Ties, which random numbers of 24 bits do not have: the first of the largest takes it all.
    x[0, :, :2, :2] = 1.0
    expected = after(block(c, momentum=0.3).double(), x.double(), dy.double())
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    found = after(fused(block(c, momentum=0.3), dtype), x, dy)
    assert len(found) == len(expected) == 7
    rough = 2**-8 if dtype == BF16 else 1e-4
    for a, b in zip(found[:2], expected[:2], strict=True):
        torch.testing.assert_close(a, b, atol=rough, rtol=rough)
    for a, b in zip(found[2:], expected[2:], strict=True):
        torch.testing.assert_close(a, b, atol=1e-3, rtol=1e-4)


@pytest.mark.parametrize("own", [True, False], ids=["kernels", "torch"])
def test_a_running_variance_in_keras_s_way_is_the_batches_own(own: bool) -> None:
    norm = batch_norm(16)
    net = nn.Sequential(nn.ReLU(), norm, nn.MaxPool2d(2))
    assert blocks(net) == 1
    x = torch.randn(3, 16, 4, 4, generator=torch.Generator().manual_seed(0))
    (fused(net, FP32) if own else net)(x)
    variance = x.relu().var((0, 2, 3), unbiased=False)
    assert norm.running_var is not None
    torch.testing.assert_close(norm.running_var, 0.99 + 0.01 * variance, rtol=1e-5, atol=1e-6)


def test_a_mean_of_a_hundred_deviations_leaves_the_statistics_right() -> None:
    """They are sums of squares, of which the squared mean is taken off."""
    generator = torch.Generator().manual_seed(0)
    x = 30 + 0.3 * torch.randn(64, 16, 8, 8, generator=generator)
    dy = torch.randn(64, 16, 4, 4, generator=generator)
    expected = after(block(momentum=1.0).double(), x.double(), dy.double())
    found = after(fused(block(momentum=1.0), FP32), x, dy)
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b, atol=2e-3, rtol=2e-3)
    # The running ones: 1.2e-4 off at most, with sums or variance in float32 8.9e-4.
    for a, b in zip(found[-3:], expected[-3:], strict=True):
        torch.testing.assert_close(a, b, atol=0, rtol=4e-4)


def test_the_number_of_threads_changes_no_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    x, dy = torch.randn(33, 32, 9, 8), torch.randn(33, 32, 4, 4)
    found = []
    for threads in (1, 2, 5):
        monkeypatch.setattr(torch, "get_num_threads", lambda threads=threads: threads)
        found.append(after(fused(block(32), FP32), x, dy))
    for others in found[1:]:
        assert all(map(torch.equal, found[0], others))


@pytest.mark.parametrize("dtype", [BF16, FP32])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_what_is_not_finite_is_seen(value: float, dtype: torch.dtype) -> None:
    x = torch.randn(4, 16, 4, 4).to(dtype)
    x[2, 3, 1, 1] = value
    dy = torch.ones(4, 16, 2, 2)
    own = fused(block(), dtype)
    for net in (block(), own):
        y, dx, *_ = after(net, x if net is own else x.float(), dy)
        broken = value != -float("inf")  # which ReLU takes to 0
        assert bool(y[:, 3].isfinite().all()) is not broken
        assert y[:, 4].isfinite().all()
        assert bool(dx[:, 3].isfinite().all()) is not broken


def test_the_model_itself_stays_as_it_is() -> None:
    model = build(Model(name="p3"), (8, 8, 3), 4, mean=[0.5] * 3, deviation=[0.2] * 3, seed=0)
    before = repr(model)
    made = fused(model.train(), FP32)
    assert blocks(model) == 3
    assert repr(made).count("_Block(") == 3
    assert repr(model) == before
    shared = {id(p) for p in model.parameters()}
    assert {id(p) for p in made.parameters()} == shared


class Lifted(nn.ReLU):
    """Does more than a ReLU."""


@pytest.mark.parametrize(
    "net",
    [
        [nn.ReLU(), nn.BatchNorm2d(12), nn.MaxPool2d(2)],
        [nn.ReLU(), nn.BatchNorm2d(2064), nn.MaxPool2d(2)],
        [nn.ReLU(), nn.BatchNorm2d(16, affine=False), nn.MaxPool2d(2)],
        [nn.ReLU(), nn.BatchNorm2d(16, track_running_stats=False), nn.MaxPool2d(2)],
        [nn.ReLU(), nn.BatchNorm2d(16, momentum=None), nn.MaxPool2d(2)],  # type: ignore[arg-type]
        [nn.ReLU(), nn.BatchNorm2d(16), nn.MaxPool2d(3)],
        [nn.ReLU(), nn.BatchNorm2d(16), nn.MaxPool2d(2, 1)],
        [nn.ReLU(), nn.BatchNorm2d(16), nn.MaxPool2d(2, padding=1)],
        [nn.ReLU(), nn.BatchNorm2d(16), nn.MaxPool2d(2, dilation=2)],
        [nn.ReLU(), nn.BatchNorm2d(16), nn.MaxPool2d(2, ceil_mode=True)],
        [nn.ReLU(), nn.BatchNorm2d(16), nn.MaxPool2d(2, return_indices=True)],
        [nn.ReLU(), nn.BatchNorm2d(16), nn.AvgPool2d(2)],
        [Lifted(), nn.BatchNorm2d(16), nn.MaxPool2d(2)],
        [nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2)],
        [nn.ReLU(), nn.BatchNorm2d(16)],
        [],
    ],
    ids=lambda parts: " ".join(map(repr, parts)) or "nothing",
)
def test_what_is_another_thing_is_left_to_torch(net: list[nn.Module]) -> None:
    assert blocks(nn.Sequential(*net)) == 0


def test_norms_of_another_format_are_left_to_torch() -> None:
    assert blocks(block().double()) == 0
    with pytest.raises(TypeError, match="kernels for bfloat16 and float32, not for torch.float16"):
        fused(block(), torch.float16)


def test_another_default_format_changes_nothing() -> None:
    x, dy = torch.randn(4, 16, 4, 4), torch.randn(4, 16, 2, 2)
    expected = after(fused(block(), FP32), x, dy)
    before, net = torch.get_default_dtype(), block()
    torch.set_default_dtype(torch.float64)
    try:
        found = after(fused(net, FP32), x, dy)
    finally:
        torch.set_default_dtype(before)
    assert all(map(torch.equal, found, expected))


def test_a_module_that_is_watched_is_left_to_torch() -> None:
    net = block()
    net[1].register_forward_hook(lambda *_: None)
    assert blocks(net) == 0


@pytest.mark.parametrize(
    ("shape", "dtype"), [((4, 16, 4, 4), torch.float64), ((4, 16, 1, 6), FP32)]
)
def test_maps_that_the_kernels_do_not_take_go_through_torch(
    shape: tuple[int, ...], dtype: torch.dtype
) -> None:
    net = block().to(dtype)
    net[2] = nn.MaxPool2d(2, ceil_mode=shape[2] == 1)
    made = fused(block().to(dtype), FP32)
    if shape[2] == 1:
        with pytest.raises(RuntimeError, match="too small"):
            made(torch.randn(shape, dtype=dtype))
    else:
        x = torch.randn(shape, dtype=dtype)
        assert torch.equal(made(x), net(x))


def test_blocks_inside_other_modules_are_found() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body, self.nothing = nn.Sequential(nn.Identity(), *block(16), nn.Flatten()), None

        def forward(self, x: Tensor) -> Tensor:
            return 2 * self.body(x)

    x, net = torch.randn(8, 16, 4, 4), nn.Sequential(Twice(), nn.Linear(64, 3))
    expected = net(x)
    assert blocks(net) == 1
    torch.testing.assert_close(fused(net, FP32)(x), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("precision", ["bf16", "fp32"])
def test_a_training_by_the_kernels_is_the_same_within_rounding(
    precision: str, toy: DataSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tinysight.machine.compilation.KERNELS_FROM", 1)
    recipe = Recipe(
        epochs=2, batch_size=16, model=Model(name="p3"), optim=Optim(name="adam", lr=1e-4)
    ).override("precision", precision)
    rows = []
    for way in ("off", "auto"):
        ready = plan(toy, recipe, device="cpu", compilation=way)
        made = train(ready, out=tmp_path / way, progress=Progress(quiet=True))
        rows.append(made.metrics()[-1])
    assert str(ready.compilation) == "own kernels: 3 blocks of ReLU, norm and maximum"
    assert made.read_json("environment")["compiled"] == "kernels"
    loss = [row["train_loss_running"] for row in rows]
    assert loss[0] != loss[1]
    assert loss[0] == pytest.approx(loss[1], rel=0.02)


def failing(*_: Any, **__: Any) -> Any:
    raise subprocess.TimeoutExpired(["gcc"], 60)


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (lambda patch: patch.setattr(library, "_run", failing), "TimeoutExpired: Command"),
        (
            lambda patch: patch.setattr(library, "FLAGS", (*library.FLAGS, "-Dload=")),
            "OSError: gcc: ",
        ),
        (
            lambda patch: patch.setattr(library, "FLAGS", (*library.FLAGS, "-Dforward=other")),
            "AttributeError: ",
        ),
        (
            lambda patch: patch.setattr(library, "FLAGS", (*library.FLAGS, "-Dsqrt=cbrt")),
            "ArithmeticError: they compute something else than torch",
        ),
    ],
    ids=["gcc does not end", "gcc fails", "not there", "wrong"],
)
def test_kernels_that_cannot_be_had_are_done_without(
    broken: Callable[[pytest.MonkeyPatch], None],
    said: str,
    toy: DataSet,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("tinysight.machine.compilation.KERNELS_FROM", 1)
    broken(monkeypatch)
    recipe = Recipe(epochs=1, batch_size=16, model=Model(name="p3"))
    ready = plan(toy, recipe, device="cpu")
    made = train(ready, out=tmp_path / "run", progress=Progress())
    assert f"it cannot be compiled and is run as it is: {said}" in capsys.readouterr().err
    found = made.read_json("environment")
    assert found["compiled"] is None
    assert found["compiled_why"].startswith(f"failed, {said}")
