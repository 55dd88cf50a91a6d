"""Containers that lead outside, lie about sizes, or would grow without end."""

from __future__ import annotations

import gzip
import io
import os
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.data.containers.making import (
    FILES,
    changed,
    member,
    read_all,
    refused,
    saved,
    tar_bytes,
    tar_of,
    write,
    zip_bytes,
)

from tinysight.data.containers import Entry, archives, open_container, skipped_note, tar
from tinysight.data.containers.inflating import Inflated
from tinysight.errors import DataError


def test_what_leads_outside_is_left_out_and_counted(tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    hostile = [
        (member("../escaped", size=1), b"1"),
        (member("a/../../escaped", size=1), b"1"),
        (member("/tmp/escaped", size=1), b"1"),
        (member("C:\\escaped", size=1), b"1"),
        (member("a\\..\\..\\escaped", size=1), b"1"),
        (member("soft", type=tarfile.SYMTYPE, linkname="/etc/passwd"), b""),
        (member("hard", type=tarfile.LNKTYPE, linkname="/etc/passwd"), b""),
        (member("pipe", type=tarfile.FIFOTYPE), b""),
        (member("null", type=tarfile.CHRTYPE, devmajor=1, devminor=3), b""),
        (member("folder", type=tarfile.DIRTYPE), b""),
        (member("good", size=4), b"good"),
    ]
    for pack in (lambda raw: raw, gzip.compress):
        container = open_container(saved(inside / "x.tar", pack(tar_of(hostile))))
        for _ in range(2):
            assert container.entries() == [Entry("good", 4)]
            assert dict(container.read({"good": 4})) == {"good": b"good"}
        assert skipped_note(container) == [
            "left out of x.tar: 5 with a name that leads outside, 2 link, 2 device or the like"
        ]
    assert [p.name for p in tmp_path.rglob("*")] == ["inside", "x.tar"]


def test_what_leads_outside_of_a_zip(tmp_path: Path) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name in ("../escaped", "/escaped", "a/../b", "folder/", "good"):
            archive.writestr(name, b"good" if name[-1] != "/" else b"")
        for name, mode in (("link", 0o120777), ("pipe", 0o010644), ("plain", 0o100644)):
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            archive.writestr(info, b"/etc/passwd")
    container = open_container(saved(tmp_path / "x.zip", out.getvalue()))
    assert [e.name for e in container.entries()] == ["good", "plain"]
    assert skipped_note(container) == [
        "left out of x.zip: 3 with a name that leads outside, 1 link, 1 device or the like"
    ]


@pytest.mark.parametrize("pack", [tar_bytes, lambda f: gzip.compress(tar_bytes(f)), zip_bytes])
def test_a_member_stops_at_the_expected_size(
    pack: Callable[[dict[str, bytes]], bytes], tmp_path: Path
) -> None:
    path = saved(tmp_path / "x", pack(FILES))
    refused(
        "x: top has 1,000 bytes; 999 are expected at most", lambda: read_all(path, {"top": 999})
    )
    assert read_all(path, {"top": 1001}) == {"top": FILES["top"]}
    refused("x lacks a, b", lambda: read_all(path, {"top": 1000, "b": 1, "a": 1}))


def test_a_file_of_a_folder_stops_at_the_expected_size(tmp_path: Path) -> None:
    container = open_container(write(tmp_path, FILES))
    refused(
        "top has 1,000 bytes; 900 are expected at most", lambda: dict(container.read({"top": 900}))
    )
    refused("gone: no such file", lambda: dict(container.read({"gone": 1})))
    refused("data is not a regular file", lambda: dict(container.read({"data": 1})))


def test_a_gzip_bomb_stops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "ALWAYS_UNPACKED", 2**20)
    zeros = gzip.compress(tar_bytes({"a": bytes(3 * 2**20)}))
    refused(
        "has a member of 3,145,728 bytes by its header; 0 to 1,048,576",
        lambda: read_all(saved(tmp_path / "x", zeros)),
    )
    many = gzip.compress(tar_bytes({f"{i}": bytes(2**18) for i in range(5)}))
    refused(
        "unpacks to more than 1,048,576 bytes, far more",
        lambda: read_all(saved(tmp_path / "x", many)),
    )
    behind = gzip.compress(tar_bytes({"a": b"1"}) + bytes(2**21))
    refused(
        "unpacks to more than 1,048,576 bytes, far more",
        lambda: read_all(saved(tmp_path / "x", behind)),
    )
    noise = gzip.compress(tar_bytes({"a": os.urandom(3 * 2**20)}))
    assert len(read_all(saved(tmp_path / "x", noise))["a"]) == 3 * 2**20


def test_headers_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x"
    for kind in ("L", "x", "K", "g"):
        info = tarfile.TarInfo("huge")
        info.type, info.size = kind.encode(), 2**33
        path.write_bytes(info.tobuf(tarfile.GNU_FORMAT) + bytes(5000))
        refused("has an extended header of 8,589,934,592 bytes; at most", lambda: read_all(path))
    refused(
        "-1 bytes by its header; 0 to",
        lambda: read_all(saved(path, changed(tar_bytes({"a": b""}), 124, b"\xff" * 12))),
    )
    monkeypatch.setattr(tar, "MAX_MEMBERS", 3)
    refused(
        "has more than 3 members, which are not read",
        lambda: read_all(saved(path, tar_bytes(FILES))),
    )


def test_a_folder_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tinysight.data.containers.MAX_MEMBERS", 3)
    refused(
        "has more than 3 files, which are not read", open_container(write(tmp_path, FILES)).entries
    )


def test_a_size_that_sends_tarfile_into_a_loop(tmp_path: Path) -> None:
    """CVE-2025-8194: a negative size, by which tarfile goes back and reads the member again."""
    raw = tar_of([(member("x", size=1, pax_headers={"size": "-1024"}), b"1")])
    refused("has a member of -1 bytes by its header", lambda: read_all(saved(tmp_path / "x", raw)))


def test_a_zip_that_lies_about_its_sizes(tmp_path: Path) -> None:
    raw = zip_bytes({"a": bytes(10_000)})
    at = raw.index(b"PK\1\2")
    for said in (5, 20_000):
        lying = bytearray(raw)
        lying[at + 24 : at + 28] = struct.pack("<I", said)
        path = saved(tmp_path / "x", bytes(lying))
        refused("x: a is damaged as zip (", lambda p=path: read_all(p, {"a": 30_000}))
        refused(
            "x: a has 20,000 bytes" if said > 5 else "Bad CRC-32",
            lambda p=path: read_all(p, {"a": 10_000}),
        )


def test_a_zip_with_a_huge_table_of_contents(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "MAX_DIRECTORY", 200)
    assert len(read_all(saved(tmp_path / "x", zip_bytes({"a": b"1"})))) == 1
    path = saved(tmp_path / "x", zip_bytes({f"a{i}": b"1" for i in range(9)}))
    refused("has a table of contents of", lambda: read_all(path))
    # The same said by the record that large zips have.
    raw = zip_bytes({f"a{i}": b"1" for i in range(9)})
    at = raw.index(b"PK\5\6")
    end = raw[at:]
    size, offset = struct.unpack("<II", end[12:20])
    big = struct.pack("<4sQ2H2I4Q", b"PK\6\6", 44, 45, 45, 0, 0, 9, 9, size, offset)
    place = struct.pack("<4sIQI", b"PK\6\7", 0, at, 1)
    path = saved(
        tmp_path / "x", raw[:at] + big + place + end[:10] + b"\xff\xff" + bytes(4) + end[16:]
    )
    refused("has a table of contents of", lambda: read_all(path))


def test_a_gzip_file_is_unpacked_as_far_as_asked() -> None:
    content = os.urandom(300_000)
    stream = Inflated(io.BytesIO(gzip.compress(content)), "x")
    assert stream.read(16) == content[:16]
    stream.skip(100_000)
    assert stream.position == 100_016
    assert stream.read(400_000) == content[100_016:]
    stream.finish()
    short = Inflated(io.BytesIO(gzip.compress(content)), "x")
    short.read(10)
    refused("x unpacks to more than the 10 bytes expected", short.finish)
    cut = Inflated(io.BytesIO(gzip.compress(content)[:-1]), "x")
    assert cut.read(300_000) == content
    refused("x is cut short: its gzip stream", cut.finish)


def test_a_gzip_bomb_takes_no_more_than_is_asked_for() -> None:
    engine = zlib.compressobj(9, wbits=31)
    bomb = b"".join(engine.compress(bytes(2**20)) for _ in range(64)) + engine.flush()
    file = io.BytesIO(bomb)
    stream = Inflated(file, "x")
    assert stream.read(10) == bytes(10)
    assert len(stream._ready) <= 2**18


@pytest.mark.parametrize("start", ["", "./", "a//", "a\\"])
def test_a_zip_bomb_of_many_files_is_refused_by_their_sum(start: str, tmp_path: Path) -> None:
    path, names = tmp_path / "x.zip", [f"{i:02}.JPEG" for i in range(40)]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(start + name, bytes(8 * 2**20))
    container = open_container(path)
    found = [entry.name for entry in container.entries()]
    with pytest.raises(DataError, match=r"would unpack to 335,544,320 bytes from .* are read at"):
        list(container.read(dict.fromkeys(found, 2**24)))
