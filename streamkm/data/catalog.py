"""Named public datasets: where their files are, how they are checked, under what terms.

Every checksum here is one that others published: the sha256 of TensorFlow Datasets' lists, the
md5 of the TEXMEX corpus' own MD5SUM. Where none is known it is left out, and `fetch` says so.
"""

from __future__ import annotations

from typing import Final

from streamkm.data.named import NamedDataset, RemoteFile, Split
from streamkm.errors import SourceError

_MNIST = (
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
)
_FASHION = (
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
)
_CIFAR = ("https://www.cs.toronto.edu/~kriz/",)
_ANN = ("http://ann-benchmarks.com/",)
# Size in bytes and sha256 of the images and the labels of each split.
_IDX_FILES: Final = {
    (_MNIST, "train"): (
        (9_912_422, "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"),
        (28_881, "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"),
    ),
    (_MNIST, "t10k"): (
        (1_648_877, "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"),
        (4_542, "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"),
    ),
    (_FASHION, "train"): (
        (26_421_880, "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"),
        (29_515, "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"),
    ),
    (_FASHION, "t10k"): (
        (4_422_102, "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"),
        (5_148, "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"),
    ),
}


def _idx_splits(mirrors: tuple[str, str]) -> tuple[Split, ...]:
    """Return the two splits of a dataset that comes as MNIST does."""
    splits = []
    for name, n_rows, prefix in (("train", 60_000, "train"), ("test", 10_000, "t10k")):
        names = [f"{prefix}-{kind}-ubyte.gz" for kind in ("images-idx3", "labels-idx1")]
        files = [
            RemoteFile(file, tuple(mirror + file for mirror in mirrors), size, f"sha256:{digest}")
            for file, (size, digest) in zip(names, _IDX_FILES[mirrors, prefix], strict=True)
        ]
        splits.append(Split(name, n_rows, tuple(files), f"{{folder}}/{names[0]}"))
    return tuple(splits)


def _emnist_split(name: str, part: str, n_rows: int) -> Split:
    images, labels = (f"emnist-{part}-{kind}-ubyte.gz" for kind in ("images-idx3", "labels-idx1"))
    members = (f"gzip/{images}", f"gzip/{labels}")
    return Split(name, n_rows, (_EMNIST_ZIP,), f"{{folder}}/{images}", members)


def _hdf5_splits(name: str, size: int, digest: str, n_rows: int) -> tuple[Split, ...]:
    """Return the two splits of a file of ANN-Benchmarks."""
    file = RemoteFile(name, tuple(mirror + name for mirror in _ANN), size, f"sha256:{digest}")
    sizes = (("train", n_rows), ("test", 10_000))
    return tuple(Split(split, n, (file,), f"{{folder}}/{name}:{split}") for split, n in sizes)


def _cifar_file(name: str, size: int, digest: str) -> RemoteFile:
    return RemoteFile(name, tuple(mirror + name for mirror in _CIFAR), size, f"sha256:{digest}")


_EMNIST_ZIP = RemoteFile(
    "emnist-gzip.zip",
    (
        "https://biometrics.nist.gov/cs_links/EMNIST/gzip.zip",
        "https://www.itl.nist.gov/iaui/vip/cs_links/EMNIST/gzip.zip",
    ),
    561_753_746,
    "sha256:fb9bb67e33772a9cc0b895e4ecf36d2cf35be8b709693c3564cea2a019fcda8e",
)
_CIFAR10 = _cifar_file(
    "cifar-10-binary.tar.gz",
    170_052_171,
    "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
)
_CIFAR100 = _cifar_file(
    "cifar-100-binary.tar.gz",
    168_513_733,
    "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec",
)
_GIST = RemoteFile(
    "gist.tar.gz",
    ("ftp://ftp.irisa.fr/local/texmex/corpus/gist.tar.gz",),
    2_740_172_684,
    "md5:31185e0f00854f74d27e8ad8d52628a9",
)
_CIFAR_REPORT = 'Krizhevsky, "Learning multiple layers of features from tiny images", 2009'
_TEXMEX = 'Jégou, Douze & Schmid, "Product quantization for nearest neighbor search", PAMI 33, 2011'

CATALOG: Final = (
    NamedDataset(
        "mnist",
        "MNIST", "digits", "28 x 28 pixels, grey",
        784,
        _idx_splits(_MNIST),
        "CC BY-SA 3.0",
        'LeCun, Bottou, Bengio & Haffner, "Gradient-based learning applied to document '
        'recognition", Proc. IEEE 86(11), 1998',
        "http://yann.lecun.com/exdb/mnist/",
    ),
    NamedDataset(
        "fashion-mnist",
        "Fashion-MNIST", "clothes", "28 x 28 pixels, grey",
        784,
        _idx_splits(_FASHION),
        "MIT",
        'Xiao, Rasul & Vollgraf, "Fashion-MNIST: a novel image dataset for benchmarking machine '
        'learning algorithms", arXiv:1708.07747, 2017',
        "https://github.com/zalandoresearch/fashion-mnist",
    ),
    NamedDataset(
        "emnist",
        "EMNIST", "letters, digits", "28 x 28 pixels, grey; each image is transposed",
        784,
        (
            _emnist_split("byclass", "byclass-train", 697_932),
            _emnist_split("byclass-test", "byclass-test", 116_323),
            _emnist_split("balanced", "balanced-train", 112_800),
            _emnist_split("balanced-test", "balanced-test", 18_800),
            _emnist_split("digits", "digits-train", 240_000),
            _emnist_split("digits-test", "digits-test", 40_000),
        ),
        "none stated",
        'Cohen, Afshar, Tapson & van Schaik, "EMNIST: extending MNIST to handwritten letters", '
        "IJCNN 2017",
        "https://www.nist.gov/itl/products-and-services/emnist-dataset",
    ),
    NamedDataset(
        "cifar10",
        "CIFAR-10", "photos, 10 classes", "32 x 32 pixels, color",
        3072,
        (
            Split("train", 50_000, (_CIFAR10,), "{folder}/cifar-10-binary.tar.gz"),
            Split(
                "test", 10_000, (_CIFAR10,), "{folder}/test_batch.bin",
                ("cifar-10-batches-bin/test_batch.bin",),
            ),
        ),
        "none stated",
        _CIFAR_REPORT,
        "https://www.cs.toronto.edu/~kriz/cifar.html",
    ),
    NamedDataset(
        "cifar100",
        "CIFAR-100", "photos, 100 classes", "32 x 32 pixels, color; labeled with the fine classes",
        3072,
        tuple(
            Split(
                split, n_rows, (_CIFAR100,), f"cifar100:{{folder}}/{split}.bin",
                (f"cifar-100-binary/{split}.bin",),
            )
            for split, n_rows in (("train", 50_000), ("test", 10_000))
        ),
        "none stated",
        _CIFAR_REPORT,
        "https://www.cs.toronto.edu/~kriz/cifar.html",
    ),
    NamedDataset(
        "sift1m",
        "SIFT1M", "image features", "local SIFT descriptors",
        128,
        _hdf5_splits(
            "sift-128-euclidean.hdf5",
            525_128_288,
            "dd6f0a6ed6b7ebb8934680f861a33ed01ff33991eaee4fd60914d854a0ca5984",
            1_000_000,
        ),
        "CC0",
        _TEXMEX,
        "http://corpus-texmex.irisa.fr",
    ),
    NamedDataset(
        "gist1m",
        "GIST1M", "image features", "global GIST descriptors",
        960,
        tuple(
            Split(
                split, n_rows, (_GIST,), f"{{folder}}/gist_{split}.fvecs",
                (f"gist/gist_{split}.fvecs",),
            )
            for split, n_rows in (("base", 1_000_000), ("learn", 500_000))
        ),
        "CC0",
        _TEXMEX,
        "http://corpus-texmex.irisa.fr",
    ),
    NamedDataset(
        "glove100",
        "GloVe", "word vectors", "trained on tweets",
        100,
        _hdf5_splits(
            "glove-100-angular.hdf5",
            485_413_888,
            "544af1d5e84e112cd4749571dcfd8ca109818a572f850af75a3a09e093a953c4",
            1_183_514,
        ),
        "PDDL 1.0",
        'Pennington, Socher & Manning, "GloVe: global vectors for word representation", EMNLP 2014',
        "https://nlp.stanford.edu/projects/glove/",
    ),
    NamedDataset(
        "deep10m",
        "Deep10M", "image features", "of a neural network, of unit length",
        96,
        _hdf5_splits(
            "deep-image-96-angular.hdf5",
            3_848_008_288,
            "a0a44dfe80c58e63860862eeea2d34e62cff958dc3aec14fd65263d1d3c751f8",
            9_990_000,
        ),
        "none stated",
        'Babenko & Lempitsky, "Efficient indexing of billion-scale datasets of deep descriptors", '
        "CVPR 2016",
        "https://research.yandex.com/blog/benchmarks-for-billion-scale-similarity-search",
    ),
)  # fmt: skip


def find_dataset(name: str) -> NamedDataset:
    """Return a dataset of the catalog.

    Raises
    ------
    SourceError
        If there is none of this name.

    Examples
    --------
    >>> from streamkm.data.catalog import find_dataset
    >>> find_dataset("mnist").split("test").n_rows
    10000
    """
    for dataset in CATALOG:
        if dataset.name == name:
            return dataset
    known = ", ".join(dataset.name for dataset in CATALOG)
    raise SourceError(f"no dataset is named {name!r}; known are {known}")
