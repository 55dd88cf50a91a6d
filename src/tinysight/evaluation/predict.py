"""From pictures to probabilities."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.backends import cuda, cudnn

from tinysight.errors import PictureError
from tinysight.pictures import decode
from tinysight.process import Shared, holding_memory

__all__ = ["TTA", "Prediction", "device_of", "predict", "probabilities", "score"]

BATCH = 256
BATCH_OF_GPU = 2048
TTA = {
    "none": "a single view",
    "mirror": "2 views: the picture and its mirror image",
    "mirror+shift": "6 views: 3 places, each with its mirror image",
}


@dataclass(frozen=True)
class Prediction:
    """What a model says of one picture.

    Attributes:
        picture: its file name, or its place in what was given.
        top: the likeliest classes with their probabilities, highest first; empty on an error.
        notes: what was done to the picture on the way in: resized, turned, composited.
        error: why it could not be read, else None.
    """

    picture: str
    top: tuple[tuple[str, float], ...]
    notes: tuple[str, ...] = ()
    error: str | None = None


@contextmanager
def _evaluating(model: nn.Module, n: int) -> Iterator[None]:
    """Put every module into evaluation mode and cuda's arithmetic to fp32, and back as it was.

    Where `n` pictures are several batches, the second has the memory of the first.
    """
    before = {module: module.training for module in model.modules()}
    model.eval()
    try:
        with _in_fp32(), torch.inference_mode(), holding_memory() if n > BATCH else nullcontext():
            yield
    finally:
        for module, training in before.items():
            module.training = training


def _in_fp32() -> AbstractContextManager[None]:
    """Let cuda compute in fp32, where torch's default rounds convolutions to TF32's 10 bits."""
    kinds = (cudnn.conv, cuda.matmul)  # pyright: ignore[reportAttributeAccessIssue]

    def exact() -> Callable[[], None]:
        before = [kind.fp32_precision for kind in kinds]
        put(["ieee"] * len(kinds))
        return lambda: put(before)

    def put(precisions: list[Any]) -> None:
        for kind, precision in zip(kinds, precisions, strict=True):
            kind.fp32_precision = precision

    return _arithmetic.entered(exact)


_arithmetic = Shared()


def device_of(model: nn.Module) -> torch.device:
    """Return the device that the model's parameters are on; the CPU where it has none."""
    return next((p.device for p in model.parameters()), torch.device("cpu"))


def _batch(device: torch.device) -> int:
    return BATCH if device.type == "cpu" else BATCH_OF_GPU


def _logits(model: nn.Module, images: Tensor, tta: str = "none") -> Iterator[Tensor]:
    """Yield the logits of `images` (uint8, n h w c), a batch at a time, in fp32."""
    device = device_of(model)
    for part in images.split(_batch(device)):
        pictures = part.to(device).permute(0, 3, 1, 2)
        if tta == "none":
            yield model(pictures).float()
        else:
            views = [weight * model(view).float() for weight, view in _views(pictures, tta)]
            yield torch.stack(views).sum(0)


def _views(pictures: Tensor, tta: str) -> Iterator[tuple[float, Tensor]]:
    """The views of pictures (n c h w) and their weights, which sum to 1.

    As airbench has it (K. Jordan, arXiv:2404.00498, section 3.5): half of the weight is on the
    picture where it is, a quarter each on it moved by one pixel up and left, down and right.
    """
    places = [(1.0, pictures)]
    if tta == "mirror+shift":
        h, w = pictures.shape[2:]
        padded = F.pad(pictures.float(), (1, 1, 1, 1), "reflect")
        moved = [padded[:, :, :h, :w], padded[:, :, 2:, 2:]]
        places = [(0.5, pictures), *((0.25, view) for view in moved)]
    for weight, view in places:
        yield weight / 2, view
        yield weight / 2, view.flip(3)


def probabilities(
    model: nn.Module,
    images: Tensor,
    *,
    tta: str = "none",
    shown: Callable[[int, int], object] = lambda *_: None,
) -> Tensor:
    """Return the class probabilities (float32, n k, on the CPU) of `images` (uint8, n h w c).

    Computed in fp32 whatever the training used; the model's mode is left as found.

    Args:
        tta: test-time augmentation, one of TTA: over its views the logits are averaged.
        shown: told how many pictures of how many are done.
    """
    found, done = [], 0
    with _evaluating(model, len(images)):
        for part in _logits(model, images, tta):
            found.append(part.softmax(1))
            shown(done := done + len(part), len(images))
        every = torch.cat(found).cpu()
    return every.clone()


def score(
    model: nn.Module, images: Tensor, labels: Tensor, dtype: torch.dtype = torch.float32
) -> tuple[float, float]:
    """Return mean cross-entropy (nats) and accuracy on `images` (uint8, n h w c) and `labels`.

    Args:
        dtype: of the convolutions and matrix products.
    """
    device = device_of(model)
    losses, hits = [], []  # on the device until the end, so that a GPU is waited for once
    rounding = torch.autocast(device.type, dtype, dtype is not torch.float32)
    with _evaluating(model, len(images)), rounding:
        truths = labels.to(device).split(_batch(device))
        for out, truth in zip(_logits(model, images), truths, strict=True):
            losses.append(F.cross_entropy(out, truth, reduction="sum"))
            hits.append((out.argmax(1) == truth).sum())
        loss, right = (sum(torch.stack(parts).tolist()) for parts in (losses, hits))
    return loss / len(labels), right / len(labels)


def predict(
    model: nn.Module,
    pictures: Sequence[Any],
    *,
    shape: tuple[int, int, int],
    classes: tuple[str, ...],
    top: int = 5,
) -> list[Prediction]:
    """Classify pictures, each a path, bytes, a PIL image or an array (uint8, h w or h w c).

    Args:
        shape: height, width and channels that the model was trained on.
        top: how many classes to name, at most all.

    The answers are in the order of the pictures. An unreadable one gets a Prediction with its
    `error` and does not stop the others.
    """
    found: list[Prediction] = []
    for start in range(0, len(pictures), BATCH):
        part = [_read(p, i, shape) for i, p in enumerate(pictures[start : start + BATCH], start)]
        ready = [image for image, _ in part if image is not None]
        if not ready:
            found += [said for _, said in part]
            continue
        values, at = probabilities(model, torch.from_numpy(np.stack(ready))).topk(
            min(top, len(classes))
        )
        tops = iter(
            tuple((classes[k], v) for k, v in zip(row_at, row, strict=True))
            for row_at, row in zip(at.tolist(), values.tolist(), strict=True)
        )
        found += [said if said.error else replace(said, top=next(tops)) for _, said in part]
    return found


def _read(
    picture: Any, place: int, shape: tuple[int, int, int]
) -> tuple[NDArray[np.uint8] | None, Prediction]:
    """A picture as the model takes it, or None, and what there is to say of it so far."""
    name = str(picture) if isinstance(picture, str | Path) else f"picture {place}"
    try:
        image, notes = decode(picture, shape)
    except PictureError as error:
        return None, Prediction(name, (), error=str(error))
    return image, Prediction(name, (), tuple(notes))
