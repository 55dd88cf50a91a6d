"""The machine a run stands on: device, threads, number format and compilation, and why."""

from tinysight.machine.compilation import COMPILE, Compilation, choose_compilation
from tinysight.machine.device import DEVICES, choose_device, repeatable
from tinysight.machine.environment import environment
from tinysight.machine.precision import Precision, choose_precision
from tinysight.machine.threads import Threads, choose_threads, using

__all__ = [
    "COMPILE",
    "DEVICES",
    "Compilation",
    "Precision",
    "Threads",
    "choose_compilation",
    "choose_device",
    "choose_precision",
    "choose_threads",
    "environment",
    "repeatable",
    "using",
]
