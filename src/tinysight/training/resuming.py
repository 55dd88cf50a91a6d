"""What a training carries from step to step: put away, and taken up again to the bit."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from tinysight.errors import CheckpointError
from tinysight.models.restore import differences
from tinysight.run import Checkpoint, RunFolder, Unfinished
from tinysight.run.forms import check
from tinysight.training.averaging import Average
from tinysight.training.optim import Optimiser
from tinysight.training.schedule import Plateau
from tinysight.training.tally import Tally

__all__ = ["Carried", "Standing", "standing_best", "stood"]


class Standing(BaseModel):
    """Where a training stands between two steps.

    With the tensors that it carries that is all: order, augmentation and dropout are functions of
    the recipe's seed and of the position.

    Attributes:
        epoch: how many are complete, their evaluation included.
        step: how many are done; `rate`: the learning rate of the last.
        best: validation accuracy, and the loss below zero, of the best epoch, where it is chosen.
        best_epoch, risen_epoch: 0 where there is none yet.
        seconds: in the training loop; `seconds_process`: with the starts of its processes.
        epoch_seconds, epoch_pictures: of the epoch under way.
        averaged: steps of the average.
    """

    model_config = ConfigDict(extra="forbid")

    epoch: int = Field(default=0, ge=0)
    step: int = Field(default=0, ge=0)
    rate: float = 0.0
    best: tuple[float, float] | None = None
    best_epoch: int = 0
    risen_epoch: int = 0
    seconds: float = 0.0
    seconds_process: float | None = 0.0
    epoch_seconds: float = 0.0
    epoch_pictures: int = 0
    averaged: int = 0
    plateau_factor: float = 1.0
    plateau_best: float | None = None
    plateau_waited: int = 0


@dataclass
class Carried:
    """The parts of a training that its steps change.

    Attributes:
        model: as it is trained; what is measured and saved is its average, where there is one.
    """

    model: nn.Module
    average: Average | None
    optimizer: Optimiser
    plateau: Plateau

    @property
    def measured(self) -> nn.Module:
        """The model that is measured and saved."""
        return self.average.model if self.average else self.model

    def finite(self) -> bool:
        """Say whether all that is carried is numbers."""
        return _finite([*self.measured.state_dict().values(), *self._others().values()])

    def standing(self, now: Standing, tally: Tally) -> Standing:
        """Return where the training stands, with what the parts have counted."""
        best = self.plateau.best
        return now.model_copy(
            update={
                "epoch_pictures": tally.n,
                "averaged": self.average.steps if self.average else 0,
                "plateau_factor": self.plateau.factor,
                "plateau_best": best if math.isfinite(best) else None,
                "plateau_waited": self.plateau.waited,
            }
        )

    def put_away(self, standing: Standing, tally: Tally) -> Unfinished:
        """Return what, beside the weights that are measured, the next step depends on."""
        return Unfinished(self._others() | {"tally": tally.sums}, standing.model_dump(mode="json"))

    def take_up(self, found: Checkpoint, tally: Tally, folder: RunFolder) -> Standing:
        """Take up what was put away; return where the training stood.

        Raises:
            CheckpointError: it is of another model or optimiser, or not finite.
        """
        now = stood(found, folder)
        training = found.training.tensors if found.training else {}
        ours = self.measured.state_dict() | {f"training {k}": v for k, v in self._others().items()}
        ours["training tally"] = tally.sums
        saved = found.tensors | {f"training {k}": v for k, v in training.items()}
        if unlike := differences(ours, saved):
            raise CheckpointError(
                f"the last checkpoint of {folder.path} does not fit its recipe: {'; '.join(unlike)}"
            )
        if not _finite(saved.values()):
            raise CheckpointError(f"the last checkpoint of {folder.path} has values not finite")
        with torch.no_grad():
            for name, tensor in ours.items():
                tensor.copy_(saved[name])
        tally.n = now.epoch_pictures
        if self.average:
            self.average.steps = now.averaged
        self.plateau.factor, self.plateau.waited = now.plateau_factor, now.plateau_waited
        self.plateau.best = math.inf if now.plateau_best is None else now.plateau_best
        return now

    def _others(self) -> dict[str, Tensor]:
        """The tensors that are carried beside those of the measured model."""
        found = {f"optim.{name}": tensor for name, tensor in self.optimizer.tensors().items()}
        if self.average:
            found |= {f"model.{name}": tensor for name, tensor in self.model.state_dict().items()}
        return found


def stood(found: Checkpoint, folder: RunFolder) -> Standing:
    """Return where a training stood when its checkpoint was written.

    Raises:
        CheckpointError: it was written without, or that is damaged.
    """
    if found.training is None:
        raise CheckpointError(f"{folder.path} has weights alone, and cannot be gone on from")
    check(folder.path / "checkpoints" / "last.json", found.training.numbers, Standing)
    return Standing(**found.training.numbers)


def standing_best(
    folder: RunFolder, now: Standing, warn: Callable[[str], object]
) -> tuple[float, float] | None:
    """Return how the best checkpoint scored, where it is not the best that `now` knows of.

    That happens where it is gone on from an earlier epoch than it is of: it stays unless it is
    beaten or equalled, as it is by the same epoch done again. Where it is lost, `now` has no best.

    Args:
        warn: is told.
    """
    if not now.best_epoch and not folder.has_json("checkpoints/best"):
        return None
    found = folder.state("best") if folder.has_json("checkpoints/best") else {}
    epoch, accuracy, loss = (
        found.get(key) for key in ("epoch", "validation_accuracy", "validation_loss")
    )
    if epoch == now.best_epoch:
        return None
    if accuracy is not None and loss is not None:
        warn(f"the best so far is of epoch {epoch}, before it went back; it is kept until beaten")
        return accuracy, -loss
    if now.best_epoch:
        warn(
            f"the weights of epoch {now.best_epoch}, the best so far, are lost; it is chosen anew "
            "among the epochs to come"
        )
    now.best, now.best_epoch = None, 0
    return None


def _finite(tensors: Iterable[Tensor]) -> bool:
    return all(bool(t.isfinite().all()) for t in tensors if t.is_floating_point())
