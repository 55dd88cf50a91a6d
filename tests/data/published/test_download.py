"""Downloads from a real https server that stalls, cuts, lies and sends elsewhere."""

from __future__ import annotations

import contextlib
import errno
import gzip
import hashlib
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock
from tests.data.published.server import PORTAL, Act, Server

from tinysight.data.published import Remote
from tinysight.data.published import download as module
from tinysight.data.published.checking import disk, install
from tinysight.data.published.download import Patience, download
from tinysight.errors import DataError, ResourceError, UsageError

ARCHIVE = gzip.compress(random.Random(0).randbytes(300_000))
SIZE = len(ARCHIVE)
OTHER = gzip.compress(random.Random(1).randbytes(SIZE))[:SIZE]
ADD = "tinysight data add NAME --from PATH"

# Enough for a busy machine where nothing shall time out.
PATIENT = Patience(connect=60, read=60, tries=6, backoff=0.01, longest=0.02, slow=0)
HASTY = Patience(connect=60, read=0.3, tries=40, backoff=0.01, longest=0.02, slow=0)
ONCE = Patience(connect=60, read=60, tries=1, backoff=0.01, slow=0)

WORKER = """
import os, sys, traceback
from pathlib import Path
from tinysight.data.published.download import Patience, download
from tinysight.data.published import Remote

url, size, sha256, target, lock, children = sys.argv[1:]
remote = Remote("a.tar.gz", (url,), int(size) or None, sha256)

def fetch():
    patience = Patience(connect=60, read=60, tries=20, backoff=0.05, longest=0.2, slow=0)
    download(remote, Path(target), patience=patience, lock=lock == "lock", instead="WORKER")

if children == "0":
    fetch()
    sys.exit()
pids = []
for _ in range(int(children)):
    pid = os.fork()
    if not pid:
        code = 1
        try:
            fetch()
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    pids.append(pid)
sys.exit(sum(os.waitpid(pid, 0)[1] != 0 for pid in pids))
"""


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with Server.running(tmp_path) as running:
        monkeypatch.setenv("SSL_CERT_FILE", str(running.trust))
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        yield running


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "data" / "a.tar.gz"


def remote(*urls: str, content: bytes = ARCHIVE, size: int | None = SIZE) -> Remote:
    return Remote("a.tar.gz", urls, size, hashlib.sha256(content).hexdigest())


def part_of(target: Path) -> Path:
    return target.with_name(f"{target.name}.part")


def left(target: Path, content: bytes) -> None:
    """Leave a part of an earlier attempt."""
    target.parent.mkdir(parents=True, exist_ok=True)
    part_of(target).write_bytes(content)


def files(target: Path) -> set[str]:
    return {p.name for p in target.parent.iterdir()} - {"a.tar.gz.lock"}


def until(what: object, seconds: float = 60) -> None:
    """Wait until a condition holds."""
    end = time.monotonic() + seconds
    while not what():  # pyright: ignore[reportCallIssue]
        assert time.monotonic() < end
        time.sleep(0.01)


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


def test_redirects_are_followed(server: Server, target: Path) -> None:
    server.serve("/b", ARCHIVE, Act(status=307, location="/c"))
    server.serve("/c", ARCHIVE)
    there = f"https://127.0.0.1:{server.port}/b"
    left(target, ARCHIVE[:1000])
    url = server.serve("/a", ARCHIVE, Act(status=302, location=there))
    download(remote(url), target, patience=ONCE)
    assert target.read_bytes() == ARCHIVE
    assert [r.range for r in server.requests] == ["bytes=1000-"] * 3


def test_a_redirect_to_http_is_refused(server: Server, target: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as plain:
        plain.setblocking(False)
        there = f"http://127.0.0.1:{plain.getsockname()[1]}/a"
        url = server.serve("/a", ARCHIVE, Act(status=301, location=there))
        text = f"{url} sends on to {there}, which is not https"
        with pytest.raises(DataError, match=re.escape(text)):
            download(remote(url), target, patience=PATIENT)
        assert len(server.requests) == 1
        with pytest.raises(BlockingIOError):
            plain.accept()


def test_only_https_is_asked(target: Path) -> None:
    text = "is asked as http://127.0.0.1:1/a, which is not https"
    with pytest.raises(DataError, match=re.escape(text)):
        download(remote("http://127.0.0.1:1/a"), target, patience=PATIENT)


def test_redirects_have_an_end(server: Server, target: Path) -> None:
    url = server.serve("/a", ARCHIVE, Act(status=302, location="/a"))
    with pytest.raises(DataError, match="sends on and on, 10 times"):
        download(remote(url), target, patience=PATIENT)
    assert len(server.requests) == 10


def test_a_redirect_to_nowhere(server: Server, target: Path) -> None:
    url = server.serve("/a", ARCHIVE, Act(status=302, location="https://[::1"))
    with pytest.raises(DataError, match="broke off: Invalid URL in location header"):
        download(remote(url), target, patience=ONCE)


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


def test_mirrors_are_tried_in_order(server: Server, target: Path) -> None:
    urls = [
        server.serve("/portal", ARCHIVE, Act(body=PORTAL)),
        server.serve("/missing", ARCHIVE, Act(status=404)),
        server.serve("/other", OTHER),
        server.serve("/half", ARCHIVE, Act(cut=150_000), Act(status=500)),
        server.serve("/good", ARCHIVE),
    ]
    download(remote(*urls), target, patience=PATIENT)
    assert target.read_bytes() == ARCHIVE
    paths = [r.path for r in server.requests]
    assert paths == ["/portal", "/missing", "/other", "/half", "/good"]
    assert server.requests[-1].range is not None


def test_where_no_mirror_has_it_all_are_named(server: Server, target: Path) -> None:
    urls = [server.serve("/a", ARCHIVE, Act(status=404)), server.serve("/b", OTHER)]
    with pytest.raises(DataError) as caught:
        download(remote(*urls), target, patience=PATIENT, instead=f"give it with: {ADD}")
    expected, found = (hashlib.sha256(x).hexdigest() for x in (ARCHIVE, OTHER))
    assert str(caught.value) == (
        f"a.tar.gz cannot be downloaded: {urls[0]} answered 404 Not Found; {urls[1]} gave another "
        f"file: sha256 {expected} expected, {found} found; give it with: {ADD}"
    )
    assert caught.value.exit_code == 3
    assert len(server.requests) == 2


def test_a_server_that_recovers_is_asked_again(server: Server, target: Path) -> None:
    url = server.serve("/a", ARCHIVE, Act(status=500), Act(status=429), Act())
    download(remote(url), target, patience=PATIENT)
    assert target.read_bytes() == ARCHIVE


def test_an_address_that_was_refused_is_not_asked_again(server: Server, target: Path) -> None:
    urls = [
        server.serve("/none", ARCHIVE, Act(status=403)),
        server.serve("/cut", ARCHIVE, Act(cut=100_000), Act()),
    ]
    download(remote(*urls), target, patience=PATIENT)
    assert [r.path for r in server.requests] == ["/none", "/cut", "/cut"]


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


def test_a_slow_address_is_left_once(server: Server, target: Path) -> None:
    lines: list[str] = []
    urls = [server.serve("/slow", ARCHIVE), server.serve("/too", ARCHIVE)]
    patience = Patience(read=60, slow=1e12, window=0)
    download(remote(*urls), target, say=lines.append, patience=patience)
    assert target.read_bytes() == ARCHIVE
    assert [r.path for r in server.requests] == ["/slow", "/too"]
    assert re.fullmatch(r".*/slow gives [\d,]+ kB a second, another may give more", lines[0])
    assert len(lines) == 1


def test_a_slow_address_is_better_than_none(server: Server, target: Path) -> None:
    urls = [server.serve("/slow", ARCHIVE), server.serve("/bad", ARCHIVE, Act(status=500))]
    patience = Patience(read=60, backoff=0.01, slow=1e12, window=0)
    download(remote(*urls), target, patience=patience)
    assert [r.path for r in server.requests] == ["/slow", "/bad", "/slow"]


def test_an_address_that_is_all_there_is_may_be_slow(server: Server, target: Path) -> None:
    urls = [server.serve("/none", ARCHIVE, Act(status=404)), server.serve("/slow", ARCHIVE)]
    download(remote(*urls), target, patience=Patience(slow=1e12, window=0))
    assert len(server.requests) == 2


def test_a_certificate_that_is_not_trusted(
    server: Server, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)
    url = server.serve("/a", ARCHIVE)
    with pytest.raises(DataError, match="has a certificate that is not trusted"):
        download(remote(url), target, patience=PATIENT)
    assert server.requests == []


@pytest.mark.parametrize(
    ("name", "value"),
    [("SSL_CERT_FILE", "/no/such/file.pem"), ("HTTPS_PROXY", "gopher://127.0.0.1:1")],
)
def test_settings_of_the_environment_that_cannot_be_used(
    target: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(UsageError, match="certificates that the environment names cannot be used"):
        download(remote("https://127.0.0.1:1/a"), target, patience=ONCE)


def test_offline(target: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    url = f"https://127.0.0.1:{port}/a"
    text = f"a.tar.gz cannot be downloaded: {url} cannot be reached: "
    with pytest.raises(DataError, match=re.escape(text)) as caught:
        download(remote(url), target, patience=ONCE)
    assert "\n" not in str(caught.value)


def test_a_server_that_takes_no_connection(target: Path) -> None:
    with contextlib.ExitStack() as stack:
        full = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(8):  # fill the queue of connections that nobody accepts
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        time.sleep(0.1)
        url = f"https://127.0.0.1:{full.getsockname()[1]}/a"
        patience = Patience(connect=0.2, read=0.2, tries=1)
        with pytest.raises(DataError, match="gave no connection in time|stalled"):
            download(remote(url), target, patience=patience)


def test_too_little_room_is_said_first(server: Server, target: Path) -> None:
    url = server.serve("/a", ARCHIVE)
    huge = Remote("a.tar.gz", (url,), 10**15, "0" * 64)
    text = r"a\.tar\.gz needs 2,000,000,000,000,000 bytes of room in .*, [\d,]+ are free; "
    with pytest.raises(ResourceError, match=text + "make room, or set TINYSIGHT_DATA") as caught:
        download(huge, target, patience=PATIENT)
    assert caught.value.exit_code == 5
    assert server.requests == []


def small_disk(folder: Path, command: str) -> subprocess.CompletedProcess[str]:
    """Run a command where the folder is a disk of half a megabyte."""
    mount = f"mount -t tmpfs -o size=512k none {folder} && {command}"
    return subprocess.run(
        ["unshare", "-rm", "sh", "-c", mount], capture_output=True, text=True, check=False
    )


def test_a_disk_that_fills_up(server: Server, tmp_path: Path) -> None:
    folder = tmp_path / "small"
    folder.mkdir()
    if not shutil.which("unshare") or small_disk(folder, "true").returncode:
        pytest.skip("no small disk can be mounted here")
    url = server.serve("/a", OTHER + OTHER, Act(length=None))
    worker = [sys.executable, "-c", WORKER, url, "0", "0" * 64, str(folder / "a.tar.gz")]
    words = " ".join(f"'{w}'" for w in [*worker, "lock", "0"])
    said = small_disk(folder, f"{words}; ls -l {folder}")
    assert f"ResourceError: the disk of {folder} is full: " in said.stderr
    assert "are free; make room and run it again; what was downloaded is kept" in said.stderr
    kept = re.search(r" (\d+) \S+ +\S+ \S+ a\.tar\.gz\.part", said.stdout)
    assert kept
    assert int(kept[1]) > 400_000


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_is_a_lack_of_the_machine(target: Path) -> None:
    target.parent.mkdir()
    with (
        pytest.raises(ResourceError, match=r"is full: 10 bytes are needed, [\d,]+ are free; make"),
        disk(target, 10),
        Path("/dev/full").open("wb", buffering=0) as full,
    ):
        full.write(b"x")


def test_a_folder_without_rights(nobody: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    (nobody / "data").mkdir(mode=0o500)
    text = r"a\.tar\.gz\.part cannot be written: Permission denied; set TINYSIGHT_DATA to a folder"
    with pytest.raises(ResourceError, match=text):
        download(remote("https://127.0.0.1:1/a"), nobody / "data" / "a.tar.gz", patience=ONCE)


def test_a_folder_that_is_a_file(target: Path) -> None:
    target.parent.write_bytes(b"")
    with pytest.raises(ResourceError, match="cannot be written: File exists"):
        download(remote("https://127.0.0.1:1/a"), target, patience=ONCE)


# More than one process ------------------------------------------------------------------------


def start(url: str, target: Path, lock: str, children: int) -> subprocess.Popen[str]:
    digest = hashlib.sha256(ARCHIVE).hexdigest()
    words = [url, str(SIZE), digest, str(target), lock, str(children)]
    return subprocess.Popen(
        [sys.executable, "-c", WORKER, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
@pytest.mark.parametrize("lock", ["lock", "none"])
def test_twenty_processes_at_once(server: Server, target: Path, lock: str) -> None:
    url = server.serve("/a", ARCHIVE, Act(slow=0.005))
    process = start(url, target, lock, 20)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    assert target.read_bytes() == ARCHIVE
    assert files(target) == {"a.tar.gz"}
    if lock == "lock":
        assert server.sent() == SIZE
    else:
        assert len(server.requests) > 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
@pytest.mark.parametrize("lock", ["lock", "none"])
def test_twenty_processes_with_a_bad_server(server: Server, target: Path, lock: str) -> None:
    acts = [Act(cut=50_000), Act(body=OTHER), Act(status=500), Act(ranges=False, slow=0.005)]
    url = server.serve("/a", ARCHIVE, *acts, *acts[:3], Act(body=PORTAL, status=503), Act())
    process = start(url, target, lock, 20)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    assert target.read_bytes() == ARCHIVE
    assert files(target) == {"a.tar.gz"}


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="kills")
@pytest.mark.parametrize("kill", ["SIGKILL", "SIGINT"])
def test_a_download_that_was_killed_at_half_is_resumed(
    server: Server, target: Path, kill: str
) -> None:
    half = SIZE // 2
    url = server.serve("/a", ARCHIVE, Act(stall=half), Act())
    process = start(url, target, "lock", 0)
    until(lambda: part_of(target).exists() and part_of(target).stat().st_size >= half)
    process.send_signal(getattr(signal, kill))
    process.communicate(timeout=60)
    assert files(target) == {"a.tar.gz.part"}
    download(remote(url), target, patience=ONCE)
    assert target.read_bytes() == ARCHIVE
    assert server.requests[1].sent <= 0.55 * SIZE


def test_a_process_that_does_not_get_on_is_worked_beside(server: Server, target: Path) -> None:
    lines: list[str] = []
    target.parent.mkdir()
    url = server.serve("/a", ARCHIVE)
    patience = Patience(read=60, idle=0.1)
    with FileLock(target.with_name("a.tar.gz.lock")):
        download(remote(url), target, say=lines.append, patience=patience)
    assert target.read_bytes() == ARCHIVE
    assert lines == ["another process fetches it and does not get on; going on beside it"]


def test_a_process_that_waits_finds_the_file(server: Server, target: Path) -> None:
    seen: list[tuple[int, int]] = []
    left(target, ARCHIVE[:1000])
    url = server.serve("/a", ARCHIVE)

    def progress(*there: int) -> None:
        seen.append((there[0], there[1]))
        target.write_bytes(ARCHIVE)
        lock.release()

    lock = FileLock(target.with_name("a.tar.gz.lock"), thread_local=False)
    with lock:
        download(remote(url), target, progress=progress, patience=PATIENT)
    assert seen[0] == (1000, SIZE)
    assert server.requests == []


def test_a_file_system_without_locks_is_done_with(
    server: Server, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def acquire(*_: object, **__: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(FileLock, "acquire", acquire)
    download(remote(server.serve("/a", ARCHIVE)), target, patience=ONCE)
    assert target.read_bytes() == ARCHIVE


def test_who_writes_into_the_part_cannot_change_the_file(server: Server, target: Path) -> None:
    left(target, ARCHIVE[:1000])
    with part_of(target).open("r+b") as late:
        download(remote(server.serve("/a", ARCHIVE)), target, patience=ONCE)
        late.write(bytes(SIZE))
    assert target.read_bytes() == ARCHIVE


@pytest.mark.parametrize("finished", [True, False])
def test_a_part_that_another_process_took_away(
    server: Server, target: Path, finished: bool
) -> None:
    url = server.serve("/a", ARCHIVE, Act(pause=SIZE // 2), Act())
    failures: list[BaseException] = []

    def work() -> None:
        try:
            download(remote(url), target, patience=PATIENT, lock=False)
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    until(lambda: part_of(target).exists() and part_of(target).stat().st_size >= SIZE // 2)
    if finished:
        assert install(part_of(target), target, remote(url)) is not None  # it is not complete
        target.write_bytes(ARCHIVE)
    part_of(target).unlink()
    server.open.set()
    thread.join()
    assert failures == []
    assert target.read_bytes() == ARCHIVE
    assert len(server.requests) == (1 if finished else 2)
    assert files(target) == {"a.tar.gz"}


def test_a_part_that_goes_every_time(
    server: Server, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module.os.path, "samestat", lambda *_: False)
    url = server.serve("/a", ARCHIVE)
    with pytest.raises(DataError, match="another process dropped what had come"):
        download(remote(url), target, patience=Patience(tries=2, backoff=0))


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
