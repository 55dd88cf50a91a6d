"""What it costs to lose nothing: a training as it is, beside one without any of it.

    scripts/bench saving ../shared/data/cifar10 --epochs 2 -n 3

`quick`, from the first step to the end of the last epoch, as it is; and without checkpoints and
metrics and without a look at the gradients. Also the seconds spent in saving, as a share of the
training's: that is what a noisy machine does not hide.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from unittest.mock import patch

from torch import Tensor, nn
from trials import in_turns, machine, said, spread

from tinysight import api, training
from tinysight.progress import Progress
from tinysight.run import RunFolder
from tinysight.training import loop


def own(data: str, recipe: str, epochs: float, *, off: bool) -> dict[str, float]:
    """What a child process does."""
    ready = api.plan(data, recipe, epochs=epochs, quiet=True)
    real, spent = RunFolder.save_checkpoint, 0.0

    def save(self: RunFolder, *words: Any, **named: Any) -> None:
        nonlocal spent
        began = time.perf_counter()
        real(self, *words, **named)
        spent += time.perf_counter() - began

    def look(loss: Tensor, model: nn.Module) -> Tensor:  # noqa: ARG001
        return loss.detach().isfinite().logical_not()

    with ExitStack() as held:
        scratch = held.enter_context(tempfile.TemporaryDirectory())
        for what, name, plain in ((RunFolder, "save_checkpoint", None), (loop, "_broken", look)):
            if off:
                put = plain or (lambda *_, **__: None)
                held.enter_context(patch.object(what, name, put))
            elif plain is None:
                held.enter_context(patch.object(what, name, save))
        began = time.perf_counter()
        training.train(ready, out=Path(scratch) / "run", progress=Progress(quiet=True))
        return {"seconds": time.perf_counter() - began, "saving": spent}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data")
    parser.add_argument("--recipe", default="quick")
    parser.add_argument("--epochs", type=float, default=2)
    parser.add_argument("-n", type=int, default=3)
    parser.add_argument("--record", type=Path, help="JSON lines of turns; goes on from those there")
    parser.add_argument("--own", choices=("on", "off"), help="one training alone, as JSON")
    asked = parser.parse_args()
    if asked.own:
        print(json.dumps(own(asked.data, asked.recipe, asked.epochs, off=asked.own == "off")))
        return

    def child(which: str) -> dict[str, Any]:
        words = (asked.data, "--recipe", asked.recipe, "--epochs", str(asked.epochs))
        return said((sys.executable, __file__, *words, "--own", which))[0]

    found = in_turns(
        {"as it is": lambda _: child("on"), "without": lambda _: child("off")},
        asked.n,
        asked.record,
    )
    on, off = found["as it is"], found["without"]
    pairs = [100 * (a["seconds"] / b["seconds"] - 1) for a, b in zip(on, off, strict=True)]
    share = [100 * a["saving"] / a["seconds"] for a in on]
    print(
        f"n={asked.n}, {asked.recipe}, {asked.epochs:g} epochs, median [least, most]; {machine()}"
    )
    print(f"as it is: {spread([a['seconds'] for a in on], '{:.1f}')} s")
    print(f"without: {spread([b['seconds'] for b in off], '{:.1f}')} s")
    print(
        f"slower by {spread(pairs, '{:.2f}')} %; in saving {spread(share, '{:.2f}')} % of the time"
    )
    print(f"a save: {1000 * statistics.median(a['saving'] / asked.epochs for a in on):.0f} ms")


if __name__ == "__main__":
    main()
