"""What a network's file imports from beside it."""

import os
import pickle
import runpy
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tinysight.errors import RecipeError
from tinysight.models.beside import MOST, imported, importing, summed

FILES = {
    "nets.py": "import torch, one.two as t\nfrom three import x\nfrom one import *\n"
    "def f():\n    import four\n",
    "one/__init__.py": "from . import near\nfrom .deep import thing\n__all__ = ['listed']\n",
    "one/listed.py": "a = '\\d'\nimport seven",
    "seven.py": "",
    "one/two.py": "from ..above import x\nfrom .near import y\nimport nets\n",
    "one/near.py": "",
    "one/deep/__init__.py": "from ..near import y\n",
    "one/deep/thing.py": "",
    "three.py": "this is no Python",
    "four.py": "import one.two, five\n",
    "bare/six.py": "",
    "five.py": "import four, bare.six\n",
    "unused.py": "",
    "torch/__init__.py": "",
}


@pytest.fixture
def written(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def write(folder: Path, **texts: str) -> Path:
    """Write files, `a__b` for a/b.py and `a__` for a/__init__.py; return the network's."""
    for name, text in texts.items():
        place = f"{name}__init__" if name.endswith("__") else name
        file = folder / f"{place.replace('__', '/', 1)}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        os.utime(file, (1, 1))  # as if all were written in the same second
    return folder / "nets.py"


def run(path: Path) -> dict[str, Any]:
    modules = imported(path)
    with importing(path.parent, modules, summed(path.read_bytes(), modules)):
        return runpy.run_path(str(path))


@pytest.fixture(autouse=True)
def compiled(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Bytecode is written, as users' machines do; what is loaded is put back."""
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    before = {*sys.modules}
    yield
    for name in {*sys.modules} - before:
        del sys.modules[name]


def test_modules_are_found_through_each_other_and_packages(written: Path) -> None:
    found = imported(written / "nets.py")
    assert {name: str(module.file.relative_to(written)) for name, module in found.items()} == {
        "bare.six": "bare/six.py",
        "five": "five.py",
        "four": "four.py",
        "nets": "nets.py",
        "one": "one/__init__.py",
        "one.deep": "one/deep/__init__.py",
        "one.deep.thing": "one/deep/thing.py",
        "one.listed": "one/listed.py",
        "one.near": "one/near.py",
        "one.two": "one/two.py",
        "seven": "seven.py",
        "three": "three.py",
    }
    assert list(found) == sorted(found)
    assert found["one.two"].text == FILES["one/two.py"].encode()
    assert imported(written / "three.py") == {}


def test_the_sum_is_of_all(written: Path) -> None:
    def now() -> str:
        return summed((written / "nets.py").read_bytes(), imported(written / "nets.py"))

    first = now()
    (written / "one/near.py").write_text("x = 1")
    second = now()
    (written / "one/near.py").rename(written / "near.py")
    assert len({first, second, now()}) == 3


def test_too_many_are_refused(tmp_path: Path) -> None:
    names = [f"m{i}" for i in range(MOST + 1)]
    path = write(tmp_path, nets=f"import {', '.join(names)}", **dict.fromkeys(names, ""))
    with pytest.raises(RecipeError, match=r"nets\.py imports more than 200 modules from beside it"):
        imported(path)


@pytest.mark.parametrize(
    ("main", "module"),
    [("from part import x", "part"), ("from parts import b\nx = b.x", "parts__b")],
)
def test_a_change_is_seen_whatever_was_loaded_or_compiled(
    main: str, module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path, nets=main, **{module: "x = 1"})
    monkeypatch.syspath_prepend(str(tmp_path))
    __import__(module.replace("__", "."))
    assert run(path)["x"] == 1
    write(tmp_path, **{module: "x = 2"})  # as long, and as old
    assert run(path)["x"] == 2
    write(tmp_path, **{module: "x = 1"})
    assert run(path)["x"] == 1


def test_modules_of_the_same_name_keep_apart(tmp_path: Path) -> None:
    main = "from part import x"
    first = write(tmp_path / "a", nets=main, part="x = 1")
    second = write(tmp_path / "b", nets=main, part="x = 2")
    assert [run(path)["x"] for path in (first, second, first)] == [1, 2, 1]
    where = "x = __file__"
    paths = [write(tmp_path / each, nets=main, part=where) for each in "cd"]
    assert [run(path)["x"] for path in paths] == [str(path.parent / "part.py") for path in paths]


@pytest.mark.parametrize("package", [{"part__": ""}, {}], ids=["package", "folder"])
def test_what_was_loaded_from_elsewhere_is_put_back(
    package: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "a", part__inner="x = 1", **package)
    monkeypatch.syspath_prepend(str(tmp_path / "a"))
    import part.inner  # pyright: ignore[reportMissingImports]

    kept = part.inner
    path = write(tmp_path / "b", nets="from part.own import x", part__own="x = 2")
    assert run(path)["x"] == 2
    assert sys.modules["part.inner"] is kept
    assert "part.own" not in sys.modules
    assert sys.modules["part"] is part


def test_a_module_is_run_once_for_the_same_sum_and_stays_loaded(tmp_path: Path) -> None:
    """So that what it registers is registered once, and its classes are the same."""
    text = "class A: pass\ndef lazily():\n    import other\n    return other.x"
    path = write(tmp_path, nets="from part import A, lazily", part=text, other="x = 3")
    first, second = run(path), run(path)
    assert first["A"] is second["A"]
    assert pickle.dumps(first["A"]())  # refused for a class that is not the one of that name


def test_a_file_that_fails_leaves_nothing_to_the_next(tmp_path: Path) -> None:
    path = write(tmp_path, nets="import part\n1 / 0", part="x = 1")
    with pytest.raises(ZeroDivisionError):
        run(path)
    write(tmp_path, nets="from part import x", part="x = 2")
    assert run(path)["x"] == 2
    assert sys.modules["part"].x == 2
