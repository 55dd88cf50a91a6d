"""Commands tried in turns, and what they say in JSON lines; shared by the benchmarks here."""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
PEERS = HERE.parent / ".venv-peers" / "bin" / "python"


def said(words: Sequence[str]) -> list[dict[str, Any]]:
    """Run a command and return the JSON objects among its lines."""
    ended = subprocess.run(words, capture_output=True, text=True, check=False)
    if ended.returncode:
        sys.exit(f"{' '.join(words)}\n{ended.stderr[-3000:]}")
    lines = [line for line in ended.stdout.splitlines() if line.startswith("{")]
    return [json.loads(line) for line in lines]


def peer(script: str, *words: str) -> list[dict[str, Any]]:
    """Run a script of peers/ in the peers' environment, which scripts/bench makes."""
    if not PEERS.exists():
        sys.exit(f"{PEERS} is not there; make it with: scripts/bench")
    return said([str(PEERS), str(HERE / "peers" / script), *words])


def ours(data: str, *words: str) -> dict[str, Any]:
    """Train by the command line; return seconds to the saved model, accuracy and metrics."""
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch) / "run"
        command = [sys.executable, "-m", "tinysight", "train", data, "--out", str(out), "-q"]
        subprocess.run([*command, *words], check=True, stdout=subprocess.DEVNULL)
        state = json.loads((out / "checkpoints" / "best.json").read_text())["state"]
        rows = (out / "metrics.csv").read_text().splitlines()
        found = {
            "seconds": state["seconds_process"],
            "rate": float(rows[-1].split(",")[rows[0].split(",").index("pictures_per_second")]),
        }
        tested = out / "evaluation" / "test" / "metrics.json"
        if tested.exists():
            values = json.loads(tested.read_text())
            found["test"] = values["metrics"]["top1"]
            found["tta"] = values["augmented"] and values["augmented"]["top1"]
        return found


def in_turns(
    contestants: dict[str, Callable[[int], dict[str, Any]]], rounds: int, record: Path | None
) -> dict[str, list[dict[str, Any]]]:
    """Let each have its turn in every round; print what each says, and keep it as JSON lines.

    A round that the record has whole, of the same command and commit on such a machine, is not run
    again, so that a long benchmark can be stopped and goes on.
    """
    commit = _commit()
    asked = {"command": _command(), "commit": commit, "machine": machine()}
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in contestants}
    for turn in range(rounds):
        known = {}
        if not commit.endswith("+"):  # else the code may have changed since
            known = _recorded(record, {"round": turn, **asked})
        whole = known.keys() >= contestants.keys()
        for name, run in contestants.items():
            line = known[name] if whole else _run(name, run, {"round": turn, **asked}, record)
            found[name].append(json.loads(line))
    return found


def _run(
    name: str, run: Callable[[int], dict[str, Any]], known: dict[str, Any], record: Path | None
) -> str:
    """Give a contestant its turn; show and return what came of it, as a line of the record."""
    line = json.dumps({"name": name, **known, **run(known["round"])})
    print(line, file=sys.stderr, flush=True)
    if record:
        with record.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
    return line


def _command() -> str:
    """What was asked of a benchmark, but for how often and where to keep it."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("-n")
    parser.add_argument("--record")
    _, rest = parser.parse_known_args(sys.argv[1:])
    return " ".join([Path(sys.argv[0]).stem, *rest])


def _recorded(record: Path | None, wanted: dict[str, Any]) -> dict[str, str]:
    """The last line of each contestant in a record that has the fields `wanted`."""
    found = {}
    text = record.read_text(encoding="utf-8") if record and record.exists() else ""
    for line in text.splitlines():
        try:
            values = json.loads(line)
        except json.JSONDecodeError:  # cut by whatever stopped the benchmark
            continue
        if all(values.get(name) == value for name, value in wanted.items()):
            found[values["name"]] = line
    return found


def _commit(root: Path = HERE.parent) -> str:
    """The commit that changed last what is measured, with a + where that has changed since."""
    where = ["--", "src", "benchmarks/*.py", "benchmarks/peers"]
    git = ["git", "-C", str(root)]
    try:
        commit = _told([*git, "log", "-1", "--format=%h", *where])
        changed = _told([*git, "status", "--porcelain", *where])
    except (OSError, subprocess.CalledProcessError):
        return "+"
    return commit + "+" * bool(changed)


def spread(values: Sequence[float], form: str = "{:,.0f}") -> str:
    """Return the median with the least and the most of some values."""
    middle, low, high = (form.format(f(values)) for f in (statistics.median, min, max))
    return f"{middle} [{low}, {high}]"


def told(values: Sequence[float]) -> str:
    """Return the mean, and the deviation of several."""
    deviation = f" ({statistics.stdev(values):.1f})" if len(values) > 1 else ""
    return f"{statistics.mean(values):.1f}{deviation}"


def rows(found: dict[str, list[dict[str, Any]]]) -> str:
    """Return a table's rows: each contestant's rates, and how often the first's is theirs."""
    first = next(iter(found.values()))
    lines = []
    for name, turns in found.items():
        ratio = statistics.median(a["rate"] / b["rate"] for a, b in zip(first, turns, strict=True))
        lines.append(f"| {name} | {spread([t['rate'] for t in turns])} | {ratio:.1f}x |")
    return "\n".join(lines)


def machine() -> str:
    """Return what the figures were measured on."""
    import torch

    from tinysight.machine import choose_device, choose_precision

    precision = choose_precision("auto", choose_device("cpu"))
    return (
        f"{os.cpu_count()} cores, {_processor()}, {precision.why}; Python "
        f"{platform.python_version()}, torch {torch.__version__}"
    )


def _told(words: Sequence[str]) -> str:
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()


def _processor() -> str:
    """The processor's name, on Linux; elsewhere its kind."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
        return text.partition("model name")[2].partition(":")[2].splitlines()[0].strip()
    except (OSError, IndexError):
        return platform.machine()


def official(data: str, target: Path) -> str:
    """Write a data set as peers read it: the 50,000 and the 10,000 pictures in one .npz."""
    import numpy as np

    import tinysight

    read = tinysight.load_data(data)
    if read.test is None:
        sys.exit(f"{data} has no test split")
    train = read.train.joined(read.validation)
    np.savez(
        target,
        x_train=train.images.numpy(),
        y_train=train.labels.numpy(),
        x_test=read.test.images.numpy(),
        y_test=read.test.labels.numpy(),
    )
    return str(target)
