"""A real terminal for what is shown on one."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator

import pytest

__all__ = ["on_a_terminal"]


@contextlib.contextmanager
def on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Standard error is a real terminal while entered; then the list has all it was sent."""
    pty = pytest.importorskip("pty", reason="no pseudo-terminals here")
    end, start = pty.openpty()
    said: list[str] = []

    def listen() -> None:
        """Take what comes, or else who writes would wait; the end is no data or an error."""
        raw = b""
        with contextlib.suppress(OSError):
            while chunk := os.read(end, 2**16):
                raw += chunk
        said.append(raw.decode())

    listener = threading.Thread(target=listen)
    listener.start()
    monkeypatch.setenv("TERM", "xterm")
    with os.fdopen(start, "w") as stream, monkeypatch.context() as patch:
        patch.setattr("sys.stderr", stream)
        yield said
    listener.join()
    os.close(end)
