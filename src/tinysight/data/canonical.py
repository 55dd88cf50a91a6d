"""The data sets that are recognised by their content, in whatever container they come."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["CANONICAL", "Canonical", "recognise", "recognise_pictures"]


@dataclass(frozen=True)
class Canonical:
    """A data set as it was published.

    Attributes:
        name: short, e.g. "cifar100-coarse".
        title: for people, e.g. "CIFAR-100 (coarse labels)".
        shape: of every picture, h w c.
        sizes: records of each split.
        records: fingerprint of each split; see `data.fingerprint`.
        pictures: the same without the labels.
    """

    name: str
    title: str
    classes: tuple[str, ...]
    shape: tuple[int, int, int]
    sizes: dict[str, int]
    records: dict[str, str]
    pictures: dict[str, str]


_CIFAR10 = "airplane automobile bird cat deer dog frog horse ship truck"
_CIFAR100_FINE = """
    apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus
    butterfly camel can castle caterpillar cattle chair chimpanzee clock cloud cockroach couch
    crab crocodile cup dinosaur dolphin elephant flatfish forest fox girl hamster house
    kangaroo keyboard lamp lawn_mower leopard lion lizard lobster man maple_tree motorcycle
    mountain mouse mushroom oak_tree orange orchid otter palm_tree pear pickup_truck pine_tree
    plain plate poppy porcupine possum rabbit raccoon ray road rocket rose sea seal shark
    shrew skunk skyscraper snail snake spider squirrel streetcar sunflower sweet_pepper table
    tank telephone television tiger tractor train trout tulip turtle wardrobe whale
    willow_tree wolf woman worm
"""
_CIFAR100_COARSE = """
    aquatic_mammals fish flowers food_containers fruit_and_vegetables
    household_electrical_devices household_furniture insects large_carnivores
    large_man-made_outdoor_things large_natural_outdoor_scenes large_omnivores_and_herbivores
    medium_mammals non-insect_invertebrates people reptiles small_mammals trees vehicles_1
    vehicles_2
"""
_CIFAR10_PICTURES = {
    "train": "0d06459e948be0f104cbd22f63dc0e3fd6fd5c587ca8080c2802f974b086a70a",
    "test": "8e88583d85964a87472afcaf914f3e6c188ba18a09714ad10d9acfa9eb6c78a2",
}
_CIFAR100_PICTURES = {
    "train": "d0cca0c845bd478c98e5eba0bc33eca97e8b36d87a0d98933574d991f9af7885",
    "test": "f024c6d5e3987728408ac4e7e6a7ea410c02bc478f850875eb259c5f5cda2dce",
}

CANONICAL: dict[str, Canonical] = {
    "cifar10": Canonical(
        "cifar10",
        "CIFAR-10",
        tuple(_CIFAR10.split()),
        (32, 32, 3),
        {"train": 50_000, "test": 10_000},
        {
            "train": "312eba2e95c7a84e25d7dc2786581186593645d078c39e500d03846655a725be",
            "test": "fe0ab331ab239f2d245a3ed5639cec26cefacc06496158730f4399ad8de185b2",
        },
        _CIFAR10_PICTURES,
    ),
    "cifar100": Canonical(
        "cifar100",
        "CIFAR-100",
        tuple(_CIFAR100_FINE.split()),
        (32, 32, 3),
        {"train": 50_000, "test": 10_000},
        {
            "train": "dcbcfd9e91854ee5188ccfe5ca482d910b2ff4460c7d1250c306c528753d7bb6",
            "test": "f7bf39ac7569ebf7e84a3b15108499a2ebb70bb7b17d80edb432bef167efdb25",
        },
        _CIFAR100_PICTURES,
    ),
    "cifar100-coarse": Canonical(
        "cifar100-coarse",
        "CIFAR-100 with its 20 coarse labels",
        tuple(_CIFAR100_COARSE.split()),
        (32, 32, 3),
        {"train": 50_000, "test": 10_000},
        {
            "train": "e3532b4cb9fc13831965f46ecf50f285aed0bf491fef7e262e66fc813e5fa750",
            "test": "c004d84fb813599cb26726a750f2b36f6cd4ee139df12569e104e6e857db7702",
        },
        _CIFAR100_PICTURES,
    ),
}


def recognise(fingerprints: Mapping[str, str]) -> tuple[Canonical, tuple[str, ...]] | None:
    """Return the data set that the splits' fingerprints are of, and which splits they are."""
    found = [
        (known, tuple(s for s, digest in fingerprints.items() if known.records.get(s) == digest))
        for known in CANONICAL.values()
    ]
    known, splits = max(found, key=lambda pair: len(pair[1]))
    return (known, splits) if splits else None


def recognise_pictures(fingerprints: Mapping[str, str]) -> list[Canonical]:
    """Return the data sets whose pictures these are, by the fingerprints without labels."""
    return [
        known
        for known in CANONICAL.values()
        if any(known.pictures.get(s) == digest for s, digest in fingerprints.items())
    ]
