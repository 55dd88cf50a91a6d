"""Seconds from the start of the process to a saved model of some test accuracy.

    scripts/bench time_to_accuracy ../shared/data/cifar10 --targets 70=0.4 94=12 --peers keras=8

One recipe, `fast` as a final fit, in which only `epochs` differs: TARGET=EPOCHS, found on
validation before. From 94 % on the accuracy with 6 views counts, and the single view stands beside
it; the seconds end at the saved model, before either is measured. Keras trains P3's network by P3's
own recipe, PyTorch a plain ResNet-18 (Adam at 0.001, no augmentation, fp32): both look at the test
accuracy after every epoch, which they may stop by, as the source projects do, and go on to the
highest target or for the epochs behind their name.
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


SEVERAL_FROM = 94  # per cent: the accuracy that counts is that of several views


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data")
    parser.add_argument("-n", type=int, default=3)
    parser.add_argument("--targets", nargs="+", required=True, metavar="TARGET=EPOCHS")
    parser.add_argument("--recipe", default="fast")
    parser.add_argument(
        "--peers", nargs="*", type=peer_asked, default=[("keras", 20)], metavar="PEER=EPOCHS"
    )
    parser.add_argument("--record", type=Path, help="JSON lines of turns; goes on from those there")
    asked = parser.parse_args()
    targets = {int(t): e for t, _, e in (word.partition("=") for word in asked.targets)}
    with tempfile.TemporaryDirectory() as scratch:
        pictures = official(asked.data, Path(scratch) / "pictures.npz")

        def trained(turn: int) -> dict[str, Any]:
            """Train anew for every target; how soon, and how good."""
            reached = {}
            for target, epochs in targets.items():
                fields = ("final=true", f"epochs={epochs}", f"seed={turn}")
                views = ("--tta", "mirror+shift") if target >= SEVERAL_FROM else ()
                words = ("--recipe", asked.recipe, *fields, "--evaluate-test", *views)
                found = ours(asked.data, *words)
                reached[str(target)] = {
                    "seconds": found["seconds"],
                    "single": found["test"]["value"],
                    "views": found["tta"]["value"] if views else None,
                }
            return {"reached": reached}

        def watched(turn: int, script: str, words: tuple[str, ...], most: int) -> dict[str, Any]:
            """Train once, looking after every epoch; the first of them that reached a target."""
            until = ("--epochs", str(most), "--target", str(max(targets) / 100))
            epochs = peer(script, pictures, *until, "--seed", str(turn), *words)
            reached = {}
            for target in targets:
                enough = (e for e in epochs if 100 * e["test_accuracy"] >= target)
                last = next(enough, epochs[-1])
                reached[str(target)] = {
                    "seconds": last["since_start"],
                    "single": last["test_accuracy"],
                    "views": None,
                }
            return {"reached": reached, "accuracies": [e["test_accuracy"] for e in epochs]}

        contestants = {f"Tinysight, `{asked.recipe}`": trained}
        for peer_name, most in dict(asked.peers).items():
            name, script, words = PEERS[peer_name]
            contestants[name] = lambda turn, s=script, w=words, m=most: watched(turn, s, w, m)
        found = in_turns(contestants, asked.n, asked.record)
    print(f"n={asked.n}, median [least, most]; {machine()}\n")
    print("| target | | seconds | test accuracy, single view | 6 views | Tinysight is sooner |")
    print("|---|---|---|---|---|---|")
    us = next(iter(found.values()))
    for target in targets:
        for name, turns in found.items():
            ends = ([t["reached"][str(target)] for t in side] for side in (turns, us))
            print(row(target, name, *ends))


def peer_asked(word: str) -> tuple[str, int]:
    """Read PEER=EPOCHS."""
    name, _, epochs = word.partition("=")
    if name not in PEERS or not epochs.isdecimal():
        raise argparse.ArgumentTypeError(f"{word}: give {' or '.join(PEERS)}, then =EPOCHS")
    return name, int(epochs)


def row(target: int, name: str, ends: list[dict[str, Any]], ours: list[dict[str, Any]]) -> str:
    """One contestant's line; where it stopped short of the target its seconds are a lower bound."""
    missed, ours_missed = (
        sum(100 * (end["views"] or end["single"]) < target for end in side) for side in (ends, ours)
    )
    ratio = statistics.median(a["seconds"] / b["seconds"] for a, b in zip(ends, ours, strict=True))
    cells = [
        f"{target} %",
        name,
        spread([end["seconds"] for end in ends])
        + (f", not reached in {missed} of {len(ends)}" if missed else ""),
        spread([end["single"] for end in ends], "{:.2%}"),
        spread([end["views"] for end in ends], "{:.2%}") if ends[0]["views"] else "",
        "" if ours_missed else f"{'over ' if missed else ''}{ratio:.1f}x",
    ]
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
