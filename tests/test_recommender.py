from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from cleann_lite.datasets import shipped as datasets  # noqa: E402
from cleann_lite.models.bert4rec import BERT4Rec  # noqa: E402
from training import recommender as rec  # noqa: E402
from training.next_film import CausalNetwork, next_film_loss  # noqa: E402

POCKET = datasets.data_path("models", "pocket-bert4rec")
SHARED = Path(__file__).resolve().parent.parent.parent / "shared" / "data" / "ml-1m"


@pytest.fixture(scope="module")
def split():
    return rec._made_up()


@pytest.fixture(scope="module")
def model(split):
    torch.manual_seed(1)
    network = BERT4Rec.new_network(len(split.films), hidden_size=16, length=8)
    with torch.no_grad():
        for weight in network.parameters():
            weight.add_(0.2 * torch.randn_like(weight))
    return BERT4Rec(network, split.films)


def test_rare_films_and_short_histories_are_left_out():
    sequences = {1: (7, 8, 9), 2: (7, 8, 9, 5), 3: (8, 9), 4: (9, 5, 5)}
    titles = {film: f"Film {film}" for film in (5, 7, 8, 9)}
    split = rec.leave_one_out(datasets.Interactions(sequences, titles), least=3)
    assert split.films.ids == (5, 8, 9)
    assert [films.tolist() for films in split.sequences] == [[3, 4, 2], [4, 2, 2]]
    assert [films.tolist() for films in split.training()] == [[3], [4]]


def test_batches_are_masked_windows_of_training_films_alone():
    length = 20
    users = [np.arange(2 + 100 * u, 2 + 100 * u + n) for u, n in enumerate((3, 15, 60, 90))]
    batches = rec.Batches(users, rec.Recipe(batch=2, length=length, late=0.25), seed=3)
    ends, rates = set(), []
    for step in range(2000):
        for films, hidden in zip(*batches(step), strict=True):
            assert hidden.any() and len(hidden) == len(films) <= length
            user = users[(films[0] - 2) // 100]
            at = np.searchsorted(user, films[0])
            assert (user[at : at + len(films)] == films).all()
            ends.add(int(films[-1]))
            if len(films) == length and hidden.sum() > 1:
                rates.append(hidden.mean())
    assert {4, 116, 261, 391} <= ends and len(ends) > 60
    assert 0.25 < np.mean(rates) < 0.4


def test_each_epoch_reads_every_user_once():
    users = [np.arange(2 + 10 * u, 7 + 10 * u) for u in range(11)]
    batches = rec.Batches(users, rec.Recipe(batch=3), seed=0)
    assert batches.per_epoch == 4
    for epoch in (0, 1):
        seen = []
        for step in range(4):
            seen += [int(films[0] - 2) // 10 for films in batches(4 * epoch + step)[0]]
        assert sorted(seen) == list(range(11))


def test_a_batch_depends_on_seed_and_step_alone():
    users = [np.arange(2, 40), np.arange(50, 90)]
    first, second = (rec.Batches(users, rec.Recipe(), seed=1) for _ in range(2))
    second(0)
    alike = [np.array_equal(a, b) for a, b in zip(first(5)[0], second(5)[0], strict=True)]
    assert alike == [True, True]
    other = rec.Batches(users, rec.Recipe(), seed=2)(5)[0]
    assert not all(np.array_equal(a, b) for a, b in zip(other, first(5)[0], strict=True))


def test_late_in_training_the_last_film_alone_is_masked_more_often():
    users = [np.arange(2, 60) for _ in range(64)]
    recipe = rec.Recipe(batch=64, epochs=400, last_alone=0.0, late_alone=1.0, late=0.5, short=0.0)
    batches = rec.Batches(users, recipe, seed=0)
    alone = [np.mean([mask.sum() == 1 and mask[-1] for mask in batches(step)[1]]) for step in (0, 399)]
    assert alone[0] < 0.5 and alone[1] == 1


def test_a_network_that_looks_back_only_reads_each_history_by_itself(split):
    torch.manual_seed(0)
    network = CausalNetwork.new(len(split.films), rec.Recipe(hidden_size=16, length=8))
    teacher = CausalNetwork(network)
    films = split.sequences[3]
    alone, beside = teacher.chances([films[:4]]), teacher.chances([films[:4], films[:7]])
    torch.testing.assert_close(alone[0], beside[0])
    with torch.no_grad():  # the loss is the mean over the next films, each from those before it
        told = [-teacher.chances([films[:n]])[0, films[n]].log() for n in range(1, 6)]
        torch.testing.assert_close(next_film_loss(network, [films[:6]]), torch.stack(told).mean())


def test_teachers_count_where_the_last_film_alone_is_masked(split):
    torch.manual_seed(0)
    network = BERT4Rec.new_network(len(split.films), hidden_size=16, length=8).eval()
    teacher = CausalNetwork(CausalNetwork.new(len(split.films), rec.Recipe(hidden_size=16, length=8)))
    films = [split.sequences[0][:5], split.sequences[1][:5]]
    last, middle = np.arange(5) == 4, np.arange(5) == 2
    with torch.no_grad():
        plain, mixed = (rec.cloze_loss(network, films, [last, middle], [teacher], w) for w in (0.0, 0.6))
        apart = [rec.cloze_loss(network, [f], [m]) for f, m in zip(films, (last, middle), strict=True)]
        logits = network.cls(
            rec.read_rows(network, torch.tensor([[*films[0][:-1], 1]])).last_hidden_state[0, -1]
        )
        soft = -(teacher.chances([films[0][:-1]])[0] * logits.log_softmax(-1)).sum()
    torch.testing.assert_close(plain, (apart[0] + apart[1]) / 2)
    torch.testing.assert_close(mixed, (0.4 * apart[0] + 0.6 * soft + apart[1]) / 2)


def test_the_first_embedding_factorises_mutual_information():
    rng = np.random.default_rng(0)
    users = [rng.integers(2, 9, 12) for _ in range(30)]
    vocabulary, window = 10, 3
    counts = np.zeros((vocabulary, vocabulary))
    for films in users:
        for i, film in enumerate(films):
            for other in films[i + 1 : i + 1 + window]:
                counts[film, other] += 1
                counts[other, film] += 1
    found = rec.cooccurrence_embedding(users, vocabulary, vocabulary, window).double().numpy()
    share = counts.sum(0) / counts.sum()
    information = np.zeros_like(counts)
    for i, j in zip(*np.nonzero(counts), strict=True):
        information[i, j] = max(0, np.log(counts[i, j] / counts.sum() / share[i] / share[j]))
    left, values, _ = np.linalg.svd(information)
    expected = left * np.sqrt(values)
    known = slice(2, 9)
    ratio = np.linalg.norm(found[known]) / np.linalg.norm(expected[known])
    np.testing.assert_allclose(
        found[known] @ found[known].T, ratio**2 * (expected @ expected.T)[known, known], atol=1e-7
    )
    assert (found[[0, 1, 9]] != 0).all(), "films without company start at random, apart from each other"


@pytest.mark.parametrize("held_out", [-1, -2])
def test_ranks_count_unseen_films_with_a_higher_score(model, split, held_out):
    found = rec.ranks(model, split.sequences, held_out)
    for user in (0, 7, 39):
        films = split.sequences[user]
        history = [split.films.titles[t - 2] for t in films[:held_out]]
        names = [name for name, _ in model.recommend(history, k=100)]
        assert names[found[user]] == split.films.titles[films[held_out] - 2]


def test_sampled_ranks_never_compare_with_seen_films(model, split):
    everything = rec.sampled_ranks(model, split.sequences, negatives=1000)
    for user in (0, 13):  # all films drawn: the rank among all films that the user never saw
        films = split.sequences[user]
        scores = model.logits([[*films[:-1][-model.length :], 1]])[0].numpy()
        unseen = np.setdiff1d(np.arange(len(scores)), films - 2)
        assert everything[user] == (scores[unseen] > scores[films[-1] - 2]).sum()
    few = rec.sampled_ranks(model, split.sequences, negatives=5)
    assert few.max() <= 5 and (few <= everything).all()


def test_recall_and_ndcg_by_hand():
    recall, ndcg = rec.recall_and_ndcg(np.array([0, 2, 9, 10, 500]))
    assert recall == pytest.approx(3 / 5)
    assert ndcg == pytest.approx((1 + 0.5 + 1 / np.log2(11)) / 5)


def test_popularity_ranks_by_hand():
    users = (np.array([2, 3, 4, 5]), np.array([2, 3, 5, 4]), np.array([3, 5, 4, 2]))
    # training films: 2 twice, 3 three times, 5 once; of what the third user did not see, film 2 comes first
    assert rec.popularity_ranks(users, 4).tolist() == [0, 0, 0]
    assert rec.popularity_ranks((*users, np.array([3, 5, 2, 4])), 4)[3] == 0


def arguments(folder, **changes):
    settings = {"name": "pocket-bert4rec", "smoke": True, "data": None, "device": "cpu", "seed": 0}
    settings |= {"epochs": 12, "settings": None, "teachers": [], "restart": False, "model": None}
    settings |= {"runs": folder / "runs", "out": folder / "out"}
    return Namespace(**{**settings, **changes})


def test_a_smoke_run_trains_and_its_figures_are_printed(tmp_path, capsys):
    rec.run(arguments(tmp_path))
    assert "best validation NDCG@10" in capsys.readouterr().out
    rec.evaluate(arguments(tmp_path, model=tmp_path / "out"))
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == "40 users, 30 films" and len(printed) == 5
    assert printed[1].startswith("test, all unseen films: Recall@10 ")


def test_a_killed_run_resumes_to_the_same_model(tmp_path, monkeypatch):
    rec.run(arguments(tmp_path / "whole"))
    calls, loss = [], rec.cloze_loss

    def killed(*arguments):
        calls.append(1)
        if len(calls) == 8:
            raise KeyboardInterrupt
        return loss(*arguments)

    monkeypatch.setattr(rec, "cloze_loss", killed)
    with pytest.raises(KeyboardInterrupt):
        rec.run(arguments(tmp_path / "parts"))
    rec.run(arguments(tmp_path / "parts"))
    assert len(calls) == 8 + 12 - 6, "it goes on from its last checkpoint, after 6 of 12 steps"
    whole, parts = (
        (tmp_path / name / "out" / "model.safetensors").read_bytes() for name in ("whole", "parts")
    )
    assert whole == parts


def test_other_films_than_the_models_are_told(tmp_path, split):
    other = rec._made_up(films=20)
    BERT4Rec(BERT4Rec.new_network(20, hidden_size=8), other.films).save(tmp_path)
    with pytest.raises(ValueError, match="knows other films than the data: 20, 30"):
        rec.evaluate(arguments(tmp_path, model=tmp_path))


@pytest.mark.slow
@pytest.mark.skipif(
    not (SHARED.exists() and (POCKET / "README.md").exists()), reason="needs ../shared and the pocket model"
)
def test_the_card_says_what_comes_out():
    model = BERT4Rec.load(POCKET)
    split = rec.leave_one_out(datasets.load_movielens_1m(SHARED))
    card = (POCKET / "README.md").read_text(encoding="utf-8")
    recall, ndcg = rec.recall_and_ndcg(rec.ranks(model, split.sequences, -1))  # of the report, the quickest
    assert f"test, all unseen films: Recall@10 {recall:.4f}, NDCG@10 {ndcg:.4f}" in card
    assert recall >= 0.30 and ndcg >= 0.165
    recall, ndcg = rec.recall_and_ndcg(rec.popularity_ranks(split.sequences, len(model.films)))
    assert f"test, most popular unseen films: Recall@10 {recall:.4f}, NDCG@10 {ndcg:.4f}" in card
