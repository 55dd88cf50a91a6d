import errno
import hashlib
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.folders import new_folder, sealed

from tinysight.errors import CheckpointError, ResourceError, UnknownName, UsageError
from tinysight.recipe import Recipe
from tinysight.run import RunFolder, checkpoints, write_atomic

ROW = {
    "epoch": 1.0,
    "step": 8.0,
    "learning_rate": 0.1,
    "train_loss_running": 0.7,
    "train_accuracy_running": 0.6,
    "train_loss_clean": 0.6,
    "train_accuracy_clean": 0.7,
    "validation_loss": 0.5,
    "validation_accuracy": 0.8,
    "pictures_per_second": 100.0,
    "seconds": 3.5,
}
WEIGHTS = {"a": torch.arange(6.0).reshape(2, 3), "b": torch.tensor(3)}


def test_folders_are_numbered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("digits-quick-001", "digits-quick-002", "digits-quick-003", "digits-001"):
        folder = new_folder(name[:-4])
        assert folder.name == name
        sealed(folder, "recipe.json", "{}")


def test_a_stated_folder_must_be_new_or_empty(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(UsageError, match="file is a file; name a new or empty folder"):
        new_folder("x", tmp_path / "file")
    with pytest.raises(UsageError, match="is not empty; name a new or empty folder"):
        new_folder("x", tmp_path)
    assert new_folder("x", tmp_path / "new" / "deep").path.is_dir()


def test_a_folder_that_cannot_be_made_is_a_resource_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(
        ResourceError, match="cannot make the run folder .*file is a file; name ano"
    ):
        new_folder("x", tmp_path / "file" / "below")


def test_an_unwritable_folder_is_a_resource_error(nobody: Path) -> None:
    closed = nobody / "closed"
    closed.mkdir(mode=0o500)
    with pytest.raises(
        ResourceError, match=r"cannot make the run folder .*cannot be written; name"
    ):
        new_folder("x", closed / "new")
    with pytest.raises(
        ResourceError, match=r"cannot make the run folder .*cannot be written; name"
    ):
        new_folder("x", closed)
    with pytest.raises(ResourceError, match=r"cannot write .*recipe.json: Permission denied"):
        RunFolder(closed).write_json("recipe", {})


def test_a_run_is_found_by_path_and_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = new_folder("digits-quick")
    sealed(folder, "recipe.json", Recipe(epochs=3).to_json())
    assert RunFolder.open("digits-quick-001").recipe() == Recipe(epochs=3)
    assert RunFolder.open(folder.path).path == folder.path
    with pytest.raises(UnknownName, match="unknown run 'digits-quik-001'; did you mean 'digits-q"):
        RunFolder.open("digits-quik-001")


def test_a_write_that_fails_leaves_the_old_content_and_no_stray(tmp_path: Path) -> None:
    write_atomic(tmp_path / "x", "old")
    (tmp_path / "x").chmod(0o644)
    with pytest.raises(ResourceError, match="cannot write .*: Is a directory"):
        (tmp_path / "folder").mkdir()
        write_atomic(tmp_path / "folder", "new")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["folder", "x"]
    assert (tmp_path / "x").read_text() == "old"


def test_checkpoints_share_weights_and_drop_what_none_names(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.save_checkpoint(("last", "best"), WEIGHTS, {"epoch": 1})
    files = list((tmp_path / "checkpoints").glob("*.safetensors"))
    assert len(files) == 1
    later = {k: v + 1 for k, v in WEIGHTS.items()}
    folder.save_checkpoint(("last",), later, {"epoch": 2})
    folder.save_checkpoint(("last",), {k: v + 2 for k, v in WEIGHTS.items()}, {"epoch": 3})
    best, last = folder.load_checkpoint("best"), folder.load_checkpoint("last")
    assert (best.state, last.state) == ({"epoch": 1}, {"epoch": 3})
    assert all(torch.equal(best.tensors[k], WEIGHTS[k]) for k in WEIGHTS)
    assert all(torch.equal(last.tensors[k], WEIGHTS[k] + 2) for k in WEIGHTS)
    names = {p.name.partition("-")[0] for p in (tmp_path / "checkpoints").iterdir()}
    assert names == {"best.json", "last.json", "before.json", "weights"}
    assert len(list((tmp_path / "checkpoints").iterdir())) == 6  # three checkpoints, three weights


def test_a_damaged_checkpoint_is_refused(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.save_checkpoint(("best",), WEIGHTS, {})
    (file,) = (tmp_path / "checkpoints").glob("*.safetensors")
    raw = bytearray(file.read_bytes())
    raw[-1] ^= 1
    file.write_bytes(raw)
    with pytest.raises(CheckpointError, match="is damaged: sha256 .* expected, .* found"):
        folder.load_checkpoint("best")
    file.unlink()
    with pytest.raises(CheckpointError, match="is missing; .*manifest.json names it"):
        folder.load_checkpoint("best")
    with pytest.raises(CheckpointError, match="last.json is missing"):
        folder.load_checkpoint("last")


def test_a_checkpoint_is_read_while_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", lambda _: None)  # more writes between two reads
    folder, done = RunFolder(tmp_path), threading.Event()

    def save(epoch: int) -> None:
        folder.save_checkpoint(("last",), {"a": torch.full((1000,), epoch)}, {"epoch": epoch})

    def trained() -> int:
        epoch = 0
        while not done.is_set():
            epoch += 1
            save(epoch)
        return epoch

    save(0)
    with ThreadPoolExecutor(1) as pool:
        trainer = pool.submit(trained)
        try:
            for _ in range(1000):
                found = folder.load_checkpoint("last")
                assert (found.tensors["a"] == found.state["epoch"]).all()
        finally:
            done.set()
    assert trainer.result() > 1


def test_weights_that_are_replaced_after_the_manifest_was_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, read = RunFolder(tmp_path), checkpoints.said
    folder.save_checkpoint(("last",), WEIGHTS, {"epoch": 1})

    def slowly(run: Path, tag: str) -> dict[str, Any]:
        said = read(run, tag)
        monkeypatch.setattr(checkpoints, "said", read)
        for epoch in (2, 3):  # twice: the checkpoint before the last keeps its weights
            saved = {k: v + epoch for k, v in WEIGHTS.items()}
            folder.save_checkpoint(("last",), saved, {"epoch": epoch})
        return said

    monkeypatch.setattr(checkpoints, "said", slowly)
    found = folder.load_checkpoint("last")
    assert found.state == {"epoch": 3}
    assert torch.equal(found.tensors["a"], WEIGHTS["a"] + 3)
    raw = (tmp_path / "checkpoints" / f"weights-{found.digest[:12]}.safetensors").read_bytes()
    assert found.digest == hashlib.sha256(raw).hexdigest()


def test_json_that_is_none_is_refused(tmp_path: Path) -> None:
    sealed(RunFolder(tmp_path), "data.json", "{")
    with pytest.raises(CheckpointError, match=r"data.json is not JSON"):
        RunFolder(tmp_path).read_json("data")


def test_metrics_are_read_back_as_numbers(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    rows = [ROW, ROW | {"epoch": 2.0, "validation_loss": 0.25}]
    for row in rows:
        folder.save_checkpoint(("last",), WEIGHTS, {}, row=row)
    assert folder.metrics() == rows
    assert folder.metrics_csv.read_text().splitlines()[0] == ",".join(ROW)
    folder.keep_metrics(1)
    assert folder.metrics() == rows[:1]
    folder.keep_metrics(0)
    assert folder.metrics() == []
    assert RunFolder(tmp_path / "none").metrics() == []


def test_reads_of_the_test_labels_are_counted(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    assert folder.test_reads() == []
    assert [folder.count_test_read("evaluate"), folder.count_test_read("compare")] == [1, 2]
    assert [r["by"] for r in folder.test_reads()] == ["evaluate", "compare"]


def test_a_row_on_a_full_disk_is_a_resource_error_and_the_rows_before_stand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = RunFolder(tmp_path)
    folder.save_checkpoint(("last",), WEIGHTS, {"epoch": 1}, row=ROW)
    there = sorted(p.name for p in tmp_path.rglob("*") if p.is_file())

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    said = r"cannot write .*: No space left on device"
    more = {k: v + 1 for k, v in WEIGHTS.items()}
    with pytest.raises(ResourceError, match=said):
        folder.save_checkpoint(("last",), more, {"epoch": 2}, row=ROW | {"epoch": 2.0})
    with pytest.raises(ResourceError, match=said):
        folder.count_test_read("evaluate")
    assert folder.metrics() == [ROW]
    assert folder.load_checkpoint("last").state == {"epoch": 1}
    assert sorted(p.name for p in tmp_path.rglob("*") if p.is_file()) == there


def test_reads_at_once_are_all_counted(tmp_path: Path) -> None:
    folder, start = RunFolder(tmp_path), threading.Barrier(8)

    def read(_: int) -> None:
        start.wait()
        for _ in range(5):
            folder.count_test_read("evaluate")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(read, range(8)))
    assert len(folder.test_reads()) == 40


def test_one_of_several_trainers_gets_an_empty_folder(tmp_path: Path) -> None:
    start, done = threading.Barrier(4), threading.Barrier(4)

    def make(_: int) -> str:
        start.wait()
        try:
            with RunFolder.made("x", tmp_path) as folder:
                done.wait(timeout=10)  # the others have been refused while it was held
                return folder.name
        except (UsageError, CheckpointError) as error:
            done.wait(timeout=10)
            return str(error)

    with ThreadPoolExecutor(4) as pool:
        said = list(pool.map(make, range(4)))
    assert said.count(tmp_path.name) == 1
    refused = ("is not empty; name a new or empty folder", f"by process {os.getpid()}; wait for")
    assert sum(any(text in s for text in refused) for s in said) == 3


@pytest.mark.parametrize("name", ["x" * 300, "a\0b", "x" * 5000])
def test_a_name_that_no_file_system_takes_is_no_run(name: str) -> None:
    with pytest.raises(UnknownName, match="unknown run '"):
        RunFolder.open(name)
    with pytest.raises(ResourceError, match="cannot make the run folder "):
        new_folder("x", name)
    with pytest.raises(ResourceError, match="cannot write "):
        write_atomic(Path(name), "")


def test_a_run_that_may_not_be_looked_into_says_so(nobody: Path) -> None:
    (nobody / "run").mkdir(mode=0)
    with pytest.raises(CheckpointError, match="run cannot be read: Permission denied"):
        RunFolder.open(nobody / "run")


@pytest.mark.parametrize(
    ("stem", "name"),
    [
        ("../a/b\0c", "a-b-c-001"),
        ("..", "run-001"),
        ("a\\b:c", "a-b-c-001"),
        ("x" * 300, "x" * 100 + "-001"),
    ],
)
def test_the_name_of_a_data_set_is_made_fit_for_a_folder(
    stem: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert new_folder(stem).path == Path("runs") / name


def test_a_file_has_the_rights_that_the_umask_leaves(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_atomic(tmp_path / "x", "new")
    finally:
        os.umask(before)
    assert (tmp_path / "x").stat().st_mode & 0o777 == 0o640


def test_where_a_folder_cannot_be_opened_a_file_is_written_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, flags: int) -> int:
        raise PermissionError(errno.EACCES, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr("tinysight.run.files.os.open", refuse)
        patch.setattr("tinysight.run.files.WINDOWS", True)
        write_atomic(tmp_path / "x", "new")
    assert (tmp_path / "x").read_text() == "new"


def test_where_runs_go_by_themselves_is_looked_at_too(
    nobody: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (nobody / "here").mkdir()
    monkeypatch.chdir(nobody / "here")
    RunFolder.check(None)
    assert new_folder("x").path == Path("runs/x-001")
    RunFolder.check(None)
    (nobody / "here" / "runs").chmod(0o500)
    with pytest.raises(ResourceError, match="cannot make the run folder runs: runs cannot be writ"):
        RunFolder.check(None)


def test_a_run_folder_that_no_path_names_is_refused() -> None:
    with pytest.raises(UsageError, match="out must be the path of a new or empty folder, got ''"):
        RunFolder.check("")
    with pytest.raises(ResourceError, match="cannot make the run folder .*embedded null byte"):
        new_folder("x", "a\0b")
