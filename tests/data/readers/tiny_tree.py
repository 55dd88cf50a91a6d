"""A small Tiny ImageNet, as published."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

# Two that people call the same, and one that has no words.
CLASSES = {
    "n03126707": "crane",
    "n01443537": "goldfish, Carassius auratus",
    "n02012849": "crane",
    "n04399382": "",
}
NAMES = ("goldfish", "crane (n02012849)", "crane (n03126707)", "n04399382")
ROOT = "tiny-imagenet-200/"


def pictures() -> Iterator[bytes]:
    """Digits as 64 x 64 JPEG, tinted, every eighth grey."""
    bunch: Any = load_digits()
    for i, digit in enumerate(bunch.images):
        grey = np.kron((digit * 15).astype(np.uint8), np.ones((8, 8), np.uint8))
        tint = np.array([255, 200, 120 + i % 100]) / 255
        pixels = grey if i % 8 == 3 else (grey[..., None] * tint).astype(np.uint8)
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "JPEG", quality=95)
        yield file.getvalue()


def published(root: str = ROOT, train: int = 10, val: int = 4) -> dict[str, bytes]:
    """The files of a small tree in the order of the published zip, test first."""
    made = pictures()
    files = {f"{root}words.txt": b"n00001740\tentity\n"}
    files[f"{root}words.txt"] += "".join(
        f"{wnid}\t{words}\n" for wnid, words in CLASSES.items() if words
    ).encode()
    files[f"{root}wnids.txt"] = "".join(f"{wnid}\n" for wnid in CLASSES).encode()
    for i in range(5):
        files[f"{root}test/images/test_{i}.JPEG"] = next(made)
    boxes = []
    for i in range(val * len(CLASSES)):
        wnid = list(CLASSES)[i * 3 % len(CLASSES)]
        files[f"{root}val/images/val_{i}.JPEG"] = next(made)
        boxes.append(f"val_{i}.JPEG\t{wnid}\t0\t0\t{i}\t63\n")
    files[f"{root}val/val_annotations.txt"] = "".join(boxes).encode()
    for wnid in CLASSES:
        files[f"{root}train/{wnid}/{wnid}_boxes.txt"] = b"x\t0\t0\t63\t63\n"
        for i in range(train):
            files[f"{root}train/{wnid}/images/{wnid}_{i}.JPEG"] = next(made)
    return files


PUBLISHED = published("")


def write(folder: Path, files: dict[str, bytes]) -> Path:
    for name, raw in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(raw)
    return folder


def pack(path: Path, files: dict[str, bytes], kind: str = "zip") -> Path:
    if kind == "zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            for folder in sorted({str(Path(name).parent) for name in files}):
                archive.mkdir(folder)
            for name, raw in files.items():
                archive.writestr(name, raw)
        return path
    with tarfile.open(path, "w:gz") as archive:
        for name, raw in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(raw)
            archive.addfile(info, io.BytesIO(raw))
    return path
