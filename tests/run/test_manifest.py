"""Every file of a run is one that its manifest names, whenever and whoever was killed."""

import errno
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from filelock import FileLock
from tests.folders import reseal

from tinysight.errors import CheckpointError, ResourceError
from tinysight.run import RunFolder, files, manifest

OLD = {"a.json": b"1", "b/c.csv": b"two"}
NEW = {"a.json": b"3", "b/c.csv": b"four", "d.txt": b"five"}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    manifest.write(tmp_path, OLD)
    return tmp_path


def contents(run: Path) -> dict[str, bytes]:
    return {name: manifest.read(run, name) for name in manifest.names(run) if (run / name).exists()}


def test_what_was_written_is_read(run: Path) -> None:
    assert contents(run) == OLD
    manifest.write(run, {"a.json": b"3", "d.txt": b"five"}, drop=["b/c.csv"])
    assert contents(run) == {"a.json": b"3", "d.txt": b"five"}
    assert manifest.names(run) == ["a.json", "d.txt"]
    assert [c.problem for c in manifest.verify(run)] == [None, None]


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


@pytest.mark.parametrize("write", range(6))
def test_a_change_that_is_cut_off_leaves_each_file_old_or_new(
    write: int, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, done = manifest.write_atomic, 0

    def killed(path: Path, raw: bytes) -> None:
        nonlocal done
        if done == write:
            (path.parent / ".manifest.json.00000000.tmp").write_bytes(raw[:3])
            raise KeyboardInterrupt
        done += 1
        real(path, raw)

    monkeypatch.setattr(manifest, "write_atomic", killed)
    if write < 5:
        with pytest.raises(KeyboardInterrupt):
            manifest.write(run, NEW)
    monkeypatch.undo()
    for name, found in contents(run).items():
        assert found in (OLD.get(name), NEW.get(name))
    manifest.write(run, {"e": b"6"})
    assert all(c.problem is None for c in manifest.verify(run))
    assert not list(run.rglob("*.tmp"))


def test_a_disk_that_fills_up_leaves_all_readable(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, left = os.fsync, [3]

    def full(descriptor: int) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(descriptor)

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(ResourceError, match=r"cannot write .*: No space left on device"):
        manifest.write(run, NEW)
    monkeypatch.undo()
    assert all(raw in (OLD.get(name), NEW.get(name)) for name, raw in contents(run).items())


def test_a_file_that_cannot_be_removed_is_named(nobody: Path) -> None:
    manifest.write(nobody, OLD)
    (nobody / "b").chmod(0o500)
    with pytest.raises(ResourceError, match=r"cannot remove .*b/c\.csv: Permission denied"):
        manifest.write(nobody, {}, drop=["b/c.csv"])
    assert contents(nobody) == OLD
    (nobody / "b").chmod(0o700)


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
        f"is missing; {run / 'manifest.json'} names it",
        None,
    ]


def test_a_run_without_a_manifest_is_not_trusted(run: Path) -> None:
    (run / "manifest.json").unlink()
    with pytest.raises(CheckpointError, match=r"manifest.json is missing; without it nothing in "):
        manifest.read(run, "a.json")


def resealed(raw: bytes) -> bytes:
    """A manifest whose own sum is right, whatever it says."""
    begin, end = len(manifest.SEAL), len(manifest.SEAL) + manifest.DIGITS
    return raw[:begin] + str(manifest._sum(raw[:begin] + raw[end:])).encode() + raw[end:]


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


def test_a_reader_meets_no_mixture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda _: None)  # more writes between two reads
    done = threading.Event()
    manifest.write(tmp_path, {"a": b"0"})

    def written() -> int:
        i = 0
        while not done.is_set():
            i += 1
            manifest.write(tmp_path, {"a": b"%d" % i})
        return i

    with ThreadPoolExecutor(1) as pool:
        writer = pool.submit(written)
        try:
            for _ in range(500):
                assert manifest.read(tmp_path, "a").isdigit()
        finally:
            done.set()
    assert writer.result() > 1


def test_sums_can_be_made_right_again_by_who_tests(run: Path) -> None:
    (run / "a.json").write_bytes(b"7")
    reseal(run)
    assert RunFolder(run).read("a.json") == b"7"
