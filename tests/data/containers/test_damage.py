"""Containers that are cut, damaged, of a kind that is not read, or none."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import lzma
import os
import tarfile
import tempfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.data.containers.making import (
    FILES,
    member,
    read_all,
    refused,
    saved,
    tar_bytes,
    tar_of,
    zip_bytes,
)
from tests.data.mutants import mutants

from tinysight.data.containers import open_container
from tinysight.errors import DataError


@pytest.mark.parametrize(
    "record",
    [
        b"11 path=a\n",
        b"9 path=ab\n",
        b"0 path=a\n",
        b"path=a\n",
        b"99999999 path=a\n",
        b"-9 path=a\n",
        b"9 path~a\n",
        b" " * 40,
    ],
)
def test_a_pax_header_that_is_none(record: bytes, tmp_path: Path) -> None:
    info = member("pax", type=b"x", size=len(record))
    head = info.tobuf(tarfile.USTAR_FORMAT) + record.ljust(512, b"\0")
    raw = head + tar_bytes({"a": b"1"})
    refused(
        "is damaged: a pax header of it cannot be read",
        lambda: read_all(saved(tmp_path / "x", raw)),
    )


def test_a_name_that_is_there_twice(tmp_path: Path) -> None:
    pair = [(member("a", size=1), b"1"), (member("./a", size=1), b"2")]
    refused(
        "holds a twice; it cannot be told which is meant",
        lambda: read_all(saved(tmp_path / "x", tar_of(pair))),
    )


def test_a_flipped_byte_of_a_gzip(tmp_path: Path) -> None:
    raw = gzip.compress(tar_bytes({"a": os.urandom(5000)}))
    for at, text in (
        (len(raw) // 2, "is damaged as gzip ("),
        (len(raw) - 6, "(incorrect data check)"),
    ):
        flipped = bytearray(raw)
        flipped[at] ^= 0x55
        refused(text, lambda f=flipped: read_all(saved(tmp_path / "x", bytes(f))))
    # Before the wanted member is through, or long after it.
    refused("is damaged as gzip (", lambda: read_all(tmp_path / "x", {"a": 5000}))


def test_a_cut_gzip(tmp_path: Path) -> None:
    raw = gzip.compress(tar_bytes({"a": os.urandom(5000)}))
    for cut in (30, len(raw) // 2, len(raw) - 20, len(raw) - 1):
        refused(
            "is cut short: its gzip stream stops before its end; fetch",
            lambda c=cut: read_all(saved(tmp_path / "x", raw[:c])),
        )


def test_a_damaged_header(tmp_path: Path) -> None:
    raw = bytearray(tar_bytes({"a": b"1", "b": b"2"}))
    raw[1024] ^= 1
    refused(
        "x is damaged: no tar header at byte 1,024; fetch",
        lambda: read_all(saved(tmp_path / "x", bytes(raw))),
    )


@pytest.mark.parametrize("content", [b"", b"just text", b"<html>" + b"x" * 600])
def test_a_gzip_that_is_no_tar(content: bytes, tmp_path: Path) -> None:
    refused(
        "x.gz holds no tar archive: what is in it starts",
        lambda: read_all(saved(tmp_path / "x.gz", gzip.compress(content))),
    )


def test_a_damaged_zip(tmp_path: Path) -> None:
    raw = zip_bytes(FILES)
    refused(
        "x is damaged as zip (File is not a zip file)",
        lambda: read_all(saved(tmp_path / "x", raw[:-30])),
    )
    flipped = bytearray(raw)
    flipped[raw.index(b"data/b.bin") + 20] ^= 0x55
    refused(
        "x: data/b.bin is damaged as zip (", lambda: read_all(saved(tmp_path / "x", bytes(flipped)))
    )


def test_zips_that_are_not_read(tmp_path: Path) -> None:
    refused(
        "x: a is packed by method 12; stored and deflated",
        lambda: read_all(saved(tmp_path / "x", zip_bytes({"a": b"1"}, zipfile.ZIP_BZIP2))),
    )
    raw = bytearray(zip_bytes({"a": b"1"}))
    raw[raw.index(b"PK\1\2") + 8] |= 1
    refused(
        "x: a is encrypted; unpack it first and give the folder",
        lambda: read_all(saved(tmp_path / "x", bytes(raw))),
    )


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        (
            "cifar.tar.gz",
            b"\n<html><head>Sign in</head>",
            "cifar.tar.gz starts with '<html', not gzip: a web page was saved in its place",
        ),
        ("cifar.zip", b"\xef\xbb\xbf<!DOCTYPE html>", "starts with '<!DOC', not zip: a web page"),
        ("cifar", b"<HTML>", "starts with '<HTML', not gzip, tar or zip: a web page"),
        (
            "cifar.tar",
            b"hello\x1b[31m",
            "starts with 'hello\\x1b[31m', not tar: no archive",
        ),
        ("cifar.tar", b"", "cifar.tar is empty (0 bytes); fetch or copy it again"),
        (
            "x",
            b"version https://git-lfs.github.com/spec/v1\noid",
            "x is a Git LFS pointer, not the file",
        ),
        ("x.tar.xz", lzma.compress(b"1"), "x.tar.xz is xz, which is not read; unpack it first"),
        ("x.tar.bz2", bz2.compress(b"1"), "is bzip2, which is not read; unpack it first"),
    ],
)
def test_what_is_no_container(name: str, content: bytes, text: str, tmp_path: Path) -> None:
    refused(text, lambda: open_container(saved(tmp_path / name, content)))


def test_what_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    refused("pipe is neither a file nor a folder", lambda: open_container(tmp_path / "pipe"))


def test_what_may_not_be_read(nobody: Path) -> None:
    path = saved(nobody / "x.tar", tar_bytes(FILES))
    container = open_container(path)
    path.chmod(0)
    refused("x.tar cannot be read: Permission denied", container.entries)
    refused("x.tar cannot be read: Permission denied", lambda: open_container(path))


SMALL = {"a/train": bytes(range(200)), "b": b"12345" * 30}


MUTANTS = [
    tar_bytes(SMALL),
    tar_bytes({"n" * 120: b"12", **SMALL}),
    tar_bytes({"n" * 120: b"12"}, tarfile.GNU_FORMAT),
    gzip.compress(tar_bytes(SMALL)),
    zip_bytes(SMALL),
    zip_bytes(SMALL, zipfile.ZIP_STORED),
]


@settings(deadline=2000, max_examples=400)
@given(raw=st.sampled_from(MUTANTS).flatmap(mutants))
def test_damage_is_told_and_nothing_else_happens(raw: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = saved(Path(folder) / "x", raw)
        for sizes in (None, {"a/train": 200}, {"b": 10**9}):
            with contextlib.suppress(DataError):
                read_all(path, sizes)
        assert [p.name for p in Path(folder).iterdir()] == ["x"]
