"""What becomes of a run that is killed, and of one whose files rot.

    scripts/bench faults --kills 200 --flips 3000 --cuts 100

A training in a process of its own is killed with SIGKILL at random moments, from its start on, and
gone on with each time: after every kill the run must be readable, no further behind than a save
interval, and after the next start without a stray file; at its end its tensors and rows are those
of one that was not killed. Then single bits are flipped, and files cut short, over all files of a
run: each must be found by `verify`, and refused by whatever loads the file, in one line that names
file, expected and found digest. The files that nothing loads, pictures and pages, are listed.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import torch

import tinysight
from tinysight.errors import CheckpointError
from tinysight.progress import Progress
from tinysight.reporting.gathering import gather
from tinysight.run import RunFolder, manifest

SAID = re.compile(r"sha256 \S+ expected, \S+ found")
OURS = {".manifest.lock", ".training.lock", ".trainer.json", "log.txt", "manifest.json"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--flips", type=int, default=3000)
    parser.add_argument("--cuts", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=60, help="of the training that is killed")
    asked = parser.parse_args()
    chance = random.Random(asked.seed)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        killed(folder, asked.kills, asked.epochs, chance)
        rotten(folder, asked.flips, asked.cuts, chance)


def killed(folder: Path, kills: int, epochs: int, chance: random.Random) -> None:
    """Kill a training again and again."""
    first = ["digits", "--recipe", "linear", f"epochs={epochs}"]
    whole = command("train", *first, "--out", str(folder / "whole"))
    subprocess.run(whole, check=True, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    out, done, rounds, unborn, most_lost = folder / "run", 0, 0, 0, 0
    with Progress().counting("kills") as counter:
        while done < kills:
            words = (
                ["--resume", str(out)]
                if (out / "recipe.json").exists()
                else [*first, "--out", str(out)]
            )
            before = last_epoch(out)
            with subprocess.Popen(
                command("train", *words),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
            ) as process:
                time.sleep(chance.uniform(0.5, 6.0))  # while it starts, or while it trains
                process.send_signal(signal.SIGKILL)
                _, err = process.communicate()
            if process.returncode not in (0, -signal.SIGKILL):
                sys.exit(f"left with {process.returncode}: {err}")
            done += process.returncode != 0
            counter(done, kills)
            if (out / "report.html").exists():  # the last that is written
                compare(out, folder / "whole")
                rounds += 1
                out = folder / f"run-{rounds}"
                continue
            if not (out / "recipe.json").exists():
                unborn += 1
                continue
            most_lost = max(most_lost, shown(err) - last_epoch(out))
            if last_epoch(out) < before:
                sys.exit(f"{out} went back from epoch {before} to {last_epoch(out)}")
            gather(RunFolder(out))
            if chance.random() < 0.5:
                refuse_strays(out)
        while last_epoch(out) < epochs:  # to its end
            subprocess.run(command("train", "--resume", str(out)), check=True, capture_output=True)
        compare(out, folder / "whole")
    print(
        f"{kills} kills ({unborn} before a run began), {rounds + 1} trainings to their end: each "
        f"run readable, no stray file, at most {most_lost} epochs lost, tensors and rows equal"
    )


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "tinysight", *words]


def last_epoch(out: Path) -> int:
    """The epochs that the last checkpoint holds; reading it is the test."""
    folder = RunFolder(out)
    if not folder.has_json("checkpoints/last"):
        return 0
    training = folder.load_checkpoint("last").training
    assert training is not None
    return training.numbers["epoch"]


def shown(err: str) -> int:
    """The last epoch whose line was on the screen."""
    return max([int(n) for n in re.findall(r"^epoch +(\d+) ", err, flags=re.MULTILINE)], default=0)


def compare(run: Path, whole: Path) -> None:
    """Stop where a training that was killed did not end as the one that was not."""
    ended = [ending(RunFolder(path)) for path in (run, whole)]
    (a, rows_a), (b, rows_b) = ended
    if a.keys() != b.keys() or not all(torch.equal(a[k], b[k]) for k in b):
        sys.exit(f"{run} has other tensors than {whole}")
    if rows_a != rows_b:
        sys.exit(f"{run} has other rows than {whole}")
    refuse_strays(run)


def ending(run: RunFolder) -> tuple[dict[str, torch.Tensor], list[dict[str, float]]]:
    """All tensors of a run's checkpoints, and its rows without their times."""
    last, best = run.load_checkpoint("last"), run.load_checkpoint("best")
    assert last.training is not None
    parts = {"last": last.tensors, "best": best.tensors, "training": last.training.tensors}
    tensors = {f"{part} {k}": v for part, found in parts.items() for k, v in found.items()}
    times = {"seconds", "pictures_per_second"}
    return tensors, [{k: v for k, v in row.items() if k not in times} for row in run.metrics()]


def refuse_strays(run: Path) -> None:
    """Stop where a run has files that its manifest does not name, after a start's first act."""
    manifest.write(run, {})
    stray = {str(p.relative_to(run)) for p in run.rglob("*") if p.is_file()}
    stray -= {str(f.path.relative_to(run)) for f in RunFolder(run).verify()} | OURS
    if stray:
        sys.exit(f"{run} has stray files: {sorted(stray)}")


def rotten(folder: Path, flips: int, cuts: int, chance: random.Random) -> None:
    """Flip bits and cut files of a run, one at a time."""
    run = tinysight.train(
        "digits", "linear", out=folder / "rotten", epochs=3, evaluate_test=True, quiet=True
    ).folder
    files = [*sorted(f.path for f in run.verify()), run.path / "manifest.json"]
    silent, refused = 0, {path: list[bool]() for path in files}
    with Progress().counting("flips and cuts") as counter:
        for i in range(flips + cuts):
            path = chance.choice(files)
            raw = path.read_bytes()
            if i < flips:
                bit = chance.randrange(8 * len(raw))
                changed = bytearray(raw)
                changed[bit // 8] ^= 1 << bit % 8
                path.write_bytes(changed)
            else:
                path.write_bytes(raw[: chance.randrange(len(raw))])
            silent += not verified(run, path)
            refused[path].append(loaded(run, path))
            path.write_bytes(raw)
            counter(i + 1, flips + cuts)
    # What loads a file refuses it every time, or nothing loads it.
    silent += sum(not told for found in refused.values() if any(found) for told in found)
    unread = sorted(str(p.relative_to(run.path)) for p in files if not any(refused[p]))
    print(f"{flips} flips and {cuts} cuts over {len(files)} files: {silent} silent")
    print(f"loaded by nothing, read by verify alone: {', '.join(unread)}")
    if silent:
        sys.exit(1)


def verified(run: RunFolder, path: Path) -> bool:
    """Whether `verify` names the file and both digests, and no other file."""
    try:
        said = [f"{f.path} {f.problem}" for f in run.verify() if f.problem]
    except CheckpointError as error:
        said = [str(error)]
    return len(said) == 1 and is_told(said[0], path)


def loaded(run: RunFolder, path: Path) -> bool:
    """Whether the file is refused where all that a run can give is loaded."""
    loads = [partial(run.load_checkpoint, tag) for tag in ("last", "best", "before")]
    for load in (*loads, partial(gather, run)):
        try:
            load()
        except CheckpointError as error:
            if is_told(str(error), path):
                return True
    return False


def is_told(line: str, path: Path) -> bool:
    return path.name in line and SAID.search(line) is not None


if __name__ == "__main__":
    os.environ.setdefault("TINYSIGHT_CACHE", str(Path(tempfile.gettempdir()) / "tinysight-faults"))
    main()
