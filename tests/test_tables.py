"""Tables from files: read as they were written, or refused in one sentence."""

import csv
import gzip
import io
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from cleann_lite.__main__ import main
from cleann_lite.datasets.correlations import correlation_of, nearest_correlation
from cleann_lite.datasets.tables import read_table

CASES = Path(__file__).resolve().parents[2] / "shared" / "cases" / "tables"
DATA = np.random.default_rng(0).normal(size=(30, 3))
BODY = "\n".join(",".join(f"{v:.4f}" for v in row) for row in DATA)


def write(folder, text, name="x.csv", encoding="utf-8"):
    path = folder / name
    path.write_bytes(text.encode(encoding))
    return path


def read(path, n_samples=None, missing=None, **options):
    return correlation_of(read_table(path, **options), n_samples, missing)


@pytest.mark.parametrize("code", ["-9999", "999", "-99.0"])
def test_a_number_that_may_mean_missing_is_told(tmp_path, code):
    lines = BODY.splitlines()
    lines[3] = f"{code},1.5,2.5"
    once = read(write(tmp_path, "\n".join(["a,b,c", *lines])))
    assert "NA" not in once.said  # it may well be a value
    lines[7] = f"{code},0.5,1.5"
    said = f"column 'a' holds {float(code):g} 2 times, read as a number: write NA if it means missing"
    assert said in read(write(tmp_path, "\n".join(["a,b,c", *lines]))).said
    grown = [f"{line},{100 * i}" for i, line in enumerate(lines)]  # 999 is no code among hundreds
    grown[3] = grown[7] = "0.1,0.2,0.3,999"
    assert "'d'" not in read(write(tmp_path, "\n".join(["a,b,c,d", *grown]))).said


def test_a_table_gives_its_correlation_its_rows_and_its_names(tmp_path):
    lines = ["a,b,c", *(",".join(map(repr, row)) for row in DATA.tolist())]
    found = read(write(tmp_path, "\n".join(lines)))
    np.testing.assert_allclose(found.matrix, np.corrcoef(DATA.T), atol=1e-12)
    assert (found.n_samples, found.names) == (30, ("a", "b", "c"))
    assert found.said == "30 rows, 3 variables: a, b, c; header taken as names"
    assert read(write(tmp_path, "\n".join(lines)), 77).n_samples == 77


@pytest.mark.parametrize("scale", [1e-300, 1e-9, 1e9, 1e300])
def test_numbers_of_any_size_have_a_correlation(tmp_path, scale):
    lines = ["a,b,c", *(",".join(map(repr, row)) for row in (DATA * scale).tolist())]
    np.testing.assert_allclose(read(write(tmp_path, "\n".join(lines))).matrix, np.corrcoef(DATA.T), atol=1e-9)


@pytest.mark.parametrize(
    "names",
    [
        "2019,2020,2021",
        "400,410,420",
        "1007,1002,1055",
        "0.5,1.0,10.0",
        "0,1,2",
        "1,2,3",
        "10,5,1",
        "7157,672,1956",
    ],
)
def test_a_line_of_numbers_that_is_no_sample_is_a_header(tmp_path, names):
    found = read_table(write(tmp_path, f"{names}\n{BODY}"))
    assert found.names == tuple(names.split(",")) and len(found.values) == 30
    assert "header taken as names" in str(found)
    assert len(read_table(write(tmp_path, f"{names}\n{BODY}"), header=False).values) == 31


def test_whole_numbers_far_from_whole_numbers_are_a_header(tmp_path):
    counts = np.random.default_rng(1).poisson(20, size=(50, 4))
    body = "\n".join(",".join(map(str, row)) for row in counts)
    assert read_table(write(tmp_path, f"1001,1002,1003,1004\n{body}")).names[0] == "1001"
    plain = read_table(write(tmp_path, body))
    assert plain.names == ("x0", "x1", "x2", "x3") and "no header" in str(plain)
    np.testing.assert_array_equal(plain.values, counts)


def test_a_sample_is_no_header(tmp_path):
    found = read_table(write(tmp_path, BODY))
    np.testing.assert_allclose(found.values, DATA.round(4))
    assert str(found) == "30 rows, 3 variables: x0, x1, x2; no header: the variables are named by their place"
    forced = read_table(write(tmp_path, BODY), header=True)
    assert len(forced.values) == 29 and forced.names == tuple(BODY.split("\n")[0].split(","))


@pytest.mark.parametrize("body", ["-1.36,0.89\n0.89,-0.22\n", "1,3\n3,4\n", "0,0.1\n0.1,1\n"])
def test_samples_that_are_symmetric_by_chance_are_no_matrix_below_its_names(tmp_path, body):
    assert len(read_table(write(tmp_path, "0.17,-0.31\n" + body)).values) == 3


@pytest.mark.parametrize("header", ["a,b,c\n", ""])
@pytest.mark.parametrize("first", [",1,2", "NA,1,2", "1,,2", "1,NA,2", "?,?,?"])
def test_a_missing_value_is_refused_wherever_it_is(tmp_path, header, first):
    path = write(tmp_path, f"{header}{first}\n{BODY}")
    with pytest.raises(ValueError, match=r"^x\.csv has missing values \(.* of 31 rows\): drop the rows"):
        read(path)
    dropped = read(path, missing="drop")
    np.testing.assert_allclose(dropped.matrix, np.corrcoef(DATA.round(4).T), atol=1e-12)
    assert dropped.n_samples == 30 and "30 complete rows of 31" in dropped.said


def test_pairs_of_columns_where_both_are_known(tmp_path):
    pd = pytest.importorskip("pandas")
    holes = DATA.copy()
    holes[:4, 0] = holes[7:9, 1] = np.nan
    frame = pd.DataFrame(holes, columns=list("abc"))
    frame.to_csv(tmp_path / "x.csv", index=False)
    found = read(tmp_path / "x.csv", missing="pairwise")
    np.testing.assert_allclose(found.matrix, frame.corr().to_numpy(), atol=1e-12)
    assert found.n_samples == 24 and "24 to 30 rows a pair" in found.said


def test_a_repair_is_the_nearest_and_is_said(tmp_path):
    rng = np.random.default_rng(3)
    holes = rng.normal(size=(12, 6)) + rng.normal(size=(12, 1))
    holes[rng.random(holes.shape) < 0.45] = np.nan
    lines = ["a,b,c,d,e,f", *(",".join("" if np.isnan(v) else repr(float(v)) for v in row) for row in holes)]
    path = write(tmp_path, "\n".join(lines))
    try:
        found = read(path, missing="pairwise")
    except ValueError as error:
        pytest.skip(str(error))
    assert np.linalg.eigvalsh(found.matrix)[0] > 0
    broken = np.array([[1, 0.9, -0.9], [0.9, 1, 0.9], [-0.9, 0.9, 1]])
    near, moved = nearest_correlation(broken)
    assert np.linalg.eigvalsh(near)[0] > 0 and moved == pytest.approx(0.4, abs=1e-3)
    for _ in range(200):  # no random valid matrix is nearer
        factor = rng.normal(size=(3, 3))
        other = factor @ factor.T / np.sqrt(np.outer(*[(factor**2).sum(1)] * 2))
        assert np.linalg.norm(other - broken) > np.linalg.norm(near - broken) - 1e-4


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("corner", ["", "word", None])
@pytest.mark.parametrize(
    "names", [["a", "b", "c"], ["0", "1", "2"], ["the", "3", "films"], ["2019", "2020", "2021"]]
)
def test_a_correlation_matrix_with_names_above_and_beside(tmp_path, separator, corner, names):
    matrix = np.corrcoef(DATA.T)
    above = names if corner is None else [corner, *names]
    beside = [[] if corner is None else [name] for name in names]
    lines = [above, *([*b, *map(repr, row)] for b, row in zip(beside, matrix.tolist(), strict=True))]
    path = write(tmp_path, "\n".join(separator.join(line) for line in lines))
    found = read(path, 77)
    np.testing.assert_allclose(found.matrix, matrix, atol=1e-12)
    assert (found.n_samples, list(found.names)) == (77, names)
    with pytest.raises(ValueError, match="is a correlation matrix: say the sample size"):
        read(path)


@pytest.mark.parametrize("shape", ["ragged lower", "empty upper", "ragged upper", "empty lower"])
def test_a_triangle_is_the_whole_matrix(tmp_path, shape):
    matrix = np.corrcoef(DATA.T)
    kept = np.tril(np.ones((3, 3))) if shape in ("ragged lower", "empty upper") else np.triu(np.ones((3, 3)))
    full = [[repr(float(matrix[i, j])) if kept[i, j] else "" for j in range(3)] for i in range(3)]
    rows = [[x for x in row if x] if "ragged" in shape else row for row in full]
    found = read(write(tmp_path, "\n".join(map(",".join, [["a", "b", "c"], *rows]))), 50)
    np.testing.assert_allclose(found.matrix, matrix, atol=1e-12)
    assert "triangle" in found.said


def test_a_covariance_is_scaled_and_said(tmp_path):
    covariance = np.cov(DATA.T) * 3
    lines = ["a,b,c", *(",".join(map(repr, row)) for row in covariance.tolist())]
    found = read(write(tmp_path, "\n".join(lines)), 30)
    np.testing.assert_allclose(found.matrix, np.corrcoef(DATA.T), atol=1e-12)
    assert "covariance matrix, scaled" in found.said
    with pytest.raises(ValueError, match="is a covariance matrix: say the sample size"):
        read(write(tmp_path, "4,0.5,0\n0.5,1,0\n0,0,1"))


def test_names_of_rows_are_left_out_and_said(tmp_path):
    days = [f"2024-01-{i + 1:02}" for i in range(30)]
    for title in ("", "date"):
        lines = [f"{title},a,b,c", *(f"{d},{row}" for d, row in zip(days, BODY.split("\n"), strict=True))]
        found = read_table(write(tmp_path, "\n".join(lines)))
        assert found.names == ("a", "b", "c") and "taken as names of the rows" in str(found)
    lines = [",a,b,c", *(f"{i},{row}" for i, row in enumerate(BODY.split("\n")))]
    assert read_table(write(tmp_path, "\n".join(lines))).names == ("a", "b", "c")
    lines = [
        "a b c",
        *(f"r{i} {row.replace(',', ' ')}" for i, row in enumerate(BODY.split("\n"))),
    ]  # as R writes it
    assert read_table(write(tmp_path, "\n".join(lines))).names == ("a", "b", "c")
    lines = [",a,b,c", *(f"{i % 7},{row}" for i, row in enumerate(BODY.split("\n")))]
    with pytest.raises(ValueError, match="'0' comes twice"):
        read_table(write(tmp_path, "\n".join(lines)))
    lines = ["id,a,b,c", *(f"{i + 1},{row}" for i, row in enumerate(BODY.split("\n")))]
    assert "'id' only counts the rows" in str(read_table(write(tmp_path, "\n".join(lines))))


@pytest.mark.parametrize("place", [0, 1, 3])
def test_a_column_of_text_is_refused_by_name_or_left_out(tmp_path, place):
    rows = [row.split(",") for row in BODY.split("\n")]
    lines = [["a", "b", "c"], *rows]
    lines = [[*line[:place], "sex" if i == 0 else "mf"[i % 2], *line[place:]] for i, line in enumerate(lines)]
    path = write(tmp_path, "\n".join(map(",".join, lines)))
    with pytest.raises(
        ValueError, match=r"^column 'sex' of x.csv holds text \('f'\): leave it out \(--drop sex\)"
    ):
        read_table(path)
    for options in ({"drop": ["sex"]}, {"columns": ["a", "b", "c"]}):
        found = read_table(path, **options)
        assert found.names == ("a", "b", "c") and "left out: sex" in str(found)
        np.testing.assert_allclose(found.values, DATA.round(4))
    assert read_table(path, columns=["c", "a"]).names == ("c", "a")
    with pytest.raises(ValueError, match="has no column 'age': it has "):
        read_table(path, drop=["age"])


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "empty"),
        ("# only a comment\n", "empty"),
        ("a,b\n1,2\n3\n4,5\n6,7\n", "line 3 of x.csv has 1 cell, not 2"),
        ("a,b\n1,2\n3,x\n4,5\n", "line 3, column 'b' of x.csv: 'x' is not a number"),
        ("a,b\n1,2\n\n3,1e999\n", "line 4, column 'b' of x.csv: 1e999 is not finite"),
        ("a,b\n1,2\n1_000,3\n4,5\n", "line 3, column 'a' of x.csv: '1_000' is not a number"),
        ("a,b\n1,2\n1,4\n", "constant column 'a' of x.csv"),
        ("a,b,c\n1,2,0.1\n1,2,0.1\n1,3,0.1\n", "constant columns 'a', 'c' of x.csv"),
        ("1,0.5\n0.5,1", "--n-samples"),
        ("a\n1\n2\n", "two or more rows and columns"),
        ("a,b\n", "holds names and no values"),
        ("a,,c\n1,2,3\n4,5,7\n", "line 1 of x.csv has no name for column 2"),
        ('a,b\n"1,2\n' + "3,4\n" * 40_000, "not a table|holds text"),
        ("a;b\n1,5;2.5\n1,2;3,5\n", "some decimals with a comma, some with a point"),
        ("a,b\n1,\x002\n", "not a text file"),
    ],
)
def test_bad_files_get_one_clear_sentence(tmp_path, text, sentence):
    with pytest.raises(ValueError, match=sentence) as caught:
        read(write(tmp_path, text))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("1,0.5\n0.4,1", "must be symmetric .* row 1, column 2 holds 0.5 and row 2, column 1 0.4"),
        ("4,5\n5,1", "not a covariance matrix: row 1, column 2 \\(5\\) is larger"),
        ("1,1.5\n1.5,1", "not a correlation matrix"),
        ("-4,0.5\n0.5,1", "positive diagonal .* got -4"),
    ],
)
def test_a_square_table_with_a_sample_size_must_be_a_matrix(tmp_path, text, sentence):
    with pytest.raises(ValueError, match=sentence):
        read(write(tmp_path, text), 500)


def test_other_files(tmp_path):
    np.save(tmp_path / "c.npy", np.corrcoef(DATA.T))
    assert read(tmp_path / "c.npy", 50).names == ("x0", "x1", "x2")
    (tmp_path / "x.csv.gz").write_bytes(gzip.compress(f"a,b,c\n{BODY}".encode()))
    assert read_table(tmp_path / "x.csv.gz").names == ("a", "b", "c")
    (tmp_path / "y.csv.gz").write_bytes(gzip.compress(f"a,b,c\n{BODY}".encode())[:-9])
    with pytest.raises(ValueError, match="not a gzip file, or it is cut"):
        read_table(tmp_path / "y.csv.gz")
    for encoding, said in (("utf-16", "UTF-16"), ("latin-1", "Latin-1"), ("utf-8-sig", "header")):
        path = write(tmp_path, f"größe,süß,c\n{BODY}", encoding=encoding)
        assert read_table(path).names == ("größe", "süß", "c") and said in str(read_table(path))
    with pytest.raises(ValueError, match="no file"):
        read_table(tmp_path / "none.csv")
    with pytest.raises(ValueError, match=r"\.csv, \.tsv, \.txt, \.npy or \.parquet"):
        read_table(write(tmp_path, "1", "x.xlsx"))
    np.save(tmp_path / "o.npy", np.array([{}], dtype=object), allow_pickle=True)
    np.save(tmp_path / "i.npy", DATA + 1j)
    (tmp_path / "p.npy").write_bytes(bytes(range(1, 200)))
    for name in "oip":
        with pytest.raises(ValueError, match=rf"^{name}.npy is not an array of numbers from numpy.save$"):
            read_table(tmp_path / f"{name}.npy")


def test_parquet(tmp_path):
    pd = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    frame = pd.DataFrame(DATA, columns=list("abc")).assign(sex=["m", "f"] * 15)
    frame.to_parquet(tmp_path / "x.parquet")
    with pytest.raises(ValueError, match="column 'sex'"):
        read_table(tmp_path / "x.parquet")
    np.testing.assert_array_equal(read_table(tmp_path / "x.parquet", drop=["sex"]).values, DATA)


# --- whatever is written is read as written, or refused in one sentence -----------------------------------

NAME = (
    st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp")), min_size=1, max_size=8)
    .map(str.strip)
    .filter(lambda name: name and name[0] != "#")  # a header behind # is one
)


@st.composite
def written(draw):
    """(names or None, values, bytes) of a table in some dialect."""
    k, n = draw(st.integers(2, 5)), draw(st.integers(3, 12))
    seed = draw(st.integers(0, 10**6))
    rng = np.random.default_rng(seed)
    decimals = draw(st.integers(2, 6))
    values = rng.normal(size=(n, k)).round(decimals)
    kind = draw(st.sampled_from(["words", "years", "none"]))
    names = draw(st.lists(NAME, min_size=k, max_size=k, unique=True)) if kind == "words" else None
    names = [str(2019 + i) for i in range(k)] if kind == "years" else names
    delimiter = draw(st.sampled_from([",", ";", "\t", "|"]))
    comma = delimiter != "," and draw(st.booleans())
    index = draw(st.sampled_from([None, "count", "days"])) if names else None
    cells = [[f"{v:.{decimals}f}".replace(".", "," if comma else ".") for v in row] for row in values]
    if index:
        side = [str(i) if index == "count" else f"2024-01-{i + 1:02}" for i in range(n)]
        cells = [[s, *row] for s, row in zip(side, cells, strict=True)]
    stream = io.StringIO(newline="")
    writer = csv.writer(
        stream, delimiter=delimiter, quoting=draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL])),
        lineterminator=draw(st.sampled_from(["\n", "\r\n", "\r"])),
    )  # fmt: skip
    if names:
        writer.writerow([""] * bool(index) + names)
    writer.writerows(cells)
    encoding = draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]))
    return names, values, stream.getvalue().encode(encoding)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(written())
def test_what_is_read_is_what_was_written(tmp_path, case):
    names, values, content = case
    (tmp_path / "x.csv").write_bytes(content)
    try:
        found = read_table(tmp_path / "x.csv")
    except ValueError as error:
        assert "\n" not in str(error) or any("\n" in name for name in names or [])
        assume(names is not None and not all(name.isalnum() and not name.isdecimal() for name in names))
        return
    np.testing.assert_array_equal(found.values, values)
    if names:
        assert list(found.names) == names


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.one_of(st.binary(max_size=60), st.text(alphabet="01.,;\t\n\"'#-e na|", max_size=60).map(str.encode))
)
def test_any_bytes_are_a_table_or_one_sentence(tmp_path, content):
    (tmp_path / "x.csv").write_bytes(content)
    try:
        found = read(tmp_path / "x.csv", missing="drop")
    except ValueError as error:
        assert str(error).strip()
        return
    assert np.isfinite(found.matrix).all() and np.abs(found.matrix).max() <= 1


# --- the command ------------------------------------------------------------------------------------------

READ = {
    "years": "taken as names", "wavelengths": "taken as names", "gene_ids": "taken as names",
    "doses": "header taken as names", "no_header": "no header", "semicolon_decimal_comma": "decimal comma",
    "latin1": "Latin-1", "trailing_comma_header": "header", "comment_first_line": "comment",
    "date_first_column": "names of the rows",
}  # fmt: skip
REFUSED = {
    "correlation_years": "--n-samples", "covariance": "covariance matrix", "text_first_column": "'sex'",
    "text_last_column": "'sex'", "constant_columns": "'K', 'M'", "missing": "missing values",
}  # fmt: skip


@pytest.mark.skipif(not CASES.is_dir(), reason="needs ../shared/cases/tables beside the clone")
@pytest.mark.parametrize("name", [*READ, *REFUSED])
def test_the_files_of_the_cases(name, capsys):
    path = str(CASES / f"{name}.csv")
    code = main(["learn", path])
    out, err = capsys.readouterr()
    if name in REFUSED:
        assert code == 2 and REFUSED[name] in err and err.count("\n") == 1 and not out
        return
    assert code == 0 and READ[name] in out and "200 rows, 5 variables" in out.split("\n")[0]
    assert main(["learn", path, "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    marks = np.array(record["marks"])
    assert marks[0, 2] == marks[1, 2] == 2 and marks[0, 1] == 0  # A *-> C <-* B


@pytest.mark.parametrize("method", ["by", "bh"])
def test_p_values_are_adjusted_for_the_number_of_pairs(tmp_path, capsys, method):
    rng = np.random.default_rng(5)
    a, b, e = rng.normal(size=(3, 200))
    rows = np.column_stack([a, b, a + b + 3 * e])
    path = str(write(tmp_path, "A,B,C\n" + "\n".join(",".join(map(repr, row)) for row in rows.tolist())))
    assert main(["learn", path, "--fdr", method, "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    p, adjusted = (
        np.array(record[name], float)[np.triu_indices(3, 1)] for name in ("p_values", "adjusted_p_values")
    )
    order = np.argsort(p)
    factor = 3 / np.arange(1, 4) * (1 + 1 / 2 + 1 / 3 if method == "by" else 1)
    want = np.minimum.accumulate((p[order] * factor)[::-1])[::-1].clip(max=1)
    assert np.allclose(adjusted[order], want, rtol=1e-5) and record["fdr"] == method
    assert main(["learn", path, "--fdr", method]) == 0
    assert "Adjusted p" in capsys.readouterr().out


def test_stability_reproduces_with_the_seed_and_needs_samples(tmp_path, capsys):
    rng = np.random.default_rng(5)
    a, b, e = rng.normal(size=(3, 200))
    rows = np.column_stack([a, b, a + b + e])
    path = str(write(tmp_path, "A,B,C\n" + "\n".join(",".join(map(repr, row)) for row in rows.tolist())))
    found = []
    for seed in ("0", "0", "1"):
        assert main(["learn", path, "--stability", "40", "--seed", seed, "--json"]) == 0
        found.append(json.loads(capsys.readouterr().out)["stability"]["edges"])
    assert found[0] == found[1] != found[2]
    assert found[0][0][2] > 0.9 > found[0][0][1]
    assert main(["learn", path, "--stability", "40", "--p-values"]) == 0
    assert "of 40 resampled graphs" in (out := capsys.readouterr().out) and "Largest p" in out
    plain, weighted = tmp_path / "plain.svg", tmp_path / "weighted.svg"
    for svg, more in ((plain, []), (weighted, ["--stability", "40"])):
        assert main(["learn", path, "--svg", str(svg), *more]) == 0
    assert plain.read_text() != weighted.read_text()
    capsys.readouterr()
    matrix = str(write(tmp_path, "1,0.5\n0.5,1", "m.csv"))
    assert main(["learn", matrix, "--n-samples", "50", "--stability", "10"]) == 2
    assert "needs a table of complete samples" in capsys.readouterr().err


@pytest.mark.parametrize("delimiter", [";", ",", "\t", "|"])
def test_the_line_that_spreadsheets_write_names_the_delimiter(tmp_path, capsys, delimiter):
    rows = np.random.default_rng(0).normal(size=(40, 3)).round(3).tolist()
    lines = [f"sep={delimiter}", delimiter.join("ABC"), *(delimiter.join(map(str, row)) for row in rows)]
    assert main(["learn", str(write(tmp_path, "\n".join(lines)))]) == 0
    assert capsys.readouterr().out.startswith("40 rows, 3 variables: A, B, C")


@pytest.mark.parametrize("apart", [".", " "])
def test_thousands_set_apart_are_refused_by_the_column_that_has_them(tmp_path, capsys, apart):
    rows = [f"{i};{i}{apart}234,5{i};{-i}" for i in range(1, 9)]
    assert main(["learn", str(write(tmp_path, "A;B;C\n" + "\n".join(rows)))]) == 2
    assert f"column 'B' of x.csv holds text ('1{apart}234,51')" in capsys.readouterr().err


@pytest.mark.parametrize("comment", ['# "', "# ,,", '# a "b', "#"])
def test_a_comment_that_is_no_row_is_skipped(tmp_path, capsys, comment):
    rows = "\n".join(f"{i},{-i * i},{i % 3}" for i in range(9))
    assert main(["learn", str(write(tmp_path, f"{comment}\nA,B,C\n{rows}"))]) == 0
    assert "9 rows, 3 variables: A, B, C" in capsys.readouterr().out
