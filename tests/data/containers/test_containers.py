"""Folders, tars and zips: the same files out of each, hostile and damaged ones refused."""

from __future__ import annotations

import bz2
import contextlib
import functools
import gzip
import io
import lzma
import os
import struct
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.data.mutants import mutants

from tinysight.data.containers import Entry, archives, open_container, skipped_note, tar
from tinysight.data.containers.inflating import Inflated
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


# The same out of each


@pytest.mark.parametrize(
    ("kind", "pack"),
    [
        ("tar", tar_bytes),
        ("tar", functools.partial(tar_bytes, kind=tarfile.GNU_FORMAT)),
        ("tar", functools.partial(tar_bytes, kind=tarfile.USTAR_FORMAT)),
        ("tar.gz", lambda files: gzip.compress(tar_bytes(files))),
        ("zip", zip_bytes),
        ("zip", functools.partial(zip_bytes, method=zipfile.ZIP_STORED)),
    ],
)
@pytest.mark.parametrize("name", ["archive.bin", "archive.zip", "archive.tar.gz"])
def test_what_it_is_the_content_tells(
    kind: str, pack: Callable[[dict[str, bytes]], bytes], name: str, tmp_path: Path
) -> None:
    container = open_container(saved(tmp_path / name, pack(FILES)))
    assert container.kind == kind
    assert container.entries() == [Entry(n, size) for n, size in SIZES.items()]
    assert list(container.read(SIZES)) == list(FILES.items())
    assert dict(container.read({"top": 1000})) == {"top": FILES["top"]}
    assert container.locate({"top", "a.txt"}) == [Entry("data/a.txt", 9), Entry("top", 1000)]
    assert skipped_note(container) == []
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_a_folder(tmp_path: Path) -> None:
    container = open_container(write(tmp_path, FILES))
    assert container.kind == "folder"
    assert {e.name: e.size for e in container.entries()} == SIZES
    assert dict(container.read(SIZES)) == FILES
    # Not deeper than one folder: there may be a great many.
    assert container.locate({"empty", "a.txt", "top", "data"}) == [
        Entry("top", 1000),
        Entry("data/a.txt", 9),
    ]


def test_links_in_a_folder_of_the_users_own(tmp_path: Path) -> None:
    write(tmp_path / "store", {"blob": b"123", "more/x": b"1"})
    data = write(tmp_path / "data", {"own": b"4"})
    (data / "file").symlink_to(tmp_path / "store" / "blob")
    (data / "folder").symlink_to(tmp_path / "store")
    (data / "loop").symlink_to(data)
    (data / "nowhere").symlink_to("missing")
    os.mkfifo(data / "pipe")
    container = open_container(data)
    assert container.entries() == [Entry("file", 3), Entry("own", 1)]
    assert dict(container.read({"file": 3})) == {"file": b"123"}
    assert skipped_note(container) == ["left out of data: 3 link, 1 device or the like"]


def test_long_names_in_every_dialect(tmp_path: Path) -> None:
    long = "a" * 90 + "/" + "b" * 90
    longer = "/".join(["ü" * 60] * 8)
    for kind in (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT):
        path = saved(tmp_path / "x.tar", tar_bytes({long: b"1", longer: b"2"}, kind))
        assert read_all(path) == {long: b"1", longer: b"2"}
    path = saved(tmp_path / "x.tar", tar_bytes({long: b"1"}, tarfile.USTAR_FORMAT))
    assert read_all(path) == {long: b"1"}


def test_names_are_as_stored_without_needless_dots(tmp_path: Path) -> None:
    files = {"./a": b"1", ".//b/./c": b"2", "d\\e": b"3"}
    assert read_all(saved(tmp_path / "x", tar_bytes(files))) == {
        "a": b"1",
        "b/c": b"2",
        "d/e": b"3",
    }


def test_a_size_in_an_extended_header_counts(tmp_path: Path) -> None:
    info = member("x", size=5, pax_headers={"size": "5"})
    raw = bytearray(tar_of([(info, b"12345"), (member("y", size=1), b"6")]))
    at = raw.index(b"00000000005\0", 1024)  # in the header of x itself; the pax header comes first
    raw[at : at + 12] = b"00000000000\0"
    raw[at + 24 : at + 32] = checksum(bytes(raw[at - 124 : at + 388]))
    assert read_all(saved(tmp_path / "x", bytes(raw))) == {"x": b"12345", "y": b"6"}


def checksum(block: bytes) -> bytes:
    return b"%06o\0 " % sum(block[:148] + b" " * 8 + block[156:512])


def changed(raw: bytes, at: int, field: bytes) -> bytes:
    """A tar with a field of its first header changed, and the checksum made to fit."""
    block = bytearray(raw[:512])
    block[at : at + len(field)] = field
    block[148:156] = checksum(bytes(block))
    return bytes(block) + raw[512:]


def test_old_dialects(tmp_path: Path) -> None:
    raw = tar_bytes({"a": b"123"}, tarfile.USTAR_FORMAT)
    v7 = changed(raw, 156, b"\0" + bytes(355))  # no type, no magic
    assert read_all(saved(tmp_path / "v7", v7)) == {"a": b"123"}
    binary = changed(raw, 124, b"\x80" + bytes(10) + b"\x03")
    assert read_all(saved(tmp_path / "gnu", binary)) == {"a": b"123"}
    name = changed(raw, 0, "ü".encode() + bytes(98))
    signed = bytearray(name)
    signed[148:156] = b"%06o\0 " % (sum(name[:148] + b" " * 8 + name[156:512]) - 2 * 256)
    assert read_all(saved(tmp_path / "signed", bytes(signed))) == {"ü": b"123"}


def test_a_link_with_a_size_has_no_content(tmp_path: Path) -> None:
    link = member("hard", type=tarfile.LNKTYPE, linkname="a")
    raw = changed(tar_of([(link, b"")]), 124, b"00000000600\0")[:512] + tar_bytes({"a": b"1"})
    assert read_all(saved(tmp_path / "x", raw)) == {"a": b"1"}


def test_a_tar_may_lack_its_end_mark_but_no_content(tmp_path: Path) -> None:
    raw = tar_bytes({"a": b"123", "b": b"456"})
    assert read_all(saved(tmp_path / "x", raw[:2048])) == {"a": b"123", "b": b"456"}
    refused(
        "is cut short: it ends at byte 1,537 in b;",
        lambda: read_all(saved(tmp_path / "x", raw[:1537]), {"a": 9, "b": 9}),
    )
    for cut in (1100, 1535, 1600):
        refused(
            "is cut short: it ends at byte", lambda c=cut: read_all(saved(tmp_path / "x", raw[:c]))
        )


def test_gzip_in_several_streams_with_padding(tmp_path: Path) -> None:
    raw = tar_bytes(FILES)
    parts = gzip.compress(raw[:700]) + bytes(300_000) + gzip.compress(raw[700:]) + bytes(600)
    assert read_all(saved(tmp_path / "x", parts)) == FILES
    assert read_all(saved(tmp_path / "x", gzip.compress(raw) + b"garbage")) == FILES


# Identity


def test_identity_changes_with_the_archive_and_unpacks_nothing(tmp_path: Path) -> None:
    path = saved(tmp_path / "x.tar.gz", gzip.compress(tar_bytes(FILES))[:40])
    container = open_container(path)
    before = container.identity()
    assert before == container.identity(["any"]) == open_container(path).identity()
    refused("is cut short: its gzip stream", container.entries)
    os.utime(path, ns=(0, 0))
    assert container.identity() != before


def test_identity_of_a_folder_is_of_the_files_that_matter(tmp_path: Path) -> None:
    container = open_container(write(tmp_path, FILES))
    before = container.identity(["top"])
    (tmp_path / "other").write_bytes(b"1")
    assert container.identity(["top"]) == before
    (tmp_path / "top").write_bytes(b"1")
    assert container.identity(["top"]) != before
    refused("gone: no such file or folder", lambda: open_container(tmp_path / "gone"))
    refused("top2: no such file or folder", lambda: container.identity(["top2"]))


# Hostile members


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


# Bounds


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


# Damage


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


# What is no container


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


# One gzip file


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


# Bytes cut, flipped, moved


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
