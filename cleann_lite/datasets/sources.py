"""Where the public datasets come from: their publisher, sha256 and terms, and fetching them once.

The sha256 are those under which several public projects know these archives.
"""

import hashlib
import os
import sys
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

_MOVIELENS_TERMS = """\
The data set may be used for any research purposes under the following conditions: no statement or
implication of endorsement by the University of Minnesota or the GroupLens Research Group; its use is
acknowledged in publications; {sharing}; no commercial or revenue-bearing use without permission of the
GroupLens Research Project. Nobody involved guarantees the correctness of the data.
Cite: Harper, Konstan. The MovieLens Datasets: History and Context. ACM TiiS 5(4), 2015.
Full terms: {readme}"""


@dataclass(frozen=True)
class Source:
    """A public dataset: where its publisher keeps it, what it must hash to, and its terms."""

    title: str
    url: str
    sha256: str
    megabytes: int
    terms: str


SOURCES = {
    "imdb": Source(
        "Large Movie Review Dataset v1.0 (IMDB)",
        "https://ai.stanford.edu/~amaas/data/sentiment/aclImdb_v1.tar.gz",
        "c40f74a18d3b61f90feba1e17730e0d38e8b97c05fde7008942e91923d1658fe",
        84,
        "No licence is stated; the reviews were collected for research.\n"
        "Cite: Maas et al. Learning Word Vectors for Sentiment Analysis. ACL 2011.",
    ),
    "sst2": Source(
        "Stanford Sentiment Treebank, two classes (GLUE SST-2)",
        "https://dl.fbaipublicfiles.com/glue/data/SST-2.zip",
        "d67e16fb55739c1b32cdce9877596db1c127dc322d93c082281f64057c16deaa",
        8,
        "No licence is stated.\nCite: Socher et al. Recursive Deep Models for Semantic Compositionality Over "
        "a Sentiment Treebank. EMNLP 2013; Wang et al. GLUE. ICLR 2019.",
    ),
    "movielens-1m": Source(
        "MovieLens 1M",
        "https://files.grouplens.org/datasets/movielens/ml-1m.zip",
        "a6898adb50b9ca05aa231689da44c217cb524e7ebd39d264c56e2832f2c54e20",
        6,
        _MOVIELENS_TERMS.format(
            sharing="no redistribution without separate permission",
            readme="https://files.grouplens.org/datasets/movielens/ml-1m-README.txt",
        ),
    ),
    "movielens-latest-small": Source(
        "MovieLens latest small (the edition of September 2018)",
        "https://files.grouplens.org/datasets/movielens/ml-latest-small.zip",
        "696d65a3dfceac7c45750ad32df2c259311949efec81f0f144fdfb91ebc9e436",
        1,
        _MOVIELENS_TERMS.format(
            sharing="redistribution, also of transformations, under these same conditions only",
            readme="https://files.grouplens.org/datasets/movielens/ml-latest-small-README.html",
        ),
    ),
}


def sha256(path: str | Path) -> str:
    """Hexadecimal sha256 of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fetch(name: str, accept_licence: bool = False) -> Path:
    """Path of a dataset's archive, downloaded from its publisher on first use.

    Archives are kept in the user's cache folder, or in ``CLEANN_LITE_CACHE`` where that is set.

    Raises
    ------
    ValueError
        For an unknown name; before a first download without ``accept_licence=True``, with the terms in
        the message; if the download fails its checksum.
    ConnectionError
        When the publisher cannot be reached.
    """
    import pooch
    from requests import RequestException

    if name not in SOURCES:
        raise ValueError(f"the datasets are {', '.join(SOURCES)}: got {name!r}")
    source = SOURCES[name]
    folder = Path(os.environ.get("CLEANN_LITE_CACHE") or pooch.os_cache("cleann_lite"))
    file = folder / PurePosixPath(source.url).name
    if file.is_file() and sha256(file) == source.sha256:
        return file
    about = f"{source.title}, {source.megabytes} MB from {source.url}\n{source.terms}"
    if not accept_licence:
        raise ValueError(
            f"{about}\nTo download it under these terms, pass accept_licence=True "
            "(--accept-licence on the command line)."
        )
    sys.stderr.write(f"{about}\n")
    try:
        pooch.retrieve(source.url, f"sha256:{source.sha256}", file.name, folder, progressbar=True)
    except RequestException as error:
        raise ConnectionError(
            f"{source.title} could not be fetched from {source.url} ({type(error).__name__}): "
            f"go online, or pass from_file= with a copy that you have"
        ) from None
    except ValueError:
        raise ValueError(
            f"what {source.url} sent is not the {source.title} that was expected (its sha256 differs): "
            f"try again, or pass from_file= with a copy that you have"
        ) from None
    return file
