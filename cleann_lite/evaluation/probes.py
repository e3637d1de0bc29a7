"""What `readings`, `rungs` and `randomised` share: a worker looks at one input at a time.

A worker is a frozen dataclass of its settings, the name of its model first, and is called with one item; its
``task`` names the journal and the table.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

from ..datasets.files import write_rows
from ..models.mixing import BERT_LIKE
from ..models.protocol import Encoded, Model
from .inputs import fingerprint, load, weights_of
from .parallel import run_kept


def opened(name: str, item: dict) -> tuple[Model, Encoded]:
    """The model and one input (``input``, ``content``, ``seen``), on one thread of a worker."""
    import torch

    torch.set_num_threads(1)
    model = load(name)
    seen = {"seen": item["seen"]} if model.task == "recommendation" else {}
    return model, model.encode(item["content"], **seen)


def bert_of(model):
    """The torch network of a text model or a recommender, whose layers can be reached one by one.

    Raises
    ------
    ValueError
        It is not built like BERT.
    """
    network = model.network if model.task == "recommendation" else model.model
    if network.config.model_type not in BERT_LIKE:
        raise ValueError(f"{model.name} must be built like BERT: got a {network.config.model_type}")
    return network


def probe(worker, items: Sequence[dict], table: Callable, out: str | Path | None = None, **how) -> list[dict]:
    """Run a worker over inputs, and keep what it found.

    Parameters
    ----------
    worker
        ``Reader``, ``Climber`` or ``Randomiser``.
    items
        From `cleann_lite.evaluation.inputs.draw_inputs`.
    table
        ``summary`` of the worker's module: records to lines.
    out
        Folder of the journal (a run that was killed goes on from it) and the table, ``TASK.csv``.
    **how
        workers, cluster, progress: as for ``evaluate``.
    """
    settings = {k: list(v) if isinstance(v, tuple) else v for k, v in vars(worker).items()}
    settings |= {"model": Path(worker.model).name, "readings": [str(r) for r in worker.readings]}
    settings |= {"weights": weights_of(worker.model), "inputs": fingerprint(items)}
    records = run_kept(worker.task, worker, items, settings, out, **how)
    if out is not None:
        name = {"model": settings["model"]}
        write_rows(Path(out) / f"{worker.task}.csv", [name | line for line in table(records)])
    return records
