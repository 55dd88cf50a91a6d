"""Groups of classes, where a data set's classes are known to have some.

They follow from the names of the classes, so they are the same whatever the container.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tinysight.data.canonical import CANONICAL

__all__ = ["groups"]

# As source project P4 tells them apart.
_CIFAR10 = {
    "transport": "airplane automobile ship truck",
    "animals": "bird cat deer dog frog horse",
}
# The superclasses of Krizhevsky, "Learning multiple layers of features from tiny images" (2009).
_CIFAR100 = {
    "aquatic_mammals": "beaver dolphin otter seal whale",
    "fish": "aquarium_fish flatfish ray shark trout",
    "flowers": "orchid poppy rose sunflower tulip",
    "food_containers": "bottle bowl can cup plate",
    "fruit_and_vegetables": "apple mushroom orange pear sweet_pepper",
    "household_electrical_devices": "clock keyboard lamp telephone television",
    "household_furniture": "bed chair couch table wardrobe",
    "insects": "bee beetle butterfly caterpillar cockroach",
    "large_carnivores": "bear leopard lion tiger wolf",
    "large_man-made_outdoor_things": "bridge castle house road skyscraper",
    "large_natural_outdoor_scenes": "cloud forest mountain plain sea",
    "large_omnivores_and_herbivores": "camel cattle chimpanzee elephant kangaroo",
    "medium_mammals": "fox porcupine possum raccoon skunk",
    "non-insect_invertebrates": "crab lobster snail spider worm",
    "people": "baby boy girl man woman",
    "reptiles": "crocodile dinosaur lizard snake turtle",
    "small_mammals": "hamster mouse rabbit shrew squirrel",
    "trees": "maple_tree oak_tree palm_tree pine_tree willow_tree",
    "vehicles_1": "bicycle bus motorcycle pickup_truck train",
    "vehicles_2": "lawn_mower rocket streetcar tank tractor",
}
_BY_CLASSES = {
    frozenset(CANONICAL[name].classes): {
        group: tuple(names.split()) for group, names in known.items()
    }
    for name, known in (("cifar10", _CIFAR10), ("cifar100", _CIFAR100))
}


def groups(classes: Sequence[str]) -> Mapping[str, tuple[str, ...]]:
    """Return the names of the classes of each group; empty where none are known.

    >>> groups(["cat", "dog"])
    {}
    """
    return _BY_CLASSES.get(frozenset(classes), {})
