"""The public surface: complete, sorted, documented, and nothing heavy behind the import."""

import importlib
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import tinysight

SOURCE = Path(tinysight.__file__).parent
MODULES = sorted(
    ".".join(p.relative_to(SOURCE.parent).with_suffix("").parts).removesuffix(".__init__")
    for p in SOURCE.rglob("*.py")
)
COMMANDS = ("tinysight.cli", "tinysight.cli.data")
HEAVY = ("torch", "numpy", "pandas", "sklearn", "matplotlib", "seaborn", "pyarrow", "PIL")


def test_the_public_names_are_these() -> None:
    for name in tinysight.__all__:
        assert getattr(tinysight, name) is not None
        assert name in dir(tinysight)


def test_every_public_name_is_documented() -> None:
    for name in tinysight.__all__:
        if name not in ("MODELS", "RECIPES"):
            assert getattr(tinysight, name).__doc__, name


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'tinysight' has no attribute 'trian'"):
        _ = tinysight.trian  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize("name", [m for m in MODULES if m not in COMMANDS])
def test_all_names_what_is_public_and_the_rest_starts_with_an_underscore(name: str) -> None:
    """That `__all__` is sorted is ruff's RUF022. Commands are not for importing."""
    module = importlib.import_module(name)
    assert all(hasattr(module, n) for n in module.__all__)
    own = {
        n
        for n, value in vars(module).items()
        if inspect.isroutine(value) or inspect.isclass(value)
        if value.__module__ == name and not n.startswith("_")
    }
    assert own <= set(module.__all__)


@pytest.mark.parametrize(
    "name", ["tinysight", "tinysight.cli", "tinysight.errors", "tinysight.recipes"]
)
def test_importing_loads_nothing_heavy(name: str) -> None:
    code = f"import sys, {name}; print(*[m for m in {HEAVY} if m in sys.modules])"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == ""


def test_importing_everything_changes_no_global_state() -> None:
    code = (
        "import random, threading, numpy, torch\n"
        "import rich.style  # draws one random number itself\n"
        "before = random.getstate(), torch.get_rng_state().tolist(), torch.get_num_threads(),"
        " str(numpy.random.get_state())\n"
        "import tinysight\n[getattr(tinysight, n) for n in tinysight.__all__]\n"
        "after = random.getstate(), torch.get_rng_state().tolist(), torch.get_num_threads(),"
        " str(numpy.random.get_state())\n"
        "assert before == after and threading.active_count() == 1\n"
        "import sys; assert 'matplotlib.pyplot' not in sys.modules"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (said.returncode, said.stdout, said.stderr) == (0, "", "")
