"""The one preprocessing of pictures, the same for data sets, prediction and serving.

`read` turns a file, bytes, a PIL picture or an array into uint8 `h w c` pixels at the size they
have; `fit` brings pixels to one shape; `decode` is both. Needs numpy and Pillow alone.

- The content decides the format, never the name: PNG, JPEG, WebP, BMP, GIF.
- Grey stays one channel, everything else becomes RGB. 16-bit grey is scaled, not clipped. What is
  transparent is laid on white. EXIF orientation is applied. Of an animation the first frame counts.
- Another size is reached by a central crop to the wanted aspect and antialiased bicubic
  resampling, which at the crop's edge sees what lies beyond. Pixels of that shape stay untouched.
- RGB becomes grey by ITU-R 601 luma (0.299 R + 0.587 G + 0.114 B).
"""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import (
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    WebPImagePlugin,
)

from tinysight.errors import PictureError, UsageError
from tinysight.pictures.formats import (
    FORMATS,
    MAX_BYTES,
    check_bounds,
    format_of,
    printable,
    webp_size,
)

__all__ = [
    "BACKGROUND",
    "Header",
    "Picture",
    "Shape",
    "Source",
    "decode",
    "fit",
    "header",
    "read",
]

Shape = tuple[int, int, int]
Source = bytes | str | os.PathLike[str] | Image.Image | NDArray[Any]

BACKGROUND = 255  # white, under what is transparent
# Pillow's classes by name, not Image.open: no other plugin can start then (EPS would run
# Ghostscript), and the bounds are ours rather than a warning and a global of Pillow's.
_OPENERS: dict[str, Callable[[io.BytesIO], ImageFile.ImageFile]] = {
    "PNG": PngImagePlugin.PngImageFile,
    "JPEG": JpegImagePlugin.JpegImageFile,
    "WebP": WebPImagePlugin.WebPImageFile,
    "BMP": BmpImagePlugin.BmpImageFile,
    "GIF": GifImagePlugin.GifImageFile,
}
_GREY = ("1", "L", "LA", "La")
_ORIENTATION = 0x0112
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@dataclass(frozen=True)
class Header:
    """What a picture says of itself before it is decoded; sizes as displayed.

    Attributes:
        channels: what `read` will return: 1 for grey, else 3.
        format: one of FORMATS; "PIL" or "array" where there was no file.
        mode: Pillow's name, e.g. "RGB", "P", "I;16", "CMYK".
    """

    height: int
    width: int
    channels: int
    format: str
    mode: str


@dataclass(frozen=True, eq=False)
class Picture:
    """A decoded picture: pixels uint8 `h w c`, its header, and what was done to it."""

    pixels: NDArray[np.uint8]
    header: Header
    notes: tuple[str, ...]


def decode(
    source: Source, shape: Shape, where: str | None = None
) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
    """Return the picture as uint8 pixels of the shape `h w c`, and notes on what was done to it.

    Raises:
        PictureError: it cannot be read; `where` names it in the message.

    >>> pixels, notes = decode(np.zeros((48, 64, 3), np.uint8), (32, 32, 1))
    >>> pixels.shape, notes
    ((32, 32, 1), ('64x48 brought to 32x32',))
    """
    picture = read(source, where)
    pixels = fit(picture.pixels, shape)
    found = picture.pixels.shape
    if found[:2] == shape[:2]:
        return pixels, picture.notes
    resized = f"{found[1]}x{found[0]} brought to {shape[1]}x{shape[0]}"
    return pixels, (*picture.notes, resized)


def read(source: Source, where: str | None = None) -> Picture:
    """Decode a picture at the size it has.

    Args:
        source: a path, the bytes of a file, a PIL picture, or uint8 `h w`, `h w 1`, `h w 3` or
            `h w 4` (the last channel alpha). An array without alpha is returned, not copied.
        where: what to call it in an error; the path if there is one.

    Raises:
        PictureError: not a picture, of a kind that is not read, damaged, or out of bounds.
    """
    if ImageFile.LOAD_TRUNCATED_IMAGES:
        raise UsageError(
            "PIL.ImageFile.LOAD_TRUNCATED_IMAGES is set, which fills cut pictures with grey; "
            "set it to False"
        )
    if isinstance(source, np.ndarray) and not (source.ndim == 3 and source.shape[2] == 4):
        image = _from_array(source, where or "picture")
        pixels = source.reshape(image.height, image.width, -1)
        return Picture(pixels, _header(image, "array", 1), ())
    image, kind, where = _open(source, where)
    notes: list[str] = []
    try:
        image.load()
        turn = _orientation(image)
        head = _header(image, kind, turn)
        pixels = _pixels(_upright(image, turn, notes), notes, where)
        if kind in FORMATS and _is_animated(image):
            notes.append("animated: the first frame alone")
    except (PictureError, MemoryError):
        raise
    except Exception as error:  # a damaged file can trip any line of a decoder
        raise _damaged(where, kind, error) from None
    return Picture(pixels, head, tuple(notes))


def header(source: Source, where: str | None = None) -> Header:
    """Return what the picture says of itself, without decoding it.

    Raises:
        PictureError: as `read`, as far as a header shows it.
    """
    image, kind, _ = _open(source, where)
    return _header(image, kind, _orientation(image))


def fit(pixels: NDArray[np.uint8], shape: Shape) -> NDArray[np.uint8]:
    """Bring uint8 `h w c` pixels (c of 1 or 3) to `shape`: central crop, antialiased bicubic.

    Pixels that have the shape are returned as they are, the same array.
    """
    height, width, channels = shape
    if pixels.shape == shape:
        return pixels
    image = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    if pixels.shape[2] > channels:
        image = image.convert("L")
    if image.size != (width, height):
        box = _central(image.width, image.height, width / height)
        image = image.resize((width, height), Image.Resampling.BICUBIC, box=box)
    if pixels.shape[2] < channels:
        image = image.convert("RGB")
    return np.asarray(image).reshape(shape)


def _central(width: int, height: int, aspect: float) -> tuple[float, float, float, float]:
    """The largest central box of the aspect (width over height): left, top, right, bottom."""
    if width > height * aspect:
        cut = (width - height * aspect) / 2
        return cut, 0, width - cut, height
    cut = (height - width / aspect) / 2
    return 0, cut, width, height - cut


def _open(source: Source, where: str | None) -> tuple[Image.Image, str, str]:
    """The picture not decoded yet, its kind, and its name for messages."""
    if isinstance(source, Image.Image):
        where = where or "picture"
        if source.format == "EPS":  # decoding it would start Ghostscript
            raise PictureError(f"{where} is EPS, which is not read; convert it to PNG first")
        check_bounds(source.height, source.width, where)
        return source, "PIL", where
    if isinstance(source, np.ndarray):
        where = where or "picture"
        return _from_array(source, where), "array", where
    if isinstance(source, bytes):
        where, raw = where or "picture", source
    elif isinstance(source, str | os.PathLike):
        where = where or printable(os.fspath(source))
        raw = _bytes_of(source if isinstance(source, Path) else Path(source), where)
    else:
        raise PictureError(
            f"{where or 'picture'}: a path, bytes, a PIL picture or a uint8 array is expected, "
            f"got {type(source).__name__}"
        )
    kind = format_of(raw, where)
    if kind == "WebP":  # Pillow's decoder allocates the canvas when it is made
        check_bounds(*webp_size(raw), where)
    try:
        image = _OPENERS[kind](io.BytesIO(raw))
    except MemoryError:
        raise
    except Exception as error:  # a damaged file can trip any line of a decoder
        raise _damaged(where, kind, error) from None
    check_bounds(image.height, image.width, where)
    return image, kind, where


def _bytes_of(path: Path, where: str) -> bytes:
    try:
        about = path.stat()
        if not stat.S_ISREG(about.st_mode):  # a pipe would keep us waiting
            raise PictureError(f"{where} is not a file")
        if about.st_size > MAX_BYTES:
            raise PictureError(
                f"{where} has {about.st_size:,} bytes; at most {MAX_BYTES:,} are read"
            )
        return path.read_bytes()
    except FileNotFoundError:
        raise PictureError(f"{where}: no such file") from None
    except OSError as error:
        raise PictureError(f"{where} cannot be read: {error.strerror or error}") from None
    except ValueError as error:  # a name with a zero byte
        raise PictureError(f"{where} cannot be read: {error}") from None


def _from_array(array: NDArray[Any], where: str) -> Image.Image:
    if array.dtype != np.uint8:
        raise PictureError(
            f"{where}: a uint8 array is expected, got {array.dtype}; "
            "scale it to 0-255 and convert it: its range is not guessed"
        )
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[..., 0]
    if array.ndim != 2 and not (array.ndim == 3 and array.shape[2] in (3, 4)):
        raise PictureError(
            f"{where}: an array of h w, h w 1, h w 3 or h w 4 is expected, got {array.shape}"
        )
    check_bounds(array.shape[0], array.shape[1], where)
    return Image.fromarray(array)


def _header(image: Image.Image, kind: str, turn: int | None) -> Header:
    height, width = image.height, image.width
    if turn in (5, 6, 7, 8):
        height, width = width, height
    grey = image.mode in _GREY or image.mode.startswith("I;16")
    return Header(height, width, 1 if grey else 3, kind, image.mode)


def _orientation(image: Image.Image) -> int | None:
    """The EXIF orientation, 1 to 8; None where the block is there but cannot be read."""
    has = ("exif", "xmp", "XML:com.adobe.xmp", "Raw profile type exif")
    if not any(name in image.info for name in has):
        return 1
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # the block is a file within the file, damaged in as many ways
        return None


def _upright(image: Image.Image, turn: int | None, notes: list[str]) -> Image.Image:
    if turn is None:
        notes.append("EXIF unreadable: taken as upright")
    if turn not in _UPRIGHT:
        return image
    notes.append("EXIF orientation applied")
    return image.transpose(_UPRIGHT[turn])


def _pixels(image: Image.Image, notes: list[str], where: str) -> NDArray[np.uint8]:
    """The picture as uint8 `h w 1` or `h w 3`."""
    mode = image.mode
    if mode.startswith("I;16"):
        notes.append("16-bit grey scaled to 8 bits")
        deep = np.asarray(image).astype(np.uint32)
        pixels = ((deep * 255 + 32767) // 65535).astype(np.uint8)
        if isinstance(clear := image.info.get("transparency"), int):
            pixels[deep == clear] = BACKGROUND
        return pixels[..., None]
    if mode in ("I", "F"):
        raise PictureError(
            f"{where} has mode {mode!r}, whose range is not known; convert it to 'L' or 'I;16'"
        )
    plain, with_alpha = ("L", "LA") if mode in _GREY else ("RGB", "RGBA")
    if image.has_transparency_data:
        deep_alpha = image.convert(with_alpha)
        alpha = deep_alpha.getchannel("A")
        flat = Image.new(plain, image.size, (BACKGROUND,) * len(plain))
        flat.paste(deep_alpha.convert(plain), mask=alpha)
        if np.asarray(alpha).min() < 255:
            notes.append("transparent: laid on white")
    else:
        flat = image if mode == plain else image.convert(plain)
        if mode == "CMYK":
            notes.append("CMYK brought to RGB")
    # A copy: what Pillow shows is its own memory, read-only.
    return np.array(flat).reshape(image.height, image.width, len(plain))


def _is_animated(image: Image.Image) -> bool:
    """Whether more frames follow; not how many, which a hostile file makes slow to find out."""
    try:
        return bool(getattr(image, "is_animated", False))
    except Exception:  # the second frame is damaged; the first is all that is wanted
        return True


def _damaged(where: str, kind: str, error: Exception) -> PictureError:
    said = printable(" ".join(str(error).split())) or type(error).__name__
    return PictureError(f"{where} is damaged or cut short, it cannot be decoded as {kind}: {said}")
