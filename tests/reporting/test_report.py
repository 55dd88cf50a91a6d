import json
import re
import shlex
import shutil
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import tinysight
from tinysight.errors import CheckpointError, Diverged
from tinysight.evaluation.metrics import Metrics, measure
from tinysight.reporting import html, notebook, write_report
from tinysight.reporting.formats import about
from tinysight.reporting.gathering import gather
from tinysight.reporting.plots import extremes

NAMES = "data curves fitting confusion classes pairs wrong right model recipe environment repeat"
SECTIONS = NAMES.split()
FILES = ("data.json", "model.json", "environment.json")
VOID = {"meta", "img", "br", "input", "link"}


class Page(HTMLParser):
    """A page as its tags, the text of each section, and whether its tags match."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        assert self._open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        if "style" not in self._open:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def having(self, name: str) -> list[str]:
        return [a[name] or "" for _, a in self.tags if name in a]


def report(folder) -> Page:
    return Page(write_report(folder).read_text(encoding="utf-8"))


@pytest.fixture
def undrawn(monkeypatch):
    """Leave the figures out, for tests of the words alone."""
    monkeypatch.setattr("tinysight.reporting.html.plots", lambda folder, run: iter(()))


@pytest.fixture(scope="module")
def page(make_run, tmp_path_factory):
    """The page of a complete run."""
    return report(make_run(tmp_path_factory.mktemp("report") / "run"))


def remove(folder, *names: str) -> None:
    for name in names:
        path = folder.path / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def test_the_page_is_self_contained(run):
    folder = run()
    page = report(folder)
    assert not {t for t, _ in page.tags} & {"script", "link", "iframe", "object", "embed", "base"}
    assert not [t for t, a in page.tags if any(name.startswith("on") for name in a)]
    for address in page.having("src"):
        assert address.startswith("data:image/png;base64,")
    for address in page.having("href") + page.having("xlink:href"):
        assert address.startswith(("#", "data:image/png;base64,"))
    assert not page.having("srcset")
    text = folder.report_html.read_text()
    assert "http:" not in text
    assert "https:" not in text
    assert "@import" not in text
    assert all(a.startswith("#") for a in re.findall(r"url\(([^)]*)\)", text))
    assert "default-src 'none'; img-src data:; style-src 'unsafe-inline'" in page.having("content")


def test_every_section_is_there_and_in_the_contents(page):
    headings = [a["id"] for t, a in page.tags if t == "h2"]
    assert headings == SECTIONS
    inside = [a["href"] for t, a in page.tags if t == "a"]
    assert inside[: len(SECTIONS)] == [f"#{s}" for s in SECTIONS]


def test_no_two_elements_share_an_id(page):
    ids = page.having("id")
    assert len(ids) == len(set(ids))


def test_every_figure_and_picture_has_a_text(page):
    figures = [a for t, a in page.tags if t == "svg"]
    assert len(figures) == 2 * 7  # three curves, two matrices, bars, pairs; light and dark
    assert all(a["role"] == "img" and len(a["aria-label"] or "") > 20 for a in figures)
    pictures = [a for t, a in page.tags if t == "img"]
    assert len(pictures) == 48
    assert all(a["alt"] for a in pictures)


def test_the_headline_names_split_interval_n_and_reads(run, undrawn):
    folder = run()
    top1 = gather(folder).evaluated["test"].metrics.top1
    said = report(folder).text
    assert f"{top1.value:.2%} Test accuracy" in said
    assert f"95% interval {100 * top1.low:.2f} to {100 * top1.high:.2f}%, n = 1,000" in said
    assert "The test labels have been read once, for this evaluation." in said
    seen = gather(folder).evaluated["validation"].metrics.top1
    assert (
        f"(epoch 11) was chosen on validation, where it reaches {seen.value:.2%} (95% interval "
        f"{100 * seen.low:.2f} to {100 * seen.high:.2f}%, n = {seen.n:,})." in said
    )


def test_a_second_read_of_test_is_held_against_it(run, undrawn):
    folder = run()
    folder.count_test_read("evaluate")
    said = report(folder).text
    assert "The test labels have been read twice: what is chosen after looking at them" in said


def test_without_a_test_evaluation_validation_is_named_as_such(run, undrawn):
    said = report(run(splits=("validation",))).text
    assert "Validation accuracy" in said
    assert "Test accuracy" not in said
    assert "not a test result" in said
    assert "The test split has not been evaluated." in said
    assert "The test labels have never been read." in said


def test_a_data_set_without_test_says_so(run, undrawn):
    folder = run(splits=("validation",))
    data = folder.read_json("data")
    data["splits"]["test"] = None
    folder.write_json("data", data)
    assert report(folder).text.count("This data set has no test split.") == 2


def test_numbers_of_the_page_are_those_of_the_run(run, undrawn):
    folder = run()
    metrics = gather(folder).evaluated["test"].metrics
    said = report(folder).text
    for c in metrics.classes:
        assert (
            f"{c.name} {c.accuracy.value:.1%} {100 * c.accuracy.low:.1f} to "
            f"{100 * c.accuracy.high:.1f}% {c.precision:.1%} {c.f1:.3f} {c.support}" in said
        )
    assert f"Top-5 accuracy {metrics.top5.value:.2%}" in said  # pyright: ignore[reportOptionalMemberAccess]
    assert "Training time 5 min 50 s the training loop" in said
    assert "From the start" not in said
    n = metrics.top1.n
    assert f"Mean over classes {metrics.macro.recall:.1%} {metrics.macro.precision:.1%} " in said
    assert f"{metrics.macro.f1:.3f} {n:,} Weighted by pictures" in said
    assert "Peak memory 1.31 GB" in said
    assert "312eba2e95c7a84e…" in said
    assert "Train 4,500 450 of each class learning" in said


def test_the_verdict_stands_with_its_numbers_and_limits(run, undrawn):
    said = report(run(splits=("validation",), accuracy=0.0, overfit=0.3)).text
    assert "Overfits The model overfits: " in said
    assert (
        "10 points or more; else it underfits where its clean training accuracy is below 80%"
        in said
    )
    assert "A rule of thumb" in said


def test_the_verdict_uses_the_epoch_of_the_best_checkpoint(run):
    folder = run()
    found = gather(folder).fitting
    assert found is not None
    assert found.running == folder.metrics()[10]["train_accuracy_running"]  # epoch 11 of 12
    assert found.train.n == 5000
    assert found.validation == gather(folder).evaluated["validation"].metrics.top1


def test_without_an_evaluation_the_verdict_uses_what_training_measured(run):
    folder = run(splits=("validation",))
    remove(folder, "evaluation")
    found = gather(folder).fitting
    assert found is not None
    v = found.validation
    assert v.n == 500  # of data.json
    assert (
        f"its best checkpoint reached a validation accuracy of {v.value:.2%} (95% interval "
        f"{100 * v.low:.2f} to {100 * v.high:.2f}%, n = 500). The test labels"
        in report(folder).text
    )
    assert found.validation.value == pytest.approx(
        folder.metrics()[10]["validation_accuracy"], abs=1 / 1000
    )


def test_a_hundred_classes_are_all_there_and_the_page_is_small(run, made_up):
    folder = run(made_up.CIFAR100, each=20)
    page = report(folder)
    for name in made_up.CIFAR100:
        assert page.words.count(name) >= 12  # matrices 2 x 3 x 2 themes, bars, table, counts
    assert folder.report_html.stat().st_size < 3_000_000
    kept = [a for t, a in page.tags if t == "figure" and "keep" in (a["class"] or "")]
    assert len(kept) == 3


def test_hostile_names_are_text(run):
    names = (
        "<script>alert(1)</script>",
        '"><img src=x onerror=alert(1)>',
        "{{ 7 * 7 }}",
        "$\\frac{$",
    )
    folder = run((*names, "a\u202eb", "\x00\n"), title="<b>bold</b> & co", splits=("validation",))
    cards = folder.read_json("evaluation/validation/gallery")
    cards["wrong"][0]["file"] = '"><script>alert(2)</script>'
    cards["wrong"][1]["png"] = '"><script>alert(3)</script>'
    folder.write_json("evaluation/validation/gallery", cards)
    page = report(folder)
    assert "script" not in {t for t, _ in page.tags}
    assert not page.having("onerror")
    assert "x" not in page.having("src")
    said = page.text
    for name in names:
        assert name in said
    assert "<b>bold</b> & co" in said
    assert "a\ufffdb" in said
    assert "\u202e" not in said
    assert "\x00" not in said
    assert '"><script>alert(2)</script>' in page.having("title")
    assert len([t for t, _ in page.tags if t == "img"]) == 47  # the card without a picture is out


def test_file_names_that_are_no_unicode_can_be_written(run, undrawn):
    folder = run(splits=("validation",))
    cards = folder.read_json("evaluation/validation/gallery")
    cards["right"][0]["file"] = "caf\udce9.png"
    folder.write_json("evaluation/validation/gallery", cards)
    assert "caf\ufffd.png" in report(folder).having("title")


def test_cards_are_shown_in_the_order_of_the_evaluation(run, undrawn):
    folder = run(splits=("validation",))
    cards = folder.read_json("evaluation/validation/gallery")
    cards["wrong"].reverse()
    folder.write_json("evaluation/validation/gallery", cards)
    said = report(folder).text
    gallery = said[said.index("The surest mistakes first") : said.index("Some of each class")]
    shown = re.findall(r"(>?\d+%) is ", gallery)
    assert shown == [about(card["probability"]) for card in cards["wrong"]]


def test_the_time_from_the_start_is_shown_where_it_was_measured(run, undrawn):
    folder = run()
    last = folder.read_json("checkpoints/last")
    last["state"]["seconds_process"] = last["state"]["seconds"] + 12
    folder.write_json("checkpoints/last", last)
    said = report(folder).text
    assert "Training time 5 min 50 s the training loop" in said
    assert "From the start 6 min 2 s process start to saved model" in said


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_said(run, undrawn, name):
    folder = run()
    remove(folder, name)
    page = report(folder)
    assert f"{name} is missing from the run folder" in page.text
    assert [a["id"] for t, a in page.tags if t == "h2"] == SECTIONS


@pytest.mark.parametrize(
    ("missing", "text"),
    [
        (["metrics.csv"], "No epoch was completed, so there is nothing to draw."),
        (["checkpoints"], "No verdict: the best checkpoint has no clean training accuracy"),
        (["evaluation"], "This run has not been evaluated; while training, its best checkpoint"),
        (["evaluation/test/gallery.json"], "The run folder holds no such pictures."),
        (
            [*FILES, "metrics.csv", "checkpoints", "evaluation"],
            "This run has not been evaluated. The test labels have never been read.",
        ),
    ],
)
def test_what_was_not_done_is_said(run, missing, text):
    folder = run()
    remove(folder, *missing)
    page = report(folder)
    assert text in page.text
    assert [a["id"] for t, a in page.tags if t == "h2"] == SECTIONS


@pytest.mark.parametrize(
    ("stopped", "epochs", "text"),
    [
        ("interrupted", 3, "Interrupted: 3 of 10 epochs were completed."),
        ("early", 3, "Stopped early, as the recipe asks: 3 of 10 epochs"),
        (None, 3, "no recorded end: 3 of 10 epochs were completed. It is still running"),
        ("interrupted", 1, "A single epoch: points, no curves yet."),
    ],
)
def test_a_training_that_did_not_end_says_so(run, stopped, epochs, text):
    said = report(run(n_epochs=epochs, planned=10, stopped=stopped, splits=("validation",))).text
    assert text in said


@pytest.mark.parametrize(
    ("steps", "text"),
    [
        ([2110, 2110], "Stopped: the loss became non-finite at step 2110 (epoch 13), at a"),
        (
            [2101, 2120],
            "non-finite at a step from 2101 to 2120 (epoch 13), at a learning rate of 3;",
        ),
    ],
)
def test_a_diverged_training_says_where(run, undrawn, steps, text):
    folder = run(splits=("validation",), planned=20, stopped=None)
    folder.write_json("diverged", {"epoch": 13, "steps": steps, "learning_rate": 3.0})
    said = report(folder).text
    assert text in said
    assert "12 of 20 epochs were completed. The checkpoints hold the epochs before." in said
    assert "It is still running" not in said
    assert text in notebook.summary(folder)
    assert text in notebook.html(folder)


def test_a_training_that_diverged_at_once_can_be_reported(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    images = np.random.default_rng(0).integers(0, 255, (60, 8, 8, 3)).astype(np.uint8)
    wild = {"optim.name": "sgd", "optim.lr": 100, "schedule.name": "constant"}
    wild |= {"model": "mlp", "epochs": 3}
    with pytest.raises(Diverged, match="no epoch was complete, so nothing was saved"):
        tinysight.train((images, np.arange(60) % 3), batch_size=4, quiet=True, out="run", **wild)
    run = tinysight.load("run")
    for said in (report(run.folder).text, str(run), run._repr_html_()):
        assert re.search(r"Stopped: the loss became non-finite at step \d+ \(epoch 1\)", said)
        assert "No epoch was complete, so there are no weights to evaluate" in said


@pytest.mark.parametrize("steps", [[1], [1, "2"], None])
def test_a_damaged_record_of_a_divergence_is_named(run, undrawn, steps):
    folder = run()
    folder.write_json("diverged", {"epoch": 3, "steps": steps, "learning_rate": 3.0})
    with pytest.raises(CheckpointError, match=r"diverged\.json is damaged: steps"):
        write_report(folder)


def switch(folder, *, augment: bool, dropout: bool | None) -> None:
    """Write a run's recipe and model with augmentation and dropout on or off."""
    recipe = folder.recipe().override("augment.flip", augment).override("augment.crop", 0)
    if dropout is None:  # the table of layers is missing, and the recipe alone says it
        remove(folder, "model.json")
        recipe = recipe.override("model.dropout", 0.3)
    elif dropout:
        model = folder.read_json("model")
        model["layers"][4]["kind"] = "Dropout"
        folder.write_json("model", model)
    (folder.path / "recipe.json").write_text(recipe.to_json(), encoding="utf-8")


@pytest.mark.parametrize(
    ("augment", "dropout", "on"),
    [
        (False, False, ""),
        (True, False, "with augmentation on, "),
        (False, True, "with dropout on, "),
        (True, True, "with augmentation and dropout on, "),
        (False, None, "with dropout on, "),
    ],
)
def test_only_what_was_on_is_blamed_for_the_running_accuracy(run, undrawn, augment, dropout, on):
    folder = run(splits=("validation",))
    switch(folder, augment=augment, dropout=dropout)
    said = report(folder).text
    assert f"lies below validation: it is counted {on}while the weights still change" in said
    assert f"Running: counted while training, {on}as a mean over the epoch." in said


def test_a_loss_above_that_of_knowing_nothing_turns_the_advice(run, undrawn):
    folder = run(splits=("validation",), accuracy=-0.9)
    text = folder.metrics_csv.read_text().splitlines()
    at = text[0].split(",").index("train_loss_clean")

    def said(loss: str) -> str:
        last = text[-1].split(",")
        last[at] = loss
        folder.metrics_csv.write_text("\n".join([*text[:-1], ",".join(last)]) + "\n")
        found = gather(folder).fitting
        assert found is not None
        assert found.verdict == "underfits"
        return found.sentence

    assert "a higher learning rate" in said("1.9")
    assert "To try next: a lower learning rate. The clean training loss (7.5)" in said("7.5")
    assert "a higher learning rate" in said("nan")


def test_a_verdict_on_too_few_pictures_is_none(run, undrawn):
    said = report(run(("cat", "dog"), each=4, splits=("validation",))).text
    assert "Undecided Too few pictures to say: " in said
    assert "of 8 validation pictures" in said
    assert "where the interval of the gap is wider than 20 points nothing is decided" in said


@pytest.mark.parametrize("schedule", ["onecycle", "cosine", "constant"])
def test_the_learning_rate_is_known_at_every_step(schedule, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    images = np.random.default_rng(0).integers(0, 255, (60, 8, 8, 3)).astype(np.uint8)
    settings = {"schedule.name": schedule, "model": "linear", "epochs": 2, "batch_size": 8}
    run = tinysight.train((images, np.arange(60) % 3), "linear", quiet=True, **settings)
    found, rows = gather(run.folder), run.history
    assert len(found.rates) == rows[-1]["step"]
    at_the_end = dict(found.rates)
    for row in rows:
        assert at_the_end[row["epoch"]] == pytest.approx(row["learning_rate"], abs=1e-12)
    text = run.folder.metrics_csv.read_text().replace(str(rows[0]["learning_rate"]), "0.123")
    run.folder.metrics_csv.write_text(text)
    assert gather(run.folder).rates == []  # not what was recorded


def test_steps_that_cannot_be_draw_no_rate(run):
    folder = run()
    text = folder.metrics_csv.read_text()
    for step in ("nan", "inf", "0", "-5"):
        folder.metrics_csv.write_text(re.sub(r"(?m)^(1\.0),[^,]*", rf"\1,{step}", text))
        assert gather(folder).epochs[0]["step"] != 176
        assert gather(folder).rates == []


def test_a_class_that_is_drawn_by_number_has_both_in_the_table(run, undrawn, monkeypatch):
    monkeypatch.setattr(html, "drawable", str.isascii)
    said = report(run(("cat", "猫", "dog"), splits=("validation",))).text
    assert said.count("class 1: 猫") == 2
    assert "class 0:" not in said
    assert "1 of the classes stands in the figures by number" in said
    assert "by number" not in report(run(("cat", "dog"), splits=("validation",))).text


def test_long_names_are_cut_within_a_sentence(run, undrawn):
    folder = run(("w" * 300, "cat", "dog"), splits=("validation",))
    data = folder.read_json("data")
    data["splits"]["train"]["counts"] = [10, 900, 450]
    folder.write_json("data", data)
    said = report(folder).text
    assert f"from 10 ({'w' * 39}…) to 900 (cat)" in said
    found = measure(np.array([0, 1]), np.eye(2, dtype=np.float32)[[1, 1]], ("w" * 300, "cat"))
    assert extremes(found) == f"Best: cat, 100.0%; worst: {'w' * 39}…, 0.0%."


def test_an_interruption_before_the_first_epoch_is_reported(run):
    folder = run(splits=())
    remove(folder, "metrics.csv", "checkpoints/best.json")
    last = folder.read_json("checkpoints/last")
    nothing = dict.fromkeys(("validation_accuracy", "validation_loss", "train_accuracy_clean"))
    last["state"] |= nothing | {"stopped": "interrupted", "epoch": 1}
    folder.write_json("checkpoints/last", last)
    assert "Interrupted: 0 of 12 epochs were completed." in report(folder).text


def test_a_row_cut_short_by_a_killed_process_is_left_out(run):
    folder = run()
    text = folder.metrics_csv.read_text()
    folder.metrics_csv.write_text(text + "13,2288,0.1,0.5")
    assert len(gather(folder).epochs) == 12
    report(folder)


def test_a_damaged_file_is_named(run, undrawn):
    folder = run()
    (folder.path / "model.json").write_text("{")
    with pytest.raises(CheckpointError, match=r"model\.json is not JSON"):
        write_report(folder)


def test_a_run_without_mistakes(run):
    folder = run(splits=("validation",))
    said = folder.read_json("evaluation/validation/metrics")
    metrics = Metrics.from_dict(said["metrics"])
    k = len(metrics.classes)
    said["metrics"]["confusion"] = [[100 * (i == j) for j in range(k)] for i in range(k)]
    said["metrics"]["top1"] = {"value": 1.0, "low": 0.996, "high": 1.0, "n": 1000}
    folder.write_json("evaluation/validation/metrics", said)
    folder.write_json("evaluation/validation/gallery", {"right": [], "wrong": []})
    page = report(folder)
    assert page.text.count("No mistake at all.") == 2
    assert not list(folder.figures.glob("*pairs*"))


def test_figures_are_left_as_png_and_svg(run):
    folder = run()
    write_report(folder)
    names = "curve-accuracy curve-loss curve-rate test-class-accuracy test-confused-pairs "
    names += "test-confusion-counts test-confusion-shares"
    expected = {f"{n}.{kind}" for n in names.split() for kind in ("png", "svg")}
    assert {p.name for p in folder.figures.iterdir()} == expected


def test_the_report_is_the_same_when_written_again(run):
    folder = run()
    page = write_report(folder).read_bytes()
    figures = {p.name: p.read_bytes() for p in folder.figures.iterdir()}
    assert write_report(folder).read_bytes() == page
    assert {p.name: p.read_bytes() for p in folder.figures.iterdir()} == figures


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
    assert again["files"] == run.folder.read_json("checkpoints/best")["files"]


def test_uneven_classes_are_named(run, undrawn):
    folder = run()
    data = folder.read_json("data")
    data["splits"]["train"]["counts"] = [10, 900] + [450] * 8
    folder.write_json("data", data)
    assert "from 10 (airplane) to 900 (automobile)" in report(folder).text


def test_the_whole_recipe_is_on_the_page(run, undrawn):
    folder = run()
    said = report(folder).words
    (whole,) = [w for w in said if w.startswith("{") and '"optim"' in w]
    assert json.loads(whole) == json.loads((folder.path / "recipe.json").read_text())


def test_what_was_read_is_said_in_words(run, undrawn):
    folder = run()
    data = folder.read_json("data")
    data["source"] = {
        "kind": "folder",
        "path": "/home/somebody/secret",
        "origin": "pictures",
        "sizes": [{"height": 8, "width": w, "n": 1700 + w} for w in range(8, 14)],
        "distinct_sizes": 40,
        "modes": {"L": 17, "RGB": 2},
        "formats": {},
        "unreadable": ["a.png", "b.png"],
        "splits": {"validation": "cut from train", "test": "own"},
    }
    folder.write_json("data", data)
    said = report(folder).text
    assert "Sizes found 8x8 (1,708), 8x9 (1,709), 8x10 (1,710), 8x11 (1,711), and 36 more" in said
    assert "Modes found L (17), RGB (2)" in said
    assert "Unreadable, left out 2" in said
    assert "Splits validation: cut from train, test: own" in said
    assert "Formats found" not in said
    assert "secret" not in said
