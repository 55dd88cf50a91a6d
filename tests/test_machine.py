from contextlib import nullcontext
from pathlib import Path

import pytest
import torch

from tinysight.errors import UsageError
from tinysight.machine import (
    Compilation,
    Threads,
    choose_compilation,
    choose_device,
    choose_precision,
    choose_threads,
    compilation,
    environment,
    repeatable,
    threads,
    using,
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
    threads, precision = choose_threads(), choose_precision("fp32", CPU)
    compilation = Compilation(None, "asked for")
    found = environment(CPU, threads, precision, compilation, torch.channels_last)
    assert (found["threads"], found["memory_format"]) == (choose_threads().count, "channels_last")
    assert found["torch"] == torch.__version__
    assert found["precision"] == "fp32"
    assert (found["compiled"], found["compiled_why"]) == (None, "asked for")
    assert all(v is None or isinstance(v, str | int) for v in found.values())


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


CUDA = torch.device("cuda")


@pytest.mark.parametrize(
    ("asked", "device", "steps", "compiler", "triton", "said"),
    [
        ("off", CUDA, 10_000, "g++", True, "not compiled: asked for"),
        ("on", CPU, 1, "g++", False, "compiled: asked for"),
        ("auto", CPU, 10_000, "g++", True, "not compiled: torch.compile made no step of a CPU fas"),
        ("auto", torch.device("mps"), 10_000, "g++", True, "not compiled: not tried on mps"),
        ("auto", CUDA, 10_000, "g++", True, "compiled: 3,000 steps or more are thought to repay"),
        ("auto", CUDA, 100, "g++", True, "not compiled: 100 steps would not repay it"),
        ("auto", CUDA, 10_000, None, True, "not compiled: there is no C++ compiler here"),
        ("auto", CUDA, 10_000, "g++", False, "not compiled: there is no triton here"),
    ],
)
def test_what_is_compiled_and_why(
    asked: str,
    device: torch.device,
    steps: int,
    compiler: str | None,
    triton: bool,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(compilation.shutil, "which", lambda _: compiler)
    monkeypatch.setattr(compilation, "find_spec", lambda _: True if triton else None)
    assert str(choose_compilation(asked, device, steps)).startswith(said)


@pytest.mark.parametrize(
    ("system", "gcc", "pixels", "said"),
    [
        ("linux", "gcc", 20_000_000, "own kernels: 3 blocks of ReLU, norm and maximum"),
        ("linux", "gcc", 19_999_999, "not compiled: so short a training would not repay own ker"),
        ("linux", None, 20_000_000, "not compiled: there is no gcc here for own kernels"),
        ("darwin", "gcc", 20_000_000, "not compiled: own kernels are built on Linux alone"),
    ],
)
def test_own_kernels_and_why(
    system: str, gcc: str | None, pixels: int, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compilation.shutil, "which", lambda _: gcc)
    monkeypatch.setattr(compilation.sys, "platform", system)
    found = choose_compilation("auto", CPU, 1, blocks=3, pixels=pixels)
    assert str(found).startswith(said)
    assert choose_compilation("off", CPU, 1, blocks=3, pixels=pixels).by is None


@pytest.mark.parametrize(
    ("files", "mask", "count"),
    [
        ({}, 64, 64),
        ({"cpu.max": "max 100000"}, 64, 64),
        ({"cpu.max": "200000 100000"}, 64, 2),
        ({"cpu.max": "50000 100000"}, 64, 1),
        ({"cpu.max": "nonsense"}, 8, 8),
        ({"cpu/cpu.cfs_quota_us": "350000", "cpu/cpu.cfs_period_us": "100000"}, 64, 3),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, 64, 64),
        ({"cpu.max": "6400000 100000"}, 4, 4),
    ],
)
def test_threads_are_as_many_as_may_run(
    files: dict[str, str], mask: int, count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(threads, "CGROUP", tmp_path)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(threads.os, "cpu_count", lambda: 64)
    monkeypatch.setattr(threads.os, "sched_getaffinity", lambda _: range(mask), raising=False)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 64)
    found = choose_threads()
    assert found.count == count
    why = "as torch has it" if count == 64 else "this process may use so many of 64 processors"
    assert str(found) == f"{count} thread{'s' * (count > 1)}: {why}"
    monkeypatch.setenv("OMP_NUM_THREADS", "64")
    assert choose_threads() == Threads(64, "OMP_NUM_THREADS asks for it")


def test_threads_are_left_as_found() -> None:
    before = torch.get_num_threads()
    with pytest.raises(KeyError), using(Threads(before + 1, "")):
        assert torch.get_num_threads() == before + 1
        raise KeyError
    assert torch.get_num_threads() == before


def test_compiling_that_cannot_be_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="compile must be one of auto, on, off, got 'yes'"):
        choose_compilation("yes", CPU, 1)
    monkeypatch.setattr(compilation.shutil, "which", lambda _: None)
    with pytest.raises(
        UsageError, match="compile=on was asked for, but there is no C[+][+] compiler here; use"
    ):
        choose_compilation("on", CPU, 1)
