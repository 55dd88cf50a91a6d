"""The Classifier and its normalisation, against hand-worked cases."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tinysight.errors import ModelError
from tinysight.models import build
from tinysight.models.classifier import Classifier, Normalise
from tinysight.recipe import Model


def test_normalise_by_hand() -> None:
    # 51 of 255 is 0.2, 204 is 0.8: (0.2 - 0.5) / 0.25 = -1.2 and (0.8 - 0.4) / 0.5 = 0.8
    images = torch.tensor([[[[51]], [[204]]]], dtype=torch.uint8)
    out = Normalise([0.5, 0.4], [0.25, 0.5])(images)
    assert out.dtype == torch.float32
    assert out.flatten().tolist() == pytest.approx([-1.2, 0.8], abs=1e-6)


def test_normalise_leaves_mean_0_and_deviation_1() -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (50, 3, 6, 5), dtype=np.uint8)
    fractions = images.astype(np.float64) / 255
    normalise = Normalise(fractions.mean((0, 2, 3)).tolist(), fractions.std((0, 2, 3)).tolist())
    out = normalise(torch.from_numpy(images)).double()
    assert torch.allclose(out.mean((0, 2, 3)), torch.zeros(3).double(), atol=1e-6)
    assert torch.allclose(out.std((0, 2, 3), correction=0), torch.ones(3).double(), atol=1e-6)


@pytest.mark.parametrize("deviation", [0.0, 1e-12, 0.003])
def test_a_constant_channel_is_centred_and_no_more(deviation: float) -> None:
    normalise = Normalise([0.2], [deviation])
    out = normalise(torch.tensor([51, 255, 0], dtype=torch.uint8).view(3, 1, 1, 1))
    assert out.flatten().tolist() == pytest.approx([0.0, 0.8, -0.2], abs=1e-6)


def test_normalise_is_exact_under_autocast() -> None:
    images = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16)
    normalise = Normalise([0.4914], [0.2470])
    with torch.autocast("cpu", torch.bfloat16):
        out = normalise(images)
        between = normalise(torch.full((1, 1, 1, 1), 200.3))  # augmented: no whole grey level
    expected = (np.arange(256) / 255 - 0.4914) / 0.2470
    assert out.dtype == torch.float32
    assert np.allclose(out.flatten().numpy(), expected, atol=1e-5)
    assert float(between) == pytest.approx((200.3 / 255 - 0.4914) / 0.2470, abs=1e-5)


def test_the_statistics_travel_with_the_weights() -> None:
    assert set(Normalise([0.5], [0.2]).state_dict()) == {"mean", "deviation"}


@pytest.mark.parametrize("shape", [(2, 1, 8, 6), (2, 3, 6, 8), (3, 8, 6), (2, 3, 8, 7)], ids=str)
def test_pictures_of_another_shape(shape: tuple[int, ...]) -> None:
    net = torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())
    model = Classifier(net, (8, 6, 3), 3, mean=[0.5] * 3, deviation=[0.2] * 3)
    assert model(torch.zeros(2, 3, 8, 6)).shape == (2, 3)
    with pytest.raises(ModelError, match=r"model custom takes pictures n 3 8 6 \(n c h w\), got "):
        model(torch.zeros(shape))


def test_statistics_of_another_number_of_channels_are_refused() -> None:
    said = "mean and deviation must have one value for each of the 3 channels, got 3 and 1"
    with pytest.raises(ModelError, match=said):
        Classifier(torch.nn.Flatten(), (8, 6, 3), 3, mean=[0.5] * 3, deviation=[0.2])


def test_a_size_that_is_accepted_is_taken_and_no_other() -> None:
    model = build(Model(name="speednet"), (32, 32, 3), 10, mean=[0.5] * 3, deviation=[0.2] * 3,
                  seed=0).train()  # fmt: skip
    statistics = {k: v.clone() for k, v in model.state_dict().items()}
    model.accept(24, 24)
    assert model.training
    assert all(torch.equal(v, statistics[k]) for k, v in model.state_dict().items())
    assert model(torch.zeros(2, 3, 24, 24)).shape == (2, 10)
    for shape in ((2, 3, 16, 16), (2, 1, 24, 24), (2, 3, 24, 32)):
        with pytest.raises(ModelError, match="model speednet takes pictures n 3 32 32"):
            model(torch.zeros(shape))


@pytest.mark.parametrize(
    ("name", "size", "small", "said"),
    [
        ("p3", (32, 32), (24, 24), "model p3, built for pictures of 32x32, does not take those of "
         r"24x24 that the training would start on \(mat1 .*\); use augment.shrink=1"),
        ("speednet", (64, 64), (16, 16), r"of 64x64, does not take those of 16x16 .* \(.*size.*\)"),
    ],
)  # fmt: skip
def test_a_size_that_the_network_cannot_take_is_refused(
    name: str, size: tuple[int, int], small: tuple[int, int], said: str
) -> None:
    model = build(Model(name=name), (*size, 3), 10, mean=[0.5] * 3, deviation=[0.2] * 3, seed=0)
    with pytest.raises(ModelError, match=said):
        model.accept(*small)
    assert model.sizes == {size}
