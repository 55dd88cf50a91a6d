"""Fingerprints against the words of their definition, one record at a time."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
import torch

from tinysight.data.fingerprint import (
    canonical_order,
    combine,
    fingerprint,
    images_fingerprint,
    picture_digests,
    record_digests,
    rows,
)


def by_the_words(images: np.ndarray, labels: list[int] | None) -> str:
    digests = []
    for i, picture in enumerate(images):
        numbers = [*picture.shape, *([] if labels is None else [labels[i]])]
        record = b"".join(int(v).to_bytes(4, "little") for v in numbers)
        for row in picture:
            for pixel in row:
                record += bytes(pixel.tolist())
        digests.append(hashlib.sha256(record).digest())
    return hashlib.sha256(b"".join(sorted(digests))).hexdigest()


@pytest.mark.parametrize("shape", [(9, 5, 4, 3), (9, 4, 5, 1)])
def test_the_fingerprint_is_what_it_says(shape: tuple[int, ...]) -> None:
    images = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    labels = np.arange(9) * 30
    assert fingerprint(images, labels) == by_the_words(images, labels.tolist())
    assert images_fingerprint(images) == by_the_words(images, None)
    assert fingerprint(torch.from_numpy(images), torch.from_numpy(labels)) == fingerprint(
        images, labels
    )


def test_the_order_of_the_rows_and_the_memory_layout_do_not_matter() -> None:
    images = np.random.default_rng(1).integers(0, 256, (20, 6, 6, 3), dtype=np.uint8)
    labels = np.arange(20) % 3
    mixed = np.random.default_rng(2).permutation(20)
    channels_last = np.ascontiguousarray(images.transpose(0, 3, 1, 2)).transpose(0, 2, 3, 1)
    assert fingerprint(images[mixed], labels[mixed]) == fingerprint(images, labels)
    assert fingerprint(channels_last, labels) == fingerprint(images, labels)


def test_one_pixel_and_one_label_matter() -> None:
    images = np.zeros((3, 4, 4, 1), np.uint8)
    labels = np.zeros(3, np.int64)
    other = images.copy()
    other[1, 2, 3] = 1
    assert fingerprint(other, labels) != fingerprint(images, labels)
    assert fingerprint(images, np.array([0, 1, 0])) != fingerprint(images, labels)
    assert fingerprint(images.reshape(3, 2, 8, 1), labels) != fingerprint(images, labels)


def test_the_canonical_order_is_that_of_the_digests_as_bytes() -> None:
    images = np.random.default_rng(3).integers(0, 256, (50, 3, 3, 1), dtype=np.uint8)
    digests = record_digests(images, np.zeros(50, np.int64))
    order = canonical_order(digests)
    assert rows(digests[order]) == sorted(rows(digests))
    assert combine(digests) == hashlib.sha256(b"".join(sorted(rows(digests)))).hexdigest()


def test_a_zero_byte_is_a_byte_like_others() -> None:
    digests = np.zeros((3, 32), np.uint8)
    digests[0, 31], digests[1, 0] = 1, 255
    assert canonical_order(digests).tolist() == [2, 0, 1]


def test_exact_duplicates_go_by_their_names() -> None:
    digests = np.repeat(picture_digests(np.zeros((1, 2, 2, 1), np.uint8)), 3, axis=0)
    assert canonical_order(digests, ["c", "a", "b"]).tolist() == [1, 2, 0]
    assert canonical_order(digests).tolist() == [0, 1, 2]
    digests[1, 0] ^= 0x80  # another record: then its name plays no part
    first = int(digests[1, 0]) < int(digests[0, 0])
    for names in (["c", "a", "b"], ["c", "z", "b"]):
        assert canonical_order(digests, names).tolist() == ([1, 2, 0] if first else [2, 0, 1])


def test_only_uint8_has_a_fingerprint() -> None:
    with pytest.raises(TypeError, match="images must be uint8, got float64"):
        images_fingerprint(np.zeros((1, 2, 2, 1)))  # pyright: ignore[reportArgumentType]
