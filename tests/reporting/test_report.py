import json
import re

import numpy as np
import pytest
from tests.reporting.pages import SECTIONS, report

import tinysight
from tinysight.evaluation.metrics import measure
from tinysight.reporting import html, write_report
from tinysight.reporting.formats import about
from tinysight.reporting.gathering import gather
from tinysight.reporting.plots import extremes


@pytest.fixture(scope="module")
def page(make_run, tmp_path_factory):
    """The page of a complete run."""
    return report(make_run(tmp_path_factory.mktemp("report") / "run"))


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
    run.folder.write({"metrics.csv": text})
    assert gather(run.folder).rates == []  # not what was recorded


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


def test_figures_are_left_as_png_and_svg(run):
    folder = run()
    write_report(folder)
    names = "curve-accuracy curve-loss curve-rate test-class-accuracy test-confused-pairs "
    names += "test-confusion-counts test-confusion-shares"
    expected = {f"{n}.{kind}" for n in names.split() for kind in ("png", "svg")}
    assert {p.name for p in (folder.path / "evaluation" / "figures").iterdir()} == expected


def test_the_report_is_the_same_when_written_again(run):
    folder = run()
    page = write_report(folder).read_bytes()
    figures = {p.name: p.read_bytes() for p in (folder.path / "evaluation" / "figures").iterdir()}
    assert write_report(folder).read_bytes() == page
    assert {
        p.name: p.read_bytes() for p in (folder.path / "evaluation" / "figures").iterdir()
    } == figures


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
