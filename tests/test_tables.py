"""Correlation matrices and data tables from files."""

import numpy as np
import pytest

from cleann_lite.datasets.tables import read_correlation

DATA = np.random.default_rng(0).normal(size=(30, 3))


def write(folder, text, name="x.csv"):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_a_data_table_gives_its_correlation_and_rows(tmp_path):
    lines = ["a,b,c", *(",".join(map(repr, row)) for row in DATA.tolist())]
    correlation, n, labels = read_correlation(write(tmp_path, "\n".join(lines)))
    np.testing.assert_allclose(correlation, np.corrcoef(DATA.T))
    assert (n, labels) == (30, ["a", "b", "c"])


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_a_correlation_matrix_is_recognised_with_header_and_names(tmp_path, separator):
    matrix = np.corrcoef(DATA.T)
    rows = [["", "a", "b", "c"], *([n, *map(repr, r)] for n, r in zip("abc", matrix.tolist(), strict=True))]
    path = write(tmp_path, "\n".join(separator.join(r) for r in rows))
    correlation, n, labels = read_correlation(path, 77)
    np.testing.assert_array_equal(correlation, matrix)
    assert (n, labels) == (77, ["a", "b", "c"])


def test_an_index_column_is_left_out(tmp_path):
    lines = [",a,b", *(f"{i},{x},{y}" for i, (x, y, _) in enumerate(DATA.tolist()))]
    _, _, labels = read_correlation(write(tmp_path, "\n".join(lines)))
    assert labels == ["a", "b"]


@pytest.mark.parametrize("corner", ["", "word,", ","])
@pytest.mark.parametrize("names", [["0", "1", "2"], ["the", "3", "films"], ["3", "the", "films"]])
def test_names_may_be_numbers(tmp_path, corner, names):
    matrix = np.corrcoef(DATA.T).tolist()
    side = [f"{name}," if corner else "" for name in names]
    rows = (name + ",".join(map(repr, row)) for name, row in zip(side, matrix, strict=True))
    lines = [corner + ",".join(names), *rows]
    correlation, n, labels = read_correlation(write(tmp_path, "\n".join(lines)), 77)
    np.testing.assert_array_equal(correlation, matrix)
    assert (n, labels) == (77, names)


def test_names_may_stand_down_the_side_only(tmp_path):
    matrix = np.corrcoef(DATA.T).tolist()
    lines = [f"{name}," + ",".join(map(repr, row)) for name, row in zip("pqr", matrix, strict=True)]
    correlation, _, labels = read_correlation(write(tmp_path, "\n".join(lines)), 77)
    np.testing.assert_array_equal(correlation, matrix)
    assert labels == ["p", "q", "r"]


@pytest.mark.parametrize("header", ["a,b,c\n", ""])
@pytest.mark.parametrize("first", [",1,2", "NA,1,2", "1,,2", "1,NA,2", "?,?,?"])
def test_a_missing_value_is_refused_wherever_it_stands(tmp_path, header, first):
    rows = [",".join(map(repr, row)) for row in DATA.tolist()]
    with pytest.raises(ValueError, match=r"^row 1 of x\.csv holds '.{0,2}', which is not a number$"):
        read_correlation(write(tmp_path, header + "\n".join([first, *rows])))


def test_npy_round_trip(tmp_path):
    np.save(tmp_path / "c.npy", np.corrcoef(DATA.T))
    correlation, n, labels = read_correlation(tmp_path / "c.npy", 50)
    assert (n, labels, correlation.shape) == (50, ["x0", "x1", "x2"], (3, 3))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "empty"),
        ("1,2\n3", "differ in length"),
        ("a,b\n1,2\n3,x\n", "'x', which is not a number"),
        ("a,b\n1,2\nnan,4\n", "NaN"),
        ("a,b\n1,2\n1,4\n", "'a' of x.csv is constant"),
        ("1,0.5\n0.5,1", "--n-samples"),
        ("a\n1\n2\n", "two or more rows and columns"),
        ("a b c\n1 2 3\n4 5 7\n", "'a b c', which is not a number"),
        ('a,b\n"1,2\n' + "3,4\n" * 40_000, "no table: field larger"),
    ],
)
def test_bad_files_get_one_clear_sentence(tmp_path, text, sentence):
    with pytest.raises(ValueError, match=sentence):
        read_correlation(write(tmp_path, text))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("1,0.5\n0.4,1", "must be symmetric .* row 1, column 2 holds 0.5 and row 2, column 1 0.4"),
        ("4,0.5\n0.5,1", "diagonal of ones .* got 4"),
    ],
)
def test_a_square_table_with_a_sample_size_must_be_a_correlation(tmp_path, text, sentence):
    with pytest.raises(ValueError, match=sentence):
        read_correlation(write(tmp_path, text), 500)


def test_a_covariance_is_not_taken_for_data(tmp_path):
    with pytest.raises(ValueError, match="diagonal of ones"):
        read_correlation(write(tmp_path, "4,0.5,0\n0.5,1,0\n0,0,1"))


def test_the_sample_size_of_a_table_can_be_said(tmp_path):
    lines = [",".join(f"{v:.4f}" for v in row) for row in DATA]
    assert read_correlation(write(tmp_path, "\n".join(lines)), 77)[1] == 77
    assert read_correlation(write(tmp_path, "\n".join(lines)), 0)[1] == 0  # which the test then refuses


def test_missing_unknown_and_pickled_files_are_refused(tmp_path):
    with pytest.raises(ValueError, match="no file"):
        read_correlation(tmp_path / "none.csv")
    with pytest.raises(ValueError, match=r"\.csv or \.npy"):
        read_correlation(write(tmp_path, "1", "x.xlsx"))
    np.save(tmp_path / "o.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match="no array of numbers"):
        read_correlation(tmp_path / "o.npy")
    np.save(tmp_path / "c.npy", DATA + 1j)
    with pytest.raises(ValueError, match="no array of numbers"):
        read_correlation(tmp_path / "c.npy")
    (tmp_path / "p.npy").write_bytes(bytes(range(1, 200)))
    with pytest.raises(ValueError, match=r"^p.npy is no array of numbers as numpy.save writes it$"):
        read_correlation(tmp_path / "p.npy")
    (tmp_path / "b.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match="UTF-8"):
        read_correlation(tmp_path / "b.csv")
