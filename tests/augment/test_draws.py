from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from scipy.stats import chisquare, kstest

from tinysight.augment.draws import Stream, _draws, uniform


def splitmix64(state: int) -> int:
    """The generator as published, one step, in Python's own integers: (state, output)."""
    z = state
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) % 2**64
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) % 2**64
    return z ^ (z >> 31)


def slow_uniform(stream: int, index: int, seed: int, epoch: int, attempt: int = 0) -> float:
    golden = 0x9E3779B97F4A7C15
    key = 0
    for word in (seed, epoch, stream + attempt * 2**32):
        key = splitmix64((key + word + golden) % 2**64)
    return (splitmix64((key + (index + 1) * golden) % 2**64) >> 11) / 2**53


def test_the_generator_is_splitmix64() -> None:
    # The first outputs from state 1234567, as Rosetta Code's "Pseudo-random numbers/Splitmix64".
    published = [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]
    assert _draws(1234567, torch.arange(5)).tolist() == published


@pytest.mark.parametrize("seed", [0, 1, 2**63 - 1])
def test_a_draw_is_what_the_slow_generator_gives(seed: int) -> None:
    indices = torch.tensor([0, 1, 49_999, 2**40])
    for stream, epoch, attempt in itertools.product((Stream.FLIP, Stream.HUE), (0, 7), (0, 3)):
        found = uniform(stream, indices, seed=seed, epoch=epoch, attempt=attempt)
        assert found.dtype == torch.float64
        slow = [slow_uniform(stream, i, seed, epoch, attempt) for i in indices.tolist()]
        assert found.tolist() == slow


def test_the_streams_stay_what_they_are() -> None:
    """A new stream must not renumber an old one: every training's result depends on them."""
    assert [s.value for s in Stream] == list(range(1, 27))
    assert [s.name for s in Stream][::5] == [
        "FLIP",
        "ROTATE",
        "BRIGHTNESS",
        "CUTOUT_COLUMN",
        "ERASE_COLUMN",
        "CUTMIX_COLUMN",
    ]


def test_draws_are_even() -> None:
    indices = torch.arange(50_000)
    for stream in (Stream.FLIP, Stream.CROP_TOP, Stream.CUTMIX_COLUMN):
        u = uniform(stream, indices, seed=0, epoch=1).numpy()
        assert u.min() >= 0
        assert u.max() < 1
        assert kstest(u, "uniform").pvalue > 0.01
        assert chisquare(np.bincount((u * 100).astype(int), minlength=100)).pvalue > 0.01


def test_one_picture_is_drawn_evenly_over_the_epochs() -> None:
    index = torch.tensor([41])
    u = [uniform(Stream.FLIP, index, seed=0, epoch=e).item() for e in range(2_000)]
    assert kstest(u, "uniform").pvalue > 0.01


def test_neighbours_know_nothing_of_each_other() -> None:
    """Neighbouring indices, epochs, seeds, streams, attempts: correlation within chance."""
    n = 40_000
    indices = torch.arange(n)
    base = uniform(Stream.CROP_TOP, indices, seed=5, epoch=3)
    others = {
        "index": uniform(Stream.CROP_TOP, indices + 1, seed=5, epoch=3),
        "epoch": uniform(Stream.CROP_TOP, indices, seed=5, epoch=4),
        "seed": uniform(Stream.CROP_TOP, indices, seed=6, epoch=3),
        "seed and epoch swapped": uniform(Stream.CROP_TOP, indices, seed=3, epoch=5),
        "stream": uniform(Stream.CROP_LEFT, indices, seed=5, epoch=3),
        "attempt": uniform(Stream.CROP_TOP, indices, seed=5, epoch=3, attempt=1),
    }
    for name, other in others.items():
        correlation = np.corrcoef(base, other)[0, 1]
        # 3.5 standard deviations of the correlation of n independent pairs.
        assert abs(correlation) < 3.5 / np.sqrt(n), name
        cells = np.bincount((base * 16).long() * 16 + (other * 16).long(), minlength=256)
        assert chisquare(cells).pvalue > 1e-3, name


def test_a_draw_depends_on_its_index_alone() -> None:
    indices = torch.randperm(1000, generator=torch.Generator().manual_seed(0))
    together = uniform(Stream.HUE, indices, seed=1, epoch=2)
    alone = [uniform(Stream.HUE, i[None], seed=1, epoch=2).item() for i in indices[:50]]
    assert together[:50].tolist() == alone
    assert torch.equal(
        together[indices.argsort()], uniform(Stream.HUE, indices.sort()[0], seed=1, epoch=2)
    )
