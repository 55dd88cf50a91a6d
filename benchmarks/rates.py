"""Whether the rate that `lr-find` suggests trains well: short trainings at and around it.

    scripts/bench rates [-n 3] [--settings adam ...] [--factors 0.1 0.3 1 3 10]

A range test as `tinysight lr-find` does it, then a training of EPOCHS for each factor times the
rate that it suggests, on a validation split; for as many seeds as asked. Printed are validation
accuracies in percent, a line a seed, and in the end their means with their deviations. Where a
training diverged, or no rate is suggested, stands a hyphen, which counts as guessing. Needs no
network.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

from trials import machine, told

from tinysight import api
from tinysight.data.dataset import DataSet
from tinysight.errors import Diverged
from tinysight.progress import Progress
from tinysight.training import train
from tinysight.training.suggesting import RateTest

SMALL = {"model.widths": [16, 32, 32]}
CASES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "adam": ("digits", "overfit-base", {}),
    "sgd": ("digits", "overfit-base", {"optim.name": "sgd"}),
    "dropout": ("digits", "hands-on", {"model.width": 16}),
    "muon": ("digits", "quick", SMALL),
    "shapes": ("shapes", "quick", SMALL),
    "adamw": ("shapes", "quick", {**SMALL, "optim.name": "adamw"}),
}
EPOCHS = 4
FACTORS = (0.1, 0.3, 1.0, 3.0, 10.0)
GUESSING = 0.1  # accuracy of it, in ten classes


def accuracy(data: DataSet, recipe: str, fields: dict[str, Any]) -> float | None:
    """Return the last epoch's validation accuracy; None where the training diverged."""
    ready = api.plan(data, recipe, quiet=True, compilation="off", **{"epochs": EPOCHS} | fields)
    with tempfile.TemporaryDirectory() as folder:
        try:
            run = train(ready, out=Path(folder) / "run", progress=Progress(quiet=True))
        except Diverged:
            return None
        return run.metrics()[-1]["validation_accuracy"]


def suggestion(data: DataSet, recipe: str, fields: dict[str, Any]) -> RateTest:
    """Return what a range test finds."""
    with tempfile.TemporaryDirectory() as folder:
        return api.find_rate(data, recipe, out=Path(folder) / "test", quiet=True, **fields)


def percent(reached: float | None) -> float:
    """Return an accuracy in percent; a training that diverged is as good as guessing."""
    return 100 * (GUESSING if reached is None else reached)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", type=int, default=3, help="seeds, from 0 on")
    parser.add_argument("--settings", nargs="+", choices=CASES, default=[*CASES])
    parser.add_argument("--factors", type=float, nargs="+", default=FACTORS)
    asked = parser.parse_args()
    print("setting, seed, suggested; accuracy at", *(f"x{factor:g}" for factor in asked.factors))
    rows = []
    for name in asked.settings:
        source, recipe, own = CASES[name]
        data = api.load_data(source, quiet=True)
        suggested, columns = [], [[] for _ in asked.factors]
        for seed in range(asked.n):
            fields = {**own, "seed": seed}
            found = suggestion(data, recipe, fields)
            suggested.append(f"{found.suggested:.2g}" if found.suggested else "none")
            shown = []
            for factor, column in zip(asked.factors, columns, strict=True):
                rates = {field: factor * rate for field, rate in found.fields.items()}
                reached = accuracy(data, recipe, fields | rates) if rates else None
                column.append(percent(reached))
                shown.append("-" if reached is None else f"{column[-1]:.1f}")
            print(f"{name}, {seed}, {suggested[-1]};", ", ".join(shown), flush=True)
        rows.append([name, ", ".join(suggested), *map(told, columns)])
    print(f"\nn={asked.n} seeds, {EPOCHS} epochs; {machine()}\n")
    for row in rows:
        print(f"| {' | '.join(row)} |")


if __name__ == "__main__":
    main()
