"""What the file of a user's own network imports from beside it: found, summed, run from that text.

The modules are found by the import statements, without running anything. They are run once in a
process for each sum, from the very text that was summed: never from bytecode, nor from a module of
the same name that was loaded before. Such a one is put back after that.
"""

from __future__ import annotations

import ast
import hashlib
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.abc import ExecutionLoader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import decode_source, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from tinysight.errors import RecipeError

__all__ = ["Module", "imported", "importing", "summed"]

MOST = 200  # modules, before a folder is taken for one of libraries
LIBRARIES = sys.stdlib_module_names | {
    "keras",
    "numpy",
    "tinysight",
    "timm",
    "torch",
    "torchvision",
}
# What this process has run, by folder and sum.
ran: dict[tuple[Path, str], dict[str, ModuleType]] = {}


class Module(NamedTuple):
    """A module beside the file, and what stands in it."""

    file: Path
    text: bytes


def imported(path: Path) -> dict[str, Module]:
    """Return the modules in the file's folder that it imports, and those that they import.

    By the import statements alone, wherever in a file they stand, and what a package lists as
    `__all__`: what `importlib` is asked for by name is not found. A file that is no Python imports
    nothing. What has the name of one of LIBRARIES is taken for that.

    Returns:
        Their names, dotted, in the order of the alphabet.

    Raises:
        RecipeError: there are more than MOST, or one cannot be read.
    """
    found: dict[str, Module] = {}
    waiting = [(_read(path), "")]
    while waiting:
        text, package = waiting.pop()
        for name in _names(text, package):
            parts = name.split(".")
            for end in range(1, len(parts) + 1) if parts[0] not in LIBRARIES else ():
                module = ".".join(parts[:end])
                place = path.parent.joinpath(*parts[:end])
                files = (place / "__init__.py", place.with_suffix(".py"))
                file = next((f for f in files if f.is_file()), None)
                if file is None or module in found:
                    continue
                found[module] = Module(file, _read(file))
                if len(found) > MOST:
                    raise RecipeError(
                        f"{path} imports more than {MOST} modules from beside it; put it into a "
                        "folder of its own"
                    )
                within = module if file == files[0] else module.rpartition(".")[0]
                waiting.append((found[module].text, within))
    return dict(sorted(found.items()))


def summed(text: bytes, modules: Mapping[str, Module]) -> str:
    """Return the SHA-256 sum of a file and of what it imports; of the file alone without any."""
    said = hashlib.sha256(text)
    for name, module in modules.items():
        said.update(f"\n{name} {hashlib.sha256(module.text).hexdigest()}".encode())
    return said.hexdigest()


@contextmanager
def importing(folder: Path, modules: Mapping[str, Module], digest: str) -> Iterator[None]:
    """Let a file import what lies beside it.

    Args:
        modules: see `imported`; they are the same objects each time for the same sum.
        digest: their sum with the file's.
    """
    tops = {name.partition(".")[0] for name in modules}
    finder = _Finder(modules)
    before = _taken_out(tops)
    others = {top for top in tops if _is_of_others(top, before)}
    sys.modules.update(ran.get((folder, digest), {}))
    sys.meta_path.insert(0, finder)
    sys.path.insert(0, str(folder))
    try:
        yield
        ran[folder, digest] = {n: m for n, m in sys.modules.items() if n.partition(".")[0] in tops}
    finally:
        sys.path.remove(str(folder))
        sys.meta_path.remove(finder)
        _taken_out(others)
        sys.modules.update({n: m for n, m in before.items() if n.partition(".")[0] in others})


def _taken_out(tops: set[str]) -> dict[str, ModuleType]:
    """Take all modules of some packages out of those that are loaded; return them."""
    names = [name for name in sys.modules if name.partition(".")[0] in tops]
    return {name: sys.modules.pop(name) for name in names}


def _is_of_others(top: str, loaded: Mapping[str, ModuleType]) -> bool:
    """Say whether a package that is loaded is none that was run from here."""
    if top in loaded and getattr(loaded[top], "__file__", None):
        return not isinstance(loaded[top].__loader__, _Text)
    within = [module for name, module in loaded.items() if name.partition(".")[0] == top]
    return bool(within) and not any(isinstance(m.__loader__, _Text) for m in within)


class _Finder(MetaPathFinder):
    """Finds the modules that were summed."""

    def __init__(self, modules: Mapping[str, Module]) -> None:
        self.modules = modules

    def find_spec(self, fullname: str, *_: object) -> ModuleSpec | None:
        module = self.modules.get(fullname)
        if module is None:
            return None
        inner = [str(module.file.parent)] if module.file.name == "__init__.py" else None
        return spec_from_file_location(
            fullname, module.file, loader=_Text(module), submodule_search_locations=inner
        )


class _Text(ExecutionLoader):
    """Runs a module from its text."""

    def __init__(self, module: Module) -> None:
        self.module = module

    def get_filename(self, fullname: str) -> str:  # noqa: ARG002 - importlib's
        return str(self.module.file)

    def get_source(self, fullname: str) -> str:  # noqa: ARG002
        return decode_source(self.module.text)


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise RecipeError(f"cannot read {file}: {error.strerror}") from None


def _names(text: bytes, package: str) -> Iterator[str]:
    """The modules that a file names in its imports, and what may be modules."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):  # said where it is run
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom):
            parts = package.split(".") if package and node.level else []
            parts = parts[: len(parts) - node.level + 1] if node.level else []
            module = ".".join([*parts, *([node.module] if node.module else [])])
            yield from (f"{module}.{each.name}".lstrip(".") for each in node.names)
        elif isinstance(node, ast.Assign) and package:
            named = any(
                isinstance(each, ast.Name) and each.id == "__all__" for each in node.targets
            )
            listed = node.value.elts if isinstance(node.value, ast.List | ast.Tuple) else []
            if named:
                said = (each.value for each in listed if isinstance(each, ast.Constant))
                yield from (f"{package}.{each}" for each in said if str(each).isidentifier())
