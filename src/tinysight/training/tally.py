"""The running loss and accuracy of an epoch."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["Tally"]


@dataclass
class Tally:
    """The running loss and accuracy of an epoch, kept on the device."""

    device: torch.device
    n: int = 0

    def __post_init__(self) -> None:
        self.sums = torch.zeros(2, dtype=torch.float64 if self.device.type != "mps" else None)
        self.sums = self.sums.to(self.device)

    @torch.no_grad()
    def add(self, logits: Tensor, labels: Tensor, broken: Tensor) -> None:
        """Count a batch: logits n k, labels n; `broken`, whether its loss is no number.

        From a broken one on the sums are none either.
        """
        loss = F.cross_entropy(logits.detach().float(), labels, reduction="sum")
        hits = (logits.argmax(1) == labels).sum()
        self.sums += torch.stack([loss, hits]).to(self.sums.dtype)
        self.sums.masked_fill_(broken, torch.nan)
        self.n += len(labels)

    def finite(self) -> bool:
        """Whether the loss is a number so far; on a GPU the host waits for it."""
        return bool(self.sums[0].isfinite())

    def loss(self) -> float:
        """Return the mean cross-entropy, nats."""
        return float(self.sums[0]) / self.n

    def accuracy(self) -> float:
        """Return the share of pictures that were right."""
        return float(self.sums[1]) / self.n
