"""Image folders: their two layouts, and what is refused."""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from tests.folders import new_folder

from tinysight.data import load
from tinysight.data.readers.folder import find
from tinysight.errors import DataError, UsageError
from tinysight.recipe import Recipe

Pixels = NDArray[np.uint8]
Noise = Callable[..., Pixels]
Write = Callable[..., Path]


def test_split_folders(tmp_path: Path, noise: Noise, write_folder: Write) -> None:
    for seed, split in enumerate(["Train", "val", "test"]):
        cats, dogs = noise(12, 8, 8, 3, seed=seed), noise(6, 8, 8, 3, seed=seed + 9)
        write_folder(tmp_path / split, {"cat": cats, "dog": dogs})
    data = load(tmp_path, cache=False)
    assert data.classes == ("cat", "dog")
    assert [len(s) for s in (data.train, data.validation, data.test or ())] == [18, 18, 18]
    assert data.shape == (8, 8, 3)
    assert list(data.fingerprints) == ["train", "validation", "test"]
    assert data.notes == ("validation is the source's own, 18 pictures",)
    assert data.source["splits"] == {"validation": "own", "test": "own"}
    by_file = dict(zip(data.train.files, data.train.images, strict=True))
    expected = noise(12, 8, 8, 3, seed=0)[3]
    np.testing.assert_array_equal(by_file["Train/cat/0003.png"].numpy(), expected)
    labels = dict(zip(data.train.files, data.train.labels.tolist(), strict=True))
    assert all((label == 1) == ("dog" in file) for file, label in labels.items())


def test_class_folders_are_cut(tmp_path: Path, noise: Noise, write_folder: Write) -> None:
    write_folder(tmp_path, {"cat": noise(40, 8, 8, 3), "dog": noise(20, 8, 8, 3, seed=1)})
    data = load(tmp_path, cache=False)
    assert data.test is not None
    assert data.test.counts(2) == [4, 2]
    assert data.validation.counts(2) == [3, 2]  # 3.6 and 1.8, 5 in all
    assert len(data.train) == 49
    files = {f for s in (data.train, data.validation, data.test) for f in s.files}
    assert len(files) == 60
    assert list(data.fingerprints) == ["train", "test", "all"]
    assert data.notes == (
        "the source has no test split: 6 of its 60 pictures were cut off (10%, stratified, "
        "split_seed 0)",
    )
    again = load(tmp_path, cache=False)
    assert again.test is not None
    assert again.test.ids == data.test.ids
    other = load(tmp_path, Recipe(data={"split_seed": 1}).data, cache=False)
    assert other.test is not None
    assert other.test.ids != data.test.ids
    assert other.fingerprints["all"] == data.fingerprints["all"]


@pytest.mark.parametrize("kind", ["PNG", "BMP", "WebP"])
def test_the_container_does_not_matter(
    tmp_path: Path, kind: str, noise: Noise, write_folder: Write
) -> None:
    pixels = {"cat": noise(20, 8, 8, 3), "dog": noise(20, 8, 8, 3, seed=1)}
    one = load(write_folder(tmp_path / "a", pixels), cache=False)
    two = load(write_folder(tmp_path / "b", pixels, kind), cache=False)
    assert one.fingerprints == two.fingerprints
    assert one.validation.ids == two.validation.ids


def test_a_class_may_be_called_train(tmp_path: Path, noise: Noise, write_folder: Write) -> None:
    write_folder(tmp_path, {"plane": noise(9, 8, 8, 3), "train": noise(9, 8, 8, 3, seed=1)})
    assert find(tmp_path).classes == ("plane", "train")


def test_numbers_sort_as_numbers(tmp_path: Path, noise: Noise, write_folder: Write) -> None:
    write_folder(tmp_path, {name: noise(1, 4, 4, 1) for name in ("10", "9", "1", "0")})
    assert find(tmp_path).classes == ("0", "1", "9", "10")


def test_what_is_no_picture_is_skipped_counted_and_said(
    tmp_path: Path, noise: Noise, write_folder: Write
) -> None:
    write_folder(tmp_path, {"cat": noise(9, 8, 8, 3), "dog": noise(9, 8, 8, 3, seed=1)})
    for name in ("cat/.DS_Store", "cat/._0001.png", "cat/notes.txt", "dog/LICENSE", "readme.txt"):
        (tmp_path / name).write_text("x")
    (tmp_path / ".git").mkdir()
    (tmp_path / "cat" / "@eaDir").mkdir()
    (tmp_path / "loose.png").write_bytes(b"x")
    (tmp_path / "dog" / "broken.png").symlink_to("nowhere")
    data = load(tmp_path, cache=False)
    assert len(data.train) + len(data.validation) + len(data.test or ()) == 18
    said, kinds = data.notes[0].split(": ")
    assert said == "skipped 9 files or folders that are no pictures"
    assert set(kinds.split(", ")) == {
        "4 hidden",
        "2 .txt",
        "1 without ending",
        "1 .png",
        "1 picture outside a class folder",
    }


def test_unlabelled_test_pictures_are_left_out(
    tmp_path: Path, noise: Noise, write_folder: Write
) -> None:
    pixels = {"cat": noise(20, 8, 8, 3), "dog": noise(20, 8, 8, 3, seed=1)}
    write_folder(tmp_path / "train", pixels)
    write_folder(tmp_path, {"test": noise(3, 8, 8, 3)})
    data = load(tmp_path, cache=False)
    assert data.notes[0] == ("test/ has 3 pictures without class folders: without labels, left out")
    assert data.notes[1].startswith("the source has no test split: 4 of its 40 pictures")


def test_pictures_of_three_damaged_files_are_listed_and_can_be_skipped(
    tmp_path: Path, noise: Noise, write_folder: Write
) -> None:
    write_folder(tmp_path, {"cat": noise(30, 8, 8, 3), "dog": noise(30, 8, 8, 3, seed=1)})
    for name in ("cat/0003.png", "cat/0010.png", "dog/0000.png"):
        (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:50])
    (tmp_path / "dog" / "phone.heic").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0")
    with pytest.raises(DataError) as refused:
        load(tmp_path)
    said = str(refused.value)
    assert said.startswith("4 of 61 pictures cannot be read: cat/0003.png is damaged or cut short")
    assert "dog/phone.heic is HEIC, which is not read; convert it to PNG first" in said
    data = load(tmp_path, skip_bad=True)
    assert "4 unreadable pictures left out" in data.notes
    assert len(data.source["unreadable"]) == 4
    assert data.source["options"] == {"skip_bad": True}
    everything = {f for s in (data.train, data.validation, data.test) if s for f in s.files}
    assert len(everything) == 57
    assert "cat/0003.png" not in everything


def test_mixed_sizes_and_modes(tmp_path: Path, noise: Noise, write_folder: Write) -> None:
    write_folder(tmp_path, {"cat": [noise(20 + i, 30, 3) for i in range(12)]})
    write_folder(tmp_path, {"dog": [noise(40, 40, 1 if i % 2 else 4) for i in range(12)]})
    data = load(tmp_path, cache=False)
    assert data.shape == (32, 32, 3)
    assert data.source["distinct_sizes"] == 13
    assert data.source["sizes"][0] == {"height": 40, "width": 40, "n": 12}
    assert data.source["modes"] == {"RGB": 12, "L": 6, "RGBA": 6}
    assert data.notes[0] == (
        "24 of 24 pictures of 13 sizes brought to 32x32 (central crop, bicubic)"
    )
    assert load(tmp_path, Recipe(data={"size": 24}).data, cache=False).shape == (24, 24, 3)


def test_test_may_lack_a_class_and_that_is_said(
    tmp_path: Path, noise: Noise, write_folder: Write
) -> None:
    write_folder(tmp_path / "train", {c: noise(9, 8, 8, 3, seed=i) for i, c in enumerate("abc")})
    write_folder(tmp_path / "test", {"a": noise(9, 8, 8, 3, seed=9)})
    (tmp_path / "test" / "b").mkdir()
    data = load(tmp_path, cache=False)
    assert "test has no picture of 2 classes: 'b', 'c'" in data.notes
    assert data.test is not None
    assert data.test.counts(3) == [9, 0, 0]


def test_run_folders_are_no_classes(tmp_path: Path, noise: Noise, write_folder: Write) -> None:
    write_folder(tmp_path, {"cat": noise(9, 8, 8, 3), "dog": noise(9, 8, 8, 3, seed=1)})
    first = load(tmp_path)
    for name in ("runs/x-001", "runs/x-002", "mine"):
        run = new_folder("x", tmp_path / name)
        run.write_json("data", {})
        (run.path / "checkpoints").mkdir()
    new_folder("x", tmp_path / "runs" / "x-003")  # claimed a moment ago
    (tmp_path / "runs" / "notes.txt").touch()
    again = load(tmp_path)
    assert again.classes == ("cat", "dog")
    assert again.fingerprints == first.fingerprints
    assert "skipped 2 files or folders that are no pictures: 2 run folder" in again.notes


def test_what_only_looks_like_runs_is_not_passed_over(
    tmp_path: Path, noise: Noise, write_folder: Write
) -> None:
    write_folder(tmp_path, {"cakes": noise(9, 8, 8, 3), "runs": noise(9, 8, 8, 3, seed=1)})
    (tmp_path / "cakes" / "recipe.json").touch()  # of a cake
    new_folder("x", tmp_path / "runs" / "x")
    data = load(tmp_path)
    assert data.classes == ("cakes", "runs")
    assert data.notes[0].endswith(": 1 .json, 1 run folder")
    (tmp_path / "runs" / "x" / ".training.lock").unlink()
    (tmp_path / "runs" / "x" / "recipe.json").touch()  # of that one, too
    (tmp_path / "runs" / "x" / "cake.png").touch()
    with pytest.raises(DataError, match="class folder runs in .* holds the folder 'x'"):
        load(tmp_path)
    for file in (tmp_path / "runs").glob("*.png"):
        file.unlink()
    with pytest.raises(DataError, match="class folder runs in .* holds the folder 'x'"):
        load(tmp_path)


def test_the_runs_of_a_split_layout(tmp_path: Path, noise: Noise, write_folder: Write) -> None:
    pixels = {"cat": noise(9, 8, 8, 3), "dog": noise(9, 8, 8, 3, seed=1)}
    write_folder(tmp_path / "train", pixels)
    for folder in (tmp_path, tmp_path / "train"):
        new_folder("x", folder / "runs" / "x")
    data = load(tmp_path)
    assert data.classes == ("cat", "dog")
    assert "skipped 2 files or folders that are no pictures: 2 run folder" in data.notes


def test_a_folder_outside_the_splits_need_not_be_readable(
    nobody: Path, noise: Noise, write_folder: Write
) -> None:
    pixels = {"cat": noise(9, 8, 8, 3), "dog": noise(9, 8, 8, 3, seed=1)}
    write_folder(nobody / "train", pixels)
    (nobody / "lost+found").mkdir(mode=0)
    assert "1 folder outside the splits" in load(nobody, cache=False).notes[0]


# What is refused


def test_a_run_folder_is_no_data_set(tmp_path: Path, write_parquet: Write, noise: Noise) -> None:
    new_folder("x", tmp_path).write_json("data", {})
    table = tmp_path / "evaluation" / "validation" / "predictions.parquet"
    write_parquet(table, noise(9, 6, 6, 3), label=[0] * 9)
    with pytest.raises(DataError, match="is a run folder, no data set; name the data set that it"):
        load(tmp_path)


def test_a_class_name_that_is_no_text(tmp_path: Path, noise: Noise, write_folder: Write) -> None:
    write_folder(tmp_path, {"cat": noise(9, 8, 8, 3), "dog": noise(9, 8, 8, 3, seed=1)})
    strange = os.fsdecode(b"\xff\xfe")
    (tmp_path / "cat").rename(tmp_path / strange)
    with pytest.raises(DataError) as refused:
        load(tmp_path)
    assert r"has a class folder b'\xff\xfe', whose name is no text (UTF-8)" in str(refused.value)
    assert "could not be written into reports; rename it" in str(refused.value)
    assert str(refused.value).isprintable()


def test_a_class_folder_that_is_there_twice_for_its_accent(
    tmp_path: Path, noise: Noise, write_folder: Write
) -> None:
    pixels = {"\u00e9t\u00e9": noise(9, 8, 8, 3), "e\u0301te\u0301": noise(9, 8, 8, 3, seed=1)}
    write_folder(tmp_path, {**pixels, "dog": noise(9, 8, 8, 3, seed=2)})
    with pytest.raises(DataError, match="two class folders 'été', which differ in how their acc"):
        load(tmp_path)


def test_no_pictures(tmp_path: Path, noise: Noise, write_folder: Write) -> None:
    with pytest.raises(DataError, match=r"has no pictures in class folders; expected split/class"):
        load(tmp_path)
    (tmp_path / "a.png").write_bytes(b"x")
    with pytest.raises(DataError, match=r"class folders; 1 pictures lie in it directly; expected"):
        load(tmp_path)


def test_one_class(tmp_path: Path, noise: Noise, write_folder: Write) -> None:
    write_folder(tmp_path, {"cat": noise(5, 8, 8, 3)})
    with pytest.raises(DataError, match=r"has one class alone \(cat 5\); two or more are needed"):
        load(tmp_path)


def test_an_empty_class(tmp_path: Path, noise: Noise, write_folder: Write) -> None:
    write_folder(tmp_path, {"cat": noise(5, 8, 8, 3), "dog": noise(4, 8, 8, 3), "cow": []})
    with pytest.raises(DataError, match=r"classes without a picture in train: 'cow' \(counts: cat"):
        load(tmp_path)


def test_classes_that_differ_in_case(tmp_path: Path, noise: Noise, write_folder: Write) -> None:
    write_folder(tmp_path, {"Cat": noise(5, 8, 8, 3), "cat": noise(5, 8, 8, 3)})
    with pytest.raises(
        DataError, match="class folders 'Cat' and 'cat', which differ in case alone"
    ):
        load(tmp_path)


def test_classes_that_differ_in_case_across_splits(
    tmp_path: Path, noise: Noise, write_folder: Write
) -> None:
    write_folder(tmp_path / "train", {"cat": noise(5, 8, 8, 3), "dog": noise(5, 8, 8, 3)})
    write_folder(tmp_path / "test", {"Cat": noise(5, 8, 8, 3), "dog": noise(5, 8, 8, 3)})
    with pytest.raises(DataError, match="differ in case alone"):
        load(tmp_path)


def test_a_class_of_test_that_train_lacks(
    tmp_path: Path, noise: Noise, write_folder: Write
) -> None:
    write_folder(tmp_path / "train", {"cat": noise(5, 8, 8, 3), "dog": noise(5, 8, 8, 3)})
    write_folder(tmp_path / "test", {"cow": noise(5, 8, 8, 3)})
    with pytest.raises(DataError, match="test has pictures of classes that train lacks: 'cow'"):
        load(tmp_path)


def test_two_names_for_one_split_and_no_train(
    tmp_path: Path, noise: Noise, write_folder: Write
) -> None:
    pixels = {"cat": noise(5, 8, 8, 3), "dog": noise(5, 8, 8, 3)}
    for split in ("train", "val", "valid"):
        write_folder(tmp_path / "a" / split, pixels)
    with pytest.raises(DataError, match="has two folders for validation: val and valid; merge"):
        load(tmp_path / "a")
    write_folder(tmp_path / "b" / "test", pixels)
    with pytest.raises(DataError, match="has 'test' but no train folder; add one as train/class"):
        load(tmp_path / "b")


def test_deeper_folders(tmp_path: Path, noise: Noise, write_folder: Write) -> None:
    write_folder(tmp_path / "data" / "train", {"cat": noise(5, 8, 8, 3)})
    with pytest.raises(DataError, match="holds the folder 'train'; pictures must lie directly in"):
        load(tmp_path)


def test_what_a_folder_has_not(tmp_path: Path, noise: Noise, write_folder: Write) -> None:
    write_folder(tmp_path, {"cat": noise(5, 8, 8, 3), "dog": noise(5, 8, 8, 3)})
    with pytest.raises(UsageError, match=r"data.label='fine' picks a label column of a table"):
        load(tmp_path, Recipe(data={"label": "fine"}).data)
    with pytest.raises(UsageError, match=r"classes were given, but .* names its classes by its"):
        load(tmp_path, classes=["a", "b"])


def test_a_folder_that_may_not_be_read(nobody: Path) -> None:
    (nobody / "secret").mkdir(mode=0)
    with pytest.raises(DataError, match="secret cannot be read: Permission denied"):
        load(nobody / "secret")
    (nobody / "secret").chmod(0o700)


def png_head(width: int, height: int) -> bytes:
    """A PNG that says it is of this size, and has next to nothing in it."""
    parts = {
        b"IHDR": struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0),
        b"IDAT": zlib.compress(bytes(100)),
        b"IEND": b"",
    }
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(said)) + name + said + struct.pack(">I", zlib.crc32(name + said))
        for name, said in parts.items()
    )


BAD = {
    "a.png": (b"", "a.png is empty (0 bytes)"),
    "b.png": (b"a text", "b.png is not a picture: it starts with 'a text'"),
    "c.png": (png_head(50_000, 50_000), "c.png is 50,000 x 50,000 pixels; at most"),
    "d.png": (png_head(13_300, 13_300), "d.png is 13,300 x 13,300 pixels; at most"),
    "e.png": (png_head(20_000, 1), "e.png is 20,000 x 1: the longer side may be at most 20"),
    "f.svg": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "f.svg is SVG, which is not read"),
    "g.eps": (b"%!PS-Adobe-3.0 EPSF-3.0", "g.eps is EPS (PostScript), which is not read; conv"),
    "h.jpg": (b"%PDF-1.7", "h.jpg is PDF, which is not read; convert it to PNG first"),
    "\udcff.png": (b"x", r"\udcff.png is not a picture"),
    "n" * 240 + ".png": (b"x", "nnn…nnn"),
}


def test_bad_pictures_are_listed_and_left_out(
    tmp_path: Path, noise: Noise, write_folder: Write, encode: Callable[..., bytes]
) -> None:
    write_folder(tmp_path, {"cat": noise(20, 16, 16, 3), "dog": noise(20, 16, 16, 3, seed=1)})
    for name, (raw, _) in BAD.items():
        (tmp_path / "cat" / name).write_bytes(raw)
    (tmp_path / "cat" / "half.jpeg").write_bytes(encode(noise(64, 64, 3), "JPEG")[:2000])
    data = load(tmp_path, skip_bad=True)
    said = "\n".join(data.source["unreadable"])
    for _, text in BAD.values():
        assert text in said
    assert "half.jpeg is damaged or cut short, it cannot be decoded as JPEG" in said
    assert len(data.source["unreadable"]) == len(BAD) + 1
    assert sum(data.train.counts(2)) + len(data.validation) + len(data.test or ()) == 40
    with pytest.raises(DataError, match=f"{len(BAD) + 1} of 51 pictures cannot be read") as refused:
        load(tmp_path)
    assert str(refused.value).isprintable()
    assert "; and 1 more. Mend or remove them" in str(refused.value)


def test_what_is_no_file_is_no_picture(tmp_path: Path, noise: Noise, write_folder: Write) -> None:
    write_folder(tmp_path, {"cat": noise(9, 8, 8, 3), "dog": noise(9, 8, 8, 3, seed=1)})
    os.mkfifo(tmp_path / "cat" / "pipe.png")  # would keep us waiting
    (tmp_path / "cat" / "endless.png").symlink_to("/dev/zero")
    assert "skipped 2 files or folders that are no pictures: 2 .png" in load(tmp_path).notes
    (tmp_path / "cat" / "self.png").symlink_to("self.png")
    with pytest.raises(DataError, match=r"self\.png cannot be read: .*; mend it or move it away"):
        load(tmp_path)
    (tmp_path / "cat" / "self.png").unlink()
    (tmp_path / "cat" / "up").symlink_to("..")
    with pytest.raises(DataError, match="holds the folder 'up'; pictures must lie directly in the"):
        load(tmp_path)


def test_a_picture_that_may_not_be_read(nobody: Path, noise: Noise, write_folder: Write) -> None:
    write_folder(nobody, {"cat": noise(9, 8, 8, 3), "dog": noise(9, 8, 8, 3, seed=1)})
    (nobody / "cat" / "0000.png").chmod(0)
    with pytest.raises(DataError, match=r"cat/0000\.png cannot be read: Permission denied"):
        load(nobody, cache=False)
    assert "1 unreadable picture left out" in load(nobody, cache=False, skip_bad=True).notes


def test_uncommon_pictures_are_read_and_said(
    tmp_path: Path, noise: Noise, write_folder: Write
) -> None:
    write_folder(tmp_path, {"cat": noise(20, 16, 16, 3), "dog": noise(20, 16, 16, 3, seed=1)})
    cat, pixels = tmp_path / "cat", noise(16, 16, 4)
    upright = Image.Exif()
    upright[0x0112] = 6
    frames = [Image.fromarray(frame) for frame in noise(3, 16, 16)]
    frames[0].save(cat / "animated.gif", save_all=True, append_images=frames[1:])
    Image.fromarray(pixels, "CMYK").save(cat / "print.jpg")
    Image.fromarray(pixels[..., 0].astype(np.uint16) * 257).save(cat / "deep.png")
    Image.fromarray(pixels).save(cat / "clear.png")
    Image.fromarray(pixels[..., :3]).quantize(16).save(cat / "palette.png")
    Image.fromarray(pixels[..., :3]).save(cat / "turned.jpg", exif=upright)
    data = load(tmp_path)
    assert data.shape == (16, 16, 3)
    assert set(data.notes[1:6]) == {
        "1 picture: 16-bit grey scaled to 8 bits",
        "1 picture: CMYK brought to RGB",
        "1 picture: EXIF orientation applied",
        "1 picture: animated: the first frame alone",
        "1 picture: transparent: laid on white",
    }
    splits = [split for split in (data.train, data.validation, data.test) if split]
    read = {f: x for split in splits for f, x in zip(split.files, split.images, strict=True)}
    with Image.open(cat / "turned.jpg") as image:
        expected = np.asarray(image.transpose(Image.Transpose.ROTATE_270))
    np.testing.assert_array_equal(read["cat/turned.jpg"].numpy(), expected)


def test_hostile_names_stay_on_one_line(tmp_path: Path, noise: Noise, write_folder: Write) -> None:
    name = "c\n\x1b[31mat"
    write_folder(tmp_path, {name: noise(5, 8, 8, 3), "dog": noise(5, 8, 8, 3, seed=1)})
    data = load(tmp_path)
    assert data.classes == (name, "dog")
    (tmp_path / name / "0000.png").write_bytes(b"x")
    with pytest.raises(DataError) as refused:
        load(tmp_path)
    assert str(refused.value).isprintable()
