import math
import re
from pathlib import Path
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pytest
from PIL import Image

from tinysight.errors import ResourceError
from tinysight.evaluation.metrics import measure
from tinysight.reporting.figures import (
    PANELS,
    class_accuracy,
    confused_pairs,
    learning_curves,
)
from tinysight.reporting.inlining import inline
from tinysight.reporting.matrix import confusion
from tinysight.reporting.preview import preview
from tinysight.reporting.theme import DARK, LIGHT, cut, save, to_svg, widest

HOSTILE = (
    "$x",
    r"$\frac{$",
    "<script>&'\"",
    "naïve 猫 \u202e",
    "a\nb\x00",
    "  ",
    "w" * 300,
    "\ud800",
)


def texts(svg: str) -> list[str]:
    return [
        (e.text or "") for e in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")
    ]


def hostile_metrics():
    labels = np.arange(len(HOSTILE)).repeat(3)
    found = np.eye(len(HOSTILE), dtype=np.float32)[(labels + (np.arange(len(labels)) % 3 == 0)) % 8]
    return measure(labels, found, HOSTILE)


def all_figures(metrics, rows, theme):
    yield learning_curves(rows, best=2, theme=theme)
    yield class_accuracy(metrics, theme=theme)
    yield confused_pairs(metrics, theme=theme)
    yield confusion(metrics, theme=theme)
    yield confusion(metrics, normalised=True, theme=theme)


def test_files_are_the_same_from_call_to_call(tmp_path: Path, metrics, curves):
    for i, (first, second) in enumerate(
        zip(all_figures(metrics, curves, LIGHT), all_figures(metrics, curves, LIGHT), strict=True)
    ):
        for a, b in zip(
            save(first, tmp_path / f"a{i}"), save(second, tmp_path / f"b{i}"), strict=True
        ):
            assert a.read_bytes() == b.read_bytes()


def test_save_names_both_files_and_keeps_dots_in_the_name(tmp_path: Path, curves):
    png, svg = save(learning_curves(curves), tmp_path / "deep" / "v1.2-curves")
    assert (png.name, svg.name) == ("v1.2-curves.png", "v1.2-curves.svg")
    with Image.open(png) as picture:
        assert picture.size == (2 * (3 * 340 + 32), 2 * (264 + 32))
    assert "<dc:date>" not in svg.read_text()


def test_save_says_when_the_disk_does_not_take_it(tmp_path: Path, curves):
    (tmp_path / "file").write_text("")
    with pytest.raises(ResourceError, match=r"cannot write .*figure\.png"):
        save(learning_curves(curves), tmp_path / "file" / "figure")


def test_drawing_leaves_matplotlib_as_found(tmp_path: Path, metrics, curves):
    before = dict(matplotlib.rcParams.copy())
    for figure in all_figures(metrics, curves, DARK):
        to_svg(figure)
    assert dict(matplotlib.rcParams.copy()) == before


@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_any_class_name_can_be_drawn(theme, curves):
    metrics = hostile_metrics()
    for figure in all_figures(metrics, curves, theme):
        page = inline(to_svg(figure), prefix="p-", label="<&>")
        assert "<script" not in page
    shown = texts(to_svg(confusion(metrics, theme=theme)))
    assert r"$\frac{$" in shown
    assert "<script>&'\"" in shown


def test_a_hundred_classes_are_all_named_and_the_heat_map_stays_small(made_up):
    names = made_up.CIFAR100
    metrics = made_up.plausible(names, 20, 0.5, seed=1)
    svg = to_svg(confusion(metrics))
    assert [texts(svg).count(name) for name in names] == [3] * 100  # left, below, above
    assert len(svg) < 400_000
    assert svg.count("<image") == 1 + 1  # the mesh, and the scale beside it
    bars = texts(to_svg(class_accuracy(metrics)))
    assert set(names) <= set(bars)


def test_the_labels_of_a_hundred_classes_do_not_overlap(made_up):
    metrics = made_up.plausible(made_up.CIFAR100, 20, 0.5, seed=1)
    axes = confusion(metrics).axes[0]
    pixels = axes.transData.transform([(0, i) for i in range(101)])
    assert np.abs(np.diff(pixels[:, 1])).min() >= 10  # a line of 9 px type for each
    assert {t.get_fontsize() for t in axes.get_yticklabels()} == {9}


def test_cells_show_counts_and_shares():
    labels = np.array([0] * 4 + [1] * 300)
    predicted = np.array([0, 0, 0, 1] + [1] * 299 + [0])
    metrics = measure(labels, np.eye(2, dtype=np.float32)[predicted], ("cat", "dog"))
    counts = texts(to_svg(confusion(metrics)))
    assert {"3", "1", "299"} <= set(counts)
    shares = texts(to_svg(confusion(metrics, normalised=True)))
    assert {"75", "25", "100", "<1"} <= set(shares)


def test_bars_are_sorted_and_classes_without_pictures_come_last():
    labels, predicted = np.array([0, 0, 1, 1, 2]), np.array([0, 1, 1, 1, 0])
    metrics = measure(labels, np.eye(4, dtype=np.float32)[predicted], ("a", "b", "z", "d"))
    figure = class_accuracy(metrics)
    axes = figure.axes[0]
    assert [t.get_text() for t in axes.get_yticklabels()] == ["b", "a", "z", "d"]
    assert [round(p.get_width(), 6) for p in axes.patches] == [1.0, 0.5, 0.0]  # pyright: ignore
    assert "none" in texts(to_svg(figure))
    whiskers = axes.collections[0].get_segments()  # pyright: ignore[reportAttributeAccessIssue]
    assert whiskers[1][:, 0] == pytest.approx([0.0945312, 0.9054688], abs=1e-6)  # Wilson, 1 of 2


def test_confused_pairs_say_count_and_share():
    labels, predicted = np.array([0] * 4 + [1] * 4), np.array([1, 1, 1, 0, 0, 1, 1, 1])
    metrics = measure(labels, np.eye(2, dtype=np.float32)[predicted], ("cat", "dog"))
    shown = texts(to_svg(confused_pairs(metrics)))
    assert shown.index("cat → dog") < shown.index("dog → cat")
    assert {"3  (75.0%)", "1  (25.0%)"} <= set(shown)


def test_no_mistake_draws_an_empty_chart():
    metrics = measure(np.array([0, 1]), np.eye(2, dtype=np.float32), ("a", "b"))
    assert "Most confused" in texts(to_svg(confused_pairs(metrics)))


def test_curves_hold_the_rows_and_mark_the_best_epoch(curves):
    figure = learning_curves(curves, best=7)
    assert len(figure.axes) == len(PANELS)
    lines = {line.get_label(): line for line in figure.axes[1].lines}
    expected = [row["validation_accuracy"] for row in curves]
    assert lines["validation"].get_ydata() == pytest.approx(expected)
    ring = figure.axes[1].lines[-1]
    assert np.array(ring.get_data()).tolist() == [[7], [expected[6]]]
    assert [a.get_title(loc="left").split()[0] for a in figure.axes] == [
        "Loss",
        "Accuracy",
        "Learning",
    ]


def test_curves_of_one_epoch_and_of_a_gap_are_drawn(curves):
    assert learning_curves(curves[:1]).axes[0].lines[0].get_marker() == "o"
    curves[3]["train_accuracy_clean"] = math.nan
    curves[4]["validation_loss"] = math.nan
    to_svg(learning_curves(curves, best=5))


def test_preview_shows_each_class_and_the_augmented_rows():
    random = np.random.default_rng(0)
    images = random.integers(0, 255, (30, 32, 32, 3), dtype=np.uint8)
    labels = np.arange(30) % 3
    rows = [images[i : i + 5] for i in range(2)]
    figure = preview(images, labels, ("cat", "$dog", "none", "empty"), rows, each=4)
    shown = texts(to_svg(figure))
    assert {"cat", "$dog", "none", "empty", "no pictures", "As training sees them"} <= set(shown)
    sheet = np.asarray(figure.axes[0].images[0].get_array())
    found = [_holds(sheet, images[i]) for i in range(30)]
    assert [i for i, there in enumerate(found) if there] == list(range(12))  # four of each class


def _holds(sheet: np.ndarray, picture: np.ndarray) -> bool:
    """Whether the picture stands on the sheet, pixel for pixel, at some scale of one."""
    rows, columns = np.where((sheet[: -31 or None, : -31 or None] == picture[0, 0]).all(-1))
    return any(
        (sheet[y : y + 32, x : x + 32] == picture).all() for y, x in zip(rows, columns, strict=True)
    )


def test_preview_of_grey_pictures_and_a_hundred_classes(made_up):
    images = np.zeros((200, 8, 8, 1), dtype=np.uint8)
    figure = preview(images, np.arange(200) % 100, made_up.CIFAR100, theme=DARK)
    assert set(made_up.CIFAR100) <= set(texts(to_svg(figure)))


def test_cut_keeps_names_printable_and_short():
    assert cut("cat", 5) == "cat"
    assert cut("caterpillar", 5) == "cate…"
    assert cut("a\x00\ud800b\n", 9) == "a\ufffd\ufffdb\ufffd"


def test_widest_measures_the_longest():
    assert widest(["i", "www"], 10) == widest(["www"], 10) > 3 * widest(["i"], 10) > 0
    assert widest(["猫猫"], 10) > 15


def test_inline_shares_no_id_and_nothing_that_leaves_the_page(metrics):
    svg = to_svg(confusion(metrics))
    first, second = (inline(svg, prefix=p, label="x") for p in ("a-", "b (1)-"))
    ids = [set(re.findall(r' id="([^"]*)"', page)) for page in (first, second)]
    assert ids[0]
    assert not ids[0] & ids[1]
    used = set(re.findall(r"url\(#([^)]*)\)", first)) | set(re.findall(r'href="#([^"]*)"', first))
    assert used <= ids[0]
    for gone in ("http", "<metadata", "<style", "DejaVu", "<?xml"):
        assert gone not in first


def test_epochs_of_the_fixture_are_what_training_writes(made_up):
    names = (
        "epoch step learning_rate train_loss_running train_accuracy_running train_loss_clean "
        "train_accuracy_clean validation_loss validation_accuracy pictures_per_second seconds"
    )
    assert list(made_up.epochs(1, 0.8)[0]) == names.split()
