"""Where the time of a training step goes: a trace to look at and a table to read."""

from __future__ import annotations

import gzip
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from tinysight.run import RunFolder

__all__ = ["tracing"]

WARM, LOOK = 10, 10  # steps that pass before, and steps that are looked at
ROWS = 30


@contextmanager
def tracing(
    folder: RunFolder, steps: int, device: torch.device, say: Callable[[str], None]
) -> Iterator[Callable[[], None]]:
    """Look at some steps of a training of `steps`; yield what is called after each of them.

    Leaves in the run folder trace.json.gz, which chrome://tracing and ui.perfetto.dev open, and
    trace.txt, the operators by the time that they took themselves. Where the training ends before
    it has seen them, it says so.
    """
    from torch.profiler import ProfilerActivity, profile, schedule

    kinds = [ProfilerActivity.CPU]
    if device.type == "cuda":
        kinds.append(ProfilerActivity.CUDA)
    look = max(1, min(LOOK, steps // 2))
    wait = max(0, min(WARM, steps - look - 1))
    warm = min(1, steps - look)

    kept = False

    def keep(found: profile) -> None:
        nonlocal kept
        order = f"self_{device.type}_time_total" if device.type == "cuda" else "self_cpu_time_total"
        table = found.key_averages().table(order, row_limit=ROWS, max_name_column_width=60)
        looked = found.step_num - wait - warm  # fewer where the training ended in between
        which = (
            f"{looked} step{'s' * (looked > 1)} after the first {wait + warm}"
            if warm
            else "the only step"
        )
        said = (
            f"{which}, with the evaluation of an epoch that ends in them; where augment.shrink is "
            "less than 1, some may be on smaller pictures"
        )
        with tempfile.TemporaryDirectory() as scratch:
            raw = Path(scratch) / "trace.json"
            found.export_chrome_trace(str(raw))
            drawn = gzip.compress(raw.read_bytes(), mtime=0)
        folder.write({"trace.txt": f"{said}\n{table}\n", "trace.json.gz": drawn})
        kept = True

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Profiler won't be using warmup")
        stages = schedule(wait=wait, warmup=warm, active=look, repeat=1)
    with profile(activities=kinds, schedule=stages, on_trace_ready=keep) as profiler:
        yield profiler.step
    if not kept:
        say(f"no trace: the training ended before its step {wait + warm + 1}")
