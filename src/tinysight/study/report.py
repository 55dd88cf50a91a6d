"""A study that was carried out: its findings, its numbers as JSON, its page."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import tinysight
from tinysight.data.dataset import DataSet
from tinysight.progress import duration
from tinysight.reporting.html import fill
from tinysight.reporting.plots import MANY, plot
from tinysight.reporting.theme import cut
from tinysight.run import write_atomic
from tinysight.study.comparing import Part, by_class, by_group
from tinysight.study.design import Arm, Column, Finding, Scale, Study
from tinysight.study.estimate import Estimate
from tinysight.study.outcome import Outcome, Results
from tinysight.study.saying import points

__all__ = ["Report"]

FORMAT = 1  # of study.json
NAMED = 6  # classes that a sentence names


@dataclass(frozen=True, eq=False)
class Report:
    """A study that was carried out.

    Printed it says its findings; in a notebook it shows its page.

    Attributes:
        reused: how many of the trainings were done before.
        seconds: from the study's beginning to its end, this time.
        overrides: the fields of all recipes that are others than the study has.
        command: which carries it out again; None where its data was in memory.
        path: the folder with study.html, study.json, the figures and the runs.
    """

    study: Study
    scale: Scale
    data: DataSet
    arms: Sequence[Arm]
    seeds: Sequence[int]
    results: Results
    reused: int
    seconds: float
    overrides: Mapping[str, Any]
    command: str | None
    path: Path

    @property
    def page(self) -> Path:
        """The page for people."""
        return self.path / "study.html"

    @cached_property
    def findings(self) -> Sequence[Finding]:
        """The claims, and what the numbers say to each."""
        return self.study.findings(self.results)

    @cached_property
    def sides(self) -> tuple[str, str]:
        """The two arms whose classes are compared."""
        return self.study.sides(self.results)

    @cached_property
    def classes(self) -> Sequence[Part]:
        """The first of the sides against the second, class by class."""
        return by_class(self.results, self.sides, picked=self.study.picked)

    @cached_property
    def groups(self) -> Sequence[Part]:
        """The same by groups of classes, where the data set has some."""
        return by_group(self.results, self.sides, picked=self.study.picked)

    @property
    def trainings(self) -> int:
        """How many trainings it is of."""
        return len(self.arms) * len(self.seeds)

    @property
    def outcomes(self) -> list[Outcome]:
        """All of its trainings."""
        return [o for found in self.results.outcomes.values() for o in found]

    @property
    def diverged(self) -> int:
        """How many of them left the finite numbers."""
        return sum(o.diverged for o in self.outcomes)

    @property
    def training_seconds(self) -> float:
        """What all trainings took together, those that diverged left out."""
        return sum(o.seconds for o in self.outcomes if not o.diverged)

    @cached_property
    def machine(self) -> dict[str, str]:
        """What the trainings stood on, each value once; when each began is its run's to say."""
        found: dict[str, dict[str, None]] = {}
        for outcome in self.outcomes:
            for name, value in outcome.machine.items():
                if isinstance(value, str | int | float) and name not in ("command", "started"):
                    found.setdefault(name, {})[str(value)] = None
        return {name: "; ".join(values) for name, values in found.items()}

    def __str__(self) -> str:
        found = [f"{f.answer:<10} {f.claim} {f.numbers}" for f in self.findings]
        if len(self.seeds) == 1:
            found.append("One seed: the intervals allow for other pictures, not for other seeds.")
        return "\n".join([self.study.question, *found, *self.won_and_lost(), str(self.page)])

    def _repr_html_(self) -> str:
        import html

        page = html.escape(self.page.read_text(encoding="utf-8"))
        return f'<iframe srcdoc="{page}" width="100%" height="900" style="border:0"></iframe>'

    def won_and_lost(self) -> Iterator[str]:
        """Say which classes and groups the first of the sides has won and lost."""
        first, second = self.sides
        if missing := len(self.results.classes) - len(self.classes):
            yield f"{missing} of {len(self.results.classes)} classes have no validation pictures."
        kinds = (("class", "classes", self.classes), ("group", "groups", self.groups))
        for one, many, parts in kinds:
            if not parts:
                continue
            for standing in ("won", "lost"):
                found = [p for p in parts if p.standing == standing]
                found = found if standing == "won" else found[::-1]
                named = "; ".join(
                    f"{cut(p.name, 40)} {points(p.difference)}" for p in found[:NAMED]
                )
                more = f"; and {len(found) - NAMED} more" if len(found) > NAMED else ""
                count = f"{len(found)} of {len(parts)} {many}: " if found else f"no {one}"
                yield f"{first} against {second}: {standing} {count}{named}{more}."

    def write(self) -> None:
        """Write study.html, study.json and the figures.

        Raises:
            ResourceError: the disk or the folder does not take them.
        """
        shown = []
        for drawing in self.study.drawings(self.results):
            drawn = plot(drawing.name, f"figures/{drawing.name}", drawing.said, drawing.draw)
            for name, raw in drawn.files.items():
                write_atomic(self.path / name, raw)
            shown.append(drawn)
        said = json.dumps(self.to_dict(), indent=2, allow_nan=False) + "\n"
        write_atomic(self.path / "study.json", said)
        page = fill(
            "study.html.j2",
            package="tinysight.study",
            report=self,
            study=self.study,
            plots=shown,
            table=[
                (a, [_said(c, self.results, a.name) for c in self.study.columns]) for a in self.arms
            ],
            common=self._common(),
            differing=self._differing(),
            sentences=list(self.won_and_lost()),
            many=len(self.results.classes) > MANY,
            said={"points": points, "duration": duration},
        )
        write_atomic(self.page, page)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, for study.json; fractions throughout."""
        data = self.data
        return {
            "format": FORMAT,
            "version": tinysight.__version__,
            "study": self.study.name,
            "question": self.study.question,
            "scale": self.scale,
            "command": self.command,
            "seeds": list(self.seeds),
            "data": {
                "name": data.name,
                "title": data.title,
                "train": len(data.train),
                "validation": len(data.validation),
                "fingerprints": data.fingerprints,
                "settings": data.settings.model_dump(mode="json"),
            },
            "findings": [_finding(found) for found in self.findings],
            "arms": [self._arm(arm) for arm in self.arms],
            "sides": list(self.sides),
            "classes": [_part(p) for p in self.classes],
            "groups": [_part(p) for p in self.groups],
            "training_seconds": self.training_seconds,
            "seconds": self.seconds,
            "reused": self.reused,
            "machine": self.machine,
        }

    def _arm(self, arm: Arm) -> dict[str, Any]:
        return {
            "name": arm.name,
            "at": dict(arm.at),
            "recipe": arm.recipe.model_dump(mode="json"),
            "columns": {
                c.title: _plain(c.value(self.results, arm.name)) for c in self.study.columns
            },
            "trainings": [
                {
                    "seed": o.seed,
                    "run": o.place.relative_to(self.path).as_posix(),
                    "diverged": o.diverged,  # its accuracy is that of a guess
                    "validation_accuracy": o.accuracy,
                    "train_accuracy_clean": None if o.diverged else o.clean.value,
                    "train_accuracy_running": None if o.diverged else o.running,
                    "seconds": None if o.diverged else o.seconds,
                }
                for o in self.results.outcomes[arm.name]
            ],
        }

    def _common(self) -> list[tuple[str, Any]]:
        """The fields that all recipes have alike and that are no defaults."""
        first = self.arms[0].recipe
        alike = set.intersection(*({repr(f) for f in a.recipe.fields().items()} for a in self.arms))
        return [
            (name, value)
            for name, value, _ in first.changed()
            if repr((name, value)) in alike and not name.startswith("data.")
        ]

    def _differing(self) -> tuple[list[str], list[tuple[str, list[Any]]]]:
        """The fields in which the recipes differ: their names, and each arm's values."""
        fields = [arm.recipe.fields() for arm in self.arms]
        names = dict.fromkeys(name for several in fields for name in several)
        names = [n for n in names if n != "name" and len({repr(f.get(n)) for f in fields}) > 1]
        return names, [
            (arm.name, [f.get(n) for n in names]) for arm, f in zip(self.arms, fields, strict=True)
        ]


def _said(column: Column, results: Results, arm: str) -> str:
    value = column.value(results, arm)
    return value if isinstance(value, str) else column.said(value)


def _plain(value: Estimate | str) -> Any:
    if isinstance(value, str):
        return value
    found = asdict(value)
    return {
        k: v if not isinstance(v, float) or math.isfinite(v) else None for k, v in found.items()
    }


def _finding(found: Finding) -> dict[str, Any]:
    return {**asdict(found), "answer": found.answer, "estimate": _plain(found.estimate)}


def _part(part: Part) -> dict[str, Any]:
    return {
        "name": part.name,
        "members": list(part.members),
        "n": part.n,
        "standing": part.standing or "neither",
        "first": _plain(part.first),
        "second": _plain(part.second),
        "difference": _plain(part.difference),
    }
