"""Where the time of a training step goes: a trace to look at and a table to read."""

from __future__ import annotations

import gzip
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from tinysight.run import RunFolder, write_atomic

__all__ = ["tracing"]

WARM, LOOK = 10, 10  # steps that pass before, and steps that are looked at
ROWS = 30


@contextmanager
def tracing(folder: RunFolder, steps: int, device: torch.device) -> Iterator[Callable[[], None]]:
    """Look at some steps of a training of `steps`; yield what is called after each of them.

    Leaves in the run folder trace.json.gz, which chrome://tracing and ui.perfetto.dev open, and
    trace.txt, the operators by the time that they took themselves.
    """
    from torch.profiler import ProfilerActivity, profile, schedule

    kinds = [ProfilerActivity.CPU]
    if device.type == "cuda":
        kinds.append(ProfilerActivity.CUDA)
    look = max(1, min(LOOK, steps // 2))
    wait = max(0, min(WARM, steps - look - 1))

    def keep(found: profile) -> None:
        order = f"self_{device.type}_time_total" if device.type == "cuda" else "self_cpu_time_total"
        table = found.key_averages().table(order, row_limit=ROWS, max_name_column_width=60)
        said = (
            f"{look} steps after the first {wait + 1}, with the evaluation of an epoch that ends "
            "in them; with augment.shrink, on smaller pictures than later steps"
        )
        write_atomic(folder.path / "trace.txt", f"{said}\n{table}\n")
        with tempfile.TemporaryDirectory() as scratch:
            raw = Path(scratch) / "trace.json"
            found.export_chrome_trace(str(raw))
            write_atomic(folder.path / "trace.json.gz", gzip.compress(raw.read_bytes(), mtime=0))

    stages = schedule(wait=wait, warmup=1 if steps > look else 0, active=look, repeat=1)
    with profile(activities=kinds, schedule=stages, on_trace_ready=keep) as profiler:
        yield profiler.step
