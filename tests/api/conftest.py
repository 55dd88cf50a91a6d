from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from tests.api.arrays import noise


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def small() -> dict[str, Any]:
    return {"epochs": 2, "batch_size": 16, "model": "linear", "quiet": True}


@pytest.fixture
def folder(here: Path) -> Path:
    """A folder of pictures: class/*.png."""
    images, labels = noise(60, 0)
    for i, (image, label) in enumerate(zip(images, labels, strict=True)):
        place = here / "pictures" / ("red", "green", "blue")[label]
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(place / f"{i}.png")
    return here / "pictures"
