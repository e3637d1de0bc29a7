"""Files that ship with the package, and public datasets on demand.

Shipped files live in ``data/``; `verify` checks them against the sha256 in ``data/registry.txt``. The
public datasets are never part of the package: each is fetched once from its own publisher, checked by
sha256 and kept as it came (archives are read in place, nothing is unpacked to disk and nothing unpickled).
Its terms are shown before a first download, which needs ``accept_licence=True``. Whoever has a dataset
already passes ``from_file=``: the publisher's archive, or a folder with its files.
"""

import csv
import gzip
import io
import json
import tarfile
import zipfile
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath

from .sources import SOURCES, fetch, sha256

_HERE = Path(__file__).resolve().parents[1]
_REGISTRY = "registry.txt"

# --- shipped files ------------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def _root():
    """Where the shipped files are: beside the package in a clone, inside it in a wheel."""
    inside = _HERE / "data"
    return inside if (inside / _REGISTRY).is_file() else _HERE.parent / "data"


def data_path(*parts: str) -> Path:
    """Path of a shipped file or folder.

    Examples
    --------
    >>> data_path("registry.txt").name
    'registry.txt'
    """
    return _root().joinpath(*parts)


def is_shipped(path: str | Path) -> bool:
    """Whether a path lies among the shipped files."""
    return Path(path).resolve().is_relative_to(_root().resolve())


def registry() -> dict[str, str]:
    """Relative path of each shipped file -> its sha256.

    Raises
    ------
    ValueError
        When the registry is missing or has a line that is not ``sha256  relative/path``.
    """
    path = data_path(_REGISTRY)
    if not path.is_file():
        raise ValueError(f"{path} is missing: install the package again")
    entries = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        digest, _, name = line.partition("  ")
        if len(digest) != 64 or not name:
            raise ValueError(f"{path} must hold lines 'sha256  relative/path': got {line!r}")
        entries[name] = digest
    return entries


def verify(path: str | Path) -> Path:
    """Check a shipped file, or every registered file of a shipped folder, against the registry.

    Returns
    -------
    The path, for use in one line.

    Raises
    ------
    ValueError
        When a file is missing, differs from the registry, or nothing is registered under the path.
    """
    path = Path(path)
    if not is_shipped(path):
        raise ValueError(f"{path} is not a shipped file: only files under {_root()} are registered")
    relative = path.resolve().relative_to(_root().resolve()).as_posix()
    under = "" if relative == "." else f"{relative}/"
    entries = {n: d for n, d in registry().items() if n == relative or n.startswith(under)}
    if not entries:
        raise ValueError(f"{path} is not in the registry of shipped files")
    for name, digest in entries.items():
        file = data_path(name)
        if not file.is_file():
            raise ValueError(f"{file} is missing: install the package again")
        if sha256(file) != digest:
            raise ValueError(f"{file} is truncated or altered (wrong sha256): install the package again")
    return path


def load_reviews() -> list[dict[str, str]]:
    """The example reviews, written for this project.

    Returns
    -------
    Dictionaries with "id", "kind" (what it is an example of), "label" ("positive" or "negative") and "text".

    Examples
    --------
    >>> sorted({review["label"] for review in load_reviews()})
    ['negative', 'positive']
    """
    with open(verify(data_path("reviews.csv")), encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def load_histories() -> list[dict]:
    """The example viewing histories, written for this project.

    Returns
    -------
    Dictionaries with a short "name" and "titles", oldest film first.

    Examples
    --------
    >>> load_histories()[0]["name"]
    'space opera'
    """
    content = json.loads(verify(data_path("histories.json")).read_text(encoding="utf-8"))
    return [{"name": name, "titles": titles} for name, titles in content.items()]


# --- public datasets ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class LabelledTexts:
    """Texts with their labels: 1 positive, 0 negative, -1 unlabelled."""

    texts: tuple[str, ...]
    labels: tuple[int, ...]


@dataclass(frozen=True)
class Interactions:
    """Who watched what, in order.

    Attributes
    ----------
    sequences
        User -> ids of the films that the user rated, oldest first.
    titles
        Id of a film -> its title, as MovieLens writes it.
    """

    sequences: dict[int, tuple[int, ...]]
    titles: dict[int, str]


def load_imdb(
    split: str = "train", from_file: str | Path | None = None, accept_licence: bool = False
) -> LabelledTexts:
    """Film reviews of the Large Movie Review Dataset: 25,000 "train", 25,000 "test", 50,000 "unsup".

    Parameters
    ----------
    split
        "train", "test" or "unsup" (unlabelled).
    from_file
        ``aclImdb_v1.tar.gz``, a folder that holds its files, or one with ``imdb_<split>.csv.gz``.
    accept_licence
        Needed before a first download.

    Raises
    ------
    ValueError
        For an unknown split, or when the file does not hold it; see also `fetch`.
    """
    _known_split(split, ("train", "test", "unsup"))
    place = _place("imdb", from_file, accept_licence)
    labels = {"unsup": -1} if split == "unsup" else {"neg": 0, "pos": 1}
    inside = {f"{'train' if split == 'unsup' else split}/{kind}": label for kind, label in labels.items()}
    table = f"imdb_{split}.csv.gz"
    rows = []
    for path, content in _files(place, lambda p: p.name == table or _review_folder(p) in inside):
        if path.name == table:
            rows += [((labels[r["label"]], int(r["id"])), r["text"]) for r in _csv_rows(content)]
        else:
            key = (inside[_review_folder(path)], int(path.stem.split("_")[0]))
            rows.append((key, content.decode("utf-8")))
    _something(rows, place, f"reviews of the {split} split")
    rows.sort(key=lambda row: row[0])
    return LabelledTexts(tuple(text for _, text in rows), tuple(key[0] for key, _ in rows))


def load_sst2(
    split: str = "train", from_file: str | Path | None = None, accept_licence: bool = False
) -> LabelledTexts:
    """Labelled phrases of SST-2 in the GLUE edition: 67,349 in "train", 872 in "dev".

    The labels of GLUE's own test split are not public, so models are tested on "dev".

    Parameters
    ----------
    split
        "train" or "dev".
    from_file
        ``SST-2.zip``, a folder that holds its files, or one with ``sst2_{train,dev,test}.tsv.gz``, where
        train and dev make up GLUE's train split and test is GLUE's dev split.
    accept_licence
        Needed before a first download.

    Raises
    ------
    ValueError
        For an unknown split, or when the file does not hold it; see also `fetch`.
    """
    _known_split(split, ("train", "dev"))
    place = _place("sst2", from_file, accept_licence)
    tables = {
        "train": ("sst2_train.tsv.gz", "sst2_dev.tsv.gz", "SST-2/train.tsv"),
        "dev": ("sst2_test.tsv.gz", "SST-2/dev.tsv"),
    }
    wanted = tables[split]
    rows = []
    for _, content in _files(place, lambda p: p.name in wanted or p.as_posix().endswith(wanted[-1])):
        rows += _csv_rows(content, delimiter="\t", quoting=csv.QUOTE_NONE)
    _something(rows, place, f"phrases of the {split} split")
    return LabelledTexts(
        tuple(row["sentence"].strip() for row in rows), tuple(int(row["label"]) for row in rows)
    )


def load_movielens_1m(from_file: str | Path | None = None, accept_licence: bool = False) -> Interactions:
    """A million ratings of films by 6,040 users, as one sequence of films a user.

    Films that a user rated in the same second keep the order of the file.

    Parameters
    ----------
    from_file
        ``ml-1m.zip``, a folder that holds its files, or one with ``movies.dat`` and
        ``ml-1m.sequences.txt.gz`` (a line a user: the user, then film ids in order of time).
    accept_licence
        Needed before a first download.

    Raises
    ------
    ValueError
        When the file does not hold ratings and titles; see also `fetch`.
    """
    place = _place("movielens-1m", from_file, accept_licence)
    names = ("ratings.dat", "movies.dat", "ml-1m.sequences.txt.gz")
    found = {path.name: content for path, content in _files(place, lambda p: p.name in names)}
    _something(found.get("movies.dat"), place, "titles (movies.dat)")
    lines = found["movies.dat"].decode("latin-1").splitlines()
    titles = {int(movie): title for movie, title, _ in (line.split("::") for line in lines)}
    if "ml-1m.sequences.txt.gz" in found:
        numbers = [list(map(int, line.split())) for line in found["ml-1m.sequences.txt.gz"].splitlines()]
        return Interactions({user: tuple(films) for user, *films in numbers}, titles)
    _something(found.get("ratings.dat"), place, "ratings (ratings.dat)")
    rows = (line.split("::") for line in found["ratings.dat"].decode("latin-1").splitlines())
    return Interactions(_in_time_order((int(u), int(m), int(t)) for u, m, _, t in rows), titles)


def load_movielens_latest_small(
    from_file: str | Path | None = None, accept_licence: bool = False
) -> Interactions:
    """A hundred thousand ratings of films by some 600 users, as one sequence of films a user.

    Its publisher renews this set now and then; `SOURCES` names the edition that is fetched, and
    ``from_file`` takes any.

    Parameters
    ----------
    from_file
        ``ml-latest-small.zip`` or a folder that holds ``movies.csv`` and ``ratings.csv`` (or ``.csv.gz``).
    accept_licence
        Needed before a first download.

    Raises
    ------
    ValueError
        When the file does not hold ratings and titles; see also `fetch`.
    """
    place = _place("movielens-latest-small", from_file, accept_licence)
    names = ("ratings.csv", "movies.csv")
    found = {
        path.name.removesuffix(".gz"): content
        for path, content in _files(place, lambda p: p.name.removesuffix(".gz") in names)
    }
    for name in names:
        _something(found.get(name), place, name)
    titles = {int(row["movieId"]): row["title"] for row in _csv_rows(found["movies.csv"])}
    ratings = _csv_rows(found["ratings.csv"])
    rows = ((int(r["userId"]), int(r["movieId"]), int(r["timestamp"])) for r in ratings)
    return Interactions(_in_time_order(rows), titles)


# --- reading ------------------------------------------------------------------------------------------


def _place(name, from_file, accept_licence):
    if from_file is None:
        return fetch(name, accept_licence)
    path = Path(from_file).absolute()
    if not path.exists():
        raise ValueError(f"from_file must be an archive or a folder of {SOURCES[name].title}: no {path}")
    return path


def _known_split(split, splits):
    if split not in splits:
        raise ValueError(f"split must be one of {', '.join(splits)}: got {split!r}")


def _something(found, place, what):
    if not found:
        raise ValueError(f"{place} holds no {what}: a wrong or truncated file?")


def _review_folder(path):
    """'train/pos' for aclImdb/train/pos/0_9.txt, '' for anything that is not a review."""
    return "/".join(path.parts[-3:-1]) if path.suffix == ".txt" and "_" in path.stem else ""


def _files(place, wanted) -> Iterator[tuple[PurePosixPath, bytes]]:
    """Wanted files of a folder, zip or tar archive, read in memory; names inside never touch the disk."""
    try:
        if place.is_dir():
            for file in sorted(place.rglob("*")):
                if file.is_file() and wanted(PurePosixPath(file.relative_to(place.parent).as_posix())):
                    yield PurePosixPath(file.as_posix()), _unzipped(file.name, file.read_bytes())
        elif zipfile.is_zipfile(place):
            with zipfile.ZipFile(place) as archive:
                for name in archive.namelist():
                    if not name.endswith("/") and wanted(PurePosixPath(name)):
                        yield PurePosixPath(name), _unzipped(name, archive.read(name))
        else:
            with tarfile.open(place, "r:*") as archive:
                for member in archive:
                    content = archive.extractfile(member) if member.isfile() else None
                    if content is not None and wanted(PurePosixPath(member.name)):
                        yield PurePosixPath(member.name), content.read()
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, gzip.BadGzipFile) as error:
        raise ValueError(f"{place} cannot be read (not an archive, or truncated?): {error}") from None


def _unzipped(name, content):
    return gzip.decompress(content) if name.endswith(".gz") else content


def _csv_rows(content, **options):
    return list(csv.DictReader(io.StringIO(content.decode("utf-8"), newline=""), **options))


def _in_time_order(rows):
    """(user, film, second) -> user -> films, oldest first; ties stay in the order of the rows."""
    ratings = defaultdict(list)
    for user, film, second in rows:
        ratings[user].append((second, film))
    return {
        user: tuple(film for _, film in sorted(pairs, key=lambda pair: pair[0]))
        for user, pairs in sorted(ratings.items())
    }
