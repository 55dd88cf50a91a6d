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
from tinysight.study.estimate import Estimate
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


def _gains(results: Results) -> dict[str, Estimate]:
    """What each arm adds to none, the most first; the intervals of those alone hold together."""
    single = [arm for arm in results.arms if arm not in (NONE, ALL)]
    found = {arm: results.advantage(arm, NONE, family=len(single)) for arm in single}
    found[ALL] = results.advantage(ALL, NONE)
    return dict(sorted(found.items(), key=lambda item: -item[1].value))


def _findings(results: Results) -> Sequence[Finding]:
    gains = _gains(results)
    won = gains.pop(ALL)
    parts = [arm for arm in gains if not results.arms[arm]["instead"]]
    best = results.best(parts)
    more = results.advantage(ALL, best, family=len(parts))  # picked of so many
    return [
        Finding(
            "Together they help.",
            won,
            f"{points(won)}: {percent(results.accuracy(ALL))} against "
            f"{percent(results.accuracy(NONE))}.",
        ),
        Finding(
            f"Together they are better than the best of them alone, {best}.",
            more,
            f"{points(more)}.",
        ),
        *(Finding(f"Alone, {arm} helps.", gain, f"{points(gain)}.") for arm, gain in gains.items()),
    ]


def _drawings(results: Results) -> Iterator[Drawing]:
    rows = {arm: [gain] for arm, gain in _gains(results).items()}
    yield Drawing(
        "gains",
        "What each transform, and all together, adds to validation accuracy: "
        + "; ".join(f"{arm} {points(won)}" for arm, (won,) in rows.items()),
        partial(
            drawing.dots,
            rows,
            ("Against no augmentation",),
            title="What each transform adds to validation accuracy",
            remark="Line: 95% interval; those of what each gives alone hold together",
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
