"""P0, P1 and P3 against the same networks in Keras: counts, outputs, one training step."""

import importlib
from collections.abc import Iterator
from typing import Any

import keras
import pytest
import torch
from tests.models import keras_nets
from torch import nn

from tinysight.models import build
from tinysight.recipe import Facts, Model
from tinysight.recipes import find
from tinysight.training.loss import cross_entropy
from tinysight.training.optim import optimiser

NETWORKS = {
    "deep-dive": keras_nets.p0,
    "overfit-base": keras_nets.p1,
    "overfit-robust": keras_nets.p1,
    "batchnorm": keras_nets.p3,
}


@pytest.fixture
def float64(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Keras in float64 throughout: norms and products go down to float32 by its `result_type`."""
    before = keras.config.dtype_policy(), keras.config.floatx()
    keras.config.set_dtype_policy("float64")
    keras.config.set_floatx("float64")
    for module in ("backend", "backend.common.dtypes"):
        found = importlib.import_module(f"keras.src.{module}")
        monkeypatch.setattr(found, "result_type", lambda *_: "float64")
    yield
    keras.config.set_dtype_policy(before[0])
    keras.config.set_floatx(before[1])


def networks(name: str, dropout: float | None, classes: int = 10) -> tuple[nn.Module, Any]:
    """Ours, with the recipe's settings, and theirs, of equal weights."""
    settings = find(name)(Facts()).model
    if dropout is not None:
        settings = Model.model_validate({**settings.model_dump(), "dropout": dropout})
    given = {"mean": [0.5] * 3, "deviation": [0.25] * 3, "seed": 0}
    ours = build(settings, (32, 32, 3), classes, **given).net
    keras.utils.set_random_seed(0)
    theirs = NETWORKS[name](settings.options.get("dropout", 0.0))
    keras_nets.carry_over(ours, theirs)
    return ours, theirs


@pytest.mark.parametrize("name", NETWORKS)
def test_the_parameters_are_as_many(name: str) -> None:
    ours, theirs = networks(name, None)
    learned = sum(p.numel() for p in ours.parameters())
    statistics = sum(
        b.numel() for n, b in ours.named_buffers() if n.endswith(("running_mean", "running_var"))
    )
    assert learned + statistics == theirs.count_params()
    assert learned == sum(int(torch.tensor(v.shape).prod()) for v in theirs.trainable_variables)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_outputs_are_equal(name: str) -> None:
    ours, theirs = networks(name, None)
    images = torch.randn(16, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        found = ours.eval()(images).softmax(1)
        expected = theirs(images.permute(0, 2, 3, 1), training=False)
    assert torch.allclose(found, expected, rtol=0, atol=1e-5)
    assert found.std() > 1e-3  # the pictures are told apart at all


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("name", NETWORKS)
def test_a_training_step_is_equal(name: str) -> None:
    """Loss, gradients, updated weights and statistics, by Keras's own Adam and loss there."""
    recipe = find(name)(Facts())
    ours, theirs = networks(name, 0.0)
    ours = ours.double().train()
    keras_nets.carry_over(ours, theirs)
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(12, 3, 32, 32, generator=generator, dtype=torch.float64)
    labels = torch.randint(0, 10, (12,), generator=generator)

    theirs.compile(
        keras.optimizers.Adam(recipe.optim.lr, epsilon=recipe.optim.eps),
        "sparse_categorical_crossentropy",
    )
    before = [pair.value.clone() for pair in keras_nets.pairs(ours, theirs)]
    expected = theirs.train_on_batch(images.permute(0, 2, 3, 1).numpy(), labels.numpy())

    optimizer = optimiser(ours, recipe.optim)
    loss = cross_entropy(ours(images), labels, None, smoothing=0.0)
    loss.backward()
    optimizer.step()
    assert float(loss.detach()) == pytest.approx(float(expected), abs=1e-5)
    for pair, old in zip(keras_nets.pairs(ours, theirs), before, strict=True):
        assert torch.allclose(pair.mine.detach(), pair.value, rtol=0, atol=1e-5), pair.name
        assert not torch.equal(pair.mine.detach(), old), pair.name
        if pair.mine.grad is not None:
            assert torch.allclose(pair.mine.grad, pair.gradient, rtol=0, atol=1e-5), pair.name
            assert pair.mine.grad.abs().max() > 1e-4, pair.name  # else that says nothing
