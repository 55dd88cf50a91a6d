"""Groups of classes: their members, against the labels of the data itself."""

from pathlib import Path

import pytest

from tinysight.data import load
from tinysight.data.canonical import CANONICAL
from tinysight.data.groups import groups
from tinysight.recipe import Data


@pytest.mark.parametrize("name", ["cifar10", "cifar100"])
def test_every_class_is_in_one_group(name: str) -> None:
    classes = CANONICAL[name].classes
    members = [member for named in groups(classes).values() for member in named]
    assert sorted(members) == sorted(classes)
    assert groups(classes[::-1]) == groups(classes)


def test_other_classes_have_none() -> None:
    assert groups(CANONICAL["cifar10"].classes[:9]) == {}
    assert groups(("cat", "dog")) == {}


def test_the_superclasses_are_those_of_the_coarse_labels(shared_data: Path) -> None:
    """Each picture has a fine and a coarse label; canonical order is that of the records."""
    source = shared_data / "cifar100"
    fine, coarse = (load(source, Data(label=label)) for label in (None, "coarse"))
    assert fine.test is not None
    assert coarse.test is not None
    by_picture = {
        image.numpy().tobytes(): label
        for image, label in zip(coarse.test.images, coarse.test.labels.tolist(), strict=True)
    }
    found = {
        (coarse.classes[by_picture[image.numpy().tobytes()]], fine.classes[label])
        for image, label in zip(fine.test.images, fine.test.labels.tolist(), strict=True)
    }
    named = groups(fine.classes)
    assert found == {(group, name) for group, names in named.items() for name in names}
