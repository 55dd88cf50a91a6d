"""`fast` beside airbench94_muon, or `best` beside airbench96_faster, on one GPU in one hour.

    python benchmarks/gpu.py ../shared/data/cifar10 --airbench airbench94_muon.py -n 20
    python benchmarks/gpu.py ../shared/data/cifar10 --recipe best --airbench airbench96_faster.py

airbench is K. Jordan's script (github.com/KellerJordan/cifar10-airbench), fetched by whoever runs
this; it needs torchvision, which --python may have. It is run as it is but for the number of its
runs, one more than asked, of which the first is left out since it may compile; its time is the one
it prints: whitening, training and the evaluation with 6 views, without reading. Ours is the same:
from the plan, which whitens, through the training, whose epochs measure the clean training accuracy
too and write checkpoints, to the evaluation with one view and with 6. Without --airbench, or
without a GPU, ours runs alone.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

import tinysight
from tinysight.api import Run
from tinysight.data.dataset import DataSet
from tinysight.progress import Progress
from tinysight.training import train


def own(
    data: DataSet, recipe: str, seed: int, overrides: dict[str, Any], device: str
) -> dict[str, float]:
    """One run in this process, so that only the first pays for what is loaded once."""
    with tempfile.TemporaryDirectory() as scratch:
        began = time.perf_counter()
        ready = tinysight.plan(data, recipe, device=device, seed=seed, final=True, **overrides)
        folder = train(ready, out=Path(scratch) / "run", progress=Progress(quiet=True))
        found = Run(folder, data).evaluate("test", tta="mirror+shift", device=device)
        seconds = time.perf_counter() - began
        assert found.augmented is not None
        return {
            "seconds": seconds,
            "single": found.metrics.top1.value,
            "accuracy": found.augmented.top1.value,
        }


def airbench(
    script: Path, python: str, runs: int, scratch: Path, read: DataSet
) -> list[dict[str, float]]:
    """Its own runs, in one process of its own."""
    if read.test is None:
        sys.exit(f"{read.name} has no test split")
    folder = scratch / "cifar10"
    folder.mkdir()
    for name, split in (("train", read.train.joined(read.validation)), ("test", read.test)):
        values = {"images": split.images, "labels": split.labels, "classes": list(read.classes)}
        torch.save(values, folder / f"{name}.pt")
    text, changed = re.subn(
        r"for run in range\(\d+\)", f"for run in range({runs + 1})", script.read_text()
    )
    if changed != 1:
        sys.exit(f"{script} is not as expected: it has {changed} loops over its runs")
    (scratch / script.name).write_text(text)
    words = [python, script.name]
    ended = subprocess.run(words, cwd=scratch, stdout=subprocess.PIPE, text=True, check=False)
    if ended.returncode:
        sys.exit(f"{' '.join(words)} ended with {ended.returncode}; what it said stands above")
    found = []
    for line in ended.stdout.splitlines():
        cells = [cell.strip() for cell in line.strip("| ").split("|")]
        if "eval" in cells:
            found.append({"accuracy": float(cells[-2]), "seconds": float(cells[-1])})
    return found[-runs:]


def row(name: str, turns: list[dict[str, float]]) -> str:
    accuracies = [t["accuracy"] for t in turns]
    deviation = statistics.stdev(accuracies) if len(turns) > 1 else float("nan")
    single = f"{statistics.mean(t['single'] for t in turns):.2%}" if "single" in turns[0] else ""
    seconds = sorted(t["seconds"] for t in turns)
    return (
        f"| {name} | {len(turns)} | {statistics.mean(accuracies):.2%} (deviation "
        f"{100 * deviation:.2f} points) | {single} | {statistics.median(seconds):.2f} "
        f"[{seconds[0]:.2f}, {seconds[-1]:.2f}] |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data")
    parser.add_argument("--recipe", default="fast")
    parser.add_argument("--airbench", type=Path)
    parser.add_argument("--python", default=sys.executable, help="that runs airbench")
    parser.add_argument("-n", type=int, default=20)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--set", nargs="*", default=[], metavar="FIELD=VALUE", help="of the recipe")
    asked = parser.parse_args()
    overrides: dict[str, Any] = dict(word.partition("=")[::2] for word in asked.set)
    data = tinysight.load_data(asked.data)
    turns = []
    for seed in range(asked.n):
        turns.append(own(data, asked.recipe, seed, overrides, asked.device))
        print(json.dumps(turns[-1]), file=sys.stderr, flush=True)
    there = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    print(f"{there}, torch {torch.__version__}\n")
    print("| | n | test accuracy, 6 views | single view | seconds, median [least, most] |")
    print("|---|---|---|---|---|")
    print(row(f"Tinysight, `{asked.recipe}`", turns))
    if asked.airbench and torch.cuda.is_available():
        with tempfile.TemporaryDirectory() as scratch:
            theirs = airbench(asked.airbench, asked.python, asked.n, Path(scratch), data)
        print(row(asked.airbench.stem, theirs))
    else:
        print("airbench was not run: it needs a GPU and --airbench", file=sys.stderr)


if __name__ == "__main__":
    main()
