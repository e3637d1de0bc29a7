"""A real JupyterLab and a real Chromium for the tests of this folder: one server, one browser.

Skipped where no Chromium is installed. Screenshots are kept under ``build/screenshots``.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from urllib.parse import urlparse

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCREENSHOTS = ROOT / "build" / "screenshots"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
IN_LAB = ("test_explorers.py", "test_threshold.py")
HERE = ("127.0.0.1", "localhost")


def find_browser():
    """Path of an installed Chromium, or None."""
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)


def pytest_collection_modifyitems(items):
    for item in items:
        if Path(item.fspath).parent == Path(__file__).parent:
            item.add_marker(pytest.mark.browser)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Of two processes one has JupyterLab and the other the pages from disk."""
    from xdist.scheduler import LoadFileScheduling

    class ByPlace(LoadFileScheduling):
        def _split_scope(self, nodeid):
            return "lab" if super()._split_scope(nodeid).endswith(IN_LAB) else "pages"

    return ByPlace(config, log)


@pytest.fixture(scope="session")
def lab(tmp_path_factory):
    """Address and folder of a JupyterLab that this test run serves itself."""
    if find_browser() is None:
        pytest.skip("no Chromium is installed")
    pytest.importorskip("jupyterlab")
    pytest.importorskip("anywidget")
    home, folder = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("notebooks")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    places = {
        name: str(home) for name in ("HOME", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR")
    }
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    settings = home / "settings" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True)
    quiet = {"fetchNews": "false", "checkForUpdates": False, "doNotDisturbMode": True}
    (settings / "notification.jupyterlab-settings").write_text(json.dumps(quiet))
    places["JUPYTERLAB_SETTINGS_DIR"] = str(home / "settings")
    environment = {**os.environ, **places, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"}
    options = [
        f"--ServerApp.port={port}", "--ServerApp.ip=127.0.0.1", "--ServerApp.open_browser=False",
        "--IdentityProvider.token=", "--ServerApp.password=", "--ServerApp.allow_root=True",
        "--ServerApp.disable_check_xsrf=True",
        f"--ServerApp.root_dir={folder}", "--LabApp.expose_app_in_browser=True", "--LabApp.news_url=None",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    ]  # fmt: skip
    with open(home / "log", "w") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", *options], env=environment, stdout=log, stderr=log
        )
    address = f"http://127.0.0.1:{port}"
    try:
        _wait_for(address, server, home / "log")
        yield address, folder
    finally:
        server.terminate()
        server.wait(timeout=20)


def _wait_for(address, server, log, seconds=60):
    end = time.time() + seconds
    while time.time() < end and server.poll() is None:
        try:
            urllib.request.urlopen(f"{address}/api", timeout=2).close()
            return
        except OSError:
            time.sleep(0.2)
    raise RuntimeError(f"JupyterLab did not start: {log.read_text()[-2000:]}")


@pytest.fixture(scope="session")
def browser():
    """One Chromium for all tests."""
    if find_browser() is None:
        pytest.skip("no Chromium is installed")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        started = play.chromium.launch(executable_path=find_browser(), args=FLAGS)
        yield started
        started.close()


def faint_texts(page, selector):
    """How many texts are seen under a selector, and those that can hardly be read."""
    return page.evaluate((Path(__file__).parent / "contrast.js").read_text(encoding="utf-8"), selector)


def assert_readable(page, selector, least=1):
    """Every visible text has a contrast of at least 4.5 : 1 with what lies under it."""
    found = faint_texts(page, selector)
    assert found["seen"] >= least, f"only {found['seen']} texts under {selector}"
    assert found["faint"] == []


class Notebook:
    """An open notebook and the explorer in it, with all that the page did."""

    def __init__(self, page, name):
        self.page, self.name = page, name
        self.requests, self.problems = [], []
        self.heard = {
            "request": lambda request: self.requests.append(request.url),
            "pageerror": lambda error: self.problems.append(str(error)),
            "dialog": lambda dialog: (self.problems.append(dialog.message), dialog.dismiss()),
        }
        for event, hear in self.heard.items():
            page.on(event, hear)

    def leave(self):
        """What the page does next is another notebook's."""
        for event, hear in self.heard.items():
            self.page.remove_listener(event, hear)

    @property
    def explorer(self):
        return self.page.locator(".cleann-explorer")

    def settle(self, seconds=20):
        """Wait until the last thing that was done has been answered."""
        self.page.wait_for_timeout(30)
        self.page.wait_for_function(
            "document.querySelector('.cleann-explorer')?.dataset.state === 'idle'", timeout=1000 * seconds
        )

    def slide(self, label, place):
        """Move a slider to a place from 0 to 1 and wait for the answer."""
        slider = self.explorer.get_by_role("slider", name=label)
        slider.evaluate(
            """(input, place) => {
                input.value = Math.round(place * input.max);
                input.dispatchEvent(new Event("input", {bubbles: true}));
                input.dispatchEvent(new Event("change", {bubbles: true}));
            }""",
            place,
        )
        self.settle()
        return slider

    def keyboard_reaches_everything(self):
        """Walk with Tab from the first control to the last; every control must be met on the way."""
        root = self.explorer
        wanted = root.evaluate(
            """(root) => {
                const all = [...root.querySelectorAll('input, select, textarea, button, summary')];
                const seen = all.filter((one) => !one.disabled && one.checkVisibility());
                seen.forEach((one, i) => (one.dataset.stop = i));
                seen[0].focus();
                return seen.length;
            }"""
        )
        met, picture = set(), False
        for _ in range(wanted + 5):
            here = self.page.evaluate(
                """() => ({stop: document.activeElement.dataset.stop,
                          key: document.activeElement.dataset.key,
                          outline: getComputedStyle(document.activeElement).outlineStyle})"""
            )
            picture |= here["key"] is not None
            met |= {here["stop"]} - {None}
            self.page.keyboard.press("Tab")
        return len(met) == wanted, picture

    def picture(self, name):
        """Keep a screenshot of the explorer."""
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        self.explorer.screenshot(path=SCREENSHOTS / f"{name}.png")

    def foreign_requests(self):
        """Requests that would have left the machine."""
        return [
            url
            for url in self.requests
            if urlparse(url).scheme.startswith("http") and urlparse(url).hostname not in HERE
        ]


SIZE = {"width": 1300, "height": 1500}  # of a window, in CSS px


class Desk:
    """One kernel and one page of JupyterLab for all notebooks, as to start them takes longest.

    Either is made anew where it is gone, and both where a kernel did not answer.
    """

    def __init__(self, lab, browser):
        self.address, self.folder = lab
        self.browser, self.page, self.number = browser, None, None

    def ask(self, method, where, **body):
        data = json.dumps(body).encode() if body else None
        request = urllib.request.Request(f"{self.address}/api/{where}", data, method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.loads(answer.read() or "null")

    def kernels(self):
        return {kernel["id"] for kernel in self.ask("GET", "kernels")}

    def open(self, name, cells):
        """A notebook of these cells, open and with its kernel."""
        cells = [
            {
                "cell_type": "code",
                "id": f"c{i}",
                "metadata": {},
                "execution_count": None,
                "outputs": [],
                "source": text,
            }
            for i, text in enumerate(cells)
        ]
        kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
        content = {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
        path = f"{name}-{time.monotonic_ns()}.ipynb"
        (self.folder / path).write_text(json.dumps(content))
        if self.number not in self.kernels():
            self.number = self.ask("POST", "kernels", name="python3")["id"]
        session = {"path": path, "name": path, "type": "notebook", "kernel": {"id": self.number}}
        self.ask("POST", "sessions", **session)
        fresh = self.page is None
        if fresh:
            self.page = self.browser.new_page(viewport=SIZE, accept_downloads=True)
        notebook = Notebook(self.page, name)
        if fresh:
            self.page.goto(f"{self.address}/doc/tree/{path}?reset")
        else:
            self.page.set_viewport_size(SIZE)
            self.page.mouse.move(0, 0)
            self.page.evaluate(
                "async (path) => { await jupyterapp.commands.execute('docmanager:open', {path}); }", path
            )
        return notebook

    def close(self, notebook):
        """Close the notebook and every widget, and forget every name."""
        notebook.leave()
        code = "import ipywidgets; ipywidgets.Widget.close_all(); get_ipython().run_line_magic('reset', '-f')"
        cleared = self.page.evaluate(
            """(code) => {
                const shown = window.jupyterapp.shell.currentWidget;
                const kernel = shown?.sessionContext.session?.kernel;
                if (!kernel || kernel.status === "dead") return false;
                const late = new Promise((end) => setTimeout(() => end(false), 10000));
                const done = kernel.requestExecute({ code }).done.then(() => (shown.dispose(), true));
                return Promise.race([done, late]);
            }""",
            code,
        )
        if not cleared:
            self.page.close()
            self.page = None
            if self.number in self.kernels():
                self.ask("DELETE", f"kernels/{self.number}")


@pytest.fixture(scope="session")
def desk(lab, browser):
    return Desk(lab, browser)


@pytest.fixture
def open_notebook(desk):
    """Write a notebook from its cells, open it in JupyterLab, run it, and wait for its explorer."""
    opened = []

    def open_one(name, *cells, seconds=60):
        notebook = desk.open(name, cells)
        opened.append(notebook)
        notebook.page.wait_for_function(
            "window.jupyterapp?.shell?.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'",
            timeout=1000 * seconds,
        )
        notebook.page.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-all-cells'); }")
        notebook.page.wait_for_selector(".cleann-explorer[data-state=idle]", timeout=1000 * seconds)
        return notebook

    yield open_one
    for notebook in opened:
        desk.close(notebook)
