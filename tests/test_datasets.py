import gzip
import io
import shutil
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from cleann_lite.datasets import shipped as datasets
from cleann_lite.datasets import sources

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared"
needs_shared = pytest.mark.skipif(not SHARED.exists(), reason="needs ../shared")

RATINGS = "1::30::5::200\n1::10::3::100\n2::10::4::50\n1::20::4::200\n"
MOVIES = "10::Matrix, The (1999)::Action\n20::Misérables, Les (1995)::Drama\n30::Alien (1979)::Horror\n"


# --- shipped files ------------------------------------------------------------------------------------


@pytest.fixture
def shipped(tmp_path, monkeypatch):
    """A data folder of two files, registered."""
    folder = tmp_path / "data"
    (folder / "models" / "tiny").mkdir(parents=True)
    (folder / "reviews.csv").write_text("id,kind,label,text\n1,plain,positive,Good\n")
    (folder / "models" / "tiny" / "config.json").write_text("{}")
    names = ("models/tiny/config.json", "reviews.csv")
    lines = [f"{sources.sha256(folder / name)}  {name}\n" for name in names]
    (folder / "registry.txt").write_text("".join(lines))
    monkeypatch.setattr(datasets, "_root", lambda: folder)
    return folder


def test_the_registry_is_up_to_date():
    tools = ROOT / "tools"
    sys.path.insert(0, str(tools))
    try:
        from make_registry import registry_text
    finally:
        sys.path.remove(str(tools))
    written = (ROOT / "data" / "registry.txt").read_text(encoding="utf-8")
    assert written == registry_text(), "run: python tools/make_registry.py"


def test_sha256_is_the_known_one(tmp_path):
    (tmp_path / "empty").write_bytes(b"")
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert sources.sha256(tmp_path / "empty") == empty


def test_intact_files_pass(shipped):
    for path in (shipped, shipped / "reviews.csv", shipped / "models" / "tiny"):
        assert datasets.verify(path) == path
    assert datasets.is_shipped(shipped / "models") and not datasets.is_shipped(shipped.parent)
    assert datasets.load_reviews() == [{"id": "1", "kind": "plain", "label": "positive", "text": "Good"}]


@pytest.mark.parametrize("content", ["", "id,kind,label,text\n1,plain,positive,Bad\n"])
def test_a_truncated_or_altered_file_is_refused(shipped, content):
    (shipped / "reviews.csv").write_text(content)
    with pytest.raises(ValueError, match=r"reviews\.csv is truncated or altered"):
        datasets.load_reviews()
    datasets.verify(shipped / "models" / "tiny")


def test_a_missing_file_is_named(shipped):
    (shipped / "models" / "tiny" / "config.json").unlink()
    with pytest.raises(ValueError, match=r"config\.json is missing: install the package again"):
        datasets.verify(shipped / "models" / "tiny")


def test_only_registered_files_can_be_verified(shipped):
    (shipped / "models" / "tin").mkdir()
    with pytest.raises(ValueError, match="not in the registry"):
        datasets.verify(shipped / "models" / "tin")
    with pytest.raises(ValueError, match="not a shipped file"):
        datasets.verify(shipped.parent)


@pytest.mark.parametrize("text", ["abc", f"{'0' * 64} one-space\n"])
def test_a_broken_registry_is_told(shipped, text):
    (shipped / "registry.txt").write_text(text)
    with pytest.raises(ValueError, match="must hold lines"):
        datasets.verify(shipped)


def test_histories_are_lists_of_titles():
    histories = datasets.load_histories()
    assert len(histories) >= 10
    for history in histories:
        assert history["name"] and len(history["titles"]) == len(set(history["titles"])) >= 5


# --- public datasets ----------------------------------------------------------------------------------


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("CLEANN_LITE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_every_source_is_the_publishers_own_with_a_sha256_and_terms():
    for source in sources.SOURCES.values():
        assert source.url.startswith("https://")
        assert len(source.sha256) == 64 and set(source.sha256) <= set("0123456789abcdef")
        assert "Cite:" in source.terms


def test_the_terms_are_shown_and_must_be_accepted(cache):
    with pytest.raises(ValueError, match="no redistribution without separate permission") as error:
        datasets.load_movielens_1m()
    assert "accept_licence=True" in str(error.value) and "6 MB" in str(error.value)
    assert not cache.exists()


def test_an_unknown_dataset_is_told(cache):
    with pytest.raises(ValueError, match="the datasets are imdb, sst2"):
        sources.fetch("mnist")


def test_offline_is_one_clear_sentence(cache, monkeypatch, capsys):
    import pooch
    import requests

    def offline(*_, **__):
        raise requests.ConnectionError("no route")

    monkeypatch.setattr(pooch, "retrieve", offline)
    with pytest.raises(ConnectionError, match=r"could not be fetched.*from_file=") as error:
        datasets.load_imdb(accept_licence=True)
    assert "\n" not in str(error.value)
    assert "Cite: Maas" in capsys.readouterr().err


class _Publisher:
    """Stands for a publisher: hands out fixed bytes through pooch's own downloader interface."""

    def __init__(self, content):
        self.content, self.calls = content, 0

    def __call__(self, url, output_file, _):
        self.calls += 1
        Path(output_file).write_bytes(self.content)


@pytest.fixture
def publisher(monkeypatch):
    import pooch

    served = _Publisher(_zip({"ml-1m/ratings.dat": RATINGS, "ml-1m/movies.dat": MOVIES}))
    monkeypatch.setattr(pooch.core, "choose_downloader", lambda *_, **__: served)
    return served


def test_a_download_is_checked_and_kept(cache, publisher, monkeypatch, tmp_path):
    (tmp_path / "same").write_bytes(publisher.content)
    source = sources.SOURCES["movielens-1m"]
    right = sources.Source(source.title, source.url, sources.sha256(tmp_path / "same"), 1, source.terms)
    monkeypatch.setitem(sources.SOURCES, "movielens-1m", right)
    first = datasets.load_movielens_1m(accept_licence=True)
    assert first.sequences[2] == (10,)
    assert datasets.load_movielens_1m() == first and publisher.calls == 1
    (cache / "ml-1m.zip").write_bytes(b"altered")
    datasets.load_movielens_1m(accept_licence=True)
    assert publisher.calls == 2


def test_another_file_than_expected_is_refused(cache, publisher):
    with pytest.raises(ValueError, match="is not the MovieLens 1M that was expected"):
        datasets.load_movielens_1m(accept_licence=True)
    assert not (cache / "ml-1m.zip").exists()


def _zip(files):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text.encode("latin-1" if name.endswith(".dat") else "utf-8"))
    return stream.getvalue()


def _tar(files):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
    return stream.getvalue()


def _write(folder, files):
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(
            gzip.compress(content.encode()) if name.endswith(".gz") else content.encode("latin-1")
        )
    return folder


def test_movielens_1m_from_a_zip_or_a_folder(tmp_path):
    (tmp_path / "ml-1m.zip").write_bytes(_zip({"ml-1m/ratings.dat": RATINGS, "ml-1m/movies.dat": MOVIES}))
    folder = _write(tmp_path / "ml-1m", {"ratings.dat": RATINGS, "movies.dat": MOVIES})
    found = datasets.load_movielens_1m(tmp_path / "ml-1m.zip")
    # in order of time; films rated in the same second stay in the order of the file
    assert found.sequences == {1: (10, 30, 20), 2: (10,)}
    assert found.titles[20] == "Misérables, Les (1995)"
    assert datasets.load_movielens_1m(folder) == found


def test_movielens_1m_from_ready_sequences(tmp_path):
    files = {"movies.dat": MOVIES, "ml-1m.sequences.txt.gz": "1 10 30 20\n2 10\n"}
    assert datasets.load_movielens_1m(_write(tmp_path, files)).sequences == {1: (10, 30, 20), 2: (10,)}


@pytest.mark.parametrize("ratings", ["ratings.csv", "ratings.csv.gz"])
def test_movielens_latest_small_quotes_and_order(tmp_path, ratings):
    files = {
        "movies.csv": 'movieId,title,genres\n1,"Matrix, The (1999)",Action\n2,Alien (1979),Horror\n',
        ratings: "userId,movieId,rating,timestamp\n5,2,4.0,20\n5,1,3.5,10\n",
    }
    found = datasets.load_movielens_latest_small(_write(tmp_path, files))
    assert found.sequences == {5: (1, 2)} and found.titles[1] == "Matrix, The (1999)"


REVIEWS = {
    "aclImdb/train/pos/1_9.txt": "Lovely.",
    "aclImdb/train/pos/0_10.txt": "Grand.",
    "aclImdb/train/neg/0_2.txt": "Dull.",
    "aclImdb/train/unsup/0_0.txt": "Unread.",
    "aclImdb/test/neg/3_1.txt": "Bad.",
    "aclImdb/train/urls_pos.txt": "not a review",
    "../../escaped.txt": "never written",
}


def test_imdb_reads_the_archive_in_place(tmp_path):
    path = tmp_path / "inner" / "aclImdb_v1.tar.gz"
    path.parent.mkdir()
    path.write_bytes(_tar(REVIEWS))
    train = datasets.load_imdb("train", path)
    assert train == datasets.LabelledTexts(("Dull.", "Grand.", "Lovely."), (0, 1, 1))
    assert datasets.load_imdb("test", path).texts == ("Bad.",)
    assert datasets.load_imdb("unsup", path) == datasets.LabelledTexts(("Unread.",), (-1,))
    assert [p.name for p in tmp_path.rglob("*") if p.is_file()] == ["aclImdb_v1.tar.gz"]


def test_imdb_from_a_folder_equals_the_archive(tmp_path):
    inside = {name: text for name, text in REVIEWS.items() if not name.startswith("..")}
    folder = _write(tmp_path / "here", inside) / "aclImdb"
    assert datasets.load_imdb("train", folder).texts == ("Dull.", "Grand.", "Lovely.")
    table = 'split,id,label,rating,title_id,text\ntrain,1,pos,9,t,"Fine, really."\ntrain,0,neg,1,t,No.\n'
    other = _write(tmp_path / "tables", {"imdb_train.csv.gz": table})
    assert datasets.load_imdb("train", other).texts == ("No.", "Fine, really.")


def test_sst2_from_both_layouts(tmp_path):
    files = {
        "SST-2/train.tsv": 'sentence\tlabel\na "quoted start \t1\nflat \t0\n',
        "SST-2/dev.tsv": "sentence\tlabel\nfine .\t1\n",
    }
    (tmp_path / "SST-2.zip").write_bytes(_zip(files))
    train = datasets.load_sst2("train", tmp_path / "SST-2.zip")
    assert train == datasets.LabelledTexts(('a "quoted start', "flat"), (1, 0))
    assert datasets.load_sst2("dev", tmp_path / "SST-2.zip").texts == ("fine .",)
    parts = {f"sst2_{part}.tsv.gz": f"sentence\tlabel\n{part}\t1\n" for part in ("train", "dev", "test")}
    folder = _write(tmp_path / "sentences", parts)
    assert sorted(datasets.load_sst2("train", folder).texts) == ["dev", "train"]
    assert datasets.load_sst2("dev", folder).texts == ("test",)


@pytest.mark.parametrize("content", [b"not an archive", b"", _tar(REVIEWS)[:150], _zip(REVIEWS)[:-30]])
def test_a_broken_archive_is_one_clear_sentence(tmp_path, content):
    (tmp_path / "data.bin").write_bytes(content)
    with pytest.raises(ValueError, match=r"cannot be read|holds no"):
        datasets.load_imdb("train", tmp_path / "data.bin")


def test_wrong_places_and_splits_are_told(tmp_path):
    with pytest.raises(ValueError, match="must be an archive or a folder"):
        datasets.load_imdb(from_file=tmp_path / "absent.zip")
    with pytest.raises(ValueError, match="split must be one of train, test, unsup: got 'dev'"):
        datasets.load_imdb("dev", tmp_path)
    with pytest.raises(ValueError, match="split must be one of train, dev: got 'test'"):
        datasets.load_sst2("test", tmp_path)
    for load in (datasets.load_imdb, datasets.load_sst2, datasets.load_movielens_1m):
        with pytest.raises(ValueError, match="holds no"):
            load(from_file=tmp_path)
    with pytest.raises(ValueError, match=r"holds no ratings\.csv"):
        datasets.load_movielens_latest_small(tmp_path)


@needs_shared
def test_the_real_movielens_has_the_published_counts():
    large = datasets.load_movielens_1m(SHARED / "data" / "ml-1m")
    assert len(large.sequences) == 6040 and len(large.titles) == 3883
    assert sum(map(len, large.sequences.values())) == 1_000_209
    small = datasets.load_movielens_latest_small(SHARED / "data" / "ml-latest-small")
    assert sum(map(len, small.sequences.values())) == 100_004


@needs_shared
def test_the_real_sst2_has_the_published_counts():
    assert len(datasets.load_sst2("train", SHARED / "data" / "sentences").texts) == 67_349
    assert len(datasets.load_sst2("dev", SHARED / "data" / "sentences").texts) == 872


def test_copies_elsewhere_are_not_shipped(tmp_path):
    copy = tmp_path / "histories.json"
    shutil.copy(datasets.data_path("histories.json"), copy)
    assert datasets.is_shipped(datasets.data_path("histories.json")) and not datasets.is_shipped(copy)
