"""Pictures in every mode, format and state of repair."""

from __future__ import annotations

import io
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageFile

from tinysight.errors import PictureError, UsageError
from tinysight.pictures import decode, fit, header, read
from tinysight.pictures.formats import FORMATS, printable


def noise(*shape: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def smooth(height: int, width: int) -> NDArray[np.uint8]:
    """A picture that JPEG keeps within a few grey levels."""
    down, across = np.mgrid[0:height, 0:width]
    planes = [down * 255 / height, across * 255 / width, (down + across) * 127 / (height + width)]
    return np.stack(planes, axis=-1).astype(np.uint8)


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def png(width: int, height: int, pixels: bytes = b"", depth: int = 8, colour: int = 2) -> bytes:
    """A PNG whose header may say what its data do not hold."""

    def chunk(name: bytes, data: bytes) -> bytes:
        check = zlib.crc32(name + data)
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", check)

    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    data = chunk(b"IDAT", zlib.compress(pixels))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + data + chunk(b"IEND", b"")


# What comes out of each format and mode


@pytest.mark.parametrize("kind", ["PNG", "BMP", "WebP"])
def test_lossless_formats_give_the_same_pixels(kind: str, tmp_path: Path) -> None:
    pixels = noise(32, 40, 3)
    raw = encoded(Image.fromarray(pixels), kind, **({"lossless": True} if kind == "WebP" else {}))
    path = tmp_path / "picture.txt"  # content decides, not the name
    path.write_bytes(raw)
    for source in (raw, path, str(path)):
        picture = read(source)
        np.testing.assert_array_equal(picture.pixels, pixels)
        assert picture.header.format == kind
        assert picture.notes == ()


def test_jpeg_gives_nearly_the_same_pixels() -> None:
    pixels = smooth(32, 40)
    picture = read(encoded(Image.fromarray(pixels), "JPEG", quality=95))
    assert picture.header.format == "JPEG"
    assert np.abs(picture.pixels.astype(int) - pixels).max() < 16


def test_gif_gives_its_palette_colours() -> None:
    pixels = np.zeros((8, 8, 3), np.uint8)
    pixels[:4] = (200, 30, 60)
    picture = read(encoded(Image.fromarray(pixels), "GIF"))
    np.testing.assert_array_equal(picture.pixels, pixels)
    assert picture.notes == ()


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WebP"])
def test_the_first_frame_of_an_animation_counts(kind: str) -> None:
    frames = [Image.new("RGB", (8, 8), c) for c in ("red", "lime", "blue")]
    raw = encoded(frames[0], kind, save_all=True, append_images=frames[1:], lossless=True)
    picture = read(raw)
    assert (picture.pixels == (255, 0, 0)).all()
    assert picture.notes == ("animated: the first frame alone",)


def test_an_animation_with_a_damaged_second_frame_still_gives_the_first() -> None:
    frames = [Image.fromarray(noise(16, 16, 3, seed=s)).quantize(64) for s in range(2)]
    raw = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    cut = read(raw[: len(raw) * 3 // 4])
    np.testing.assert_array_equal(cut.pixels, read(raw).pixels)
    assert cut.notes == ("animated: the first frame alone",)


def test_grey_stays_one_channel_and_one_bit_becomes_black_and_white() -> None:
    grey = noise(9, 7)
    picture = read(encoded(Image.fromarray(grey), "PNG"))
    np.testing.assert_array_equal(picture.pixels[..., 0], grey)
    bits = read(encoded(Image.fromarray(grey > 127), "PNG"))
    assert bits.header.mode == "1"
    np.testing.assert_array_equal(bits.pixels[..., 0], np.where(grey > 127, 255, 0))


def test_16_bit_grey_is_scaled_not_clipped() -> None:
    deep = np.array([[0, 128, 129, 257, 32768, 65535]], np.uint16)
    picture = read(encoded(Image.fromarray(deep), "PNG"))
    assert picture.pixels[0, :, 0].tolist() == [0, 0, 1, 1, 128, 255]
    assert picture.header.channels == 1
    assert picture.notes == ("16-bit grey scaled to 8 bits",)


def test_16_bit_grey_transparency_is_white() -> None:
    deep = np.array([[0, 1000, 2000]], np.uint16)
    picture = read(encoded(Image.fromarray(deep), "PNG", transparency=1000))
    assert picture.pixels[0, :, 0].tolist() == [0, 255, 8]


@pytest.mark.parametrize("kind", ["PNG", "WebP"])
def test_transparency_is_laid_on_white(kind: str) -> None:
    pixels = np.zeros((2, 4, 4), np.uint8)
    pixels[..., 0] = 200
    pixels[..., 3] = (0, 255, 51, 128)
    options = {"lossless": True, "exact": True} if kind == "WebP" else {}
    picture = read(encoded(Image.fromarray(pixels), kind, **options))
    alpha = pixels[..., 3:] / 255
    expected = pixels[..., :3] * alpha + 255 * (1 - alpha)
    assert np.abs(picture.pixels - expected).max() <= 1
    assert (picture.pixels[:, 0] == 255).all()
    assert picture.notes == ("transparent: laid on white",)


def test_an_opaque_alpha_channel_changes_nothing() -> None:
    pixels = noise(16, 16, 4)
    pixels[..., 3] = 255
    picture = read(encoded(Image.fromarray(pixels), "PNG"))
    np.testing.assert_array_equal(picture.pixels, pixels[..., :3])
    assert picture.notes == ()


def test_grey_with_alpha_stays_grey() -> None:
    pixels = np.array([[[100, 255], [100, 0]]], np.uint8)
    picture = read(encoded(Image.fromarray(pixels, "LA"), "PNG"))
    assert picture.pixels[0, :, 0].tolist() == [100, 255]


@pytest.mark.parametrize(("mode", "clear"), [("L", 7), ("RGB", (7, 7, 7)), ("P", 7), ("1", 0)])
def test_a_transparent_colour_is_laid_on_white(mode: str, clear: object) -> None:
    grey = np.array([[7, 90]], np.uint8) if mode != "1" else np.array([[0, 255]], np.uint8)
    image = Image.fromarray(grey)
    if mode == "P":
        image = Image.fromarray(grey, "P")
        image.putpalette([v for i in range(256) for v in (i, i, i)])
    picture = read(encoded(image.convert(mode), "PNG", transparency=clear))
    assert picture.pixels[0, :, 0].tolist() == [255, int(grey[0, 1])]
    assert picture.notes == ("transparent: laid on white",)


def test_palette_becomes_its_colours() -> None:
    image = Image.fromarray(np.array([[0, 1]], np.uint8), "P")
    image.putpalette([10, 20, 30, 40, 50, 60])
    picture = read(encoded(image, "PNG"))
    assert picture.pixels.tolist() == [[[10, 20, 30], [40, 50, 60]]]
    assert picture.header.mode == "P"


def test_cmyk_becomes_rgb() -> None:
    image = Image.new("CMYK", (8, 8), (0, 255, 255, 0))
    picture = read(encoded(image, "JPEG", quality=100))
    assert np.abs(picture.pixels.astype(int) - (255, 0, 0)).max() <= 3
    assert picture.notes == ("CMYK brought to RGB",)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WebP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_gives_the_upright_picture(kind: str, orientation: int) -> None:
    upright = smooth(24, 16)
    # How a camera holding the sensor that way stores the upright picture (EXIF 2.32, 4.6.4 A).
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: upright.transpose(1, 0, 2)[::-1],
        7: upright.transpose(1, 0, 2)[::-1, ::-1],
        8: upright.transpose(1, 0, 2)[:, ::-1],
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if kind == "WebP" else {"quality": 95} if kind == "JPEG" else {}
    raw = encoded(Image.fromarray(np.ascontiguousarray(stored)), kind, exif=exif, **options)
    picture = read(raw)
    assert picture.pixels.shape == upright.shape
    assert np.abs(picture.pixels.astype(int) - upright).max() <= (16 if kind == "JPEG" else 0)
    assert picture.notes == (("EXIF orientation applied",) if orientation > 1 else ())
    assert (header(raw).height, header(raw).width) == (24, 16)


def test_an_unreadable_exif_block_is_taken_as_upright() -> None:
    raw = encoded(Image.new("RGB", (8, 6)), "PNG", exif=b"no TIFF header")
    picture = read(raw)
    assert picture.pixels.shape == (6, 8, 3)
    assert picture.notes == ("EXIF unreadable: taken as upright",)


def test_pil_pictures_and_arrays_are_sources_and_stay_as_they_were() -> None:
    pixels = noise(6, 5, 3)
    image = Image.fromarray(pixels)
    np.testing.assert_array_equal(read(image).pixels, pixels)
    np.testing.assert_array_equal(np.asarray(image), pixels)
    np.testing.assert_array_equal(read(pixels).pixels, pixels)
    np.testing.assert_array_equal(read(pixels[..., 0]).pixels, pixels[..., :1])
    np.testing.assert_array_equal(read(pixels[..., :1]).pixels, pixels[..., :1])
    clear = np.dstack([pixels, np.zeros((6, 5), np.uint8)])
    assert (read(clear).pixels == 255).all()
    assert read(image).header.format == "PIL"
    assert read(pixels).header.format == "array"


def test_the_pixels_can_be_written_to() -> None:
    assert read(encoded(Image.new("RGB", (4, 4)), "PNG")).pixels.flags.writeable


# Bringing to a shape


def test_a_picture_of_the_right_shape_is_untouched() -> None:
    pixels = noise(32, 32, 3)
    assert fit(pixels, (32, 32, 3)) is pixels
    assert decode(pixels, (32, 32, 3))[1] == ()


def test_the_central_crop_keeps_the_middle() -> None:
    pixels = np.zeros((10, 30, 3), np.uint8)
    pixels[:, 10:20] = 255
    assert (fit(pixels, (10, 10, 3)) == 255).all()
    np.testing.assert_array_equal(fit(pixels.transpose(1, 0, 2), (10, 10, 3)), 255)


def test_downsampling_is_antialiased() -> None:
    stripes = np.zeros((64, 64, 1), np.uint8)
    stripes[:, ::2] = 255
    small = fit(stripes, (16, 16, 1))
    # Taking every fourth column would give all black or all white.
    assert np.abs(small.astype(int) - 127).max() <= 25


def test_downsampling_by_a_slow_reference() -> None:
    def cubic(x: NDArray[np.float64]) -> NDArray[np.float64]:
        x, a = np.abs(x), -0.5  # Keys 1981, a = -1/2, as Pillow has it
        near = (a + 2) * x**3 - (a + 3) * x**2 + 1
        far = a * x**3 - 5 * a * x**2 + 8 * a * x - 4 * a
        return np.where(x < 1, near, np.where(x < 2, far, 0))

    def weights(size: int, start: int, length: int, new: int) -> NDArray[np.float64]:
        scale = length / new
        centres = start + (np.arange(new) + 0.5) * scale
        w = cubic((np.arange(size) + 0.5 - centres[:, None]) / scale)
        return w / w.sum(axis=1, keepdims=True)

    pixels = noise(48, 60, 3)
    across = np.einsum("Ww,hwc->hWc", weights(60, 6, 48, 16), pixels.astype(float))
    expected = np.einsum("Hh,hWc->HWc", weights(48, 0, 48, 16), across.round().clip(0, 255))
    assert np.abs(fit(pixels, (16, 16, 3)) - expected.clip(0, 255)).max() <= 1


def test_grey_to_colour_and_back() -> None:
    grey = noise(8, 8, 1)
    colour = fit(grey, (8, 8, 3))
    np.testing.assert_array_equal(colour, grey.repeat(3, axis=2))
    np.testing.assert_array_equal(fit(colour, (8, 8, 1)), grey)
    luma = fit(np.full((1, 1, 3), (255, 0, 0), np.uint8), (1, 1, 1))
    assert luma[0, 0, 0] == round(0.299 * 255)
    assert fit(noise(40, 20, 3), (8, 8, 1)).shape == (8, 8, 1)
    assert fit(noise(40, 20, 1), (8, 6, 3)).shape == (8, 6, 3)


def test_decode_says_what_it_did() -> None:
    pixels, notes = decode(encoded(Image.new("RGBA", (64, 48)), "PNG"), (32, 32, 3))
    assert pixels.shape == (32, 32, 3)
    assert notes == ("transparent: laid on white", "48x64 brought to 32x32")


# What is refused


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


# Bytes flipped, cut, moved


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
