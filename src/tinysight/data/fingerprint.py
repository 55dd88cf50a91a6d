"""What a data set's content is, whatever the container or the order of its rows.

A record is the little-endian uint32 numbers height, width, channels, label, then the pixels
(uint8, row-major, h w c). A split's fingerprint is the sha256 of the concatenation of the sorted
32-byte sha256 digests of its records. Without labels the record has no label: that fingerprint
recognises pictures whose labels were lost or changed.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

__all__ = [
    "canonical_order",
    "combine",
    "fingerprint",
    "images_fingerprint",
    "picture_digests",
    "record_digests",
    "rows",
]

Pixels = NDArray[np.uint8] | Tensor
Labels = NDArray[np.int64] | Tensor


def record_digests(images: Pixels, labels: Labels) -> NDArray[np.uint8]:
    """Return each record's sha256: n 32, for uint8 images `n h w c`."""
    images = np.asarray(images)
    heads = [struct.pack("<4I", *images.shape[1:], label) for label in np.asarray(labels).tolist()]
    return _digests(images, heads)


def picture_digests(images: Pixels) -> NDArray[np.uint8]:
    """Return each picture's sha256, its label left out: n 32."""
    images = np.asarray(images)
    return _digests(images, [struct.pack("<3I", *images.shape[1:])] * len(images))


def _digests(images: NDArray[np.uint8], heads: list[bytes]) -> NDArray[np.uint8]:
    if images.dtype != np.uint8:
        raise TypeError(f"images must be uint8, got {images.dtype}")
    digests = bytearray()
    for head, image in zip(heads, images, strict=True):
        digests += hashlib.sha256(head + image.tobytes()).digest()
    return np.frombuffer(digests, np.uint8).reshape(len(heads), 32)


def combine(digests: NDArray[np.uint8]) -> str:
    """Return the fingerprint of the records with these digests (n 32), in any order."""
    return hashlib.sha256(digests[canonical_order(digests)].tobytes()).hexdigest()


def fingerprint(images: Pixels, labels: Labels) -> str:
    """Return the fingerprint of a split.

    >>> fingerprint(np.zeros((1, 2, 2, 1), np.uint8), np.array([0]))[:16]
    '23ec70e1980b5b83'
    """
    return combine(record_digests(images, labels))


def images_fingerprint(images: Pixels) -> str:
    """Return the fingerprint of a split's pictures alone."""
    return combine(picture_digests(images))


def canonical_order(digests: NDArray[np.uint8], names: Sequence[str] = ()) -> NDArray[np.int64]:
    """Return the positions that sort the digests (n 32); exact duplicates go by their names."""
    keys = list(np.ascontiguousarray(digests).view(">u8").T[::-1])
    if len(names):
        keys.insert(0, np.argsort(np.argsort(np.array(names, dtype=object), kind="stable")))
    return np.lexsort(keys).astype(np.int64)


def rows(digests: NDArray[np.uint8]) -> list[bytes]:
    """Return the digests (n 32) as n byte strings."""
    raw = np.ascontiguousarray(digests).tobytes()
    return [raw[i : i + 32] for i in range(0, len(raw), 32)]
