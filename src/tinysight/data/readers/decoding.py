"""Many pictures decoded into one array for each split, of one shape for all.

The shape: `data.size` squared if it is given; else the size that all pictures have, if its longer
side is at most 96; else 32 x 32, or 64 x 64 where the median of the shorter sides is 64 or more.
Grey if every picture is grey, else RGB.
"""

from __future__ import annotations

import os
import statistics
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from tinysight.data.reading import Progress
from tinysight.errors import DataError, PictureError
from tinysight.pictures import Header, Picture, Shape, Source, fit, header, read

__all__ = ["Decoded", "Found", "Stream", "common_shape", "decode_all"]

LARGEST_NATIVE = 96
CHUNK = 64
# Two threads took 135 us a picture against 65 for one at 32x32, and 370 against 650 at 256x256:
# of a small picture most is Python's own share, and threads only wait for each other.
THREADS_PAY_FROM = 128 * 128

T = TypeVar("T")
Item = tuple[str, Source | None]
Chunk = tuple[str, int, list[Item]]


@dataclass(frozen=True)
class Stream:
    """Pictures in their order, named for messages, that can be gone through more than once."""

    n: int
    items: Callable[[], Iterable[Item]]


@dataclass
class Found:
    """What the pictures were before they were brought to one shape; counts."""

    sizes: Counter[tuple[int, int]] = field(default_factory=Counter)
    channels: Counter[int] = field(default_factory=Counter)
    modes: Counter[str] = field(default_factory=Counter)
    formats: Counter[str] = field(default_factory=Counter)
    remarks: Counter[str] = field(default_factory=Counter)
    unreadable: list[str] = field(default_factory=list)

    def add(self, picture: Header, remarks: Iterable[str] = ()) -> None:
        """Count a picture."""
        self.sizes[picture.height, picture.width] += 1
        self.channels[picture.channels] += 1
        self.modes[picture.mode] += 1
        self.formats[picture.format] += 1
        self.remarks.update(remarks)

    def merge(self, other: Found) -> None:
        """Add the counts of another."""
        for name in ("sizes", "channels", "modes", "formats", "remarks"):
            getattr(self, name).update(getattr(other, name))
        self.unreadable += other.unreadable

    def to_source(self) -> dict[str, Any]:
        """Return plain values for `DataSet.source`, the most frequent first."""
        return {
            "sizes": [
                {"height": h, "width": w, "n": n} for (h, w), n in self.sizes.most_common(20)
            ],
            "distinct_sizes": len(self.sizes),
            "modes": dict(self.modes.most_common()),
            "formats": dict(self.formats.most_common()),
            "unreadable": self.unreadable,
        }

    def notes(self, shape: Shape) -> list[str]:
        """Return what was done to the pictures, a line each."""
        said = []
        n = self.sizes.total()
        if resized := n - self.sizes[shape[:2]]:
            (h, w), _ = self.sizes.most_common(1)[0]
            sizes = f"{len(self.sizes)} sizes" if len(self.sizes) > 1 else f"{w}x{h}"
            said.append(
                f"{resized:,} of {n:,} pictures of {sizes} brought to {shape[1]}x{shape[0]} "
                "(central crop, bicubic)"
            )
        if shape[2] == 3 and (grey := self.channels[1]):
            said.append(f"{grey:,} of {n:,} pictures are grey and became RGB like the others")
        for remark, count in self.remarks.most_common():
            said.append(f"{count:,} picture{'s' * (count != 1)}: {remark}")
        if bad := len(self.unreadable):
            said.append(f"{bad:,} unreadable picture{'s' * (bad != 1)} left out")
        return said


@dataclass(frozen=True)
class Decoded:
    """For each split its images (uint8 n h w c) and their positions in the stream."""

    images: dict[str, NDArray[np.uint8]]
    positions: dict[str, NDArray[np.int64]]
    shape: Shape
    found: Found


class _OtherShapeError(Exception):
    """A picture does not have the shape that was hoped for."""


def decode_all(
    streams: Mapping[str, Stream],
    size: int | None,
    *,
    skip_bad: bool = False,
    progress: Progress | None = None,
) -> Decoded:
    """Decode all pictures of all splits to one shape, in their order.

    Raises:
        PictureError: pictures that cannot be read, the first ten named; with `skip_bad` they are
            left out.
        DataError: no picture can be read.
    """
    first = _first_readable(streams)
    height, width, channels = first.pixels.shape
    threads = min(8, os.cpu_count() or 1) if height * width >= THREADS_PAY_FROM else 1
    decoded = None
    if size or max(height, width) <= LARGEST_NATIVE:
        # Mostly all pictures are alike, and then the headers need not be read first.
        hoped = (size or height, size or width, channels)
        try:
            decoded = _decode(streams, hoped, threads, progress, same_size=size is None)
        except _OtherShapeError:
            decoded = None
    if decoded is None:
        shape = common_shape(_headers(streams, threads), size)
        decoded = _decode(streams, shape, threads, progress)
    bad = decoded.found.unreadable
    if bad and not skip_bad:
        raise PictureError(_listed(bad, sum(s.n for s in streams.values())))
    return decoded


def common_shape(headers: Counter[Shape], size: int | None = None) -> Shape:
    """Return the shape that pictures of these shapes (h, w, c; counted) are brought to.

    >>> common_shape(Counter({(28, 28, 1): 9, (40, 30, 3): 1}))
    (32, 32, 3)
    """
    channels = max(c for _, _, c in headers)
    if size:
        return size, size, channels
    sides = {(h, w) for h, w, _ in headers}
    if len(sides) == 1 and max(height_width := sides.pop()) <= LARGEST_NATIVE:
        return *height_width, channels
    median = statistics.median_low(min(h, w) for h, w, _ in headers.elements())
    side = 64 if median >= 64 else 32
    return side, side, channels


def _first_readable(streams: Mapping[str, Stream]) -> Picture:
    bad = []
    for stream in streams.values():
        for name, source in stream.items():
            try:
                return _read(name, source)
            except PictureError as error:
                bad.append(str(error))
    raise DataError(_listed(bad, len(bad)))


def _read(name: str, source: Source | None) -> Picture:
    if source is None:
        raise PictureError(f"{name} has no bytes")
    return read(source, name)


def _listed(bad: list[str], n: int) -> str:
    if len(bad) == n:
        return (
            f"none of the {n:,} pictures can be read: {'; '.join(bad[:3])}"
            f"{' …' * (n > 3)}; are they where they are looked for, and whole?"
        )
    rest = f"; and {len(bad) - 10:,} more" if len(bad) > 10 else ""
    return (
        f"{len(bad):,} of {n:,} pictures cannot be read: {'; '.join(bad[:10])}{rest}. "
        "Mend or remove them, or leave them out with skip_bad (--skip-bad)"
    )


def _decode(
    streams: Mapping[str, Stream],
    shape: Shape,
    threads: int,
    progress: Progress | None,
    *,
    same_size: bool | None = None,
) -> Decoded:
    """Decode to a shape; with `same_size` not None, only if no picture speaks against it."""
    total = sum(s.n for s in streams.values())
    images = {name: np.empty((s.n, *shape), np.uint8) for name, s in streams.items()}
    good = {name: np.ones(s.n, bool) for name, s in streams.items()}

    def work(chunk: Chunk) -> Found:
        split, start, items = chunk
        found = Found()
        if start + len(items) > streams[split].n:
            raise DataError(_unequal(start + len(items), streams[split].n))
        for i, (name, source) in enumerate(items, start):
            try:
                picture = _read(name, source)
            except PictureError as error:
                good[split][i] = False
                found.unreadable.append(str(error))
                continue
            h, w, c = picture.pixels.shape
            if same_size is not None and (c > shape[2] or (same_size and (h, w) != shape[:2])):
                raise _OtherShapeError
            images[split][i] = fit(picture.pixels, shape)
            found.add(picture.header, picture.notes)
        return found

    found, done = Found(), 0
    for (_, _, items), part in _in_order(work, _chunks(streams), threads):
        found.merge(part)
        done += len(items)
        if progress is not None:
            progress(done, total)
    if done != total:
        raise DataError(_unequal(done, total))
    for name, kept in good.items():
        if not kept.all():
            images[name] = images[name][kept]
    positions = {name: np.flatnonzero(kept) for name, kept in good.items()}
    return Decoded(images, positions, shape, found)


def _unequal(pictures: int, labels: int) -> str:
    return f"{pictures:,} pictures but {labels:,} labels; the source is damaged: fetch it again"


def _headers(streams: Mapping[str, Stream], threads: int) -> Counter[Shape]:
    def work(chunk: Chunk) -> Counter[Shape]:
        shapes: Counter[Shape] = Counter()
        for name, source in chunk[2]:
            try:
                if source is not None:
                    head = header(source, name)
                    shapes[head.height, head.width, head.channels] += 1
            except PictureError:
                continue  # decoding meets it again and reports it
        return shapes

    return sum((part for _, part in _in_order(work, _chunks(streams), threads)), Counter())


def _chunks(streams: Mapping[str, Stream]) -> Iterator[Chunk]:
    for name, stream in streams.items():
        start, items = 0, []
        for item in stream.items():
            items.append(item)
            if len(items) == CHUNK:
                yield name, start, items
                start, items = start + CHUNK, []
        if items:
            yield name, start, items


def _in_order(
    work: Callable[[Chunk], T], chunks: Iterable[Chunk], threads: int
) -> Iterator[tuple[Chunk, T]]:
    """Map, with a few chunks under way at a time so that the memory stays bounded."""
    if threads == 1:
        yield from ((chunk, work(chunk)) for chunk in chunks)
        return
    with ThreadPoolExecutor(threads) as pool:
        waiting = deque()
        for chunk in chunks:
            waiting.append((chunk, pool.submit(work, chunk)))
            if len(waiting) > 3 * threads:
                done, future = waiting.popleft()
                yield done, future.result()
        for done, future in waiting:
            yield done, future.result()
