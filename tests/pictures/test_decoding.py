"""Pictures of every format, mode and orientation become the array that they should."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from tests.pictures.making import encoded, noise, smooth

from tinysight.pictures import decode, fit, header, read


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
    assert notes == ("transparent: laid on white", "64x48 brought to 32x32")
