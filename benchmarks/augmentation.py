"""Pictures a second of flip, crop, colour jitter and cutout, beside torchvision and kornia.

    scripts/bench augmentation -n 3

Random pictures of 32x32 pixels. torchvision does one at a time, as a Dataset does, on tensors and
on PIL pictures, in one process and in a DataLoader with a worker a core; kornia and Tinysight do
batches of 250 on all cores. Every contestant is a process of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from pathlib import Path

import torch
from trials import in_turns, machine, peer, rows, said

from tinysight.augment import augment
from tinysight.process import holding_memory
from tinysight.recipe import Augment

PICTURES, BATCH, PASSES = 20_000, 250, 5
SETTINGS = Augment(
    flip=True, crop=4, brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1, cutout=8
)


def own(turn: int) -> dict[str, float]:
    """What a child process does."""
    generator = torch.Generator().manual_seed(turn)
    shape = (PICTURES, 32, 32, 3)
    pictures = torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)
    taken = []
    with holding_memory():  # as a training does
        for epoch in range(PASSES + 1):
            began = time.perf_counter()
            for at in torch.arange(PICTURES).split(BATCH):
                augment(pictures[at].permute(0, 3, 1, 2), at, SETTINGS, seed=turn, epoch=epoch)
            taken.append(time.perf_counter() - began)
    return {"rate": PICTURES / statistics.median(taken[1:])}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", type=int, default=3)
    parser.add_argument("--record", type=Path, help="JSON lines of turns; goes on from those there")
    parser.add_argument("--own", type=int, metavar="TURN", help="Tinysight alone, as JSON")
    asked = parser.parse_args()
    if asked.own is not None:
        print(json.dumps(own(asked.own)))
        return
    workers = ("--workers", str(os.cpu_count()))
    peers = {
        "torchvision v2, tensors": ("torchvision",),
        "torchvision v2, tensors, workers": ("torchvision", *workers),
        "torchvision v2, PIL": ("pil",),
        "torchvision v2, PIL, workers": ("pil", *workers),
        "kornia": ("kornia",),
    }
    contestants = {
        "Tinysight": lambda turn: said([sys.executable, __file__, "--own", str(turn)])[0],
        **{k: lambda _, w=w: peer("augment.py", *w)[0] for k, w in peers.items()},
    }
    found = in_turns(contestants, asked.n, asked.record)
    print(f"n={asked.n}, median [least, most]; {machine()}\n")
    print("| | pictures/s | Tinysight is |\n|---|---|---|")
    print(rows(found))


if __name__ == "__main__":
    main()
