"""Redirects, mirrors, slow and unreachable addresses of downloads."""

from __future__ import annotations

import contextlib
import hashlib
import re
import socket
import time
from pathlib import Path

import pytest
from tests.data.published.downloads import (
    ADD,
    ARCHIVE,
    ONCE,
    OTHER,
    PATIENT,
    left,
    remote,
)
from tests.data.published.server import PORTAL, Act, Server

from tinysight.data.published.download import Patience, download
from tinysight.errors import DataError, UsageError


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
