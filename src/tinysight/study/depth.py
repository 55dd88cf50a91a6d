"""What does depth give, and what does it ask for?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

from tinysight.recipe import Augment
from tinysight.study import drawing
from tinysight.study.arms import small_network
from tinysight.study.columns import CLEAN, GAP, VALIDATION
from tinysight.study.design import Arm, Drawing, Finding, Scale, Study
from tinysight.study.estimate import negative
from tinysight.study.outcome import Results
from tinysight.study.saying import percent, points

if TYPE_CHECKING:
    from tinysight.data.dataset import DataSet

__all__ = ["STUDY"]

DEPTHS = {"small": (8, 20), "full": (8, 20, 56)}
EPOCHS = {"small": 6, "full": 10}
WIDTH = {"small": 8, "full": 16}


def _arms(data: DataSet, scale: Scale) -> Sequence[Arm]:
    regularised = Augment(flip=data.mirror, crop=max(1, min(data.shape[:2]) // 8))
    found = []
    for shortcuts in (False, True):
        for on in (False, True):
            for depth in DEPTHS[scale]:
                recipe = small_network(
                    data,
                    epochs=EPOCHS[scale],
                    lr=0.1,
                    augment=regularised if on else None,
                    weight_decay=5e-4 if on else 0.0,
                    name="resnet",
                    depth=depth,
                    width=WIDTH[scale],
                    shortcuts=shortcuts,
                )
                name = f"{'residual' if shortcuts else 'plain'}-{depth}{'-regularised' * on}"
                at = {"shortcuts": shortcuts, "regularised": on, "depth": depth}
                found.append(Arm(name, recipe, at))
    return found


def _ends(results: Results, *, shortcuts: bool, regularised: bool) -> tuple[str, str]:
    """The shallowest and the deepest of a kind."""
    arms = results.where(shortcuts=shortcuts, regularised=regularised)
    arms = sorted(arms, key=lambda arm: results.arms[arm]["depth"])
    return arms[0], arms[-1]


def _findings(results: Results) -> Sequence[Finding]:
    shallow, deep = _ends(results, shortcuts=True, regularised=False)
    held_shallow, held_deep = _ends(results, shortcuts=True, regularised=True)
    plain_shallow, plain_deep = _ends(results, shortcuts=False, regularised=True)
    depth = results.arms[deep]["depth"]
    capacity = results.cleaner(deep, shallow)
    widened = results.gap_narrowed(shallow, deep)
    narrowed = results.gap_narrowed(held_deep, deep)
    pays = results.advantage(held_deep, held_shallow)
    bare = results.advantage(plain_deep, plain_shallow)
    connected = results.advantage(held_deep, plain_deep)
    return [
        Finding(
            "In the same number of epochs the deeper network learns more of its training pictures.",
            capacity,
            f"Residual, without regularisation: {points(capacity)} of clean training accuracy from "
            f"{results.arms[shallow]['depth']} to {depth} layers.",
            moot=results.moot(shallow, deep),
        ),
        Finding(
            "Without regularisation the deeper network has the wider gap.",
            widened,
            f"{points(widened)}, to {points(results.gap(deep))}.",
            moot=results.moot(shallow, deep),
        ),
        Finding(
            "Regularisation (augmentation and weight decay) narrows it.",
            narrowed,
            f"The gap changes by {points(negative(narrowed))} at {depth} layers.",
            moot=results.moot(held_deep, deep),
        ),
        Finding(
            "With residual connections and regularisation depth pays on new pictures.",
            pays,
            f"{points(pays)}, to {percent(results.accuracy(held_deep))}.",
        ),
        Finding(
            "Without residual connections depth does not pay.",
            bare,
            f"{points(bare)}, to {percent(results.accuracy(plain_deep))}.",
            is_less=True,
        ),
        Finding(
            f"At {depth} layers residual connections are better than none.",
            connected,
            f"{points(connected)}.",
        ),
    ]


def _drawings(results: Results) -> Iterator[Drawing]:
    kinds = {
        "Plain": (False, False),
        "Residual": (True, False),
        "Plain, regularised": (False, True),
        "Residual, regularised": (True, True),
    }
    for name, title, value in (
        ("validation", "Validation accuracy", results.accuracy),
        ("clean", "Clean training accuracy", results.clean),
    ):
        series = {
            kind: [
                (results.arms[arm]["depth"], value(arm))
                for arm in results.where(shortcuts=shortcuts, regularised=regularised)
            ]
            for kind, (shortcuts, regularised) in kinds.items()
        }
        yield Drawing(
            name,
            f"{title} by depth: {drawing.told(series)}",
            partial(
                drawing.lines,
                series,
                title=title,
                remark="Line: 95% interval",
                across="Layers",
            ),
        )


STUDY = Study(
    name="depth",
    question="What does depth give, and what does it ask for?",
    about="The residual networks of He et al. for small pictures and the same without their "
    "connections, of several depths; with regularisation (augmentation and weight decay) and "
    "without. All learn by SGD at one rate for one small number of epochs: compared is what they "
    "come to in that time, not what each can.",
    data={"small": ("digits", {"size": 16, "validation_share": 0.5}), "full": ("cifar10", {})},
    arms=_arms,
    columns=(CLEAN, VALIDATION, GAP),
    findings=_findings,
    sides=lambda results: (
        _ends(results, shortcuts=True, regularised=True)[1],
        _ends(results, shortcuts=False, regularised=True)[1],
    ),
    drawings=_drawings,
)
