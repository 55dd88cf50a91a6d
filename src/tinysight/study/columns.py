"""The columns that the tables of several studies have."""

from __future__ import annotations

from collections.abc import Callable

from tinysight.study.design import Column
from tinysight.study.estimate import Estimate
from tinysight.study.outcome import Results
from tinysight.study.saying import points

__all__ = [
    "CLEAN",
    "DIVERGED",
    "GAP",
    "LEARNED_NOTHING",
    "RUNNING",
    "VALIDATION",
    "if_none_diverged",
]


def if_none_diverged(
    value: Callable[[Results, str], Estimate | str],
) -> Callable[[Results, str], Estimate | str]:
    """Return what is measured on training pictures; of an arm that diverged it is said instead."""

    def found(results: Results, arm: str) -> Estimate | str:
        if broken := results.diverged(arm):
            return f"{broken} of {len(results.outcomes[arm])} diverged"
        return value(results, arm)

    return found


CLEAN = Column("Training, clean", if_none_diverged(Results.clean))
RUNNING = Column("Training, running", if_none_diverged(Results.running))
GAP = Column("Gap, clean", if_none_diverged(Results.gap), points)
VALIDATION = Column("Validation", Results.accuracy)
LEARNED_NOTHING = Column(
    "Learned nothing", lambda results, arm: f"{results.idle(arm)} of {len(results.outcomes[arm])}"
)
DIVERGED = Column(
    "Diverged", lambda results, arm: f"{results.diverged(arm)} of {len(results.outcomes[arm])}"
)
