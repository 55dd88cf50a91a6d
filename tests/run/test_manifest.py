"""Every file of a run is one that its manifest names, whenever and whoever was killed."""

import errno
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from filelock import FileLock
from tests.folders import reseal

from tinysight.errors import CheckpointError, ResourceError
from tinysight.run import RunFolder, files, manifest, sums

OLD = {"a.json": b"1", "b/c.csv": b"two", "gone": b"0"}
NEW = {"a.json": b"3", "b/c.csv": b"four", "d.txt": b"five"}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    manifest.write(tmp_path, OLD)
    return tmp_path


def contents(run: Path) -> dict[str, bytes]:
    return {name: manifest.read(run, name) for name in manifest.names(run)}


def test_what_was_written_is_read(run: Path) -> None:
    assert contents(run) == OLD
    manifest.write(run, {"a.json": b"3", "d.txt": b"five"}, drop=["b/c.csv", "gone"])
    assert contents(run) == {"a.json": b"3", "d.txt": b"five"}
    assert manifest.names(run) == ["a.json", "d.txt"]
    assert [c.problem for c in manifest.verify(run)] == [None, None]
    assert not list(run.rglob(manifest.PENDING))


def test_a_content_can_be_made_of_the_old_one(run: Path) -> None:
    manifest.write(run, {"a.json": lambda old: old + b"+", "new": lambda old: old + b"-"})
    assert contents(run) == OLD | {"a.json": b"1+", "new": b"-"}


def test_every_bit_of_every_file_counts(run: Path) -> None:
    for name in ("a.json", "b/c.csv", "manifest.json"):
        path = run / name
        raw = path.read_bytes()
        for bit in range(8 * len(raw)):
            changed = bytearray(raw)
            changed[bit // 8] ^= 1 << bit % 8
            path.write_bytes(changed)
            with pytest.raises(CheckpointError, match="is damaged: sha256 .* expected, .* found"):
                contents(run)
        for length in range(len(raw)):
            path.write_bytes(raw[:length])
            with pytest.raises(CheckpointError, match="is damaged: sha256 .* expected, .* found"):
                contents(run)
        path.write_bytes(raw)
    assert contents(run) == OLD


class Killed(BaseException):
    """The process is gone: nothing more is done, not even in its `finally`."""


ACTIONS = ("put", "sync", "replace", "unlink")


@contextmanager
def killed_before(action: int, seen: list[str]) -> Iterator[None]:
    """Do so many of the actions that a write makes on the disk, and none of those after them."""
    real = {"put": files.put, "sync": files.sync, "replace": Path.replace, "unlink": Path.unlink}

    def counted(name: str) -> Any:
        def do(*words: Any, **named: Any) -> Any:
            if len(seen) >= action:
                raise Killed
            seen.append(name)
            return real[name](*words, **named)

        return do

    with (
        patch.object(manifest, "put", counted("put")),
        patch.object(manifest, "sync", counted("sync")),
        patch.object(Path, "replace", counted("replace")),
        patch.object(Path, "unlink", counted("unlink")),
        suppress(Killed),
    ):
        yield


def test_a_change_that_is_cut_off_anywhere_is_made_whole_or_not_at_all(tmp_path: Path) -> None:
    expected = [OLD, OLD | NEW]
    del expected[1]["gone"]
    ends, seen = [], list[str]()
    for action in count():
        run = tmp_path / str(action)
        seen.clear()
        run.mkdir()
        manifest.write(run, OLD)
        with killed_before(action, seen):
            manifest.write(run, NEW, drop=["gone"])
        found = contents(run)
        assert found in expected
        ends.append(found == expected[1])
        manifest.write(run, {})  # what the next start does first
        assert contents(run) == found
        assert [c.problem for c in manifest.verify(run)] == [None] * len(found)
        assert {str(p.relative_to(run)) for p in run.rglob("*") if p.is_file()} == {
            *found,
            "manifest.json",
            ".manifest.lock",
        }
        assert all((run / name).read_bytes() == raw for name, raw in found.items())
        if len(seen) < action:
            break
    assert set(seen) == set(ACTIONS)
    assert ends == sorted(ends)
    assert set(ends) == {False, True}


def test_what_is_changed_reaches_the_disk_before_what_counts_on_it(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    names = {(run / n).stat().st_ino: n for n in (".", "b")}
    fsync, replace, unlink = os.fsync, Path.replace, Path.unlink

    def synced(descriptor: int) -> None:
        inode = os.fstat(descriptor).st_ino
        at = {p.stat().st_ino: p.name for p in run.rglob("*")} | names
        said.append(f"sync {at.get(inode)}")
        fsync(descriptor)

    def replaced(path: Path, target: Path) -> Path:
        said.append(f"name {target.name}")
        return replace(path, target)

    def unlinked(path: Path, missing_ok: bool = False) -> None:
        said.append(f"unlink {path.name}")
        unlink(path, missing_ok)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "replace", replaced)
    monkeypatch.setattr(Path, "unlink", unlinked)
    manifest.write(run, {"b/c.csv": b"new"}, drop=["gone"])
    assert said == [
        "sync .c.csv.pending",
        "sync b",
        "sync .manifest.json.pending",
        "name manifest.json",
        "sync .",
        "name c.csv",
        "unlink gone",
        "sync .",
        "sync b",
    ]


def test_the_folders_that_are_made_reach_the_disk_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[Path] = []
    monkeypatch.setattr(files, "sync", synced.append)
    with RunFolder.made("x", tmp_path / "runs" / "x") as folder:
        assert synced == [tmp_path, tmp_path / "runs"]
        synced.clear()
        folder.write({"evaluation/test/a": b"1"})
    assert synced == [folder.path, folder.path / "evaluation"]


def test_a_folder_that_is_gone_is_not_made_again(tmp_path: Path) -> None:
    with pytest.raises(ResourceError, match="cannot write in .*/x: the folder is not there; was"):
        manifest.write(tmp_path / "x", OLD)
    assert not (tmp_path / "x").exists()


def test_a_pipe_is_not_waited_for(run: Path) -> None:
    (run / "a.json").unlink()
    os.mkfifo(run / "a.json")
    with pytest.raises(CheckpointError, match=r"a\.json cannot be read: it is a pipe"):
        manifest.read(run, "a.json")


@pytest.mark.parametrize("room", range(8))
def test_a_disk_that_fills_up_leaves_all_as_it_was(
    room: int, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, left = os.fsync, [room]

    def full(descriptor: int) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(descriptor)

    monkeypatch.setattr(files.os, "fsync", full)
    with suppress(ResourceError):
        manifest.write(run, NEW)
        assert room > 6
    monkeypatch.undo()
    assert contents(run) in (OLD, OLD | NEW)
    assert room > 5 or contents(run) == OLD
    if room < 5:
        assert not list(run.rglob(manifest.PENDING))


def test_a_full_disk_is_named(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(ResourceError, match=r"cannot write .*a.json: No space left on device"):
        manifest.write(run, NEW)


def test_a_file_that_cannot_be_removed_is_named(nobody: Path) -> None:
    manifest.write(nobody, OLD)
    (nobody / "b").chmod(0o500)
    with pytest.raises(ResourceError, match=r"cannot remove .*b/c\.csv: Permission denied"):
        manifest.write(nobody, {}, drop=["b/c.csv"])
    assert "b/c.csv" not in manifest.names(nobody)
    (nobody / "b").chmod(0o700)
    manifest.write(nobody, {})
    assert not (nobody / "b" / "c.csv").exists()


def test_what_the_run_has_not_written_is_refused(run: Path) -> None:
    (run / "stranger.json").write_text("{}")
    with pytest.raises(CheckpointError, match=r"stranger.json is not named by .*manifest.json: it"):
        manifest.read(run, "stranger.json")
    (run / "a.json").unlink()
    with pytest.raises(CheckpointError, match=r"a.json is missing; .*manifest.json names it"):
        manifest.read(run, "a.json")
    with pytest.raises(CheckpointError, match=r"nothing is missing$"):
        manifest.read(run, "nothing")
    assert [c.problem for c in manifest.verify(run)] == [
        f"is missing; {run / 'manifest.json'} names it: restore it from a copy",
        None,
        None,
    ]


def test_what_is_no_file_of_the_run_is_found(run: Path) -> None:
    (run / "checkpoints").mkdir()
    (run / "checkpoints" / "weights-0.safetensors").write_bytes(b"stray")
    (run / "notes.txt").write_text("the user's")
    *fine, stray = manifest.verify(run)
    assert [c.problem for c in fine] == [None, None, None]
    assert (stray.path.name, stray.size) == ("weights-0.safetensors", 5)
    assert stray.problem == (
        f"is not named by {run / 'manifest.json'}: it is no file of this run; remove it"
    )


def test_what_is_dropped_while_all_is_verified_is_no_damage(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = manifest.read

    def late(folder: Path, name: str) -> bytes:
        if name == "gone":
            manifest.write(folder, {"a.json": b"9"}, drop=["gone"])
        return real(folder, name)

    monkeypatch.setattr(manifest, "read", late)
    assert [(c.path.name, c.problem) for c in manifest.verify(run)] == [
        ("a.json", None),
        ("c.csv", None),
    ]


def test_a_run_without_a_manifest_is_not_trusted(run: Path) -> None:
    (run / "manifest.json").unlink()
    with pytest.raises(CheckpointError, match=r"manifest.json is missing; without it nothing in "):
        manifest.read(run, "a.json")


def resealed(raw: bytes) -> bytes:
    """A manifest whose own sum is right, whatever it says."""
    begin, end = len(sums.SEAL), len(sums.SEAL) + sums.DIGITS
    return raw[:begin] + str(sums.sum_of(raw[:begin] + raw[end:])).encode() + raw[end:]


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        (
            b'"format": 2,\n  "tinysight": "0.1.0"',
            b'"format": 3,\n  "tinysight": "0.4.0"',
            r"has format 3, written by tinysight '0\.4\.0'; this version, .*, reads 2",
        ),
        (b'"a.json"', b'"../a.json"', "is damaged: files.* String should match pattern"),
        (b'"a.json"', b'"/etc/passwd"', "is damaged: files.* String should match pattern"),
        (b'"files": {', b'"files": [', "manifest.json is not JSON"),
        (b'"files"', b'"filed"', "is damaged: files Field required"),
    ],
)
def test_a_manifest_that_says_something_else_is_refused(
    old: bytes, new: bytes, text: str, run: Path
) -> None:
    path = run / "manifest.json"
    raw = path.read_bytes()
    assert old in raw
    path.write_bytes(resealed(raw.replace(old, new)))
    with pytest.raises(CheckpointError, match=text):
        manifest.read(run, "a.json")
    path.write_bytes(resealed(raw))
    assert contents(run) == OLD


def test_one_writes_at_a_time(tmp_path: Path) -> None:
    def add(i: int) -> None:
        for j in range(5):
            manifest.write(tmp_path, {f"{i}": b"%d" % j, "all": lambda old: old + b"."})

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(add, range(8)))
    assert manifest.read(tmp_path, "all") == b"." * 40
    assert len(manifest.names(tmp_path)) == 9


def test_a_writer_that_never_ends_is_named(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manifest, "WAIT", 0.2)
    with (
        FileLock(run / ".manifest.lock"),
        pytest.raises(ResourceError, match="another process has been writing there for 0 s"),
    ):
        manifest.write(run, NEW)
    assert contents(run) == OLD


@pytest.fixture
def no_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system without locks."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(FileLock, "acquire", refuse)


@pytest.mark.usefixtures("no_locks")
def test_without_locks_it_is_written_all_the_same(tmp_path: Path) -> None:
    manifest.write(tmp_path, OLD)
    assert contents(tmp_path) == OLD


def test_a_reader_meets_what_was_written_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", lambda _: None)  # more writes between two reads
    done = threading.Event()
    manifest.write(tmp_path, {"a": b"0", "b": b"0"})

    def written() -> int:
        i = 0
        while not done.is_set():
            i += 1
            manifest.write(tmp_path, {"a": b"%d" % i, "b": b"%d" % i})
        return i

    with ThreadPoolExecutor(1) as pool:
        writer = pool.submit(written)
        try:
            before = 0
            for _ in range(300):
                a, b = (int(manifest.read(tmp_path, name)) for name in "ab")
                assert before <= a <= b  # what is read later is never older
                before = b
        finally:
            done.set()
    assert writer.result() > 1


def test_sums_can_be_made_right_again_by_who_tests(run: Path) -> None:
    (run / "a.json").write_bytes(b"7")
    reseal(run)
    assert RunFolder(run).read("a.json") == b"7"
