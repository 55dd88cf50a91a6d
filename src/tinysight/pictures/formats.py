"""The picture files that are read: told by their content, bounded by their header."""

from __future__ import annotations

from collections.abc import Sequence

from tinysight.errors import PictureError

__all__ = [
    "FORMATS",
    "MAX_ASPECT",
    "MAX_BYTES",
    "MAX_PIXELS",
    "READ",
    "REFUSED",
    "check_bounds",
    "format_of",
    "printable",
    "sized",
    "webp_size",
]

FORMATS = ("PNG", "JPEG", "WebP", "BMP", "GIF")

# The endings by which a folder's pictures are found; the content then decides.
READ = {".apng", ".bmp", ".dib", ".gif", ".jfif", ".jpe", ".jpeg", ".jpg", ".png", ".webp"}
# Not skipped: whoever put them there means them as pictures, and the refusal gives advice.
REFUSED = {".avif", ".eps", ".heic", ".heif", ".jp2", ".jxl", ".svg", ".tif", ".tiff"}

MAX_PIXELS = 64_000_000  # 8,000 x 8,000: 192 MB as RGB
MAX_ASPECT = 20  # a central crop to a square would show under a twentieth of the picture
MAX_BYTES = 256 * 2**20  # the largest that MAX_PIXELS take, as an uncompressed 32-bit BMP


def format_of(raw: bytes, where: str) -> str:
    """Return which of FORMATS the bytes are, by their start.

    Raises:
        PictureError: none of them; a well-known other is named, with advice.
    """
    if not raw:
        raise PictureError(f"{where} is empty (0 bytes)")
    if raw.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if raw.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if raw[:4] == b"RIFF" and raw[8:12] == b"WEBP":
        return "WebP"
    if raw.startswith((b"GIF87a", b"GIF89a")):
        return "GIF"
    if raw.startswith(b"BM"):
        return "BMP"
    if other := _other(raw):
        raise PictureError(f"{where} is {other}, which is not read; convert it to PNG first")
    start = printable(raw[:12].decode("latin-1"))
    raise PictureError(
        f"{where} is not a picture: it starts with {start!r}; {', '.join(FORMATS)} are read"
    )


def _other(raw: bytes) -> str | None:
    """A well-known format that is not read."""
    brand = raw[8:12] if raw[4:8] == b"ftyp" else b""
    if brand in (b"avif", b"avis"):
        return "AVIF"
    if brand in (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"):
        return "HEIC"
    if b"<svg" in raw[:1024].lower():
        return "SVG"
    starts = {
        b"%!PS": "EPS (PostScript)",
        b"\xc5\xd0\xd3\xc6": "EPS (PostScript)",
        b"%PDF": "PDF",
        b"II*\0": "TIFF",
        b"MM\0*": "TIFF",
        b"8BPS": "Photoshop",
        b"\0\0\0\x0cjP  ": "JPEG 2000",
        b"\0\0\0\x0cJXL ": "JPEG XL",
        b"\xff\x0a": "JPEG XL",
    }
    return next((name for start, name in starts.items() if raw.startswith(start)), None)


def webp_size(raw: bytes) -> tuple[int, int]:
    """Return height and width by a WebP's first chunk; (1, 1) without one: the decoder says why."""
    chunk = raw[12:16]
    if chunk == b"VP8X" and len(raw) >= 30:
        return (
            1 + int.from_bytes(raw[27:30], "little"),
            1 + int.from_bytes(raw[24:27], "little"),
        )
    if chunk == b"VP8L" and len(raw) >= 25:
        bits = int.from_bytes(raw[21:25], "little")
        return 1 + (bits >> 14 & 0x3FFF), 1 + (bits & 0x3FFF)
    if chunk == b"VP8 " and len(raw) >= 30:
        return (
            int.from_bytes(raw[28:30], "little") & 0x3FFF,
            int.from_bytes(raw[26:28], "little") & 0x3FFF,
        )
    return 1, 1


def check_bounds(height: int, width: int, where: str) -> None:
    """Refuse a picture that would exhaust the memory or show nothing once it is cropped.

    Raises:
        PictureError: above MAX_PIXELS or MAX_ASPECT, or without any pixel.
    """
    if not (height and width):
        raise PictureError(f"{where} has no pixels: {width} x {height}")
    if height * width > MAX_PIXELS:
        raise PictureError(
            f"{where} is {width:,} x {height:,} pixels; at most {MAX_PIXELS:,} are read; shrink it"
        )
    if max(height, width) > MAX_ASPECT * min(height, width):
        raise PictureError(
            f"{where} is {width:,} x {height:,}: the longer side may be at most {MAX_ASPECT} "
            "times the shorter; crop it"
        )


def sized(shape: Sequence[int]) -> str:
    """Return a shape h w c as people say it, width first.

    >>> sized((40, 48, 3))
    '48x40 RGB'
    """
    height, width, channels = shape
    return f"{width}x{height} {'grey' if channels == 1 else 'RGB'}"


def printable(name: str, most: int = 120) -> str:
    """Return a name that is safe to print: control characters escaped, the middle cut out."""
    if name.isprintable() and len(name) <= most:
        return name
    safe = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in name)
    half = most // 2
    return safe if len(safe) <= most else f"{safe[:half]}…{safe[-half:]}"
