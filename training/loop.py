"""One training loop for every pocket model: seeded, resumable, best weights kept by validation.

A run is a function of its settings and its seed. Before each step the random generator is seeded from the
two, so a step needs no memory of the steps before it other than weights and optimizer: a run that is killed
and started again takes the same steps as one that is not. Checkpoints are safetensors files with their state
as JSON in the header, replaced in one move, so that a kill at any moment leaves a whole one behind. Nothing
is pickled.
"""

from __future__ import annotations

import itertools
import json
import math
import os
import re
import sys
import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from tqdm.auto import tqdm

CHECKPOINT, BEST = "checkpoint.safetensors", "best.safetensors"
_MOMENTS = ("exp_avg", "exp_avg_sq", "momentum_buffer")


@dataclass(frozen=True)
class Settings:
    """What a run is a function of.

    Parameters
    ----------
    steps : int
        Optimizer steps in all.
    learning_rate : float
        Highest learning rate of AdamW: reached after ``warmup`` (a share of the steps) and then lowered to
        ``floor`` times itself along a line or, with ``schedule="cosine"``, half a cosine.
    muon : float
        Highest learning rate of Muon for the weight matrices inside the layers; 0 leaves them to AdamW
        (Jordan et al. 2024, *Muon: an optimizer for hidden layers in neural networks*).
    check_every : int
        Steps between two validations, each followed by a checkpoint.
    precision : str
        ``float32`` or ``bfloat16`` (automatic mixed precision; weights stay float32).
    """

    steps: int
    learning_rate: float
    seed: int = 0
    warmup: float = 0.05
    floor: float = 0.0
    schedule: str = "linear"
    weight_decay: float = 0.01
    betas: tuple[float, float] = (0.9, 0.999)
    clip: float = 1.0
    muon: float = 0.0
    check_every: int = 500
    precision: str = "float32"

    def rate(self, step: int) -> float:
        """Share of the highest learning rate at one step (0-based)."""
        warm = max(1.0, self.warmup * self.steps)
        if step < warm:
            return (step + 1) / (warm + 1)
        done = (step - warm) / max(1.0, self.steps - warm)
        left = 0.5 * (1 + math.cos(math.pi * done)) if self.schedule == "cosine" else 1 - done
        return self.floor + (1 - self.floor) * left


@dataclass(frozen=True)
class Outcome:
    """How a run went: best validation score (higher is better), its step, and each check on the way."""

    score: float
    step: int
    seconds: float
    checks: list[dict] = field(default_factory=list)


def train(
    model: nn.Module,
    loss: Callable[[int], Tensor],
    validate: Callable[[], float],
    settings: Settings,
    folder: Path,
    restart: bool = False,
    progress: bool = True,
) -> Outcome:
    """Train ``model`` in place, and leave the weights of its best validation in it.

    Parameters
    ----------
    model : torch.nn.Module
        On the device it is to be trained on.
    loss : callable
        Step number (0-based) to scalar loss. Its batch must depend on the step number, and on torch's random
        generator, alone: that makes the run resumable.
    validate : callable
        Score of the present model; higher is better. The model is in evaluation mode, without gradients.
    folder : pathlib.Path
        Where the checkpoints live. A run found there is continued, unless ``restart``.
    progress : bool
        Show a progress bar.

    Raises
    ------
    ValueError
        If the run found in ``folder`` had other settings, or the loss is not finite.
    """
    folder.mkdir(parents=True, exist_ok=True)
    optimizers = _optimizers(model, settings)
    state = {"step": 0, "score": -math.inf, "best": 0, "seconds": 0.0, "checks": []}
    path = folder / CHECKPOINT
    if path.exists() and not restart:
        state = _load(path, model, optimizers, settings)
        with _opened(folder / BEST):  # said now, not after the last step
            pass
    started, running = time.monotonic() - state["seconds"], []
    quick = sys.stderr.isatty()
    bar = tqdm(
        total=settings.steps,
        initial=state["step"],
        desc=folder.name,
        mininterval=0.5 if quick else 30,
        disable=not progress,
    )
    model.train()
    for step in range(state["step"], settings.steps):
        running.append(_step(model, loss, optimizers, settings, step))
        bar.update()
        done = step + 1
        if done % settings.check_every and done != settings.steps:
            continue
        score = _score(model, validate, settings)
        mean = float(torch.stack(running).mean())
        if not math.isfinite(mean):
            raise ValueError(
                f"the loss must stay finite: got {mean} before step {done}; lower the learning rate"
            )
        running.clear()
        if score > state["score"]:
            state |= {"score": score, "best": done}
            _save(folder / BEST, _weights(model), {})
        state |= {"step": done, "seconds": time.monotonic() - started}
        state["checks"].append({"step": done, "loss": round(mean, 5), "score": score})
        bar.set_postfix(loss=f"{mean:.4f}", score=f"{score:.4f}", refresh=True)
        _save(path, _weights(model) | _moments(model, optimizers), state | {"settings": asdict(settings)})
    bar.close()
    load_weights(model, folder / BEST)
    model.eval()
    return Outcome(state["score"], state["best"], state["seconds"], state["checks"])


def _optimizers(model: nn.Module, settings: Settings) -> list[torch.optim.Optimizer]:
    named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    inner = [p for name, p in named if settings.muon and p.ndim == 2 and re.search(r"\.(layer|h)\.\d", name)]
    taken = {id(p) for p in inner}
    rest = [p for _, p in named if id(p) not in taken]
    groups = [
        {"params": [p for p in rest if p.ndim >= 2], "weight_decay": settings.weight_decay},
        {"params": [p for p in rest if p.ndim < 2], "weight_decay": 0.0},
    ]
    optimizers = [torch.optim.AdamW(groups, lr=settings.learning_rate, betas=settings.betas, fused=True)]
    if inner:
        if not hasattr(torch.optim, "Muon"):
            raise ValueError(f"Muon needs PyTorch 2.9 or newer: this is {torch.__version__}")
        optimizers.append(torch.optim.Muon(inner, lr=settings.muon, weight_decay=settings.weight_decay))
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["highest"] = group["lr"]
    return optimizers


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """Mixed precision for one step, or none for float32."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16")


def _step(model, loss, optimizers, settings: Settings, step: int) -> Tensor:
    torch.manual_seed(settings.seed * 1_000_003 + step)
    for group in itertools.chain.from_iterable(o.param_groups for o in optimizers):
        group["lr"] = group["highest"] * settings.rate(step)
    with autocast(next(model.parameters()).device, settings.precision):
        value = loss(step)
    value.backward()
    if settings.clip:
        nn.utils.clip_grad_norm_(model.parameters(), settings.clip)
    for optimizer in optimizers:
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    return value.detach()


def _score(model: nn.Module, validate: Callable[[], float], settings: Settings) -> float:
    model.eval()
    with torch.no_grad(), autocast(next(model.parameters()).device, settings.precision):
        score = float(validate())
    model.train()
    return score


def _weights(model: nn.Module) -> dict[str, Tensor]:
    """Parameters, each once even where two layers share it, and the buffers of the model's state."""
    tensors = dict(model.named_parameters())
    shared = {name for name, _ in model.named_parameters(remove_duplicate=False)}
    return tensors | {name: t for name, t in model.state_dict().items() if name not in shared}


def _moments(model: nn.Module, optimizers: list[torch.optim.Optimizer]) -> dict[str, Tensor]:
    return {
        f"{moment}:{name}": optimizer.state[parameter][moment]
        for optimizer in optimizers
        for name, parameter in model.named_parameters()
        for moment in _MOMENTS
        if parameter in optimizer.state and moment in optimizer.state[parameter]
    }


def _save(path: Path, tensors: dict[str, Tensor], state: dict) -> None:
    whole = {name: t.detach().cpu().contiguous() for name, t in tensors.items()}
    partial = path.with_suffix(".partial")
    try:
        save_file(whole, partial, metadata={"state": json.dumps(state)})
        os.replace(partial, path)
    except (OSError, SafetensorError) as error:  # safetensors has an error of its own for a full disk
        partial.unlink(missing_ok=True)
        size = sum(t.nbytes for t in whole.values())
        raise ValueError(f"{path} ({size:,} bytes) cannot be written: {error}; run again to resume") from None


@contextmanager
def _opened(path: Path):
    """A checkpoint to read from; a sentence where it is missing or damaged."""
    try:
        opened = safe_open(path, "pt")
    except FileNotFoundError:
        raise ValueError(f"{path} is missing; give --restart") from None
    except SafetensorError:
        raise ValueError(f"{path} is damaged; give --restart") from None
    try:
        with opened as file:
            yield file
    except (SafetensorError, KeyError, TypeError, RuntimeError) as error:
        told = str(error).splitlines()[0]
        raise ValueError(f"{path} is of another model ({told}); give --restart") from None


def _load(path: Path, model: nn.Module, optimizers: list[torch.optim.Optimizer], settings: Settings) -> dict:
    with _opened(path) as file:
        state = json.loads(file.metadata()["state"])
        wanted = json.loads(json.dumps(asdict(settings)))
        # A setting that a run does not know yet had its default.
        known = {f.name: f.default for f in fields(Settings)} | state.pop("settings")
        found = json.loads(json.dumps(known, default=str))
        if wanted != found:
            changed = [f"{key} {found[key]} -> {wanted[key]}" for key in wanted if wanted[key] != found[key]]
            raise ValueError(
                f"a run with other settings is in {path.parent}: {', '.join(changed)}; give --restart"
            )
        _restore(file, model, optimizers, state["step"])
    load_weights(model, path)
    return state


def _restore(file, model: nn.Module, optimizers: list[torch.optim.Optimizer], step: int) -> None:
    stored = set(file.keys())
    for optimizer in optimizers:
        members = {id(p) for group in optimizer.param_groups for p in group["params"]}
        for name, parameter in model.named_parameters():
            kept = [m for m in _MOMENTS if f"{m}:{name}" in stored]
            if kept and id(parameter) in members:
                moments = {m: file.get_tensor(f"{m}:{name}").to(parameter.device) for m in kept}
                count = torch.tensor(float(step), device=parameter.device)
                optimizer.state[parameter] = {"step": count, **moments}


def load_weights(model: nn.Module, path: Path) -> None:
    """Copy the weights of a checkpoint into a model of the same shape."""
    with _opened(path) as file, torch.no_grad():
        for name, tensor in _weights(model).items():
            tensor.copy_(file.get_tensor(name))
