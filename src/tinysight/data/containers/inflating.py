"""Streams of bytes that go forward only: a gzip file unpacked on the way, or a file as it is."""

from __future__ import annotations

import os
import zlib
from typing import BinaryIO

from tinysight.errors import DataError

__all__ = ["CHUNK", "GZIP", "Inflated", "Stored"]

GZIP = b"\x1f\x8b"  # what a gzip file starts with
CHUNK = 2**18  # bytes at a time


class Inflated:
    """The content of a gzip file, unpacked as far as it is asked for and no further.

    Args:
        file: at the start of the gzip file.
        where: what to call it in an error.

    Attributes:
        position: unpacked bytes handed out so far.
    """

    def __init__(self, file: BinaryIO, where: str) -> None:
        self.position = 0
        self._file, self._where = file, where
        self._engine = zlib.decompressobj(31)
        self._raw, self._ready = b"", memoryview(b"")

    def read(self, n: int) -> bytes:
        """Return the next `n` bytes; fewer at the end alone.

        Raises:
            DataError: damaged, cut short, or the checksum at the end does not fit.
        """
        parts: list[memoryview] = []
        while n:
            if not self._ready:
                self._ready = memoryview(self._unpack(max(n, CHUNK)))
                if not self._ready:
                    break
            parts.append(self._ready[:n])
            self._ready = self._ready[n:]
            n -= len(parts[-1])
            self.position += len(parts[-1])
        return b"".join(parts)

    def skip(self, n: int) -> None:
        """Go `n` bytes on, or to the end."""
        while n and (got := len(self.read(min(n, CHUNK)))):
            n -= got

    def finish(self) -> None:
        """Make sure that nothing is left and that the checksum fits.

        Raises:
            DataError: there is more, or as `read`.
        """
        if self.read(1):
            raise DataError(
                f"{self._where} unpacks to more than the {self.position - 1:,} bytes expected; "
                "fetch or copy it again"
            )

    def _unpack(self, most: int) -> bytes:
        """Some more, at most `most` bytes; none at the end."""
        while True:
            if self._engine.eof and not self._next_member():
                return b""
            fresh = self._raw or self._file.read(CHUNK)
            try:
                out = self._engine.decompress(fresh, most)
            except zlib.error as error:
                why = str(error).rpartition(": ")[2]
                raise DataError(
                    f"{self._where} is damaged as gzip ({why}); fetch or copy it again"
                ) from None
            self._raw = self._engine.unconsumed_tail
            if out:
                return out
            if not fresh and not self._engine.eof:
                raise DataError(
                    f"{self._where} is cut short: its gzip stream stops before its end; "
                    "fetch or copy it again"
                )

    def _next_member(self) -> bool:
        """Whether another gzip stream follows; padding is passed over, and what else follows."""
        rest = self._engine.unused_data
        while not (rest := rest.lstrip(b"\0")):
            if not (rest := self._file.read(CHUNK)):
                return False
        if not rest.startswith(GZIP):
            return False
        self._engine, self._raw = zlib.decompressobj(31), rest
        return True


class Stored:
    """A file that is not packed, with the methods of Inflated."""

    def __init__(self, file: BinaryIO) -> None:
        self.position = 0
        self._file = file
        self._end = os.fstat(file.fileno()).st_size

    def read(self, n: int) -> bytes:
        """Return the next `n` bytes; fewer at the end alone."""
        raw = self._file.read(min(n, self._end - self.position))
        self.position += len(raw)
        return raw

    def skip(self, n: int) -> None:
        """Go `n` bytes on, or to the end."""
        self.position = self._file.seek(min(self.position + n, self._end))
