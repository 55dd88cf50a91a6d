"""Downloads from a real https server that stalls, cuts, lies and sends elsewhere."""

from __future__ import annotations

import gzip
import hashlib
import random
import re
from pathlib import Path

import pytest
from tests.data.published.downloads import (
    ARCHIVE,
    HASTY,
    ONCE,
    OTHER,
    PATIENT,
    SIZE,
    files,
    left,
    part_of,
    remote,
)
from tests.data.published.server import PORTAL, Act, Server

from tinysight.data.published import Remote
from tinysight.data.published import download as module
from tinysight.data.published.download import Patience, download
from tinysight.errors import DataError


def test_a_file_is_fetched(server: Server, target: Path) -> None:
    seen: list[tuple[int, int]] = []
    url = server.serve("/a", ARCHIVE)
    found = download(remote(url), target, progress=lambda *x: seen.append(x), patience=ONCE)
    assert found == target
    assert target.read_bytes() == ARCHIVE
    assert files(target) == {"a.tar.gz"}
    assert (seen[0], seen[-1]) == ((0, SIZE), (SIZE, SIZE))
    assert seen == sorted(seen)
    assert server.requests[0].range is None


def test_what_is_there_is_not_fetched(server: Server, target: Path) -> None:
    target.parent.mkdir()
    target.write_bytes(ARCHIVE)
    assert download(remote(server.serve("/a", ARCHIVE)), target) == target
    assert server.requests == []


@pytest.mark.parametrize("lock", [True, False])
def test_what_rotted_is_fetched_again(server: Server, target: Path, lock: bool) -> None:
    target.parent.mkdir()
    target.write_bytes(OTHER)
    download(remote(server.serve("/a", ARCHIVE)), target, patience=ONCE, lock=lock)
    assert target.read_bytes() == ARCHIVE


def test_a_cut_download_is_resumed(server: Server, target: Path) -> None:
    lines: list[str] = []
    url = server.serve("/a", ARCHIVE, Act(cut=200_000), Act())
    download(remote(url), target, say=lines.append, patience=PATIENT)
    assert target.read_bytes() == ARCHIVE
    start = int(str(server.requests[1].range).removeprefix("bytes=").removesuffix("-"))
    assert 0 < start <= 200_000
    assert server.requests[1].sent == SIZE - start
    assert lines[0].startswith(f"{url} broke ")
    assert lines[1:] == ["trying again in 0 s"]


def test_a_cut_download_is_kept(server: Server, target: Path) -> None:
    url = server.serve("/a", ARCHIVE, Act(cut=200_000))
    with pytest.raises(DataError, match=r"a\.tar\.gz cannot be downloaded: .*/a broke "):
        download(remote(url), target, patience=ONCE)
    assert files(target) == {"a.tar.gz.part"}
    kept = part_of(target).read_bytes()
    assert kept
    assert ARCHIVE.startswith(kept)


def test_a_stalled_server_is_left_and_asked_again(server: Server, target: Path) -> None:
    lines: list[str] = []
    url = server.serve("/a", ARCHIVE, Act(stall=100_000), Act())
    download(remote(url), target, say=lines.append, patience=HASTY)
    assert target.read_bytes() == ARCHIVE
    assert f"{url} stalled" in lines
    assert server.requests[-1].range is not None


def test_tries_are_counted_anew_while_it_gets_on(server: Server, target: Path) -> None:
    long = gzip.compress(random.Random(2).randbytes(3_600_000))
    url = server.serve("/a", long, Act(cut=1_200_000))
    download(remote(url, content=long, size=len(long)), target, patience=ONCE)
    assert target.read_bytes() == long
    assert len(server.requests) >= 3


def test_waits_grow_and_have_an_end(
    server: Server, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    monkeypatch.setattr(module.time, "sleep", waits.append)
    patience = Patience(tries=6, backoff=1, longest=6)
    with pytest.raises(DataError, match="answered 503 Service Unavailable"):
        download(remote(server.serve("/a", ARCHIVE, Act(status=503))), target, patience=patience)
    assert len(waits) == 5
    for wait, longest in zip(waits, (1, 2, 4, 6, 6), strict=True):
        assert longest / 2 <= wait < longest


def test_a_server_that_ignores_range_sends_all_again(server: Server, target: Path) -> None:
    left(target, ARCHIVE[:1000])
    download(remote(server.serve("/a", ARCHIVE, Act(ranges=False))), target, patience=ONCE)
    assert target.read_bytes() == ARCHIVE
    assert server.requests[0].range == "bytes=1000-"


@pytest.mark.parametrize(
    "act",
    [Act(place=5), Act(place=-1000), Act(total=-SIZE), Act(status=206, ranges=False)],
    ids=["later", "earlier", "total", "none"],
)
def test_a_part_that_was_not_asked_for_is_refused(server: Server, target: Path, act: Act) -> None:
    left(target, ARCHIVE[:1000])
    url = server.serve("/a", ARCHIVE, act, Act())
    with pytest.raises(DataError, match="was asked for the bytes from 1,000 on and sends '"):
        download(remote(url), target, patience=ONCE)
    assert part_of(target).read_bytes() == ARCHIVE[:1000]
    server.serve("/a", ARCHIVE, act, Act())
    download(remote(url), target, patience=PATIENT)
    assert target.read_bytes() == ARCHIVE
    assert server.requests[-1].range is None


def test_a_part_of_another_file_is_refused(server: Server, target: Path) -> None:
    left(target, ARCHIVE[:1000])
    url = server.serve("/a", ARCHIVE, Act(total=7))
    with pytest.raises(DataError, match=f"has {SIZE + 7:,} bytes, {SIZE:,} are expected"):
        download(remote(url), target, patience=PATIENT)
    assert len(server.requests) == 1


def test_a_part_that_nobody_asked_for_is_refused(server: Server, target: Path) -> None:
    url = server.serve("/a", ARCHIVE, Act(status=206))
    with pytest.raises(DataError, match="answered 206 Partial Content"):
        download(remote(url), target, patience=ONCE)


def test_nothing_from_there_on_means_all_again(server: Server, target: Path) -> None:
    left(target, ARCHIVE[:1000])
    url = server.serve("/a", ARCHIVE, Act(body=ARCHIVE[:500]), Act())
    with pytest.raises(DataError, match="has nothing from byte 1,000 on"):
        download(remote(url), target, patience=ONCE)
    server.serve("/a", ARCHIVE, Act(body=ARCHIVE[:500]), Act())
    download(remote(url), target, patience=PATIENT)
    assert target.read_bytes() == ARCHIVE


def test_a_complete_part_of_unknown_size_is_taken(server: Server, target: Path) -> None:
    left(target, ARCHIVE)
    download(remote(server.serve("/a", ARCHIVE), size=None), target, patience=ONCE)
    assert target.read_bytes() == ARCHIVE
    assert server.sent() == 0


@pytest.mark.parametrize("act", [Act(), Act(length=None), Act(cut=1000)])
def test_an_unknown_size_is_learnt(server: Server, target: Path, act: Act) -> None:
    url = server.serve("/a", ARCHIVE, act, Act())
    download(remote(url, size=None), target, patience=PATIENT)
    assert target.read_bytes() == ARCHIVE


@pytest.mark.parametrize("lie", [-10, 10])
def test_a_lie_about_the_length_is_refused(server: Server, target: Path, lie: int) -> None:
    url = server.serve("/a", ARCHIVE, Act(length=lie))
    with pytest.raises(DataError, match=f"has {SIZE + lie:,} bytes, {SIZE:,} are expected"):
        download(remote(url), target, patience=PATIENT)
    assert part_of(target).read_bytes() == b""


def test_a_body_that_ends_early_is_resumed(server: Server, target: Path) -> None:
    url = server.serve("/a", ARCHIVE, Act(length=None, body=ARCHIVE[:777]))
    with pytest.raises(DataError, match=f"ended after 777 of {SIZE:,} bytes"):
        download(remote(url), target, patience=ONCE)
    server.serve("/a", ARCHIVE)
    download(remote(url), target, patience=ONCE)
    assert server.requests[-1].range == "bytes=777-"
    assert target.read_bytes() == ARCHIVE


def test_a_stream_without_end_is_left_where_the_file_ends(server: Server, target: Path) -> None:
    url = server.serve("/a", ARCHIVE, Act(endless=True))
    download(remote(url), target, patience=ONCE)
    assert target.read_bytes() == ARCHIVE


def test_a_stream_of_unknown_size_has_a_bound(
    server: Server, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST", SIZE + 1000)
    url = server.serve("/a", ARCHIVE, Act(endless=True))
    with pytest.raises(DataError, match=f"sends more than {SIZE + 1000:,} bytes"):
        download(remote(url, size=None), target, patience=PATIENT)
    assert part_of(target).stat().st_size == SIZE + 1000


@pytest.mark.parametrize("there", [0, 1000])
def test_a_captive_portal_is_told(server: Server, target: Path, there: int) -> None:
    left(target, ARCHIVE[:there])
    url = server.serve("/a", ARCHIVE, Act(body=PORTAL, kind="text/html", ranges=False))
    text = f"{url} starts with '<html', not gzip: a web page answered in its place"
    with pytest.raises(DataError, match=re.escape(text)):
        download(remote(url), target, patience=PATIENT)
    assert part_of(target).read_bytes() == ARCHIVE[:there]
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("body", "name", "text"),
    [
        (b"\n <!DOCTYPE html>", "a.zip", "starts with '<!DOC', not zip: a web page"),
        (b'{"error": "no"}', "a.zip", "starts with '{\"err', not zip"),
        (b"", "a.gz", "starts with '', not gzip"),
        (b"\x1b[31m" * 9, "a.gz", r"starts with '\x1b[31m', not gzip"),
    ],
)
def test_what_is_no_archive_is_refused(
    server: Server, target: Path, body: bytes, name: str, text: str
) -> None:
    url = server.serve("/a", ARCHIVE, Act(body=body))
    with pytest.raises(DataError) as caught:
        download(Remote(name, (url,), SIZE, "0" * 64), target, patience=ONCE)
    assert text in str(caught.value)


def test_nothing_of_another_file_is_kept(server: Server, target: Path) -> None:
    url = server.serve("/a", OTHER)
    with pytest.raises(DataError, match="gave another file: sha256"):
        download(remote(url), target, patience=PATIENT)
    assert files(target) == set()
    assert len(server.requests) == 1


def test_md5_alone_decides_too(server: Server, target: Path) -> None:
    url = server.serve("/a", ARCHIVE)
    wrong = Remote("a.tar.gz", (url,), None, md5="0" * 32)
    with pytest.raises(DataError, match="md5 0{32} expected, [0-9a-f]{32} found"):
        download(wrong, target, patience=ONCE)
    right = Remote("a.tar.gz", (url,), None, md5=hashlib.md5(ARCHIVE).hexdigest())
    download(right, target, patience=ONCE)
    assert target.read_bytes() == ARCHIVE


@pytest.mark.parametrize(
    "content",
    [OTHER[:1000], OTHER, ARCHIVE + b"!", bytes(SIZE)],
    ids=["half", "whole", "longer", "zeros"],
)
def test_a_wrong_part_is_dropped_and_all_fetched(
    server: Server, target: Path, content: bytes
) -> None:
    left(target, content)
    patience = ONCE if len(content) >= SIZE else PATIENT
    download(remote(server.serve("/a", ARCHIVE)), target, patience=patience)
    assert target.read_bytes() == ARCHIVE
    assert files(target) == {"a.tar.gz"}


def test_a_complete_part_needs_no_server(target: Path) -> None:
    left(target, ARCHIVE)
    download(remote("https://127.0.0.1:1/a"), target, patience=ONCE)
    assert target.read_bytes() == ARCHIVE


def test_a_wrong_part_is_said_where_no_try_is_left(server: Server, target: Path) -> None:
    left(target, OTHER[:1000])
    with pytest.raises(DataError, match="completed another file: sha256"):
        download(remote(server.serve("/a", ARCHIVE)), target, patience=ONCE)
    assert files(target) == set()


def test_a_file_that_changed_on_the_server_is_sent_whole(server: Server, target: Path) -> None:
    url = server.serve("/a", OTHER, Act(cut=100_000, tag='"one"'), Act(body=ARCHIVE, tag='"two"'))
    download(remote(url), target, patience=PATIENT)
    assert target.read_bytes() == ARCHIVE
    assert server.requests[1].if_range == '"one"'
    assert server.requests[1].sent == SIZE


def test_the_tag_of_a_refused_page_is_not_asked_for(server: Server, target: Path) -> None:
    left(target, ARCHIVE[:1000])
    page = Act(body=PORTAL, status=200, ranges=False, tag='"page"')
    url = server.serve("/a", ARCHIVE, Act(place=1, tag='"other"'), page, Act())
    with pytest.raises(DataError, match="not gzip: a web page answered in its place"):
        download(remote(url), target, patience=PATIENT)
    assert [r.if_range for r in server.requests] == [None, None]


def test_a_weak_tag_is_not_asked_for(server: Server, target: Path) -> None:
    url = server.serve("/a", ARCHIVE, Act(cut=100_000, tag='W/"one"'), Act())
    download(remote(url), target, patience=PATIENT)
    assert server.requests[1].if_range is None


@pytest.mark.parametrize("seed", range(12))
def test_whatever_the_servers_do_a_file_with_the_name_is_the_file(
    server: Server, target: Path, seed: int
) -> None:
    draw = random.Random(seed)
    bad = [
        Act(cut=draw.randrange(SIZE)),
        Act(cut=draw.randrange(20)),
        Act(body=OTHER),
        Act(body=OTHER, cut=draw.randrange(SIZE)),
        Act(body=PORTAL, ranges=False),
        Act(status=500),
        Act(status=302, location="/b"),
        Act(place=draw.randrange(1, 99)),
        Act(ranges=False, cut=draw.randrange(SIZE)),
        Act(length=None, cut=draw.randrange(SIZE)),
        Act(length=draw.choice((-9, 9))),
        Act(endless=True),
    ]
    urls = [
        server.serve(path, ARCHIVE, *draw.choices(bad, k=4), draw.choice([Act(), Act(body=OTHER)]))
        for path in ("/a", "/b")
    ]
    left(target, draw.choice([b"", ARCHIVE[:70_000], OTHER[:70_000]]))
    try:
        download(remote(*urls), target, patience=PATIENT)
    except DataError:
        assert not target.exists()
    else:
        assert target.read_bytes() == ARCHIVE
