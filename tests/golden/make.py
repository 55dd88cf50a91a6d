"""Make the run that later versions must load: python -m tests.golden.make tests/golden/format-2

Once for each format of run folders; what is there is never made again.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import tinysight
from tinysight.progress import Progress
from tinysight.training import train

SETTINGS: dict[str, Any] = {
    "model": "linear", "epochs": 2, "batch_size": 8, "ema": 0.9, "optim.name": "adam",
    "precision": "fp32",
}  # fmt: skip


def pictures() -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """60 pictures of noise, 4x4, whose brightest channel is their class."""
    labels = np.arange(60) % 3
    images = np.random.default_rng(0).integers(0, 120, (60, 4, 4, 3))
    images[np.arange(60), :, :, labels] += 100
    return images.astype(np.uint8), labels


def main() -> None:
    ready = tinysight.plan(pictures(), device="cpu", quiet=True, **SETTINGS)
    folder = train(ready, out=Path(sys.argv[1]), progress=Progress(quiet=True))
    folder.count_test_read("golden")
    for lock in folder.path.glob(".*.lock"):
        lock.unlink()


if __name__ == "__main__":
    main()
