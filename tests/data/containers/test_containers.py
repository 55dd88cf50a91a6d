"""Folders, tars and zips: the same files out of each, hostile and damaged ones refused."""

from __future__ import annotations

import functools
import gzip
import os
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.data.containers.making import (
    FILES,
    SIZES,
    changed,
    checksum,
    member,
    read_all,
    refused,
    saved,
    tar_bytes,
    tar_of,
    write,
    zip_bytes,
)

from tinysight.data.containers import Entry, open_container, skipped_note


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
