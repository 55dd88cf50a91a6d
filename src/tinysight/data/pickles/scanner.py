"""The bytes of a pickle, gone through from front to back, and its errors, which say where."""

from __future__ import annotations

import re

from tinysight.errors import DataError

__all__ = ["Scanner"]


class Scanner:
    """The bytes `raw`, and the position `at` in them.

    Every method that reads raises a DataError where the bytes are damaged.

    Args:
        where: what to call it in an error.
    """

    def __init__(self, raw: bytes, where: str) -> None:
        self.raw, self.view, self.where = raw, memoryview(raw), where
        self.at = 0

    def take(self, n: int) -> bytes:
        """Return the next `n` bytes."""
        start = self.at
        self.skip(n)
        return self.raw[start : start + n]

    def skip(self, n: int) -> None:
        """Go on behind the next `n` bytes."""
        left = len(self.raw) - self.at
        if not 0 <= n <= left:
            raise self.damaged(f"{n:,} bytes are announced and {left:,} are left")
        self.at += n

    def number(self, n: int) -> int:
        """Return the next `n` bytes as a number."""
        return int.from_bytes(self.take(n), "little")

    def line(self, most: int) -> memoryview:
        """Return what comes up to the next line feed, within `most` bytes."""
        start = self.at
        end = self.raw.find(b"\n", start, start + most + 1)
        if end < 0:
            raise self.damaged("a line does not end")
        self.at = end + 1
        return self.view[start:end]

    def digits(self, pattern: bytes) -> bytes:
        """Return a line that is a number."""
        line = bytes(self.line(64))
        if not re.fullmatch(pattern, line):
            raise self.damaged("a number cannot be read")
        return line

    def decoded(self, view: memoryview, encoding: str) -> str:
        """Return the text that bytes are."""
        try:
            return str(view, encoding)
        except UnicodeDecodeError as error:
            raise self.damaged(f"text is not {error.encoding}") from None

    def damaged(self, why: str) -> DataError:
        """Return the error for bytes that no program writes."""
        return DataError(
            f"{self.where} is damaged as a pickle: {why} (byte {self.at:,} of "
            f"{len(self.raw):,}); fetch or copy it again"
        )

    def refused(self, what: str) -> DataError:
        """Return the error for a pickle that may be whole but is not read."""
        return DataError(
            f"{self.where} refused: the pickle {what}; a CIFAR batch holds byte strings, numbers, "
            "lists, dicts and one uint8 array: fetch it again from where it is published"
        )
