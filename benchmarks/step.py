"""How long a training step takes: as it is, without own kernels, without held memory, compiled.

    scripts/bench step --model p3 --batch 128 -n 3
    scripts/bench step "widths=[64,256,256]" --model speednet --batch 500

Random pictures of 32x32 pixels, Adam; every contestant is a process of its own, which leaves out
its first ten steps. What a step is: forward, backward, optimiser.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import sys
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional as F
from trials import in_turns, machine, said, spread

from tinysight.machine import choose_device, choose_precision
from tinysight.models import build
from tinysight.process import holding_memory
from tinysight.recipe import Model, Optim, Recipe
from tinysight.training.kernels import fused
from tinysight.training.optim import optimiser

WARM, STEPS = 10, 30
WAYS = {
    "as it is": ("kernels", "held"),
    "without own kernels": ("held",),
    "without held memory": ("kernels",),
    "torch.compile": ("compiled", "held"),
}


def own(model: Model, batch: int, precision: str, way: tuple[str, ...]) -> dict[str, float]:
    """What a child process does: seconds a step, and pages mapped anew in one."""
    format_ = choose_precision(precision, choose_device("cpu"))
    mean, deviation = [0.5] * 3, [0.25] * 3
    net = build(model, (32, 32, 3), 10, mean=mean, deviation=deviation, seed=0).train()
    optimizer = optimiser(net, Optim(name="adam", lr=1e-3, weight_decay=0.0))
    pictures = torch.randint(0, 256, (batch, 32, 32, 3), dtype=torch.uint8).permute(0, 3, 1, 2)
    labels = torch.randint(0, 10, (batch,))
    network: Any = net
    if "kernels" in way:
        network = fused(net, format_.dtype)
    elif "compiled" in way:
        network = torch.compile(net)
    taken, faults = [], []
    with holding_memory() if "held" in way else nullcontext():
        for _ in range(WARM + STEPS):
            began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF).ru_minflt
            with torch.autocast("cpu", format_.dtype, format_.name == "bf16"):
                logits = network(pictures)
            loss = F.cross_entropy(logits.float(), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            taken.append(time.perf_counter() - began)
            faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
    return {
        "milliseconds": 1e3 * statistics.median(taken[WARM:]),
        "faults": statistics.median(faults[WARM:]),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("options", nargs="*", help="of the model: FIELD=VALUE")
    parser.add_argument("--model", default="p3")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=[*WAYS])
    parser.add_argument("-n", type=int, default=3)
    parser.add_argument("--record", type=Path, help="JSON lines of turns; goes on from those there")
    parser.add_argument("--own", choices=WAYS, help="one of them alone, as JSON")
    asked = parser.parse_args()
    recipe = Recipe(model=Model(name=asked.model))
    for word in asked.options:
        name, _, value = word.partition("=")
        recipe = recipe.override(f"model.{name}", value)
    if asked.own:
        print(json.dumps(own(recipe.model, asked.batch, asked.precision, WAYS[asked.own])))
        return
    again = [sys.executable, __file__, *sys.argv[1:]]
    contestants = {way: lambda _, way=way: said([*again, "--own", way])[0] for way in asked.ways}
    found = in_turns(contestants, asked.n, asked.record)
    print(f"n={asked.n}, median [least, most]; {asked.model}, batch {asked.batch}; {machine()}\n")
    print("| | ms a step | pictures/s | pages mapped a step |\n|---|---|---|---|")
    for way, turns in found.items():
        steps = [t["milliseconds"] for t in turns]
        cells = [
            way,
            spread(steps, "{:.1f}"),
            spread([1e3 * asked.batch / ms for ms in steps]),
            spread([t["faults"] for t in turns]),
        ]
        print(f"| {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
