"""An evaluation: predictions on a split, their metrics, and a gallery to look at."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from tinysight.data.dataset import Split
from tinysight.evaluation.intervals import Share, wilson
from tinysight.evaluation.metrics import Metrics, measure
from tinysight.evaluation.predict import TTA, device_of, probabilities
from tinysight.progress import Progress
from tinysight.run import RunFolder

__all__ = ["Augmented", "Evaluation", "evaluate", "save"]

CARDS = 24  # pictures a gallery


@dataclass(frozen=True)
class Augmented:
    """Accuracy with test-time augmentation.

    Attributes:
        tta: which, of `predict.TTA`.
    """

    tta: str
    top1: Share

    def __post_init__(self) -> None:
        if self.tta not in TTA:
            raise ValueError(f"tta must be one of {', '.join(TTA)}, got {self.tta!r}")

    def __str__(self) -> str:
        return f"{self.top1} with test-time augmentation ({self.tta}, {TTA[self.tta]})"

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, for metrics.json."""
        return asdict(self)


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What a model says of a labelled split.

    Attributes:
        split: "validation" or "test".
        labels: int64, n.
        probabilities: float32, n k.
        ids, files: as in `Split`.
        checkpoint: which weights: "best" or "last".
        device: the kind of device it was computed on, "cpu" or "cuda" say.
        augmented: accuracy with test-time augmentation, where that was asked for. All else is of
            the single view.
        weights: the SHA-256 sum of the file of weights, where they came from one.
        test_selected: whether the weights were chosen on the test split, by protocol=source.
    """

    split: str
    checkpoint: str
    metrics: Metrics
    labels: NDArray[np.int64]
    probabilities: NDArray[np.float32]
    ids: tuple[str, ...]
    files: tuple[str, ...] = ()
    device: str = "cpu"
    augmented: Augmented | None = None
    weights: str | None = None
    test_selected: bool = False

    @property
    def predicted(self) -> NDArray[np.int64]:
        """The class of the largest probability, n."""
        return self.probabilities.argmax(axis=1)

    def __str__(self) -> str:
        said = f"{self.split} accuracy {self.metrics.top1}"
        if self.test_selected:
            said += ", test-selected"
        return f"{said}, single view; {self.augmented}" if self.augmented else said


def evaluate(
    model: nn.Module,
    split: Split,
    classes: tuple[str, ...],
    *,
    name: str,
    checkpoint: str,
    weights: str | None = None,
    tta: str = "none",
    test_selected: bool = False,
    progress: Progress | None = None,
) -> Evaluation:
    """Evaluate `model`, where it is, on every picture of a split, each counted once, in fp32.

    Args:
        test_selected: whether the weights were chosen on test.
        weights: the SHA-256 sum of the file that they came from.
        tta: test-time augmentation, one of `predict.TTA`, whose accuracy is measured beside.
        progress: where it is shown how far it is.
    """
    progress = progress or Progress(quiet=True)
    what = f"evaluating on {name}"
    with progress.counting(what) as shown:
        found = probabilities(model, split.images, shown=shown).numpy()
    labels = split.labels.numpy()
    metrics = measure(labels, found, classes)
    device = device_of(model).type
    augmented = None
    if tta != "none":
        with progress.counting(f"{what}, {TTA[tta]}") as shown:
            said = probabilities(model, split.images, tta=tta, shown=shown).argmax(1)
        hits = said == split.labels
        augmented = Augmented(tta, wilson(int(hits.sum()), len(hits)))
    return Evaluation(
        name,
        checkpoint,
        metrics,
        labels,
        found,
        split.ids,
        split.files,
        device,
        augmented,
        weights,
        test_selected,
    )


def save(evaluation: Evaluation, split: Split, folder: RunFolder) -> None:
    """Write metrics.json, predictions.parquet and gallery.json into the run folder."""
    metrics = {
        "split": evaluation.split,
        "checkpoint": evaluation.checkpoint,
        "weights": evaluation.weights,
        "device": evaluation.device,
        "n": len(evaluation.labels),
        "metrics": evaluation.metrics.to_dict(),
        "augmented": evaluation.augmented.to_dict() if evaluation.augmented else None,
        "test_selected": evaluation.test_selected,
    }
    where = f"evaluation/{evaluation.split}"
    folder.write(
        {
            f"{where}/metrics.json": json.dumps(metrics, indent=2, allow_nan=False) + "\n",
            f"{where}/predictions.parquet": _predictions(evaluation),
            f"{where}/gallery.json": json.dumps(_gallery(evaluation, split)) + "\n",
        }
    )


def _predictions(evaluation: Evaluation) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    n, k = evaluation.probabilities.shape
    flat = pa.array(evaluation.probabilities.reshape(-1))
    predicted = evaluation.predicted
    table = pa.table(
        {
            "id": evaluation.ids,
            "file": [_text(f) for f in evaluation.files] or [None] * n,
            "label": evaluation.labels,
            "predicted": predicted,
            "probability": evaluation.probabilities[np.arange(n), predicted],
            "probabilities": pa.FixedSizeListArray.from_arrays(flat, k),
        }
    )
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    return buffer.getvalue()


def _gallery(evaluation: Evaluation, split: Split) -> dict[str, list[dict[str, Any]]]:
    """Return cards of right answers (spread over the classes) and of the surest wrong ones."""
    predicted, sure = evaluation.predicted, evaluation.probabilities.max(axis=1)
    right = predicted == evaluation.labels
    wrong = np.flatnonzero(~right)
    wrong = wrong[np.argsort(-sure[wrong], kind="stable")][:CARDS]
    chosen: list[int] = []
    rounds = [np.flatnonzero(right & (evaluation.labels == c)) for c in np.unique(predicted)]
    for place in range(CARDS):
        chosen += [int(group[place]) for group in rounds if place < len(group)]
    cards = {"right": chosen[:CARDS], "wrong": wrong.tolist()}
    return {kind: [_card(evaluation, split, i) for i in at] for kind, at in cards.items()}


def _card(evaluation: Evaluation, split: Split, i: int) -> dict[str, Any]:
    names: Sequence[str] = [c.name for c in evaluation.metrics.classes]
    label, predicted = int(evaluation.labels[i]), int(evaluation.predicted[i])
    return {
        "id": evaluation.ids[i],
        "file": _text(evaluation.files[i]) if evaluation.files else None,
        "label": names[label],
        "predicted": names[predicted],
        "probability": float(evaluation.probabilities[i, predicted]),
        "probability_label": float(evaluation.probabilities[i, label]),
        "png": base64.b64encode(_png(split.images[i].numpy())).decode(),
    }


def _text(name: str) -> str:
    """A file name as text: names on disk need not be."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _png(image: NDArray[np.uint8]) -> bytes:
    """A picture (h w c) as PNG."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(image.squeeze(-1) if image.shape[-1] == 1 else image).save(buffer, "PNG")
    return buffer.getvalue()
