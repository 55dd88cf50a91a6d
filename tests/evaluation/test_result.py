"""An evaluation in memory and on disk."""

import base64
import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from tinysight.data.dataset import Split
from tinysight.evaluation import result
from tinysight.evaluation.result import CARDS, Evaluation
from tinysight.progress import Progress, _Counter
from tinysight.run import RunFolder

CLASSES = ("red", "green", "blue")
N = 90


class Brightest(nn.Module):
    """Logits from the mean of each channel."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(0.02))

    def forward(self, images: Tensor) -> Tensor:
        return images.float().mean((2, 3)) * self.scale


def made(wrong: float, channels: int = 3) -> tuple[Evaluation, Split]:
    """An evaluation of random pictures, of which about the share `wrong` is labelled otherwise."""
    random = np.random.default_rng(0)
    images = torch.from_numpy(random.integers(0, 256, (N, 4, 4, 3)).astype(np.uint8))
    said = Brightest()(images.permute(0, 3, 1, 2)).argmax(1)
    labels = torch.where(torch.from_numpy(random.random(N) < wrong), (said + 1) % 3, said)
    names = tuple(f"{i}.png" for i in range(N))
    split = Split(images, labels, tuple(f"{i:016x}" for i in range(N)), names)
    found = result.evaluate(Brightest(), split, CLASSES, name="test", checkpoint="best")
    return found, Split(images[..., :channels], labels, split.ids, names)


def test_how_far_it_is_is_shown_for_both_of_its_passes(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_Counter, "every", 0.0)
    split = made(wrong=0.5)[1]
    where = {"name": "test", "checkpoint": "best", "progress": Progress()}
    result.evaluate(Brightest(), split, CLASSES, tta="mirror", **where)
    assert capsys.readouterr().err.splitlines() == [
        f"evaluating on test: {N} of {N}",
        f"evaluating on test, 2 views: the picture and its mirror image: {N} of {N}",
    ]


def gallery(evaluation: Evaluation, split: Split, path: Path) -> dict[str, list[dict]]:
    folder = RunFolder(path)
    result.save(evaluation, split, folder)
    return folder.read_json(f"evaluation/{evaluation.split}/gallery")


def test_the_gallery_has_the_surest_mistakes_first(tmp_path: Path) -> None:
    found, split = made(wrong=0.9)
    sure = found.probabilities.max(axis=1)
    mistakes = [i for i in range(N) if found.predicted[i] != found.labels[i]]
    assert len(mistakes) > 2 * CARDS
    expected = sorted(mistakes, key=lambda i: -sure[i])[:CARDS]
    cards = gallery(found, split, tmp_path)["wrong"]
    assert [int(card["id"], 16) for card in cards] == expected
    for card, i in zip(cards, expected, strict=True):
        label, said = int(found.labels[i]), int(found.predicted[i])
        assert (card["label"], card["predicted"]) == (CLASSES[label], CLASSES[said])
        assert card["probability"] == float(sure[i])
        assert card["probability_label"] == float(found.probabilities[i, label])
        assert card["file"] == f"{i}.png"
        picture = Image.open(io.BytesIO(base64.b64decode(card["png"])))
        assert (np.asarray(picture) == split.images[i].numpy()).all()


def test_the_right_answers_of_the_gallery_are_spread_over_the_classes(tmp_path: Path) -> None:
    found, split = made(wrong=0.0)
    cards = gallery(found, split, tmp_path)
    assert cards["wrong"] == []
    labels = [card["label"] for card in cards["right"]]
    assert labels == list(CLASSES) * (CARDS // 3)
    assert all(card["predicted"] == card["label"] for card in cards["right"])


def test_grey_pictures_are_on_cards_too(tmp_path: Path) -> None:
    cards = gallery(*made(wrong=0.5, channels=1), tmp_path)
    picture = Image.open(io.BytesIO(base64.b64decode(cards["right"][0]["png"])))
    assert (picture.mode, picture.size) == ("L", (4, 4))


def test_predictions_and_metrics_are_on_disk(tmp_path: Path) -> None:
    found, split = made(wrong=0.5)
    gallery(found, split, tmp_path)
    folder = tmp_path / "evaluation" / "test"
    table = pq.read_table(folder / "predictions.parquet").to_pydict()
    assert table["id"] == list(split.ids)
    assert table["file"] == list(split.files)
    assert table["label"] == split.labels.tolist()
    assert table["predicted"] == found.predicted.tolist()
    assert table["probability"] == pytest.approx(found.probabilities.max(axis=1))
    np.testing.assert_array_equal(np.array(table["probabilities"]), found.probabilities)
    said = json.loads((folder / "metrics.json").read_text())
    assert {k: said[k] for k in ("split", "checkpoint", "device", "n")} == {
        "split": "test", "checkpoint": "best", "device": "cpu", "n": N
    }  # fmt: skip
    assert said["metrics"]["top1"]["value"] == (found.predicted == found.labels).mean()
    assert str(found) == f"test accuracy {found.metrics.top1}"


def test_names_that_are_no_text_are_written_as_text(tmp_path: Path) -> None:
    found, split = made(wrong=0.5)
    odd = tuple(f"caf\udce9{i}.png" for i in range(N))
    cards = gallery(replace(found, files=odd), split, tmp_path)
    table = pq.read_table(tmp_path / "evaluation" / "test" / "predictions.parquet").to_pydict()
    assert table["file"] == [f"caf\ufffd{i}.png" for i in range(N)]
    assert all(card["file"] in table["file"] for card in cards["right"] + cards["wrong"])
