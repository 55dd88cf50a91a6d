"""Two pictures made one: mixup and cutmix. Picture i is mixed with its neighbour i - 1."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from tinysight.augment.erasing import covered
from tinysight.augment.layout import beside, by_picture, lines, unlined

__all__ = ["beta", "cutmix", "cutmix_boxes", "mixup"]


def beta(u: Tensor, alpha: float) -> Tensor:
    """Return the quantiles of Beta(alpha, alpha) at `u` (float64, n): a draw where u is one."""
    from scipy.special import betaincinv

    return torch.from_numpy(np.asarray(betaincinv(alpha, alpha, u.numpy())))


def mixup(images: Tensor, targets: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
    """Blend each picture with its neighbour, and the targets alike.

    Zhang et al., "mixup: beyond empirical risk minimization", ICLR 2018.

    Args:
        images: uint8, n c h w.
        targets: float, n k.
        share: n, 0 to 1; how much of the picture itself stays.
    """
    by = by_picture(share, images)
    mixed = (images * by).add_(images.roll(1, 0) * (1 - by)).round_().to(torch.uint8)
    return mixed, _blend(targets, share)


def cutmix(images: Tensor, targets: Tensor, boxes: Tensor) -> tuple[Tensor, Tensor]:
    """Put the neighbour's pixels into each picture's box, and mix the targets by their number.

    Yun et al., "CutMix: regularization strategy to train strong classifiers with localizable
    features", ICCV 2019.

    Args:
        images: uint8, n c h w.
        targets: float, n k.
        boxes: int64, n 4: top, bottom, left, right; what lies outside the picture is cut off.
    """
    c, h, w = images.shape[1:]
    top, bottom, left, right = boxes.clamp(min=0).unbind(1)
    bottom, right = bottom.clamp(max=h), right.clamp(max=w)
    area = (bottom - top).clamp(min=0) * (right - left).clamp(min=0)
    inside = covered(beside(boxes, images), h, w, c)
    rows = lines(images)
    mixed = unlined(torch.where(inside, rows.roll(1, 0), rows), c)
    return mixed, _blend(targets, 1 - area.double() / (h * w))


def cutmix_boxes(share: Tensor, row: Tensor, column: Tensor, height: int, width: int) -> Tensor:
    """Return boxes (n 4) of `1 - share` of the picture's area and of its shape, before cutting off.

    Args:
        share: float64, n, 0 to 1; how much of the picture itself stays.
        row: float64 of [0, 1), n; where in the height the box's centre stands.
        column: likewise, in the width.
        height: of the pictures.
        width: of the pictures.
    """
    side = torch.sqrt(1 - share)
    tall, wide = (side * height).long(), (side * width).long()
    top = (row * height).long() - tall // 2
    left = (column * width).long() - wide // 2
    return torch.stack([top, top + tall, left, left + wide], 1)


def _blend(targets: Tensor, share: Tensor) -> Tensor:
    by = beside(share.to(targets.dtype), targets)[:, None]
    return targets * by + targets.roll(1, 0) * (1 - by)
