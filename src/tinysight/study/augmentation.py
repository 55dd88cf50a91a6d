"""What does each transform give alone, and what do they give together?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from tinysight.recipe import Augment
from tinysight.study import drawing
from tinysight.study.arms import small_network
from tinysight.study.columns import CLEAN, GAP, VALIDATION
from tinysight.study.design import Arm, Drawing, Finding, Scale, Study
from tinysight.study.estimate import answer
from tinysight.study.outcome import Results
from tinysight.study.saying import percent, points

if TYPE_CHECKING:
    from tinysight.data.dataset import DataSet

__all__ = ["STUDY"]

NONE, ALL = "none", "together"
INSTEAD: dict[str, dict[str, Any]] = {"mixup": {"mixup": 0.2}, "trivial": {"trivial": True}}
EPOCHS = {"small": 30, "full": 15}
WIDTH = {"small": 16, "full": 32}


def _arms(data: DataSet, scale: Scale) -> Sequence[Arm]:
    side = min(data.shape[:2])
    alone: dict[str, dict[str, Any]] = {
        **({"flip": {"flip": True}} if data.mirror else {}),
        "crop": {"crop": max(1, side // 8)},
        "rotate": {"rotate": 15.0},
        "zoom": {"zoom": 0.15},
        "colour": {"brightness": 0.3, "contrast": 0.3, "saturation": 0.3},
        "cutout": {"cutout": max(1, side // 4)},
    }
    together = {field: value for fields in alone.values() for field, value in fields.items()}
    sets = {NONE: {}, **alone, **INSTEAD, ALL: together}
    return [
        Arm(
            name,
            small_network(
                data,
                epochs=EPOCHS[scale],
                width=WIDTH[scale],
                batchnorm=True,
                augment=Augment.model_validate(fields),
            ),
            {"instead": name in INSTEAD},
        )
        for name, fields in sets.items()
    ]


def _findings(results: Results) -> Sequence[Finding]:
    single = [arm for arm in results.arms if arm not in (NONE, ALL)]
    found = []
    for arm in sorted(single, key=lambda arm: -results.accuracy(arm).value):
        won = results.advantage(arm, NONE, family=len(single))
        found.append(Finding(f"Alone, {arm} helps.", answer(won), f"{points(won)}."))
    best = results.best([arm for arm in single if not results.arms[arm]["instead"]])
    won, more = results.advantage(ALL, NONE), results.advantage(ALL, best)
    return [
        Finding(
            "Together they help.",
            answer(won),
            f"{points(won)}: {percent(results.accuracy(ALL))} against "
            f"{percent(results.accuracy(NONE))}.",
        ),
        Finding(
            f"Together they are better than the best of them alone, {best}.",
            answer(more),
            f"{points(more)}.",
        ),
        *found,
    ]


def _drawings(results: Results) -> Iterator[Drawing]:
    arms = [arm for arm in results.arms if arm != NONE]
    rows = {
        arm: [results.advantage(arm, NONE, family=len(arms))]
        for arm in sorted(arms, key=lambda arm: -results.accuracy(arm).value)
    }
    yield Drawing(
        "gains",
        "What each transform, and all together, adds to validation accuracy: "
        + "; ".join(f"{arm} {points(won)}" for arm, (won,) in rows.items()),
        partial(
            drawing.dots,
            rows,
            ("Against no augmentation",),
            title="What each transform adds to validation accuracy",
            remark="Line: interval; all of them together hold at 95%",
            points=True,
        ),
    )


STUDY = Study(
    name="augmentation",
    question="What does each transform give alone, and what do they give together?",
    about="One CNN of three convolutions with batch norm, trained for the same number of epochs "
    "with one kind of augmentation, with none, and with all of them together but mixup and "
    "TrivialAugment (trivial), which stand for themselves. The intervals of what each gives alone "
    "hold together (Bonferroni).",
    data={"small": ("digits", {"size": 16, "validation_share": 0.9}), "full": ("cifar10", {})},
    arms=_arms,
    columns=(CLEAN, VALIDATION, GAP),
    findings=_findings,
    sides=lambda _: (ALL, NONE),
    drawings=_drawings,
    picks="the best of those alone",
)
