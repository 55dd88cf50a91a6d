from pathlib import Path

import pytest
from PIL import Image
from tests.cli.calls import Cli, Said

from tinysight.cli import main


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Cli:
    def call(*words: str) -> Said:
        with pytest.raises(SystemExit) as left:
            main([str(w) for w in words])
        said = capsys.readouterr()
        return Said(int(left.value.code or 0), said.out, said.err)

    return call


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of one epoch on the digits, made through the command line."""
    out = tmp_path_factory.mktemp("runs") / "digits-001"
    words = [
        "train",
        "digits",
        "epochs=1",
        "model=linear",
        "--out",
        str(out),
        "--evaluate-test",
        "-q",
    ]
    with pytest.raises(SystemExit) as left:
        main(words)
    assert not left.value.code
    return out


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for i, size in enumerate([(32, 32), (50, 40)]):
        Image.new("L", size, 40 * i).save(folder / f"{i}.png")
    (folder / "notes.txt").write_text("not a picture")
    return folder


@pytest.fixture
def spoilt(tmp_path: Path) -> Path:
    """Two classes of ten pictures each, and one more file that is no picture."""
    for label in ("bird", "cat"):
        (tmp_path / "spoilt" / label).mkdir(parents=True)
        for i in range(10):
            picture = Image.effect_noise((8, 8), 60)
            picture.save(tmp_path / "spoilt" / label / f"{i}.png")
    (tmp_path / "spoilt" / "cat" / "bad.png").write_text("no picture")
    return tmp_path / "spoilt"
