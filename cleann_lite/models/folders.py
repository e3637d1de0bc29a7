"""A model folder is checked before anything in it is built: each thing that is wrong gets one sentence."""

import json
from math import prod

from .protocol import is_whole

# How the names of architectures end that an attention over the words of one text can explain.
TASKS = {
    "classification": ("ForSequenceClassification",),
    "masked-word": ("ForMaskedLM",),
    "next-word": ("LMHeadModel", "ForCausalLM"),
}
_BOTH = ("XLMWithLMHeadModel", "FlaubertWithLMHeadModel")  # masked or next word: the setting "causal" says
# The most of what is built one by one, by a part of its name; the deepest published models have 200 layers.
_MOST = {"layer": 1000, "group": 1000, "attention_types": 1000, "expert": 10_000, "label": 1_000_000}
_SPARE = 10**7  # weights that a model may have beyond its file, for those that are computed


def read_config(folder) -> dict:
    """The settings of a model folder; ValueError where it has none, or is but an adapter."""
    if not folder.is_dir():
        raise ValueError(f"{folder} is a file: a model is a folder with config.json and model.safetensors")
    if (folder / "adapter_config.json").exists():
        raise ValueError(
            f"{folder} holds an adapter: merge it into its base model first (merge_and_unload in peft), save "
            f"that with its tokenizer, and load the result"
        )
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ValueError(f"{folder} is not a model folder: config.json is missing") from None
    except OSError as error:
        raise ValueError(f"{folder} is not a model folder: config.json: {error.strerror}") from None
    except (ValueError, RecursionError):
        raise ValueError(
            f"{folder} is not a model folder: its config.json is not valid JSON (truncated or altered?)"
        ) from None
    if not isinstance(config, dict):
        raise ValueError(f"{folder} is not a model folder: its config.json holds no settings")
    _check_counts(config, folder / "config.json")
    names = config.get("id2label")
    if names is not None and not (isinstance(names, dict) and all(map(str.isdecimal, names))):
        raise ValueError(
            f"id2label in {folder / 'config.json'} must name each class by its number, as in "
            f'{{"0": "negative"}}: got {names!r}'
        )
    return config


def _check_counts(value, path, name=""):
    """Numbers of layers and the like that would be built for ever; ValueError names the first."""
    if isinstance(value, dict):
        for inner, one in value.items():
            if inner not in ("label2id", "task_specific_params"):  # whose names are the user's
                _check_counts(one, path, inner)
    elif isinstance(value, list):
        for one in value:
            _check_counts(one, path, name)
    elif is_whole(value):
        most = min((most for part, most in _MOST.items() if part in name), default=value)
        if value > most or (name.endswith(("layers", "n_layer")) and value < 0):
            raise ValueError(f"{name} in {path} must be 0 to {most}: got {value}")


def task_of(config: dict, folder) -> str:
    """The task that the architecture in the settings was made for; ValueError where none is known."""
    architectures = config.get("architectures")
    named = architectures[0] if isinstance(architectures, list) and architectures else None
    if not isinstance(named, str):
        raise ValueError(
            f"{folder} does not say what it holds (architectures in config.json): name its task, one of "
            f"{', '.join(TASKS)} (task=…, or --task)"
        )
    if named in _BOTH:
        return "next-word" if config.get("causal") is True else "masked-word"
    for task, endings in TASKS.items():
        if named.endswith(endings):
            return task
    raise ValueError(
        f"{folder} holds {named}: needed is a text classifier, a masked-word model or a causal language model"
    )


def check_files(folder, config: dict) -> None:
    """ValueError for weights that are missing, pickled, cut or quantised, or a missing tokenizer."""
    stored_shapes(folder)
    if config.get("quantization_config") is not None:
        raise ValueError(
            f"{folder} holds quantised weights (quantization_config in config.json), whose attention is too "
            f"coarse for the independence test: dequantise the model (model.dequantize()) and save it first"
        )
    files = ("tokenizer.json", "vocab.txt", "vocab.json", "*.model")
    if not any(any(folder.glob(pattern)) for pattern in files):  # some load empty: every word is unknown
        raise ValueError(f"{folder} has no tokenizer: tokenizer.json or a vocabulary is missing")


def stored_shapes(folder) -> dict[str, tuple[int, ...]]:
    """Shape of each weight in the safetensors of a folder, unread; ValueError for a damaged file."""
    from safetensors import SafetensorError, safe_open

    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise ValueError(
            f"{folder} has no weights in safetensors: other formats are not read, since they can run code"
        )
    shapes: dict[str, tuple[int, ...]] = {}
    for file in files:
        try:
            with safe_open(file, framework="pt") as weights:
                shapes |= {key: tuple(weights.get_slice(key).get_shape()) for key in weights.keys()}  # noqa: SIM118
        except (SafetensorError, OSError) as error:
            raise ValueError(f"{file} is cut short or altered: {error}") from None
    return shapes


def first_line(error: Exception) -> str:
    """What an error of another library says, in one line."""
    if isinstance(error, KeyError):
        return f"{error} is missing, or not known to transformers"
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if not lines:
        return type(error).__name__
    return " ".join(lines[: 1 + lines[0].endswith(":")])


def from_pretrained(folder, task: str):
    """The model of a checked folder, in float32, with its tokenizer.

    ValueError for settings that ask for much more than the file holds, weights that do not fit or are
    missing, and whatever else transformers says, in one line.
    """
    import transformers

    kinds = {
        "classification": transformers.AutoModelForSequenceClassification,
        "masked-word": transformers.AutoModelForMaskedLM,
        "next-word": transformers.AutoModelForCausalLM,
    }
    options = {"local_files_only": True, "trust_remote_code": False}
    logs = transformers.utils.logging
    shown, verbosity = logs.is_progress_bar_enabled(), logs.get_verbosity()
    logs.disable_progress_bar()
    logs.set_verbosity_error()  # its table of weights alarms; what is missing is told below
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder, use_fast=True, **options)
        config = transformers.AutoConfig.from_pretrained(folder, **options)
        check_size(folder, lambda: kinds[task].from_config(config))
        model, info = kinds[task].from_pretrained(
            folder, attn_implementation="eager", use_safetensors=True, output_loading_info=True,
            ignore_mismatched_sizes=True, **options
        )  # fmt: skip
    except Exception as error:  # a dozen kinds for settings, tokenizer and weights
        raise ValueError(f"{folder} cannot be read as a model: {first_line(error)}") from None
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
        raise ValueError(
            f"{folder} lacks the weights {missing}: it was not trained for this task, or a part of it is lost"
        )
    known = {layer for name in model.state_dict() for layer in _layers(name)}
    unknown = {layer for name in info["unexpected_keys"] for layer in _layers(name)} - known
    spare = sorted({of for of, _ in unknown} & {of for of, _ in known})
    if spare:
        raise ValueError(f"{folder} holds more layers in {spare[0]} than its config.json counts")
    return model.float(), tokenizer


def _layers(name: str) -> list[tuple[str, str]]:
    """The lists of layers that a weight is in, and where: "encoder.layer", "1" of encoder.layer.1.bias."""
    parts = name.split(".")
    return [(".".join(parts[:i]), part) for i, part in enumerate(parts) if part.isdecimal()]


def check_size(folder, build) -> None:
    """ValueError if ``build`` makes more than twice the weights of the files; none is stored for that."""
    import torch

    stored = sum(map(prod, stored_shapes(folder).values()))
    with torch.device("meta"):
        wanted = sum(parameter.numel() for parameter in build().parameters())
    if wanted > 2 * stored + _SPARE:
        raise ValueError(f"its settings ask for {wanted:,} weights, and its files hold {stored:,}")
