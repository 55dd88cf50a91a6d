"""Every `raise` that a user can meet has a test on its text."""

import ast
import re
from pathlib import Path

import pytest

import tinysight.errors
from tinysight.errors import UnknownName, unknown

ROOT = Path(__file__).parents[1]
KINDS = set(tinysight.errors.__all__)
LEAST = 10  # letters that a piece of a message must have to tell it from another
SHORTEST = 20  # letters that a test's text must share with a message to count as its test


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
            if max(map(len, pieces), default=0) >= LEAST:
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
    """Every text that a test expects, unescaped, a line each.

    These are `match=` of pytest.raises or warns, the tables of parametrize, what stands in an
    assertion, and what a test's own `refused(text, ...)` is given; names of tests, docstrings
    and inputs do not count.
    """
    texts = []
    for file in (ROOT / "tests").rglob("test_*.py"):
        if file.name != Path(__file__).name:
            texts += expected(ast.parse(file.read_text()))
    return "\n".join(texts)


def expected(tree: ast.AST) -> list[str]:
    """The texts that the tests of a module expect."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Assert):
            places: list[ast.AST] = [node.test]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            places = [k.value for k in node.keywords if k.arg == "match"]
            places += node.args[1:2] if node.func.attr == "parametrize" else []
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            places = list(node.args[:1]) if node.func.id == "refused" else []
        else:
            continue
        for place in places:
            found += [
                re.sub(r"\\(.)", r"\1", n.value)
                for n in ast.walk(place)
                if isinstance(n, ast.Constant) and isinstance(n.value, str)
            ]
    return found


EXPECTED = expectations()


def shares(piece: str, texts: str = EXPECTED) -> bool:
    """Whether a test expects SHORTEST letters in a row of this piece, or all of a shorter one."""
    piece = piece.strip(" ,;:.")
    return any(piece[i : i + SHORTEST] in texts for i in range(max(1, len(piece) - SHORTEST + 1)))


@pytest.mark.parametrize(
    ("where", "pieces"), raises(), ids=lambda v: v if isinstance(v, str) else ""
)
def test_every_message_is_expected_by_a_test(where: str, pieces: list[str]) -> None:
    assert any(shares(p) for p in pieces if len(p) >= LEAST), f"{where}: {pieces}"


def test_the_check_trips() -> None:
    assert len(raises()) > 20
    assert not shares("zqx" + "vwkj" + "qpzx")
    long = "abcdefghijklmnopqrstuvwxyz"
    assert shares(long, long[:SHORTEST])
    assert not shares(long, long[: SHORTEST - 1])
    assert not shares(long[:LEAST], long[: LEAST - 1])


def test_a_text_counts_only_where_it_is_expected() -> None:
    module = ast.parse("""
@pytest.mark.parametrize(("field", "text"), [(1, "a table")])
def test_a_name(field, text):
    "A docstring."
    call("an input")
    with pytest.raises(ValueError, match="a \\\\(match"):
        call()
    assert "an assertion" in said
""")
    texts = ["a table", "a (match", "an assertion"]
    assert sorted(expected(module)) == sorted(texts)


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
    assert {name for name, _ in drawn} >= KINDS - {"first_line", "unknown", "TinysightError"}
