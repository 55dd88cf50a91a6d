"""Many pictures to one shape: which shape, in which order, and what of the damaged ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tinysight.data.readers import decoding
from tinysight.data.readers.decoding import Decoded, Stream, common_shape, decode_all
from tinysight.errors import DataError
from tinysight.pictures import fit

Pixels = NDArray[np.uint8]


def decode(streams: Mapping[str, list[Any]], size: int | None = None, **options: Any) -> Decoded:
    ready = {
        split: Stream(
            len(items), lambda items=items: ((f"{i}.png", x) for i, x in enumerate(items))
        )
        for split, items in streams.items()
    }
    return decode_all(ready, size, **options)


@pytest.mark.parametrize(
    ("found", "size", "expected"),
    [
        ({(28, 20, 1): 5}, None, (28, 20, 1)),  # all alike
        ({(96, 90, 3): 5}, None, (96, 90, 3)),
        ({(97, 90, 3): 5}, None, (64, 64, 3)),  # too large to be kept
        ({(97, 40, 3): 5}, None, (32, 32, 3)),
        ({(28, 20, 1): 5, (28, 20, 3): 1}, None, (28, 20, 3)),  # one in colour: all RGB
        ({(63, 63, 3): 2, (300, 64, 3): 3}, None, (64, 64, 3)),  # median 64
        ({(63, 63, 3): 3, (300, 64, 3): 2}, None, (32, 32, 3)),  # median 63
        ({(28, 20, 1): 5}, 16, (16, 16, 1)),
    ],
)
def test_the_common_shape(
    found: dict[tuple[int, int, int], int], size: int | None, expected: tuple[int, int, int]
) -> None:
    assert common_shape(Counter(found), size) == expected


def test_pictures_of_one_size_keep_their_pixels(
    noise: Callable[..., Pixels], encode: Callable[..., bytes]
) -> None:
    pixels = noise(150, 12, 10, 3)
    decoded = decode({"train": [encode(x) for x in pixels[:140]], "test": [*pixels[140:]]})
    np.testing.assert_array_equal(decoded.images["train"], pixels[:140])
    np.testing.assert_array_equal(decoded.images["test"], pixels[140:])
    assert decoded.positions["train"].tolist() == list(range(140))
    assert decoded.found.notes(decoded.shape) == []
    assert decoded.found.to_source() == {
        "sizes": [{"height": 12, "width": 10, "n": 150}],
        "distinct_sizes": 1,
        "modes": {"RGB": 150},
        "formats": {"PNG": 140, "array": 10},
        "unreadable": [],
    }


@pytest.mark.parametrize("odd_one", [0, 70, 99])
def test_mixed_sizes_are_brought_to_one(
    odd_one: int, noise: Callable[..., Pixels], encode: Callable[..., bytes]
) -> None:
    pictures = [noise(12, 12, 3, seed=i) for i in range(100)]
    pictures[odd_one] = noise(40, 60, 3)
    decoded = decode({"train": [encode(x) for x in pictures]})
    assert decoded.shape == (32, 32, 3)
    for i, pixels in enumerate(pictures):
        np.testing.assert_array_equal(decoded.images["train"][i], fit(pixels, (32, 32, 3)))
    assert decoded.found.notes(decoded.shape) == [
        "100 of 100 pictures of 2 sizes brought to 32x32 (central crop, bicubic)"
    ]


def test_another_size_is_kept_to_in_every_split(noise: Callable[..., Pixels]) -> None:
    decoded = decode({"train": [*noise(5, 28, 28, 1)], "test": [*noise(5, 20, 20, 1)]}, size=16)
    assert decoded.images["test"].shape == (5, 16, 16, 1)


@pytest.mark.parametrize("size", [None, 8])
def test_one_colour_picture_makes_all_of_them_rgb(
    size: int | None, noise: Callable[..., Pixels]
) -> None:
    grey = [*noise(80, 8, 8, 1)]
    decoded = decode({"train": [*grey, noise(8, 8, 3)]}, size=size)
    assert decoded.shape == (8, 8, 3)
    np.testing.assert_array_equal(decoded.images["train"][3], grey[3].repeat(3, axis=2))
    assert decoded.found.notes(decoded.shape) == [
        "80 of 81 pictures are grey and became RGB like the others"
    ]


def test_large_pictures_go_through_threads_and_keep_their_order(
    noise: Callable[..., Pixels], encode: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoding, "CHUNK", 2)
    pictures = [noise(140, 130, 3, seed=i) for i in range(30)]
    seen: list[tuple[int, int]] = []
    decoded = decode(
        {"train": [encode(x) for x in pictures]}, progress=lambda *now: seen.append(now)
    )
    assert decoded.shape == (64, 64, 3)
    for i, pixels in enumerate(pictures):
        np.testing.assert_array_equal(decoded.images["train"][i], fit(pixels, (64, 64, 3)))
    assert seen == [(i, 30) for i in range(2, 31, 2)]


def test_unreadable_pictures_are_listed(
    noise: Callable[..., Pixels], encode: Callable[..., bytes]
) -> None:
    items: list[Any] = [encode(x) for x in noise(40, 9, 9, 3)]
    for i in range(0, 24, 2):
        items[i] = items[i][:60]
    items[1] = None
    with pytest.raises(DataError) as refused:
        decode({"train": items})
    said = str(refused.value)
    assert said.startswith("13 of 40 pictures cannot be read: 0.png is damaged or cut short")
    assert "1.png has no bytes" in said
    assert "; and 3 more. Mend or remove them, or leave them out with skip_bad (--skip-bad)" in said
    assert said.isprintable()


@pytest.mark.parametrize("first", [False, True])
def test_skip_bad_leaves_them_out_and_says_so(
    first: bool, noise: Callable[..., Pixels], encode: Callable[..., bytes]
) -> None:
    pixels = noise(5, 9, 9, 3)
    items: list[Any] = [encode(x) for x in pixels]
    bad = 0 if first else 3
    items[bad] = b"text"
    decoded = decode({"train": items}, skip_bad=True)
    kept = [i for i in range(5) if i != bad]
    assert decoded.positions["train"].tolist() == kept
    np.testing.assert_array_equal(decoded.images["train"], pixels[kept])
    assert decoded.found.notes(decoded.shape) == ["1 unreadable picture left out"]
    assert decoded.found.unreadable[0].startswith(f"{bad}.png is not a picture")


def test_nothing_readable_is_refused_even_so() -> None:
    with pytest.raises(DataError, match=r"none of the 2 pictures can be read: 0\.png is empty"):
        decode({"train": [b"", b"x"]}, skip_bad=True)


def test_what_was_done_to_pictures_is_counted(encode: Callable[..., bytes]) -> None:
    clear = np.zeros((6, 6, 4), np.uint8)
    decoded = decode({"train": [encode(clear)] * 3})
    assert decoded.found.notes(decoded.shape) == ["3 pictures: transparent: laid on white"]


@pytest.mark.parametrize("stated", [2, 5, 70, 130])
def test_more_or_fewer_pictures_than_were_stated_are_told(stated: int) -> None:
    pictures = [np.zeros((4, 4, 3), np.uint8)] * {2: 4, 5: 4, 70: 100, 130: 100}[stated]
    stream = Stream(stated, lambda: ((str(i), x) for i, x in enumerate(pictures)))
    with pytest.raises(DataError, match=rf"\d+ pictures but {stated} labels; the source is dam"):
        decode_all({"train": stream}, None)
