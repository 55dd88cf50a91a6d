"""The verb `lr-find`, in this process and stopped from outside."""

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.cli.calls import Cli

WORDS = ("lr-find", "digits", "--recipe", "linear")


def test_it_says_what_to_type_and_where_the_plot_is(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    said = cli(*WORDS, "--steps", "60", "batch_size=32")
    assert said.code == 0, said.err
    sentence, folder = said.out.splitlines()
    assert re.match(
        r"suggested for adamw: optim\.lr=[\d.e-]+ \(the recipe has 0\.001\); ", sentence
    )
    assert folder == str(Path("lr-find") / "digits-linear-001")
    assert (tmp_path / folder / "lr-find.svg").is_file()
    assert "range test of linear on digits, 1,455 training pictures: 60 steps of 32" in said.err
    typed = re.findall(r"optim\.\w+=\S+", sentence)
    more = ("epochs=1", "--out", tmp_path / "run", "-q")
    assert cli("train", "digits", "--recipe", "linear", *typed, *more).code == 0


def test_json_is_all_of_it_and_quiet_is_quiet(cli: Cli, tmp_path: Path) -> None:
    out = tmp_path / "here"
    words = ("--json", "-q", "--steps", "30", "--low", "0.001", "--high", "0.1", "--out", out)
    said = cli(*WORDS, *words)
    assert (said.code, said.err) == (0, "")
    found = json.loads(said.out)
    assert (found["rates"][0], found["rates"][-1]) == pytest.approx((0.001, 0.1))
    assert found["folder"] == str(out)
    kept = json.loads((out / "lr-find.json").read_text())
    assert {name: kept[name] for name in found} == found


def test_the_highest_rate_is_that_of_the_recipe_as_the_data_have_it(cli: Cli) -> None:
    """For few pictures `quick` lowers the rate of the biases, so that the others may go higher."""
    words = (*WORDS[:2], "model=plain", "model.width=4", "--steps", "20")
    found = json.loads(cli(*words, "--json").out)
    most = found["rates"][0] * (12 / 0.0012)
    assert cli(*words, "--high", f"{most:.3g}").code == 0, most
    said = cli(*words, "--high", "90")
    assert (
        "would set optim.lr_bias above the 1000 that a recipe may have; use at most 1" in said.err
    )


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("--steps", "3"), "steps must be a whole number from 20 to 2,000, got 3"),
        (("--low", "-1"), "low must be a finite rate above 0, got -1.0"),
        (("--lr", "1"), "no such option: --lr; a recipe's field is given without dashes"),
        (("optim.rate=1",), "optim.rate"),
    ],
)
def test_what_is_wrong_is_refused(words: tuple[str, ...], text: str, cli: Cli) -> None:
    said = cli(*WORDS, *words)
    assert (said.code, text in said.err) == (2, True), said.err


def test_ctrl_c_ends_it_with_130(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "tinysight", "lr-find", "digits", "model=plain"]
    words += ["--steps", "2000", "--high", "1e-5", "--low", "1e-7"]
    with subprocess.Popen(words, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as child:
        assert child.stderr is not None
        for line in child.stderr:  # a count comes every two seconds
            if line.startswith("range test: "):
                break
        child.send_signal(signal.SIGINT)
        began = time.perf_counter()
        said = child.stderr.read()
        assert child.wait(timeout=60) == 130
    assert time.perf_counter() - began < 30
    assert re.search(r"error: stopped by SIGINT at step \d+ of 2000 of the range test", said)
    assert list(tmp_path.iterdir()) == []
