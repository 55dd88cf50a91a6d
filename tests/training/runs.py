"""What tests of trainings share: how one is run, and whether two ended alike."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor

from tinysight import training
from tinysight.data.dataset import DataSet
from tinysight.progress import Progress
from tinysight.run import RunFolder
from tinysight.training import loop

Runner = Callable[..., RunFolder]

PER_EPOCH = 6  # steps, of `small` on `toy`
QUIET = Progress(quiet=True)
TIMES = {"seconds", "pictures_per_second", "seconds_process", "epoch_seconds", "peak_memory_bytes"}


def weights(folder: RunFolder, tag: str = "last") -> dict[str, Tensor]:
    return folder.load_checkpoint(tag).tensors


def same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


@contextmanager
def stopping_in(step: int) -> Iterator[None]:
    """Send SIGTERM to this process while a training does its step of that number, from 1."""
    real = loop.factor

    def factor(settings: Any, at: int, *rest: Any) -> float:
        if at + 1 == step:
            os.kill(os.getpid(), signal.SIGTERM)
        return real(settings, at, *rest)

    with patch.object(loop, "factor", factor):
        yield


@contextmanager
def stopping_after(epoch: int) -> Iterator[None]:
    """The same while it measures at the end of an epoch."""
    real, seen = loop.score, []

    def score(*words: Any) -> tuple[float, float]:
        seen.append(1)
        if len(seen) == 2 * epoch - 1:  # of clean and validation accuracy
            os.kill(os.getpid(), signal.SIGTERM)
        return real(*words)

    with patch.object(loop, "score", score):
        yield


def go_on(data: DataSet, folder: RunFolder, **fields: Any) -> RunFolder:
    recipe = folder.recipe().override_all(fields)
    return training.resume(training.plan(data, recipe, device="cpu"), folder, progress=QUIET)


def untimed(values: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in values.items() if k not in TIMES and v == v}


def assert_equal(found: RunFolder, whole: RunFolder) -> None:
    """Everything of two runs but their times."""
    for tag in ("last", "best"):
        a, b = found.load_checkpoint(tag), whole.load_checkpoint(tag)
        assert same(a.tensors, b.tensors), tag
        # The best may have been written while the training was being stopped.
        now = {} if tag == "last" else {"stopped": None}
        assert untimed(a.state | now) == untimed(b.state | now)
    a, b = found.load_checkpoint("last").training, whole.load_checkpoint("last").training
    assert a is not None
    assert b is not None
    assert same(a.tensors, b.tensors)
    assert untimed(a.numbers) == untimed(b.numbers)
    rows = [[untimed(row) for row in folder.metrics()] for folder in (found, whole)]
    assert rows[0] == rows[1]
    assert [row["epoch"] for row in rows[0]] == list(range(1, len(rows[0]) + 1))
