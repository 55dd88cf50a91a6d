"""Seconds from the start of the process to a saved model of some test accuracy.

    scripts/bench time_to_accuracy ../shared/data/cifar10 --targets 70=1 80=2 --peers keras

One recipe, `quick`, in which only `epochs` differs: TARGET=EPOCHS, found on validation before.
Keras trains P3's network by P3's own recipe, PyTorch a plain ResNet-18, and both look at the test
accuracy after every epoch and stop where they reach the target, as the source projects do.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from pathlib import Path
from typing import Any

from trials import in_turns, machine, official, ours, peer, spread

PEERS = {
    "keras": ("P3 in Keras on TensorFlow", "keras_p3.py", ()),
    "resnet18": ("ResNet-18 in plain PyTorch", "torch_loop.py", ("--net", "resnet18")),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data")
    parser.add_argument("-n", type=int, default=3)
    parser.add_argument("--targets", nargs="+", default=["70=1"])
    parser.add_argument("--recipe", default="quick")
    parser.add_argument("--peers", nargs="*", choices=PEERS, default=["keras"])
    parser.add_argument("--most", type=int, default=20, help="epochs that a peer gets")
    parser.add_argument("--record", type=Path, help="JSON lines of every turn go here")
    asked = parser.parse_args()
    targets = {int(t): int(e) for t, _, e in (word.partition("=") for word in asked.targets)}
    with tempfile.TemporaryDirectory() as scratch:
        pictures = official(asked.data, Path(scratch) / "pictures.npz")

        def trained(turn: int, epochs: int) -> dict[str, Any]:
            words = ("--recipe", asked.recipe, f"epochs={epochs}", f"seed={turn}")
            found = ours(asked.data, *words, "--evaluate-test")
            return {"seconds": found["seconds"], "accuracy": found["test"]["value"]}

        def reached(turn: int, script: str, words: tuple[str, ...], target: int) -> dict[str, Any]:
            most = ("--epochs", str(asked.most), "--target", str(target / 100))
            last = peer(script, pictures, *most, "--seed", str(turn), *words)[-1]
            return {
                "seconds": last["since_start"],
                "accuracy": last["test_accuracy"],
                "epochs": last["epoch"],
            }

        def contestants(target: int, epochs: int) -> dict[str, Any]:
            found = {f"Tinysight, `{asked.recipe}`": lambda turn: trained(turn, epochs)}
            for name, script, words in (PEERS[p] for p in asked.peers):
                found[name] = lambda turn, s=script, w=words: reached(turn, s, w, target)
            return found

        print(f"n={asked.n}, median [least, most]; {machine()}\n")
        print("| target | | seconds | test accuracy | Tinysight is sooner |")
        print("|---|---|---|---|---|")
        for target, epochs in targets.items():
            found = in_turns(contestants(target, epochs), asked.n, asked.record)
            us = next(iter(found.values()))
            for name, turns in found.items():
                ratio = statistics.median(
                    b["seconds"] / a["seconds"] for a, b in zip(us, turns, strict=True)
                )
                accuracies = spread([t["accuracy"] for t in turns], "{:.1%}")
                seconds = spread([t["seconds"] for t in turns])
                print(f"| {target} % | {name} | {seconds} | {accuracies} | {ratio:.1f}x |")


if __name__ == "__main__":
    main()
