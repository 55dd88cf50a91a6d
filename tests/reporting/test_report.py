import json
import re
import shutil
from html.parser import HTMLParser

import pytest

from tinysight.errors import CheckpointError
from tinysight.evaluation.metrics import Metrics
from tinysight.reporting import write_report
from tinysight.reporting.gathering import gather

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
    assert "(epoch 11) was chosen on validation" in said


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
    assert "Training time 5 min 50 s" in said
    assert "Peak memory 1.31 GB" in said
    assert "312eba2e95c7a84e…" in said
    assert "train 4,500 450 of each class learning" in said


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
    assert found.validation.n == 500  # of data.json
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


def test_the_surest_mistake_comes_first(run, undrawn):
    folder = run(splits=("validation",))
    cards = folder.read_json("evaluation/validation/gallery")
    cards["wrong"].reverse()
    folder.write_json("evaluation/validation/gallery", cards)
    said = report(folder).text
    gallery = said[said.index("The surest mistakes first") : said.index("Some of each class")]
    shown = [int(p) for p in re.findall(r"(?<!is )\b(\d+)% is ", gallery)]
    assert shown == sorted(shown, reverse=True)
    assert gallery.index(">99%") < gallery.index("98%")


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


def test_how_to_repeat_it(run, undrawn, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = run()
    data, environment = folder.read_json("data"), folder.read_json("environment")

    def said(origin, command=None):
        data["source"]["origin"] = origin
        folder.write_json("data", data)
        folder.write_json("environment", environment | {"command": command})
        return report(folder).text

    end = "--recipe run-0/recipe.json --evaluate-test"
    assert f"tinysight train data/cifar {end}" in said("data/cifar")
    assert f"tinysight train 'my data; rm -rf x' {end}" in said("my data; rm -rf x")
    assert f"tinysight train data/cifar {end}" in said(str(tmp_path / "data/cifar"))
    assert f"tinysight train path/to/cifar {end}" in said("/home/somebody/cifar")
    given = f"tinysight train {tmp_path}/../cifar --recipe quick"
    assert f"tinysight train {tmp_path}/../cifar {end}" in said(
        str((tmp_path / "../cifar").resolve()), given
    )
    assert f"tinysight train digits {end}" in said("digits", "tinysight 'no end")
    assert "Its data was in memory." in said(None)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert "--recipe path/to/run-0/recipe.json" in said("digits")


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
