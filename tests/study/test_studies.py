"""What each study trains, and that all of its parts come of any numbers."""

from dataclasses import replace
from itertools import product

import pytest
import torch
from tests.study.made_up import of_study

from tinysight.data.dataset import DataSet
from tinysight.errors import UsageError
from tinysight.models import MODELS, build
from tinysight.recipe import Recipe
from tinysight.study import STUDIES
from tinysight.study.design import SCALES

VERDICTS = ("overfits", "fits", "underfits", "undecided")
COUNTS = ("Parameters", "Learned nothing", "Diverged")


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("name", STUDIES)
def test_its_recipes_are_sound(name: str, scale: str, toy: DataSet) -> None:
    study = STUDIES[name]
    arms = study.arms(toy, scale)  # pyright: ignore[reportArgumentType]
    assert study.name == name
    names = [arm.name for arm in arms]
    assert len(set(names)) == len(names) > 1
    for arm in arms:
        assert Recipe(**{**arm.recipe.model_dump(), "name": arm.name}).name == arm.name
        assert arm.recipe.keep == "last"  # nothing is chosen on what is compared
        assert arm.recipe.patience is arm.recipe.stop_at is None
        assert arm.recipe.model.name in MODELS
        build(arm.recipe.model, toy.shape, 3, mean=[0.5] * 3, deviation=[0.2] * 3, seed=0)
    assert len({a.recipe.model_dump_json() for a in arms}) == len(arms)


@pytest.mark.parametrize("name", STUDIES)
@pytest.mark.parametrize(
    "case", ["alike", "all right", "one seed", "two classes", "first broke", "all broke"]
)
def test_its_parts_come_of_any_numbers(name: str, case: str, toy: DataSet) -> None:
    study = STUDIES[name]
    arms = [arm.name for arm in study.arms(toy, "small")]
    seeds = 1 if case == "one seed" else 3
    broken = {"first broke": [(arms[0], 0)], "all broke": [(a, s) for a in arms for s in range(3)]}
    made = of_study(
        name,
        toy,
        dict.fromkeys(arms, 1.0 if case == "all right" else 0.7),
        seeds=seeds,
        classes=2 if case == "two classes" else 3,
        broken=broken.get(case, []),
    )
    for found in study.findings(made):
        assert found.answer == "undecided" or case != "all broke", found
        assert found.claim.endswith(".")
        assert found.numbers.endswith(".")
        assert "nan" not in found.numbers
        assert "inf" not in found.numbers
    assert set(study.sides(made)) <= set(arms)
    drawings = list(study.drawings(made))
    assert len({d.name for d in drawings}) == len(drawings) > 0
    for drawing in drawings:
        assert drawing.draw().get_axes()
        assert "%" in drawing.said or "points" in drawing.said or drawing.name == "epochs"
    for column, arm in product(study.columns, arms):
        value = column.value(made, arm)
        said = value if isinstance(value, str) else column.said(value)
        assert any(c.isdigit() for c in said) or said in VERDICTS
        on_training_pictures = column.title not in COUNTS and "Validation" not in column.title
        if made.diverged(arm) and on_training_pictures:
            assert said == f"{made.diverged(arm)} of 3 diverged"


@pytest.mark.parametrize("name", STUDIES)
def test_what_is_alike_is_not_told_apart(name: str, toy: DataSet) -> None:
    """Where all arms have the same answers right no claim of a difference is a yes."""
    arms = [arm.name for arm in STUDIES[name].arms(toy, "small")]
    made = of_study(name, toy, dict.fromkeys(arms, 0.7), running=0.7, first=0.5)
    for found in STUDIES[name].findings(made):
        assert found.answer != "yes", found


@pytest.mark.parametrize(
    ("shape", "k", "within"),
    [
        ((32, 32, 3), 10, 1.1),
        ((32, 32, 1), 10, 1.1),
        ((32, 32, 3), 100, 1.1),
        ((64, 64, 3), 200, 1.1),
    ],
)
def test_the_networks_have_equal_parameters(
    shape: tuple[int, int, int], k: int, within: float, toy: DataSet
) -> None:
    """As nearly as the widths that there are allow; the larger perceptron is far larger."""
    images = torch.zeros(2, *shape, dtype=torch.uint8)
    classes = tuple(map(str, range(k)))
    data = replace(toy, classes=classes, train=replace(toy.train, images=images))
    arms = {a.name: a.recipe.model for a in STUDIES["mlp-vs-cnn"].arms(data, "full")}
    c = shape[2]
    counts = {
        name: sum(
            p.numel()
            for p in build(
                arms[name], shape, k, mean=[0.5] * c, deviation=[0.2] * c, seed=0
            ).parameters()
        )
        for name in ("linear", "mlp", "cnn", "cnn-shuffled", "mlp-large")
    }
    large = counts.pop("mlp-large")
    assert max(counts.values()) / min(counts.values()) < within, counts
    assert large > 4 * max(counts.values())
    assert counts["cnn"] == counts["cnn-shuffled"]


def test_stability_needs_batches_of_two_sizes(toy: DataSet) -> None:
    few = replace(toy, train=toy.train.take(torch.arange(12)))
    with pytest.raises(UsageError, match="stability compares batches of 16 pictures and more"):
        STUDIES["stability"].arms(few, "small")


def test_mirror_images_are_left_out_where_they_are_of_no_class(toy: DataSet) -> None:
    still = replace(toy, mirror=False)
    arms = {arm.name: arm.recipe for arm in STUDIES["augmentation"].arms(still, "small")}
    assert "flip" not in arms
    assert not arms["together"].augment.flip
    assert arms["together"].augment.rotate == 15
    assert (arms["crop"].augment.crop, arms["cutout"].augment.cutout) == (1, 2)  # of 8 pixels
