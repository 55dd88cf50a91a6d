"""Small data sets on disk, written as users have them."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]


@pytest.fixture
def noise() -> Callable[..., Pixels]:
    """Random pictures: noise(n, h, w, c, seed=0)."""

    def make(*shape: int, seed: int = 0) -> Pixels:
        return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)

    return make


@pytest.fixture
def encode() -> Callable[..., bytes]:
    """The bytes of a picture, losslessly."""

    def make(pixels: Pixels, kind: str = "PNG") -> bytes:
        file = io.BytesIO()
        plain = pixels[..., 0] if pixels.shape[-1] == 1 else pixels
        Image.fromarray(plain).save(file, kind, **({"lossless": True} if kind == "WebP" else {}))
        return file.getvalue()

    return make


@pytest.fixture
def write_folder(encode: Callable[..., bytes]) -> Callable[..., Path]:
    """Write class folders of numbered files: write_folder(path, {"cat": [pixels, ...]})."""

    def write(path: Path, classes: Mapping[str, Sequence[Pixels]], kind: str = "PNG") -> Path:
        for name, pictures in classes.items():
            (path / name).mkdir(parents=True, exist_ok=True)
            for i, pixels in enumerate(pictures):
                (path / name / f"{i:04d}.{kind.lower()}").write_bytes(encode(pixels, kind))
        return path

    return write


@pytest.fixture
def write_parquet(encode: Callable[..., bytes]) -> Callable[..., Path]:
    """Write a table as the hub has it: write_parquet(file, images, label=labels, names={...})."""

    def write(
        file: Path,
        images: Sequence[Any],
        *,
        names: Mapping[str, Sequence[str]] | None = None,
        image: str = "img",
        paths: Sequence[str | None] | None = None,
        kind: str = "PNG",
        **labels: Any,
    ) -> Path:
        cells = [x if isinstance(x, bytes | None) else encode(x, kind) for x in images]
        rows = [
            {"bytes": raw, "path": name}
            for raw, name in zip(cells, paths or [None] * len(cells), strict=True)
        ]
        kinds = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
        columns = {image: pa.array(rows, kinds)} | {k: pa.array(v) for k, v in labels.items()}
        table = pa.table(columns)
        if names is not None:
            features = {k: {"names": list(v), "_type": "ClassLabel"} for k, v in names.items()}
            features[image] = {"_type": "Image"}  # pyright: ignore[reportArgumentType]
            said = json.dumps({"info": {"features": features}})
            table = table.replace_schema_metadata({"huggingface": said})
        file.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(table, file, row_group_size=7)
        return file

    return write
