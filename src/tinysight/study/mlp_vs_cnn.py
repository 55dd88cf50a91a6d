"""Is it because neighbouring pixels belong together that a CNN beats a perceptron?"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from tinysight.models import MODELS
from tinysight.recipe import Model, Optim, Recipe, Schedule
from tinysight.recipes.adapting import batch_size
from tinysight.study import drawing
from tinysight.study.arms import facts_of, fixed
from tinysight.study.columns import CLEAN, VALIDATION
from tinysight.study.design import Arm, Column, Drawing, Finding, Scale, Study
from tinysight.study.estimate import answer, interaction
from tinysight.study.outcome import Results
from tinysight.study.saying import percent, points

if TYPE_CHECKING:
    from tinysight.data.dataset import DataSet

__all__ = ["STUDY"]

LINEAR, MLP, CNN, LARGE = "linear", "mlp", "cnn", "mlp-large"
ORDER = 1  # the seed of the one order that pixels are shuffled into
LARGER = 4  # times the perceptron's layer, that of the larger one at least
GONE = 0.2  # of an advantage: where less is left, it is gone
EPOCHS = {"small": 8, "full": 15}


def _networks(data: DataSet) -> dict[str, Model]:
    """The networks, of which the linear one is given and the others are sized by it."""
    shape, k = data.shape, len(data.classes)
    size = _parameters(shape, k, "linear")
    hidden = _nearest(size, lambda h: _parameters(shape, k, "mlp", hidden=(h,)), 16_384)
    width = _nearest(size, lambda w: _parameters(shape, k, "plain", width=w), 512)
    large = max(512, LARGER * hidden)
    return {
        LINEAR: Model(name="linear"),
        MLP: Model.model_validate({"name": "mlp", "hidden": [hidden]}),
        CNN: Model.model_validate({"name": "plain", "width": width}),
        LARGE: Model.model_validate({"name": "mlp", "hidden": [large, large // 2]}),
    }


def _parameters(shape: tuple[int, int, int], classes: int, name: str, **options: Any) -> int:
    import torch

    with torch.device("meta"):
        net, _ = MODELS[name](shape, classes, **options)
    return sum(p.numel() for p in net.parameters())


def _nearest(wanted: int, count: Callable[[int], int], most: int) -> int:
    """The number from 1 to `most` whose `count`, which grows with it, is nearest by its ratio."""
    above = bisect_left(range(1, most), wanted, key=count) + 1
    return min({above, max(1, above - 1)}, key=lambda number: abs(math.log(count(number) / wanted)))


def _arms(data: DataSet, scale: Scale) -> Sequence[Arm]:
    facts = facts_of(data)
    found = []
    for shuffled in (False, True):
        for name, model in _networks(data).items():
            options = {**model.options, "shuffle": ORDER} if shuffled else model.options
            recipe = Recipe(
                batch_size=batch_size(facts, 128),
                model=Model.model_validate({"name": model.name, **options}),
                optim=Optim(name="adam", lr=2e-3, weight_decay=0.0),
                schedule=Schedule(name="cosine"),
            )
            found.append(
                Arm(
                    f"{name}-shuffled" if shuffled else name,
                    fixed(recipe, EPOCHS[scale]),
                    {"network": name, "shuffled": shuffled},
                )
            )
    return found


def _arm(results: Results, name: str, *, shuffled: bool) -> str:
    return results.where(network=name, shuffled=shuffled)[0]


def _findings(results: Results) -> Sequence[Finding]:
    cnn, mlp, linear, large = (_arm(results, n, shuffled=False) for n in (CNN, MLP, LINEAR, LARGE))
    cnn_shuffled, mlp_shuffled = (_arm(results, n, shuffled=True) for n in (CNN, MLP))
    over_linear, over_mlp = results.advantage(mlp, linear), results.advantage(cnn, mlp)
    over_large = results.advantage(cnn, large)
    lost = results.advantage(cnn, cnn_shuffled)
    kept = results.advantage(mlp, mlp_shuffled)
    left = results.advantage(cnn_shuffled, mlp_shuffled)
    more = interaction(
        (results.hits(cnn), results.hits(cnn_shuffled)),
        (results.hits(mlp), results.hits(mlp_shuffled)),
    )
    remains = interaction(
        (results.hits(cnn_shuffled), results.hits(mlp_shuffled)),
        (results.hits(cnn), results.hits(mlp)),
        weight=GONE,
    )
    sizes = {arm: results.outcomes[arm][0].parameters for arm in (cnn, mlp, large)}
    return [
        Finding(
            "At equal parameters a CNN beats a perceptron.",
            over_mlp,
            f"{points(over_mlp)}: {percent(results.accuracy(cnn))} with {sizes[cnn]:,} parameters "
            f"against {percent(results.accuracy(mlp))} with {sizes[mlp]:,}.",
        ),
        Finding(
            "It beats a far larger perceptron, too.",
            over_large,
            f"{points(over_large)}: that one, with {sizes[large]:,} parameters, reaches "
            f"{percent(results.accuracy(large))}.",
        ),
        Finding(
            "A perceptron of as many parameters beats the linear model.",
            over_linear,
            f"{points(over_linear)}.",
        ),
        Finding(
            "With the pixels shuffled, the CNN is worse.",
            lost,
            f"Unshuffled against shuffled: {points(lost)}; "
            f"{percent(results.accuracy(cnn_shuffled))} are left.",
        ),
        Finding(
            "The perceptron loses less by it: it never knew which pixels are neighbours.",
            more,
            f"It loses {points(kept)}; what the CNN loses more: {points(more)}.",
            moot=""
            if results.accuracy(mlp).low > results.guess
            else "It is no better than a guess, and has nothing to lose.",
        ),
        Finding(
            "With the pixels shuffled, the CNN's advantage is gone.",
            remains,
            f"What is left of it is {points(left)}; under a fifth of it counts as none.",
            is_less=True,
            moot="" if answer(over_mlp) == "yes" else "There was no advantage to lose.",
        ),
    ]


def _drawings(results: Results) -> Iterator[Drawing]:
    names = (LINEAR, MLP, LARGE, CNN)
    rows = {
        f"{name}, {results.outcomes[name][0].parameters:,}": [
            results.accuracy(_arm(results, name, shuffled=shuffled)) for shuffled in (False, True)
        ]
        for name in names
    }
    yield Drawing(
        "networks",
        "Validation accuracy, on pictures as they are and with shuffled pixels: "
        + "; ".join(
            f"{name} parameters {percent(plain)} and {percent(shuffled)}"
            for name, (plain, shuffled) in rows.items()
        ),
        partial(
            drawing.dots,
            rows,
            ("As they are", "Pixels shuffled"),
            title="Validation accuracy by network and number of parameters",
            remark="Line: 95% interval",
        ),
    )


STUDY = Study(
    name="mlp-vs-cnn",
    question="Is it because neighbouring pixels belong together that a CNN beats a perceptron?",
    about="A linear model, a perceptron with one hidden layer and a CNN of as nearly the same "
    "number of parameters as their layers allow, and a far larger perceptron. Then the same again "
    "with the pixels of all pictures put into one other order, drawn once: what a dense layer can "
    "know of a picture is as much as before; which pixels are neighbours is lost. All learn by "
    "Adam at one rate along a cosine for one number of epochs, tuned for none of them.",
    data={"small": ("shapes", {"validation_share": 0.2}), "full": ("cifar10", {})},
    arms=_arms,
    columns=(
        Column("Parameters", lambda results, arm: f"{results.outcomes[arm][0].parameters:,}"),
        CLEAN,
        VALIDATION,
    ),
    findings=_findings,
    sides=lambda results: (
        _arm(results, CNN, shuffled=False),
        _arm(results, MLP, shuffled=False),
    ),
    drawings=_drawings,
)
