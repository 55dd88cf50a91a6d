"""Reports: figures, and the page that holds them."""

from tinysight.reporting.figures import class_accuracy, confused_pairs, learning_curves
from tinysight.reporting.html import write_report
from tinysight.reporting.matrix import confusion
from tinysight.reporting.preview import preview, spread
from tinysight.reporting.rates import rate_curve
from tinysight.reporting.theme import save

__all__ = [
    "class_accuracy",
    "confused_pairs",
    "confusion",
    "learning_curves",
    "preview",
    "rate_curve",
    "save",
    "spread",
    "write_report",
]
