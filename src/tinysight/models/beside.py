"""What the file of a user's own network imports from beside it, found without running it."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

__all__ = ["forget", "imported"]


def imported(path: Path) -> dict[str, Path]:
    """Return the modules in the file's folder that it imports, and those that they import.

    By the import statements alone, wherever in a file they stand: what `importlib` is asked for by
    name is not found. A file that is no Python imports nothing.

    Returns:
        The modules' names, dotted, in the order of the alphabet, and their files.
    """
    found: dict[str, Path] = {}
    waiting = [(path, "")]
    while waiting:
        file, package = waiting.pop()
        for name in _names(file, package):
            parts = name.split(".")
            for end in range(1, len(parts) + 1):
                module = ".".join(parts[:end])
                place = path.parent.joinpath(*parts[:end])
                own = next(
                    (f for f in (place / "__init__.py", place.with_suffix(".py")) if f.is_file()),
                    None,
                )
                if own is None or own == path or module in found:
                    continue
                found[module] = own
                within = module if own.name == "__init__.py" else module.rpartition(".")[0]
                waiting.append((own, within))
    return dict(sorted(found.items()))


def forget(modules: dict[str, Path]) -> None:
    """Let modules be imported anew, as their files are by now."""
    for name, file in modules.items():
        if getattr(sys.modules.get(name), "__file__", None) == str(file):
            del sys.modules[name]


def _names(file: Path, package: str) -> Iterator[str]:
    """The modules that a file names in its imports, and what may be modules."""
    try:
        tree = ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError):  # said where it is run
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom):
            parts = package.split(".") if package and node.level else []
            parts = parts[: len(parts) - node.level + 1] if node.level else []
            module = ".".join([*parts, *([node.module] if node.module else [])])
            if module:
                yield module
            yield from (f"{module}.{each.name}".lstrip(".") for each in node.names)
