"""Pictures a second of flip, crop, colour jitter and cutout, beside torchvision and kornia.

    scripts/bench augmentation -n 3

Random pictures of 32x32 pixels. torchvision does one at a time, as a Dataset does, on tensors and
on PIL pictures; kornia and Tinysight do batches of 250. All may use every core.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path

import torch
from trials import in_turns, machine, peer, rows

from tinysight.augment import augment
from tinysight.recipe import Augment

PICTURES, BATCH, PASSES = 20_000, 250, 5
SETTINGS = Augment(
    flip=True, crop=4, brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1, cutout=8
)


def own(turn: int) -> dict[str, float]:
    generator = torch.Generator().manual_seed(turn)
    shape = (PICTURES, 32, 32, 3)
    pictures = torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)
    taken = []
    for epoch in range(PASSES + 1):
        began = time.perf_counter()
        for at in torch.arange(PICTURES).split(BATCH):
            augment(pictures[at].permute(0, 3, 1, 2), at, SETTINGS, seed=turn, epoch=epoch)
        taken.append(time.perf_counter() - began)
    return {"rate": PICTURES / statistics.median(taken[1:])}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", type=int, default=3)
    parser.add_argument("--record", type=Path, help="JSON lines of every turn go here")
    asked = parser.parse_args()
    contestants = {
        "Tinysight": own,
        "torchvision v2, tensors": lambda _: peer("augment.py", "torchvision")[0],
        "torchvision v2, PIL": lambda _: peer("augment.py", "pil")[0],
        "kornia": lambda _: peer("augment.py", "kornia")[0],
    }
    found = in_turns(contestants, asked.n, asked.record)
    print(f"n={asked.n}, median [least, most]; {machine()}\n")
    print("| | pictures/s | Tinysight is |\n|---|---|---|")
    print(rows(found))


if __name__ == "__main__":
    main()
