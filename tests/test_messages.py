"""Every `raise` that a user can meet has a test on its text."""

import ast
import re
from pathlib import Path

import pytest

import tinysight.errors
from tinysight.errors import UnknownName, unknown

ROOT = Path(__file__).parents[1]
KINDS = set(tinysight.errors.__all__)
SHORTEST = 10  # letters that a test's text must share with a message to count as its test


def raises() -> list[tuple[str, list[str]]]:
    """Where each of our errors is built, and the literal pieces of its message."""
    found = []
    for file in sorted((ROOT / "src").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)):
                continue
            if node.func.id not in KINDS or file.name == "errors.py":
                continue
            pieces = [piece for argument in node.args[:1] for piece in literals(argument)]
            where = f"{file.relative_to(ROOT / 'src')}:{node.lineno}"
            if max(map(len, pieces), default=0) >= SHORTEST:
                found.append((where, pieces))
    return found


def literals(node: ast.AST) -> list[str]:
    """The text in a message itself, not in the calls within it."""
    if isinstance(node, ast.Constant):
        return [node.value] if isinstance(node.value, str) else []
    if isinstance(node, ast.Call):
        return []
    return [piece for child in ast.iter_child_nodes(node) for piece in literals(child)]


def expectations() -> str:
    """Every text that a test expects: string constants of the tests, unescaped, a line each."""
    texts = []
    for file in (ROOT / "tests").rglob("test_*.py"):
        texts += [
            re.sub(r"\\(.)", r"\1", node.value)
            for node in ast.walk(ast.parse(file.read_text()))
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
        ]
    return "\n".join(texts)


EXPECTED = expectations()


def shares(piece: str) -> bool:
    """Whether a test expects ten letters in a row of this piece."""
    return any(
        piece[i : i + SHORTEST] in EXPECTED for i in range(max(1, len(piece) - SHORTEST + 1))
    )


@pytest.mark.parametrize(
    ("where", "pieces"), raises(), ids=lambda v: v if isinstance(v, str) else ""
)
def test_every_message_is_expected_by_a_test(where: str, pieces: list[str]) -> None:
    assert any(shares(p) for p in pieces if len(p) >= SHORTEST), f"{where}: {pieces}"


def test_the_check_trips() -> None:
    assert len(raises()) > 20
    assert not shares("zqx" + "vwkj" + "qpzx")


def test_an_unknown_name_names_the_nearest_and_lists_all() -> None:
    error = unknown("model", "resnet19", ["resnet18", "mlp"])
    assert isinstance(error, UnknownName)
    assert str(error) == "unknown model 'resnet19'; did you mean 'resnet18'? Known: mlp, resnet18"
    assert str(unknown("model", "xyz", [])) == "unknown model 'xyz'. Known: none"


def test_the_tree_is_drawn_as_it_is() -> None:
    drawn = re.findall(r"[├└│ ─]*(\w+) +(\d[\d, ]*)  ", tinysight.errors.__doc__ or "")
    for name, codes in drawn:
        kind = getattr(tinysight.errors, name, None)
        if kind is not None and name not in ("TinysightError", "Interrupted"):
            assert kind.exit_code == int(codes)
    assert {name for name, _ in drawn} >= KINDS - {"unknown", "TinysightError"}
