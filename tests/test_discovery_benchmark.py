"""The benchmark of causal discovery: exact with the truth, the same however it was run."""

import networkx as nx
import numpy as np
import pytest

from cleann_lite.__main__ import main
from cleann_lite.causal.discovery import learn_pag
from cleann_lite.causal.independence import DSeparation
from cleann_lite.evaluation.journal import FORMAT, Journal
from cleann_lite.evaluation.learners import Benchmark, benchmark, learners, random_problem


def oracle(problem):
    """A learner that knows everything."""
    test = DSeparation(problem.dag, problem.observed)
    return learn_pag(test, "icd", selection_bias=False), test.tests_by_size()


def empty(problem):
    return np.zeros((len(problem.observed),) * 2, dtype=int)


def wrong_shape(problem):
    return np.zeros((2, 2), dtype=int)


def test_problems_are_what_they_say():
    for seed in range(20):
        problem = random_problem(seed, 12, latent_share=1.0)
        hidden = set(problem.dag) - set(problem.observed)
        assert nx.is_directed_acyclic_graph(problem.dag)
        assert all(i < j for i, j in problem.dag.edges)
        assert hidden == {
            v for v in problem.dag if not problem.dag.in_degree(v) and problem.dag.out_degree(v) > 1
        }
        assert problem.data.shape == (1000, len(problem.observed))
    degrees = [2 * random_problem(s, 15).dag.number_of_edges() / 15 for s in range(100)]
    assert np.mean(degrees) == pytest.approx(2, abs=0.2)
    with pytest.raises(ValueError, match="3 or more nodes"):
        random_problem(0, 2)


def test_the_truth_scores_one_and_nothing_scores_zero():
    run = benchmark(6, n_nodes=8, methods=(oracle, empty, "icd", "fci", "ordered-icd"))
    best, worst = run.summary()[:2]
    assert best["f1"].estimate == best["marks"].estimate == best["exact"].estimate == 1
    assert worst["f1"].estimate < 0.2
    assert worst["marks"].n == 0
    assert run.tests_by_size("icd")[0] >= 10
    assert all(0.3 < row["f1"].estimate <= 1 for row in run.summary()[2:])
    assert any("ICD minus FCI, number of tests" in s for s in run.verdicts())


def test_large_samples_find_the_truth():
    run = benchmark(8, n_nodes=7, n_samples=200_000, alpha=1e-4, methods=("fci", "icd"))
    assert all(row["f1"].estimate > 0.95 for row in run.summary())


def test_an_error_is_told_and_the_others_go_on():
    run = benchmark(3, n_nodes=6, methods=("icd", wrong_shape))
    assert [row["errors"] for row in run.summary()] == [0, 3]
    assert "marks must have shape" in run.records[0]["rows"]["wrong-shape"]["error"]
    for wrong in (
        {"methods": ["magic"]}, {"methods": []}, {"methods": ["icd", "icd"]}, {"n": 0}, {"colour": 3},
        {"degree": 99.0}, {"alpha": 2.0}, {"n_samples": 3}, {"seed": -1},
    ):  # fmt: skip
        with pytest.raises(ValueError):
            benchmark(**{"n": 2} | wrong)


def test_a_share_of_few_graphs_is_not_certain():
    exact = benchmark(3, n_nodes=6, methods=("icd",)).summary()[0]["exact"]
    assert (exact.n, exact.high - exact.low > 0.3) == (3, True)


def test_what_is_no_benchmark_is_told(tmp_path, capsys):
    with pytest.raises(ValueError, match="is missing"):
        Benchmark.read(tmp_path / "nowhere")
    with Journal(tmp_path / "results.jsonl", {"format": FORMAT, "task": "sentiment", "max_size": 5}):
        pass
    with pytest.raises(ValueError, match="no results of causal discovery"):
        Benchmark.read(tmp_path)
    with pytest.raises(ValueError, match="begun with task = 'sentiment'"):
        benchmark(2, out=tmp_path)
    assert main(["evaluate", "discovery", "--head", "3"]) == 2
    assert "unknown setting --head of evaluate discovery" in capsys.readouterr().err


def without_seconds(run):
    return [
        {m: {k: v for k, v in row.items() if k != "seconds"} for m, row in r["rows"].items()}
        for r in run.records
    ]


def test_the_report_and_the_journal(tmp_path):
    first = benchmark(4, n_nodes=6, out=tmp_path)
    assert (tmp_path / "report.html").read_text(encoding="utf-8").count("<svg") == 1
    assert without_seconds(Benchmark.read(tmp_path)) == without_seconds(first)
    rest = (tmp_path / "results.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "results.jsonl").write_text("".join(rest[:3]))
    assert without_seconds(benchmark(4, n_nodes=6, out=tmp_path)) == without_seconds(first)


def test_causal_learn_is_a_row_where_it_is_installed():
    pytest.importorskip("causallearn")
    assert "causal-learn-fci" in learners()
    run = benchmark(4, n_nodes=6, n_samples=50_000, methods=("fci", "causal-learn-fci"))
    ours, theirs = run.summary()
    assert theirs["errors"] == 0
    assert theirs["f1"].estimate == pytest.approx(ours["f1"].estimate, abs=0.1)
