"""The verbs of data: what is listed, inspected and drawn, and what cannot be read."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tests.cli.calls import Cli

from tinysight import api
from tinysight.run import RunFolder


def test_data_is_listed_inspected_and_drawn(cli: Cli, tmp_path: Path) -> None:
    assert "digits" in cli("data", "list").out
    listed = json.loads(cli("data", "list", "--json").out)
    assert set(listed) >= {"digits", "shapes", "cifar10", "tiny-imagenet"}
    assert listed["digits"] == {
        "about": "Handwritten digits, 1,797 real scans of 8x8 (scikit-learn), shown at 32x32; 10 "
        "classes.",
        "here": True,
        "path": None,
        "download_bytes": 0,
    }
    assert (listed["cifar10"]["here"], listed["cifar10"]["download_bytes"]) == (False, 170_498_071)
    assert cli("data", "info", "digits").code == 0
    assert json.loads(cli("data", "info", "digits", "--json").out)
    out = tmp_path / "preview.png"
    assert cli("data", "preview", "digits", "augment.rotate=20", "--out", out).out.strip() == str(
        out
    )
    with Image.open(out) as picture:
        assert picture.size[0] > 300


def test_a_wrong_verb_of_data_is_named_with_its_neighbours(cli: Cli) -> None:
    said = cli("data", "lst")
    verbs = "add, fetch, info, list, preview, remove, verify"
    text = f"unknown verb 'data lst'; did you mean 'list'? Known: {verbs}"
    assert (said.code, said.err) == (2, f"error: {text}\n")
    assert "unknown verb 'trian'; did you mean 'train'?" in cli("--debug", "trian", "digits").err


def test_a_preview_of_yours_is_not_written_over(cli: Cli, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "preview.png").write_text("mine")
    assert cli("data", "preview", "digits").out == "preview-2.png\n"
    assert cli("data", "preview", "digits").out == "preview-3.png\n"
    assert api.preview("digits") == Path("preview-4.png")
    assert (tmp_path / "preview.png").read_text() == "mine"


def test_info_lists_what_cannot_be_read(cli: Cli, tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        for i in range(20):
            pixels = torch.randint(0, 255, (8, 8, 3), dtype=torch.uint8).numpy()
            Image.fromarray(pixels).save(tmp_path / name / f"{i}.png")
    (tmp_path / "cat" / "3.png").write_text("no picture")
    said = cli("data", "info", str(tmp_path))
    assert said.code == 0
    assert "1, left out" in said.out
    assert "cat/3.png is not a picture" in said.out


@pytest.mark.parametrize("word", ["skip_bad=1", "progress=1", "cache=1", "optim.lr=1", "data.x=1"])
def test_info_takes_the_fields_of_data_alone(word: str, cli: Cli) -> None:
    said = cli("data", "info", "digits", word)
    assert said.code == 2
    assert f"unknown field of data {word.partition('=')[0]!r}" in said.err
    assert "Known: label, size, split_seed, test_share, validation_share" in said.err


def test_info_reads_the_values_of_fields_as_a_recipe_does(cli: Cli) -> None:
    for words in (["size=16"], ["data.size=16", "label=none"]):
        assert json.loads(cli("data", "info", "digits", "--json", *words).out)["shape"][:2] == [
            16,
            16,
        ]
    assert "did you mean 'size'" in cli("data", "info", "digits", "sise=16").err
    wrong = cli("data", "info", "digits", "size=2")
    assert (wrong.code, "data.size must be greater than or equal to 4" in wrong.err) == (2, True)


@pytest.mark.parametrize("words", [["train", "--dry-run"], ["data", "preview", "--out", "x.png"]])
def test_unreadable_pictures_are_left_out_when_asked(
    words: list[str], cli: Cli, spoilt: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(spoilt.parent)
    refused = cli(*words, spoilt)
    assert (refused.code, "bad.png" in refused.err) == (3, True)
    assert cli(*words, spoilt, "--skip-bad").code == 0


def test_what_arrays_leave_open_is_stated_by_options(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    images = np.random.default_rng(0).random((60, 3, 8, 3))
    np.savez("x.npz", x_train=images, y_train=np.arange(60) % 2)
    assert cli("data", "info", "x.npz", "--layout", "nchw").code == 2
    options = ["--value-range", "0,1", "--layout", "nchw", "--classes", "cat, dog"]
    said = json.loads(cli("data", "info", "x.npz", "--json", *options).out)
    assert (said["shape"], said["classes"]) == ([8, 3, 3], ["cat", "dog"])
    assert cli("data", "preview", "x.npz", *options).out == "preview.png\n"
    words = ["model=linear", "epochs=1", "batch_size=16", "-q", "--out", "run"]
    assert cli("train", "x.npz", *words, *options).code == 0
    assert cli("evaluate", "run", "--split", "test", "--device", "cpu").code == 0
    assert RunFolder.open("run").data()["classes"] == ["cat", "dog"]


def test_the_name_of_an_unreadable_picture_stands_once(
    cli: Cli, trained: Path, tmp_path: Path
) -> None:
    long = tmp_path / ("x" * 150 + ".png")
    long.write_text("no picture")
    said = cli("predict", trained, long, tmp_path / "none.png")
    assert said.code == 3
    first, second, _ = said.err.splitlines()
    assert (first.count(".png"), second.count(".png")) == (1, 1)
