"""What each study compares, and what it says of numbers that are known: also the other way."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest
import torch
from tests.study.made_up import by_accuracy, of_study, outcome, results

from tinysight.data.dataset import DataSet
from tinysight.models import MODELS, build
from tinysight.study import STUDIES
from tinysight.study.design import SCALES
from tinysight.study.outcome import Results


def said(name: str, made: Results) -> dict[str, str]:
    """By the first word of a claim that tells it from the others, its answer."""
    return {found.claim: found.answer for found in STUDIES[name].findings(made)}


def answers(name: str, made: Results) -> list[str]:
    return [found.answer for found in STUDIES[name].findings(made)]


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("name", STUDIES)
def test_its_recipes_are_sound(name: str, scale: str, toy: DataSet) -> None:
    study = STUDIES[name]
    arms = study.arms(toy, scale)  # pyright: ignore[reportArgumentType]
    assert study.name == name
    names = [arm.name for arm in arms]
    assert len(set(names)) == len(names) > 1
    for arm in arms:
        assert arm.recipe.model_copy(update={"name": arm.name}).override("seed", 0)
        assert arm.recipe.keep == "last"  # nothing is chosen on what is compared
        assert arm.recipe.patience is arm.recipe.stop_at is None
        assert arm.recipe.model.name in MODELS
        build(arm.recipe.model, toy.shape, 3, mean=[0.5] * 3, deviation=[0.2] * 3, seed=0)
    assert len({a.recipe.model_dump_json() for a in arms}) == len(arms)


@pytest.mark.parametrize("name", STUDIES)
def test_its_parts_come_of_any_numbers(name: str, toy: DataSet) -> None:
    arms = [arm.name for arm in STUDIES[name].arms(toy, "small")]
    for accuracy in (0.4, 1.0):
        made = of_study(name, toy, dict.fromkeys(arms, accuracy), clean=accuracy)
        study = STUDIES[name]
        for found in study.findings(made):
            assert found.answer in ("yes", "no", "undecided")
            assert found.claim.endswith((".", "?"))
            assert found.numbers.endswith(".")
        assert set(study.sides(made)) <= set(arms)
        drawings = list(study.drawings(made))
        assert len({d.name for d in drawings}) == len(drawings) > 0
        for drawing in drawings:
            assert drawing.draw()
        for column in study.columns:
            assert column.value(made, arms[0])


GAPS = {"base": 0.95, "dropout": 0.8, "augmentation": 0.75, "both": 0.85}


def overfitted(
    accuracies: Mapping[str, float], clean: Mapping[str, float], running: float
) -> Results:
    more = {name: {"clean": clean[name], "running": running} for name in accuracies}
    return by_accuracy(accuracies, **more)


def test_overfitting_is_found_and_cured() -> None:
    accuracies = {"base": 0.6, "dropout": 0.65, "augmentation": 0.7, "both": 0.7}
    assert answers("overfitting", overfitted(accuracies, GAPS, 0.6)) == ["yes"] * 7


def test_overfitting_is_denied_where_there_is_none() -> None:
    """Cures for nothing: they lower everything and widen the gap."""
    accuracies = {"base": 0.7, "dropout": 0.65, "augmentation": 0.6, "both": 0.6}
    clean = {"base": 0.7, "dropout": 0.75, "augmentation": 0.75, "both": 0.5}
    assert answers("overfitting", overfitted(accuracies, clean, 0.7)) == ["no"] * 7


def test_the_rule_of_thumb_can_say_underfits() -> None:
    accuracies = {"base": 0.3, "dropout": 0.3, "augmentation": 0.3, "both": 0.3}
    made = overfitted(accuracies, dict.fromkeys(accuracies, 0.32), 0.3)
    assert STUDIES["overfitting"].columns[-1].value(made, "base") == "underfits"


def local(values: Sequence[float], toy: DataSet) -> Results:
    names = ("linear", "mlp", "cnn", "mlp-large")
    accuracy = dict(zip([*names, *(f"{n}-shuffled" for n in names)], values, strict=True))
    return of_study("mlp-vs-cnn", toy, accuracy)


def test_locality_makes_the_difference_or_does_not(toy: DataSet) -> None:
    found = local([0.4, 0.45, 0.7, 0.55, 0.4, 0.45, 0.42, 0.55], toy)
    assert answers("mlp-vs-cnn", found) == ["yes"] * 6
    other = local([0.5, 0.4, 0.3, 0.55, 0.5, 0.3, 0.4, 0.55], toy)
    assert answers("mlp-vs-cnn", other) == ["no"] * 6


def test_the_networks_have_equal_parameters(toy: DataSet) -> None:
    """As nearly as the widths that there are allow."""
    for shape, k in (((32, 32, 3), 10), ((32, 32, 1), 10)):
        images = torch.zeros(2, *shape, dtype=torch.uint8)
        data = replace(
            toy, classes=tuple("abcdefghij"[:k]), train=replace(toy.train, images=images)
        )
        arms = {a.name: a.recipe.model for a in STUDIES["mlp-vs-cnn"].arms(data, "full")}
        counts = {}
        for name in ("linear", "mlp", "cnn", "cnn-shuffled"):
            net = build(
                arms[name], shape, k, mean=[0.5] * shape[2], deviation=[0.2] * shape[2], seed=0
            )
            counts[name] = sum(p.numel() for p in net.parameters())
        assert max(counts.values()) / min(counts.values()) < 1.1, counts
        assert counts["cnn"] == counts["cnn-shuffled"]


def normalised(with_: Sequence[float], without: Sequence[float], *, first: float) -> Results:
    rates = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
    arms = {}
    for batchnorm, accuracies in ((False, without), (True, with_)):
        for rate, accuracy in zip(rates, accuracies, strict=True):
            name = f"{'with' if batchnorm else 'without'}-{rate:g}"
            made = [
                outcome(
                    name,
                    seed,
                    accuracy + 0.002 * (seed - 1),
                    first=0.5 + first * batchnorm + 0.001 * seed * batchnorm,
                    diverged=accuracy < 0.4,
                )
                for seed in range(3)
            ]
            arms[name] = ({"batchnorm": batchnorm, "rate": rate}, made)
    return results(arms)


def test_batch_norm_helps_or_does_not() -> None:
    steady, brittle = [0.8, 0.8, 0.8, 0.79, 0.78, 0.6], [0.5, 0.6, 0.7, 0.35, 0.34, 0.34]
    assert answers("batchnorm", normalised(steady, brittle, first=0.2)) == ["yes"] * 3
    assert answers("batchnorm", normalised(brittle, steady, first=-0.2)) == ["no"] * 3
    found = STUDIES["batchnorm"].findings(normalised(steady, brittle, first=0.2))[0]
    assert "0 diverged with it and 9 without" in found.numbers


def mapped(best: Mapping[int, float], largest: Mapping[int, float], small_wins: bool) -> Results:
    """A map whose best rate, and the largest that learns, are as given by batch size."""
    arms = {}
    for batch in best:
        for rate in (0.003, 0.01, 0.03, 0.1, 0.3, 1.0):
            top = 0.9 if (batch == min(best)) == small_wins else 0.7
            level = 0.34 if rate > largest[batch] else top if rate == best[batch] else 0.6
            name = f"{batch}-{rate:g}"
            made = [
                outcome(name, s, level + 0.002 * (s - 1), diverged=level < 0.4 and rate > 0.5)
                for s in range(3)
            ]
            arms[name] = ({"batch": batch, "rate": rate}, made)
    return results(arms)


def test_stability_is_a_matter_of_both_or_of_neither() -> None:
    grown = mapped({16: 0.01, 64: 0.03, 256: 0.1}, {16: 0.03, 64: 0.1, 256: 0.3}, True)
    found = said("stability", grown)
    assert list(found.values()) == ["yes"] * 4
    numbers = [f.numbers for f in STUDIES["stability"].findings(grown)]
    assert "power of 0.8" in numbers[1]
    assert "power of 0.8" in numbers[2]
    assert "18 of 54 trainings learned nothing" in numbers[0]
    assert "9 of them diverged" in numbers[0]
    flat = mapped({16: 0.03, 64: 0.03, 256: 0.03}, {16: 1.0, 64: 1.0, 256: 1.0}, False)
    assert answers("stability", flat) == ["no", "undecided", "undecided", "no"]
    falling = mapped({16: 0.1, 64: 0.03, 256: 0.01}, {16: 1.0, 64: 0.3, 256: 0.03}, False)
    assert answers("stability", falling) == ["yes", "no", "no", "no"]


def deep(toy: DataSet, accuracies: Mapping[str, float], clean: Mapping[str, float]) -> Results:
    arms = STUDIES["depth"].arms(toy, "small")
    return results(
        {
            arm.name: (
                arm.at,
                [
                    outcome(
                        arm.name,
                        seed,
                        accuracies[arm.name] + 0.002 * (seed - 1),
                        clean=clean[arm.name] + 0.001 * seed * (arm.at["depth"] > 8),
                    )
                    for seed in range(3)
                ],
            )
            for arm in arms
        }
    )


def test_depth_pays_or_does_not(toy: DataSet) -> None:
    names = [arm.name for arm in STUDIES["depth"].arms(toy, "small")]
    level, clean = dict.fromkeys(names, 0.6), dict.fromkeys(names, 0.7)
    paying = level | {"residual-20": 0.6, "residual-20-regularised": 0.8}
    paying |= {"plain-20-regularised": 0.4}
    held = clean | {"residual-20": 0.99, "residual-20-regularised": 0.85}
    assert answers("depth", deep(toy, paying, held)) == ["yes"] * 6
    losing = level | {"residual-20": 0.75, "residual-20-regularised": 0.3}
    losing |= {"plain-20-regularised": 0.8}
    bare = clean | {"residual-20": 0.5, "residual-20-regularised": 0.9}
    assert answers("depth", deep(toy, losing, bare)) == ["no"] * 6


def test_transforms_help_or_do_not(toy: DataSet) -> None:
    names = [arm.name for arm in STUDIES["augmentation"].arms(toy, "small")]
    helping = dict.fromkeys(names, 0.7) | {"none": 0.6, "together": 0.8}
    assert set(answers("augmentation", of_study("augmentation", toy, helping))) == {"yes"}
    harming = dict.fromkeys(names, 0.5) | {"none": 0.6, "together": 0.4}
    assert set(answers("augmentation", of_study("augmentation", toy, harming))) == {"no"}


def test_mirror_images_are_left_out_where_they_are_of_no_class(toy: DataSet) -> None:
    still = replace(toy, mirror=False)
    arms = {arm.name: arm.recipe for arm in STUDIES["augmentation"].arms(still, "small")}
    assert "flip" not in arms
    assert not arms["together"].augment.flip
    assert arms["together"].augment.rotate == 15
