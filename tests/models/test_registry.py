"""Every model of the registry, on every shape of picture."""

from __future__ import annotations

import pytest
import torch

from tinysight.models import MODELS, Classifier, build, describe, resolve
from tinysight.recipe import Model, Recipe

SHAPES = [(32, 32, 3), (28, 28, 1), (64, 64, 3), (8, 8, 1), (24, 40, 3)]

# Small enough that a test is quick, deep enough that every kind of layer is there.
TINY = {
    "linear": {},
    "mlp": {"hidden": [16, 8]},
    "mobilenet": {"width": 0.25, "expansion": 2},
    "p0": {"width": 8},
    "p2": {"width": 16},
    "p3": {},
    "plain": {"width": 4, "batchnorm": True, "dropout": 0.2},
    "resnet": {"depth": 8, "width": 4},
    "resnet18": {"width": 16},
    "resnet9": {"width": 4},
    "speednet": {"widths": [4, 8, 8]},
}


def make(name: str, shape: tuple[int, int, int], classes: int = 10, seed: int = 0) -> Classifier:
    c = shape[2]
    settings = Model(name=name, **TINY[name])
    return build(settings, shape, classes, mean=[0.5] * c, deviation=[0.25] * c, seed=seed)


def pictures(shape: tuple[int, int, int], n: int) -> torch.Tensor:
    h, w, c = shape
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (n, h, w, c), dtype=torch.uint8, generator=generator).permute(
        0, 3, 1, 2
    )


def test_each_has_a_tiny_form_here() -> None:
    assert set(TINY) == set(MODELS)


@pytest.mark.parametrize("classes", [2, 100])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", MODELS)
def test_forward_and_backward(name: str, shape: tuple[int, int, int], classes: int) -> None:
    model = make(name, shape, classes)
    assert model.training
    logits = model(pictures(shape, 3))
    assert logits.shape == (3, classes)
    assert logits.dtype == torch.float32
    torch.nn.functional.cross_entropy(logits, torch.tensor([0, 1, 1])).backward()
    for key, parameter in model.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None, key
            assert parameter.grad.isfinite().all(), key
    assert sum(float(p.grad.abs().sum()) for p in model.parameters() if p.grad is not None) > 0


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("shape", [(4, 4, 1), (1, 1, 1), (5, 3, 3), (100, 12, 3)], ids=str)
def test_unusual_sizes_never_get_empty(name: str, shape: tuple[int, int, int]) -> None:
    model = make(name, shape)
    assert model(pictures(shape, 2)).shape == (2, 10)
    assert all(0 not in layer.output for layer in describe(model, shape).layers)


@pytest.mark.parametrize("name", MODELS)
def test_weights_follow_from_the_seed_and_the_random_state_stays(name: str) -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first = make(name, (8, 8, 3), seed=3).state_dict()
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(7)  # another state of the process
    again = make(name, (8, 8, 3), seed=3).state_dict()
    other = make(name, (8, 8, 3), seed=4).state_dict()
    assert all(torch.equal(first[k], again[k]) for k in first)
    assert not all(torch.equal(first[k], other[k]) for k in first)


@pytest.mark.parametrize("name", MODELS)
def test_the_normalisation_is_no_part_of_the_seeding(name: str) -> None:
    def weights(mean: float) -> dict[str, torch.Tensor]:
        settings = Model(name=name, **TINY[name])
        model = build(settings, (8, 8, 1), 4, mean=[mean], deviation=[0.3], seed=0)
        return {k: v for k, v in model.state_dict().items() if not k.startswith("normalise")}

    one, two = weights(0.1), weights(0.9)
    assert all(torch.equal(one[k], two[k]) for k in one)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("shape", [(32, 32, 3), (8, 8, 1)], ids=str)
def test_an_answer_does_not_depend_on_the_batch(name: str, shape: tuple[int, int, int]) -> None:
    model = make(name, shape).eval()
    images = pictures(shape, 5)
    with torch.no_grad():
        together = model(images)
        apart = torch.cat([model(image[None]) for image in images])
    assert torch.allclose(together, apart, rtol=1e-4, atol=1e-5)
    assert together.std() > 0


@pytest.mark.parametrize("name", MODELS)
def test_uint8_and_float_pictures_and_any_memory_format_are_one(name: str) -> None:
    shape = (24, 40, 3)
    model = make(name, shape).eval()
    images = pictures(shape, 2)
    with torch.no_grad():
        expected = model(images)
        assert torch.equal(model(images.float()), expected)
        assert torch.equal(model(images.contiguous()), expected)


@pytest.mark.parametrize("name", MODELS)
def test_channels_last_from_the_first_layer_to_the_pooling(name: str) -> None:
    shape = (32, 32, 3)
    model = make(name, shape)
    strayed = []

    def look(module: torch.nn.Module, _: object, output: torch.Tensor) -> None:
        if output.ndim == 4 and not output.is_contiguous(memory_format=torch.channels_last):
            strayed.append(module)

    for module in model.modules():
        if isinstance(module, torch.nn.Conv2d):
            assert module.weight.is_contiguous(memory_format=torch.channels_last)
        module.register_forward_hook(look)
    model(pictures(shape, 2).contiguous())  # a batch that is not channels-last itself
    assert not strayed


@pytest.mark.parametrize("name", MODELS)
def test_bf16(name: str) -> None:
    shape = (32, 32, 3)
    model = make(name, shape)
    halves = []
    model.net.register_forward_hook(lambda *a: halves.append(a[2].dtype))
    with torch.autocast("cpu", torch.bfloat16):
        logits = model(pictures(shape, 4))
    assert halves == [torch.bfloat16]
    assert logits.dtype == torch.float32
    logits.sum().backward()
    model.eval()
    with torch.no_grad():
        exact = model(pictures(shape, 4))
        with torch.autocast("cpu", torch.bfloat16):
            rounded = model(pictures(shape, 4))
    assert torch.allclose(exact, rounded, atol=0.05 * float(exact.abs().max()))


@pytest.mark.parametrize("name", MODELS)
def test_resolved_settings_are_complete_and_survive_json(name: str) -> None:
    settings = resolve(Model(name=name, **TINY[name]))
    assert set(TINY[name]) <= set(settings.options)
    recipe = Recipe(model=settings)
    assert Recipe.from_json(recipe.to_json()) == recipe
    assert resolve(settings) == settings
    explicit = build(settings, (8, 8, 1), 3, mean=[0.5], deviation=[0.2], seed=0).state_dict()
    implied = make(name, (8, 8, 1), 3).state_dict()
    assert explicit.keys() == implied.keys()
    assert all(explicit[k].shape == implied[k].shape for k in explicit)


@pytest.mark.parametrize("name", MODELS)
def test_the_note_says_the_sizes(name: str) -> None:
    """Every w x h that a note names is that of a layer, or the picture's."""
    for shape in [*SHAPES, (100, 100, 3), (12, 12, 3)]:
        model = make(name, shape)
        sizes = {
            f"{o[2]}x{o[1]}" for o in (r.output for r in describe(model, shape).layers) if o[2:]
        }
        words = model.note.replace(",", " ").replace(";", " ").split()
        named = {w for w in words if w[0].isdigit() and w.count("x") == 1 and w != "3x3"}
        assert named <= sizes, model.note
        assert named or name in ("linear", "mlp")
