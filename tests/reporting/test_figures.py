import math
import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from matplotlib.font_manager import fontManager
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
from tinysight.reporting.preview import preview, spread
from tinysight.reporting.theme import (
    DARK,
    LIGHT,
    as_drawn,
    cut,
    drawable,
    save,
    to_png,
    to_svg,
    widest,
)

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


@pytest.mark.parametrize("k", [100, 150, 300, 1000])
def test_names_beside_a_large_matrix_are_thinned_and_its_size_is_a_page_s(k):
    random = np.random.default_rng(0)
    names = tuple(f"class {i}" for i in range(k))
    labels = np.arange(k)
    metrics = measure(labels, np.eye(k, dtype=np.float32)[random.permutation(k)], names)
    figure = confusion(metrics)
    assert figure.get_size_inches()[0] * 72 < (1060 if k > 100 else 1250)
    axes = figure.axes[0]
    every = {100: 1, 150: 2, 300: 5, 1000: 20}[k]
    assert [t.get_text() for t in axes.get_yticklabels()] == list(names[::every])
    assert [t.get_text() for t in axes.get_xticklabels()] == list(names[::every])
    across = axes.transData.transform([(t, t) for t in axes.get_xticks()])
    assert np.abs(np.diff(across, axis=0)).min() >= 10
    said = texts(to_svg(figure))
    assert any(f"every {every}" in t for t in said) == (every > 1)


def test_columns_of_bars_stand_within_a_page(made_up):
    names = tuple(f"a class with a long name that is cut, {i}" for i in range(300))
    figure = class_accuracy(made_up.plausible(names, 2, 0.5, seed=1))
    assert figure.get_size_inches()[0] * 72 <= 1060
    assert len(figure.axes) == 3


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
    assert lines["Validation"].get_ydata() == pytest.approx(expected)
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


def test_rates_are_drawn_step_by_step(curves):
    rates = [(0.1 * i, 0.01 * i) for i in range(1, 11)]
    (axes,) = learning_curves(curves[:1], ["rate"], rates=rates).axes
    (line,) = axes.lines
    np.testing.assert_allclose(np.array(line.get_data()).T, rates)
    assert (axes.get_title(loc="left"), axes.get_xlim()) == ("Learning rate", (0.0, 1.0))
    (axes,) = learning_curves(curves[:1], ["rate"]).axes
    assert axes.lines[0].get_marker() == "o"
    assert axes.get_title(loc="left") == "Learning rate (at the epoch's end)"


@pytest.mark.parametrize(
    ("labels", "most", "chosen"),
    [
        ([1, 0, 1, 0], 6, [1, 0]),
        ([0] * 5 + [1] * 5 + [2] * 5, 6, [0, 5, 10]),
        (list(range(100)), 6, [0, 20, 40, 59, 79, 99]),
        ([7, 7, 3], 6, [2, 0]),  # classes without pictures are passed over
        ([4], 6, [0]),
        ([2, 1, 0], 1, [2]),
    ],
)
def test_a_preview_s_pictures_are_spread_over_the_classes(labels, most, chosen):
    assert spread(np.array(labels), most).tolist() == chosen


def test_names_that_no_font_has_are_drawn_as_numbers(curves):
    names = ("cat", "猫", "犬と鳥", "naïve", "ประเทศ")
    labels = np.arange(5).repeat(2)
    predicted = np.array([0, 1, 1, 0, 2, 2, 3, 3, 4, 4])
    metrics = measure(labels, np.eye(5, dtype=np.float32)[predicted], names)
    hidden = {i for i, name in enumerate(names) if not drawable(name)}
    for figure in all_figures(metrics, curves, LIGHT):
        to_png(figure)  # a missing glyph warns, and warnings are errors here
    shown = set(texts(to_svg(confusion(metrics))))
    for i, name in enumerate(names):
        assert (name in shown) == (i not in hidden)
        assert (f"class {i}" in shown) == (i in hidden)
    picture = np.zeros((5, 8, 8, 1), np.uint8)
    sheet = texts(to_svg(preview(picture, np.arange(5), names)))
    assert any("numbered where no font here" in t for t in sheet) == bool(hidden)


@pytest.fixture
def cat_font(tmp_path: Path) -> Iterator[None]:
    """A font of one sign, 猫, installed under the name of one that figures ask for."""
    builder = FontBuilder(1000)
    builder.setupGlyphOrder([".notdef", "cat"])
    builder.setupCharacterMap({ord("猫"): "cat"})
    pen = TTGlyphPen(None)
    pen.moveTo((0, 0))
    for corner in ((1800, 0), (1800, 700), (0, 700)):
        pen.lineTo(corner)
    pen.closePath()
    builder.setupGlyf({".notdef": TTGlyphPen(None).glyph(), "cat": pen.glyph()})
    builder.setupHorizontalMetrics({".notdef": (500, 0), "cat": (2000, 0)})
    builder.setupHorizontalHeader(ascent=800, descent=-200)
    builder.setupNameTable({"familyName": "Noto Sans CJK SC", "styleName": "Regular"})
    builder.setupOS2()
    builder.setupPost()
    builder.save(str(tmp_path / "cat.ttf"))
    before = list(fontManager.ttflist)
    fontManager.addfont(tmp_path / "cat.ttf")
    yield
    fontManager.ttflist = before


@pytest.mark.skipif(drawable("猫"), reason="a font here has the sign already")
def test_a_font_of_the_machine_that_has_the_sign_is_used(cat_font):
    assert drawable("猫 cat")
    assert not drawable("犬")
    assert widest(["猫"], 10) > 17  # the sign is 18 wide, whatever stands around it
    metrics = measure(np.array([0, 1]), np.eye(2, dtype=np.float32), ("猫", "犬"))
    to_png(confusion(metrics))
    assert {"猫", "class 1"} <= set(texts(to_svg(confusion(metrics))))


def test_names_that_differ_at_their_end_stay_apart():
    names = [f"a long name that is cut, number {i}" for i in (1, 2)]
    assert as_drawn(names, 16) == ["a long…number 1", "a long…number 2"]
    assert as_drawn([names[0], "cat"], 16) == ["a long name tha…", "cat"]
    assert all(len(name) <= 16 for name in as_drawn(names, 16))


def test_cut_keeps_names_printable_and_short():
    assert cut("cat", 5) == "cat"
    assert cut("caterpillar", 5) == "cate…"
    assert cut("a\x00\ud800b\n", 9) == "a\ufffd\ufffdb\ufffd"


def test_widest_measures_the_longest():
    assert widest(["i", "www"], 10) == widest(["www"], 10) > 3 * widest(["i"], 10) > 0


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


def test_a_preview_of_mixed_pictures_says_how_much_of_each_is_its_own():
    images = np.random.default_rng(0).integers(0, 255, (4, 32, 32, 3), dtype=np.uint8)
    rows = [images[:3], images[1:]]
    classes = ("a", "b")
    plain = preview(images, np.arange(4) % 2, classes, rows)
    mixed = preview(images, np.arange(4) % 2, classes, rows, [[1.0, 0.704, 0.25], [1.0, 0.5, 0.0]])
    shown = texts(to_svg(mixed))
    assert [t for t in shown if t.endswith("%")] == ["70%", "25%", "50%", "0%"]
    assert "Left: as it is; right: augmented; below, how much of it is the picture's own" in shown
    assert not [t for t in texts(to_svg(plain)) if t.endswith("%")]
    sheet = np.asarray(mixed.axes[0].images[0].get_array())
    assert all(_holds(sheet, picture) for picture in images)
