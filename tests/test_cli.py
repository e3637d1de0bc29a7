"""The command line as a person uses it: answers, JSON, and one clear sentence on bad input."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from cleann_lite.__main__ import main

REVIEW = "The plot is thin, but the actors are wonderful and I loved every minute."


def run(capsys, *arguments):
    code = main(list(arguments))
    output = capsys.readouterr()
    return code, output.out, output.err


def refused(capsys, *arguments):
    code, out, err = run(capsys, *arguments)
    assert code == 2
    assert out == ""
    assert "Traceback" not in err
    assert err.startswith("cleann-lite: ")
    assert err.count("\n") == 1
    return err


class TestLearn:
    @pytest.fixture
    def matrix(self, tmp_path):
        np.savetxt(tmp_path / "c.csv", [[1, 0, 0.6], [0, 1, 0.6], [0.6, 0.6, 1]], delimiter=",")
        return str(tmp_path / "c.csv")

    def test_words_and_json_agree(self, capsys, matrix):
        code, out, _ = run(capsys, "learn", matrix, "--n-samples", "500")
        assert code == 0
        assert "x2" in out
        code, out, _ = run(capsys, "learn", matrix, "--n-samples", "500", "--method", "fci", "--json")
        import cleann_lite as cl

        assert cl.PAG.from_json(out).marks.tolist() == [[0, 0, 2], [0, 0, 2], [1, 1, 0]]

    def test_svg(self, capsys, matrix, tmp_path):
        pytest.importorskip("matplotlib")
        code, _, _ = run(capsys, "learn", matrix, "--n-samples", "500", "--svg", str(tmp_path / "x.svg"))
        assert code == 0
        assert "<svg" in (tmp_path / "x.svg").read_text(encoding="utf-8")

    def test_a_graph_without_edges_says_so(self, capsys, tmp_path):
        np.savetxt(tmp_path / "i.csv", np.eye(3), delimiter=",")
        code, out, _ = run(capsys, "learn", str(tmp_path / "i.csv"), "--n-samples", "500")
        assert code == 0 and "\nNo edge is left" in out and "\nisolated: x0, x1, x2" in out

    def test_names_that_repeat_and_tests_that_cannot_be_solved_are_told(self, capsys, tmp_path):
        table = tmp_path / "t.csv"
        table.write_text("a,b,a\n" + "\n".join(f"{i},{i * i % 7},{i}" for i in range(20)), encoding="utf-8")
        code, out, _ = run(capsys, "learn", str(table))
        assert code == 0 and "“a₁” o-o “a₂”" in out
        assert "cannot be solved (singular correlations) and count as dependent" in out

    def test_what_a_search_left_out_is_told(self, capsys, tmp_path):
        np.savetxt(tmp_path / "c.csv", 0.1 * np.eye(4) + 0.9, delimiter=",")
        code, out, _ = run(capsys, "learn", str(tmp_path / "c.csv"), "--n-samples", "4", "--alpha", "0.5")
        assert code == 0
        assert "note: stopped before conditioning sets of 1" in out

    def test_bad_input(self, capsys, matrix, tmp_path):
        assert "--n-samples" in refused(capsys, "learn", matrix)
        assert "alpha" in refused(capsys, "learn", matrix, "--n-samples", "500", "--alpha", "2")
        assert "no file" in refused(capsys, "learn", str(tmp_path / "none.csv"))
        assert "above 3: got 3" in refused(capsys, "learn", matrix, "--n-samples", "3")
        assert "below 1e300" in refused(capsys, "learn", matrix, "--n-samples", "9" * 400)
        (tmp_path / "table.csv").write_text("a,b\n1,2\n2,1\n3,5\n4,1\n5,9\n")
        assert "got 0" in refused(capsys, "learn", str(tmp_path / "table.csv"), "--n-samples", "0")
        assert main(["learn", matrix, "--n-samples", "500", "--svg", str(tmp_path / "no" / "x.svg")]) == 2
        out, err = capsys.readouterr()
        assert "“x0”" in out and "directory" in err  # what was found is printed first
        assert "no column 'z'" in refused(
            capsys, "learn", matrix, "--n-samples", "500", "--method", "ordered-icd", "--order", "z"
        )

    def test_messages_name_columns_not_their_numbers(self, capsys, tmp_path):
        table = tmp_path / "t.csv"
        rows = np.random.default_rng(0).normal(size=(30, 3)).round(3)
        np.savetxt(table, rows, delimiter=",", header="age,dose,pain", comments="")
        ordered = ("--method", "ordered-icd", "--order", "pain,age")
        assert "got pain, age for age, dose, pain" in refused(capsys, "learn", str(table), *ordered)
        assert "none has dose, pain" in refused(capsys, "learn", str(table), "--tiers", "age")
        assert "'age' is named twice" in refused(capsys, "learn", str(table), "--tiers", "age;age,dose,pain")
        assert "--stability takes" in refused(capsys, "learn", str(table), "--stability", "0")


pytest.importorskip("torch")


class TestExplain:
    def test_json_names_words_that_flip_the_model(self, capsys):
        code, out, _ = run(capsys, "explain", REVIEW, "--json")
        assert code == 0
        found = json.loads(out)
        assert {"prediction", "probability", "sets", "model_calls", "seconds", "settings"} <= set(found)
        assert found["sets"]
        import cleann_lite as cl

        model = cl.load_model("pocket-sentiment")
        for one in found["sets"]:
            assert {"words", "positions", "head", "replacement", "probability", "masked"} <= set(one)
            assert all(word in REVIEW for word in one["words"])
            assert [found["units"][p] for p in one["positions"]] == one["words"]
            after = model.predict_proba([one["masked"]])[0]
            assert model.labels[after.argmax()] == one["replacement"] != found["prediction"]
            assert after.max() == pytest.approx(one["probability"], abs=1e-5)

    def test_terminal_text_and_page(self, capsys, tmp_path):
        page = tmp_path / "x.html"
        code, out, _ = run(capsys, "explain", REVIEW, "--head", "0", "--alpha", "0.2", "--html", str(page))
        assert code == 0
        assert re.search(r"\d+ model calls, \d+\.\d\d s", out)
        text = page.read_text(encoding="utf-8")
        assert "<svg" in text
        assert "<script" not in text

    @pytest.mark.parametrize(("given", "used"), [("norms", "norms"), ("0.5", 0.5)])
    def test_the_residual_connection_is_read_on_request(self, capsys, given, used):
        _, out, _ = run(capsys, "explain", REVIEW, "--residual", given, "--json")
        assert json.loads(out)["settings"]["residual"] == used

    def test_markup_in_a_review_is_text_in_the_page(self, capsys, tmp_path):
        page = tmp_path / "x.html"
        review = 'A dull <img src=x onerror=alert(1)> film <script>alert(2)</script> & "boring"'
        code, _, _ = run(capsys, "explain", review, "--html", str(page))
        assert code == 0
        text = page.read_text(encoding="utf-8")
        assert "<img" not in text
        assert "<script" not in text
        assert "&lt;img src=x onerror=alert(1)&gt;" in text.replace("<mark>", "").replace("</mark>", "")

    def test_standard_input(self, capsys, monkeypatch):
        import io

        monkeypatch.setattr(sys, "stdin", io.StringIO(REVIEW))
        assert run(capsys, "explain", "-")[0] == 0

    @pytest.mark.parametrize(
        ("arguments", "sentence"),
        [
            (["   "], "the text is empty"),
            ([REVIEW, "--alpha", "2"], "alpha must lie between 0 and 1: got 2"),
            ([REVIEW, "--alpha", "0"], "alpha must lie between 0 and 1"),
            ([REVIEW, "--model", "tests"], "config.json is missing"),
            ([REVIEW, "--model", "pocket-moon"], "no pocket model"),
            ([REVIEW, "--head", "99"], "heads must be among 0 … 3"),
            ([REVIEW, "--target", "good"], "target must be one of negative, positive"),
            ([REVIEW, "--n-samples", "2"], "sample"),
            ([REVIEW, "--n-samples", "0"], "n_samples must be above 3: got 0"),
            ([REVIEW, "--model", ""], "'' is neither a pocket model"),
            (["dull \udcff film"], r"the text must be valid Unicode (UTF-8): it holds '\udcff'"),
            ([REVIEW, "--max-size", "0"], "max_size must be at least 1"),
            ([REVIEW, "--residual", "1"], "residual must lie in [0, 1)"),
            ([REVIEW, "--residual", "half"], "residual must be a number or one of norms"),
        ],
    )
    def test_bad_input(self, capsys, monkeypatch, arguments, sentence):
        from pathlib import Path

        monkeypatch.chdir(Path(__file__).parent.parent)
        assert sentence in refused(capsys, "explain", *arguments)

    def test_the_answer_is_not_lost_with_its_page(self, capsys):
        code, out, err = run(capsys, "explain", REVIEW, "--html", "no/such/folder/x.html")
        assert code == 2
        assert out.startswith("The model predicts")
        assert err.strip() == "cleann-lite: no/such/folder/x.html: No such file or directory"

    def test_a_prediction_that_nothing_changes_is_an_honest_answer(self, capsys):
        code, out, _ = run(capsys, "explain", "awful awful awful", "--max-size", "1")
        assert code == 0
        assert "No explanation was found" in out or "masked it predicts" in out

    def test_a_very_long_text_is_cut_and_said(self, capsys):
        code, out, _ = run(
            capsys, "explain", "boring plot, " * 3000, "--search", "cleann", "--max-size", "1", "--head", "0"
        )
        assert code == 0
        assert "was cut" in out


class TestRecommend:
    def test_json(self, capsys):
        code, out, _ = run(capsys, "recommend", "--history", "Toy Story (1995); aladdin; lion king", "--json")
        assert code == 0
        found = json.loads(out)
        assert len(found["recommendations"]) == 10
        assert found["prediction"] == found["recommendations"][0]["title"]
        assert found["units"] == ["Toy Story (1995)", "Aladdin (1992)", "The Lion King (1994)"]
        for one in found["sets"]:
            assert set(one["titles"]) <= set(found["units"])

    def test_the_page_is_named(self, capsys, tmp_path):
        _, out, _ = run(capsys, "recommend", "--history", "Alien", "--html", str(tmp_path / "x.html"))
        assert re.search(r"x\.html \(\d+ kB\)$", out.rstrip())

    def test_bad_input(self, capsys):
        assert "history is empty" in refused(capsys, "recommend", "--history", " ; ")
        assert "k must be at least 1" in refused(capsys, "recommend", "--history", "Alien", "-k", "0")
        assert "Zzyzzx" in refused(capsys, "recommend", "--history", "Zzyzzx")
        assert "not a recommender" in refused(
            capsys, "recommend", "--history", "Alien", "--model", "pocket-sentiment"
        )
        assert "is a recommender" in refused(capsys, "explain", REVIEW, "--model", "pocket-bert4rec")


INSIDE = {"readings", "randomised", "rungs"}
RUNS = {"sentiment", "recommend"}
KINDS = ("planted", "discovery", *sorted(INSIDE | RUNS))
TAKEN_BY = {  # flag and value -> the kinds of run that look at it
    ("--row", "icd"): {"discovery", *RUNS},
    ("--method", "icd"): {"discovery", *RUNS},
    ("--n-samples", "50"): {"discovery", *RUNS},
    ("--alpha", "0.05"): {"discovery", *INSIDE, *RUNS},
    ("--seed", "0"): {"discovery", *INSIDE, *RUNS},
    ("--model", "pocket-sentiment"): INSIDE | RUNS,
    ("--data", "examples"): INSIDE | RUNS,
    ("--from-file", "mine.csv"): INSIDE | RUNS,
    ("--accept-licence",): INSIDE | RUNS,
    ("--films", "9"): INSIDE | {"recommend"},
    ("--threshold", "0"): {"sentiment"},
    ("--head", "0"): RUNS,
    ("--words", "all"): RUNS,
    ("--max-size", "2"): RUNS,
    ("--max-calls", "9"): RUNS,
    ("--device", "cpu"): RUNS,
}


class TestEvaluate:
    @pytest.mark.parametrize(
        ("arguments", "sentence"),
        [
            (["rungs", "--films", "9"], "films are those of a history, for a recommender: pocket-sentiment"),
            (["discovery", "--n", "1", "--head", "0"], "unknown setting --head of"),
            (["discovery", "--n", "1", "--model", "pocket-gpt"], "unknown setting --model of"),
            (["discovery", "--n", "1", "--alpha", "7"], "alpha must be between 0 and 1"),
            (["discovery", "--n", "1", "--n-samples", "3"], "n_samples must be above 3"),
        ],
    )
    def test_bad_input(self, capsys, monkeypatch, tmp_path, arguments, sentence):
        monkeypatch.chdir(tmp_path)
        assert sentence in refused(capsys, "evaluate", *arguments)
        assert list(tmp_path.iterdir()) == []

    def test_the_flags_above_are_all_flags(self):
        from cleann_lite.__main__ import _parser

        every = _parser()._subparsers._group_actions[0].choices["evaluate"]._option_string_actions
        always = {"-h", "--help", "--n", "--out", "--workers", "--cluster", "--nodes"}
        assert set(every) - always == {flag[0] for flag in TAKEN_BY}

    @pytest.mark.parametrize("flag", TAKEN_BY, ids=lambda flag: flag[0])
    @pytest.mark.parametrize("kind", KINDS)
    def test_a_setting_is_used_or_refused(self, capsys, monkeypatch, kind, flag):
        seen = {}

        def kept(*_, **settings):
            seen.update(settings)
            raise ValueError("it ran")

        monkeypatch.setattr("cleann_lite.evaluation.inside.look_inside", kept)
        monkeypatch.setattr("cleann_lite.evaluation.learners.benchmark", kept)
        monkeypatch.setattr("cleann_lite.evaluation.experiment.evaluate", kept)
        told = refused(capsys, "evaluate", kind, *flag)
        if kind in TAKEN_BY[flag]:
            renamed = {"--row": "methods", "--method": "methods", "--head": "heads"}
            name = renamed.get(flag[0], flag[0][2:].replace("-", "_"))
            assert told == "cleann-lite: it ran\n" and seen[name] is not None
        else:
            flag = flag[0].replace("--method", "--row")
            assert f"unknown setting {flag} of evaluate {kind}, which takes --n" in told and not seen


def test_an_error_of_the_system_without_a_file_is_told(capsys, monkeypatch):
    def offline(name, **options):
        raise OSError("the line went dead")

    monkeypatch.setattr("cleann_lite.models.loading.load_model", offline)
    assert refused(capsys, "explain", REVIEW) == "cleann-lite: the line went dead\n"


# -- the terminal ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("where", "arguments"),
    [
        ("cleann_lite.models.loading.load_model", ["explain", REVIEW]),
        ("cleann_lite.models.loading.load_model", ["recommend", "--history", "Heat (1995)"]),
        ("cleann_lite.models.loading.load_model", ["demo"]),
        ("cleann_lite.evaluation.experiment.evaluate", ["evaluate", "sentiment"]),
        ("cleann_lite.evaluation.learners.benchmark", ["evaluate", "discovery"]),
        ("cleann_lite.evaluation.inside.look_inside", ["evaluate", "planted"]),
        ("cleann_lite.__main__.learn", ["learn", "c.csv"]),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else None,
)
def test_an_interrupt_is_one_line_and_130(capsys, monkeypatch, where, arguments):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(where, interrupted)
    assert run(capsys, *arguments) == (130, "", "cleann-lite: interrupted\n")


def test_an_interrupted_search_tells_what_it_found_and_ends_with_130(capsys, monkeypatch, tmp_path):
    from cleann_lite.explaining.interventions import Interventions

    usual = Interventions.run

    def interrupted(self, masks, **options):
        usual(self, masks, **options)
        raise KeyboardInterrupt

    monkeypatch.setattr(Interventions, "run", interrupted)
    code, out, err = run(capsys, "explain", REVIEW)
    assert (code, err) == (130, "") and "note: the search was interrupted" in out
    page = tmp_path / "demo.html"
    code, out, err = run(capsys, "demo", "--page", str(page))
    assert (code, err) == (130, "cleann-lite: interrupted\n") and not page.exists()


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_control_c_while_reading_standard_input():
    code = (  # the handler: a test run in the background ignores the signal
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "from cleann_lite.__main__ import main; print('ready', flush=True); sys.exit(main())"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code, "explain", "-"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert child.stdout.readline() == "ready\n"
    time.sleep(0.5)
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=60)
    assert (child.returncode, out, err) == (130, "", "cleann-lite: interrupted\n")


@pytest.mark.skipif(os.name == "nt", reason="a shell of POSIX closes the stream")
def test_closed_standard_input_is_told():
    command = f"{sys.executable} -m cleann_lite explain - <&-"
    told = subprocess.run(["sh", "-c", command], capture_output=True, text=True)
    assert (told.returncode, told.stdout) == (2, "")
    assert told.stderr == "cleann-lite: standard input is closed: give the text itself, or pipe it in\n"


@pytest.mark.skipif(os.name == "nt", reason="a pseudo-terminal of POSIX")
@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["explain", "--help"], ["learn", "c.csv", "--n-samples", "9"], ["learn", "none.csv"]],
    ids=["help", "help of a command", "a graph", "a refusal"],
)
def test_a_terminal_of_forty_columns_without_colour_in_the_c_locale(arguments, tmp_path):
    import fcntl
    import pty
    import struct
    import termios

    (tmp_path / "c.csv").write_text("\U0001f44d,b\n1,0.9\n0.9,1\n", encoding="utf-8")
    theirs, ours = pty.openpty()
    fcntl.ioctl(ours, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 40, 0, 0))
    plain = {"NO_COLOR": "1", "COLUMNS": "40", "LANG": "C", "LC_ALL": "C", "TERM": "xterm-256color"}
    ascii_only = {"PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    command = [sys.executable, "-m", "cleann_lite", *arguments]
    child = subprocess.Popen(
        command, stdin=ours, stdout=ours, stderr=ours, env={**os.environ, **plain, **ascii_only}, cwd=tmp_path
    )
    os.close(ours)
    shown = b""
    while True:
        try:
            part = os.read(theirs, 4096)
        except OSError:  # the child closed its end
            break
        shown += part
        if not part:
            break
    os.close(theirs)
    assert child.wait(timeout=60) == (2 if arguments[-1] == "none.csv" else 0)
    lines = shown.decode("ascii").splitlines()  # nothing that this terminal cannot show
    assert lines and not any("\x1b" in line or "Traceback" in line for line in lines)
    if arguments == ["--help"]:
        assert max(map(len, lines)) <= 40


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_full_disk_behind_the_output_is_told(tmp_path, unbuffered):
    (tmp_path / "table.csv").write_text("a,b\n" + "\n".join(f"{i},{i * i % 7}" for i in range(30)))
    command = [sys.executable, "-m", "cleann_lite", "learn", str(tmp_path / "table.csv")]
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            command, stdout=full, stderr=subprocess.PIPE, text=True, env=environment, check=False
        )
    assert done.returncode == 2
    assert done.stderr.splitlines()[0] == "cleann-lite: standard output: No space left on device"
    assert "Traceback" not in done.stderr


def test_version(capsys):
    import cleann_lite

    with pytest.raises(SystemExit) as done:
        main(["--version"])
    assert done.value.code == 0
    assert capsys.readouterr().out == f"cleann-lite {cleann_lite.__version__}\n"


@pytest.mark.parametrize("flag", [[], ["--json"]])
def test_a_stream_that_is_not_utf_8_is_written_to(flag, tmp_path):
    (tmp_path / "c.csv").write_text("\U0001f44d,dull\n1,0.9\n0.9,1\n", encoding="utf-8")
    told = subprocess.run(
        [sys.executable, "-m", "cleann_lite", "learn", tmp_path / "c.csv", "--n-samples", "9", *flag],
        capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        check=True,
    )
    assert b"dull" in told.stdout
    assert not flag or json.loads(told.stdout)["labels"][0] == "\U0001f44d"


def test_module_and_help_run():
    out = subprocess.check_output([sys.executable, "-m", "cleann_lite", "--help"], text=True)
    assert "explain" in out
    assert subprocess.run([sys.executable, "-m", "cleann_lite"], capture_output=True).returncode == 2


@pytest.mark.parametrize(
    ("module", "arguments", "extra"),
    [
        ("transformers", ["explain", "A dull film."], "models"),
        ("matplotlib", ["learn", "c.csv", "--n-samples", "9", "--svg", "x.png"], "draw"),
        ("joblib", ["evaluate", "discovery", "--n", "1"], "lab"),
    ],
)
def test_a_missing_package_is_named_with_what_installs_it(module, arguments, extra, tmp_path):
    (tmp_path / "c.csv").write_text("1,0.9\n0.9,1\n")
    code = (
        f"import sys; sys.modules[{module!r}] = None; from cleann_lite.__main__ import main; "
        f"sys.exit(main({arguments!r}))"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert told.returncode == 2
    assert module in told.stderr and told.stderr.endswith(f'pip install "cleann-lite[{extra}]"\n')
    assert "Traceback" not in told.stderr
