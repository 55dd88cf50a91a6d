"""What the README shows is run."""

import re
import shlex
from pathlib import Path

import pytest

from tinysight.cli import main

ROOT = Path(__file__).parents[1]
GETTING = [["data", verb] for verb in ("fetch", "add", "verify", "remove")]
README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)


def commands() -> list[str]:
    lines = [
        line.partition("#")[0].strip() for block in blocks("sh") for line in block.splitlines()
    ]
    return [line for line in lines if line]


def test_the_two_commands_stand_on_the_first_screen() -> None:
    first = "\n".join(README.splitlines()[:60])
    assert "scripts/demo" in first
    assert "scripts/test" in first


def test_every_script_named_is_there() -> None:
    for name in re.findall(r"(?:scripts|benchmarks)/[\w.]+", README):
        assert (ROOT / name).exists(), name


def test_every_picture_and_link_inside_is_there() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)|src=\"([^\"]+)\"", README):
        name = target[0] or target[1]
        if not name.startswith("http"):
            assert (ROOT / name).exists(), name


def test_the_tree_names_every_file_with_a_phrase() -> None:
    named = dict(re.findall(r"^ +([\w.]+/?) +(\S.*)$", blocks("text")[-1], flags=re.MULTILINE))
    here = {
        p.name + ("/" if p.is_dir() else "")
        for p in (ROOT / "src" / "tinysight").rglob("*")
        if (p.suffix in (".py", ".j2", ".c") or p.is_dir()) and not p.name.startswith("__")
    }
    assert here == set(named)


def test_nothing_is_left_open() -> None:
    assert "@" not in README


def test_the_python_blocks_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert blocks("python")
    names: dict[str, object] = {}
    for block in blocks("python"):
        exec(compile(block, "README.md", "exec"), names)


def test_the_commands_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the digits, for an epoch: what is tested is that the words are right."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cat.png").write_bytes((ROOT / "docs" / "report.png").read_bytes())
    (tmp_path / "nets.py").write_text(
        "from torch import nn\n"
        "def mine(classes):\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(1024, classes))\n"
    )
    called = [shlex.split(line)[1:] for line in commands() if line.startswith("tinysight ")]
    # Those that get data run in tests/data/published/test_named.py, where a server is.
    called = [words for words in called if words[:2] not in GETTING]
    assert called
    for words in called:
        if "--tta" in words:  # mirror images are of no class of the digits
            words = ["shapes" if w == "cifar10" else "linear" if w == "fast" else w for w in words]
        words = ["digits" if w in ("cifar10", "my-pictures/") else w for w in words]
        words = ["digits-quick-001" if w == "cifar10-quick-001" else w for w in words]
        if words[0] == "train":
            more = "epochs=2" if "--resume" in words else "epochs=1"
            words = [*(w for w in words if not w.startswith("epochs=")), more]
        if words[0] == "study":
            words = [*words, "epochs=1", "--seeds", "1"]
        with pytest.raises(SystemExit) as left:
            main(words)
        assert not left.value.code, words
