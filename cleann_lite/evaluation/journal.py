"""Run a function over independent inputs, on all cores or a cluster, and never lose a finished one.

A journal is a file of JSON lines: the settings first, then one line an input, written when it finishes. A
run that was killed goes on where it stopped; the order in which workers finish leaves no trace in the result.
"""

import gzip
import json
import logging
import os
import platform
import warnings
from collections.abc import Callable, Iterable
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path

from .. import __version__

log = logging.getLogger("cleann_lite")
FORMAT = "cleann_lite evaluation 1"
JOURNAL = "results.jsonl"
_RETRIES = 1  # a worker that was lost is replaced once


class Journal:
    """Finished inputs of one experiment, in a file or (``path`` None) in memory.

    Parameters
    ----------
    path
        File of JSON lines; a last line that a kill cut short is dropped.
    settings
        What the results depend on. A journal that was begun with others is refused.

    Raises
    ------
    ValueError
        The file is no journal, or belongs to an experiment with other settings.
    """

    def __init__(self, path: str | Path | None, settings: dict):
        self.path = None if path is None else Path(path)
        self.settings = settings
        self.records: dict[int, dict] = {}
        if self.path is None:
            return
        if self.path.exists() and self.path.stat().st_size:
            self._continue()
        if not self.path.exists() or not self.path.stat().st_size:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._write(settings)

    def _continue(self):
        begun, self.records, whole = read_journal(self.path)
        if begun is not None:
            changed = [k for k in {**self.settings, **begun} if begun.get(k) != self.settings.get(k)]
            if changed:
                name = changed[0]
                raise ValueError(
                    f"{self.path} was begun with {name} = {begun.get(name)!r}, and now it is "
                    f"{self.settings.get(name)!r}: choose another folder (--out), or delete that file"
                )
        if whole < self.path.stat().st_size:
            with open(self.path, "rb+") as file:
                file.truncate(whole)

    def add(self, record: dict) -> None:
        """Keep one finished input."""
        self.records[record["input"]] = record
        if self.path is not None:
            self._write(record)

    def _write(self, record):
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(json.dumps(record, ensure_ascii=False) + "\n")

    @property
    def in_order(self) -> list[dict]:
        """The finished inputs, by their number."""
        return [self.records[i] for i in sorted(self.records)]


def read_journal(path) -> tuple[dict | None, dict[int, dict], int]:
    """Settings, finished inputs by number, and how many bytes of the (unzipped) file are whole lines."""
    settings, records, whole = None, {}, 0
    content = Path(path).read_bytes()
    if Path(path).suffix == ".gz":
        content = gzip.decompress(content)
    for line in content.splitlines(keepends=True):
        if not line.endswith(b"\n"):
            break  # a kill cut it short
        try:
            record = json.loads(line)
            if settings is None:
                settings = record
                if not str(record["format"]).startswith("cleann_lite evaluation"):
                    raise KeyError("format")
            else:
                records[record["input"]] = record
        except (ValueError, KeyError, TypeError):
            raise ValueError(
                f"{path} is not a journal of an evaluation: choose another folder, or delete that file"
            ) from None
        whole += len(line)
    return settings, records, whole


def run_all(
    function: Callable[[dict], dict],
    items: Iterable[dict],
    journal: Journal,
    *,
    workers: int = 1,
    cluster: str | None = None,
    progress: bool = False,
) -> list[dict]:
    """Run what the journal lacks, write each result as it comes, and return all in order.

    Parameters
    ----------
    function
        From an item to its record, both JSON-ready with the number ``input``; sent to the workers.
    items
        Independent inputs.
    workers
        Processes on this computer (joblib's loky); 1 runs here, −1 takes every core.
    cluster
        Address of a Dask scheduler (``tcp://…``), whose workers then run the inputs.
    progress
        Show a progress bar.

    Raises
    ------
    ValueError
        A worker died, or the cluster cannot be reached; the finished inputs stand in the journal.
    """
    import joblib

    items = list(items)
    call = partial(_call, function)  # Dask's backend hashes what it runs, and a partial always has a hash
    left = [item for item in items if item["input"] not in journal.records]
    if not left:
        return journal.in_order
    workers = joblib.cpu_count() if workers == -1 else workers
    if workers < 1:
        raise ValueError(f"workers must be at least 1, or -1 for every core: got {workers}")
    with _backend(cluster, workers) as parallel, _bar(len(items), len(items) - len(left), progress) as bar:
        for attempt in range(_RETRIES + 1):
            left = [item for item in items if item["input"] not in journal.records]
            try:
                for record in parallel(joblib.delayed(call)(item) for item in left):
                    journal.add(record)
                    bar.update()
                break
            except ValueError:
                raise
            except Exception as error:
                if attempt < _RETRIES and _lost_worker(error):
                    log.warning("A worker died (%s): its inputs run again.", type(error).__name__)
                    continue
                raise ValueError(_stopped(journal, len(items), error)) from error
    return journal.in_order


def _call(function, item):
    return function(item)


def _lost_worker(error):
    return type(error).__name__ in ("TerminatedWorkerError", "BrokenProcessPool", "KilledWorker")


def _stopped(journal, total, error):
    first = (str(error).strip().splitlines() or [""])[0][:160]
    what = "a worker died" if _lost_worker(error) else "the run failed"
    kept = f"they stand in {journal.path}, and the same command goes on from there"
    if journal.path is None:
        kept = "give a folder (out) to keep them"
    done = len(journal.records)
    return f"{what} after {done} of {total} inputs ({type(error).__name__}: {first}): {kept}"


@contextmanager
def _backend(cluster, workers):
    """A joblib runner that hands over results as they finish."""
    import joblib

    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    options = {"return_as": "generator_unordered", "batch_size": 1}
    if cluster is None:
        one = {"inner_max_num_threads": 1} if workers > 1 else {}
        chosen = joblib.parallel_config("loky", **one) if workers > 1 else nullcontext()
        with chosen, warnings.catch_warnings():
            # loky replaces a worker whose memory has grown, and says so; one that dies raises
            warnings.filterwarnings("ignore", "A worker stopped while some jobs", UserWarning)
            yield joblib.Parallel(n_jobs=workers, **options)
        return
    try:
        from distributed import Client
        from distributed.comm.addressing import parse_address, parse_host_port
    except ModuleNotFoundError:
        raise ValueError('a cluster needs Dask: pip install "dask[distributed]"') from None
    try:
        parse_host_port(parse_address(cluster)[1])
        client = Client(cluster, timeout=5, set_as_default=False)
    except (OSError, ValueError, TimeoutError) as error:
        raise ValueError(
            f"no Dask scheduler answers at {cluster!r} ({type(error).__name__}): start one with "
            f"`dask scheduler`, and workers that have this package with `dask worker {cluster}`"
        ) from None
    with client, joblib.parallel_config("dask", client=client):
        yield joblib.Parallel(**options)


@contextmanager
def _bar(total, done, show):
    if not show:
        yield _NoBar()
        return
    from tqdm.auto import tqdm

    with tqdm(total=total, initial=done, unit="input") as bar:
        yield bar


class _NoBar:
    def update(self):
        """Nothing to show."""


def versions() -> dict[str, str]:
    """Versions of what computes the numbers."""
    from importlib.metadata import PackageNotFoundError, version

    found = {"cleann_lite": __version__, "python": platform.python_version()}
    for name in ("numpy", "scipy", "networkx", "torch", "transformers", "joblib"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
