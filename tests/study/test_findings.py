"""What each study says of numbers that are known: also the other way."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

import pytest
from tests.study.made_up import by_accuracy, of_study, outcome, results

from tinysight.data.dataset import DataSet
from tinysight.study import STUDIES
from tinysight.study.outcome import Results
from tinysight.study.saying import points


def answers(name: str, made: Results) -> list[str]:
    return [found.answer for found in STUDIES[name].findings(made)]


GAPS = {"base": 0.95, "dropout": 0.8, "augmentation": 0.75, "both": 0.85}


def overfitted(
    accuracies: Mapping[str, float], clean: Mapping[str, float], running: float
) -> Results:
    more = {name: {"clean": clean[name], "running": running} for name in accuracies}
    return by_accuracy(accuracies, **more)


def test_overfitting_is_found_and_cured() -> None:
    accuracies = {"base": 0.6, "dropout": 0.65, "augmentation": 0.7, "both": 0.7}
    assert answers("overfitting", overfitted(accuracies, GAPS, 0.6)) == ["yes"] * 8


def test_overfitting_is_denied_where_there_is_none() -> None:
    """Cures for nothing: they lower everything and widen the gap."""
    accuracies = {"base": 0.7, "dropout": 0.65, "augmentation": 0.6, "both": 0.6}
    clean = {"base": 0.7, "dropout": 0.75, "augmentation": 0.75, "both": 0.5}
    assert answers("overfitting", overfitted(accuracies, clean, 0.7)) == ["no"] * 8


def test_what_learned_nothing_has_no_gap_to_speak_of() -> None:
    """With dropout the training is lost, and so is the gap: that is no cure."""
    accuracies = {"base": 0.6, "dropout": 0.33, "augmentation": 0.7, "both": 0.7}
    made = overfitted(accuracies, GAPS | {"dropout": 0.33}, 0.6)
    found = {f.claim: f for f in STUDIES["overfitting"].findings(made)}
    lost = found["Dropout narrows the gap."]
    assert lost.answer == "undecided"
    assert lost.moot == "Trainings that learned nothing: 3 of 3 with dropout."
    assert found["Augmentation narrows the gap."].answer == "yes"
    assert found["Augmentation narrows the gap."].moot == ""
    assert found["Dropout makes it better on new pictures."].answer == "no"


def test_of_one_seed_no_count_of_rates_is_an_answer() -> None:
    """One rate more in a single run says nothing of other runs; nor does a slope."""
    made = normalised([0.8] * 6, [0.3] * 5 + [0.8], first=0.2)
    single = replace(made, outcomes={arm: [o[0]] for arm, o in made.outcomes.items()})
    assert answers("batchnorm", made)[0] == "yes"
    assert answers("batchnorm", single)[0] == "undecided"
    grown = mapped({16: 0.01, 64: 0.03, 256: 0.1}, {16: 0.03, 64: 0.1, 256: 0.3}, True)
    single = replace(grown, outcomes={arm: [o[0]] for arm, o in grown.outcomes.items()})
    assert answers("stability", single)[1:3] == ["undecided"] * 2


def test_what_is_picked_has_an_interval_that_allows_for_it(toy: DataSet) -> None:
    """The best of six stands against one: with its interval alone it would win too often."""
    names = [arm.name for arm in STUDIES["augmentation"].arms(toy, "small")]
    made = of_study("augmentation", toy, dict.fromkeys(names, 0.7))
    together, best, *alone = STUDIES["augmentation"].findings(made)
    assert together.estimate.level == 0.95
    assert best.estimate.level == pytest.approx(1 - 0.05 / 6)
    assert {f.estimate.level for f in alone} == {1 - (1 - 0.95) / len(alone)}
    made = normalised([0.8] * 6, [0.7] * 6, first=0.2)
    assert [f.estimate.level for f in STUDIES["batchnorm"].findings(made)] == pytest.approx(
        [0.95, 1 - 0.05 / 6, 1 - 0.05 / 6]
    )
    grown = mapped({16: 0.01, 64: 0.03}, {16: 0.03, 64: 0.1}, True)
    ruined, *_, won = STUDIES["stability"].findings(grown)
    assert ruined.estimate.level == won.estimate.level == pytest.approx(1 - 0.05 / 6)
    assert {name for name, study in STUDIES.items() if study.picked > 1} == {
        "batchnorm",
        "stability",
    }


def test_the_figure_has_the_intervals_of_the_findings(toy: DataSet) -> None:
    names = [arm.name for arm in STUDIES["augmentation"].arms(toy, "small")]
    made = of_study("augmentation", toy, dict.fromkeys(names, 0.7) | {"none": 0.66})
    said = next(iter(STUDIES["augmentation"].drawings(made))).said
    found = STUDIES["augmentation"].findings(made)
    assert f"together {points(found[0].estimate)}" in said
    assert all(points(f.estimate) in said for f in found[2:])


def test_an_advantage_that_is_hardly_known_is_not_gone(toy: DataSet) -> None:
    """Of 4 points, give or take 3, a fifth is a limit that is not known either."""
    found = local([0.4, 0.45, 0.5, 0.45, 0.4, 0.45, 0.4516, 0.45], toy)
    last = STUDIES["mlp-vs-cnn"].findings(found)[5]
    left = 0.4516 - 0.45 - 0.2 * 0.05
    assert last.estimate.value == pytest.approx(left, abs=0.002)
    assert last.is_less


def test_the_table_says_what_the_findings_say() -> None:
    verdict = STUDIES["overfitting"].columns[-1].value
    accuracies = {"base": 0.6, "dropout": 0.3, "augmentation": 0.9, "both": 0.8}
    clean = {"base": 0.9, "dropout": 0.32, "augmentation": 0.92, "both": 0.9}
    made = overfitted(accuracies, clean, 0.3)
    said = [verdict(made, arm) for arm in accuracies]
    assert said == ["overfits", "underfits", "fits", "undecided"]
    broken = results(
        {"base": ({}, [outcome("base", 0, 0.5, diverged=True), outcome("base", 1, 0.5)])}
    )
    assert verdict(broken, "base") == "1 of 2 diverged"


def local(values: Sequence[float], toy: DataSet) -> Results:
    names = ("linear", "mlp", "cnn", "mlp-large")
    accuracy = dict(zip([*names, *(f"{n}-shuffled" for n in names)], values, strict=True))
    return of_study("mlp-vs-cnn", toy, accuracy)


def test_locality_makes_the_difference_or_does_not(toy: DataSet) -> None:
    found = local([0.4, 0.45, 0.8, 0.55, 0.4, 0.45, 0.42, 0.55], toy)
    assert answers("mlp-vs-cnn", found) == ["yes"] * 6
    kept = local([0.5, 0.45, 0.8, 0.9, 0.5, 0.35, 0.85, 0.9], toy)
    assert answers("mlp-vs-cnn", kept) == ["yes", "no", "no", "no", "no", "no"]
    worse = local([0.5, 0.4, 0.3, 0.55, 0.5, 0.3, 0.4, 0.55], toy)
    assert answers("mlp-vs-cnn", worse)[0] == "no"
    assert answers("mlp-vs-cnn", worse)[5] == "undecided"  # there was no advantage to go
    blind = local([0.34, 0.33, 0.8, 0.34, 0.34, 0.33, 0.33, 0.34], toy)
    assert answers("mlp-vs-cnn", blind)[4] == "undecided"  # a guess has nothing to lose


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
    assert "0 with it, of which 0 diverged, and 9 without, of which 9 did" in found.numbers
    useless = normalised([0.5, 0.6, 0.9, 0.9, 0.5, 0.5], [0.34] * 6, first=0.2)
    assert answers("batchnorm", useless)[0] == "yes"  # at no rate does it work without


def mapped(best: Mapping[int, float], largest: Mapping[int, float], small_wins: bool) -> Results:
    """A map whose best rate, and the largest that learns, are as given by batch size."""
    arms = {}
    for batch in best:
        for rate in (0.003, 0.01, 0.03, 0.1, 0.3, 1.0):
            top = 0.9 if (batch == min(best)) == small_wins else 0.7
            level = 0.34 if rate > largest[batch] else top if rate == best[batch] else 0.69
            name = f"{batch}-{rate:g}"
            made = [
                outcome(name, s, level + 0.002 * (s - 1), diverged=level < 0.4 and rate > 0.5)
                for s in range(3)
            ]
            arms[name] = ({"batch": batch, "rate": rate}, made)
    return results(arms)


def test_stability_is_a_matter_of_both_or_of_neither() -> None:
    grown = mapped({16: 0.01, 64: 0.03, 256: 0.1}, {16: 0.03, 64: 0.1, 256: 0.3}, True)
    assert answers("stability", grown) == ["yes"] * 4
    numbers = [f.numbers for f in STUDIES["stability"].findings(grown)]
    assert "power of 0.8" in numbers[1]
    assert "power of 0.8" in numbers[2]
    assert "lowest or the highest" not in numbers[1]
    assert "Of 27 trainings above the best rate" in numbers[0]
    assert "18 learned nothing, of which 9 diverged" in numbers[0]
    flat = mapped({16: 0.03, 64: 0.03, 256: 0.03}, {16: 1.0, 64: 1.0, 256: 1.0}, False)
    assert answers("stability", flat) == ["no", "undecided", "undecided", "no"]
    falling = mapped({16: 0.1, 64: 0.03, 256: 0.01}, {16: 1.0, 64: 0.3, 256: 0.03}, False)
    assert answers("stability", falling) == ["no", "no", "no", "no"]
    numbers = [f.numbers for f in STUDIES["stability"].findings(flat)]
    assert "In 9 of 9 it is the lowest or the highest rate tried, and may lie beyond." in numbers[2]


def test_half_of_the_way_is_from_a_guess_to_the_best() -> None:
    """Between 33 and 90 % it lies at 62: 55 % is ruined, 69 % is not."""
    made = mapped({16: 0.01, 64: 0.01, 256: 0.01}, {16: 0.03, 64: 0.1, 256: 0.3}, True)
    half = {**made.outcomes, "16-1": [outcome("16-1", s, 0.55) for s in range(3)]}
    assert answers("stability", replace(made, outcomes=half))[:3] == ["yes", "undecided", "yes"]
    more = {**made.outcomes, "16-1": [outcome("16-1", s, 0.69) for s in range(3)]}
    assert answers("stability", replace(made, outcomes=more))[0] == "no"


def test_what_is_too_slow_is_not_called_too_high() -> None:
    """Only the lowest rate learns nothing."""
    made = mapped({16: 0.03, 64: 0.03}, {16: 1.0, 64: 1.0}, True)
    slow = {**made.outcomes, "16-0.003": [outcome("16-0.003", s, 0.3) for s in range(3)]}
    made = replace(made, outcomes=slow)
    found = STUDIES["stability"].findings(made)[0]
    assert found.answer == "no"
    assert "0 learned nothing" in found.numbers
    draw = next(iter(STUDIES["stability"].drawings(made))).draw
    assert isinstance(draw, partial)
    marks = draw.args[1]
    assert marks[0][0] == "○ 3 of 3"
    assert {mark for row in marks for mark in row} == {"", "○ 3 of 3"}


def deep(toy: DataSet, accuracies: Mapping[str, float], clean: Mapping[str, float]) -> Results:
    def of(arm: str, seed: int) -> float:
        return clean[arm] + 0.001 * seed * ("-20" in arm)

    return of_study("depth", toy, accuracies, clean=of)


def test_depth_pays_or_does_not(toy: DataSet) -> None:
    names = [arm.name for arm in STUDIES["depth"].arms(toy, "small")]
    level, clean = dict.fromkeys(names, 0.6), dict.fromkeys(names, 0.7)
    paying = level | {"residual-20": 0.6, "residual-20-regularised": 0.8}
    paying |= {"plain-20-regularised": 0.4}
    held = clean | {"residual-20": 0.99, "residual-20-regularised": 0.85}
    assert answers("depth", deep(toy, paying, held)) == ["yes"] * 6
    losing = level | {"residual-20": 0.75, "residual-20-regularised": 0.4}
    losing |= {"plain-20-regularised": 0.8}
    bare = clean | {"residual-20": 0.5, "residual-20-regularised": 0.9}
    assert answers("depth", deep(toy, losing, bare)) == ["no"] * 6


def test_transforms_help_or_do_not(toy: DataSet) -> None:
    names = [arm.name for arm in STUDIES["augmentation"].arms(toy, "small")]
    helping = dict.fromkeys(names, 0.7) | {"none": 0.6, "together": 0.8}
    assert set(answers("augmentation", of_study("augmentation", toy, helping))) == {"yes"}
    harming = dict.fromkeys(names, 0.5) | {"none": 0.6, "together": 0.4}
    assert set(answers("augmentation", of_study("augmentation", toy, harming))) == {"no"}
