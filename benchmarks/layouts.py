"""One data set in every layout that people have on disk: one fingerprint, one split, one model?

    python benchmarks/layouts.py ../shared/data cifar10 cifar100 --recipe quick

The folder has the data set as parquet, and make_official.py beside it, which writes the published
layouts. Each layout is decoded without a cache, and trained on for one epoch. What is printed are
the seconds of the first reading, and the starts of the SHA-256 sums of the fingerprint of train,
of the validation split and of the weights.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import os
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

FORMS = ("python", "binary", "folder", "npz")


def official(shared: Path, name: str, out: Path) -> Iterator[tuple[str, Path]]:
    """Each layout's name and path."""
    script = str(shared / "make_official.py")
    for form in FORMS:
        here = out / form
        words = [sys.executable, script, name, form, str(here)]
        subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
    python = next(p for p in (out / "python").iterdir() if p.is_dir())
    yield "python folder", python
    if packed := list((out / "python").glob("*.tar.gz")):
        yield "python tar.gz", packed[0]
    with zipfile.ZipFile(out / "python.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for file in python.iterdir():
            archive.write(file, f"{python.name}/{file.name}")
    yield "python zip", out / "python.zip"
    yield "binary folder", out / "binary"
    yield "PNG folder", out / "folder"
    yield "npz", out / "npz"
    yield "parquet", shared / name
    yield "CSV", table(out / "folder", shared / name)


def table(pictures: Path, parquet: Path) -> Path:
    """A CSV table of a folder of pictures, in another order; the coarse label where there is one.

    make_official.py numbers the pictures of a split in the order of the parquet files.
    """
    rows = []
    for split in ("train", "test"):
        shards = [pq.read_table(p) for p in sorted(parquet.glob(f"{split}-*.parquet"))]
        coarse = None
        if "coarse_label" in shards[0].column_names:
            coarse = np.concatenate([s["coarse_label"].to_numpy() for s in shards])
        for path in (pictures / split).rglob("*.png"):
            row = [str(path.relative_to(pictures.parent)), path.parent.name, split]
            if coarse is not None:
                row.append(str(coarse[int(path.stem.rpartition("_")[2])]))
            rows.append(row)
    named = ["path", "fine_label", "split", "coarse_label"]
    np.random.default_rng(0).shuffle(rows)
    target = pictures.parent / "all.csv"  # in the folder it would be read in its stead
    with target.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([named[: len(rows[0])], *rows])
    return target


def digest(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()[:12]


def measure(path: Path, label: str | None, recipe: str) -> tuple[float, tuple[str, str, str, str]]:
    """Seconds of the first reading; title, and digests of train, validation and weights."""
    import tinysight

    began = time.perf_counter()
    data = tinysight.load_data(path, label=label, quiet=True, cache=False)
    seconds = time.perf_counter() - began
    run = tinysight.train(data, recipe, epochs=1, quiet=True, **{"schedule.warmup": 0})
    weights = run.model("last").state_dict().values()
    raw = b"".join(w.cpu().numpy().tobytes() for w in weights)
    return seconds, (
        data.title,
        data.fingerprints["train"][:12],
        data.validation.digest[:12],
        digest(raw),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("shared", type=Path)
    parser.add_argument("names", nargs="+", choices=["cifar10", "cifar100"])
    parser.add_argument("--recipe", default="linear")
    asked = parser.parse_args()
    shared = asked.shared.resolve()
    different = False
    with tempfile.TemporaryDirectory() as scratch:
        os.chdir(scratch)  # for the run folders
        for name in asked.names:
            layouts = list(official(shared, name, Path(scratch) / name))
            for label in (None,) if name == "cifar10" else ("fine", "coarse"):
                found = set()
                for layout, path in layouts:
                    if label == "coarse" and layout in ("PNG folder", "npz"):
                        continue  # they have one label a picture
                    given = None if layout in ("PNG folder", "npz") else label
                    seconds, said = measure(path, given, asked.recipe)
                    found.add(said)
                    print(f"{name} {label or '':<7}{layout:<14}{seconds:6.1f} s  ", *said)
                different |= len(found) > 1
                print(f"{name} {label or ''}: {'DIFFERENT' if len(found) > 1 else 'all the same'}")
    sys.exit(different)


if __name__ == "__main__":
    main()
