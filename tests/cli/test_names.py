"""Names out of files reach no terminal raw."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from tests.cli.calls import Cli

from tinysight import api
from tinysight.evaluation.predict import Prediction

EVIL = "\x1b[31mred\x07\x9b"
ESCAPED = r"\x1b[31mred\x07\x9b"


def test_names_reach_no_terminal_raw(
    cli: Cli, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [
        Prediction(f"{EVIL}a.png", ((f"{EVIL}class", 0.9),), notes=(f"{EVIL} note",)),
        Prediction("b\udc80.png", (), error=f"{EVIL} is not a picture"),
    ]
    monkeypatch.setattr(api, "predict", lambda *a, **k: found)
    table, rows = cli("predict", trained, "x.png"), cli("predict", trained, "x.png", "--csv")
    for said in (table, rows):
        assert not {"\x1b", "\x07", "\x9b", "\udc80"} & set(said.out + said.err)
    assert f"{ESCAPED}a.png" in table.out
    assert f"{ESCAPED}class 90.0%" in table.out
    assert f"{ESCAPED}a.png: {ESCAPED} note\n" in table.err
    assert rf"b\udc80.png: {ESCAPED} is not a picture" in table.err
    assert rf"b\udc80.png,,,,{ESCAPED} is not a picture" in rows.out
    assert json.loads(cli("predict", trained, "x.png", "--json").out)[0]["picture"][:4] == EVIL[:4]


def test_class_names_of_an_evaluation_reach_no_terminal_raw(
    cli: Cli, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = api.evaluate(trained)
    classes = [replace(c, name=f"{EVIL}{c.name}") for c in found.metrics.classes]
    names = tuple(c.name for c in classes)
    wicked = replace(found, metrics=replace(found.metrics, classes=tuple(classes)))
    monkeypatch.setattr(api, "evaluate", lambda *a, **k: wicked)
    said = cli("evaluate", trained)
    assert said.code == 0
    assert "\x1b" not in said.out
    assert names[0].replace(EVIL, ESCAPED) in said.out
    assert "most confused: " in said.out


@pytest.mark.parametrize("words", [["train", "--skip-bad", "--dry-run"], ["data", "info"]])
def test_names_of_folders_reach_no_terminal_raw(words: list[str], cli: Cli, spoilt: Path) -> None:
    (spoilt / "bird").rename(spoilt / EVIL)
    said = cli(*words, spoilt.rename(spoilt.parent / EVIL))
    assert said.code == 0
    assert not {"\x1b", "\x07", "\x9b"} & set(said.out + said.err)


def test_an_error_reaches_no_terminal_raw_and_stays_one_line(cli: Cli) -> None:
    said = cli("data", "info", f"./{EVIL}\n" + "x" * 200)
    assert said.code == 2
    assert said.err.count("\n") == 1
    assert "\x1b" not in said.err
    assert "x" * 200 in said.err
    said = cli("train", "digits", "--recipe", f"{EVIL}.json")
    assert f"cannot read the recipe {ESCAPED}.json" in said.err


def test_names_that_an_encoding_lacks_are_escaped(tmp_path: Path) -> None:
    for name in ("猫", "perro"):
        (tmp_path / name).mkdir()
        for i in range(12):
            Image.new("RGB", (8, 8), (i, 0, 0)).save(tmp_path / name / f"{i}.png")
    words = [sys.executable, "-m", "tinysight", "data", "info", str(tmp_path)]
    env = {**os.environ, "PYTHONIOENCODING": "ascii"}
    ended = subprocess.run(words, capture_output=True, text=True, env=env)
    assert (ended.returncode, "\\u732b" in ended.stdout) == (0, True), ended.stderr
