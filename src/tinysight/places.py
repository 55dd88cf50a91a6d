"""Where Tinysight keeps things on this machine: decoded pictures, published data sets."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from tinysight.errors import ResourceError

__all__ = ["cache_folder", "data_folder"]


def cache_folder() -> Path:
    """Return the folder of what can be made again: TINYSIGHT_CACHE; it need not exist."""
    if named := os.environ.get("TINYSIGHT_CACHE"):
        return Path(named)
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "tinysight"
    if sys.platform == "win32":
        return _local() / "tinysight" / "cache"
    return _xdg("XDG_CACHE_HOME", ".cache") / "tinysight"


def data_folder() -> Path:
    """Return the folder of what is the user's own: TINYSIGHT_DATA; it need not exist.

    Raises:
        ResourceError: the user has no home folder and TINYSIGHT_DATA is not set.
    """
    if named := os.environ.get("TINYSIGHT_DATA"):
        return Path(named)
    try:
        if sys.platform == "darwin":
            return Path.home() / "Library" / "Application Support" / "tinysight"
        if sys.platform == "win32":
            return _local() / "tinysight" / "data"
        return _xdg("XDG_DATA_HOME", ".local/share") / "tinysight"
    except RuntimeError as error:
        raise ResourceError(f"no folder for data sets: {error} Set TINYSIGHT_DATA to one") from None


def _local() -> Path:
    local = os.environ.get("LOCALAPPDATA")
    return Path(local) if local else Path.home() / "AppData" / "Local"


def _xdg(variable: str, otherwise: str) -> Path:
    named = Path(os.environ.get(variable, ""))
    # The XDG specification has relative paths ignored.
    return named if named.is_absolute() else Path.home() / otherwise
