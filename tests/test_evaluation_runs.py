"""A run of an evaluation: the same table however it was run, and nothing lost whatever dies."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

from cleann_lite.evaluation import parallel, report
from cleann_lite.evaluation.journal import FORMAT, Journal, read_journal
from cleann_lite.evaluation.parallel import run_all
from cleann_lite.evaluation.results import Evaluation
from tests.test_evaluation import FAST, ROOT, linear
from tests.test_evaluation import run as run_rows

FEW = ("cleann", "random-at-equal-sizes", "leave-one-out")


def run(n=8, methods=FEW, **options):
    return run_rows(n, methods, **options)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run that has ended: what it gave, its folder, and how many inputs its model ran."""
    folder, model = tmp_path_factory.mktemp("finished"), linear()
    return run(out=folder, model=model), folder, model.rows_run


@pytest.fixture
def whole(finished, tmp_path):
    """What a finished run gave, with a copy of its folder at ``tmp_path``."""
    shutil.copytree(finished[1], tmp_path, dirs_exist_ok=True)
    return finished[0]


def tables(folder):
    return [(folder / name).read_bytes() for name in ("table.csv",)]


@pytest.mark.slow
def test_two_workers_give_the_same_table(tmp_path):
    one = run(methods=FAST, out=tmp_path / "one")
    two = run(methods=FAST, out=tmp_path / "two", workers=2)
    assert one.table == two.table
    assert tables(tmp_path / "one") == tables(tmp_path / "two")


@pytest.mark.slow
def test_a_dask_cluster_of_two_workers_gives_the_same_table(tmp_path):
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
    ) as cluster:
        there = run(out=tmp_path / "there", cluster=cluster.scheduler_address)
    here = run(out=tmp_path / "here")
    assert here.table == there.table
    assert tables(tmp_path / "here") == tables(tmp_path / "there")


def test_a_cut_journal_goes_on_with_the_same_table(tmp_path, whole):
    journal = tmp_path / "results.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    expected = (tmp_path / "table.csv").read_bytes()
    for kept in (1, 5):
        journal.write_bytes(b"".join(lines[:kept]) + lines[kept % 9][:20])  # a kill cuts the last line
        again = run(out=tmp_path)
        assert again.table == whole.table
        assert (tmp_path / "table.csv").read_bytes() == expected
        assert len(journal.read_bytes().splitlines()) == 9


@pytest.mark.usefixtures("whole")
def test_finished_inputs_are_not_run_again(tmp_path):
    model = linear()
    run(out=tmp_path, model=model)
    assert model.rows_run == 0


def test_a_journal_of_another_experiment_or_version_is_refused(tmp_path):
    run(3, out=tmp_path)
    with pytest.raises(ValueError, match=r"was begun with alpha = 0\.1, and now it is 0\.2"):
        run(3, out=tmp_path, alpha=0.2)
    journal = tmp_path / "results.jsonl"
    older = journal.read_bytes().replace(FORMAT.encode(), b"cleann_lite evaluation 1")
    for content, said in (
        (older, "written by another version of this package"),
        (b"something else\n", "not a journal of an evaluation"),
        (b"[1, 2]\n", "not a journal of an evaluation"),
    ):
        journal.write_bytes(content)
        for read in (lambda: run(3, out=tmp_path), lambda: Evaluation.read(tmp_path)):
            with pytest.raises(ValueError, match=said) as caught:
                read()
            assert len(str(caught.value).splitlines()) == 1
        assert journal.read_bytes() == content  # nothing of it is touched
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "report.html",
        "results.jsonl",
        "summary.csv",
        "table.csv",
    ]


def changed(line, **fields):
    record = json.loads(line) | fields
    return json.dumps({k: v for k, v in record.items() if v is not None}).encode() + b"\n"


DAMAGE = {
    "half a line": lambda line: line[: len(line) // 2] + b"\n",
    "another text": lambda line: b"kernel panic\n",
    "NULs": lambda line: b"\0" * 40 + b"{\n",
    "no rows": lambda line: changed(line, rows=None),
    "a row is missing": lambda line: changed(line, rows={"cleann": {}}),
    "a row is not a row": lambda line: changed(line, rows=dict.fromkeys(FEW, 3)),
    "no number": lambda line: changed(line, input=None),
    "a number that is none": lambda line: changed(line, input=True),
    "a number beyond": lambda line: changed(line, input=800),
    "bytes that are not text": lambda line: b"\xff\xfe" + line,
    "depth": lambda line: b"[" * 100_000 + b"\n",
    "a row without its figures": lambda line: changed(line, rows={name: {} for name in FEW}),
    "another figure": lambda line: line.replace(b'"calls": ', b'"calls": 1', 1),
    "no checksum": lambda line: line.rpartition(b", ")[0] + b"}\n",
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_line_is_set_aside_and_only_its_input_runs_again(tmp_path, whole, finished, damage, caplog):
    journal, aside = tmp_path / "results.jsonl", tmp_path / "results.jsonl.rejected"
    lines = journal.read_bytes().splitlines(keepends=True)
    lines[4] = DAMAGE[damage](lines[4])
    journal.write_bytes(b"".join(lines))
    partly = Evaluation.read(tmp_path)  # reading changes nothing
    assert len(partly.records) == 7 and not aside.exists() and journal.read_bytes() == b"".join(lines)
    caplog.clear()
    model = linear()
    again = run(out=tmp_path, model=model)
    assert again.table == whole.table
    assert aside.read_bytes().strip(b"\0\n") == lines[4].strip(b"\0\n")
    (told,) = [r.getMessage() for r in caplog.records]
    assert "Line 5 of" in told and "results.jsonl.rejected" in told
    assert 0 < model.rows_run < finished[2] / 4  # one input of eight
    assert len(journal.read_bytes().splitlines()) == 9 and Evaluation.read(tmp_path).table == whole.table


@pytest.mark.usefixtures("whole")
def test_a_first_line_that_was_changed_is_refused_and_a_journal_without_checksums_is_read(tmp_path):
    journal = tmp_path / "results.jsonl"
    good = journal.read_bytes()
    journal.write_bytes(good.replace(b'"n": 8', b'"n": "8"', 1))
    with pytest.raises(ValueError, match="its first line was changed"):
        Evaluation.read(tmp_path)
    older = b"".join(line.rpartition(b", ")[0] + b"}\n" for line in good.splitlines())
    journal.write_bytes(older)
    model = linear()
    assert len(run(out=tmp_path, model=model).records) == 8 and model.rows_run == 0
    assert journal.read_bytes() == older


@pytest.mark.parametrize("tail", [b"\0" * 4096, b"\0", b'{"input": 9', b"\0\0{", b"\r"])
def test_a_tail_that_a_power_cut_leaves_is_dropped(tmp_path, whole, tail, caplog):
    journal = tmp_path / "results.jsonl"
    good = journal.read_bytes()
    journal.write_bytes(good + tail)
    assert Evaluation.read(tmp_path).table == whole.table
    model = linear()
    assert run(out=tmp_path, model=model).table == whole.table
    assert model.rows_run == 0 and not caplog.records
    assert journal.read_bytes() == good and not (tmp_path / "results.jsonl.rejected").exists()


def test_a_line_that_stands_there_twice_counts_once(tmp_path, whole):
    journal = tmp_path / "results.jsonl"
    good = journal.read_bytes()
    journal.write_bytes(good + good.splitlines(keepends=True)[3])
    assert Evaluation.read(tmp_path).table == run(out=tmp_path).table == whole.table
    assert journal.read_bytes() == good


HOLD = """
import signal, sys, time
from cleann_lite.evaluation.journal import FORMAT, Journal
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
with Journal(sys.argv[1], {"format": FORMAT}):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize("end", ["kill", "leave"])
def test_one_run_at_a_time_writes_a_folder_and_the_other_is_told_who(tmp_path, end):
    path = tmp_path / "results.jsonl"
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE, env=environment, text=True
    ) as other:
        try:
            assert other.stdout.readline() == "held\n"
            with (
                pytest.raises(
                    ValueError, match=rf"process {other.pid} on .* \(since .*\) writes .*results.jsonl"
                ),
                Journal(path, {"format": FORMAT}),
            ):
                pass
            assert read_journal(path) == ({"format": FORMAT}, [])  # reading needs no lock
        finally:
            other.send_signal(signal.SIGKILL if end == "kill" else signal.SIGINT)
            other.wait()
    with Journal(path, {"format": FORMAT}) as journal:  # whatever ended it, the lock is free
        journal.add({"input": 0, "rows": {}})
    assert [p.name for p in tmp_path.iterdir()] == ["results.jsonl"]


def test_a_full_disk_loses_no_finished_input(tmp_path, monkeypatch):
    whole = run(out=tmp_path / "whole").table
    real = Journal.add

    def full(self, record):
        if len(self.records) == 3:
            with open(self.path, "a", encoding="utf-8") as file:
                file.write("half a li")
            raise OSError(28, "No space left on device")
        real(self, record)

    monkeypatch.setattr(Journal, "add", full)
    with pytest.raises(ValueError, match=r"the run failed after 3 of 8 inputs \(OSError: .*No space left"):
        run(out=tmp_path / "full")
    monkeypatch.undo()
    assert run(out=tmp_path / "full").table == whole


def test_a_full_disk_leaves_the_old_table_and_report(tmp_path, monkeypatch):
    table = run(out=tmp_path)
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        report.save(table, tmp_path)
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before


@pytest.mark.slow
def test_a_killed_run_goes_on(tmp_path):
    """Killed in the middle, then the same command: what is finished stays, and the table is the same."""
    script = tmp_path / "script.py"
    script.write_text(
        "import sys, time\nfrom tests.test_evaluation import run, FAST\n"
        "def slow(case):\n    time.sleep(0.2)\n    return case.masked_in_order(case.encoded.data)\n"
        "run(methods=('cleann', slow), out=sys.argv[1])\n"
    )
    command = [sys.executable, str(script), str(tmp_path / "killed")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])}
    journal = tmp_path / "killed" / "results.jsonl"
    process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
    try:
        for _ in range(600):
            if journal.exists() and journal.read_bytes().count(b"\n") >= 3:
                break
            process.poll()
            assert process.returncode is None
            subprocess.run(["sleep", "0.1"], check=True)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    before = journal.read_bytes()
    assert 3 <= before.count(b"\n") < 9
    assert not (tmp_path / "killed" / "table.csv").exists()
    subprocess.run(command, env=environment, check=True)
    assert journal.read_bytes().startswith(before[: before.rindex(b"\n") + 1])

    def slow(case):
        return case.masked_in_order(case.encoded.data)

    run_rows(methods=("cleann", slow), out=tmp_path / "whole")
    assert tables(tmp_path / "killed") == tables(tmp_path / "whole")


def die_on_three(item):
    if item["input"] == 3:
        time.sleep(2)  # the others have long finished
        os.kill(os.getpid(), signal.SIGKILL)
    return {"input": item["input"], "rows": {}}


@pytest.mark.slow
def test_a_worker_that_dies_costs_no_finished_result(tmp_path):
    path = tmp_path / "results.jsonl"
    told = r"a worker died after \d of 6 inputs \(TerminatedWorkerError.*goes on"
    with Journal(path, {"format": FORMAT}) as journal, pytest.raises(ValueError, match=told) as caught:
        run_all(die_on_three, [{"input": i} for i in range(6)], journal, workers=2)
    error = caught.value
    assert len(str(error).splitlines()) == 1 and (error.__suppress_context__ or error.__context__ is None)
    with Journal(path, {"format": FORMAT}) as kept:
        assert kept.records == journal.records
        assert {0, 1} <= set(kept.records)
    assert len(path.read_bytes().splitlines()) == 1 + len(kept.records)  # none twice


def test_interrupting_keeps_what_is_finished(tmp_path):
    whole, model = linear(), linear()
    expected = run(model=whole).table
    model.stop_after = whole.rows_run / 2
    with pytest.raises(KeyboardInterrupt):
        run(out=tmp_path, model=model)
    kept = (tmp_path / "results.jsonl").read_text().splitlines()
    assert 1 < len(kept) < 9
    assert not any("interrupted" in line for line in kept)
    assert run(out=tmp_path).table == expected


# --- faults of a cluster ---------------------------------------------------------------------------------


def slowly(item):
    time.sleep(0.1)
    return {"input": item["input"], "rows": {}}


def one_sentence(caught):
    error = caught.value
    assert len(str(error).splitlines()) == 1 and (error.__suppress_context__ or error.__context__ is None)
    return str(caught.value)


def refused(address, function=slowly):
    with Journal(None, {"format": FORMAT}) as journal, pytest.raises(ValueError) as caught:
        run_all(function, [{"input": i} for i in range(4)], journal, cluster=address)
    return one_sentence(caught)


@pytest.mark.parametrize(
    "address",
    ["tls://127.0.0.1:8786", "127.0.0.1", "tcp://127.0.0.1:port", "inproc://x", "tcp://:8786", "x:0"],
)
def test_an_address_that_is_none_of_a_scheduler(address):
    pytest.importorskip("distributed")
    assert "tcp://HOST:PORT: got" in refused(address)


@pytest.mark.parametrize(
    "greeting", [b"", b"SSH-2.0-OpenSSH_9.6\r\n", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\xff" * 8]
)
def test_a_port_that_is_not_dask(greeting):
    """It greets in another way, or hangs up; it never gets so far that Dask allocates exabytes."""
    pytest.importorskip("distributed")
    with socket.create_server(("127.0.0.1", 0)) as server:
        host, port = server.getsockname()

        def serve():
            line, _ = server.accept()
            with line:
                line.sendall(greeting)

        threading.Thread(target=serve, daemon=True).start()
        assert "is not a Dask scheduler" in refused(f"tcp://{host}:{port}")


def test_a_port_that_says_nothing_and_one_that_is_closed(monkeypatch):
    pytest.importorskip("distributed")
    monkeypatch.setattr(parallel, "PATIENCE", 1)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        start = time.monotonic()
        assert "no Dask scheduler answers" in refused(f"tcp://127.0.0.1:{port}")  # silent
        assert time.monotonic() - start < 20
    assert "no Dask scheduler answers" in refused(f"tcp://127.0.0.1:{port}")  # closed


class Processes:
    """A Dask scheduler and its workers, each a process that can be killed."""

    def __init__(self, folder):
        self.folder, self.running = folder, []
        with socket.create_server(("127.0.0.1", 0)) as server:
            self.address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        port = self.address.rpartition(":")[2]
        self.scheduler = self.start("scheduler", "--host", "127.0.0.1", "--port", port, "--no-dashboard")

    def start(self, *arguments):
        environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])}
        command = [sys.executable, "-m", "dask", *arguments]
        with open(self.folder / f"{len(self.running)}.log", "wb") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, env=environment, cwd=self.folder)
        self.running.append(process)
        return process

    def workers(self, count):
        """Workers that the scheduler knows."""
        from distributed import Client

        each = ("worker", self.address, "--nthreads", "1", "--no-dashboard", "--no-nanny")
        started = [self.start(*each) for _ in range(count)]
        with Client(self.address, timeout=60, set_as_default=False) as client:
            client.wait_for_workers(count, timeout=120)
        return started

    def __enter__(self):
        port = int(self.address.rpartition(":")[2])
        for _ in range(600):
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                return self
            except OSError:
                time.sleep(0.1)
        raise TimeoutError("the scheduler did not start")

    def __exit__(self, *_):
        for process in self.running:
            process.kill()
            process.wait()


@pytest.mark.slow
def test_a_scheduler_without_workers_is_told(tmp_path, monkeypatch):
    pytest.importorskip("distributed")
    monkeypatch.setattr(parallel, "FIRST_WORKER", 1)
    with Processes(tmp_path) as dask:
        told = refused(dask.address)
        assert "has no worker" in told and f"dask worker {dask.address}" in told


@pytest.mark.slow
@pytest.mark.parametrize("killed", ["worker", "scheduler"])
def test_a_cluster_that_dies_in_the_middle_loses_no_finished_input(tmp_path, killed, capfd):
    pytest.importorskip("distributed")
    items, path = [{"input": i} for i in range(40)], tmp_path / "results.jsonl"
    with Processes(tmp_path) as dask:
        workers = dask.workers(2)
        victim = dask.scheduler if killed == "scheduler" else workers[0]

        def kill():
            while not path.exists() or path.read_bytes().count(b"\n") < 6:
                time.sleep(0.05)
            victim.kill()

        threading.Thread(target=kill, daemon=True).start()
        with Journal(path, {"format": FORMAT}) as journal:
            if killed == "worker":  # the other one takes over
                assert len(run_all(slowly, items, journal, cluster=dask.address)) == 40
            else:
                with pytest.raises(
                    ValueError, match=r"scheduler at tcp://.* was lost after \d+ of 40 inputs"
                ) as caught:
                    run_all(slowly, items, journal, cluster=dask.address)
                one_sentence(caught)
    numbers = [json.loads(line)["input"] for line in path.read_bytes().splitlines()[1:]]
    assert len(numbers) == len(set(numbers)) >= 5
    told = capfd.readouterr()
    assert "Traceback" not in told.err + told.out and len(told.err.splitlines()) < 5
    with Journal(path, {"format": FORMAT}) as journal:  # the same command, here
        assert [r["input"] for r in run_all(slowly, items, journal)] == list(range(40))
