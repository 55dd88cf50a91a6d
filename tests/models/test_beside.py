"""What a network's file imports from beside it."""

import sys
from pathlib import Path

import pytest

from tinysight.models.beside import forget, imported

FILES = {
    "nets.py": "import torch, one.two as t\nfrom three import x\ndef f():\n    import four\n",
    "one/__init__.py": "from . import near\nfrom .deep import thing\n",
    "one/two.py": "from ..above import x\nfrom .near import y\nimport nets\n",
    "one/near.py": "",
    "one/deep/__init__.py": "from ..near import y\n",
    "one/deep/thing.py": "",
    "three.py": "this is no Python",
    "four.py": "import one.two, five\n",
    "bare/six.py": "",
    "five.py": "import four, bare.six\n",
    "unused.py": "",
    "torch/other.py": "",
}


@pytest.fixture
def written(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_modules_are_found_through_each_other_and_packages(written: Path) -> None:
    found = imported(written / "nets.py")
    assert {name: str(file.relative_to(written)) for name, file in found.items()} == {
        "bare.six": "bare/six.py",
        "five": "five.py",
        "four": "four.py",
        "one": "one/__init__.py",
        "one.deep": "one/deep/__init__.py",
        "one.deep.thing": "one/deep/thing.py",
        "one.near": "one/near.py",
        "one.two": "one/two.py",
        "three": "three.py",
    }
    assert list(found) == sorted(found)
    assert imported(written / "three.py") == imported(written / "none.py") == {}


def test_only_what_came_from_these_files_is_forgotten(
    written: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (written / "json.py").write_text("")
    (written / "own_module.py").write_text("")
    monkeypatch.syspath_prepend(str(written))
    __import__("own_module")
    forget({"json": written / "json.py", "own_module": written / "own_module.py"})
    assert "json" in sys.modules
    assert "own_module" not in sys.modules
