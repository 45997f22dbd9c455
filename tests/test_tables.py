"""Tables as text, CSV, Parquet, JSON and HDF5."""

from __future__ import annotations

import json

import h5py
import numpy as np
import pandas as pd
import pytest

from skglitch._tables import TABLE_SUFFIXES, format_table, to_json, write_hdf5, write_table


@pytest.fixture
def table():
    return pd.DataFrame(
        {
            "text": ["a", None, 'c"d,ü'],
            "count": [1, 2, 3],
            "share": [0.1, 1 / 3, np.nan],
            "score": np.array([0.1, 1 / 3, 2e-30], dtype=np.float32),
            "gps": [1126259462.123456, 1.0, 2.5],
            "novel": [True, False, True],
        },
        index=pd.Index(["x", "y", "z"], name="id"),
    )


def read_table(path):
    """Read a table with other people's code."""
    if path.suffix == ".csv":
        return pd.read_csv(path)
    if path.suffix == ".parquet":
        return pd.read_parquet(path)
    if path.suffix == ".json":
        return pd.DataFrame(json.loads(path.read_text()))
    with h5py.File(path) as file:
        texts = [name for name in file if h5py.check_string_dtype(file[name].dtype)]
        return pd.DataFrame(
            {name: file[name].asstr()[()] if name in texts else file[name] for name in file}
        )


@pytest.mark.parametrize("suffix", TABLE_SUFFIXES)
def test_written_tables_are_read_by_others(tmp_path, suffix, table):
    path = tmp_path / f"table{suffix}"
    write_table(table, path)
    found = read_table(path)
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
    assert sorted(found) == sorted(["id", *table])
    assert found["id"].tolist() == ["x", "y", "z"]
    for name in ("count", "novel"):
        assert found[name].tolist() == table[name].tolist()
    for name in ("share", "gps"):  # what reads CSV may be off by the last bit
        np.testing.assert_allclose(found[name], table[name], rtol=1e-15)
    np.testing.assert_array_equal(found["score"].astype(np.float32), table["score"])
    texts = found["text"].astype(object)
    assert texts.where(texts.notna() & (texts != ""), None).tolist() == ["a", None, 'c"d,ü']


def test_csv_has_empty_cells_and_all_digits(tmp_path, table, capsys):
    write_table(table, None)
    assert capsys.readouterr().out.splitlines()[:3] == [
        "id,text,count,share,score,gps,novel",
        "x,a,1,0.1,0.1,1126259462.123456,True",
        "y,,2,0.3333333333333333,0.33333334,1.0,False",
    ]


def test_an_index_without_a_name_is_left_out(tmp_path):
    write_table({"a": [1, 2]}, tmp_path / "t.csv")
    assert (tmp_path / "t.csv").read_text() == "a\n1\n2\n"
    assert format_table(pd.DataFrame({"a": [1, 2]})[1:]).split() == ["a", "2"]


def test_a_failure_leaves_the_old_file(tmp_path):
    path = tmp_path / "t.csv"
    write_table({"a": [1]}, path)
    with pytest.raises(ValueError, match="length"):
        write_table({"a": [1, 2], "b": [1]}, path)
    with pytest.raises(ValueError, match=r"t\.txt"):
        write_table({"a": [1]}, tmp_path / "t.txt")
    assert path.read_text() == "a\n1\n"
    assert [file.name for file in tmp_path.iterdir()] == ["t.csv"]


def test_hdf5_takes_arrays_of_any_shape(tmp_path):
    write_hdf5({"embeddings": np.ones((2, 3), np.float32), "id": ["a", "b"]}, tmp_path / "e.h5")
    with h5py.File(tmp_path / "e.h5") as file:
        assert file["embeddings"].shape == (2, 3)
        assert file["embeddings"].dtype == np.float32


def test_text(table):
    text = format_table(table[["share", "count", "gps"]], percent=["share", "recall"], decimals=1)
    assert text.splitlines() == [
        "id share [%]  count          gps",
        "x      10.00      1 1126259462.1",
        "y      33.33      2          1.0",
        "z        nan      3          2.5",
    ]
    assert "nan" not in format_table(table, percent=["share"], na_rep="")


def test_json(table):
    value = {"n": np.int64(3), "inf": np.inf, "table": table, "missing": [pd.NA, pd.NaT, None]}
    found = json.loads(to_json(value))
    assert found["table"][2] == {
        "id": "z",
        "text": 'c"d,ü',
        "count": 3,
        "share": None,
        "score": float(np.float32(2e-30)),
        "gps": 2.5,
        "novel": True,
    }
    assert (found["n"], found["inf"], found["missing"]) == (3, None, [None] * 3)


@pytest.mark.parametrize(("module", "suffix"), [("pyarrow", ".parquet"), ("h5py", ".h5")])
def test_missing_packages(tmp_path, monkeypatch, module, suffix):
    monkeypatch.setitem(__import__("sys").modules, module, None)
    with pytest.raises(ImportError, match=rf"{module}: .*skglitch\["):
        write_table({"a": [1]}, tmp_path / f"t{suffix}")
    assert list(tmp_path.iterdir()) == []
