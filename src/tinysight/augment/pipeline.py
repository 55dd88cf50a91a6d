"""What a recipe asks for, drawn for each picture and done to the batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor

from tinysight.augment import colour, draws, erasing, geometry, mixing, trivial
from tinysight.augment.draws import Stream
from tinysight.augment.layout import beside
from tinysight.errors import UsageError
from tinysight.recipe import Augment

__all__ = ["augment", "mix", "size_at"]

ATTEMPTS = 10  # at an erasing box that fits into the picture, as torchvision has it

Draw = Callable[..., Tensor]


def augment(
    images: Tensor,
    indices: Tensor,
    settings: Augment,
    *,
    seed: int,
    epoch: int,
    done: float = 1.0,
    mean: Sequence[float] | None = None,
) -> Tensor:
    """Return the pictures as the training sees them in this epoch.

    What happens to a picture follows from (seed, epoch, its index) and `done` alone: not from the
    batch it is in, nor the device, the threads or torch's own random state.

    Args:
        images: uint8, n c h w, 0 to 255; c of 1 or 3.
        indices: int64, n; each picture's position in the train split. Left on the CPU they cost
            a GPU no wait: the draws are made there.
        settings: what to do; mixing is left to `mix`.
        seed: of the training.
        epoch: of the training.
        done: the share of the training that is behind, on which their size depends, see `size_at`;
            1, the default, is full size.
        mean: of each channel over the train split, a fraction (0 to 1): what cutout and erasing
            put in place of the picture; None is middle grey.

    Raises:
        UsageError: pictures, indices or mean of another type or shape.

    >>> pictures = torch.zeros(2, 3, 32, 32, dtype=torch.uint8)
    >>> augment(pictures, torch.tensor([7, 4]), Augment(flip=True, crop=4), seed=0, epoch=1).shape
    torch.Size([2, 3, 32, 32])
    """
    _check(images, indices)
    draw = partial(draws.uniform, indices=indices, seed=seed, epoch=epoch)
    if settings.flip or settings.crop:
        images = _flip_crop(images, settings, draw, epoch)
    if settings.translate or settings.rotate or settings.zoom:
        images = geometry.affine(images, _motion(images, settings, draw), settings.fill)
    if settings.trivial:
        images = trivial.apply(
            images,
            (draw(Stream.TRIVIAL_OPERATION) * len(trivial.OPERATIONS)).long(),
            (draw(Stream.TRIVIAL_STRENGTH) * trivial.STRENGTHS).long(),
            draw(Stream.TRIVIAL_SIGN) < 0.5,
            settings.fill,
        )
    if settings.brightness or settings.contrast or settings.saturation or settings.hue:
        images = _jitter(images, settings, draw)
    if settings.cutout or settings.erase:
        images = erasing.cover(images, _boxes(images, settings, draw), _colour(images, mean))
    size = size_at(done, settings, *images.shape[2:])
    return images if size == images.shape[2:] else geometry.shrink(images, *size)


def size_at(done: float, settings: Augment, height: int, width: int) -> tuple[int, int]:
    """Return the height and width that pictures have once a share `done` of a training is behind.

    See `Augment.shrink`: smaller ones at first, at the end those that they came with.
    """
    if done >= settings.shrink_until:
        return height, width
    return geometry.shrunk(height, width, settings.shrink)


def mix(
    images: Tensor,
    targets: Tensor,
    indices: Tensor,
    settings: Augment,
    *,
    seed: int,
    epoch: int,
) -> tuple[Tensor, Tensor]:
    """Return the pictures and targets after mixup or cutmix, or as they are where both are off.

    Each picture is mixed with the one before it in the batch (the first with the last), so the
    result depends on the batch's order, which is itself a function of (seed, epoch). How much
    is drawn for each picture from (seed, epoch, index). With both on, each picture gets one of
    the two, evenly.

    Args:
        images: uint8, n c h w, 0 to 255; c of 1 or 3.
        targets: float, n k; each row sums to 1.
        indices: int64, n; each picture's position in the train split.
        settings: `mixup` and `cutmix` are the alpha of Beta(alpha, alpha), from which the
            picture's own share is drawn.
        seed: of the training.
        epoch: of the training.

    Raises:
        UsageError: pictures, targets or indices of another type or shape.
    """
    _check(images, indices)
    if targets.ndim != 2 or len(targets) != len(images) or not targets.is_floating_point():
        raise UsageError(
            f"mix takes targets as float n k, one row for each of {len(images)} pictures, got "
            f"{_said(targets)}; turn labels into one-hot rows first"
        )
    if not (settings.mixup or settings.cutmix):
        return images, targets
    draw = partial(draws.uniform, indices=indices, seed=seed, epoch=epoch)
    if not settings.cutmix:
        return mixing.mixup(images, targets, _share(Stream.MIXUP_SHARE, settings.mixup, draw))
    cut = mixing.cutmix(images, targets, _cutmix_boxes(images, settings, draw))
    if not settings.mixup:
        return cut
    blended = mixing.mixup(images, targets, _share(Stream.MIXUP_SHARE, settings.mixup, draw))
    at = (draw(Stream.MIX_KIND) < 0.5).nonzero()[:, 0]
    for into, other in zip(cut, blended, strict=True):
        there = beside(at, into)
        into.index_copy_(0, there, other.index_select(0, there))
    return cut


def _check(images: Tensor, indices: Tensor) -> None:
    if images.dtype != torch.uint8 or images.ndim != 4 or images.shape[1] not in (1, 3):
        raise UsageError(
            f"pictures must be uint8 n c h w with c of 1 or 3, got {_said(images)}; "
            "`n h w c` becomes it by permute(0, 3, 1, 2)"
        )
    if indices.dtype != torch.int64 or indices.shape != images.shape[:1]:
        raise UsageError(
            f"indices must be int64, one for each of {len(images)} pictures, got {_said(indices)}"
        )


def _said(tensor: Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} {list(tensor.shape)}"


def _flip_crop(images: Tensor, settings: Augment, draw: Draw, epoch: int) -> Tensor:
    mirrored = _mirrored(settings, draw, epoch) if settings.flip else None
    if not settings.crop:
        return geometry.flip_crop(images, mirrored=mirrored)
    top, left = (
        (draw(stream) * (2 * settings.crop + 1)).long() - settings.crop
        for stream in (Stream.CROP_TOP, Stream.CROP_LEFT)
    )
    return geometry.flip_crop(images, mirrored=mirrored, top=top, left=left, fill=settings.fill)


def _mirrored(settings: Augment, draw: Draw, epoch: int) -> Tensor:
    """Which pictures are mirrored in this epoch: bool, n."""
    if settings.alternate:
        return (draw(Stream.FLIP, epoch=0) < 0.5) ^ bool(epoch % 2)
    return draw(Stream.FLIP) < 0.5


def _motion(images: Tensor, settings: Augment, draw: Draw) -> Tensor:
    h, w = images.shape[2:]
    return geometry.similarity(
        right=_symmetric(draw(Stream.SHIFT_RIGHT), settings.translate * w),
        down=_symmetric(draw(Stream.SHIFT_DOWN), settings.translate * h),
        degrees=_symmetric(draw(Stream.ROTATE), settings.rotate),
        factor=1 + _symmetric(draw(Stream.ZOOM), settings.zoom),
    )


def _jitter(images: Tensor, settings: Augment, draw: Draw) -> Tensor:
    def factor(stream: Stream, strength: float) -> Tensor | None:
        return 1 + _symmetric(draw(stream), strength) if strength else None

    return colour.jitter(
        images,
        brightness=factor(Stream.BRIGHTNESS, settings.brightness),
        contrast=factor(Stream.CONTRAST, settings.contrast),
        saturation=factor(Stream.SATURATION, settings.saturation),
        hue=_symmetric(draw(Stream.HUE), settings.hue) if settings.hue else None,
    )


def _boxes(images: Tensor, settings: Augment, draw: Draw) -> Tensor:
    h, w = images.shape[2:]
    boxes = []
    if settings.cutout:
        row, column = draw(Stream.CUTOUT_ROW), draw(Stream.CUTOUT_COLUMN)
        boxes.append(erasing.cutout_boxes(row, column, settings.cutout, h, w))
    if settings.erase:
        boxes.append(_erasing_boxes(h, w, settings.erase, draw))
    return torch.stack(boxes, 1)


def _erasing_boxes(h: int, w: int, probability: float, draw: Draw) -> Tensor:
    """The first box that fits; empty where none does, or where the picture is spared."""
    pending = draw(Stream.ERASE) < probability
    found = torch.zeros(len(pending), 4, dtype=torch.int64)
    streams = (Stream.ERASE_AREA, Stream.ERASE_ASPECT, Stream.ERASE_ROW, Stream.ERASE_COLUMN)
    for attempt in range(ATTEMPTS):
        if not pending.any():
            break
        boxes, fits = erasing.erasing_boxes(
            *(draw(s, attempt=attempt) for s in streams), height=h, width=w
        )
        found = torch.where((pending & fits)[:, None], boxes, found)
        pending &= ~fits
    return found


def _colour(images: Tensor, mean: Sequence[float] | None) -> Tensor:
    channels = images.shape[1]
    values = [0.5] * channels if mean is None else [float(v) for v in mean]
    if len(values) != channels or not all(0 <= v <= 1 for v in values):
        raise UsageError(
            f"mean must be {channels} fractions of 0 to 1, one for each channel, got {values}"
        )
    return (torch.tensor(values) * 255).round().to(torch.uint8)


def _cutmix_boxes(images: Tensor, settings: Augment, draw: Draw) -> Tensor:
    h, w = images.shape[2:]
    share = _share(Stream.CUTMIX_SHARE, settings.cutmix, draw)
    return mixing.cutmix_boxes(share, draw(Stream.CUTMIX_ROW), draw(Stream.CUTMIX_COLUMN), h, w)


def _share(stream: Stream, alpha: float, draw: Draw) -> Tensor:
    return mixing.beta(draw(stream), alpha)


def _symmetric(u: Tensor, limit: float) -> Tensor:
    return (2 * u - 1) * limit
