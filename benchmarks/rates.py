"""Whether the rate that `lr-find` suggests trains well: short trainings at and around it.

    python benchmarks/rates.py [NAME]...

A range test as `tinysight lr-find` does it, then a training of EPOCHS for each of FACTORS times the
rate that it suggests, on a validation split, for three seeds each; a row a seed. Needs no network.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

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
SEEDS = range(3)
EPOCHS = 4
FACTORS = (0.1, 0.3, 1, 3, 10)


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


def main(names: list[str]) -> None:
    """Print the accuracies, a row a case and seed."""
    print("case, seed, suggested; validation accuracy at", *(f"x{factor}" for factor in FACTORS))
    for name in names or CASES:
        source, recipe, own = CASES[name]
        data = api.load_data(source, quiet=True)
        for seed in SEEDS:
            fields = {**own, "seed": seed}
            found = suggestion(data, recipe, fields)
            shown = []
            for factor in FACTORS:
                rates = {field: factor * rate for field, rate in found.fields.items()}
                reached = accuracy(data, recipe, fields | rates)
                shown.append("diverged" if reached is None else f"{reached:.1%}")
            print(f"{name}, {seed}, {found.suggested};", ", ".join(shown), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
