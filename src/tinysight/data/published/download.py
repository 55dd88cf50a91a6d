"""Fetch one published file: https alone, resumed, checked before it gets its name.

What comes is written to `<name>.part`. Many processes may do so at once: a lock lets one work
while the others wait (`waiting.alone`), but nothing depends on it, since locks do nothing on some
network file systems. Every writer writes the bytes of the one published file at the places where
they belong, starting within what is there already, so the part never has a hole and writers repeat
one another. A part that is complete is copied and checked (`checking.install`); if the digest is
wrong the part is dropped, for resuming it would never help.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from tinysight import __version__
from tinysight.data.published import Remote
from tinysight.data.published.asking import Answer, FailedError, RefusedError, UnsplitError, ask
from tinysight.data.published.checking import ByteProgress, disk, fault, install
from tinysight.data.published.waiting import alone
from tinysight.errors import DataError, ResourceError, UsageError
from tinysight.pictures.formats import printable

if TYPE_CHECKING:
    import httpx

__all__ = ["Patience", "download"]

HEAD = 16  # bytes that tell what a file is
STEP = 2**20  # bytes that a round must bring for the tries to be counted anew
MOST = 2**32  # bytes of a file whose size nobody says
# How files must begin, by their ending.
STARTS = {".gz": (b"\x1f\x8b", "gzip"), ".zip": (b"PK", "zip")}


@dataclass(frozen=True)
class Patience:
    """How long to wait, and how often to try.

    Attributes:
        connect: seconds for a connection.
        read: seconds without a byte after which a server counts as stalled.
        tries: rounds over all addresses, one after the other, that may bring next to nothing.
        backoff: seconds to wait after the first such round; doubled each time, less a random
            part of up to a half.
        longest: seconds, the longest such wait.
        slow: bytes a second below which another address is tried, if there is one.
        window: seconds over which the speed is taken.
        idle: seconds without a byte from the process that holds the lock after which it is
            worked beside.
    """

    connect: float = 10.0
    read: float = 30.0
    tries: int = 5
    backoff: float = 1.0
    longest: float = 30.0
    slow: float = 200_000.0
    window: float = 20.0
    idle: float = 120.0


class _GoneError(Exception):
    """Another process has finished or dropped the part."""


def download(
    remote: Remote,
    target: Path,
    *,
    progress: ByteProgress | None = None,
    say: Callable[[str], object] | None = None,
    patience: Patience | None = None,
    lock: bool = True,
    instead: str = "",
) -> Path:
    """Return the target, fetched if it is not there or not the published file.

    Certificates are looked for in SSL_CERT_FILE where it is set, proxies in HTTPS_PROXY and
    NO_PROXY.

    Args:
        progress: called with the bytes that are there, first with those of an earlier attempt,
            and the bytes of all.
        say: called with a line whenever something went wrong and is tried again.
        lock: whether processes shall wait for one another.
        instead: what to do where it cannot be had, for the end of the message.

    Raises:
        DataError: no address gave the published file.
        ResourceError: not enough room, or the folder cannot be written.
        UsageError: the environment's proxies or certificates cannot be used.
    """
    patience = patience or Patience()
    with disk(target, remote.size):
        target.parent.mkdir(parents=True, exist_ok=True)
    if fault(target, remote) is None:
        return target
    work = _Work(remote, target, patience, progress or _quiet, say or _quiet)
    waited = alone(target, work.look, idle=patience.idle, say=work.say)
    with waited if lock else contextlib.nullcontext(False) as work.held:
        if not lock or fault(target, remote) is not None:
            work.run(instead)
    return target


def _quiet(*_: object) -> None:
    pass


def _client(patience: Patience) -> httpx.Client:
    import httpx

    limits = httpx.Timeout(patience.read, connect=patience.connect)
    agent = {"User-Agent": f"tinysight/{__version__}", "Accept-Encoding": "identity"}
    try:
        return httpx.Client(timeout=limits, headers=agent)
    except (OSError, ValueError, ImportError, httpx.InvalidURL) as error:
        raise UsageError(
            "the proxies or certificates that the environment names cannot be used (see "
            f"HTTPS_PROXY, ALL_PROXY, SSL_CERT_FILE): {error}"
        ) from None


@dataclass
class _Work:
    """One file being fetched by this process.

    Attributes:
        refused: addresses that are not asked again, and why.
        failed: what went wrong last at the others.
        tags: the ETag that an address gave for what is in the part.
        whole: addresses that are to be asked for the whole file: they do parts wrongly.
        slow: addresses that were left for their slowness.
        held: whether this process has the lock, and so is alone as far as locks work.
        total: bytes of the file, once somebody says.
    """

    remote: Remote
    target: Path
    patience: Patience
    progress: ByteProgress
    say: Callable[[str], object]
    refused: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    whole: set[str] = field(default_factory=set)
    slow: set[str] = field(default_factory=set)
    held: bool = False

    def __post_init__(self) -> None:
        self.part = self.target.with_name(f"{self.target.name}.part")
        self.total = self.remote.size

    def run(self, instead: str) -> None:
        """Try the addresses in rounds until the file is there."""
        with contextlib.suppress(_GoneError, FailedError):
            if self.total is not None and self._there() >= self.total:
                self._finish(whole=False)
                return
        patience = self.patience
        idle = 0
        with _client(patience) as client:
            while True:
                before = self._there()
                if self._round(client):
                    return
                idle = 0 if self._there() >= before + STEP else idle + 1
                if idle >= patience.tries or len(self.refused) == len(self.remote.urls):
                    raise self._error(instead)
                wait = min(patience.longest, patience.backoff * 2 ** max(0, idle - 1))
                wait *= random.uniform(0.5, 1.0)
                self.say(f"trying again in {wait:.0f} s")
                time.sleep(wait)

    def look(self) -> int:
        """Show how many bytes another process has brought; return them."""
        there = self._there()
        self.progress(there, self.total or 0)
        return there

    def _round(self, client: httpx.Client) -> bool:
        """Ask each address once; whether the file is there now."""
        for url in self.remote.urls:
            if url in self.refused:
                continue
            try:
                start = self._transfer(client, url)
                self._finish(whole=start == 0)
                return True
            except _GoneError:
                if fault(self.target, self.remote) is None:
                    return True
                self.failed[url] = "another process dropped what had come"
            except FailedError as error:
                if isinstance(error, UnsplitError):
                    self.whole.add(url)
                kept = self.refused if isinstance(error, RefusedError) else self.failed
                if kept.get(url) != str(error):
                    self.say(f"{url} {error}")
                kept[url] = str(error)
        return False

    def _error(self, instead: str) -> DataError:
        reasons = {**self.failed, **self.refused}
        urls: dict[str, list[str]] = {}  # by what is said of them, which may be the same of all
        for url in self.remote.urls:
            urls.setdefault(reasons[url], []).append(url)
        said = "; ".join(f"{', '.join(own)} {reason}" for reason, own in urls.items())
        return DataError(
            f"{self.remote.name} cannot be downloaded: {said}" + (f"; {instead}" if instead else "")
        )

    def _there(self) -> int:
        """How many bytes the part has."""
        try:
            return self.part.stat().st_size
        except OSError:
            return 0

    # One address ------------------------------------------------------------------------------

    def _transfer(self, client: httpx.Client, url: str) -> int | None:
        """Complete the part; the place where it began, None where nothing was left to do."""
        with disk(self.target, self.total):
            # Neither truncated nor appended to: others may be writing it.
            handle = os.open(self.part, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666)
        with os.fdopen(handle, "r+b", buffering=0) as file:
            there = os.fstat(handle).st_size
            self.progress(there, self.total or 0)
            if self.total is not None and there >= self.total:
                return None
            self._check_room(there)
            start = 0 if url in self.whole else there
            with ask(client, url, start, self.tags.get(url)) as answer:
                self._receive(url, answer, file)
            return answer.at

    def _check_room(self, there: int) -> None:
        if self.total is None:
            return
        need = 2 * self.total - there  # the rest of the part, and the copy that is checked
        with disk(self.target, need):
            free = shutil.disk_usage(self.target.parent).free
        if free < need:
            raise ResourceError(
                f"{self.remote.name} needs {need:,} bytes of room in {self.target.parent}, "
                f"{free:,} are free; make room, or set TINYSIGHT_DATA to a folder that has it"
            )

    def _receive(self, url: str, answer: Answer, file: BinaryIO) -> None:
        """Write what comes to its place."""
        at, head = answer.at, b""
        begun = at > 0
        if begun:
            self._accept(url, answer)
        since, moved = time.monotonic(), 0
        for chunk in answer.chunks:
            if not begun:
                head += chunk
                if len(head) < HEAD:
                    continue
                self._check_start(head)
                self._accept(url, answer)
                chunk, begun = head, True
            at = self._write(file, at, chunk[: (self.total or MOST) - at])
            moved += len(chunk)
            if at >= (self.total or MOST):
                break
            if time.monotonic() - since > self.patience.window:
                self._check_speed(url, moved / (time.monotonic() - since))
                since, moved = time.monotonic(), 0
        if not begun:
            self._check_start(head)
            self._accept(url, answer)
            at = self._write(file, at, head)
        if self.total is None and at >= MOST:
            raise RefusedError(f"sends more than {MOST:,} bytes")
        self.total = self.total or at
        if at < self.total:
            raise FailedError(f"ended after {at:,} of {self.total:,} bytes")

    def _accept(self, url: str, answer: Answer) -> None:
        """Compare the size that a server says with the one that is known; keep its tag."""
        if self.remote.size is None:
            self.total = answer.total
        elif answer.total not in (None, self.remote.size):
            raise RefusedError(f"has {answer.total:,} bytes, {self.remote.size:,} are expected")
        if answer.tag:
            self.tags[url] = answer.tag

    def _check_start(self, head: bytes) -> None:
        """Refuse what is no archive of the file's kind, before a byte of it is written."""
        start, kind = STARTS.get(Path(self.remote.name).suffix, (b"", ""))
        if head.startswith(start):
            return
        shown = printable(head.lstrip()[:5].decode("latin-1"))
        page = ": a web page answered in its place" if head.lstrip().startswith(b"<") else ""
        raise RefusedError(f"starts with '{shown}', not {kind}{page}")

    def _check_speed(self, url: str, speed: float) -> None:
        """Leave an address that is slow, once, while there is another."""
        others = set(self.remote.urls) - set(self.refused) - self.slow - {url}
        if speed < self.patience.slow and others and url not in self.slow:
            self.slow.add(url)
            raise FailedError(f"gives {speed / 1000:,.0f} kB a second, another may give more")

    def _write(self, file: BinaryIO, at: int, chunk: bytes) -> int:
        """Write to a place in the part; the place after it."""
        try:
            if not os.path.samestat(self.part.stat(), os.fstat(file.fileno())):
                raise _GoneError
        except FileNotFoundError:
            raise _GoneError from None
        with disk(self.target, None if self.total is None else self.total - at):
            file.seek(at)
            rest = memoryview(chunk)
            while rest:
                rest = rest[file.write(rest) :]
        self.progress(at + len(chunk), self.total or 0)
        return at + len(chunk)

    def _finish(self, *, whole: bool) -> None:
        """Give the file its name if it is the published one, else drop the part.

        Args:
            whole: whether all of it came from one address, which then has another file.
        """
        try:
            said = install(self.part, self.target, self.remote)
        except FileNotFoundError:
            raise _GoneError from None
        # Where another process has it open on Windows, that process finishes it.
        with contextlib.suppress(OSError):
            self.part.unlink()
        if said and whole and self.held:
            raise RefusedError(f"gave another file: {said}")
        if said:
            raise FailedError(f"completed another file: {said}")
