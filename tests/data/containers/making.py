"""Folders, tars and zips made for tests, and how they are read."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from tinysight.data.containers import open_container
from tinysight.errors import DataError

FILES = {
    "data/b.bin": bytes(range(256)) * 40,
    "data/a.txt": b"some text",
    "data/deep/er/empty": b"",
    "top": b"x" * 1000,
}


SIZES = {name: len(raw) for name, raw in FILES.items()}


def tar_bytes(files: dict[str, bytes], kind: int = tarfile.PAX_FORMAT) -> bytes:
    return tar_of([(member(name, size=len(raw)), raw) for name, raw in files.items()], kind)


def tar_of(
    members: Iterable[tuple[tarfile.TarInfo, bytes]], kind: int = tarfile.PAX_FORMAT
) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=kind) as archive:
        for info, raw in members:
            archive.addfile(info, io.BytesIO(raw))
    return out.getvalue()


def member(name: str, **fields: object) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    for key, value in fields.items():
        setattr(info, key, value)
    return info


def zip_bytes(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, raw in files.items():
            archive.writestr(name, raw)
    return out.getvalue()


def write(path: Path, files: dict[str, bytes]) -> Path:
    for name, raw in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(raw)
    return path


def saved(path: Path, raw: bytes) -> Path:
    path.write_bytes(raw)
    return path


def refused(text: str, call: Callable[[], object]) -> None:
    with pytest.raises(DataError) as error:
        call()
    assert text in str(error.value)
    assert str(error.value).isprintable()


def read_all(path: Path, sizes: dict[str, int] | None = None) -> dict[str, bytes]:
    container = open_container(path)
    return dict(container.read(sizes or {e.name: e.size for e in container.entries()}))


def checksum(block: bytes) -> bytes:
    return b"%06o\0 " % sum(block[:148] + b" " * 8 + block[156:512])


def changed(raw: bytes, at: int, field: bytes) -> bytes:
    """A tar with a field of its first header changed, and the checksum made to fit."""
    block = bytearray(raw[:512])
    block[at : at + len(field)] = field
    block[148:156] = checksum(bytes(block))
    return bytes(block) + raw[512:]
