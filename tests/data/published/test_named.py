"""A published data set by its name, through `load`: small archives stand for the published ones."""

from __future__ import annotations

import gzip
import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.data.published.server import Act, Server
from tests.data.readers.cifar_layouts import COARSE, FINE, as_tar, hundred_python, ten_python
from tests.terminals import on_a_terminal

import tinysight
from tinysight import api
from tinysight.data import load
from tinysight.data.canonical import CANONICAL
from tinysight.data.published import PUBLISHED, store
from tinysight.errors import DataError, UsageError
from tinysight.recipe import Recipe


def idx() -> dict[str, bytes]:
    found = {}
    for part, n in (("train", 40), ("t10k", 20)):
        x = np.random.default_rng(n).integers(0, 256, (n, 28, 28), dtype=np.uint8)
        shape = b"".join(size.to_bytes(4, "big") for size in x.shape)
        y = bytes(i % 10 for i in range(n))
        found[f"{part}-images-idx3-ubyte.gz"] = b"\0\0\x08\x03" + shape + x.tobytes()
        found[f"{part}-labels-idx1-ubyte.gz"] = b"\0\0\x08\x01" + n.to_bytes(4, "big") + y
    return {name: gzip.compress(raw, mtime=0) for name, raw in found.items()}


@pytest.fixture
def contents(tmp_path: Path) -> dict[str, bytes]:
    ten = as_tar(ten_python(tmp_path / "make" / "ten"), tmp_path / "ten.tgz")
    hundred = as_tar(hundred_python(tmp_path / "make" / "hundred"), tmp_path / "hundred.tgz")
    return idx() | {
        "cifar-10-python.tar.gz": ten.read_bytes(),
        "cifar-100-python.tar.gz": hundred.read_bytes(),
    }


@pytest.fixture
def server(
    tmp_path: Path, contents: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Server]:
    """Serves the archives, under whose digests all but Tiny ImageNet are published here."""
    monkeypatch.setenv("TINYSIGHT_DATA", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    with Server.running(tmp_path) as running:
        monkeypatch.setenv("SSL_CERT_FILE", str(running.trust))
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        for name, known in list(PUBLISHED.items())[:-1]:
            files = []
            for file in known.files:
                raw = contents[file.name]
                path = f"/{known.folder}/{file.name}"
                running.serve(path, raw)
                digest = hashlib.sha256(raw).hexdigest()
                url = f"https://127.0.0.1:{running.port}{path}"
                files.append(replace(file, urls=(url,), size=len(raw), sha256=digest, md5=None))
            monkeypatch.setitem(PUBLISHED, name, replace(known, files=tuple(files)))
        yield running


def test_load_data_fetches_what_is_named(
    server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tinysight.load_data("cifar10")
    said = capsys.readouterr().err
    assert "CIFAR-10 is not on this machine: 0." in said
    assert (data.name, data.title) == ("cifar10", "CIFAR-10, 24 pictures")
    assert data.source["origin"] == "cifar10"
    again = tinysight.load_data("cifar10")
    assert again.train.digest == data.train.digest
    assert len(server.requests) == 1
    assert "to download" not in capsys.readouterr().err


def test_labels_names_and_whether_a_mirror_keeps_them(server: Server) -> None:
    for name in ("cifar100", "mnist", "fashion-mnist"):
        store.fetch(name)
    assert load("cifar100").classes == FINE
    coarse = load("cifar100-coarse")
    assert (coarse.name, coarse.classes) == ("cifar100-coarse", COARSE)
    assert load("cifar100-coarse", Recipe(data={"label": "fine"}).data).classes == FINE
    mnist, clothes = load("mnist"), load("fashion-mnist")
    assert (mnist.mirror, mnist.shape, mnist.classes) == (False, (28, 28, 1), tuple("0123456789"))
    assert (clothes.mirror, clothes.classes[9]) == (True, "Ankle boot")


def test_what_is_not_there_is_not_fetched_behind_your_back(server: Server) -> None:
    with pytest.raises(DataError, match="mnist is not on this machine; get it with: tinysight dat"):
        load("mnist")
    assert not server.requests


def test_a_folder_of_the_name_of_what_is_not_there(server: Server) -> None:
    Path("cifar10").mkdir()
    with pytest.raises(UsageError, match=r"and of a folder here; give \./cifar10 for the folder"):
        tinysight.load_data("cifar10")
    assert not server.requests
    store.fetch("cifar10")
    assert tinysight.load_data("cifar10").source["kind"] == "cifar-python"


def test_an_archive_that_rotted_is_noticed(server: Server) -> None:
    store.fetch("cifar10")
    path = store.locate("cifar10")
    assert path is not None
    raw = bytearray(path.read_bytes())
    raw[100] ^= 1
    path.write_bytes(raw)
    with pytest.raises(DataError, match="is not what was published: .* tinysight data fetch cifar"):
        load("cifar10")


@pytest.fixture
def canonical(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small CIFAR-10 whose fingerprints are those of the canonical one here."""
    folder = ten_python(tmp_path / "mine")
    records = load(folder, cache=False).fingerprints
    known = replace(CANONICAL["cifar10"], records={s: records[s] for s in ("train", "test")})
    monkeypatch.setitem(CANONICAL, "cifar10", known)
    return folder


def test_what_was_added_is_read_where_it_lies(server: Server, canonical: Path) -> None:
    assert api.add_data("cifar10", canonical, quiet=True) == canonical
    data = load("cifar10")
    assert (data.source["path"], data.name) == (str(canonical), "cifar10")
    small = load("cifar10", Recipe(data={"size": 16}).data)
    assert small.shape == (16, 16, 3)
    (found,) = api.verify_data("cifar10", quiet=True)
    assert (found.path, found.problem) == (canonical, None)


def test_adding_and_verifying_show_one_bar_at_a_time(
    server: Server, canonical: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with on_a_terminal(monkeypatch) as said:
        api.add_data("cifar10", canonical)
        api.verify_data("cifar10")
    text = "".join(said)
    assert text.count("reading pictures") >= 2
    assert re.findall(r"\x1b\[\?25([lh])", text) == ["l", "h"] * 6


def test_what_was_added_may_be_read_with_other_labels(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = hundred_python(tmp_path / "mine")
    records = load(folder, cache=False).fingerprints
    known = replace(CANONICAL["cifar100"], records={s: records[s] for s in ("train", "test")})
    monkeypatch.setitem(CANONICAL, "cifar100", known)
    api.add_data("cifar100", folder, quiet=True)
    assert load("cifar100").classes == FINE
    assert load("cifar100", Recipe(data={"label": "coarse"}).data).classes == COARSE


def test_what_was_added_and_is_changed_is_noticed(server: Server, canonical: Path) -> None:
    api.add_data("cifar10", canonical, quiet=True)
    raw = bytearray((canonical / "test_batch").read_bytes())
    raw[len(raw) // 2] ^= 1
    (canonical / "test_batch").write_bytes(raw)
    for data in ({}, {"size": 16}):
        with pytest.raises(DataError, match="is no longer CIFAR-10: it is .*; add it again, or"):
            load("cifar10", Recipe(data=data).data)
    (found,) = api.verify_data("cifar10", quiet=True)
    assert found.problem
    assert "it is" in found.problem


def test_a_part_of_it_or_something_else_is_not_added(
    server: Server, canonical: Path, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match="is not CIFAR-100 by its content: it is canonical CIFAR"):
        api.add_data("cifar100", canonical)
    whole = load(canonical, Recipe(data={"validation_share": 0.5}).data)
    assert whole.test is not None
    images = np.concatenate([whole.train.images, whole.validation.images])
    labels = np.concatenate([whole.train.labels, whole.validation.labels])
    np.savez(tmp_path / "cifar10.npz", images=images, labels=labels)  # train alone
    with pytest.raises(DataError, match="it is canonical CIFAR-10, the 50,000 train pictures al"):
        api.add_data("cifar10", tmp_path / "cifar10.npz")


def test_of_the_store_the_checked_archives_alone_are_read(server: Server, tmp_path: Path) -> None:
    folder = store.fetch("mnist")
    first = load("mnist", cache=False)
    images = gzip.decompress((folder / "train-images-idx3-ubyte.gz").read_bytes())
    (folder / "train-images-idx3-ubyte").write_bytes(images[:16] + bytes(len(images) - 16))
    np.savez(folder / "train.npz", images=np.zeros((9, 8, 8), np.uint8), labels=np.arange(9) % 3)
    assert load("mnist", cache=False).fingerprints == first.fingerprints


def test_the_name_that_the_labels_have(server: Server) -> None:
    store.fetch("cifar100")
    data = load("cifar100-coarse", Recipe(data={"label": "fine"}).data)
    assert (data.name, len(data.classes)) == ("cifar100", 100)
    assert data.title == "cifar100, 16 pictures of 100 classes"


@pytest.mark.slow
def test_the_real_ones_are_added_by_their_fingerprint(
    shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TINYSIGHT_DATA", str(tmp_path / "data"))
    api.add_data("cifar100-coarse", shared_data / "cifar100", quiet=True)
    data = load("cifar100-coarse")
    assert data.title == "canonical CIFAR-100 with its 20 coarse labels, all 60,000 pictures"
    with pytest.raises(DataError, match="it is canonical CIFAR-100, all 60,000 pictures"):
        api.add_data("cifar10", shared_data / "cifar100", quiet=True)


def test_a_server_that_fails_is_said_while_it_is_tried(
    server: Server, contents: dict[str, bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    path, name = "/cifar10/cifar-10-python.tar.gz", "cifar-10-python.tar.gz"
    server.serve(path, contents[name], Act(cut=1000), Act())
    api.fetch_data("cifar10")
    assert "received 1000 bytes" in capsys.readouterr().err


Cli = Callable[..., tuple[int, str, str]]


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Cli:
    from tinysight.cli import main

    def call(*words: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as left:
            main([str(word) for word in words])
        said = capsys.readouterr()
        return int(left.value.code or 0), said.out, said.err

    return call


def test_the_verbs(server: Server, tmp_path: Path, cli: Cli) -> None:
    size = sum(file.size or 0 for file in PUBLISHED["mnist"].files) / 1e6
    assert f"no, {size:.2f} MB to download" in cli("data", "list")[1]
    code, out, _ = cli("data", "fetch", "mnist")
    assert (code, out) == (0, f"{tmp_path}/data/mnist\n")
    code, out, _ = cli("data", "verify", "mnist")
    assert (code, out.count("as published")) == (0, 4)
    labels = tmp_path / "data" / "mnist" / "t10k-labels-idx1-ubyte.gz"
    labels.write_bytes(b"")
    code, out, err = cli("data", "verify", "mnist")
    assert code == 3
    assert "error: 1 of 4 files of mnist are not there or not as published; get them" in err
    code, out, _ = cli("data", "remove", "mnist")
    assert out.startswith(f"{size:.2f} MB freed; what was added")
    code, _, err = cli("data", "verify", "mnist")
    assert (code, err.startswith("error: 4 of 4 files of mnist are not there")) == (3, True)
    code, out, _ = cli("data", "add", "cifar10", "--from", "ten.tgz")
    assert (code, out) == (0, f"{tmp_path}/data/cifar10/cifar-10-python.tar.gz\n")
    code, out, _ = cli("data", "list", "--json")
    assert f'"path": "{tmp_path}/data/cifar10/cifar-10-python.tar.gz"' in out
    code, out, _ = cli("data", "verify", "cifar10", "--json")
    assert '"problem": null' in out


def test_the_commands_of_the_readme(server: Server, tmp_path: Path, cli: Cli) -> None:
    (tmp_path / "ten.tgz").rename(tmp_path / "cifar-10-python.tar.gz")
    readme = (Path(__file__).parents[3] / "README.md").read_text()
    lines = [line.partition("#")[0].split() for line in readme.splitlines()]
    called = [words[1:] for words in lines if words[:2] == ["tinysight", "data"]]
    called = [words for words in called if words[1] in ("fetch", "add", "verify", "remove")]
    assert len(called) == 4
    for words in called:
        code, _, err = cli(*words)
        assert code == 0, err


@pytest.mark.parametrize("verb", ["fetch", "verify", "remove"])
def test_what_has_no_files(verb: str, cli: Cli) -> None:
    code, _, err = cli("data", verb, "digits")
    assert (code, err) == (2, "error: digits comes with tinysight: it has no files of its own\n")
    code, _, err = cli("data", verb, "cifar11")
    assert code == 2
    assert "unknown data set 'cifar11'; did you mean 'cifar10'?" in err
