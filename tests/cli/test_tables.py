"""Results as CSV, Parquet and HDF5: written whole, read back, refused early."""

from __future__ import annotations

import os
import sys

import h5py
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from skglitch.cli._output import TABLES
from skglitch.cli._tables import (
    EMBEDDINGS,
    ids_path,
    read_embeddings,
    read_segments,
    write_embeddings,
)


def read_table(path):
    """Read a table by what other people use."""
    if path.suffix == ".csv":
        return pd.read_csv(path)
    if path.suffix == ".parquet":
        return pd.read_parquet(path)
    with h5py.File(path) as file:
        texts = [name for name in file if h5py.check_string_dtype(file[name].dtype)]
        columns = {name: file[name].asstr()[()] if name in texts else file[name] for name in file}
        return pd.DataFrame(columns)


@pytest.mark.parametrize("suffix", EMBEDDINGS)
@settings(max_examples=10)
@given(data=st.data())
def test_embeddings_come_back(tmp_path_factory, suffix, data):
    shape = st.tuples(st.integers(1, 5), st.integers(1, 4))
    numbers = st.floats(allow_nan=False, allow_infinity=False, width=32)
    embeddings = data.draw(arrays.arrays(np.float32, shape, elements=numbers))
    n = len(embeddings)
    texts = st.text(st.characters(categories=["L", "N", "P"]), min_size=1)
    about = {
        "id": np.array(data.draw(st.lists(texts, min_size=n, max_size=n))),
        "ifo": np.full(n, "H1"),
        "gps_time": np.where(np.arange(n) % 2, np.nan, 1126259462.123456),
        "label": np.where(np.arange(n) % 2, "", "Blip"),
    }
    path = tmp_path_factory.mktemp("e") / f"e{suffix}"
    write_embeddings(path, embeddings, about)
    found, columns = read_embeddings(path)
    np.testing.assert_array_equal(found, embeddings)
    assert set(columns) == set(about)
    for name, values in about.items():
        np.testing.assert_array_equal(columns[name], values)


def test_embeddings_without_a_table_beside_them(tmp_path):
    np.save(tmp_path / "e.npy", np.ones((2, 3), dtype=np.float32))
    _, columns = read_embeddings(tmp_path / "e.npy")
    assert {name: values.tolist() for name, values in columns.items()} == {"id": ["0", "1"]}


@pytest.mark.parametrize("suffix", EMBEDDINGS)
def test_files_that_are_no_embeddings(tmp_path, suffix):
    path = tmp_path / f"odd{suffix}"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match="file of embeddings"):
        read_embeddings(path)
    path.write_text("")
    with pytest.raises(ValueError, match="file of embeddings"):
        read_embeddings(path)


@pytest.mark.parametrize("suffix", [".npz", ".h5", ".parquet"])
def test_narrow_times_are_refused(tmp_path, suffix):
    path, columns = tmp_path / f"e{suffix}", {"gps_time": np.float32([1.1e9, 1.2e9])}
    write_embeddings(path, np.ones((2, 3), dtype=np.float32), columns)
    with pytest.raises(ValueError, match=rf"e\{suffix}'.* gps_time .*float32"):
        read_embeddings(path)


@pytest.mark.parametrize("name", ["e.csv", "e_ids.csv"])
def test_text_has_no_outer_blanks_and_no_missing_label_as_a_class(tmp_path, name):
    np.save(tmp_path / "e.npy", np.ones((3, 1)))
    rows = ["id, label,gps_time,ifo,x0", "a, Blip,7,H1 ,1", "b,Blip , ,H1,1", "c,nan,9,,1"]
    (tmp_path / name).write_text("\n".join(rows))
    _, columns = read_embeddings(tmp_path / ("e.csv" if name == "e.csv" else "e.npy"))
    assert columns["label"].tolist() == ["Blip", "Blip", ""]
    assert columns["ifo"].tolist() == ["H1", "H1", ""]
    np.testing.assert_array_equal(columns["gps_time"], [7, np.nan, 9])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("label,label,x0\na,b,1\n", "e.csv' .*Duplicate names"),
        ("label,x0\n", "e.csv' .*has no glitches"),
        ("gps_time,x0\nnoon,1\n", "e.csv'.* gps_time .*'noon'"),
    ],
)
def test_tables_of_embeddings_that_are_no_good_are_named(tmp_path, text, message):
    (tmp_path / "e.csv").write_text(text)
    with pytest.raises(ValueError, match=message):
        read_embeddings(tmp_path / "e.csv")


def test_blanks_in_segments(tmp_path):
    (tmp_path / "s.csv").write_text("start, stop, ifo \n1, 2,H1\n 3,4 , H1\n")
    assert read_segments(tmp_path / "s.csv") == {"H1": [(1, 2), (3, 4)]}


def test_rows_that_do_not_fit(tmp_path):
    np.savez(tmp_path / "e.npz", embeddings=np.ones((3, 2)), id=["a", "b"])
    with pytest.raises(ValueError, match=r"id .*\(2,\).*\(3, 2\)"):
        read_embeddings(tmp_path / "e.npz")
    np.savez(tmp_path / "e.npz", embeddings=np.ones(3))
    with pytest.raises(ValueError, match=r"shape \(3,\)"):
        read_embeddings(tmp_path / "e.npz")


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("gps_time", ["1126259462.4.1", "1"]),
        ("gps_time", np.zeros((2, 1))),
        ("id", "a"),
        ("embeddings", [["a"], ["b"]]),
        ("embeddings", 1.0),
        ("embeddings", np.zeros(50_000_000, np.uint8)),
    ],
    ids=["time", "times in rows", "one id", "texts", "number", "bomb"],
)
def test_wrong_columns_are_named_with_their_file(tmp_path, column, values):
    path = tmp_path / "e.npz"
    arrays = {"embeddings": np.ones((2, 3)), "id": ["a", "b"]} | {column: values}
    np.savez_compressed(path, **arrays)
    with pytest.raises(ValueError, match=r"e\.npz' is not a file of embeddings"):
        read_embeddings(path)


def test_header_of_an_array_that_is_damaged(tmp_path):
    np.save(tmp_path / "e.npy", np.ones((2, 3)))
    content = (tmp_path / "e.npy").read_bytes()
    (tmp_path / "e.npy").write_bytes(content.replace(b"), }", b", {  "))
    with pytest.raises(ValueError, match=r"e\.npy' is not a file of embeddings"):
        read_embeddings(tmp_path / "e.npy")


@pytest.mark.parametrize("suffix", TABLES)
def test_predictions_in_every_format(run, model, folder, tmp_path, suffix):
    path = tmp_path / f"p{suffix}"
    result = run("predict", model, folder, "-o", path, "-q")
    assert result.exit_code == 0, result.output
    assert result.output == ""
    with open("p.csv", "w", encoding="utf-8") as file:
        file.write(run("predict", model, folder, "-q").stdout)
    pd.testing.assert_frame_equal(
        read_table(path)[["id", "prediction"]],
        pd.read_csv("p.csv")[["id", "prediction"]],
        check_dtype=False,
    )
    assert run("predict", model, folder, "-o", path, "-q").exit_code == 2
    assert run("predict", model, folder, "-o", path, "-q", "--overwrite").exit_code == 0


@pytest.mark.parametrize("suffix", EMBEDDINGS)
def test_embed_in_every_format(run, model, folder, tmp_path, suffix):
    path = tmp_path / f"e{suffix}"
    result = run("embed", model, folder, "-o", path, "-q")
    assert result.exit_code == 0, result.output
    embeddings, about = read_embeddings(path)
    assert embeddings.shape[0] == len(about["id"]) == 10
    assert sorted(set(about["label"])) == ["Blip", "Koi_Fish"]
    assert ids_path(path).exists() == (suffix == ".npy")


@pytest.mark.parametrize(
    ("module", "suffix", "extra"), [("pyarrow", "parquet", "parquet"), ("h5py", "h5", "strain")]
)
def test_packages_that_are_missing(run, model, folder, monkeypatch, module, suffix, extra):
    for name in [name for name in sys.modules if name.split(".")[0] == module]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, module, None)
    result = run("predict", model, folder, "-o", f"p.{suffix}")
    assert result.exit_code == 1
    assert f'pip install "skglitch[{extra}]"' in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ("p.txt", "does not end in .csv, .parquet, .h5, .hdf5"),
        ("p", "does not end in"),
        ("nowhere/p.csv", "'nowhere' (No such file or directory)"),
    ],
)
def test_outputs_that_cannot_be(run, model, folder, tmp_path, output, message):
    result = run("predict", model, folder, "-o", output)
    assert result.exit_code == 2
    assert message in result.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write anywhere")
def test_no_right_to_write(run, model, folder, tmp_path):
    (tmp_path / "mine").mkdir(mode=0o500)
    result = run("predict", model, folder, "-o", "mine/p.csv")
    assert (result.exit_code, "Permission denied" in result.stderr) == (2, True)
    result = run("discover", model, folder, "-o", "mine/found")
    assert (result.exit_code, "Permission denied" in result.stderr) == (2, True)
