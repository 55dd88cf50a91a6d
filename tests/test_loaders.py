"""Nothing loads what could run code: no pickle, no archive unpacked, no text evaluated."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# Modules whose readers build whatever the file asks for.
UNSAFE = {"pickle", "_pickle", "cPickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"}
# Whatever they are called on: torch, numpy, pandas, tarfile, zipfile, shutil, yaml, importlib.
CALLS = {
    "extract",
    "extractall",
    "read_pickle",
    "unpack_archive",
    "unsafe_load",
    "full_load",
    "Unpickler",
    "load_module",
}
BUILTINS = {"eval", "exec", "compile", "__import__"}
LOADERS = {"torch", "np", "numpy", "yaml"}  # `.load` of these, unless it is told to be safe


def faults(source: str, *, ours: bool) -> Iterator[str]:
    """What is unsafe in a module; tests may write pickles and run the README, but read none."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import | ast.ImportFrom) and ours:
            module = node.module if isinstance(node, ast.ImportFrom) else None
            names = [module] if module else [alias.name for alias in node.names]
            yield from (f"imports {n}" for n in names if n.partition(".")[0] in UNSAFE)
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        on, _, name = called.rpartition(".")
        words = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
        safe = words.get("weights_only") == "True" or (
            on in ("np", "numpy") and words.get("allow_pickle", "False") == "False"
        )
        wrong = (
            on.rpartition(".")[2] in UNSAFE and name in ("load", "loads", "open", "Unpickler"),
            name == "load" and on in LOADERS and not safe,
            words.get("allow_pickle") == "True" and (ours or name != "save"),
            ours and (name in CALLS or (not on and name in BUILTINS)),
        )
        if any(wrong):
            yield f"calls {called}"


@pytest.mark.parametrize("folder", ["src", "tests", "benchmarks"])
def test_nothing_loads_what_could_run_code(folder: str) -> None:
    files = sorted((ROOT / folder).rglob("*.py"))
    assert files
    found = {
        str(file.relative_to(ROOT)): said
        for file in files
        if (said := list(faults(file.read_text(), ours=folder != "tests")))
    }
    assert not found


@pytest.mark.parametrize(
    "line",
    [
        "import pickle",
        "from pickle import load",
        "import joblib.numpy_pickle",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "np.load(path, allow_pickle=True)",
        "archive.extractall(path)",
        "shutil.unpack_archive(path)",
        "pd.read_pickle(path)",
        "yaml.load(text)",
        "eval(text)",
        "exec(text)",
    ],
)
def test_the_unsafe_is_noticed(line: str) -> None:
    assert list(faults(line, ours=True))


@pytest.mark.parametrize("line", ["pickle.loads(raw)", "pickle.load(file)", "torch.load(path)"])
def test_the_unsafe_is_noticed_in_tests(line: str) -> None:
    assert list(faults(line, ours=False))


def test_the_safe_is_let_be() -> None:
    safe = "import pickletools\nre.compile('x')\nnp.load(path)\ntorch.load(path, weights_only=True)"
    assert not list(faults(safe, ours=True))
