"""The verb `study`."""

import json
import re
from pathlib import Path

import pytest
from tests.cli.calls import Cli

pytestmark = pytest.mark.usefixtures("here")


def test_without_a_name_they_are_listed(cli: Cli) -> None:
    found = cli("study")
    assert found.code == 0
    for name in ("augmentation", "batchnorm", "depth", "mlp-vs-cnn", "overfitting", "stability"):
        assert re.search(rf"^{name} +\S.*\? *$", found.out, re.MULTILINE)


def test_its_answers_are_printed_and_its_page_is_named(cli: Cli, here: Path) -> None:
    found = cli("study", "overfitting", "epochs=1", "--seeds", "1", "--out", "told")
    assert found.code == 0
    lines = found.out.splitlines()
    assert lines[0].startswith("Does the network learn its pictures by heart")
    assert all(re.match(r"(yes|no|undecided) +[A-Z].*\.$", line) for line in lines[1:8])
    assert "One seed: the intervals allow for other pictures, not for other seeds." in lines
    assert lines[-1] == "told/study.html"
    assert (here / "told" / "study.html").is_file()
    assert "4 recipes with 1 seed on digits" in found.err
    again = cli("study", "overfitting", "epochs=1", "--seeds", "1", "--out", "told", "--json", "-q")
    said = json.loads(again.out)
    assert (said["study"], said["reused"], again.err) == ("overfitting", 4, "")


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("dept",), "unknown study 'dept'; did you mean 'depth'?"),
        (("depth", "--scale", "big"), "scale must be small or full, got 'big'"),
        (("depth", "--seeds", "0"), "seeds must be a whole number from 1 to 100, got 0"),
        (("depth", "model.depth=20"), "model.depth is set by the study itself; leave it out"),
        (("depth", "digits", "epoch=1"), "unknown recipe field 'epoch'; did you mean 'epochs'?"),
        (("depth", "digits", "nonsense"), "expected FIELD=VALUE, got 'nonsense'"),
        (("depth", "nowhere"), "nowhere"),
    ],
)
def test_nonsense_is_refused(cli: Cli, here: Path, words: tuple[str, ...], text: str) -> None:
    found = cli("study", *words)
    assert found.code == 2
    assert text in found.err
    assert len(found.err.splitlines()) == 1
    assert not (here / "studies").exists()
