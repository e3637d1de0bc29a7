"""Train a pocket model (``python -m training NAME``) or print its figures (``evaluate NAME``)."""

from __future__ import annotations

import argparse
import shutil
import sys
from importlib import import_module
from pathlib import Path

# name -> the module that trains it, with add_arguments(parser, name), run(args) and evaluate(args)
MODELS = {
    "pocket-masked-word": "masked_word",
    "text-teacher": "teachers",
    "pocket-sentiment": "sentiment",
    "pocket-gpt": "gpt",
    "film-teacher": "film_teacher",
    "pocket-bert4rec": "recommender",
    "identifiable": "identifiable",
}


def main(argv: list[str] | None = None) -> int:
    """Run one command; 2 with one clear sentence where the input is at fault, 130 after Ctrl-C."""
    argv = sys.argv[1:] if argv is None else argv
    evaluates = argv[:1] == ["evaluate"]
    if evaluates:
        argv = argv[1:]
    if not argv or argv[0] not in MODELS:
        names = " | ".join(MODELS)
        sys.stderr.write(f"usage: python -m training [evaluate] {{{names}}} [--help]\n")
        return 0 if argv[:1] in (["-h"], ["--help"]) else 2
    try:
        return _run(argv, evaluates)
    except KeyboardInterrupt:
        again = "" if evaluates else "; run again to resume at the last checkpoint"
        sys.stderr.write(f"interrupted{again}\n")
        return 130


def _run(argv: list[str], evaluates: bool) -> int:
    try:
        from cleann_lite.models.loading import check_device

        module = import_module(f".{MODELS[argv[0]]}", __package__)
    except ModuleNotFoundError as error:
        sys.stderr.write(f'training needs {error.name}, which pip install "cleann-lite[models]" brings\n')
        return 2
    args = _parser(argv[0], evaluates, module).parse_args(argv[1:])
    args.name = argv[0]
    try:
        check_device(args.device)
        _check_folders(args)
        if not evaluates:
            _prepare(args)
        (module.evaluate if evaluates else module.run)(args)
    except ValueError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except OSError as error:
        if not error.filename:
            raise
        sys.stderr.write(f"{error.filename}: {error.strerror}\n")
        return 2
    return 0


def _check_folders(args) -> None:
    if args.name == "identifiable":  # reads its own table, and says what a folder lacks
        return
    for name in ("start", "teacher", "model"):
        folder = getattr(args, name, None)
        if folder is not None and not (folder / "config.json").is_file():
            raise ValueError(f"--{name} must be the folder of a model: {folder} has no config.json")


def _prepare(args) -> None:
    """Keep what is made up apart from real runs and the models that ship; forget what --restart forgets."""
    if args.smoke:
        args.runs /= "smoke"
        if args.name.startswith("pocket-"):
            args.out = args.out or args.runs / args.name / "model"
    if args.restart:  # checkpoints, and the word-pieces and vocabulary that were kept for them
        for kept in (args.runs / args.name).glob("*.safetensors"):
            kept.unlink()
        shutil.rmtree(args.runs / args.name / "tokenizer", ignore_errors=True)


def _parser(name: str, evaluates: bool, module) -> argparse.ArgumentParser:
    verb = "Print the figures of" if evaluates else "Train"
    prog = f"python -m training {'evaluate ' if evaluates else ''}{name}"
    parser = argparse.ArgumentParser(prog=prog, description=f"{verb} {name}.")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder of the public sets")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--smoke", action="store_true", help="a few steps on small data made up on the spot")
    if evaluates:
        parser.add_argument("--model", type=Path, help="folder of the model (default: the one that ships)")
    else:
        parser.add_argument(
            "--out",
            type=Path,
            help="where to write the model (default: data/models/NAME; with --smoke in --runs)",
        )
        parser.add_argument("--runs", type=Path, default=Path("runs"), help="where checkpoints live")
        parser.add_argument("--seed", type=int, default=0)
        parser.add_argument("--restart", action="store_true", help="begin anew, whatever --runs holds")
    module.add_arguments(parser, name, evaluates)
    return parser


if __name__ == "__main__":
    sys.exit(main())
