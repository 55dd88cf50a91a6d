"""How long from the command to the first training step, beyond importing torch.

    python benchmarks/startup.py ../shared/data/cifar10 my-pictures/ -n 5

For each data set `tinysight train DATA` is started n + 1 times; the first start, which decodes,
is not counted. A child process notes when the first step of the optimiser ends and leaves. The
time of `import torch` alone is measured in between, in the same way, and taken off.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

from trials import spread

IMPORT = "import time, torch; print('AT', time.time())"
TRAIN = """
import os, sys, time
from tinysight.cli import main
from tinysight.training import optim

step = optim.Optimiser.step

def leave(self, **given):
    step(self, **given)
    print("AT", time.time(), file=sys.__stdout__, flush=True)
    os._exit(0)

optim.Optimiser.step = leave

main(["train", sys.argv[1], "-q"])
"""


def seconds(code: str, *words: str) -> float:
    """From the start of a process to the moment that it prints."""
    began = time.time()
    child = [sys.executable, "-c", code, *words]
    with tempfile.TemporaryDirectory() as here:  # for the run folder
        ended = subprocess.run(child, cwd=here, capture_output=True, text=True, check=False)
    lines = [line for line in ended.stdout.splitlines() if line.startswith("AT ")]
    if not lines:
        sys.exit(f"{words}: {ended.stderr[-2000:]}")
    return float(lines[-1].split()[1]) - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", nargs="+")
    parser.add_argument("-n", type=int, default=5)
    asked = parser.parse_args()
    shown = partial(spread, form="{:.2f}")
    for given in asked.data:
        data = str(Path(given).resolve()) if Path(given).exists() else given
        cold = seconds(TRAIN, data)
        alone, whole = [], []
        for _ in range(asked.n):
            alone.append(seconds(IMPORT))
            whole.append(seconds(TRAIN, data))
        beyond = [w - a for w, a in zip(whole, alone, strict=True)]
        print(
            f"{given}: first step after {shown(whole)} s, import torch {shown(alone)} s, "
            f"beyond it {shown(beyond)} s (n={asked.n}, median [least, most]); "
            f"first start {cold:.2f} s"
        )


if __name__ == "__main__":
    main()
