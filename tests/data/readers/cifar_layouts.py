"""Small data sets in the layouts of CIFAR, and archives of them."""

from __future__ import annotations

import pickle
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

TEN = [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]
NAMES = tuple(f"class {i}" for i in range(10))
FINE = tuple(f"fine {i}" for i in range(100))
COARSE = tuple(f"coarse {i}" for i in range(20))
N = 4  # pictures in a file of the small CIFAR-10
M = 8  # in one of the small CIFAR-100


def pictures(file: int, n: int = N) -> NDArray[np.uint8]:
    """Pictures n h w c, other ones in each file."""
    return np.random.default_rng(file).integers(0, 256, (n, 32, 32, 3), dtype=np.uint8)


def planes(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """What is published: a plane of red, one of green, one of blue, row after row."""
    rows = [np.concatenate([image[..., c].ravel() for c in range(3)]) for image in images]
    return np.array(rows, np.uint8).reshape(len(images), 3072)


def labels(file: int, n: int = N) -> list[int]:
    return [(file * n + i) % 10 for i in range(n)]


def fine(file: int) -> list[int]:
    """The same classes in each file, in another order."""
    return [(0, 2, 95, 97)[(file + i) % 4] for i in range(M)]


def batch(file: int, **changes: Any) -> dict[bytes, Any]:
    """A batch of CIFAR-10 with byte strings as keys, as Python 2 wrote them."""
    found = {
        "batch_label": b"training batch 1 of 5",
        "labels": labels(file),
        "data": planes(pictures(file)),
        "filenames": [f"{file}_{i}.png".encode() for i in range(N)],
    }
    found = {k: v for k, v in (found | changes).items() if v is not None}
    return {k.encode(): v for k, v in found.items()}


def batch100(file: int, **changes: Any) -> dict[bytes, Any]:
    own = {
        "fine_labels": fine(file),
        "coarse_labels": [x // 5 for x in fine(file)],
        "data": planes(pictures(file, M)),
        "filenames": [f"{file}_{i}.png".encode() for i in range(M)],
    }
    return batch(file, **({"labels": None} | own | changes))


def ten_python(path: Path) -> Path:
    path.mkdir(parents=True)
    for file, name in enumerate(TEN):
        (path / name).write_bytes(pickle.dumps(batch(file), 2))
    (path / "batches.meta").write_bytes(pickle.dumps({b"label_names": [n.encode() for n in NAMES]}))
    return path


def ten_binary(path: Path) -> Path:
    path.mkdir(parents=True)
    for file, name in enumerate(TEN):
        records = np.concatenate([np.array(labels(file))[:, None], planes(pictures(file))], axis=1)
        (path / f"{name}.bin").write_bytes(records.astype(np.uint8).tobytes())
    (path / "batches.meta.txt").write_text("\n".join(NAMES) + "\n\n")
    return path


def hundred_python(path: Path) -> Path:
    path.mkdir(parents=True)
    for file, name in enumerate(("train", "test")):
        (path / name).write_bytes(pickle.dumps(batch100(file), 2))
    meta = {b"fine_label_names": list(FINE), b"coarse_label_names": list(COARSE)}
    (path / "meta").write_bytes(pickle.dumps(meta, 2))
    return path


def hundred_binary(path: Path) -> Path:
    path.mkdir(parents=True)
    for file, name in enumerate(("train", "test")):
        two = np.array([[x // 5, x] for x in fine(file)])
        records = np.concatenate([two, planes(pictures(file, M))], axis=1).astype(np.uint8)
        (path / f"{name}.bin").write_bytes(records.tobytes())
    (path / "fine_label_names.txt").write_text("\n".join(FINE) + "\n")
    (path / "coarse_label_names.txt").write_text("\r\n".join(COARSE))
    return path


WRITERS = {f.__name__: f for f in (ten_python, ten_binary, hundred_python, hundred_binary)}


def as_tar(folder: Path, target: Path, mode: str = "w:gz") -> Path:
    with tarfile.open(target, mode) as archive:  # pyright: ignore[reportCallIssue, reportArgumentType]
        archive.add(folder, arcname=folder.name)
    return target


def as_zip(folder: Path, target: Path, method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(target, "w", method) as archive:
        for file in sorted(folder.iterdir()):
            archive.write(file, f"{folder.name}/{file.name}")
    return target
