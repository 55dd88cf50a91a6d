"""MobileNetV2, by the numbers of the paper's own, and where it halves."""

import pytest
import torch
from torch import nn

from tinysight.models import Classifier, build, describe
from tinysight.recipe import Model


def make(shape: tuple[int, int, int] = (32, 32, 3), **options: object) -> Classifier:
    c = shape[2]
    settings = Model.model_validate({"name": "mobilenet", **options})
    return build(settings, shape, 10, mean=[0.5] * c, deviation=[0.25] * c, seed=0)


@pytest.mark.parametrize(("width", "count"), [(1.0, 2_236_682), (0.5, 700_490)])
def test_it_has_the_parameters_of_the_published_one(width: float, count: int) -> None:
    """As torchvision's mobilenet_v2 with 10 classes; strides have no parameters."""
    assert describe(make(width=width), (32, 32, 3)).parameters == count


def test_it_halves_three_times_where_the_pictures_are_small() -> None:
    rows = describe(make(), (32, 32, 3)).layers
    sides = [row.output[1] for row in rows if len(row.output) == 3]
    assert sides[0] == 32
    assert sorted(set(sides), reverse=True) == [32, 16, 8, 4, 1]
    assert make().note == "3 halvings of 32x32 pictures, 0 of them in the stem"
    assert make((64, 64, 3)).note == "4 halvings of 64x64 pictures, 1 of them in the stem"


def test_a_block_is_linear_at_its_end_and_looks_at_each_channel_alone() -> None:
    model = make()
    block = model.get_submodule("net.stage2.block2.body")
    assert [name for name, _ in block.named_children()] == ["expand", "depthwise", "project"]
    conv = model.get_submodule("net.stage2.block2.body.depthwise.conv")
    assert isinstance(conv, nn.Conv2d)
    assert (conv.groups, conv.in_channels) == (144, 144)
    kinds = [type(m) for m in model.get_submodule("net.stage2.block2.body.project").children()]
    assert kinds == [nn.Conv2d, nn.BatchNorm2d]
    assert torch.isfinite(model(torch.zeros(2, 3, 32, 32))).all()
