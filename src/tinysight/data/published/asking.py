"""Ask an address for a file from some byte on, and understand what it answers."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tinysight.pictures.formats import printable

if TYPE_CHECKING:
    import httpx

__all__ = ["Answer", "FailedError", "RefusedError", "UnsplitError", "ask"]

HOPS = 10  # redirects
BUSY = (408, 425, 429, 500, 502, 503, 504)  # answers that may be others a little later


class FailedError(Exception):
    """An attempt that came to nothing; another may do better."""


class RefusedError(FailedError):
    """What an address gives is not the file; it need not be asked again."""


class UnsplitError(FailedError):
    """An address that cannot be asked for a part of the file, only for all of it."""


@dataclass(frozen=True)
class Answer:
    """What comes of a file.

    Attributes:
        at: the place in the file where it begins.
        total: bytes of the whole file by the server's account; None where it says nothing.
        tag: the ETag, if it stands for the very bytes.
    """

    at: int
    total: int | None
    tag: str | None
    chunks: Iterator[bytes]


@contextlib.contextmanager
def ask(client: httpx.Client, url: str, start: int, tag: str | None) -> Iterator[Answer]:
    """Ask for a file from the byte `start` on; https alone, redirects included.

    Args:
        tag: if the file has another one by now, all of it is to be sent.

    Raises:
        FailedError: no answer, or it broke off; also while the chunks are read.
    """
    import httpx

    try:
        with _follow(client, url, start, tag) as response:
            yield _understand(response, start)
    except httpx.ConnectTimeout:
        raise FailedError("gave no connection in time") from None
    except httpx.TimeoutException:
        raise FailedError("stalled") from None
    except httpx.RemoteProtocolError as error:
        raise FailedError(f"broke off: {printable(str(error))}") from None
    except httpx.ReadError:
        raise FailedError("broke the connection off") from None
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        if "CERTIFICATE_VERIFY_FAILED" in str(error):
            raise RefusedError(
                "has a certificate that is not trusted (SSL_CERT_FILE can name more)"
            ) from None
        raise FailedError(f"cannot be reached: {printable(str(error))}") from None


@contextlib.contextmanager
def _follow(
    client: httpx.Client, url: str, start: int, tag: str | None
) -> Iterator[httpx.Response]:
    headers = {"Range": f"bytes={start}-"} if start else {}
    if start and tag:
        headers["If-Range"] = tag
    where = url
    for _ in range(HOPS):
        if not where.startswith("https://"):
            verb = "sends on to" if where != url else "is asked as"
            raise RefusedError(f"{verb} {printable(where)}, which is not https")
        request = client.build_request("GET", where, headers=headers)
        with contextlib.closing(client.send(request, stream=True)) as response:
            if not response.has_redirect_location:
                yield response
                return
            where = str(response.url.join(response.headers["Location"]))
    raise RefusedError(f"sends on and on, {HOPS} times")


def _understand(response: httpx.Response, start: int) -> Answer:
    status, headers = response.status_code, response.headers
    said = headers.get("Content-Range", "")
    # What is encoded on the way has another size than the file.
    plain = "Content-Encoding" not in headers
    tag = headers.get("ETag", "")
    tag = tag if tag.startswith('"') else None  # a weak one says nothing of the bytes
    if status == 200:
        total = _number(headers.get("Content-Length", "")) if plain else None
        return Answer(0, total, tag, response.iter_raw())
    if status == 206 and start:
        return Answer(start, _total(said, start), tag, response.iter_raw())
    if status == 416 and start:
        if _number(said.removeprefix("bytes */")) == start:
            return Answer(start, start, tag, iter(()))
        raise UnsplitError(f"has nothing from byte {start:,} on")
    kind = FailedError if status in BUSY else RefusedError
    raise kind(f"answered {status} {printable(response.reason_phrase)}".rstrip())


def _total(said: str, start: int) -> int | None:
    """The size of the file by a Content-Range, if it is of the part that was asked for."""
    parts = re.fullmatch(r"bytes (\w+)-(\w+)/([*\w]+)", said)
    first, last, total = map(_number, parts.groups()) if parts else (None, None, None)
    if first != start or last is None or last < start or (total is not None and total <= last):
        raise UnsplitError(
            f"was asked for the bytes from {start:,} on and sends '{printable(said)}'"
        )
    return total


def _number(text: str) -> int | None:
    return int(text) if re.fullmatch("[0-9]{1,18}", text) else None
