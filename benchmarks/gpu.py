"""`fast` beside airbench94_muon, or `best` beside airbench96_faster, on one GPU in one hour.

    python benchmarks/gpu.py ../shared/data/cifar10 --airbench airbench94_muon.py -n 20
    python benchmarks/gpu.py ../shared/data/cifar10 --recipe best --airbench airbench96_faster.py

airbench is K. Jordan's script (github.com/KellerJordan/cifar10-airbench), fetched by whoever runs
this. It is run as it is but for the number of its runs; its time is the one it prints, training and
evaluation without compilation and reading. Ours are the seconds of the training loop, whose
epochs measure the clean training accuracy too, and beside them those from the process's start to
the saved model. Both are accuracies with test-time augmentation. Without --airbench, or without a
GPU, ours runs alone.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch

import tinysight


def own(data: str, recipe: str, seed: int, overrides: dict[str, Any]) -> dict[str, float]:
    """One run in this process, so that only the first pays for what is loaded once."""
    with tempfile.TemporaryDirectory() as scratch:
        run = tinysight.train(
            data,
            recipe,
            out=Path(scratch) / "run",
            seed=seed,
            final=True,
            quiet=True,
            **overrides,
        )
        found = run.evaluate("test", tta="mirror+shift")
        assert found.augmented is not None
        state = run.folder.state("last")
        return {
            "seconds": state["seconds"],
            "single": found.metrics.top1.value,
            "accuracy": found.augmented.top1.value,
        }


def airbench(script: Path, runs: int, scratch: Path, data: str) -> list[dict[str, float]]:
    """Its own runs, in one process of its own."""
    read = tinysight.load_data(data)
    if read.test is None:
        sys.exit(f"{data} has no test split")
    folder = scratch / "cifar10"
    folder.mkdir()
    for name, split in (("train", read.train.joined(read.validation)), ("test", read.test)):
        values = {"images": split.images, "labels": split.labels, "classes": list(read.classes)}
        torch.save(values, folder / f"{name}.pt")
    text, changed = re.subn(
        r"for run in range\(\d+\)", f"for run in range({runs})", script.read_text()
    )
    if changed != 1:
        sys.exit(f"{script} is not as expected: it has {changed} loops over its runs")
    (scratch / script.name).write_text(text)
    words = [sys.executable, script.name]
    ended = subprocess.run(words, cwd=scratch, capture_output=True, text=True, check=True)
    found = []
    for line in ended.stdout.splitlines():
        cells = [cell.strip() for cell in line.strip("| ").split("|")]
        if "eval" in cells:
            found.append({"accuracy": float(cells[-2]), "seconds": float(cells[-1])})
    return found[-runs:]


def row(name: str, turns: list[dict[str, float]]) -> str:
    accuracies = [t["accuracy"] for t in turns]
    deviation = statistics.stdev(accuracies) if len(turns) > 1 else float("nan")
    seconds = sorted(t["seconds"] for t in turns)
    return (
        f"| {name} | {len(turns)} | {statistics.mean(accuracies):.2%} (deviation "
        f"{100 * deviation:.2f} points) | {statistics.median(seconds):.2f} [{seconds[0]:.2f}, "
        f"{seconds[-1]:.2f}] |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data")
    parser.add_argument("--recipe", default="fast")
    parser.add_argument("--airbench", type=Path)
    parser.add_argument("-n", type=int, default=20)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--set", nargs="*", default=[], metavar="FIELD=VALUE", help="of the recipe")
    asked = parser.parse_args()
    overrides: dict[str, Any] = dict(word.partition("=")[::2] for word in asked.set)
    turns = []
    for seed in range(asked.n):
        turns.append(own(asked.data, asked.recipe, seed, {**overrides, "device": asked.device}))
        print(json.dumps(turns[-1]), file=sys.stderr, flush=True)
    there = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    print(f"{there}, torch {torch.__version__}\n")
    print("| | n | test accuracy, 6 views | seconds, median [least, most] |\n|---|---|---|---|")
    print(row(f"Tinysight, `{asked.recipe}`", turns))
    if asked.airbench and torch.cuda.is_available():
        with tempfile.TemporaryDirectory() as scratch:
            theirs = airbench(asked.airbench, asked.n, Path(scratch), asked.data)
        print(row(asked.airbench.stem, theirs))
    else:
        print("airbench was not run: it needs a GPU and --airbench", file=sys.stderr)


if __name__ == "__main__":
    main()
