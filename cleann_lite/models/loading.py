"""Load a model by name: a pocket model that ships here, a local folder, or a hub id.

Weights are read from safetensors only, no code from a model folder is ever run, and a download is announced
with its licence and size and checked against its sha256.
"""

import hashlib
import json
import logging
import re
from pathlib import Path

_FILES = ("*.json", "*.txt", "*.model", "*.safetensors", "README.md")
_HUB_ID = re.compile(r"[\w.-]+(/[\w.-]+)?")
# task -> (ending of the architecture's name, transformers class that reads it)
_TASKS = {
    "classification": ("ForSequenceClassification", "AutoModelForSequenceClassification"),
    "masked-word": ("ForMaskedLM", "AutoModelForMaskedLM"),
    "next-word": ("LMHeadModel|ForCausalLM", "AutoModelForCausalLM"),
}
log = logging.getLogger("cleann_lite")


def load_model(name, *, task=None, device=None):
    """Load a model that ``explain`` understands.

    Parameters
    ----------
    name : str or path
        A pocket model ("pocket-sentiment", …; ``pocket_models()`` lists them), a local
        folder as ``save_pretrained`` writes it, or a hub id ("owner/name").
    task : str, optional
        "classification", "masked-word" or "next-word"; None reads it from the model's architecture.
    device : str, optional
        "cpu" (default) or "cuda".

    Returns
    -------
    cleann_lite.protocol.Model
        Its weights in float32, also where they are stored in half precision: with fewer digits a prediction
        depends on the batch it runs in, and attention is too coarse for the independence test.

    Raises
    ------
    ValueError
        One sentence: no such model or device, an altered or truncated file, weights that are not safetensors
        or do not fit their settings, an architecture of another kind.

    Examples
    --------
    >>> model = cl.load_model("pocket-sentiment")  # doctest: +SKIP
    >>> model.labels  # doctest: +SKIP
    ['negative', 'positive']
    """
    if task is not None and task not in _TASKS:
        raise ValueError(f"task must be one of {', '.join(_TASKS)}: got {task!r}")
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
    return _load_folder(folder, Path(text).name or folder.resolve().name, task, device)


def check_device(device):
    """Raise ValueError for a device that PyTorch does not find here; None is no device."""
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


def _load_folder(folder, name, task, device):
    config = _read_config(folder)
    if (folder / "items.json").exists():
        if task is not None:
            raise ValueError(f"{folder} holds a recommender: task is for text models, got {task!r}")
        from .bert4rec import BERT4Rec

        return BERT4Rec.load(folder, device=device)
    task = task or _task_of(config, folder)
    _check_weights(folder)
    _check_tokenizer(folder)
    from . import text as models

    classes = {
        "classification": models.TextClassifier,
        "masked-word": models.MaskedWordModel,
        "next-word": models.NextWordModel,
    }
    model, tokenizer = _from_pretrained(folder, _TASKS[task][1])
    return classes[task](model, tokenizer, name=name, device=device)


def _read_config(folder):
    if not folder.is_dir():
        raise ValueError(f"{folder} is a file: a model is a folder with config.json and model.safetensors")
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ValueError(f"{folder} is no model: it has no config.json") from None
    except ValueError:
        raise ValueError(f"{folder} is no model: its config.json is not valid JSON") from None
    if not isinstance(config, dict):
        raise ValueError(f"{folder} is no model: its config.json holds no settings")
    return config


def _task_of(config, folder):
    architectures = config.get("architectures")
    named = architectures[0] if isinstance(architectures, list) and architectures else None
    if not isinstance(named, str):
        raise ValueError(f"{folder} does not say what it holds (architectures in config.json): pass task=")
    for task, (ending, _) in _TASKS.items():
        if re.search(f"({ending})$", named):
            return task
    raise ValueError(
        f"{folder} holds {named}: needed is a text classifier, a masked-word model or a causal language model"
    )


def _check_weights(folder):
    from safetensors import SafetensorError, safe_open

    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise ValueError(
            f"{folder} has no weights in safetensors: other formats are not read, since they can run code"
        )
    for file in files:
        try:
            with safe_open(file, framework="pt"):
                pass
        except (SafetensorError, OSError) as error:
            raise ValueError(f"{file} is cut short or altered: {error}") from None


def _check_tokenizer(folder):
    """Without its files some tokenizers load empty and read every word as unknown."""
    files = ("tokenizer.json", "vocab.txt", "vocab.json", "*.model")
    if not any(any(folder.glob(pattern)) for pattern in files):
        raise ValueError(f"{folder} has no tokenizer: tokenizer.json or a vocabulary is missing")


def _from_pretrained(folder, class_name):
    import transformers

    options = {"local_files_only": True, "trust_remote_code": False}
    logs = transformers.utils.logging
    shown, verbosity = logs.is_progress_bar_enabled(), logs.get_verbosity()
    logs.disable_progress_bar()
    logs.set_verbosity_error()  # its table of weights alarms; what is missing is told below
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder, use_fast=True, **options)
        model, info = getattr(transformers, class_name).from_pretrained(
            folder, attn_implementation="eager", use_safetensors=True, output_loading_info=True,
            ignore_mismatched_sizes=True, **options
        )  # fmt: skip
    except Exception as error:  # a dozen kinds for settings, tokenizer and weights
        first = str(error).strip().splitlines()[0].rstrip(":") if str(error).strip() else type(error).__name__
        raise ValueError(f"{folder} cannot be read as a model: {first}") from None
    finally:
        logs.set_verbosity(verbosity)
        if shown:
            logs.enable_progress_bar()
    if info["mismatched_keys"]:
        name, stored, wanted = min(info["mismatched_keys"])
        raise ValueError(
            f"{folder} has weights that do not fit its config.json: {name} has shape {tuple(stored)}, not "
            f"{tuple(wanted)}"
        )
    if info["missing_keys"]:
        missing = ", ".join(sorted(info["missing_keys"])[:3])
        raise ValueError(f"{folder} lacks the weights {missing}: it was not trained for this task")
    return model.float(), tokenizer


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
    files = [f for f in info.siblings if any(Path(f.rfilename).match(p) for p in _FILES)]
    licence = (info.card_data or {}).get("license") or "not stated"
    size = sum(f.size or 0 for f in files) / 1e6
    log.warning("Downloading %s: %.0f MB, licence: %s", name, size, licence)
    folder = Path(hub.snapshot_download(name, revision=info.sha, allow_patterns=_FILES))
    for file in files:
        if file.lfs and _sha256(folder / file.rfilename) != file.lfs.sha256:
            raise ValueError(
                f"{file.rfilename} of {name} lacks the sha256 that the hub states: delete {folder}, try again"
            )
    return folder


def _sha256(path):
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
