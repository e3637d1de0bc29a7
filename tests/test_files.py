"""A file is written whole or not at all."""

import os
import subprocess
import sys

import pytest

from cleann_lite.datasets import files
from cleann_lite.datasets.files import write_whole


def test_text_and_bytes_arrive_as_they_are(tmp_path):
    text = "a\r\nb\n“é”\n"
    told = write_whole(tmp_path / "a.txt", text)
    assert (tmp_path / "a.txt").read_bytes() == text.encode()
    assert told == f"{tmp_path.resolve() / 'a.txt'} (14 bytes)"
    assert write_whole(tmp_path / "b", b"x" * 12_400).endswith("b (12 kB)")
    assert write_whole(tmp_path / "c", b"x" * 1_240_000).endswith("c (1.2 MB)")


@pytest.mark.parametrize("failing", ["write", "replace"])
@pytest.mark.parametrize("old", [None, "the good old page"])
def test_a_failure_leaves_the_old_file_or_none(tmp_path, monkeypatch, failing, old):
    page = tmp_path / "page.html"
    if old:
        page.write_text(old)

    def full(*_):
        raise OSError(28, "No space left on device", "some.partial")

    if failing == "write":
        monkeypatch.setattr(os, "fsync", full)  # what a full disk does to a file that was written half
    else:
        monkeypatch.setattr(files.Path, "replace", full)
    with pytest.raises(OSError, match="No space left") as caught:
        write_whole(page, "new " * 1000)
    assert caught.value.filename == str(page)
    assert [p.name for p in tmp_path.iterdir()] == (["page.html"] if old else [])
    assert not old or page.read_text() == old


def test_an_interruption_leaves_the_old_file(tmp_path, monkeypatch):
    page = tmp_path / "page.html"
    page.write_text("old")

    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", stop)
    with pytest.raises(KeyboardInterrupt):
        write_whole(page, "new")
    assert page.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["page.html"]


@pytest.mark.skipif(os.name != "posix", reason="links, modes and devices of Unix")
def test_links_and_modes_are_kept_and_devices_are_written(tmp_path):
    page, link = tmp_path / "page.html", tmp_path / "link.html"
    page.write_text("old")
    page.chmod(0o640)
    link.symlink_to(page)
    write_whole(link, "new")
    assert link.is_symlink() and page.read_text() == "new"
    assert page.stat().st_mode & 0o777 == 0o640
    code = "from cleann_lite.datasets.files import write_whole; write_whole('/dev/stdout', 'hello')"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "hello"
    if os.path.exists("/dev/full"):
        with pytest.raises(OSError, match=r"No space left.*/dev/full"):
            write_whole("/dev/full", "x" * 100_000)


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FileNotFoundError) as caught:
        write_whole(tmp_path / "no" / "page.html", "x")
    assert caught.value.filename == str(tmp_path / "no" / "page.html")
