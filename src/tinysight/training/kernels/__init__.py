"""Own kernels for ReLU, batch norm and 2x2 maximum in a row, in training on a CPU.

torch goes over a block's map a dozen times there, these kernels three times. They are compiled
when a training starts. See docs/design/0008 for what that is worth.
"""

from __future__ import annotations

import copy
import ctypes
from collections.abc import Iterator
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from tinysight.models.keras_conventions import BatchNormBiased2d
from tinysight.training.kernels.library import LANES, MOST, PARTS, Shape, build

__all__ = ["blocks", "fused"]

LAST = torch.channels_last
Parts = tuple[nn.ReLU, nn.BatchNorm2d, nn.MaxPool2d]


def blocks(model: nn.Module) -> int:
    """Return in how many places of `model` a ReLU, a batch norm and a 2x2 maximum follow."""
    sequences = (m for m in model.modules() if type(m) is nn.Sequential)
    return sum(isinstance(part, tuple) for sequence in sequences for part in _grouped(sequence))


def fused(model: nn.Module, dtype: torch.dtype) -> nn.Module:
    """Return `model` with its blocks done by the kernels, on the same weights and statistics.

    The model itself stays as it is. What comes out is for training alone: its norms always take
    the statistics of the batch.

    Args:
        model: in training mode, on a CPU.
        dtype: of its maps, bfloat16 or float32; maps of another are left to torch.

    Raises:
        OSError, subprocess.SubprocessError: the kernels cannot be built, see `build`.
        TypeError: there are none for this `dtype`.
        ArithmeticError: they compute something else than torch.
    """
    library = build(dtype)
    _check(library, dtype)
    return _twin(model, library, dtype)


def _twin(module: nn.Module, library: ctypes.CDLL, dtype: torch.dtype) -> nn.Module:
    """`module` with its blocks replaced; modules without children are shared with it."""
    if type(module) is nn.Sequential:
        return nn.Sequential(
            *(
                _Block(part, library, dtype)
                if isinstance(part, tuple)
                else _twin(part, library, dtype)
                for part in _grouped(module)
            )
        )
    if not module._modules:
        return module
    twin = copy.copy(module)
    twin._modules = {
        name: None if part is None else _twin(part, library, dtype)
        for name, part in module._modules.items()
    }
    return twin


def _grouped(sequence: nn.Sequential) -> Iterator[nn.Module | Parts]:
    """The modules of a sequence, those of a block together."""
    modules = list(sequence)
    while modules:
        relu, norm, pool = [*modules[:3], None, None][:3]
        # By type, since a subclass may do something else.
        known = type(norm) in (nn.BatchNorm2d, BatchNormBiased2d)
        if type(relu) is nn.ReLU and known and type(pool) is nn.MaxPool2d:
            assert isinstance(norm, nn.BatchNorm2d)
            parts = relu, norm, pool
            if _fits(*parts):
                yield parts
                del modules[:3]
                continue
        yield modules.pop(0)


def _fits(relu: nn.ReLU, norm: nn.BatchNorm2d, pool: nn.MaxPool2d) -> bool:
    """Whether the kernels do what these modules do."""
    pooling = (pool.kernel_size, pool.stride, pool.padding, pool.dilation)
    return (
        pooling == (2, 2, 0, 1)
        and not (pool.ceil_mode or pool.return_indices)
        and norm.affine
        and norm.track_running_stats
        and norm.momentum is not None
        and norm.num_features % LANES == 0
        and norm.num_features <= MOST
        and all(t.dtype == torch.float32 for t in norm.state_dict().values() if t.ndim)
        and not any(part._forward_hooks or part._forward_pre_hooks for part in (relu, norm, pool))
    )


@final
class _Block(nn.Module):
    """The three modules as one."""

    def __init__(self, parts: Parts, library: ctypes.CDLL, dtype: torch.dtype) -> None:
        super().__init__()
        self.parts = nn.Sequential(*parts)
        self.norm = parts[1]
        self.library, self.dtype = library, dtype

    def forward(self, x: Tensor) -> Tensor:
        if x.dtype != self.dtype or min(x.shape[2:]) < 2:
            return self.parts(x)
        return _Function.apply(x, self.norm.weight, self.norm.bias, self.norm, self.library)


class _Function(torch.autograd.Function):
    """forward and backward of block.c on tensors, n c h w in channels-last memory."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, norm: nn.BatchNorm2d, library: Any
    ) -> Tensor:
        assert norm.num_batches_tracked is not None
        assert norm.momentum is not None
        x = x.contiguous(memory_format=LAST)
        n, c, h, w = x.shape
        y = torch.empty((n, c, h // 2, w // 2), dtype=x.dtype, memory_format=LAST)
        kept, sums = torch.empty_like(y), _sums(c)
        mean, inverse = torch.empty(2, c, dtype=torch.float32)
        shape = Shape(n, h, w, c, torch.get_num_threads())
        assert norm.running_var is not None
        before = norm.running_var.clone() if isinstance(norm, BatchNormBiased2d) else None
        library.forward(
            *map(_at, (x, kept, y, weight, bias, mean, inverse)),
            *map(_at, (norm.running_mean, norm.running_var, sums)),
            ctypes.c_float(norm.momentum),
            ctypes.c_float(norm.eps),
            ctypes.byref(shape),
        )
        norm.num_batches_tracked.add_(1)
        if isinstance(norm, BatchNormBiased2d) and before is not None:
            norm.correct(before, n * h * w)
        ctx.save_for_backward(x, kept, weight, mean, inverse)
        ctx.shape, ctx.library = shape, library
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grad_outputs: Any) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        x, kept, weight, mean, inverse = ctx.saved_tensors
        dy = grad_outputs[0].contiguous(memory_format=LAST)
        dx, dweight, dbias = map(torch.empty_like, (x, weight, weight))
        sums = _sums(len(weight))
        ctx.library.backward(
            *map(_at, (x, kept, dy, dx, weight, mean, inverse, dweight, dbias, sums)),
            ctypes.byref(ctx.shape),
        )
        return dx, dweight, dbias, None, None


def _at(tensor: Tensor | None) -> ctypes.c_void_p:
    return ctypes.c_void_p(None if tensor is None else tensor.data_ptr())


def _sums(channels: int) -> Tensor:
    return torch.empty(PARTS * 2 * channels, dtype=torch.float64)


def _check(library: ctypes.CDLL, dtype: torch.dtype) -> None:
    """Hold the kernels against torch on a small block, whose sides no window fills.

    Raises:
        ArithmeticError: they differ by more than rounding.
    """
    generator = torch.Generator().manual_seed(0)

    def some(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float32)

    parts = nn.ReLU(), nn.BatchNorm2d(LANES, dtype=torch.float32), nn.MaxPool2d(2)
    with torch.no_grad():
        parts[1].weight.copy_(some(LANES))
    x, dy = some(3, LANES, 7, 5), some(3, LANES, 3, 2)
    found = []
    for block, kind in ((_Block(parts, library, dtype), dtype), (nn.Sequential(*parts), None)):
        parts[1].zero_grad()
        parts[1].reset_running_stats()
        start = x.to(dtype).to(kind or torch.float32, copy=True).requires_grad_()
        made = block(start)
        made.backward(dy.to(dtype).to(made.dtype))
        seen = (made, start.grad, *(p.grad for p in parts[1].parameters()), *parts[1].buffers())
        found.append([t.detach().float().clone() for t in seen if t is not None])
    rough = 0.02 if dtype == torch.bfloat16 else 1e-4
    if not all(torch.allclose(a, b, rough, rough) for a, b in zip(*found, strict=True)):
        raise ArithmeticError("they compute something else than torch")
