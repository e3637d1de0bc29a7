"""Run a function over independent inputs, on all cores or a cluster, and never lose a finished one.

A journal is a file of JSON lines: the settings first, then one line an input, written when it finishes. A
run that was killed goes on where it stopped; the order in which workers finish leaves no trace in the result.
A line that is damaged, or was changed afterwards (each has its checksum), is set aside in ``….rejected`` and
only its input runs again. One run at a time writes a
journal; another is told who does.
"""

import gzip
import json
import logging
import os
import platform
import sys
import time
import zlib
from contextlib import suppress
from pathlib import Path
from typing import TextIO

from .. import __version__
from ..datasets.files import write_whole
from ..explaining.settings import FORMER

log = logging.getLogger("cleann_lite")
KIND = "cleann_lite evaluation"
FORMAT = f"{KIND} 2"
JOURNAL = "results.jsonl"
_SUM = b', "crc32": '  # how the checksum of a line follows what it is of


class Journal:
    """Finished inputs of one experiment, in a file or (``path`` None) in memory; open it by ``with``.

    Parameters
    ----------
    path
        File of JSON lines.
    settings
        What the results depend on, with ``format``, and ``methods`` and ``n`` where a line must have them.

    Raises
    ------
    ValueError
        On opening: the file is not a journal, was begun with other settings or by another version, or
        another run writes it.
    """

    def __init__(self, path: str | Path | None, settings: dict):
        self.path = None if path is None else Path(path)
        self.settings = settings
        self.records: dict[int, dict] = {}
        self._lock: _Lock | None = None
        self._file: TextIO | None = None

    def __enter__(self):
        if self.path is not None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._lock = _Lock(self.path)
            try:
                self._continue(self.path)
                self._file = open(self.path, "a", encoding="utf-8")
                if not self.path.stat().st_size:
                    _write(self._file, self.settings)
            except BaseException:
                self.__exit__()
                raise
        return self

    def __exit__(self, *_):
        if self._file is not None:
            self._file.close()
        if self._lock is not None:
            self._lock.release()
        self._file = self._lock = None

    def _continue(self, path):
        if not path.exists() or not path.stat().st_size:
            return
        content = path.read_bytes()
        begun, self.records, good, bad = _parsed(path, content)
        if begun is not None:
            changed = [k for k in {**self.settings, **begun} if begun.get(k) != self.settings.get(k)]
            if changed:
                name = changed[0]
                raise ValueError(
                    f"{path} was begun with {name} = {begun.get(name)!r}, and now it is "
                    f"{self.settings.get(name)!r}: choose another folder (--out), or delete that file"
                )
        if bad:
            aside = path.with_name(f"{path.name}.rejected")
            with open(aside, "ab") as file:
                file.writelines(line + b"\n" for _, line in bad.values())
            _tell(path, bad, f"set aside in {aside.name}; that input runs again")
        kept = b"".join(line + b"\n" for line in good)
        if kept != content:
            write_whole(path, kept)

    def add(self, record: dict) -> None:
        """Keep one finished input; one that is kept already stays as it is."""
        if record["input"] in self.records:
            return
        if self._file is not None:
            _write(self._file, record)
        self.records[record["input"]] = record

    @property
    def in_order(self) -> list[dict]:
        """The finished inputs, by their number."""
        return [self.records[i] for i in sorted(self.records)]


def _write(file, record):
    text = json.dumps(record, ensure_ascii=False)
    file.write(f"{text[:-1]}{_SUM.decode()}{zlib.crc32(text.encode())}}}\n")
    file.flush()


def read_journal(folder) -> tuple[dict, list[dict]]:
    """Settings and finished inputs, in order, of a folder or a journal (also one packed by gzip).

    Damaged lines are left out with a warning; nothing is written.

    Raises
    ------
    ValueError
        There is none, it is not a journal, or it is one of another version.
    """
    path = Path(folder)
    path = path / JOURNAL if path.is_dir() else path
    if not path.is_file():
        raise ValueError(f"there are no results in {str(folder)!r}: {JOURNAL} is missing")
    content = path.read_bytes()
    if path.suffix == ".gz":
        try:
            content = gzip.decompress(content)
        except (OSError, EOFError) as error:
            raise ValueError(f"{path} cannot be unpacked ({error}): get it again") from None
    settings, records, _, bad = _parsed(path, content)
    if settings is None:
        raise ValueError(f"{path} holds no results yet: its first line was not finished")
    if bad:
        _tell(path, bad, "left out")
    return settings, [records[i] for i in sorted(records)]


def _parsed(path, content):
    """Settings, records by input, good lines, and bad ones by number with what is wrong with them."""
    settings, records, good, bad, summed = None, {}, [], {}, False
    *lines, _ = content.split(b"\n")  # what follows the last line end was cut short by a kill
    for number, line in enumerate(lines, 1):
        line = line.strip(b"\0\r")  # a power cut can leave a run of NULs
        if not line:
            continue
        record, sound = _json(line)
        if settings is None:
            settings, summed = _checked_settings(path, record, sound), sound is not None
        elif fault := _fault(record, settings) or _CHANGED * (not sound and (summed or sound is False)):
            bad[number] = fault, line
            continue
        elif record["input"] in records:
            continue
        else:
            records[record["input"]] = record
        good.append(line)
    return settings, records, good, bad


_CHANGED = "it was changed after it was written"


def _json(line):
    """What a line holds (None: not JSON), and whether its checksum fits (None: it has none)."""
    content, has_sum, number = line.rpartition(_SUM)
    content = content + b"}" if has_sum else line
    try:
        return json.loads(content), number == b"%d}" % zlib.crc32(content) if has_sum else None
    except (ValueError, RecursionError):
        return None, None


def _checked_settings(path, record, sound):
    """The first line, if it is one of this version."""
    begun = record.get("format") if isinstance(record, dict) else None
    if begun == FORMAT and sound is False:
        raise ValueError(
            f"{path}: its first line was changed: choose another folder (--out), or delete that file"
        )
    if begun == FORMAT:
        return {FORMER.get(name, name): value for name, value in record.items()}
    if str(begun).startswith(KIND):
        raise ValueError(
            f"{path} was written by another version of this package ({begun!r}; this one writes {FORMAT!r}): "
            "choose another folder (--out), or delete that file"
        )
    raise ValueError(f"{path} is not a journal of an evaluation: choose another folder, or delete that file")


def _fault(record, settings):
    """What is wrong with the line of an input; empty if nothing."""
    if not isinstance(record, dict):
        return "it is not JSON of a record"
    number, rows = record.get("input"), record.get("rows")
    if type(number) is not int or not 0 <= number < settings.get("n", sys.maxsize):
        return f"its input is {number!r}"
    if "methods" not in settings:
        return ""
    if not isinstance(rows, dict):
        return "it has no rows"
    missing = [m for m in settings["methods"] if not isinstance(rows.get(m), dict)]
    return f"the row {missing[0]} is missing" if missing else ""


def _tell(path, bad, what):
    for number, (fault, _) in bad.items():
        log.warning("Line %d of %s is damaged (%s): %s.", number, path, fault, what)


class _Lock:
    """The right to write a journal, held by one process; it ends with the process whatever happens."""

    def __init__(self, path):
        self._path = path.with_name(f"{path.name}.lock")
        while True:
            self._file = open(self._path, "a+", encoding="utf-8")  # noqa: SIM115
            if not _locked(self._file):
                self._file.seek(0)
                who = self._file.read().strip() or "another process"
                self._file.close()
                raise ValueError(f"{who} writes {path}: wait until it ends, or choose another folder (--out)")
            if self._path.exists() and os.path.samestat(os.fstat(self._file.fileno()), self._path.stat()):
                break
            self._file.close()  # its holder deleted it in between
        self._file.truncate(0)
        began = time.strftime("%Y-%m-%d %H:%M:%S")
        self._file.write(f"process {os.getpid()} on {platform.node() or 'this computer'} (since {began})")
        self._file.flush()

    def release(self):
        with suppress(OSError):
            self._path.unlink()  # while it is held, so that nobody's new lock goes
        self._file.close()


def _locked(file) -> bool:
    """Lock an open file for this process, if no other process has."""
    try:
        if sys.platform == "win32":
            import msvcrt

            file.seek(1 << 20)  # beyond its text, which others read
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


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
