import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from torch.backends import cuda, cudnn

from tinysight.evaluation import predict as module
from tinysight.evaluation.predict import predict, probabilities, score

CLASSES = ("dark", "light")


class Brightness(nn.Module):
    """Logits from the mean of a picture: negative for dark, positive for light."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([-0.02, 0.02]))
        self.dropout = nn.Dropout(0.9)

    def forward(self, images: Tensor) -> Tensor:
        mean = self.dropout(images.float().mean((1, 2, 3)) - 127.5)
        return mean[:, None] * self.weight


@pytest.fixture
def images() -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (11, 4, 4, 3), generator=generator, dtype=torch.uint8)


def test_probabilities_and_score_by_hand(images: Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BATCH", 4)  # so that there are several batches, the last short
    model = Brightness().train()
    z = (images.double().mean((1, 2, 3)) - 127.5).numpy() * 0.02
    expected = np.stack([1 / (1 + np.exp(2 * z)), 1 / (1 + np.exp(-2 * z))], axis=1)
    found = probabilities(model, images)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert model.training
    assert model.dropout.training
    labels = torch.tensor([0, 1] * 5 + [0])
    loss, accuracy = score(model, images, labels)
    truth = expected[np.arange(11), labels]
    assert loss == pytest.approx(-np.log(truth).mean(), rel=1e-5)
    assert accuracy == (expected.argmax(1) == labels.numpy()).mean()


def test_pictures_are_answered_in_their_order_and_bad_ones_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BATCH", 2)
    Image.new("RGB", (4, 4), "white").save(tmp_path / "white.png")
    (tmp_path / "bad.png").write_text("text")
    black = np.zeros((4, 4, 3), np.uint8)
    given = [tmp_path / "bad.png", tmp_path / "white.png", black, tmp_path / "bad.png"]
    found = predict(Brightness(), given, shape=(4, 4, 3), classes=CLASSES, top=1)
    assert [p.picture for p in found] == [
        str(tmp_path / "bad.png"),
        str(tmp_path / "white.png"),
        "picture 2",
        str(tmp_path / "bad.png"),
    ]
    assert [bool(p.error) for p in found] == [True, False, False, True]
    assert [[c for c, _ in p.top] for p in found] == [[], ["light"], ["dark"], []]


def test_at_most_all_classes_are_named() -> None:
    (found,) = predict(
        Brightness(), [np.zeros((4, 4, 3), np.uint8)], shape=(4, 4, 3), classes=CLASSES, top=9
    )
    assert sum(v for _, v in found.top) == pytest.approx(1)
    assert len(found.top) == 2


def test_cuda_computes_in_fp32_and_is_left_as_found(images: Tensor) -> None:
    kinds = (cudnn.conv, cuda.matmul)  # pyright: ignore[reportAttributeAccessIssue]
    seen = []

    class Looking(Brightness):
        def forward(self, images: Tensor) -> Tensor:
            seen.append([kind.fp32_precision for kind in kinds])
            return super().forward(images)

    before = [kind.fp32_precision for kind in kinds]
    assert before[0] != "ieee"
    probabilities(Looking(), images)
    assert seen == [["ieee", "ieee"]]
    assert [kind.fp32_precision for kind in kinds] == before


def test_cuda_stays_in_fp32_until_the_last_of_several_has_left(images: Tensor) -> None:
    """A sets it, B comes, A leaves, and B still computes in fp32."""
    kinds = (cudnn.conv, cuda.matmul)  # pyright: ignore[reportAttributeAccessIssue]
    before = [kind.fp32_precision for kind in kinds]
    entered, left, seen = threading.Event(), threading.Event(), []

    class Waiting(Brightness):
        def forward(self, images: Tensor) -> Tensor:
            entered.set()
            assert left.wait(10)
            seen.append([kind.fp32_precision for kind in kinds])
            return super().forward(images)

    class Calling(Brightness):
        def forward(self, images: Tensor) -> Tensor:
            other.start()
            assert entered.wait(10)
            return super().forward(images)

    other = threading.Thread(target=probabilities, args=(Waiting(), images))
    probabilities(Calling(), images)
    left.set()
    other.join()
    assert seen == [["ieee", "ieee"]]
    assert [kind.fp32_precision for kind in kinds] == before


class Corner(nn.Module):
    """Logits from single pixels, so that it matters where a picture lies."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(0.01))

    def forward(self, images: Tensor) -> Tensor:
        return images.float()[:, 0, 0, :2] * self.weight


def test_views_are_averaged_by_hand(images: Tensor) -> None:
    """Half the weight where it is, a quarter each one pixel up and left, down and right."""
    pixels = images.permute(0, 3, 1, 2).double()[:, 0]  # n 4 4, the first channel
    wide = np.pad(pixels.numpy(), ((0, 0), (1, 1), (1, 1)), mode="reflect")
    logits = 0.0
    for weight, view in ((0.5, pixels.numpy()), (0.25, wide[:, :4, :4]), (0.25, wide[:, 2:, 2:])):
        for seen in (view, view[:, :, ::-1]):
            logits = logits + weight / 2 * 0.01 * seen[:, 0, :2]
    expected = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    found = probabilities(Corner(), images, tta="mirror+shift")
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    mirrored = 0.5 * (pixels[:, 0, :2] + pixels[:, 0, [3, 2]]) * 0.01
    np.testing.assert_allclose(
        probabilities(Corner(), images, tta="mirror"), mirrored.softmax(1), rtol=1e-5
    )


def test_a_mirror_image_is_told_as_its_original(images: Tensor) -> None:
    found = probabilities(Corner(), images, tta="mirror")
    assert torch.equal(found, probabilities(Corner(), images.flip(2), tta="mirror"))
    assert not torch.equal(probabilities(Corner(), images), found)


def test_a_score_in_bf16_rounds(images: Tensor) -> None:
    layer = nn.Sequential(nn.Flatten(), nn.Linear(48, 2))
    floats = nn.Sequential(Scaled(), layer)
    labels = torch.zeros(11, dtype=torch.int64)
    exact, rounded = score(floats, images, labels), score(floats, images, labels, torch.bfloat16)
    assert exact != rounded
    assert exact[0] == pytest.approx(rounded[0], rel=0.02)


class Scaled(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        return images.float() / 255
