"""Whose fault it is that stopped a command."""

from pathlib import Path
from typing import Any

import pytest

from tinysight import faults
from tinysight.models import foreign

BUG = "def bug(error):\n    raise error\n"


@pytest.fixture
def network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that a network's file was run from."""
    monkeypatch.setattr(foreign, "run_from", {tmp_path / "own"})
    return tmp_path / "own"


def raised(file: Path, error: Exception) -> Exception:
    """The error, as it comes out of a file."""
    names: dict[str, Any] = {}
    exec(compile(BUG, str(file), "exec"), names)
    with pytest.raises(type(error)) as found:
        names["bug"](error)
    return found.value


def test_what_comes_out_of_a_network_is_said_with_its_line(network: Path) -> None:
    error = raised(network / "parts" / "block.py", ValueError("no\nmore"))
    said = f"{network}/parts/block.py, line 2: ValueError: no"
    assert faults.raised_by_user(error) == said
    assert faults.told(error) == (said, 4)
    error = raised(network / "nets.py", NotImplementedError())
    assert faults.raised_by_user(error) == f"{network}/nets.py, line 2: NotImplementedError"
    keras = "Exception encountered when calling Mine.call().\n\n\x1b[1mwrong axis\x1b[0m\n"
    error = raised(network / "nets.py", ValueError(keras))
    assert faults.raised_by_user(error) == f"{network}/nets.py, line 2: ValueError: wrong axis"


def test_a_file_that_a_network_lacks_is_said_with_its_line(network: Path) -> None:
    error = raised(network / "nets.py", FileNotFoundError(2, "No such file", "weights.pt"))
    said = f"{network}/nets.py, line 2: FileNotFoundError: [Errno 2] No such file: 'weights.pt'"
    assert faults.told(error) == (said, 4)


@pytest.mark.parametrize(
    "file", ["own/venv/lib/site-packages/library.py", "other/nets.py", "own2/nets.py"]
)
def test_a_fault_elsewhere_is_not_the_users(file: str, network: Path, tmp_path: Path) -> None:
    error = raised(tmp_path / file, ValueError("no"))
    assert faults.raised_by_user(error) is None
    assert faults.told(error) is None


def test_nor_is_one_of_ours_that_a_network_called(network: Path) -> None:
    own = Path(faults.__file__).parent / "training" / "step.py"
    ours: dict[str, Any] = {}
    exec(compile(BUG, str(own), "exec"), ours)
    theirs: dict[str, Any] = {"ours": ours["bug"]}
    exec(compile("def bug(e):\n    ours(e)\n", str(network / "nets.py"), "exec"), theirs)
    with pytest.raises(ValueError, match="of ours") as error:
        theirs["bug"](ValueError("of ours"))
    assert faults.raised_by_user(error.value) is None


def test_memory_that_is_short_is_nobodys_fault(network: Path) -> None:
    error = raised(network / "nets.py", MemoryError())
    said = "out of memory: an allocation failed; close other programs, or train with a smaller"
    found = faults.told(error)
    assert found is not None
    assert found[0].startswith(said)
    assert found[1] == 5
