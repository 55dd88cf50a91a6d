"""What a report says of how to repeat its run, and that it does."""

import json
import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.reporting.pages import Page, report

import tinysight


@pytest.fixture
def repeat(run, undrawn, tmp_path, monkeypatch):
    """The last lines of a run's report, for data from an origin, read with options."""
    monkeypatch.chdir(tmp_path)
    folder = run()
    data, environment = folder.read_json("data"), folder.read_json("environment")

    def said(origin, command=None, **options):
        data["source"] |= {"origin": origin, "options": options}
        folder.write_json("data", data)
        folder.write_json("environment", environment | {"command": command})
        words = report(folder).words
        return "".join(words[words.index("How to repeat it") :])

    return said


END = "--recipe run-0/recipe.json --evaluate-test"


def test_how_to_repeat_it(repeat, tmp_path, monkeypatch):
    assert f"tinysight train data/cifar {END}" in repeat("data/cifar")
    assert f"tinysight train data/cifar {END}" in repeat(str(tmp_path / "data/cifar"))
    assert f"tinysight train path/to/cifar {END}" in repeat("/home/somebody/cifar")
    given = f"tinysight train {tmp_path}/../cifar --recipe quick"
    assert f"tinysight train {tmp_path}/../cifar {END}" in repeat(
        str((tmp_path / "../cifar").resolve()), given
    )
    assert f"tinysight train digits {END}" in repeat("digits", "tinysight 'no end")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert "--recipe path/to/run-0/recipe.json" in repeat("digits")


@pytest.mark.parametrize(
    "name", ["my data; rm -rf x", "it's", 'a "b"', "$(x)", "a\\b", "-f", "digits"]
)
def test_what_is_to_be_typed_comes_through_a_shell(name, repeat, tmp_path):
    said = repeat(str(tmp_path / name))
    (line,) = [line for line in said.splitlines() if line.startswith("tinysight train ")]
    words = shlex.split(line)
    assert words[3:] == END.split()
    assert words[2] != name or name not in ("-f", "digits")  # an option, an embedded set
    assert (tmp_path / words[2]) == tmp_path / name


def test_options_of_the_reading_are_repeated(repeat):
    assert f"tinysight train data/cifar --recipe {END.split()[1]} --skip-bad" in repeat(
        "data/cifar", skip_bad=True
    )
    said = repeat("it's", skip_bad=True, classes=["a", "b"], name="mine")
    assert "read in Python, with skip_bad and classes and name of its own" in said
    code = [line for line in said.splitlines() if line.startswith("data = ")]
    assert code == [
        """data = tinysight.load_data("it's", skip_bad=True, classes=['a', 'b'], name='mine')"""
    ]
    assert "tinysight.train(data, 'run-0/recipe.json', evaluate_test=True)" in said
    assert "tinysight train" not in said


def test_what_arrays_left_open_is_repeated(repeat):
    options = {"classes": ["a b", "-c"], "value_range": [-1.0, 1.0], "layout": "nchw"}
    said = repeat("x.npz", **options)
    (line,) = [line for line in said.splitlines() if line.startswith("tinysight train ")]
    stated = ["--classes=a b,-c", "--value-range=-1.0,1.0", "--layout=nchw"]
    assert shlex.split(line)[3:] == [*END.split()[:2], *stated, "--evaluate-test"]
    for name in ("a,b", " a"):
        assert f"classes=[{name!r}, 'c'])" in repeat("x.npz", classes=[name, "c"])


def test_data_in_memory_is_repeated_in_python(repeat):
    said = repeat(None)
    assert "The data was in memory, as arrays or as a data set; with the same `data`" in said
    assert "import tinysight" in said
    assert "tinysight.train(data, 'run-0/recipe.json', evaluate_test=True)" in said


def test_the_python_that_repeats_a_run_gives_the_same_weights(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for i in range(40):
        place = tmp_path / "it's" / ("a", "b")[i % 2]
        place.mkdir(parents=True, exist_ok=True)
        picture = np.random.default_rng(i).integers(0, 255, (8, 8, 3), np.uint8)
        Image.fromarray(picture).save(place / f"{i}.png")
    data = tinysight.load_data("it's", name="mine", split_seed=3)
    run = tinysight.train(data, "linear", quiet=True, epochs=1, out="first")
    said = Page(run.report().read_text(encoding="utf-8")).words
    (code,) = [w for w in said if w.startswith("import tinysight")]
    exec(compile(code, "report.html", "exec"), {})
    again = json.loads(next(Path("runs").glob("*/checkpoints/best.json")).read_text())
    assert again["weights"] == run.folder.read_json("checkpoints/best")["weights"]
