"""Classify small pictures well, fast and honestly, on the machine you have.

    import tinysight

    run = tinysight.train("digits", epochs=3)
    run.evaluate("test")
    run.predict(["a.png", "b.png"])
    run.report()

Importing loads nothing heavy; the parts below are loaded when they are first asked for.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tinysight.api import (
        Run,
        evaluate,
        find_rate,
        load,
        load_data,
        plan,
        predict,
        report,
        resume,
        train,
        verify,
    )
    from tinysight.data.dataset import DataSet, Split
    from tinysight.errors import TinysightError
    from tinysight.evaluation.predict import Prediction
    from tinysight.evaluation.result import Evaluation
    from tinysight.models import MODELS
    from tinysight.recipe import Recipe
    from tinysight.recipes import RECIPES
    from tinysight.study import STUDIES, run_study
    from tinysight.training.suggesting import RateTest

__version__ = "0.1.0"

__all__ = [
    "MODELS",
    "RECIPES",
    "STUDIES",
    "DataSet",
    "Evaluation",
    "Prediction",
    "RateTest",
    "Recipe",
    "Run",
    "Split",
    "TinysightError",
    "evaluate",
    "find_rate",
    "load",
    "load_data",
    "plan",
    "predict",
    "report",
    "resume",
    "run_study",
    "train",
    "verify",
]

_HOME = {
    "MODELS": "tinysight.models",
    "RECIPES": "tinysight.recipes",
    "STUDIES": "tinysight.study",
    "DataSet": "tinysight.data.dataset",
    "Evaluation": "tinysight.evaluation.result",
    "Prediction": "tinysight.evaluation.predict",
    "RateTest": "tinysight.training.suggesting",
    "Recipe": "tinysight.recipe",
    "Split": "tinysight.data.dataset",
    "TinysightError": "tinysight.errors",
    "run_study": "tinysight.study",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'tinysight' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOME.get(name, "tinysight.api")), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
