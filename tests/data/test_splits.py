"""Cutting: hand-worked quotas, and what must hold for any labels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinysight.data.splits import cut, quotas
from tinysight.errors import DataError


@pytest.mark.parametrize(
    ("counts", "share", "expected"),
    [
        ([5000] * 10, 0.1, [500] * 10),
        ([10, 10, 5], 0.1, [1, 1, 1]),  # 2.5 in all: rounded up
        ([14, 11, 5], 0.1, [1, 1, 1]),  # 3 in all; whole parts 1 1 0; the largest remainder is .5
        ([19, 11], 0.1, [2, 1]),  # 1.9 and 1.1
        ([2, 100], 0.9, [1, 91]),  # 92 in all: class 0 would give 1.8 but keeps one
        ([1, 10], 0.5, [0, 6]),  # 5.5: 6 in all; a single record stays
        ([0, 10], 0.2, [0, 2]),
        ([100], 0.29, [29]),  # 0.29 x 100 is 28.999999999999996 in floats
        ([7, 3], 0.01, [1, 0]),  # at least one
    ],
)
def test_quotas_by_hand(counts: list[int], share: float, expected: list[int]) -> None:
    for seed in range(20):
        assert quotas(np.array(counts), share, seed).tolist() == expected


@pytest.mark.parametrize(
    ("counts", "able"),
    [
        ([3, 3, 3], {(1, 0, 0), (0, 1, 0), (0, 0, 1)}),  # 0.9: 1 in all
        ([3, 23], {(1, 2), (0, 3)}),  # remainders of .3 both, though not in floats
        ([5, 5, 1], {(1, 0, 0), (0, 1, 0)}),  # 1.1: 1 in all; a single record stays
    ],
)
def test_equal_remainders_go_by_lot(counts: list[int], able: set[tuple[int, ...]]) -> None:
    drawn = [tuple(quotas(np.array(counts), 0.1, seed).tolist()) for seed in range(40)]
    assert set(drawn) == able
    assert drawn == [tuple(quotas(np.array(counts), 0.1, seed).tolist()) for seed in range(40)]


def test_of_many_small_classes_each_has_the_same_chance() -> None:
    drawn = np.stack([quotas(np.array([5] * 100), 0.1, seed) for seed in range(400)])
    assert (drawn.sum(axis=1) == 50).all()
    assert drawn.max() == 1
    # 200 of 400 are expected, with a deviation of 10.
    assert abs(drawn.sum(axis=0) - 200).max() < 50


def test_the_lot_is_the_same_on_every_machine_and_version() -> None:
    small = np.array([5] * 8)
    assert quotas(small, 0.1, 7).tolist() == [1, 0, 1, 0, 1, 1, 0, 0]
    assert quotas(small, 0.1, 2**70).tolist() == [0, 1, 0, 0, 0, 1, 1, 1]


labels_of = st.lists(st.integers(0, 4), min_size=1, max_size=80)


@given(labels_of, st.floats(0.01, 0.95), st.integers(0, 2**70))
def test_what_must_hold(values: list[int], share: float, seed: int) -> None:
    labels = np.array(values)
    try:
        stays, off = cut(labels, 5, share, seed)
    except DataError:
        counts = np.bincount(labels, minlength=5)
        assert np.maximum(counts - 1, 0).sum() < max(1, int(np.floor(share * len(labels) + 0.5)))
        return
    assert sorted([*stays, *off]) == list(range(len(labels)))
    assert len(off) == max(1, int(np.floor(share * len(labels) + 0.5)))
    assert set(labels[stays]) == set(values)
    assert (np.diff(stays) > 0).all()
    assert (np.diff(off) > 0).all()
    again = cut(labels, 5, share, seed)
    assert all((a == b).all() for a, b in zip((stays, off), again, strict=True))


def test_strata_are_kept_within_one_where_no_class_is_exhausted() -> None:
    labels = np.repeat(np.arange(4), [40, 33, 77, 250])
    _, off = cut(labels, 4, 0.15, 3)
    assert np.abs(np.bincount(labels[off]) - np.array([40, 33, 77, 250]) * 0.15).max() < 1


def test_the_seed_decides_and_every_place_can_be_cut() -> None:
    labels = np.zeros(20, np.int64)
    cuts = [cut(labels, 1, 0.5, seed)[1] for seed in range(40)]
    assert len({tuple(c) for c in cuts}) > 30
    assert set(np.concatenate(cuts)) == set(range(20))
    assert cut(labels, 1, 0.5, 2**32)[1].tolist() != cut(labels, 1, 0.5, 0)[1].tolist()


def test_the_cut_is_the_same_on_every_machine_and_version() -> None:
    labels = np.arange(30) % 3
    assert cut(labels, 3, 0.2, 7)[1].tolist() == [0, 2, 10, 13, 21, 29]


def test_too_few_are_refused() -> None:
    with pytest.raises(
        DataError, match=r"3 pictures of 3 classes are too few to cut 1 of them off"
    ):
        cut(np.array([0, 1, 2]), 3, 0.1, 0)
    with pytest.raises(
        DataError, match=r"a share of 0\.9\): every class must keep one; add pictures, or lower"
    ):
        cut(np.array([0, 0, 1, 1]), 2, 0.9, 0)
