"""From a run's checkpoint back to its model."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from tinysight.errors import CheckpointError
from tinysight.models import build
from tinysight.models.classifier import Classifier
from tinysight.run import RunFolder

__all__ = ["differences", "restore", "restore_with_digest", "warm_start"]


def restore(folder: RunFolder, checkpoint: str = "best") -> Classifier:
    """Return a run's model with the weights of a checkpoint ("best" or "last"), on the CPU.

    Raises:
        CheckpointError: damaged, missing, or not of this model.
    """
    return restore_with_digest(folder, checkpoint)[0]


def restore_with_digest(folder: RunFolder, checkpoint: str = "best") -> tuple[Classifier, str]:
    """Do as `restore`, and return the SHA-256 sum of the file of weights as well."""
    recipe, data = folder.recipe(), folder.data()
    h, w, c = data["shape"]
    model = build(
        recipe.model,
        (h, w, c),
        len(data["classes"]),
        mean=data["mean"],
        deviation=data["deviation"],
        seed=recipe.seed,
    )
    kept = folder.load_checkpoint(checkpoint)
    saved = kept.tensors
    found = differences(model.state_dict(), saved)
    if found:
        raise CheckpointError(
            f"the {checkpoint} checkpoint of {folder.path} does not fit "
            f"{recipe.model.name}: {'; '.join(found)}"
        )
    _check_finite(saved, checkpoint, folder)
    model.load_state_dict(saved)
    return model.eval(), kept.digest


def warm_start(model: nn.Module, folder: RunFolder) -> tuple[str, str]:
    """Copy into `model` the best weights of another run where name and shape agree.

    Normalisation statistics of the pictures stay the model's own.

    Returns:
        Which were taken, and the SHA-256 sum of the file that they came from.

    Raises:
        CheckpointError: damaged, missing, not finite, or no kernel fits.
    """
    start = folder.load_checkpoint("best")
    saved = start.tensors
    _check_finite(saved, "best", folder)
    ours = model.state_dict()
    learned = [k for k in ours if not k.startswith("normalise.")]
    fit = [k for k in learned if k in saved and saved[k].shape == ours[k].shape]
    if not any(ours[k].ndim > 1 for k in fit):
        raise CheckpointError(f"no kernel of {folder.path} fits this model")
    with torch.no_grad():
        for key in fit:
            ours[key].copy_(saved[key])
    new = [k for k in learned if k not in fit]
    rest = f"; new: {_some(new)}" if new else ""
    said = f"warm start from {folder.path}: {len(fit)} of {len(learned)} tensors{rest}"
    return said, start.digest


def _check_finite(saved: Mapping[str, Tensor], checkpoint: str, folder: RunFolder) -> None:
    """Refuse weights that are no numbers.

    Raises:
        CheckpointError: names the first tensor with such a value.
    """
    bad = [k for k, v in saved.items() if v.is_floating_point() and not v.isfinite().all()]
    if bad:
        raise CheckpointError(
            f"the {checkpoint} checkpoint of {folder.path} has values that are not finite, "
            f"first in {bad[0]}"
        )


def differences(ours: Mapping[str, Tensor], saved: Mapping[str, Tensor]) -> list[str]:
    """Return how two sets of weights differ: names, shapes, types; ten of each kind at most."""
    missing = [k for k in ours if k not in saved]
    extra = [k for k in saved if k not in ours]
    wrong = [
        f"{k} {list(saved[k].shape)} for {list(ours[k].shape)}"
        for k in ours
        if k in saved and saved[k].shape != ours[k].shape
    ]
    other = [
        f"{k} {saved[k].dtype} for {ours[k].dtype}"
        for k in ours
        if k in saved and saved[k].dtype != ours[k].dtype
    ]
    kinds = {
        "missing": missing,
        "extra": extra,
        "of another shape": wrong,
        "of another type": other,
    }
    return [f"{kind}: {_some(found)}" for kind, found in kinds.items() if found]


def _some(names: list[str]) -> str:
    more = f" and {len(names) - 10} more" if len(names) > 10 else ""
    return ", ".join(names[:10]) + more
