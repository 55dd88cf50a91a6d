"""Runs that somebody made to do harm: refused in a line, and nothing happens."""

import io
import json
import pickle
import shutil
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.folders import reseal, sealed

import tinysight
from tinysight.errors import TinysightError
from tinysight.run import RunFolder

SETTINGS: dict[str, Any] = {"epochs": 1, "model": "linear", "quiet": True}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tinysight.train("digits", out=tmp_path_factory.mktemp("whole") / "run", **SETTINGS).path


@pytest.fixture
def run(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "run"))


class Gadget:
    """Makes a file when it is unpickled."""

    def __init__(self, touched: Path) -> None:
        self.touched = touched

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Path]]:
        return Path.touch, (self.touched,)


def gadget(touched: Path) -> bytes:
    return pickle.dumps(Gadget(touched))


def zipped(touched: Path) -> bytes:
    """As torch.save writes one."""
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w") as archive:
        archive.writestr("archive/data.pkl", gadget(touched))
        archive.writestr("archive/version", "3")
    return raw.getvalue()


def saved(touched: Path) -> bytes:
    raw = io.BytesIO()
    torch.save({"weights": torch.zeros(3), "gadget": Gadget(touched)}, raw)
    return raw.getvalue()


def objects(touched: Path) -> bytes:
    """An .npy of objects."""
    raw = io.BytesIO()
    np.save(raw, np.array([Gadget(touched)], dtype=object), allow_pickle=True)
    return raw.getvalue()


def tar(name: str, kind: bytes, link: str = "") -> Callable[[Path], bytes]:
    def make(touched: Path) -> bytes:
        raw = io.BytesIO()
        with tarfile.open(fileobj=raw, mode="w") as archive:
            member = tarfile.TarInfo(name.format(touched=touched))
            member.type, member.linkname = kind, link.format(touched=touched)
            archive.addfile(member)
        return raw.getvalue()

    return make


def safetensors(header: str, data: bytes = bytes(8)) -> Callable[[Path], bytes]:
    raw = header.encode()
    return lambda _: len(raw).to_bytes(8, "little") + raw + data


ONE = '{"dtype":"F32","shape":[1],"data_offsets":[0,4]}'
TWO = '{"dtype":"F32","shape":[2],"data_offsets":[0,8]}'
OVER = '{"dtype":"F32","shape":[1],"data_offsets":[2,6]}'
REST = '{"dtype":"F32","shape":[1],"data_offsets":[4,8]}'
HUGE = '{"dtype":"F32","shape":[4611686018427387904],"data_offsets":[0,8]}'

FILES: dict[str, Callable[[Path], bytes]] = {
    "a pickle": gadget,
    "a checkpoint of torch.save": saved,
    "a zip with a pickle": zipped,
    "an array of objects": objects,
    "a tar member above": tar("../../{touched}", tarfile.REGTYPE),
    "a tar member that is a link": tar("weights", tarfile.SYMTYPE, "{touched}"),
    "a tar member that is a device": tar("weights", tarfile.CHRTYPE),
    "a name twice": safetensors(f'{{"a":{ONE},"a":{REST}}}'),
    "tensors that overlap": safetensors(f'{{"a":{ONE},"b":{OVER}}}'),
    "a hole": safetensors(f'{{"b":{REST}}}'),
    "more than there is": safetensors(f'{{"a":{HUGE}}}'),
    "a header of 2**60 bytes": lambda _: (2**60).to_bytes(8, "little") + b"{}",
    "metadata that is code": safetensors(f'{{"__metadata__":{{"a":3}},"a":{TWO}}}'),
}


@pytest.mark.parametrize("kind", ["weights", "training"])
@pytest.mark.parametrize("name", FILES)
def test_a_file_made_to_do_harm_is_refused_and_does_none(
    name: str, kind: str, run: Path, tmp_path: Path
) -> None:
    touched = tmp_path / "touched"
    folder = RunFolder(run)
    file = folder.read_json("checkpoints/last")[kind]
    sealed(folder, f"checkpoints/{file}", FILES[name](touched))
    (run / "checkpoints" / "before.json").unlink(missing_ok=True)
    with pytest.raises(TinysightError) as error:
        tinysight.resume(run, epochs=2, quiet=True)
    assert file in str(error.value)
    assert "is not a safetensors file: " in str(error.value)
    assert "\n" not in str(error.value)
    if kind == "weights":
        with pytest.raises(TinysightError, match="is not a safetensors file: "):
            tinysight.evaluate(run)
    assert not touched.exists()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["run"]


@pytest.mark.parametrize(
    "name",
    [
        "recipe.json",
        "data.json",
        "model.json",
        "environment.json",
        "diverged.json",
        "metrics.csv",
        "checkpoints/last.json",
        "checkpoints/best.json",
        "evaluation/validation/metrics.json",
        "evaluation/validation/gallery.json",
        "evaluation/test_reads.jsonl",
    ],
)
def test_a_pickle_in_the_place_of_any_other_file_is_refused(
    name: str, run: Path, tmp_path: Path
) -> None:
    touched = tmp_path / "touched"
    sealed(RunFolder(run), name, gadget(touched))
    with pytest.raises(TinysightError, match=Path(name).name):
        tinysight.load(run).report()
    assert not touched.exists()


@pytest.mark.parametrize("name", [n for n, make in FILES.items() if make(Path("x"))[:1] != b"{"])
@pytest.mark.parametrize("as_", ["data_batch_1", "x.tar", "x.zip", "x.npz", "x.npy", "x.parquet"])
def test_the_same_files_as_data_are_refused_and_do_none(
    as_: str, name: str, tmp_path: Path
) -> None:
    """What the readers open: pickles, archives, arrays; more of each in tests/data."""
    touched, file = tmp_path / "touched", tmp_path / "data" / as_
    file.parent.mkdir()
    file.write_bytes(FILES[name](touched))
    for source in (file, file.parent):
        with pytest.raises(TinysightError) as error:
            tinysight.load_data(source, quiet=True)
        assert "\n" not in str(error.value)
    assert not touched.exists()
    assert sorted(p.name for p in tmp_path.rglob("*")) == sorted(["data", as_])


@pytest.mark.parametrize(
    ("name", "field"),
    [("best", {"weights": "../../../etc/passwd"}), ("last", {"training": "/etc/passwd"})],
)
def test_a_checkpoint_that_names_a_file_elsewhere_is_refused(
    name: str, field: dict[str, str], run: Path
) -> None:
    file = run / "checkpoints" / f"{name}.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | field))
    reseal(run)
    with pytest.raises(TinysightError, match=f"{name}.json is damaged: .* should match pattern"):
        tinysight.report(run)
