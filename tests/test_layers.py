"""Imports point one way: each layer imports only from layers to its left."""

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "tinysight"

# Names in one entry do not import each other.
LAYERS: list[set[str]] = [
    {"errors"},
    {"places"},
    {"pictures"},
    {"recipe"},
    {"run"},
    {"data", "augment", "models", "recipes", "machine", "process", "progress"},
    {"evaluation"},
    {"training"},
    {"reporting"},
    {"api"},
    {"study"},
    {"faults", "terminal", "stopping", "words"},
    {"cli"},
]
RANK = {name: i for i, names in enumerate(LAYERS) for name in names}


def layer_of(file: Path) -> str:
    return file.relative_to(SOURCE).parts[0].removesuffix(".py")


def imports(tree: ast.AST) -> set[str]:
    """The layers that a module imports, local imports included; `tinysight` itself as ""."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module]
            if node.module == "tinysight":
                names = [f"tinysight.{a.name}" for a in node.names]
        else:
            continue
        found |= {n.split(".")[1] for n in names if n.startswith("tinysight.")}
    return found - {"__version__"}


FILES = sorted(
    p for p in SOURCE.rglob("*.py") if p.name != "__main__.py" and p != SOURCE / "__init__.py"
)


@pytest.mark.parametrize("file", FILES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_imports_point_left(file: Path) -> None:
    here = layer_of(file)
    wrong = {
        there
        for there in imports(ast.parse(file.read_text()))
        if there != here and RANK[there] >= RANK[here]
    }
    assert not wrong, f"{here} may not import {', '.join(sorted(wrong))}"


def test_every_module_has_a_layer() -> None:
    assert {layer_of(f) for f in FILES} == set(RANK)


def test_the_check_trips_on_a_wrong_import() -> None:
    assert imports(ast.parse("def f():\n    from tinysight import api")) == {"api"}
    assert imports(ast.parse("import tinysight.training.loop")) == {"training"}
    assert RANK["api"] > RANK["evaluation"]
