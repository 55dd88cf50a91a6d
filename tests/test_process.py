import os
import resource
import subprocess
import sys
import time

import pytest

from tinysight.process import holding_memory, peak_memory, process_seconds

glibc = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="only glibc gives large blocks back at once"
)


def test_the_peak_is_that_of_this_process() -> None:
    assert peak_memory() > 50_000_000


ASKED = """
import time
time.sleep(0.3)
from tinysight.process import process_seconds
with open("/proc/self/comm", "w") as name:
    name.write("a) 1 2 (b")
print(process_seconds())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux says when a process started")
def test_the_seconds_of_a_process_count_from_its_start() -> None:
    began = time.monotonic()
    said = subprocess.run([sys.executable, "-c", ASKED], capture_output=True, text=True, check=True)
    tick = 0.02  # the kernel's resolution, twice
    assert 0.3 - tick < float(said.stdout) < time.monotonic() - began + tick


def test_the_seconds_of_a_process_are_unknown_without_its_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr(time, "CLOCK_BOOTTIME", raising=False)
    assert process_seconds() is None


FAULTS = """
import resource, torch
from pathlib import Path
from tinysight.process import holding_memory

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.ones(2**26, dtype=torch.uint8)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

def pages():
    return int(Path("/proc/self/statm").read_text().split()[1])

print(faults())
with holding_memory():
    with holding_memory():
        pass
    print([faults() for _ in range(20)][-1])
    print(pages())
print(pages())
"""


@glibc
def test_freed_memory_is_kept_only_while_held() -> None:
    """Pages that are mapped anew for a tensor of 64 MB, and those that the process holds."""
    words = [sys.executable, "-c", FAULTS]
    said = subprocess.run(words, capture_output=True, text=True, check=True)
    before, held, kept, after = map(int, said.stdout.split())
    assert before > 20  # 16,384; where huge pages are on, one of 512 is counted
    assert held == 0
    assert (kept - after) * resource.getpagesize() > 2**25


@glibc
def test_an_allocator_that_the_user_has_set_is_left_alone() -> None:
    words = [sys.executable, "-c", FAULTS]
    env = {**os.environ, "MALLOC_TRIM_THRESHOLD_": "131072"}
    said = subprocess.run(words, capture_output=True, text=True, check=True, env=env)
    assert int(said.stdout.split()[1]) > 20


def test_without_glibc_nothing_is_held(monkeypatch: pytest.MonkeyPatch) -> None:
    def none_here(_: object) -> None:
        raise OSError("no such library")

    monkeypatch.setattr("ctypes.CDLL", none_here)
    with holding_memory():
        pass
