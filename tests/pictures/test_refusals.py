"""Pictures that are damaged, too large, of another format, or out of reach."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile
from tests.pictures.making import encoded, noise, png, smooth

from tinysight.errors import PictureError, UsageError
from tinysight.pictures import fit, header, read
from tinysight.pictures.formats import FORMATS, printable


@pytest.mark.parametrize("cut", [0.1, 0.5, 0.9, 0.98])
@pytest.mark.parametrize("kind", FORMATS)
def test_a_cut_picture_is_refused(kind: str, cut: float) -> None:
    image = Image.fromarray(noise(48, 48, 3))
    raw = encoded(image, kind)
    with pytest.raises(PictureError, match=r"^cut\.x is damaged or cut short, it cannot be dec"):
        read(raw[: int(len(raw) * cut)], where="cut.x")


def test_a_damaged_byte_in_a_png_is_refused() -> None:
    raw = bytearray(encoded(Image.fromarray(noise(32, 32, 3)), "PNG"))
    raw[len(raw) // 2] ^= 0xFF
    with pytest.raises(PictureError, match="damaged or cut short, it cannot be decoded as PNG"):
        read(bytes(raw))


def test_a_lazy_pil_picture_that_is_cut_is_refused() -> None:
    raw = encoded(Image.fromarray(noise(48, 48, 3)), "JPEG")
    lazy = Image.open(io.BytesIO(raw[: len(raw) // 2]))
    with pytest.raises(PictureError, match="picture is damaged or cut short"):
        read(lazy)


def test_pillows_grey_filling_is_not_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    with pytest.raises(UsageError, match="LOAD_TRUNCATED_IMAGES is set"):
        read(noise(4, 4, 3))


@pytest.mark.parametrize(("width", "height"), [(50_000, 50_000), (13_300, 13_300), (8_001, 8_000)])
def test_a_size_bomb_is_refused_from_its_header(width: int, height: int) -> None:
    with pytest.raises(PictureError, match=r"pixels; at most 64,000,000 are read; shrink it"):
        read(png(width, height))
    with pytest.raises(PictureError, match=f"{width:,} x {height:,} pixels"):
        header(png(width, height))


@pytest.mark.parametrize("chunk", ["VP8X", "VP8L", "VP8 "])
def test_a_webp_bomb_is_refused_before_its_canvas_is_made(chunk: str) -> None:
    side = 13_300 - 1
    if chunk == "VP8X":
        body = bytes(4) + side.to_bytes(3, "little") * 2
    elif chunk == "VP8L":
        body = b"\x2f" + (side | side << 14).to_bytes(4, "little")
    else:
        body = b"\0\0\0\x9d\x01\x2a" + (side + 1).to_bytes(2, "little") * 2
    raw = b"RIFF\x40\0\0\0WEBP" + chunk.encode() + b"\x0a\0\0\0" + body + bytes(20)
    with pytest.raises(PictureError, match="13,300 x 13,300 pixels; at most"):
        read(raw)


def test_the_webp_size_is_read_as_pillow_reads_it() -> None:
    pixels = noise(20, 30, 3)
    for options in ({"lossless": True}, {"quality": 80}, {"exif": b"MM\0*\0\0\0\x08\0\0"}):
        head = header(encoded(Image.fromarray(pixels), "WebP", **options))
        assert (head.height, head.width) == (20, 30)


def test_an_extreme_aspect_is_refused() -> None:
    with pytest.raises(PictureError, match=r"1 x 20,000: the longer side may be at most 20 times"):
        read(encoded(Image.new("L", (1, 20_000)), "PNG"))
    assert read(Image.new("L", (1, 20))).pixels.shape == (20, 1, 1)


def test_no_bytes_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "none.png"
    path.touch()
    with pytest.raises(PictureError, match=r"none\.png is empty \(0 bytes\)"):
        read(path)


def test_text_named_png_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "letter.png"
    path.write_text("Dear\x07 madam")
    with pytest.raises(
        PictureError, match=r"letter\.png is not a picture: it starts with 'Dear.*m"
    ):
        read(path)


@pytest.mark.parametrize(
    ("name", "raw"),
    [
        ("SVG", b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>'),
        ("HEIC", b"\0\0\0\x18ftypheic\0\0\0\0"),
        ("AVIF", b"\0\0\0\x18ftypavif\0\0\0\0"),
        ("EPS", b"%!PS-Adobe-3.0 EPSF-3.0\n"),
        ("PDF", b"%PDF-1.7\n"),
        ("TIFF", b"II*\0\x08\0\0\0"),
        ("JPEG XL", b"\xff\x0a\0\0"),
    ],
)
def test_other_formats_are_named_with_advice(name: str, raw: bytes) -> None:
    with pytest.raises(PictureError, match=f"is {name}.*which is not read; convert it to PNG"):
        read(raw)


def test_ghostscript_is_never_started(monkeypatch: pytest.MonkeyPatch) -> None:
    from PIL import EpsImagePlugin

    def started(*_: object, **__: object) -> None:
        raise AssertionError("Ghostscript")

    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", started)
    raw = encoded(Image.new("RGB", (4, 4)), "EPS")
    with pytest.raises(PictureError, match="EPS"):
        read(raw)
    with pytest.raises(PictureError, match="picture is EPS, which is not read"):
        read(Image.open(io.BytesIO(raw)))


def test_pillows_own_bounds_play_no_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    assert read(encoded(Image.new("L", (8, 8)), "PNG")).pixels.shape == (8, 8, 1)


@pytest.mark.parametrize("mode", ["I", "F"])
def test_a_pil_picture_of_unknown_range_is_refused(mode: str) -> None:
    with pytest.raises(PictureError, match=f"has mode '{mode}', whose range is not known"):
        read(Image.new(mode, (4, 4)))


def test_arrays_are_not_guessed_at() -> None:
    with pytest.raises(PictureError, match=r"a uint8 array is expected, got float32; scale it"):
        read(np.zeros((4, 4, 3), np.float32))
    with pytest.raises(PictureError, match=r"h w 4 is expected, got \(3, 4, 4, 2\)"):
        read(np.zeros((3, 4, 4, 2), np.uint8))
    with pytest.raises(PictureError, match=r"picture has no pixels: 4 x 0"):
        read(np.zeros((0, 4, 3), np.uint8))
    with pytest.raises(PictureError, match="a uint8 array is expected, got list"):
        read([1, 2])  # pyright: ignore[reportArgumentType]


@pytest.mark.skipif(os.name == "nt", reason="has no named pipes")
def test_files_that_are_not_there_or_too_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(PictureError, match=r"gone\.png: no such file"):
        read(tmp_path / "gone.png")
    with pytest.raises(PictureError, match="is not a file"):
        read(tmp_path)
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(PictureError, match=r"pipe\.png is not a file"):
        read(tmp_path / "pipe.png")
    monkeypatch.setattr("tinysight.pictures.MAX_BYTES", 3)
    (tmp_path / "long.png").write_bytes(b"1234")
    with pytest.raises(PictureError, match=r"long\.png has 4 bytes; at most 3 are read"):
        read(tmp_path / "long.png")


def test_a_name_that_no_system_takes_is_told() -> None:
    with pytest.raises(PictureError, match=r"a\\x00b\.png cannot be read: embedded null byte"):
        read("a\0b.png")


def test_a_file_that_may_not_be_read(nobody: Path) -> None:
    (nobody / "secret.png").touch(mode=0)
    with pytest.raises(PictureError, match=r"secret\.png cannot be read: Permission denied"):
        read(nobody / "secret.png")


def test_messages_are_one_printable_line(tmp_path: Path) -> None:
    path = tmp_path / ("a\n\x1b[31m" + "b" * 200 + ".png")
    path.write_bytes(b"no\npicture")
    with pytest.raises(PictureError) as refused:
        read(path)
    assert str(refused.value).isprintable()
    assert printable("\x1b[31mred\n") == "\\x1b[31mred\\n"
    assert printable("a" * 60 + "b" * 90) == "a" * 60 + "…" + "b" * 60


def whole(kind: str, mode: str) -> bytes:
    image = Image.fromarray(smooth(12, 10)).convert(mode)
    exif = Image.Exif()
    exif[274] = 6  # lies on its side
    return encoded(image, kind, **({"exif": exif} if kind in ("JPEG", "WebP", "PNG") else {}))


WHOLE = {
    f"{kind} {mode}": whole(kind, mode)
    for kind, modes in {
        "PNG": ("RGB", "L", "P", "LA", "I;16"),
        "JPEG": ("RGB", "L", "CMYK"),
        "WebP": ("RGB", "RGBA"),
        "BMP": ("RGB", "1", "P"),
        "GIF": ("P", "L"),
    }.items()
    for mode in modes
}


@settings(deadline=2000, max_examples=400)
@given(st.sampled_from(sorted(WHOLE)), st.data())
def test_damaged_pictures_are_read_or_refused(name: str, data: st.DataObject) -> None:
    raw = bytearray(WHOLE[name])
    for _ in range(data.draw(st.integers(1, 3))):
        at, to = sorted(data.draw(st.tuples(*[st.integers(0, len(raw))] * 2)))
        change = data.draw(st.sampled_from(["flip", "cut", "turn", "write"]))
        if change == "flip" and at < len(raw):
            raw[at] ^= 1 << data.draw(st.integers(0, 7))
        elif change == "cut":
            del raw[at:to]
        elif change == "turn":
            raw[at:to] = raw[at:to][::-1]
        else:
            raw[at:to] = data.draw(st.binary(max_size=8))
    try:
        picture = read(bytes(raw), "x")
    except PictureError:
        return
    height, width, channels = picture.pixels.shape
    assert (picture.header.height, picture.header.width) == (height, width)
    assert channels in (1, 3)
    assert fit(picture.pixels, (8, 8, channels)).shape == (8, 8, channels)
