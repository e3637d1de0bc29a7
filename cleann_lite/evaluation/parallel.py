"""Run a function over inputs here, on all cores, or on a Dask cluster; results come as they finish."""

import logging
import os
import socket
import struct
import warnings
from collections.abc import Callable, Iterable
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from .journal import FORMAT, Journal, log

_RETRIES = 1  # a worker that was lost is replaced once
PATIENCE, FIRST_WORKER = 5, 15  # seconds that a cluster has to answer, and its first worker to come
_LARGEST_GREETING = 1 << 20  # bytes; a Dask scheduler's has some hundred
_LOST = {
    "TerminatedWorkerError",
    "BrokenProcessPool",
    "KilledWorker",
    "FutureCancelledError",
    "CancelledError",
}


def run_kept(task: str, function, items, settings: dict, out=None, **how) -> list[dict]:
    """`run_all` with a journal, ``TASK.jsonl`` in the folder ``out`` (None keeps nothing); ``how`` as there.

    A run that was killed goes on from its journal, if the ``settings`` are the same.
    """
    path = None if out is None else Path(out) / f"{task}.jsonl"
    with Journal(path, {"format": FORMAT, "task": task} | settings) as journal:
        return run_all(function, items, journal, **how)


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
    journal
        An open one.
    workers
        Processes on this computer (joblib's loky); 1 runs here, −1 takes every core.
    cluster
        Address of a Dask scheduler (``tcp://HOST:PORT``), whose workers then run the inputs.
    progress
        Show a progress bar.

    Raises
    ------
    ValueError
        A worker died twice, or the cluster cannot be used; the finished inputs are in the journal.
    """
    import joblib

    items = list(items)

    def left():
        return [item for item in items if item["input"] not in journal.records]

    if not left():
        return journal.in_order
    workers = joblib.cpu_count() if workers == -1 else workers
    if workers < 1:
        raise ValueError(f"workers must be at least 1, or -1 for every core: got {workers}")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    with _runner(cluster, workers) as run, _bar(len(items), len(items) - len(left()), progress) as bar:
        for attempt in range(_RETRIES + 1):
            try:
                for record in run(function, left()):
                    journal.add(record)
                    bar.update()
                break
            except ValueError:
                raise
            except Exception as error:
                if attempt < _RETRIES and type(error).__name__ in _LOST and _alive(cluster):
                    log.warning("A worker died (%s): its inputs run again.", type(error).__name__)
                    continue
                raise ValueError(_stopped(journal, len(items), error, cluster)) from None
    return journal.in_order


def _stopped(journal, total, error, cluster):
    first = (str(error).strip().splitlines() or [""])[0][:160]
    what = "the run failed"
    if cluster is not None and not _alive(cluster):
        what = f"the Dask scheduler at {cluster} was lost"
    elif type(error).__name__ in _LOST:
        what = "a worker died"
    kept = f"they are in {journal.path}, and the same command goes on from there"
    if journal.path is None:
        kept = "give a folder (out) to keep them"
    done = len(journal.records)
    return f"{what} after {done} of {total} inputs ({type(error).__name__}: {first}): {kept}"


@contextmanager
def _runner(cluster, workers):
    """A function (function, items) -> iterator of results as they finish."""
    if cluster is not None:
        with _client(cluster) as client:
            yield partial(_on_cluster, client)
    elif workers == 1:
        yield map
    else:
        import joblib

        with joblib.parallel_config("loky", inner_max_num_threads=1), warnings.catch_warnings():
            # loky replaces a worker whose memory has grown, and says so; one that dies raises
            warnings.filterwarnings("ignore", "A worker stopped while some jobs", UserWarning)
            parallel = joblib.Parallel(n_jobs=workers, return_as="generator_unordered", batch_size=1)
            yield lambda function, items: parallel(joblib.delayed(function)(item) for item in items)


# --- a Dask cluster --------------------------------------------------------------------------------------


def _on_cluster(client, function, items):
    from distributed import as_completed

    futures = client.map(function, items, pure=False)
    try:
        for future in as_completed(futures):
            yield future.result()
    finally:
        client.cancel(futures)


@contextmanager
def _client(address):
    """A client of a scheduler that answers and has a worker; Dask's own reports are left out."""
    try:
        from distributed import Client
    except ModuleNotFoundError:
        raise ValueError('a cluster needs Dask: pip install "dask[distributed]"') from None
    host, port = _host_and_port(address)
    workers = f"workers that have this package with `dask worker {address}`"
    start = f"start one with `dask scheduler`, and {workers}"
    try:
        greeted = _greeting(host, port)
    except OSError as error:
        raise ValueError(
            f"no Dask scheduler answers at {address!r} ({type(error).__name__}: {error}): {start}"
        ) from None
    if not greeted:
        raise ValueError(f"what answers at {address!r} is not a Dask scheduler: {start}")
    with _silence("distributed", "tornado", "asyncio"):
        try:
            client = Client(address, timeout=PATIENCE)
        except Exception as error:
            raise ValueError(
                f"the Dask scheduler at {address!r} refuses this client ({type(error).__name__}): do both "
                "have the same version of Dask?"
            ) from None
        with client:
            try:
                client.wait_for_workers(1, timeout=FIRST_WORKER)
            except TimeoutError:
                raise ValueError(
                    f"the Dask scheduler at {address!r} has no worker: start one, in an environment with "
                    f"this package, with `dask worker {address}`"
                ) from None
            yield client


def _host_and_port(address):
    scheme, _, rest = address.rpartition("://")
    host, _, port = rest.rpartition(":")
    if scheme not in ("", "tcp") or not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise ValueError(f"cluster must be the address of a Dask scheduler, tcp://HOST:PORT: got {address!r}")
    return host.strip("[]"), int(port)


def _greeting(host, port):
    """Whether what listens there speaks first, as a Dask scheduler does: the length of a short message."""
    with socket.create_connection((host, port), timeout=PATIENCE) as line:
        begun = b""
        while len(begun) < 8 and (more := line.recv(8 - len(begun))):
            begun += more
    return len(begun) == 8 and 0 < struct.unpack("<Q", begun)[0] < _LARGEST_GREETING


def _alive(cluster):
    try:
        return cluster is None or _greeting(*_host_and_port(cluster))
    except OSError:
        return False


@contextmanager
def _silence(*names):
    loggers = [logging.getLogger(name) for name in names]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)


def _bar(total, done, show):
    from tqdm.auto import tqdm

    return tqdm(total=total, initial=done, unit="input", disable=not show)
