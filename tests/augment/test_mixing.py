from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import beta as beta_distribution
from scipy.stats import kstest

from tinysight.augment import mixing
from tinysight.augment.draws import Stream, uniform


@pytest.mark.parametrize("channels", [1, 3])
def test_mixup_against_a_picture_at_a_time(noise: Any, channels: int) -> None:
    images, share = noise(n=5, c=channels), torch.tensor([0, 0.25, 0.5, 0.9, 1.0])
    targets = torch.eye(5)
    mixed, labels = mixing.mixup(images, targets, share)
    assert mixed.is_contiguous(memory_format=torch.channels_last)
    for i in range(5):
        s = share[i].item()
        blend = s * images[i].numpy().astype(float) + (1 - s) * images[i - 1].numpy()
        assert np.abs(mixed[i].numpy() - blend).max() <= 0.501
        assert torch.allclose(labels[i], s * targets[i] + (1 - s) * targets[i - 1])
    assert torch.equal(mixed[4], images[4])
    assert torch.equal(mixed[0], images[4])


@pytest.mark.parametrize("channels", [1, 3])
def test_cutmix_against_a_pixel_at_a_time(noise: Any, channels: int) -> None:
    images, targets = noise(n=5, c=channels), torch.eye(5)
    boxes = torch.tensor(
        [[0, 12, 0, 17], [3, 3, 4, 9], [-4, 5, 10, 30], [2, 7, 1, 4], [-9, -2, 0, 5]]
    )
    mixed, labels = mixing.cutmix(images, targets, boxes)
    assert mixed.is_contiguous(memory_format=torch.channels_last)
    for i, (top, bottom, left, right) in enumerate(boxes.tolist()):
        expected, covered = images[i].clone(), 0
        for y, x in np.ndindex(12, 17):
            if top <= y < bottom and left <= x < right:
                expected[:, y, x] = images[i - 1, :, y, x]
                covered += 1
        assert torch.equal(mixed[i], expected)
        share = 1 - covered / (12 * 17)
        assert torch.allclose(labels[i], share * targets[i] + (1 - share) * targets[i - 1])


def test_cutmix_boxes_by_hand() -> None:
    share, half = torch.tensor([1.0, 0.75, 0.0]), torch.full((3,), 0.5)
    boxes = mixing.cutmix_boxes(share, half, half, 32, 16)
    assert boxes.tolist() == [[16, 16, 8, 8], [8, 24, 4, 12], [0, 32, 0, 16]]


@pytest.mark.parametrize("alpha", [0.2, 1.0, 4.0])
def test_shares_are_beta_distributed(alpha: float) -> None:
    share = mixing.beta(uniform(Stream.MIXUP_SHARE, torch.arange(5000), seed=0, epoch=0), alpha)
    assert kstest(share.numpy(), beta_distribution(alpha, alpha).cdf).pvalue > 0.01


def test_targets_keep_their_sum_and_type(noise: Any) -> None:
    images = noise(n=4)
    smoothed = torch.full((4, 3), 0.1, dtype=torch.float32) + 0.7 * torch.eye(4, 3)
    share = torch.tensor([0.3, 0.6, 0.1, 0.5], dtype=torch.float64)
    for _, labels in (
        mixing.mixup(images, smoothed, share),
        mixing.cutmix(images, smoothed, torch.tensor([[0, 4, 0, 4]]).repeat(4, 1)),
    ):
        assert labels.dtype == torch.float32
        both = smoothed.sum(1) + smoothed.roll(1, 0).sum(1)
        assert (labels.sum(1) <= both).all()
        assert torch.allclose(labels[1].sum(), smoothed[1].sum())
