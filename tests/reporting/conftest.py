"""A fabricated run folder, complete as `train` and `evaluate` leave it."""

from __future__ import annotations

import base64
import csv
import io
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from tests.folders import new_folder

from tinysight.evaluation.metrics import Metrics, measure
from tinysight.recipe import Recipe
from tinysight.run import RunFolder

CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
NAMES = """
apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly
camel can castle caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile
cup dinosaur dolphin elephant flatfish forest fox girl hamster house kangaroo keyboard lamp
lawn_mower leopard lion lizard lobster man maple_tree motorcycle mountain mouse mushroom
oak_tree orange orchid otter palm_tree pear pickup_truck pine_tree plain plate poppy porcupine
possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk skyscraper snail snake
spider squirrel streetcar sunflower sweet_pepper table tank telephone television tiger tractor
train trout tulip turtle wardrobe whale willow_tree wolf woman worm
"""
CIFAR100 = tuple(NAMES.split())
assert len(CIFAR100) == 100


def plausible(classes: tuple[str, ...], each: int, accuracy: float, seed: int) -> Metrics:
    """Metrics of made-up predictions: classes differ, and confuse their neighbours most."""
    random = np.random.default_rng(seed)
    k = len(classes)
    labels = np.repeat(np.arange(k), each)
    near = random.permutation(k)
    logits = random.normal(0, 1.0, (k * each, k))
    rows = np.arange(len(labels))
    logits[rows, near[labels]] += 1.2
    strength = random.normal(0, 0.6, k) + 2.4 * accuracy + np.log(k) ** 0.5
    logits[rows, labels] += strength[labels]
    likely = np.exp(1.4 * logits)
    return measure(labels, (likely / likely.sum(1, keepdims=True)).astype(np.float32), classes)


def blob(seed: int) -> bytes:
    """A soft two-coloured 32x32 picture as PNG."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:32, :32]
    at, wide = random.uniform(8, 24, 2), random.uniform(4, 10)
    mask = np.exp(-(((y - at[0]) ** 2 + (x - at[1]) ** 2) / (2 * wide**2)))[..., None]
    back, front = random.integers(0, 255, (2, 3))
    buffer = io.BytesIO()
    picture = np.clip(
        back + mask * (front.astype(float) - back) + random.normal(0, 6, (32, 32, 3)), 0, 255
    )
    Image.fromarray(picture.astype(np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def cards(
    classes: tuple[str, ...], n: int, *, right: bool, picture: Callable[[int], bytes]
) -> list[dict]:
    found = []
    for i in range(n):
        label = (i * 7) % len(classes)
        predicted = label if right else (label + 1 + i) % len(classes)
        predicted = predicted if right or predicted != label else (label + 1) % len(classes)
        sure = 0.995 - 0.018 * i
        found.append(
            {
                "id": f"{i:016x}", "file": f"test/{classes[label]}/{i:04d}.png",
                "label": classes[label], "predicted": classes[predicted],
                "probability": sure, "probability_label": sure if right else 0.6 * (1 - sure),
                "png": base64.b64encode(picture(label)).decode(),
            }
        )  # fmt: skip
    return found


def epochs(n: int, top: float, *, overfit: float = 0.03) -> list[dict[str, float]]:
    """Curves as a one-cycle training draws them."""
    rows = []
    for epoch in range(1, n + 1):
        t = epoch / n
        noise = 0.01 * np.sin(epoch * 2.3) * (1 - t)
        validation = top * (1 - 0.55 * np.exp(-4 * t)) - 0.06 * t * (1 - t) + noise
        clean = min(0.998, validation + overfit * t**2 + 0.004)
        rows.append(
            {
                "epoch": epoch, "step": epoch * 176,
                "learning_rate": 0.4 * (t / 0.25 if t < 0.25 else (1 - t) / 0.75),
                "train_loss_running": 2.1 * np.exp(-2.1 * t) + 0.35,
                "train_accuracy_running": clean - 0.05,
                "train_loss_clean": 2.0 * np.exp(-2.4 * t) + 0.2,
                "train_accuracy_clean": clean,
                "validation_loss": 2.0 * np.exp(-2.4 * t) + 0.25 + 0.2 * overfit * t,
                "validation_accuracy": validation,
                "pictures_per_second": 1610.0 + 30 * np.sin(epoch), "seconds": 29.2 * epoch,
            }
        )  # fmt: skip
    return [{k: float(v) for k, v in row.items()} for row in rows]


COLUMNS = ("name", "kind", "output", "parameters", "flops", "receptive_field")
LAYERS = [
    ("stem", "Conv2d 3x3 + BatchNorm + ReLU", [32, 32, 32], 960, 1_900_544, 3),
    ("block1", "Residual block", [64, 32, 32], 55_936, 114_556_928, 7),
    ("block2", "Residual block, stride 2", [128, 16, 16], 230_144, 117_702_656, 15),
    ("block3", "Residual block, stride 2", [256, 8, 8], 919_040, 117_571_584, 31),
    ("pool", "Global average", [256], 0, 16_384, None),
    ("head", "Linear", [10], 2_570, 5_120, None),
]


def _make_run(
    path: Path,
    classes: tuple[str, ...] = CIFAR10,
    *,
    n_epochs: int = 12,
    planned: int | None = None,
    each: int = 100,
    splits: tuple[str, ...] = ("validation", "test"),
    title: str = "canonical CIFAR-10, all 60,000 pictures",
    accuracy: float = 0.7,
    overfit: float = 0.03,
    stopped: str | None = "completed",
    picture: Callable[[int], bytes] = blob,
) -> RunFolder:
    """Write a whole run; tests then take parts away."""
    k = len(classes)
    folder = new_folder("made-up", path)
    recipe = Recipe(name="quick", epochs=planned or n_epochs).override("optim.lr", 0.4)
    recipe = recipe.override("augment.flip", True).override("augment.crop", 4)
    recipe = recipe.override("loss.label_smoothing", 0.1).override("model.width", 32)
    folder.write({"recipe.json": recipe.to_json()})
    sizes = {"train": 4500, "validation": 500, "test": 1000}
    folder.write_json("data", {
        "name": f"cifar{k}", "title": title, "classes": list(classes), "shape": [32, 32, 3],
        "splits": {
            s: {"n": k * n // 10, "counts": [n // 10] * k, "digest": "0" * 64}
            for s, n in sizes.items()
        },
        "fingerprints": {"train": "312eba2e95c7a84e" * 4, "test": "fe0ab331ab239f2d" * 4},
        "split_seed": 0, "mean": [0.4914, 0.4822, 0.4465], "deviation": [0.2470, 0.2435, 0.2616],
        "source": {
            "origin": "data/cifar", "kind": "parquet",
            "files": ["train-0.parquet", "test-0.parquet"],
        },
        "notes": ["put into canonical order", "2 pictures of 33x32 were resized to 32x32"],
    })  # fmt: skip
    folder.write_json("model", {
        "name": "resnet9", "parameters": sum(layer[3] for layer in LAYERS),
        "flops": sum(layer[4] for layer in LAYERS),
        "note": "stem 3x3 at stride 1, no pooling: the pictures are 32x32",
        "layers": [
            dict(zip(COLUMNS, layer, strict=True)) for layer in LAYERS
        ],
    })  # fmt: skip
    folder.write_json("environment", {
        "tinysight": "0.1.0", "python": "3.11.9", "torch": "2.13.0", "platform": "Linux x86_64",
        "processor": "Some Processor, 2 cores", "cores": 2, "threads": 2, "device": "cpu",
        "precision": "bf16", "precision_why": "the processor multiplies bfloat16 in hardware",
        "command": "tinysight train cifar10 --recipe quick --evaluate-test", "git_commit": None,
        "started": "2026-11-21T09:04:00+00:00",
    })  # fmt: skip
    found = {s: plausible(classes, each, accuracy, seed) for seed, s in enumerate(splits)}
    top = found["validation"].top1.value if "validation" in found else 0.8
    rows = epochs(n_epochs, top, overfit=overfit)
    if n_epochs > 1:  # the last epoch is a hair worse, so that best and last differ
        rows[-2]["validation_accuracy"], rows[-1]["validation_accuracy"] = top, top - 0.002
    table = io.StringIO(newline="")
    writer = csv.DictWriter(table, fieldnames=list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    folder.write({"metrics.csv": table.getvalue()})
    for tag, row in (("best", rows[-2] if n_epochs > 1 else rows[-1]), ("last", rows[-1])):
        kept = ("validation_accuracy", "validation_loss", "train_accuracy_clean", "seconds")
        state = {name: row[name] for name in kept} | {
            "epoch": int(row["epoch"]), "step": int(row["step"]), "train_clean_n": 5000,
            "stopped": stopped if tag == "last" else None, "peak_memory_bytes": 1_310_000_000,
        }  # fmt: skip
        weights = "weights-000000000000.safetensors"
        folder.write({f"checkpoints/{weights}": b""})
        folder.write_json(f"checkpoints/{tag}", {"weights": weights, "state": state})
    for split, metrics in found.items():
        folder.write_json(f"evaluation/{split}/metrics", {
            "split": split, "checkpoint": "best", "n": metrics.top1.n, "metrics": metrics.to_dict(),
        })  # fmt: skip
        folder.write_json(f"evaluation/{split}/gallery", {
            "right": cards(classes, 24, right=True, picture=picture),
            "wrong": cards(classes, 24, right=False, picture=picture),
        })  # fmt: skip
    if "test" in splits:
        folder.count_test_read("evaluate")
    return folder


@pytest.fixture
def made_up() -> SimpleNamespace:
    """The names and makers above; tests cannot import them."""
    return SimpleNamespace(
        CIFAR10=CIFAR10, CIFAR100=CIFAR100, plausible=plausible, epochs=epochs, blob=blob
    )


@pytest.fixture(scope="session")
def make_run() -> Callable[..., RunFolder]:
    """The maker of run folders: a path, then what should differ."""
    return _make_run


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., RunFolder]:
    """Return the maker of run folders; each call makes one more."""
    made = []

    def make(*args, **settings) -> RunFolder:
        made.append(_make_run(tmp_path / f"run-{len(made)}", *args, **settings))
        return made[-1]

    return make


@pytest.fixture
def metrics() -> Metrics:
    return plausible(CIFAR10, 50, 0.7, seed=0)


@pytest.fixture
def curves() -> list[dict[str, float]]:
    return epochs(12, 0.85)


@pytest.fixture
def undrawn(monkeypatch):
    """Leave the figures out, for tests of the words alone."""
    monkeypatch.setattr("tinysight.reporting.html.plots", lambda *_: iter(()))
