"""Archives by name: fetched from a real server, added, checked, removed."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import random
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import pytest
from tests.data.published.server import Act, Server

from tinysight.data.published import PUBLISHED, Published, Remote, places, store
from tinysight.data.published.download import Patience
from tinysight.errors import DataError, ResourceError, UnknownName, UsageError

ONCE = Patience(connect=60, read=60, tries=1, slow=0)


def noise(seed: int, size: int = 20_000) -> bytes:
    return gzip.compress(random.Random(seed).randbytes(size))


def zipped() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("wnids.txt", "n01443537\n")
    return file.getvalue()


CONTENTS = {
    file.name: zipped() if file.name.endswith(".zip") else noise(sum(file.name.encode()))
    for name in ("cifar10", "cifar100", "mnist", "tiny-imagenet")
    for file in PUBLISHED[name].files
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the store, where small archives stand for the published ones."""
    monkeypatch.setenv("TINYSIGHT_DATA", str(tmp_path / "data"))
    table = {name: standing_in(known, "https://127.0.0.1:1") for name, known in PUBLISHED.items()}
    publish(monkeypatch, table)
    return tmp_path / "data"


@pytest.fixture
def server(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with Server.running(tmp_path) as running:
        monkeypatch.setenv("SSL_CERT_FILE", str(running.trust))
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        home = f"https://127.0.0.1:{running.port}"
        publish(monkeypatch, {n: standing_in(known, home) for n, known in PUBLISHED.items()})
        for known in PUBLISHED.values():
            for file in known.files:
                running.serve(f"/{known.folder}/{file.name}", CONTENTS[file.name])
        yield running


def publish(monkeypatch: pytest.MonkeyPatch, table: dict[str, Published]) -> None:
    for module in (places, store):
        monkeypatch.setattr(module, "PUBLISHED", MappingProxyType(table))


def standing_in(known: Published, home: str) -> Published:
    files = tuple(
        Remote(
            file.name,
            (f"{home}/{known.folder}/{file.name}",),
            len(CONTENTS[file.name]),
            hashlib.sha256(CONTENTS[file.name]).hexdigest(),
            hashlib.md5(CONTENTS[file.name]).hexdigest(),
        )
        for file in known.files
    )
    return replace(known, files=files)


def given(folder: Path, name: str, *, but: str = "") -> Path:
    """A folder of the user's with the archives of a data set."""
    folder.mkdir(parents=True, exist_ok=True)
    for file in PUBLISHED[name].files:
        if file.name != but:
            (folder / file.name).write_bytes(CONTENTS[file.name])
    return folder


def names(folder: Path) -> set[str]:
    return {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}


CIFAR = "cifar-10-python.tar.gz"
TRAIN = "train-images-idx3-ubyte.gz"


@pytest.mark.parametrize("name", list(PUBLISHED))
def test_fetch_gives_what_is_to_be_read(server: Server, folder: Path, name: str) -> None:
    seen: list[tuple[int, int]] = []
    assert store.locate(name) is None
    found = store.fetch(name, progress=lambda *x: seen.append(x), patience=ONCE)
    known = PUBLISHED[name]
    one = len(known.files) == 1
    assert found == (folder / known.folder / known.files[0].name if one else folder / known.folder)
    assert store.locate(name) == found == store.ensure(name)
    total = sum(len(CONTENTS[file.name]) for file in known.files)
    assert (seen[0], seen[-1]) == ((0, total), (total, total))
    assert seen == sorted(seen)
    asked = len(server.requests)
    store.fetch(name, patience=ONCE)
    assert asked == len(server.requests) == len(known.files)
    assert all(checked.problem is None for checked in store.verify(name))


def test_one_archive_has_two_names(server: Server, folder: Path) -> None:
    fine = store.fetch("cifar100", patience=ONCE)
    assert store.fetch("cifar100-coarse", patience=ONCE) == fine
    assert len(server.requests) == 1


def test_what_cannot_be_fetched_says_how_to_give_it(server: Server) -> None:
    server.serve(f"/cifar10/{CIFAR}", b"", Act(status=404))
    text = (
        f"https://127.0.0.1:{server.port}/cifar10/{CIFAR} answered 404 Not Found; if you can get "
        f"{CIFAR} in another way, give it with: tinysight data add cifar10 --from PATH"
    )
    with pytest.raises(DataError) as caught:
        store.fetch("cifar10", patience=ONCE)
    assert text in str(caught.value)
    server.serve("/mnist/t10k-labels-idx1-ubyte.gz", b"", Act(status=404))
    with pytest.raises(DataError) as caught:
        store.fetch("mnist", patience=ONCE)
    assert f"get the files {TRAIN}, train-labels-idx1" in str(caught.value)
    assert "give the folder they are in with: tinysight data add mnist" in str(caught.value)
    assert store.locate("mnist") is None


def test_a_rotted_archive_is_noticed_and_fetched_again(server: Server, folder: Path) -> None:
    path = store.fetch("cifar10", patience=ONCE)
    raw = bytearray(CONTENTS[CIFAR])
    raw[1000] ^= 1
    path.write_bytes(raw)
    expected, found = (hashlib.sha256(x).hexdigest() for x in (CONTENTS[CIFAR], raw))
    assert store.verify("cifar10")[0].problem == f"sha256 {expected} expected, {found} found"
    with pytest.raises(DataError) as caught:
        store.ensure("cifar10")
    assert str(caught.value) == (
        f"{path} is not what was published: sha256 {expected} expected, {found} found; replace it "
        "with: tinysight data fetch cifar10"
    )
    store.fetch("cifar10", patience=ONCE)
    assert store.ensure("cifar10").read_bytes() == CONTENTS[CIFAR]


def test_what_is_not_there_says_how_to_get_it(folder: Path) -> None:
    text = "mnist is not on this machine; get it with: tinysight data fetch mnist, or give it with"
    with pytest.raises(DataError, match=text):
        store.ensure("mnist")
    assert [c.problem for c in store.verify("mnist")] == ["it is not there"] * 4


def test_a_set_that_is_not_whole_is_not_there(server: Server, folder: Path) -> None:
    store.fetch("mnist", patience=ONCE)
    (folder / "mnist" / TRAIN).unlink()
    assert store.locate("mnist") is None
    assert [c.problem for c in store.verify("mnist")] == ["it is not there", None, None, None]


def test_an_unknown_name_is_refused_everywhere(folder: Path) -> None:
    for call in (store.fetch, store.locate, store.ensure, store.verify, store.remove):
        with pytest.raises(UnknownName, match="unknown data set 'cifar1'; did you mean 'cifar10'"):
            call("cifar1")
    with pytest.raises(UnknownName, match="unknown data set 'x'"):
        store.add("x", folder)


# What the user gives --------------------------------------------------------------------------


@pytest.mark.parametrize("file", [True, False])
def test_the_published_archive_is_copied_whatever_its_name(
    folder: Path, tmp_path: Path, file: bool
) -> None:
    source = given(tmp_path / "given", "cifar10")
    if file:
        source = (source / CIFAR).rename(source / "download (1)")
    found = store.add("cifar10", source)
    assert found == folder / "cifar10" / CIFAR == store.locate("cifar10")
    assert found.read_bytes() == CONTENTS[CIFAR]
    if file:
        source.write_bytes(b"changed")
    assert store.ensure("cifar10") == found
    assert names(folder) == {f"cifar10/{CIFAR}"}


def test_a_folder_of_archives_is_copied(folder: Path, tmp_path: Path) -> None:
    source = given(tmp_path / "given", "mnist")
    (source / "notes.txt").write_text("mine")
    assert store.add("mnist", source) == folder / "mnist" == store.ensure("mnist")
    assert names(folder) == {f"mnist/{f.name}" for f in PUBLISHED["mnist"].files}


def test_archives_may_be_given_one_after_the_other(folder: Path, tmp_path: Path) -> None:
    source = given(tmp_path / "given", "mnist", but=TRAIN)
    with pytest.raises(DataError, match=r"gz taken; MNIST also needs .*: add it in the same way"):
        store.add("mnist", source)
    given(tmp_path / "more", "mnist")
    assert store.add("mnist", tmp_path / "more" / TRAIN) == folder / "mnist"
    (tmp_path / "one").write_bytes(CONTENTS["cifar-100-python.tar.gz"])
    text = f"is not the files {TRAIN}, .* as published: it has the digest of none of them; "
    with pytest.raises(DataError, match=text):
        store.add("fashion-mnist", tmp_path / "one")
    (tmp_path / TRAIN).write_bytes(b"short")
    with pytest.raises(DataError, match=r"as published: [\d,]+ bytes expected, 5 found; Fashion"):
        store.add("fashion-mnist", tmp_path / TRAIN)


def test_adding_over_what_is_there_changes_nothing(folder: Path, tmp_path: Path) -> None:
    found = store.add("cifar10", given(tmp_path / "given", "cifar10"))
    assert store.add("cifar10", found) == found
    assert found.read_bytes() == CONTENTS[CIFAR]


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist", "tiny-imagenet"])
def test_a_set_without_a_fingerprint_is_taken_as_published_alone(
    folder: Path, tmp_path: Path, name: str
) -> None:
    first = PUBLISHED[name].files[0].name
    source = given(tmp_path / "given", name)
    raw = bytes(len(CONTENTS[first]))
    for file in PUBLISHED[name].files:
        (source / file.name).write_bytes(bytes(len(CONTENTS[file.name])))
    text = f"{first}: sha256 [0-9a-f]* expected, {hashlib.sha256(raw).hexdigest()} found"
    with pytest.raises(DataError, match=text):
        store.add(name, source, check=lambda _: None)
    with pytest.raises(DataError, match="is taken in no other form"):
        store.add(name, source / first, check=lambda _: None)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="as published: it has no file of th"):
        store.add(name, tmp_path / "empty", check=lambda _: None)
    assert store.locate(name) is None
    assert not (folder / PUBLISHED[name].folder).exists()


def test_another_layout_is_read_where_it_lies(folder: Path, tmp_path: Path) -> None:
    layout = tmp_path / "a\udcff b"
    layout.mkdir()
    asked: list[Path] = []

    def check(path: Path) -> None:
        asked.append(path)

    assert store.add("cifar10", layout, check=check) == layout
    assert asked == [layout]
    assert store.locate("cifar10") == layout == store.ensure("cifar10")
    assert names(folder) == {"cifar10/source.json"}
    assert store.verify("cifar10") == (store.Checked(layout, 0, None),)
    assert store.verify("cifar10", check=lambda _: "something else")[0].problem == (
        "it is something else"
    )
    assert store.locate("cifar100") is None


def test_a_relative_path_is_kept_whole(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "layout").mkdir()
    monkeypatch.chdir(tmp_path)
    assert store.add("cifar10", Path("layout"), check=lambda _: None) == tmp_path / "layout"


def test_something_else_is_not_taken(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    with pytest.raises(DataError, match="is not CIFAR-10 by its content: it is CIFAR-100"):
        store.add("cifar10", other, check=lambda _: "CIFAR-100")
    with pytest.raises(DataError, match="it has no file of this name; CIFAR-10 is taken in no"):
        store.add("cifar10", other)
    assert names(folder) == set()


def test_what_was_asked_for_last_is_read(server: Server, folder: Path, tmp_path: Path) -> None:
    layout = tmp_path / "layout"
    layout.mkdir()
    archive = store.fetch("cifar10", patience=ONCE)
    assert store.add("cifar10", layout, check=lambda _: None) == store.locate("cifar10") == layout
    assert store.verify("cifar10")[0].path == layout
    assert store.fetch("cifar10", patience=ONCE) == store.locate("cifar10") == archive
    store.add("cifar10", layout, check=lambda _: None)
    given(tmp_path / "given", "cifar10")
    assert store.add("cifar10", tmp_path / "given") == store.locate("cifar10") == archive
    assert names(folder) == {f"cifar10/{CIFAR}", f"cifar10/{CIFAR}.lock"}


def test_what_was_added_and_is_gone(server: Server, folder: Path, tmp_path: Path) -> None:
    layout = tmp_path / "layout"
    layout.mkdir()
    store.add("cifar10", layout, check=lambda _: None)
    layout.rmdir()
    text = "cifar10 was added from .*layout, which is no longer there; add it from where it is now"
    with pytest.raises(DataError, match=text):
        store.locate("cifar10")
    assert store.verify("cifar10") == (store.Checked(layout, 0, "it is not there"),)
    assert "no longer there" in str(store.status()[0].problem)
    layout.mkdir()
    archive = store.fetch("cifar10", patience=ONCE)
    store.add("cifar10", layout, check=lambda _: None)
    layout.rmdir()
    assert store.locate("cifar10") == archive == store.ensure("cifar10")
    assert store.verify("cifar10")[0].path == archive


@pytest.mark.parametrize(
    "content", ["{", "[]", "{}", '{"path": 5}', '{"path": ""}', '{"path": "/a\\u0000"}', "\xff"]
)
def test_a_damaged_note_is_said(folder: Path, content: str) -> None:
    (folder / "cifar10").mkdir(parents=True)
    (folder / "cifar10" / "source.json").write_bytes(content.encode("latin-1"))
    text = "source.json is damaged .*; delete it, then run: tinysight data add cifar10 --from PATH"
    with pytest.raises(DataError, match=text):
        store.locate("cifar10")
    store.remove("cifar10")
    assert store.locate("cifar10") is None


@pytest.mark.parametrize("kind", ["missing", "pipe"])
def test_there_must_be_something_to_add(folder: Path, tmp_path: Path, kind: str) -> None:
    path = tmp_path / "source"
    if kind == "pipe":
        if not hasattr(os, "mkfifo"):
            pytest.skip("no pipes here")
        os.mkfifo(path)
    with pytest.raises(UsageError, match="source: no such file or folder to take mnist from"):
        store.add("mnist", path)


def test_an_archive_that_cannot_be_read(nobody: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TINYSIGHT_DATA", str(nobody / "data"))
    (nobody / CIFAR).write_bytes(b"x")
    (nobody / CIFAR).chmod(0)
    with pytest.raises(DataError, match=r"gz: it cannot be read: Permission denied; CIFAR-10 is"):
        store.add("cifar10", nobody)
    assert not (nobody / "data").exists()
    (nobody / "data" / "cifar10").mkdir(parents=True)
    (nobody / CIFAR).rename(nobody / "data" / "cifar10" / CIFAR)
    assert store.verify("cifar10")[0].problem == "it cannot be read: Permission denied"


def test_a_store_that_cannot_be_written(
    folder: Path, nobody: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (nobody / "data").mkdir(mode=0o500)
    monkeypatch.setenv("TINYSIGHT_DATA", str(nobody / "data"))
    (nobody / CIFAR).write_bytes(CONTENTS[CIFAR])
    with pytest.raises(ResourceError, match="cifar10 cannot be written: Permission denied; set TI"):
        store.add("cifar10", nobody / CIFAR)


# Removing and listing -------------------------------------------------------------------------


def test_remove_deletes_what_was_made_here_alone(
    server: Server, folder: Path, tmp_path: Path
) -> None:
    path = store.fetch("cifar10", patience=ONCE)
    (path.parent / f"{CIFAR}.part").write_bytes(b"half")
    (path.parent / f".{CIFAR}.0a1b2c3d").write_bytes(b"copy")
    (path.parent / "mine.txt").write_bytes(b"mine")
    (path.parent / f"{CIFAR}.sha256").write_bytes(b"mine")
    store.fetch("cifar100", patience=ONCE)
    others = {n for n in names(folder) if not n.startswith("cifar10/")}
    assert store.remove("cifar10") == len(CONTENTS[CIFAR]) + 8
    assert names(folder) == others | {"cifar10/mine.txt", f"cifar10/{CIFAR}.sha256"}
    assert store.remove("cifar10") == 0


def test_remove_leaves_no_empty_folder(server: Server, folder: Path) -> None:
    store.fetch("mnist", patience=ONCE)
    assert store.remove("mnist") == sum(len(CONTENTS[f.name]) for f in PUBLISHED["mnist"].files)
    assert list(folder.iterdir()) == []


def test_remove_leaves_what_the_user_gave(folder: Path, tmp_path: Path) -> None:
    source = given(tmp_path / "given", "cifar10")
    store.add("cifar10", source)
    layout = given(tmp_path / "layout", "cifar100")
    store.add("cifar100-coarse", layout / "..", check=lambda _: None)
    store.remove("cifar10")
    store.remove("cifar100-coarse")
    assert names(source) == {CIFAR}
    assert names(layout) == {"cifar-100-python.tar.gz"}
    assert list(folder.iterdir()) == []


def test_remove_follows_no_link(folder: Path, tmp_path: Path) -> None:
    source = given(tmp_path / "given", "cifar10")
    (folder / "cifar10").mkdir(parents=True)
    (folder / "cifar10" / CIFAR).symlink_to(source / CIFAR)
    assert store.remove("cifar10") == 0
    assert names(source) == {CIFAR}
    (folder / "cifar10" / CIFAR).unlink()
    (folder / "cifar10").rmdir()
    (folder / "cifar10").symlink_to(source)
    with pytest.raises(UsageError, match="cifar10 is a link; what lies behind it is not deleted"):
        store.remove("cifar10")
    assert names(source) == {CIFAR}


def test_what_cannot_be_deleted(nobody: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TINYSIGHT_DATA", str(nobody))
    (nobody / "cifar10").mkdir()
    (nobody / "cifar10" / CIFAR).write_bytes(b"x")
    (nobody / "cifar10").chmod(0o500)
    with pytest.raises(ResourceError, match=r"tar\.gz cannot be deleted: Permission denied"):
        store.remove("cifar10")
    (nobody / "cifar10").chmod(0o700)


def test_status_of_an_empty_store(folder: Path) -> None:
    found = store.status()
    assert [s.name for s in found] == list(PUBLISHED)
    assert not any(s.path or s.size or s.added or s.problem for s in found)
    assert found[0].download == len(CONTENTS[CIFAR])
    assert found[0].title == "CIFAR-10"
    assert not folder.exists()


def test_status_tells_what_is_there(server: Server, folder: Path, tmp_path: Path) -> None:
    store.fetch("cifar100", patience=ONCE)
    store.add("cifar10", given(tmp_path / "given", "cifar10") / "..", check=lambda _: None)
    (folder / "mnist").mkdir()
    (folder / "mnist" / f"{TRAIN}.part").write_bytes(CONTENTS[TRAIN][:500])
    ten, fine, coarse, mnist, *_ = store.status()
    size = len(CONTENTS["cifar-100-python.tar.gz"])
    assert (ten.path, ten.added, ten.size, ten.download) == (tmp_path, True, 0, 0)
    assert (fine.size, fine.download, fine.added) == (size, 0, False)
    assert fine.path == coarse.path == folder / "cifar100" / "cifar-100-python.tar.gz"
    total = sum(len(CONTENTS[f.name]) for f in PUBLISHED["mnist"].files)
    assert (mnist.path, mnist.size, mnist.download) == (None, 500, total - 500)


# Where it is ----------------------------------------------------------------------------------


def test_where_the_store_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TINYSIGHT_DATA", "/a/b")
    assert store.data_folder() == Path("/a/b")
    monkeypatch.delenv("TINYSIGHT_DATA")
    monkeypatch.setattr(Path, "home", lambda: Path("/home/me"))
    monkeypatch.setenv("XDG_DATA_HOME", "/xdg")
    monkeypatch.setenv("LOCALAPPDATA", "/local")
    where = {
        "linux": "/xdg/tinysight",
        "darwin": "/home/me/Library/Application Support/tinysight",
        "win32": "/local/tinysight/data",
    }
    for platform, place in where.items():
        monkeypatch.setattr(sys, "platform", platform)
        assert store.data_folder() == Path(place)
    monkeypatch.delenv("LOCALAPPDATA")
    assert store.data_folder() == Path("/home/me/AppData/Local/tinysight/data")
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_DATA_HOME", "relative")
    assert store.data_folder() == Path("/home/me/.local/share/tinysight")


def test_without_a_home_there_is_no_store(monkeypatch: pytest.MonkeyPatch) -> None:
    def home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("TINYSIGHT_DATA", raising=False)
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.setattr(Path, "home", home)
    with pytest.raises(ResourceError, match="no folder for data sets: Could not determine home"):
        store.locate("cifar10")


def test_nothing_for_downloads_is_imported_before_one() -> None:
    module = "tinysight.data.published.store"
    code = f"import sys, {module}; print({{'httpx', 'filelock'}} & set(sys.modules))"
    words = [sys.executable, "-c", code]
    said = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    assert said == "set()\n"


def test_the_note_is_plain(folder: Path, tmp_path: Path) -> None:
    store.add("cifar10", tmp_path, check=lambda _: None)
    said = json.loads((folder / "cifar10" / "source.json").read_text())
    assert said == {"path": str(tmp_path)}


def test_a_wrong_one_among_those_to_add_is_said(folder: Path, tmp_path: Path) -> None:
    given_files = given(tmp_path / "mine", "mnist")
    (given_files / "t10k-labels-idx1-ubyte.gz").write_bytes(b"\x1f\x8b other")
    with pytest.raises(
        DataError, match=r"also needs t10k-labels-idx1-ubyte\.gz \(t10k-labels.*dige|byt"
    ):
        store.add("mnist", given_files)


def test_a_damaged_one_in_the_store_is_missing(folder: Path, tmp_path: Path) -> None:
    (folder / "mnist").mkdir(parents=True)
    (folder / "mnist" / "t10k-labels-idx1-ubyte.gz").write_bytes(b"rotten")
    rest = given(tmp_path / "mine", "mnist", but="t10k-labels-idx1-ubyte.gz")
    with pytest.raises(DataError, match=r"needs t10k-labels-idx1-ubyte\.gz: add it in the same"):
        store.add("mnist", rest)
