"""Pictures a second of a trained network at batch 1 and 256, beside PyTorch and Keras's predict.

    scripts/bench inference -n 3

P3's network with random weights on random pictures, from uint8 to probabilities, in fp32. Every
contestant is a process of its own. Tinysight's batches are of 256, so theirs are too.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from pathlib import Path

import torch
from trials import in_turns, machine, peer, rows, said

from tinysight.evaluation import predict
from tinysight.models import build
from tinysight.recipe import Model

PICTURES, PASSES = {1: 640, predict.BATCH: 20 * predict.BATCH}, 5


def own(batch: int) -> dict[str, float]:
    """What a child process does."""
    model = build(Model(name="p3"), (32, 32, 3), 10, mean=[0.5] * 3, deviation=[0.25] * 3, seed=0)
    generator = torch.Generator().manual_seed(0)
    shape = (PICTURES[batch], 32, 32, 3)
    pictures = torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)
    taken = []
    for _ in range(PASSES + 1):
        began = time.perf_counter()
        if batch == 1:
            for picture in pictures.split(1):
                predict.probabilities(model, picture)
        else:
            predict.probabilities(model, pictures)
        taken.append(time.perf_counter() - began)
    return {"rate": PICTURES[batch] / statistics.median(taken[1:])}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", type=int, default=3)
    parser.add_argument("--record", type=Path, help="JSON lines of turns; goes on from those there")
    parser.add_argument("--own", type=int, metavar="BATCH", help="Tinysight alone, as JSON")
    asked = parser.parse_args()
    if asked.own:
        print(json.dumps(own(asked.own)))
        return
    contestants = {}
    for batch, pictures in PICTURES.items():
        own_words = (sys.executable, __file__, "--own", str(batch))
        words = ("--batch", str(batch), "--pictures", str(pictures))
        contestants |= {
            f"{batch} | Tinysight": lambda _, w=own_words: said(w)[0],
            f"{batch} | PyTorch, eager": lambda _, w=words: peer("infer.py", "torch", *w)[0],
            f"{batch} | Keras, predict": lambda _, w=words: peer("infer.py", "keras", *w)[0],
        }
    found = in_turns(contestants, asked.n, asked.record)
    print(f"n={asked.n}, median [least, most]; {machine()}\n")
    print("| batch | | pictures/s | Tinysight is |\n|---|---|---|---|")
    for batch in PICTURES:
        print(rows({k: v for k, v in found.items() if k.startswith(f"{batch} |")}))


if __name__ == "__main__":
    main()
