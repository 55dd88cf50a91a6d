"""The columns that the tables of several studies have."""

from __future__ import annotations

from tinysight.study.design import Column
from tinysight.study.saying import points

__all__ = ["CLEAN", "DIVERGED", "GAP", "LEARNED_NOTHING", "VALIDATION"]

CLEAN = Column("Training, clean", lambda results, arm: results.clean(arm))
VALIDATION = Column("Validation", lambda results, arm: results.accuracy(arm))
GAP = Column("Gap, clean", lambda results, arm: results.gap(arm), points)
LEARNED_NOTHING = Column(
    "Learned nothing", lambda results, arm: f"{results.idle(arm)} of {len(results.outcomes[arm])}"
)
DIVERGED = Column(
    "Diverged", lambda results, arm: f"{results.diverged(arm)} of {len(results.outcomes[arm])}"
)
