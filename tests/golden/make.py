"""Make the run that later versions must load: python -m tests.golden.make tests/golden/format-2

Once for each format of run folders; what is there is never made again.
"""

import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tests.training.runs import stopping_in

import tinysight
from tinysight.errors import Interrupted
from tinysight.progress import Progress
from tinysight.training import train

SETTINGS: dict[str, Any] = {
    "model": {"name": "plain", "width": 2, "batchnorm": True, "dropout": 0.1}, "epochs": 4,
    "batch_size": 8, "ema": 0.8, "optim.name": "adam", "optim.lr": 0.01, "precision": "fp32",
}  # fmt: skip
STEPS = 15  # of 24: within the third epoch


def pictures() -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """60 pictures of noise, 8x8, whose brightest channel is their class."""
    labels = np.arange(60) % 3
    images = np.random.default_rng(0).integers(0, 120, (60, 8, 8, 3))
    images[np.arange(60), :, :, labels] += 100
    return images.astype(np.uint8), labels


def main() -> None:
    out = Path(sys.argv[1])
    ready = tinysight.plan(pictures(), device="cpu", quiet=True, **SETTINGS)
    with suppress(Interrupted), stopping_in(STEPS):
        train(ready, out=out, progress=Progress(quiet=True))
    for split in ("validation", "test"):
        tinysight.evaluate(str(out), split, data=pictures(), device="cpu")
    for lock in out.glob(".*.lock"):
        lock.unlink()


if __name__ == "__main__":
    main()
