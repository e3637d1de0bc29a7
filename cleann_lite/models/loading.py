"""Load a model by name: a pocket model that ships here, a local folder, or a hub id.

Weights are read from safetensors only, no code from a model folder is ever run, and a download is announced
with its licence and size and checked against its sha256.
"""

import logging
import re
from pathlib import Path

from ..datasets.sources import sha256
from . import folders

_FILES = ["*.json", "*.txt", "*.model", "*.safetensors", "README.md"]
_HUB_ID = re.compile(r"[\w.-]+(/[\w.-]+)?")
log = logging.getLogger("cleann_lite")


def load_model(name, *, task=None, threshold=None, device=None):
    """Load a model that ``explain`` understands.

    Parameters
    ----------
    name : str or path
        A pocket model ("pocket-sentiment", …; ``pocket_models()`` lists them), a local
        folder as ``save_pretrained`` writes it, or a hub id ("owner/name").
    task : str, optional
        "classification", "masked-word" or "next-word"; None reads it from the model's architecture.
    threshold : float, optional
        Probability from which a label is on, for models whose labels can hold together and for binary heads
        of one output; default 0.5.
    device : str, optional
        "cpu" (default), "cuda" or another that PyTorch finds here.

    Returns
    -------
    cleann_lite.models.protocol.Model
        Its weights in float32, also where they are stored in half precision: with fewer digits a prediction
        depends on the batch it runs in, and attention is too coarse for the independence test.

    Raises
    ------
    ValueError
        One sentence: no such model or device, an altered or truncated file, weights that are not safetensors
        or do not fit their settings, an architecture of another kind, attention that is not over the words.

    Examples
    --------
    >>> model = cl.load_model("pocket-sentiment")  # doctest: +SKIP
    >>> model.labels  # doctest: +SKIP
    ['negative', 'positive']
    """
    if task is not None and task not in tuple(folders.TASKS):
        raise ValueError(f"task must be one of {', '.join(folders.TASKS)}: got {task!r}")
    check_device(device)
    if not isinstance(name, str | Path):
        raise ValueError(f"a model is named by a text or a path: got {type(name).__name__} {name!r}")
    text = str(name)
    if text.startswith("pocket-") and not Path(text).exists():
        folder = _shipped(text)
    elif text and Path(text).expanduser().exists():
        folder = Path(text).expanduser()
    elif _HUB_ID.fullmatch(text):
        folder = _download(text)
    else:
        raise ValueError(f"{text!r} is neither a pocket model, nor a folder here, nor a hub id (owner/name)")
    return _load_folder(folder, Path(text).name or folder.resolve().name, task, threshold, device)


def check_device(device):
    """Raise ValueError for a device that PyTorch does not find here; None passes."""
    if device is None:
        return
    import torch

    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, TypeError):  # torch built for CPUs only asserts
        raise ValueError(f"device must be one that PyTorch finds here: got {device!r}") from None


def pocket_models() -> list[str]:
    """Names of the models that ship with the package."""
    from ..datasets import shipped as datasets

    return sorted(p.parent.name for p in datasets.data_path("models").glob("pocket-*/config.json"))


def _shipped(name):
    from ..datasets import shipped as datasets

    if name not in pocket_models():
        raise ValueError(f"there is no pocket model {name!r}: choose from {', '.join(pocket_models())}")
    return datasets.verify(datasets.data_path("models", name))


def _load_folder(folder, name, task, threshold, device):
    config = folders.read_config(folder)
    if (folder / "items.json").exists():
        for setting, value in {"task": task, "threshold": threshold}.items():
            if value is not None:
                raise ValueError(f"{folder} holds a recommender: {setting} is for text models, got {value!r}")
        from .bert4rec import BERT4Rec

        return BERT4Rec.load(folder, device=device)
    folders.check_files(folder, config)
    task = folders.task_of(config, folder) if task is None else task
    if threshold is not None and task != "classification":
        raise ValueError(f"a threshold is for labels that are on or off: the task of {name} is {task}")
    model, tokenizer = folders.from_pretrained(folder, task)
    if task == "classification":
        from .classifier import TextClassifier

        return TextClassifier(model, tokenizer, name, device, threshold)
    from .word_models import MaskedWordModel, NextWordModel

    kind = MaskedWordModel if task == "masked-word" else NextWordModel
    return kind(model, tokenizer, name, device)


def _download(name):
    """Fetch a model from the hub into its cache, or find it there; say licence and size first."""
    import huggingface_hub as hub

    try:
        return Path(hub.snapshot_download(name, local_files_only=True, allow_patterns=_FILES))
    except (OSError, ValueError):  # not in the cache yet
        pass
    try:
        info = hub.HfApi().model_info(name, files_metadata=True, timeout=20)
    except Exception as error:  # the hub's client raises a dozen kinds, none of which a user can act on
        raise ValueError(
            f"{name!r} is neither a pocket model nor a folder here, and the hub did not answer for it "
            f"({type(error).__name__}): check the name and the connection, or pass a local folder"
        ) from None
    files = [f for f in info.siblings or () if any(Path(f.rfilename).match(p) for p in _FILES)]
    licence = (info.card_data and info.card_data.get("license")) or "not stated"
    size = sum(f.size or 0 for f in files) / 1e6
    log.warning("Downloading %s: %.0f MB, licence: %s", name, size, licence)
    folder = Path(hub.snapshot_download(name, revision=info.sha, allow_patterns=_FILES))
    for file in files:
        if file.lfs and sha256(folder / file.rfilename) != file.lfs.sha256:
            raise ValueError(
                f"{file.rfilename} of {name} lacks the sha256 that the hub states: delete {folder}, try again"
            )
    return folder
