from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import chisquare, kstest
from torch import Tensor

from tinysight.augment import augment, draws, erasing, geometry, mix, mixing, trivial
from tinysight.augment.draws import Stream
from tinysight.errors import UsageError
from tinysight.recipe import Augment

ONE_BY_ONE: list[dict[str, Any]] = [
    {"flip": True},
    {"crop": 4},
    {"crop": 4, "fill": "zero"},
    {"translate": 0.2},
    {"rotate": 36},
    {"zoom": 0.3},
    {"rotate": 36, "zoom": 0.1, "fill": "zero"},
    {"trivial": True},
    {"brightness": 0.4},
    {"contrast": 0.4},
    {"saturation": 0.4},
    {"hue": 0.2},
    {"cutout": 5},
    {"erase": 1.0},
]
EVERYTHING: dict[str, Any] = {k: v for one in ONE_BY_ONE for k, v in one.items()}
MIXES: list[dict[str, Any]] = [{"mixup": 0.8}, {"cutmix": 1.0}, {"mixup": 0.8, "cutmix": 1.0}]
DEVICES = (
    ["cpu"] + ["cuda"] * torch.cuda.is_available() + ["mps"] * torch.backends.mps.is_available()
)


def name(settings: dict[str, Any]) -> str:
    return "+".join(settings) if len(settings) < 4 else "everything"


def uniform(stream: Stream, n: int, seed: int = 0, epoch: int = 0) -> Tensor:
    return draws.uniform(stream, torch.arange(n), seed=seed, epoch=epoch)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("settings", [*ONE_BY_ONE, EVERYTHING], ids=name)
def test_a_picture_s_lot_is_its_own(noise: Any, settings: dict[str, Any], channels: int) -> None:
    """The same alone, in any order, in any batch, with any threads, whatever torch's state."""
    images, indices = noise(n=40, c=channels, h=16, w=20), torch.arange(100, 140)
    wanted = Augment(**settings)

    def run(at: Tensor) -> Tensor:
        return augment(images[at], indices[at], wanted, seed=3, epoch=2)

    before, state = images.clone(), torch.get_rng_state()
    everyone = run(torch.arange(40))
    assert torch.equal(images, before)
    assert torch.equal(torch.get_rng_state(), state)
    assert everyone.dtype == torch.uint8
    assert everyone.shape == images.shape
    assert everyone.is_contiguous(memory_format=torch.channels_last)

    order = torch.from_numpy(np.random.default_rng(0).permutation(40))
    torch.manual_seed(9)
    assert torch.equal(run(order), everyone[order])
    torch.set_rng_state(state)
    for i in (0, 7, 39):
        assert torch.equal(run(torch.tensor([i]))[0], everyone[i])
    assert torch.equal(run(torch.arange(33)), everyone[:33])
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(2 if threads == 1 else 1)
        assert torch.equal(run(torch.arange(40)), everyone)
    finally:
        torch.set_num_threads(threads)


@pytest.mark.parametrize("settings", [*ONE_BY_ONE, EVERYTHING], ids=name)
def test_seed_epoch_and_index_each_count(noise: Any, settings: dict[str, Any]) -> None:
    images, indices = noise(n=30, h=16, w=20), torch.arange(30)
    wanted = Augment(**settings)
    base = augment(images, indices, wanted, seed=3, epoch=2)
    assert not torch.equal(base, images)
    assert not torch.equal(base, augment(images, indices, wanted, seed=4, epoch=2))
    assert not torch.equal(base, augment(images, indices, wanted, seed=3, epoch=3))
    assert not torch.equal(base, augment(images, indices + 1, wanted, seed=3, epoch=2))


def test_all_off_gives_the_pictures_back(noise: Any) -> None:
    images, targets = noise(), torch.eye(6)
    for fill in ("zero", "reflect"):
        off = Augment(fill=fill)
        assert torch.equal(augment(images, torch.arange(6), off, seed=0, epoch=0), images)
        mixed, labels = mix(images, targets, torch.arange(6), off, seed=0, epoch=0)
        assert torch.equal(mixed, images)
        assert torch.equal(labels, targets)


@pytest.mark.parametrize("settings", [*ONE_BY_ONE, EVERYTHING], ids=name)
@pytest.mark.parametrize("device", DEVICES)
def test_every_device_gives_the_same_bytes(
    noise: Any, settings: dict[str, Any], device: str
) -> None:
    images, indices = noise(n=64, h=32, w=32), torch.arange(64)
    wanted = Augment(**settings)
    here = augment(images, indices, wanted, seed=0, epoch=0)
    there = augment(images.to(device), indices.to(device), wanted, seed=0, epoch=0)
    assert torch.equal(here, there.cpu())
    targets = torch.eye(64)
    for both in MIXES:
        a = mix(here, targets, indices, Augment(**both), seed=0, epoch=0)
        b = mix(there, targets.to(device), indices, Augment(**both), seed=0, epoch=0)
        assert torch.equal(a[0], b[0].cpu())
        assert torch.equal(a[1], b[1].cpu())


def test_one_transform_does_not_change_another_s_draws(noise: Any) -> None:
    images, indices = noise(n=50, h=16, w=16), torch.arange(50)
    flipped = geometry.flip_crop(images, mirrored=uniform(Stream.FLIP, 50) < 0.5)
    assert torch.equal(augment(images, indices, Augment(flip=True), seed=0, epoch=0), flipped)
    both = augment(images, indices, Augment(flip=True, hue=0.1), seed=0, epoch=0)
    assert torch.equal(both, augment(flipped, indices, Augment(hue=0.1), seed=0, epoch=0))


def test_the_order_is_that_of_the_fields(noise: Any) -> None:
    """All on at once is each alone, one after the other; the one resampling goes as one."""
    images, indices = noise(n=20, h=16, w=16), torch.arange(20)

    def run(pictures: Tensor, **settings: Any) -> Tensor:
        return augment(pictures, indices, Augment(**settings), seed=0, epoch=0)

    once = run(images, **EVERYTHING)
    step = run(images, flip=True, fill="zero")
    step = run(step, crop=4, fill="zero")
    step = run(step, translate=0.2, rotate=36, zoom=0.1, fill="zero")
    step = run(step, trivial=True, fill="zero")
    step = run(step, brightness=0.4, contrast=0.4, saturation=0.4, hue=0.2)
    step = run(run(step, cutout=5), erase=1.0)
    assert torch.equal(once, step)


def test_half_of_the_pictures_are_flipped() -> None:
    n = 4000
    ramp = torch.arange(8, dtype=torch.uint8).expand(n, 1, 8, 8)
    out = augment(ramp, torch.arange(n), Augment(flip=True), seed=0, epoch=0)
    assert (out[:, 0, 0, 0] == 7).double().mean().item() == pytest.approx(0.5, abs=0.02)


def test_crop_reaches_every_offset_alike() -> None:
    n = 8100
    y, x = torch.meshgrid(torch.arange(16), torch.arange(16), indexing="ij")
    place = (y * 16 + x).to(torch.uint8).expand(n, 1, 16, 16)
    out = augment(place, torch.arange(n), Augment(crop=4), seed=0, epoch=0)
    seen = out[:, 0, 8, 8].long()
    top, left = seen // 16 - 8, seen % 16 - 8
    assert top.abs().max() == 4
    assert left.abs().max() == 4
    cells = np.bincount((top + 4) * 9 + left + 4, minlength=81)
    assert chisquare(cells).pvalue > 0.001


@pytest.mark.parametrize(
    ("settings", "argument", "low", "high"),
    [
        ({"translate": 0.25}, "right", -5, 5),
        ({"translate": 0.25}, "down", -4, 4),
        ({"rotate": 36}, "degrees", -36, 36),
        ({"zoom": 0.1}, "factor", 0.9, 1.1),
    ],
)
def test_motion_keeps_its_range(
    noise: Any,
    monkeypatch: pytest.MonkeyPatch,
    settings: dict[str, Any],
    argument: str,
    low: float,
    high: float,
) -> None:
    seen: dict[str, Tensor] = {}
    real = geometry.similarity
    monkeypatch.setattr(geometry, "similarity", lambda **given: seen.update(given) or real(**given))
    augment(
        noise(n=2000, c=1, h=16, w=20), torch.arange(2000), Augment(**settings), seed=0, epoch=0
    )
    drawn = seen.pop(argument).numpy()
    assert kstest(drawn, "uniform", (low, high - low)).pvalue > 0.01
    for other, value in seen.items():
        still = 1 if other == "factor" else 0
        if other not in ("right", "down"):
            assert (value == still).all()


@pytest.mark.parametrize("field", ["brightness", "contrast", "saturation", "hue"])
def test_colour_keeps_its_range(noise: Any, monkeypatch: pytest.MonkeyPatch, field: str) -> None:
    from tinysight.augment import colour

    seen: dict[str, Tensor | None] = {}
    given: dict[str, Any] = {field: 0.2}
    monkeypatch.setattr(colour, "jitter", lambda images, **given: seen.update(given) or images)
    augment(noise(n=2000), torch.arange(2000), Augment(**given), seed=0, epoch=0)
    drawn = seen.pop(field)
    assert drawn is not None
    centre = 0 if field == "hue" else 1
    assert kstest(drawn.numpy(), "uniform", (centre - 0.2, 0.4)).pvalue > 0.01
    assert set(seen.values()) == {None}


def test_trivial_draws_operation_strength_and_sign_alike(
    noise: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []
    monkeypatch.setattr(trivial, "apply", lambda images, *given: seen.extend(given) or images)
    n = 14 * 31 * 2 * 10
    augment(noise(n=n, c=1, h=4, w=4), torch.arange(n), Augment(trivial=True), seed=0, epoch=0)
    operation, strength, negative, fill = seen
    assert fill == "reflect"
    cells = np.bincount((operation * 31 + strength) * 2 + negative, minlength=14 * 31 * 2)
    assert len(cells) == 14 * 31 * 2
    assert chisquare(cells).pvalue > 0.001


def test_cutout_covers_a_square_around_any_pixel() -> None:
    n, mean = 6400, (0.2, 0.4, 0.8)
    images = torch.zeros(n, 3, 16, 16, dtype=torch.uint8)
    out = augment(images, torch.arange(n), Augment(cutout=5), seed=0, epoch=0, mean=mean)
    covered = out[:, 0] == 51
    assert (out[:, 1][covered] == 102).all()
    assert (out[:, 2][covered] == 204).all()
    assert not out.permute(0, 2, 3, 1)[~covered].any()
    area = covered.sum((1, 2))
    assert area.max() == 25
    assert area.min() == 9  # the centre in a corner
    # Cut off at the edge, the corner pixel still lies under nine centres, the middle under 25.
    assert covered[:, 0, 0].double().mean().item() == pytest.approx(9 / 256, abs=0.01)
    assert covered[:, 8, 8].double().mean().item() == pytest.approx(25 / 256, abs=0.01)


def test_erase_happens_with_its_probability(noise: Any) -> None:
    n = 3000
    images = torch.zeros(n, 1, 16, 16, dtype=torch.uint8)
    out = augment(images, torch.arange(n), Augment(erase=0.3), seed=0, epoch=0)
    hit = (out == 128).any(3).any(2)[:, 0]  # without a mean, middle grey
    assert hit.double().mean().item() == pytest.approx(0.3, abs=0.025)
    assert set(out.unique().tolist()) == {0, 128}


def test_an_erasing_box_that_does_not_fit_is_drawn_again() -> None:
    """On a strip few boxes fit; nearly every picture finds one within ten attempts."""
    n, h, w = 2000, 8, 64
    images = torch.zeros(n, 1, h, w, dtype=torch.uint8)
    out = augment(images, torch.arange(n), Augment(erase=1.0), seed=0, epoch=0)
    hit = (out == 128).flatten(1).any(1)
    streams = (Stream.ERASE_AREA, Stream.ERASE_ASPECT, Stream.ERASE_ROW, Stream.ERASE_COLUMN)
    first = [uniform(s, n) for s in streams]
    _, fits = erasing.erasing_boxes(*first, height=h, width=w)
    assert fits.double().mean() < 0.5
    assert hit.double().mean() > 0.95
    assert hit[fits].all()


@pytest.mark.parametrize("settings", MIXES, ids=name)
def test_mix_is_seeded_and_keeps_form(noise: Any, settings: dict[str, Any]) -> None:
    images, indices = noise(n=40, h=16, w=20), torch.arange(40)
    targets = torch.eye(40)
    state = torch.get_rng_state()

    def run(seed: int = 0, epoch: int = 0) -> tuple[Tensor, Tensor]:
        return mix(images, targets, indices, Augment(**settings), seed=seed, epoch=epoch)

    mixed, labels = run()
    assert mixed.is_contiguous(memory_format=torch.channels_last)
    assert mixed.dtype == torch.uint8
    assert torch.allclose(labels.sum(1), torch.ones(40))
    again = run()
    assert torch.equal(mixed, again[0])
    assert torch.equal(labels, again[1])
    for other in (run(seed=1), run(epoch=1)):
        assert not torch.equal(mixed, other[0])
        assert not torch.equal(labels, other[1])
    assert torch.equal(torch.get_rng_state(), state)
    # What a picture keeps of itself follows from its index, whoever is its neighbour.
    part = mix(images[:7], targets[:7], indices[:7], Augment(**settings), seed=0, epoch=0)
    assert torch.equal(part[1][1:].diagonal(1), labels[1:7].diagonal(1))


def test_both_mixings_share_the_pictures_evenly(noise: Any) -> None:
    n = 1000
    images, indices, targets = noise(n=n, h=8, w=8), torch.arange(n), torch.eye(n)

    def run(**settings: Any) -> tuple[Tensor, Tensor]:
        return mix(images, targets, indices, Augment(**settings), seed=0, epoch=0)

    blend, cut, both = run(mixup=0.8), run(cutmix=1.0), run(mixup=0.8, cutmix=1.0)
    blended = (both[1] == blend[1]).all(1)
    pasted = (both[1] == cut[1]).all(1)
    assert (blended | pasted).all()
    assert torch.equal(both[0][blended], blend[0][blended])
    assert torch.equal(both[0][pasted], cut[0][pasted])
    assert blended.double().mean().item() == pytest.approx(0.5, abs=0.05)


def test_cutmix_cuts_the_share_it_draws() -> None:
    n = 4000
    u = uniform(Stream.CUTMIX_SHARE, n)
    middle = torch.full((n,), 0.5, dtype=torch.float64)
    boxes = mixing.cutmix_boxes(mixing.beta(u, 1.0), middle, middle, 32, 32)
    area = (boxes[:, 1] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 2]) / 1024
    assert kstest(1 - area.numpy(), "uniform").statistic < 0.07  # whole pixels, rounded down
    zeros, ones = torch.zeros(n, 1, 32, 32, dtype=torch.uint8), torch.eye(2)[torch.arange(n) % 2]
    zeros[1::2] = 255
    mixed, labels = mix(zeros, ones, torch.arange(n), Augment(cutmix=1.0), seed=0, epoch=0)
    assert torch.allclose((mixed == 255).float().mean((1, 2, 3)), labels[:, 1], atol=1e-6)


def test_an_empty_batch_and_a_single_picture(noise: Any) -> None:
    images, targets = noise(n=1, h=16, w=16), torch.eye(1)
    settings = Augment(**EVERYTHING, mixup=0.2, cutmix=1.0)
    index = torch.tensor([5])
    mixed, labels = mix(images, targets, index, settings, seed=0, epoch=0)
    assert torch.equal(mixed, images)  # a picture mixed with itself
    assert labels.tolist() == [[1.0]]
    none = augment(images[:0], index[:0], settings, seed=0, epoch=0)
    assert none.shape == (0, 3, 16, 16)


def test_refusals(noise: Any) -> None:
    images, indices, off = noise(n=4), torch.arange(4), Augment(cutout=2)

    def refused(match: str, *, pictures: Any = images, at: Any = indices, mean: Any = None) -> None:
        with pytest.raises(UsageError, match=match):
            augment(pictures, at, off, seed=0, epoch=0, mean=mean)

    refused(
        r"pictures must be uint8 n c h w with c of 1 or 3, got float32 \[4, 3, 12, 17\]",
        pictures=images.float(),
    )
    refused(r"got uint8 \[4, 12, 17, 3\]; .*permute", pictures=images.permute(0, 2, 3, 1))
    refused(r"got uint8 \[3, 12, 17\]", pictures=images[0])
    refused(r"indices must be int64, one for each of 4 pictures, got int32 \[4\]", at=indices.int())
    refused(r"one for each of 4 pictures, got int64 \[3\]", at=indices[:3])
    refused(r"mean must be 3 fractions of 0 to 1.*got \[127.0, 127.0, 127.0\]", mean=[127] * 3)
    refused(r"mean must be 3 fractions.*got \[0.5\]", mean=[0.5])
    for wrong in (torch.zeros(4, dtype=torch.int64), torch.eye(3), torch.eye(4).long()):
        with pytest.raises(UsageError, match=r"mix takes targets as float n k, .*one-hot"):
            mix(images, wrong, indices, Augment(mixup=1), seed=0, epoch=0)


def test_alternate_mirrors_by_lot_first_and_then_every_other_epoch(noise: Any) -> None:
    images, indices = noise(n=200), torch.arange(200)
    wanted = Augment(flip=True, alternate=True)
    seen = [augment(images, indices, wanted, seed=5, epoch=e) for e in (1, 2, 3, 4)]
    mirrored = [(s != images).flatten(1).any(1) for s in seen]
    assert 70 < mirrored[0].sum() < 130
    assert torch.equal(mirrored[1], ~mirrored[0])
    assert torch.equal(seen[2], seen[0])
    assert torch.equal(seen[3], seen[1])
    assert torch.equal(seen[1][mirrored[1]], images[mirrored[1]].flip(3))


@pytest.mark.parametrize(("done", "side"), [(0.0, 24), (0.39, 24), (0.4, 32), (1.0, 32)])
def test_a_training_starts_on_smaller_pictures(done: float, side: int) -> None:
    images = torch.zeros(2, 3, 32, 32, dtype=torch.uint8)
    settings = Augment(shrink=0.75, shrink_until=0.4)
    found = augment(images, torch.arange(2), settings, seed=0, epoch=1, done=done)
    assert found.shape == (2, 3, side, side)
    assert augment(images, torch.arange(2), settings, seed=0, epoch=1).shape == images.shape
