import pytest
import torch

from tinysight.errors import UsageError
from tinysight.machine import choose_device, choose_precision, environment, peak_memory

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


def test_the_environment_is_plain() -> None:
    found = environment(CPU, choose_precision("fp32", CPU))
    assert found["torch"] == torch.__version__
    assert found["precision"] == "fp32"
    assert all(v is None or isinstance(v, str | int) for v in found.values())
    assert peak_memory() > 50_000_000
