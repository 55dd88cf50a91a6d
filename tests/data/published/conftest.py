from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.data.published.server import Server


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with Server.running(tmp_path) as running:
        monkeypatch.setenv("SSL_CERT_FILE", str(running.trust))
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        yield running


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "data" / "a.tar.gz"
