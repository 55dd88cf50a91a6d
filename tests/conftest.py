"""What all tests share: where the real data is, and being nobody."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

os.environ["KERAS_BACKEND"] = "torch"  # before anything loads Keras
os.environ["TINYSIGHT_DATA"] = tempfile.mkdtemp()  # nothing of the user is read or changed
REQUIRED = os.environ.get("TINYSIGHT_REQUIRE", "").split(",")


def _need(what: str, found: bool, message: str) -> None:
    """Skip the test where something is not here, or fail where the environment says it must be."""
    if found:
        return
    if what in REQUIRED:
        pytest.fail(f"{message}, and TINYSIGHT_REQUIRE names {what}")
    pytest.skip(message)


@pytest.fixture(scope="session")
def need() -> Callable[[str, bool, str], None]:
    """`_need`, for fixtures beside this file."""
    return _need


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of the real CIFAR copies, ../shared/data from the project's root."""
    path = Path(__file__).parents[2] / "shared" / "data"
    _need("data", path.is_dir(), f"no real data at {path}")
    return path


@pytest.fixture
def nobody() -> Iterator[Path]:
    """A scratch folder, and the rights of an ordinary user in it even where root runs the tests."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o777)
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield folder
    finally:
        if root:
            os.seteuid(0)
        shutil.rmtree(folder)


@pytest.fixture(autouse=True)
def own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep the user's cache and store of data sets out of the tests."""
    monkeypatch.setenv("TINYSIGHT_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
    monkeypatch.setenv("TINYSIGHT_DATA", str(tmp_path_factory.getbasetemp() / "store"))
