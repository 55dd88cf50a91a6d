"""A study carried out: its trainings, what is used again, its page and its numbers."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.study.made_up import TINY

import tinysight
from tinysight import training
from tinysight.data.dataset import DataSet
from tinysight.errors import RecipeError, ResourceError, UnknownName, UsageError
from tinysight.recipe import Recipe
from tinysight.study import run_study
from tinysight.study.report import Report


def test_it_leaves_a_page_numbers_figures_and_runs(done: Report, here: Path) -> None:
    assert re.fullmatch(r"studies/overfitting-toy-small-[0-9a-f]{6}", str(done.path))
    there = {p.relative_to(done.path).as_posix() for p in done.path.glob("[!r]*") if p.is_file()}
    assert there == {"study.html", "study.json"}
    assert {p.name for p in (done.path / "figures").iterdir()} == {
        f"{name}.{form}" for name in ("accuracies", "epochs") for form in ("png", "svg")
    }
    runs = sorted(p.name.rpartition("-")[0] for p in (done.path / "runs").iterdir())
    arms = ("augmentation", "base", "both", "dropout")
    assert runs == [f"{arm}-s{seed}" for arm in arms for seed in (0, 1)]
    run = tinysight.load(next((done.path / "runs").glob("both-s1-*")))
    assert run.recipe.seed == 1
    assert run.recipe.name == "both"
    assert run.recipe.augment.rotate == 36
    assert run.folder.test_reads() == []


def test_its_numbers_are_those_of_the_runs(done: Report) -> None:
    said = json.loads((done.path / "study.json").read_text())
    assert (said["study"], said["scale"], said["seeds"]) == ("overfitting", "small", [0, 1])
    assert said["data"]["train"] == 60
    for arm in said["arms"]:
        values = []
        for trained in arm["trainings"]:
            run = tinysight.load(done.path / trained["run"])
            found = run.folder.read_json("evaluation/validation/metrics")["metrics"]["top1"]
            assert trained["validation_accuracy"] == pytest.approx(found["value"])
            row = run.history[-1]
            assert trained["train_accuracy_running"] == row["train_accuracy_running"]
            assert trained["train_accuracy_clean"] == row["train_accuracy_clean"]
            values.append(found["value"])
        mean = arm["columns"]["Validation"]
        assert mean["value"] == pytest.approx(sum(values) / 2)
        assert mean["low"] <= mean["value"] <= mean["high"]
        assert (mean["seeds"], mean["n"]) == (2, 30)
    assert [f["answer"] for f in said["findings"]] == [f.answer for f in done.findings]
    assert {c["name"] for c in said["classes"]} == {"red", "green", "blue"}
    assert said["sides"] == ["both", "base"]


def test_the_page_says_it_and_asks_nobody(done: Report) -> None:
    page = done.page.read_text(encoding="utf-8")
    assert done.study.question in page
    for found in done.findings:
        assert found.claim in page
        assert found.numbers in page
    for text in ("model.dropout", "augment.rotate", "Classes won and lost", "60 pictures to learn"):
        assert text in page
    assert not re.findall(r"(?:src|href)=\"(?!#|data:)", page)
    assert "default-src 'none'" in page
    assert page.count("<svg") == 4  # two figures, light and dark
    assert "the data was passed in memory" in page  # no command carries that out again
    assert "Here with other settings than the study" in page
    assert "<code>model.width=4</code>" in page
    assert str(done).startswith(done.study.question)
    assert "One seed" not in str(done)
    assert "<iframe" in done._repr_html_()


def test_classes_of_picked_arms_have_wider_intervals(done: Report) -> None:
    picked = replace(done, study=replace(done.study, picked=6))
    for some, wide in ((done.classes, picked.classes), (done.groups, picked.groups)):
        assert len(some) == len(wide)
        assert all(a.difference.level < b.difference.level for a, b in zip(some, wide, strict=True))


def test_trainings_that_diverge_are_a_result(toy: DataSet) -> None:
    """At a rate of 100 the perceptrons leave the finite numbers."""
    more = {"epochs": 6, "seeds": 1, "quiet": True, "optim.name": "sgd", "optim.lr": 100.0}
    found = run_study("mlp-vs-cnn", toy, **more)
    broken = [arm.name for arm in found.arms if found.results.diverged(arm.name)]
    assert broken
    assert all(found.results.accuracy(name).value == pytest.approx(1 / 3) for name in broken)
    said = {arm["name"]: arm["trainings"][0] for arm in found.to_dict()["arms"]}
    assert said["mlp-large"]["train_accuracy_clean"] is None
    json.dumps(found.to_dict(), allow_nan=False)
    page = found.page.read_text(encoding="utf-8")
    assert f"without the {found.diverged} that diverged" in page
    assert "A training that diverged counts as a guess." in page
    assert "1 of 1 diverged" in page
    assert "mlp-large" in broken
    again = run_study("mlp-vs-cnn", toy, **more)
    assert again.reused == again.trainings
    assert again.results.diverged(broken[0]) == 1


def test_one_seed_has_the_interval_of_the_pictures(toy: DataSet) -> None:
    found = run_study("overfitting", toy, **{**TINY, "seeds": 1})
    assert "(one seed, no interval)" in found.page.read_text(encoding="utf-8")
    assert "validation pictures alone, since there is one seed" in found.page.read_text(
        encoding="utf-8"
    )
    json.dumps(found.to_dict(), allow_nan=False)


@pytest.mark.parametrize(
    ("given", "kind", "text"),
    [
        (("overfiting",), UnknownName, "unknown study 'overfiting'; did you mean 'overfitting'?"),
        (("depth", None, 0), UsageError, "seeds must be a whole number from 1 to 100, got 0"),
        (("depth", None, True), UsageError, "seeds must be a whole number from 1 to 100, got True"),
        (("depth", None, 3, "large"), UsageError, "scale must be small or full, got 'large'"),
    ],
)
def test_nonsense_is_refused(given: tuple[Any, ...], kind: type[Exception], text: str) -> None:
    names = ("name", "data", "seeds", "scale")
    words: dict[str, Any] = dict(zip(names, given, strict=False))
    with pytest.raises(kind, match=re.escape(text)):
        run_study(**words)
    assert not Path("studies").exists()


@pytest.mark.parametrize(
    ("name", "fields", "text"),
    [
        ("batchnorm", {"optim.name": "adam"}, "optim.name would change optim.lr, which the study"),
        ("mlp-vs-cnn", {"model": "resnet18"}, "model would change model."),
        ("overfitting", {"model.name": "p3"}, "model.name would change model.dropout, which"),
        ("overfitting", {"model": "p3", "epochs": 1.0}, "model would change model.dropout, which"),
    ],
)
def test_what_it_varies_is_not_set_by_way_of_another_field(
    name: str, fields: dict[str, Any], text: str, toy: DataSet
) -> None:
    with pytest.raises(RecipeError, match=f"^{re.escape(text)}"):
        run_study(name, toy, quiet=True, **fields)


def test_what_cannot_be_trained_is_refused_before_anything_is(toy: DataSet, here: Path) -> None:
    with pytest.raises(RecipeError, match="batch_size"):
        run_study("overfitting", toy, quiet=True, batch_size=4_000)
    assert not list(here.rglob("recipe.json"))


def test_nor_is_where_it_is_the_last_that_cannot_be(
    toy: DataSet, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = training.plan

    def plan(data: DataSet, recipe: Recipe, **more: Any) -> Any:
        if recipe.name == "both":
            raise RecipeError("no such network")
        return real(data, recipe, **more)

    monkeypatch.setattr(training, "plan", plan)
    with pytest.raises(RecipeError, match="no such network"):
        run_study("overfitting", toy, **TINY)
    assert not list(here.rglob("recipe.json"))


def test_a_folder_of_something_else_is_not_written_to(
    done: Report, toy: DataSet, here: Path
) -> None:
    words: dict[str, Any] = {"seeds": 1, "quiet": True, "epochs": 1}
    with pytest.raises(UsageError, match="holds something other than the study"):
        run_study("depth", toy, out=done.path, **words)
    (here / "mine" / "runs" / "digits-quick-001").mkdir(parents=True)
    with pytest.raises(UsageError, match="holds something other than the study"):
        run_study("overfitting", toy, out=here / "mine", **words)
    (here / "other").mkdir()
    (here / "other" / ".notes").write_text("")
    with pytest.raises(UsageError, match="other than the study overfitting; name a new or empty"):
        run_study("overfitting", toy, out=here / "other", **words)
    (here / "other" / ".notes").unlink()
    (here / "other" / "study.json").write_text("[]")
    with pytest.raises(UsageError, match="holds something other than the study"):
        run_study("overfitting", toy, out=here / "other", **words)


def test_a_file_that_was_being_written_does_not_keep_a_study_from_going_on(
    done: Report, toy: DataSet
) -> None:
    (done.path / ".study.json.0a1b2c3d.tmp").write_text("{")
    again = run_study("overfitting", toy, out=done.path, **TINY)
    assert again.reused == again.trainings


def test_a_schedule_that_goes_by_validation_is_refused(toy: DataSet) -> None:
    fields: dict[str, Any] = {"schedule.name": "plateau"}
    text = "schedule.name=plateau goes by the validation loss, and validation is what the study"
    with pytest.raises(RecipeError, match=text):
        run_study("depth", toy, quiet=True, **fields)


def test_its_command_has_how_the_data_is_read(here: Path) -> None:
    np.savez(
        here / "mine.npz",
        x_train=np.random.default_rng(0).random((60, 3, 8, 8)),
        y_train=np.arange(60) % 3,
        x_test=np.random.default_rng(1).random((30, 3, 8, 8)),
        y_test=np.arange(30) % 3,
    )
    found = run_study(
        "overfitting",
        "mine.npz",
        value_range=(0, 1),
        layout="nchw",
        classes=["a", "b", "c d"],
        skip_bad=True,
        **{**TINY, "seeds": 1},
    )
    assert found.command is not None
    assert "--value-range 0,1 --layout nchw --classes 'a,b,c d' --skip-bad" in found.command


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("overfitting", "protocol"),
        ("depth", "final"),
        ("depth", "keep"),
        ("depth", "patience"),
        ("batchnorm", "optim.lr"),
        ("stability", "batch_size"),
        ("depth", "seed"),
    ],
)
def test_what_the_study_sets_is_not_set_from_outside(name: str, field: str, toy: DataSet) -> None:
    fields: dict[str, Any] = {field: 1}
    with pytest.raises(RecipeError, match=f"{field} is set by the study itself; leave it out"):
        run_study(name, toy, quiet=True, **fields)


def test_a_folder_that_cannot_be_is_refused_before_any_training(toy: DataSet, here: Path) -> None:
    (here / "file").write_text("")
    with pytest.raises(UsageError, match="--out file is a file; name a new or empty folder"):
        run_study("depth", toy, out="file")
    with pytest.raises(ResourceError, match="cannot make the folder"):
        run_study("depth", toy, out="file/below")
    assert not list(here.glob("studies*"))


def test_a_data_set_of_any_name_has_a_folder(toy: DataSet) -> None:
    found = run_study("overfitting", replace(toy, name="../my pictures/ü"), **TINY)
    assert found.path.name.startswith("overfitting-my-pictures-small-")


def test_fields_of_data_come_too_late_for_a_data_set(toy: DataSet) -> None:
    late: list[dict[str, Any]] = [{"data.size": 8}, {"layout": "nchw"}, {"skip_bad": True}]
    for fields in late:
        with pytest.raises(UsageError, match="the data set is read already; give it to load_data"):
            run_study("depth", toy, quiet=True, **fields)


def test_the_data_may_be_another_and_read_otherwise(here: Path) -> None:
    fields: dict[str, Any] = {"data.size": "8", "epochs": "1"}
    found = run_study("overfitting", "digits", seeds=1, quiet=True, **fields)
    assert found.data.shape == (8, 8, 1)
    assert found.command == (
        "tinysight study overfitting digits data.size=8 epochs=1 --seeds 1 --scale small"
    )
    assert found.data.settings.validation_share == 0.9  # of the study's own data set its settings
    assert re.fullmatch(r"studies/overfitting-digits-small-[0-9a-f]{6}", str(found.path))
    assert found.command in found.page.read_text(encoding="utf-8")


def test_it_shows_how_far_it_is(toy: DataSet, capfd: pytest.CaptureFixture[str]) -> None:
    run_study("overfitting", toy, **{**TINY, "quiet": False, "seeds": 1})
    lines = capfd.readouterr().err.splitlines()
    assert lines[0] == "overfitting, small: 4 recipes with 1 seed on toy, 120 pictures"
    assert re.fullmatch(r"1 of 4: base, seed 0: validation \d+\.\d\d%; about .* left", lines[1])
    assert re.fullmatch(r"4 of 4: both, seed 0: validation \d+\.\d\d%", lines[4])
    assert len(lines) == 5
    run_study("overfitting", toy, **{**TINY, "quiet": False, "seeds": 1})
    assert "done before" in capfd.readouterr().err.splitlines()[2]
