"""The speed runs' network, and the whitening in front of it."""

from __future__ import annotations

import pytest
import torch

from tinysight.models import Classifier, adapt, build, describe
from tinysight.models.layers import Whiten
from tinysight.recipe import Model


def smooth(n: int, channels: int = 3) -> torch.Tensor:
    """Normalised pictures, n c h w, whose neighbouring pixels and channels are alike."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.randn(n, 1, 6, 6, generator=generator)
    large = torch.nn.functional.interpolate(coarse, (16, 16), mode="bilinear")
    return large + 0.3 * torch.randn(n, channels, 16, 16, generator=generator)


def test_whitened_values_are_uncorrelated_and_of_variance_one() -> None:
    layer = Whiten(3, 2, 1)
    images = smooth(200)
    layer.adapt(images)
    kept = layer(images)[:, :12].transpose(0, 1).flatten(1).double()
    second = kept @ kept.T / kept.shape[1]  # about zero, as the filters see them
    assert torch.allclose(second, torch.eye(12).double(), atol=0.02)


def test_the_second_half_is_the_first_negated_and_the_largest_come_first() -> None:
    layer = Whiten(3, 2, 1)
    layer.adapt(smooth(50))
    assert torch.equal(layer.weight[:12], -layer.weight[12:])
    sizes = layer.weight[:12].flatten(1).norm(dim=1)
    assert (sizes.diff() > 0).all()  # divided by ever smaller deviations
    assert not layer.weight.requires_grad


def test_constant_pictures_give_finite_filters() -> None:
    layer = Whiten(1, 2, 1)
    layer.adapt(torch.zeros(10, 1, 8, 8))
    assert layer.weight.isfinite().all()


def test_large_patches_keep_their_strongest_parts() -> None:
    layer = Whiten(3, 8, 4)
    layer.adapt(smooth(50))
    assert layer.weight.shape == (48, 3, 8, 8)
    assert layer(smooth(2)).shape == (2, 48, 3, 3)


@pytest.mark.parametrize(
    ("shape", "note"),
    [
        ((32, 32, 3), "2 pixels wide, stride 1; groups at 15x15, 7x7, 3x3 (3 of 3 poolings)"),
        ((28, 28, 1), "2 pixels wide, stride 1; groups at 13x13, 6x6, 3x3 (3 of 3 poolings)"),
        ((64, 64, 3), "4 pixels wide, stride 2; groups at 15x15, 7x7, 3x3 (3 of 3 poolings)"),
        ((8, 8, 1), "2 pixels wide, stride 1; groups at 7x7, 7x7, 3x3 (1 of 3 poolings)"),
    ],
)
def test_the_net_fits_itself_to_the_picture_and_says_so(
    shape: tuple[int, int, int], note: str
) -> None:
    assert speednet(shape).note == f"whitens patches {note}"


def speednet(shape: tuple[int, int, int], **options: object) -> Classifier:
    c = shape[2]
    settings = Model.model_validate({"name": "speednet", **options})
    return build(settings, shape, 10, mean=[0.5] * c, deviation=[0.25] * c, seed=0)


def test_the_first_filters_are_the_identity() -> None:
    model = speednet((32, 32, 3), widths=[32, 8, 16])
    weights = dict(model.named_parameters())
    for name, kept in (("group1", 24), ("group2", 8), ("group3", 8)):
        weight = weights[f"net.{name}.conv1.weight"]
        inside = weight.shape[1]
        expected = torch.nn.init.dirac_(torch.empty(min(inside, len(weight)), inside, 3, 3))
        assert torch.equal(weight[:kept], expected[:kept])
    assert weights["net.group3.conv1.weight"][8:].std() > 0.01


def test_the_published_networks() -> None:
    """airbench94_muon's CifarNet, counted, has 1,972,792 parameters; 24 are the first bias."""
    small = describe(speednet((32, 32, 3)), (32, 32, 3))
    assert small.parameters == 1_972_792 - 24
    assert small.trainable == small.parameters - 24 * 12 - 2 * (64 + 256 + 256)
    deep = speednet((32, 32, 3), widths=[128, 384, 512], depth=3)
    assert {n for n, _ in deep.get_submodule("net.group2").named_children()} == {
        "conv1", "pool", "norm1", "gelu1", "around",
    }  # fmt: skip


def test_the_whitening_is_that_of_all_patches_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    layer, images = Whiten(3, 2, 1), smooth(50)
    layer.adapt(images)
    expected = layer.weight.clone()
    monkeypatch.setattr(Whiten, "AT_ONCE", 7 * 8 * 8)
    layer.adapt(images)
    torch.testing.assert_close(layer.weight, expected)


def test_pictures_are_looked_at_by_what_they_weigh(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[torch.Size] = []
    monkeypatch.setattr(Whiten, "adapt", lambda _, images: seen.append(images.shape))
    for n, side in ((1_500, 8), (60, 512)):
        images = torch.zeros(n, side, side, 3, dtype=torch.uint8)
        images[-n // 3 :] = 255  # the last third
        adapt(speednet((side, side, 3)), images)
    assert [(shape[0], shape[2]) for shape in seen] == [(1_000, 8), (15, 512)]


def test_a_data_set_sets_the_whitening_and_nothing_else() -> None:
    model, other = speednet((8, 8, 3)), speednet((8, 8, 3))
    images = torch.randint(0, 256, (300, 8, 8, 3), dtype=torch.uint8)
    adapt(model, images)
    ours, theirs = model.state_dict(), other.state_dict()
    assert [k for k in ours if not torch.equal(ours[k], theirs[k])] == ["net.whiten.weight"]
