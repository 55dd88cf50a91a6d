"""The number format of convolutions and matrix products, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch

from tinysight.errors import UsageError

__all__ = ["Precision", "choose_precision"]


@dataclass(frozen=True)
class Precision:
    """The format of the convolutions and matrix products, and why it was chosen."""

    name: Literal["bf16", "fp32"]
    why: str

    @property
    def dtype(self) -> torch.dtype:
        """The torch type of that name."""
        return torch.bfloat16 if self.name == "bf16" else torch.float32


def choose_precision(asked: str, device: torch.device) -> Precision:
    """Return bf16 where the device computes in it natively, else fp32; `asked` wins if it can.

    Raises:
        UsageError: bf16 was asked for on a device without any.
    """
    if asked == "fp32":
        return Precision("fp32", "asked for")
    native, why = _native_bf16(device)
    if asked == "bf16":
        if device.type == "mps":
            raise UsageError("precision=bf16 is not supported on mps; use precision=auto")
        return Precision("bf16", "asked for" if native else f"asked for, though {why}")
    return Precision("bf16" if native else "fp32", why)


def _native_bf16(device: torch.device) -> tuple[bool, str]:
    if device.type == "cuda":
        major, minor = torch.cuda.get_device_capability(device)
        # Tensor cores know bf16 since Ampere, compute capability 8.0.
        found = "has" if major >= 8 else "lacks"
        return (
            major >= 8,
            f"this GPU (compute capability {major}.{minor}) {found} bf16 tensor cores",
        )
    if device.type == "cpu":
        capabilities = torch.cpu.get_capabilities()
        for name in ("amx_bf16", "avx512_bf16"):
            if capabilities.get(name):
                return True, f"this CPU has {name}"
        return False, "this CPU has neither avx512_bf16 nor amx_bf16"
    return False, f"bf16 was not tried on {device.type}"
