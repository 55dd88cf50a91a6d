"""The table of published data sets says what it must, in the form it must have."""

from __future__ import annotations

import re
from dataclasses import FrozenInstanceError

import pytest

from tinysight.data.canonical import CANONICAL
from tinysight.data.published import PUBLISHED, Published, Remote

# As the design's page of facts has them.
MD5 = {
    "cifar-10-python.tar.gz": "c58f30108f718f92721af3b95e74349a",
    "cifar-100-python.tar.gz": "eb9058c3a382ffc7106e4002c42a8d85",
    "tiny-imagenet-200.zip": "90528d7ca1a48142e341f4ef8d21d0de",
}
SHA256 = {
    "cifar-10-python.tar.gz": "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
    "cifar-100-python.tar.gz": "85cd44d02ba6437773c5bbd22e183051d648de2e7d6b014e1ef29b855ba677a7",
}
IDX = {
    "mnist": [
        "f68b3c2dcbeaaa9fbdd348bbdeb94873",
        "d53e105ee54ea40749a09fcbcd1e9432",
        "9fb629c4189551a2d022fa330f9573f3",
        "ec29112dd5afa0611ce80d1b7f02629c",
    ],
    "fashion-mnist": [
        "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
        "25c81989df183df01b3e8a0aad5dffbe",
        "bef4ecab320f06d8554ea6380940ec79",
        "bb300cfdad3c16e7a12a480ee83cd310",
    ],
}
ALL = list(PUBLISHED.values())


def test_the_names() -> None:
    names = ["cifar10", "cifar100", "cifar100-coarse", "mnist", "fashion-mnist", "tiny-imagenet"]
    assert list(PUBLISHED) == names
    assert [p.name for p in ALL] == names


@pytest.mark.parametrize("known", ALL, ids=lambda p: p.name)
def test_every_file_can_be_had_and_known(known: Published) -> None:
    for file in known.files:
        assert all(url.startswith("https://") for url in file.urls)
        assert all(url.rpartition("/")[2] == file.name for url in file.urls)
        assert len(set(file.urls)) == len(file.urls)
        assert re.fullmatch("[0-9a-f]{64}", file.sha256 or "")
        assert re.fullmatch("[0-9a-f]{32}", file.md5 or "")
        assert file.size
    assert len({file.name for file in known.files}) == len(known.files)
    assert known.bytes == sum(file.size or 0 for file in known.files)
    assert known.origin


def test_the_digests_are_those_of_the_facts() -> None:
    for known in ALL:
        if known.name in IDX:
            assert [file.md5 for file in known.files] == IDX[known.name]
            names = [f"{s}-{k}-ubyte.gz" for s in ("train", "t10k") for k in ("images-idx3",)]
            assert [f.name for f in known.files][::2] == names
        else:
            assert known.files[0].md5 == MD5[known.files[0].name]
            assert SHA256.get(known.files[0].name, known.files[0].sha256) == known.files[0].sha256
    assert PUBLISHED["tiny-imagenet"].bytes == 248_100_043


def test_the_two_names_of_cifar_100_have_one_archive() -> None:
    fine, coarse = PUBLISHED["cifar100"], PUBLISHED["cifar100-coarse"]
    assert (fine.files, fine.folder) == (coarse.files, coarse.folder)
    assert (fine.label, coarse.label) == (None, "coarse")


def test_what_is_canonical_agrees() -> None:
    for name, canonical in CANONICAL.items():
        assert (PUBLISHED[name].title, PUBLISHED[name].classes) == (
            canonical.title,
            canonical.classes,
        )


def test_digits_alone_lose_their_class_in_a_mirror() -> None:
    assert [p.name for p in ALL if not p.mirror] == ["mnist"]


def test_an_entry_cannot_change_or_go_without_a_digest() -> None:
    file = PUBLISHED["mnist"].files[0]
    with pytest.raises(FrozenInstanceError):
        file.size = 1  # pyright: ignore[reportAttributeAccessIssue]
    with pytest.raises(AssertionError):
        Remote("a", ("https://a.example/a",))
    with pytest.raises(AssertionError):
        Remote("a", (), md5="0" * 32)
