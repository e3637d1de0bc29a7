"""Write a file whole or not at all."""

import csv
import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path


def write_whole(path, content: str | bytes) -> str:
    """Write a file beside its place and move it there: a full disk or a kill leaves the old file, or none.

    Text is written as UTF-8, line ends as they are. A link keeps pointing where it does; anything but a plain
    file (a pipe, a device) is written directly. What comes back says where the file is and how large; an
    OSError names the file that was asked for.

    Examples
    --------
    >>> import tempfile
    >>> folder = tempfile.mkdtemp()
    >>> write_whole(f"{folder}/page.html", "<p>Hello</p>").endswith("page.html (12 bytes)")
    True
    """
    path, data = Path(path), content.encode("utf-8") if isinstance(content, str) else content
    try:
        if path.exists() and not path.is_file():
            path.write_bytes(data)
            return f"{path} ({_size(len(data))})"
        whole = path.resolve()
        partial = whole.with_name(f".{whole.name[:200]}.{os.getpid()}.partial")
        try:
            with open(partial, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            if whole.exists():
                partial.chmod(whole.stat().st_mode & 0o777)
            partial.replace(whole)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from None
    return f"{whole} ({_size(len(data))})"


def write_rows(path, rows: Sequence[Mapping]) -> str:
    """Rows with the columns of the first one as CSV, by `write_whole`."""
    text = io.StringIO()
    table = csv.DictWriter(text, list(rows[0]) if rows else ["empty"], lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    return write_whole(path, text.getvalue())


def _size(count):
    if count < 1000:
        return f"{count} bytes"
    return f"{count / 1000:.0f} kB" if count < 999_500 else f"{count / 1e6:.1f} MB"
