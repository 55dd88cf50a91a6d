"""Downloads by many processes at once, by killed ones, and onto disks that fail."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from filelock import FileLock
from tests.data.published.downloads import (
    ARCHIVE,
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
from tinysight.data.published.checking import disk, install
from tinysight.data.published.download import Patience, download
from tinysight.errors import DataError, ResourceError

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


def until(what: object, seconds: float = 60) -> None:
    """Wait until a condition holds."""
    end = time.monotonic() + seconds
    while not what():  # pyright: ignore[reportCallIssue]
        assert time.monotonic() < end
        time.sleep(0.01)


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
