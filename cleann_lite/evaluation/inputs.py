"""The inputs of an experiment: reviews or histories from a data set, a file, or a list, drawn with a seed."""

import csv
import hashlib
import json
from functools import lru_cache
from pathlib import Path

import numpy as np

from ..causal.nodes import checked_count
from ..datasets import shipped as datasets

# task -> (default model, default data)
TASKS = {"sentiment": ("pocket-sentiment", "sst2"), "recommend": ("pocket-bert4rec", "movielens-1m")}
TEXTS = ("sst2", "imdb", "examples")
HISTORIES = ("movielens-1m", "movielens-latest-small", "examples")


@lru_cache(maxsize=2)
def load(name: str, device: str | None = None, threshold: float | None = None):
    """A model by its name, as ``load_model`` reads it, the last two kept."""
    from ..models.loading import load_model

    return load_model(name, device=device, threshold=threshold)


def draw_inputs(task, data, n, *, model=None, seed=0, films=15, from_file=None, accept_licence=False):
    """``n`` inputs of a data set, without replacement, as items of a run.

    Parameters
    ----------
    task : "sentiment" or "recommend"
    data : str, path or list
        "sst2" (its development set), "imdb" (its test split), "movielens-1m", "movielens-latest-small",
        "examples" (those that ship), your own file (.csv with a column ``text``; .txt with a line per
        text; .json with a list of texts or histories), or a list.
    n : int
    model
        The recommender: films that it does not know are left out of the histories.
    seed : int
        Of the draw.
    films : int
        Latest films of a history that the model reads; the earlier ones count as seen.
    from_file, accept_licence
        As for the loaders in :mod:`cleann_lite.datasets`.

    Returns
    -------
    list of dict
        ``input`` (a number from 0), ``row`` (its place in the data), ``content``, ``seen``.

    Raises
    ------
    ValueError
        No such data, too few inputs in it, or nothing that fits the task.
    """
    if task not in TASKS:
        raise ValueError(f"the task must be one of {', '.join(TASKS)}: got {task!r}")
    for name, number, least in (("n", n, 1), ("seed", seed, 0), ("films", films, 1)):
        checked_count(name, number, least)
    options = {"from_file": from_file, "accept_licence": accept_licence}
    if from_file is not None and not (isinstance(data, str) and data in {*TEXTS, *HISTORIES} - {"examples"}):
        raise ValueError(f"from_file is a copy of a public data set: {_name(data)} is read as it is")
    every: list = _texts(data, options) if task == "sentiment" else _histories(data, options, model)
    if len(every) < n:
        raise ValueError(f"{_name(data)} holds {len(every)} inputs for {task}, and n is {n}: ask for fewer")
    rows = np.random.default_rng(seed).choice(len(every), n, replace=False).tolist()
    if task == "sentiment":
        return [{"input": i, "row": r, "content": every[r], "seen": ()} for i, r in enumerate(rows)]
    return [
        {"input": i, "row": r, "content": every[r][-films:], "seen": tuple(every[r][:-films])}
        for i, r in enumerate(rows)
    ]


def weights_of(model) -> str | None:
    """sha256 of the weights that `load` reads by a name; None for a loaded model or without files."""
    if not isinstance(model, str | Path):
        return None
    for folder in (Path(model).expanduser(), datasets.data_path("models", str(model))):
        files = sorted(folder.glob("*.safetensors")) if folder.is_dir() else []
        if files:
            return hashlib.sha256(b"".join(f.read_bytes() for f in files)).hexdigest()
    return None


def fingerprint(items) -> str:
    """sha256 of the inputs: the same data, seed and n give the same one."""
    content = json.dumps([[i["content"], list(i["seen"])] for i in items], ensure_ascii=False)
    return hashlib.sha256(content.encode()).hexdigest()


def _name(data):
    return str(data) if isinstance(data, str | Path) else "the list"


def _texts(data, options):
    if data == "sst2":
        return list(datasets.load_sst2("dev", **options).texts)
    if data == "imdb":
        return [t.replace("<br />", " ") for t in datasets.load_imdb("test", **options).texts]
    if data == "examples":
        return [review["text"] for review in datasets.load_reviews()]
    texts = _own(data, TEXTS)
    wrong = [t for t in texts if not isinstance(t, str)]
    if wrong:
        raise ValueError(f"{_name(data)} must hold texts: got {str(wrong[0])[:60]!r}")
    return [t for t in texts if t.strip()]


def _histories(data, options, model):
    loaders = {
        "movielens-1m": datasets.load_movielens_1m,
        "movielens-latest-small": datasets.load_movielens_latest_small,
    }
    if data in loaders:
        interactions = loaders[data](**options)
        known = None if model is None else set(model.films.ids)
        # the last film is held out, as in training's leave-one-out
        sequences = ([f for f in films if known is None or f in known][:-1] for films in
                     interactions.sequences.values())  # fmt: skip
        return [films for films in sequences if len(films) >= 2]
    if data == "examples":
        return [list(history["titles"]) for history in datasets.load_histories()]
    histories = _own(data, HISTORIES)
    wrong = [h for h in histories if isinstance(h, str) or not isinstance(h, list | tuple) or not h]
    if wrong:
        raise ValueError(
            f"{_name(data)} must hold histories, each a list of titles: got {str(wrong[0])[:60]!r}"
        )
    return [list(h) for h in histories]


def _own(data, known):
    """Texts or histories of a list or of a file."""
    if not isinstance(data, str | Path):
        return list(data)
    path = Path(data)
    if not path.is_file():
        raise ValueError(f"data must be one of {', '.join(known)}, or a file: there is no {str(data)!r}")
    try:
        if path.suffix == ".json":
            content = json.loads(path.read_text(encoding="utf-8-sig"))
            if not isinstance(content, list | dict):
                raise ValueError(f"a list is needed: got {type(content).__name__}")
            return list(content.values()) if isinstance(content, dict) else content
        if path.suffix == ".csv":
            with open(path, encoding="utf-8-sig", newline="") as file:
                table = csv.DictReader(file)
                if "text" not in (table.fieldnames or ()):
                    raise ValueError(f"{path} must have a column text: got {table.fieldnames}")
                return [row["text"] for row in table]
        if path.suffix == ".txt":
            return [line for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    except (ValueError, RecursionError, csv.Error) as error:
        raise ValueError(f"{path} cannot be read as inputs ({type(error).__name__}: {error})") from None
    raise ValueError(f"data must be a .csv with a column text, a .txt or a .json file: got {path.name!r}")
