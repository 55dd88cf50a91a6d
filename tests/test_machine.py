import subprocess
import sys
import time
from contextlib import nullcontext

import pytest
import torch

from tinysight.errors import UsageError
from tinysight.machine import (
    choose_device,
    choose_precision,
    environment,
    peak_memory,
    process_seconds,
    repeatable,
)

CPU = torch.device("cpu")


def test_devices() -> None:
    assert choose_device("cpu") == CPU
    assert choose_device("auto").type in ("cpu", "cuda", "mps")
    with pytest.raises(UsageError, match="device must be one of auto, cpu, cuda, mps, got 'gpu'"):
        choose_device("gpu")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_device_that_is_not_here_is_refused() -> None:
    with pytest.raises(UsageError, match="device cuda was asked for, but torch finds none here"):
        choose_device("cuda")


@pytest.mark.parametrize(
    ("capabilities", "name", "why"),
    [
        ({"avx512_bf16": True}, "bf16", "this CPU has avx512_bf16"),
        ({"amx_bf16": True}, "bf16", "this CPU has amx_bf16"),
        ({"avx2": True}, "fp32", "this CPU has neither avx512_bf16 nor amx_bf16"),
    ],
)
def test_bf16_is_chosen_where_the_cpu_has_it(
    capabilities: dict[str, bool], name: str, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)
    found = choose_precision("auto", CPU)
    assert (found.name, found.why) == (name, why)
    assert choose_precision("fp32", CPU).why == "asked for"
    assert choose_precision("bf16", CPU).dtype == torch.bfloat16
    with pytest.raises(UsageError, match="precision=bf16 is not supported on mps"):
        choose_precision("bf16", torch.device("mps"))


@pytest.mark.parametrize(
    ("capability", "name", "why"),
    [
        ((7, 5), "fp32", "this GPU (compute capability 7.5) lacks bf16 tensor cores"),
        ((8, 0), "bf16", "this GPU (compute capability 8.0) has bf16 tensor cores"),
        ((9, 0), "bf16", "this GPU (compute capability 9.0) has bf16 tensor cores"),
    ],
)
def test_bf16_is_chosen_where_the_gpu_has_it(
    capability: tuple[int, int], name: str, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: capability)
    found = choose_precision("auto", torch.device("cuda"))
    assert (found.name, found.why) == (name, why)
    asked = choose_precision("bf16", torch.device("cuda"))
    assert (asked.name, asked.why.startswith("asked for, though")) == ("bf16", name == "fp32")


def test_the_environment_is_plain() -> None:
    found = environment(CPU, choose_precision("fp32", CPU))
    assert found["torch"] == torch.__version__
    assert found["precision"] == "fp32"
    assert all(v is None or isinstance(v, str | int) for v in found.values())
    assert peak_memory() > 50_000_000


ASKED = """
import time
time.sleep(0.3)
from tinysight.machine import process_seconds
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


def test_the_generator_is_left_as_found() -> None:
    before = torch.get_rng_state()
    with pytest.raises(KeyError), repeatable(CPU):
        torch.manual_seed(1)
        raise KeyError
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(("kind", "inside"), [("cuda", (True, False)), ("cpu", (False, True))])
def test_cudnn_is_deterministic_on_a_gpu_and_left_as_found(
    kind: str, inside: tuple[bool, bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    cudnn = torch.backends.cudnn
    monkeypatch.setattr(torch.random, "fork_rng", lambda _: nullcontext())  # which needs the GPU
    monkeypatch.setattr(cudnn, "benchmark", True)
    with pytest.raises(KeyError), repeatable(torch.device(kind)):
        assert (cudnn.deterministic, cudnn.benchmark) == inside
        raise KeyError
    assert (cudnn.deterministic, cudnn.benchmark) == (False, True)


def test_the_generator_of_mps_is_left_as_found(monkeypatch: pytest.MonkeyPatch) -> None:
    put: list[str] = []
    monkeypatch.setattr(torch.mps, "get_rng_state", lambda: "before")
    monkeypatch.setattr(torch.mps, "set_rng_state", put.append)
    with pytest.raises(KeyError), repeatable(torch.device("mps")):
        raise KeyError
    assert put == ["before"]
