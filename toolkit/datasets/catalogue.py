"""What is known of each documented image set: origin, licence, classes, files with their published checksums."""

from __future__ import annotations

import string
from dataclasses import dataclass
from urllib.parse import urlsplit

from toolkit.datasets import forms
from toolkit.datasets.forms import ClassFolders, Files, Form

GREY = "grey levels 0 .. 255"
COLOUR = "red, green and blue levels 0 .. 255"
DIGITS = tuple(string.digits)


@dataclass(frozen=True)
class Remote:
    """A file that can be fetched.

    Args:
        name: of the file.
        url: where it is.
        checksum: published one, as "sha256:..." or "md5:...".
        size: in bytes.
    """

    name: str
    url: str
    checksum: str
    size: int


@dataclass(frozen=True)
class Card:
    """The facts about one set.

    Args:
        name: of the loader, and of the set's folder in $TOOLKIT_DATA.
        title: name in print.
        page: official page.
        licence: what the origin says about use.
        classes: names in the order of the labels.
        counts: published numbers of training and test images; without an official test part all of them and 0.
        units: of the stored values.
        forms: in which the set may lie on disk, the preferred one first.
        remotes: files that `download=True` fetches; empty where no checksum is published.
    """

    name: str
    title: str
    page: str
    licence: str
    classes: tuple[str, ...]
    counts: tuple[int, int]
    units: str
    forms: tuple[Form, ...]
    remotes: tuple[Remote, ...] = ()

    @property
    def megabytes(self) -> float:
        """Size of the download."""
        return sum(remote.size for remote in self.remotes) / 1e6

    @property
    def host(self) -> str:
        """Machine that the files are fetched from."""
        return urlsplit(self.remotes[0].url).hostname


def _remotes(base: str, *files: tuple[str, int, str]) -> tuple[Remote, ...]:
    return tuple(Remote(name, base + name, checksum, size) for name, size, checksum in files)


MNIST = Card(
    "mnist", "MNIST", "http://yann.lecun.com/exdb/mnist/",
    "none stated by the authors (Keras' documentation: CC BY-SA 3.0); cite LeCun et al. 1998",
    DIGITS, (60_000, 10_000), GREY, (forms.idx_files("train", "t10k"),),
    _remotes(
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        ("train-images-idx3-ubyte.gz", 9_912_422, "sha256:440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"),
        ("train-labels-idx1-ubyte.gz", 28_881, "sha256:3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"),
        ("t10k-images-idx3-ubyte.gz", 1_648_877, "sha256:8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"),
        ("t10k-labels-idx1-ubyte.gz", 4_542, "sha256:f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"),
    ),
)  # fmt: skip

FASHION_MNIST = Card(
    "fashion_mnist", "Fashion-MNIST", "https://github.com/zalandoresearch/fashion-mnist", "MIT",
    ("T-shirt/top", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot"),
    (60_000, 10_000), GREY, (forms.idx_files("train", "t10k"),),
    _remotes(
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        ("train-images-idx3-ubyte.gz", 26_421_880, "sha256:3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"),
        ("train-labels-idx1-ubyte.gz", 29_515, "sha256:a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"),
        ("t10k-images-idx3-ubyte.gz", 4_422_102, "sha256:346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"),
        ("t10k-labels-idx1-ubyte.gz", 5_148, "sha256:67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"),
    ),
)  # fmt: skip

_EMNIST_PARTS = ("emnist-byclass-train", "emnist-byclass-test")
EMNIST = Card(
    "emnist", "EMNIST (ByClass)", "https://www.nist.gov/itl/products-and-services/emnist-dataset",
    "none stated; derived from NIST Special Database 19, cite Cohen et al. 2017",
    (*string.digits, *string.ascii_uppercase, *string.ascii_lowercase), (697_932, 116_323), GREY,
    (
        forms.idx_files(*_EMNIST_PARTS, transposed=True),
        forms.idx_files(*_EMNIST_PARTS, transposed=True, archive="gzip.zip"),
        Files(("emnist-byclass.mat",), forms.decode_emnist_matlab),
        Files(("emnist-byclass.mat",), forms.decode_emnist_matlab, archive="matlab.zip"),
        Files(("*.npz",), forms.decode_npz),
    ),
    _remotes(
        "https://biometrics.nist.gov/cs_links/EMNIST/", ("gzip.zip", 561_753_746, "md5:58c8d27c78d21e728a6bc7b3cc06412e")
    ),
)  # fmt: skip

_CIFAR_LICENCE = "none stated; cite Krizhevsky 2009"
_CIFAR10_BATCHES = [f"data_batch_{i}" for i in range(1, 6)]
_CIFAR10_BINARIES = [f"{name}.bin" for name in _CIFAR10_BATCHES]
CIFAR10 = Card(
    "cifar10", "CIFAR-10", "https://www.cs.toronto.edu/~kriz/cifar.html", _CIFAR_LICENCE,
    ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"), (50_000, 10_000), COLOUR,
    (
        forms.cifar_binaries(_CIFAR10_BINARIES, "test_batch.bin", labels=1),
        forms.cifar_binaries(_CIFAR10_BINARIES, "test_batch.bin", labels=1, archive="cifar-10-binary.tar.gz"),
        forms.cifar_pickles(_CIFAR10_BATCHES, "test_batch", key="labels"),
        forms.cifar_pickles(_CIFAR10_BATCHES, "test_batch", key="labels", archive="cifar-10-python.tar.gz"),
        Files(("*.npz",), forms.decode_npz),
    ),
    _remotes(
        "https://www.cs.toronto.edu/~kriz/",
        ("cifar-10-binary.tar.gz", 170_052_171, "sha256:c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"),
    ),
)  # fmt: skip

_CIFAR100_CLASSES = """
    apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel can castle
    caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur dolphin elephant
    flatfish forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion lizard lobster man
    maple_tree motorcycle mountain mouse mushroom oak_tree orange orchid otter palm_tree pear pickup_truck pine_tree
    plain plate poppy porcupine possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk skyscraper snail
    snake spider squirrel streetcar sunflower sweet_pepper table tank telephone television tiger tractor train trout
    tulip turtle wardrobe whale willow_tree wolf woman worm
"""
CIFAR100 = Card(
    "cifar100", "CIFAR-100", "https://www.cs.toronto.edu/~kriz/cifar.html", _CIFAR_LICENCE,
    tuple(_CIFAR100_CLASSES.split()),
    (50_000, 10_000), COLOUR,
    (
        forms.cifar_binaries(["train.bin"], "test.bin", labels=2),
        forms.cifar_binaries(["train.bin"], "test.bin", labels=2, archive="cifar-100-binary.tar.gz"),
        forms.cifar_pickles(["train"], "test", key="fine_labels"),
        forms.cifar_pickles(["train"], "test", key="fine_labels", archive="cifar-100-python.tar.gz"),
    ),
    _remotes(
        "https://www.cs.toronto.edu/~kriz/",
        ("cifar-100-binary.tar.gz", 168_513_733, "sha256:58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec"),
    ),
)  # fmt: skip

SVHN = Card(
    "svhn", "SVHN (cropped digits)", "http://ufldl.stanford.edu/housenumbers/",
    "non-commercial use only; cite Netzer et al. 2011",
    DIGITS, (73_257, 26_032), COLOUR, (Files(("train_32x32.mat", "test_32x32.mat"), forms.decode_svhn),),
    _remotes(
        "http://ufldl.stanford.edu/housenumbers/",
        ("train_32x32.mat", 182_040_794, "sha256:435e94d69a87fde4fd4d7f3dd208dfc32cb6ae8af2240d066de1df7508d083b8"),
        ("test_32x32.mat", 64_275_384, "sha256:cdce80dfb2a2c4c6160906d0bd7c68ec5a99d7ca4831afa54f09182025b6a75b"),
    ),
)  # fmt: skip

_LAND_USE = (
    "AnnualCrop", "Forest", "HerbaceousVegetation", "Highway", "Industrial",
    "Pasture", "PermanentCrop", "Residential", "River", "SeaLake",
)  # fmt: skip
EUROSAT = Card(
    "eurosat", "EuroSAT (RGB)", "https://github.com/phelber/EuroSAT", "MIT; contains Copernicus Sentinel data",
    _LAND_USE, (27_000, 0), COLOUR,
    (ClassFolders({name: name for name in _LAND_USE}, archives=("EuroSAT.zip", "EuroSAT_RGB.zip")),),
    _remotes(
        "https://huggingface.co/datasets/torchgeo/eurosat/resolve/c877bcd43f099cd0196738f714544e355477f3fd/",
        ("EuroSAT.zip", 94_280_567, "md5:c8fa014336c82ac7804f0398fcb19387"),
    ),
)  # fmt: skip

_NORB = [
    f"smallnorb-5x{part}-{kind}.mat"
    for part in ("46789x9x18x6x2x96x96-training", "01235x9x18x6x2x96x96-testing")
    for kind in ("dat", "cat")
]
SMALL_NORB = Card(
    "small_norb", "smallNORB", "https://cs.nyu.edu/~ylclab/data/norb-v1.0-small/",
    "for research, not to be sold; cite LeCun, Huang and Bottou 2004",
    ("animal", "human", "airplane", "truck", "car"), (24_300, 24_300), GREY, (Files(tuple(_NORB), forms.decode_norb),),
    _remotes(
        "https://cs.nyu.edu/~ylclab/data/norb-v1.0-small/",
        (f"{_NORB[0]}.gz", 131_896_188, "sha256:5ffd6272a07d32695ee1082a26a41a93a37aab8c28da047f8c34ed348d214873"),
        (f"{_NORB[1]}.gz", 348, "sha256:2784e542c1922060691090952b6cd6278879a216c90f81476f0f00256d42cdaa"),
        (f"{_NORB[2]}.gz", 130_799_817, "sha256:cf7104eed3e51174d2f65b66d1e5878b9da233b886f161b0d88f4510ba2c7474"),
        (f"{_NORB[3]}.gz", 347, "sha256:ecaf6d5bb8c3bc5eab9cf0258f6d2198dd474e016e374836fc097f2e5ff509ff"),
    ),
)  # fmt: skip

_ITALIAN = {
    "farfalla": "butterfly", "gatto": "cat", "gallina": "chicken", "mucca": "cow", "cane": "dog",
    "elefante": "elephant", "cavallo": "horse", "pecora": "sheep", "ragno": "spider", "scoiattolo": "squirrel",
}  # fmt: skip
_ANIMALS = tuple(_ITALIAN.values())
ANIMALS10 = Card(
    "animals10", "Animals10", "https://www.kaggle.com/datasets/alessiocorrado99/animals10", "GPL 2, as its page states",
    _ANIMALS, (26_179, 0), COLOUR,
    (ClassFolders(_ITALIAN | {name: name for name in _ANIMALS}, archives=("animals10.zip", "archive.zip"), size=64),),
)  # fmt: skip

CARDS = {
    card.name: card
    for card in (MNIST, FASHION_MNIST, EMNIST, CIFAR10, CIFAR100, SVHN, EUROSAT, SMALL_NORB, ANIMALS10)
}  # fmt: skip
