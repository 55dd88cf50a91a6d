"""How pictures a second and memory grow with the number of pictures, their size and the threads.

    scripts/bench growth --pictures 1000 10000 100000 1000000 --sizes 32 64 96 --threads 1 2

Random pictures of ten classes are trained on by `quick` at full size, each case in a process of its
own that is stopped after some seconds of training. What a row does not name is 10,000 pictures, 32
pixels and all threads.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from trials import in_turns, machine, said, spread

CHILD = """
import json, os, signal, sys, tempfile, time
import numpy as np, torch
import tinysight
from tinysight.errors import Interrupted
from tinysight.process import peak_memory
from tinysight.progress import Progress
from tinysight.training import train
from tinysight.training.batches import steps

n, size, threads, seconds = map(int, sys.argv[1:])
if threads:
    torch.set_num_threads(threads)
rng = np.random.default_rng(0)
images = rng.integers(0, 256, (n, size, size, 3), dtype=np.uint8)
labels = np.arange(n) % 10
began = time.perf_counter()
full = {"shrink": 1}  # as in the last two thirds of the training
ready = tinysight.plan((images, labels), "quick", quiet=True, epochs=1000, augment=full)
read = time.perf_counter() - began
looked = []
step = Progress.step

def watched(self, *given):
    looked.append((time.perf_counter(), given[0]))
    if looked[-1][0] - looked[0][0] > seconds:
        os.kill(os.getpid(), signal.SIGTERM)
    step(self, *given)

Progress.step = watched
try:
    with tempfile.TemporaryDirectory() as out:
        train(ready, out=out, progress=Progress(quiet=True))
except Interrupted:
    pass
per_epoch = steps(len(ready.data.train), ready.recipe.batch_size)
made, taken = looked[-1][1] - looked[0][1], looked[-1][0] - looked[0][0]
print(json.dumps({
    "rate": made * len(ready.data.train) / per_epoch / taken, "read": read,
    "pictures_bytes": images.nbytes, "memory": peak_memory(),
}))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", type=int, default=3)
    parser.add_argument("--pictures", type=int, nargs="*", default=[1_000, 10_000, 100_000, 10**6])
    parser.add_argument("--sizes", type=int, nargs="*", default=[32, 64, 96])
    parser.add_argument("--threads", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--record", type=Path, help="JSON lines of turns; goes on from those there")
    asked = parser.parse_args()
    cases = {f"{n:,} pictures": (n, 32, 0) for n in asked.pictures}
    cases |= {f"{size} pixels": (10_000, size, 0) for size in asked.sizes}
    cases |= {f"{count} thread{'s' * (count > 1)}": (10_000, 32, count) for count in asked.threads}

    def run(case: tuple[int, int, int]) -> dict[str, Any]:
        words = [sys.executable, "-c", CHILD, *map(str, case), str(asked.seconds)]
        return said(words)[0]

    found = in_turns({k: lambda _, c=c: run(c) for k, c in cases.items()}, asked.n, asked.record)
    print(f"n={asked.n}, median [least, most]; {machine()}\n")
    print("| | pictures/s | read, s | memory, MB | of it the pictures |\n|---|---|---|---|---|")
    for name, turns in found.items():
        memory = spread([t["memory"] / 1e6 for t in turns])
        read = spread([t["read"] for t in turns], "{:.1f}")
        pictures = f"{turns[0]['pictures_bytes'] / 1e6:,.0f}"
        print(f"| {name} | {spread([t['rate'] for t in turns])} | {read} | {memory} | {pictures} |")


if __name__ == "__main__":
    main()
