"""Seconds and memory until all pictures of a data set have been seen, beside torchvision and Keras.

    scripts/bench reading ../shared/data -n 3

CIFAR-10 as the published python batches and as a folder of PNG files, which make_official.py in the
folder given writes. Tinysight reads cold, with an empty cache, and once more from the cache;
torchvision and Keras read anew every time. Imports are not counted; every contestant is a process
of its own. The memory is the most that the process had, its imports' with it and without that of
workers; of pictures that are mapped from the cache what was looked at counts too.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from trials import in_turns, machine, peer, said, spread

import tinysight
from tinysight.data.dataset import SPLITS
from tinysight.process import peak_memory


def own(source: str) -> dict[str, float | None]:
    """What a child process does."""
    load_data = tinysight.load_data  # what imports its parts
    began = time.perf_counter()
    data = load_data(source, quiet=True)
    splits = [split for name in SPLITS if (split := data.split(name)) is not None]
    seen = sum(int(split.images.numpy().sum(dtype=np.int64)) for split in splits)
    taken = time.perf_counter() - began
    return {"seconds": taken, "memory": peak_memory(), "n": sum(map(len, splits)), "seen": seen}


def reader(source: Path, cache: str) -> Callable[[int], dict[str, Any]]:
    """Read with a cache that is empty each time, or that is the same each time."""

    def turn(number: int) -> dict[str, Any]:
        os.environ["TINYSIGHT_CACHE"] = f"{cache}-{number}" if cache.endswith("cold") else cache
        return said([sys.executable, __file__, str(source), "--own"])[0]

    return turn


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data")
    parser.add_argument("-n", type=int, default=3)
    parser.add_argument("--record", type=Path, help="JSON lines of turns; goes on from those there")
    parser.add_argument("--own", action="store_true", help="Tinysight alone, as JSON")
    asked = parser.parse_args()
    if asked.own:
        print(json.dumps(own(asked.data)))
        return
    with tempfile.TemporaryDirectory() as scratch:
        contestants = {}
        for form in ("python", "folder"):
            here = Path(scratch) / form
            script = str(Path(asked.data) / "make_official.py")
            words = [sys.executable, script, "cifar10", form, str(here)]
            subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
            source = here / "cifar-10-batches-py" if form == "python" else here
            os.environ["TINYSIGHT_CACHE"] = warm = f"{scratch}/{form}-cached"
            said([sys.executable, __file__, str(source), "--own"])
            where = (form, str(here))
            contestants |= {
                f"{form} | Tinysight, cold": reader(source, f"{scratch}/{form}-cold"),
                f"{form} | Tinysight, cached": reader(source, warm),
                f"{form} | torchvision": lambda _, w=where: peer("read.py", "torchvision", *w)[0],
                f"{form} | Keras": lambda _, w=where: peer("read.py", "keras", *w)[0],
            }
        found = in_turns(contestants, asked.n, asked.record)
    if len({(turn["n"], int(turn["seen"])) for turns in found.values() for turn in turns}) > 1:
        sys.exit(f"they have not all seen the same pictures: {found}")
    print(f"n={asked.n}, median [least, most]; {machine()}\n")
    print("| layout | | seconds | memory, MB | of Tinysight's cold |\n|---|---|---|---|---|")
    for name, turns in found.items():
        cold = found[f"{name.partition(' ')[0]} | Tinysight, cold"]
        ratio = statistics.median(
            theirs["seconds"] / ours["seconds"] for ours, theirs in zip(cold, turns, strict=True)
        )
        seconds = spread([turn["seconds"] for turn in turns], "{:.2f}")
        memory = spread([turn["memory"] / 1e6 for turn in turns])
        print(f"| {name} | {seconds} | {memory} | {ratio:.1f}x |")


if __name__ == "__main__":
    main()
