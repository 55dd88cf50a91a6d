"""Pictures a second of the same network, batch and data: Tinysight beside Keras and PyTorch.

    scripts/bench same_work ../shared/data/cifar10 -n 3

P3's network, batches of 128, Adam from 0.001 in a line to 0, the 50,000 training pictures, test
accuracy at the end. Every contestant is a process of its own and they take turns. The rate is that
of the last epoch; with --epochs 1 a peer's leaves out its first ten steps, in which it traces or
compiles, and the last, which is not full. After one epoch P3's network is still where chance has
put it: for equal accuracies take --epochs 5.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from pathlib import Path
from typing import Any

from trials import in_turns, machine, official, ours, peer, spread

from tinysight.recipe import Model, Optim, Recipe, Schedule

BATCH = 128


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data")
    parser.add_argument("-n", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--record", type=Path, help="JSON lines of turns; goes on from those there")
    asked = parser.parse_args()
    recipe = Recipe(
        name="same-work",
        epochs=asked.epochs,
        batch_size=BATCH,
        model=Model(name="p3"),
        optim=Optim(name="adam", lr=1e-3, weight_decay=0.0),
        schedule=Schedule(name="linear"),
        final=True,
    )
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "recipe.json"
        file.write_text(recipe.to_json())
        pictures = official(asked.data, Path(scratch) / "pictures.npz")

        def trained(turn: int, *words: str) -> dict[str, Any]:
            found = ours(
                asked.data, "--recipe", str(file), "--evaluate-test", f"seed={turn}", *words
            )
            return {"rate": found["rate"], "accuracy": found["test"]["value"]}

        def peers(turn: int, script: str, *words: str) -> dict[str, Any]:
            given = ("--decay", "--epochs", str(asked.epochs), "--seed", str(turn))
            found = peer(script, pictures, *given, *words)[-1]
            rate = BATCH / found["step_seconds"]
            return {"rate": rate, "accuracy": found["test_accuracy"], **found}

        contestants = {
            "Tinysight": lambda turn: trained(turn),
            "Tinysight, fp32": lambda turn: trained(turn, "precision=fp32"),
            "Keras on TensorFlow": lambda turn: peers(turn, "keras_p3.py", "--standardise"),
            "Keras, mixed_bfloat16": lambda turn: peers(
                turn, "keras_p3.py", "--standardise", "--policy", "mixed_bfloat16"
            ),
            "PyTorch, plain": lambda turn: peers(turn, "torch_loop.py"),
            "PyTorch, tuned": lambda turn: peers(turn, "torch_loop.py", "--tuned"),
            "PyTorch, tuned and compiled": lambda turn: peers(
                turn, "torch_loop.py", "--tuned", "--compile"
            ),
        }
        found = in_turns(contestants, asked.n, asked.record)
    print(f"n={asked.n}, {asked.epochs} epochs, median [least, most]; {machine()}\n")
    print("| | pictures/s | Tinysight is | Tinysight, fp32, is | test accuracy |")
    print("|---|---|---|---|---|")
    for name, turns in found.items():
        ratios = [
            statistics.median(a["rate"] / b["rate"] for a, b in zip(found[us], turns, strict=True))
            for us in ("Tinysight", "Tinysight, fp32")
        ]
        accuracies = spread([t["accuracy"] for t in turns], "{:.2%}")
        print(
            f"| {name} | {spread([t['rate'] for t in turns])} | {ratios[0]:.2f}x | "
            f"{ratios[1]:.2f}x | {accuracies} |"
        )


if __name__ == "__main__":
    main()
