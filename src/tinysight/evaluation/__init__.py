"""Evaluation: what a model says of pictures, and what that is worth."""

from tinysight.evaluation.predict import Prediction
from tinysight.evaluation.result import Evaluation

__all__ = ["Evaluation", "Prediction"]
