"""The headers of a tar archive: old, ustar, GNU and pax.

They are read here rather than by tarfile, which takes memory for as many bytes as an extended
header says it has, and which a header can send into an endless loop in Python 3.11.7 and its like
(CVE-2025-8194: https://github.com/python/cpython/issues/130577).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from tinysight.data.containers.inflating import Inflated, Stored
from tinysight.errors import DataError
from tinysight.pictures.formats import printable

__all__ = ["BLOCK", "DEVICE", "MAX_HEADER", "MAX_MEMBERS", "Headers", "inside", "is_header"]

BLOCK = 512
MAX_MEMBERS = 1_000_000
MAX_HEADER = 2**20  # bytes of a long name or an extended header
DEVICE = "device or the like"  # a kind of member that is skipped


class Headers:
    """The headers of a tar, one after the other.

    Args:
        where: what to call it in an error.
        most: bytes that the stream may hold; beyond it stands a bomb, and reading stops.
    """

    def __init__(self, stream: Inflated | Stored, where: str, most: int) -> None:
        self._stream, self._where, self._most = stream, where, most

    def files(self, skipped: Counter[str]) -> Iterator[tuple[str, int]]:
        """Yield name and size of every regular file.

        The stream then stands at the file's content, of which any part may be read. What is no
        regular file or has a name that leads outside is counted in `skipped`.

        Raises:
            DataError: not a tar, damaged, cut short, or out of bounds.
        """
        count = 0
        said: dict[str, Any] = {}  # by an extended header, of the member after it
        while (block := self._block(first=not count)) is not None:
            if (count := count + 1) > MAX_MEMBERS:
                raise DataError(
                    f"{self._where} has more than {MAX_MEMBERS:,} members, which are not read; "
                    "unpack it first and give the folder"
                )
            kind, size = block[156:157], self._checked(_number(block[124:136]))
            if kind in b"LKxgX":
                said |= self._extended(kind, size)
                continue
            name, size = said.get("name", _name(block)), said.get("size", size)
            said = {}
            end = self._stream.position
            if kind not in b"123456":  # those may have a size, but no content
                end += size + -size % BLOCK
            if kind in b"0\0007" and not name.endswith("/"):
                if plain := inside(name):
                    yield plain, size
                else:
                    skipped["with a name that leads outside"] += 1
            elif kind != b"5" and not name.endswith("/"):
                skipped["link" if kind in b"12" else DEVICE] += 1
            self._go_to(end)

    def finish(self) -> None:
        """Go to the stream's end, where a checksum may stand."""
        while self._stream.read(BLOCK * BLOCK):
            self._check_most(self._stream.position)

    def cut_short(self, name: str = "") -> DataError:
        """Return the error for a tar that ends too early, at a member if it has a name."""
        at = f" in {printable(name)}" if name else ""
        return DataError(
            f"{self._where} is cut short: it ends at byte {self._stream.position:,}{at}; "
            "fetch or copy it again"
        )

    def _block(self, *, first: bool) -> bytes | None:
        """The next header; None at the end."""
        at = self._stream.position
        block = self._stream.read(BLOCK)
        if block == bytes(BLOCK) or not (block or first):
            return None
        if is_header(block):
            return block
        if first:
            start = printable(block[:12].decode("latin-1"))
            raise DataError(
                f"{self._where} holds no tar archive: what is in it starts {start!r}; unpack it "
                "first and give the folder"
            )
        if len(block) < BLOCK:
            raise self.cut_short()
        raise DataError(
            f"{self._where} is damaged: no tar header at byte {at:,}; fetch or copy it again"
        )

    def _checked(self, size: int) -> int:
        """A size, if so many bytes can follow."""
        if not 0 <= size <= self._most:
            raise DataError(
                f"{self._where} has a member of {size:,} bytes by its header; 0 to {self._most:,} "
                "are expected of an archive of this size; fetch or copy it again"
            )
        return size

    def _extended(self, kind: bytes, size: int) -> dict[str, Any]:
        """What a header says of the name and the size of the member after it."""
        if size > MAX_HEADER:
            raise DataError(
                f"{self._where} has an extended header of {size:,} bytes; at most {MAX_HEADER:,} "
                "are read; fetch or copy it again"
            )
        end = self._stream.position + size + -size % BLOCK
        raw = self._stream.read(size)
        self._go_to(end)
        if kind == b"L":
            return {"name": raw.partition(b"\0")[0].decode("utf-8", "surrogateescape")}
        found: dict[str, Any] = {}
        at = 0
        while kind == b"x" and at < size:
            length, _, _ = raw[at : at + 9].partition(b" ")
            end = at + (int(length) if length.isdigit() else 0)
            key, mark, value = raw[at + len(length) + 1 : end - 1].partition(b"=")
            if not mark or raw[end - 1 : end] != b"\n":
                raise DataError(f"{self._where} is damaged: a pax header of it cannot be read")
            if key == b"path":
                found["name"] = value.decode("utf-8", "surrogateescape")
            elif key == b"size":
                whole = value.isdigit() and len(value) < 20
                found["size"] = self._checked(int(value) if whole else -1)
            at = end
        return found

    def _go_to(self, end: int) -> None:
        self._check_most(end)
        self._stream.skip(end - self._stream.position)
        if self._stream.position < end:
            raise self.cut_short()

    def _check_most(self, end: int) -> None:
        if end > self._most:
            raise DataError(
                f"{self._where} unpacks to more than {self._most:,} bytes, far more than pictures "
                "of its size do; it is not read on: fetch it again"
            )


def is_header(block: bytes) -> bool:
    """Whether 512 bytes are the header of a tar's member, by their checksum."""
    if len(block) < BLOCK:
        return False
    bare = block[:148] + b" " * 8 + block[156:]
    said, total = _number(block[148:156]), sum(bare)
    # Some old programs summed signed bytes.
    return said == total or said == total - 256 * sum(b > 127 for b in bare)


def inside(name: str) -> str | None:
    """Return a member's name without needless dots; None if it leads out of the archive."""
    plain = name.replace("\\", "/")
    parts = [part for part in plain.split("/") if part not in ("", ".")]
    outside = not parts or ".." in parts or plain.startswith("/") or ":" in parts[0]
    return None if outside else "/".join(parts)


def _name(block: bytes) -> str:
    name, prefix = (field.partition(b"\0")[0] for field in (block[:100], block[345:500]))
    if block[257:263] == b"ustar\0" and prefix:  # GNU keeps times where ustar keeps the prefix
        name = prefix + b"/" + name
    return name.decode("utf-8", "surrogateescape")


def _number(field: bytes) -> int:
    """A number of a header: octal digits, or to the base of 256 where the first bit is set."""
    if field[0] & 0x80:
        return int.from_bytes(field[1:], "big") if field[0] == 0x80 else -1
    digits = field.partition(b"\0")[0].strip()
    if digits.strip(b"01234567"):
        return -1
    return int(digits, 8) if digits else 0
