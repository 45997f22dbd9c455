"""Tables of triggers and strain as X: whatever table, whatever strain, and what is wrong."""

import csv
import json

import h5py
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skglitch.datasets import Strain, fetch_open_strain, load_strain, load_triggers
from skglitch.spectrograms import QTransformer

from .gwosc_files import write_gwosc

T0 = 1126259446
RATE = 16


class Ends:
    """A transformer that shows first, middle and last sample, in a picture of 1 x 3."""

    def __init__(self, sample_rate=RATE, refuse=()):
        self.sample_rate = sample_rate
        self.refuse = refuse
        self.batches = []

    def transform(self, strains):
        assert isinstance(strains, np.ndarray)
        assert strains.dtype == np.float64
        self.batches.append(len(strains))
        middle = strains.shape[1] // 2
        if np.isin(strains[:, middle], self.refuse).any():
            raise ValueError("I do not like this strain")
        return strains[:, None, None, [0, middle, -1]].astype(np.int32)


def series(ifo="H1", offset=0, rate=RATE):
    """64 s of samples that tell their place."""
    return Strain(np.arange(1.0, 64 * rate + 1) + offset, rate, T0, ifo)


def place(gps):
    """What the sample at a time is."""
    return round((gps - T0) * RATE) + 1


ROWS = [
    {"gps": T0 + 10.5, "ifo": "H1", "label": "Blip"},
    {"gps": T0 + 20, "ifo": "L1", "label": "Tomte"},
    {"gps": T0 + 30.0625, "ifo": "H1", "label": "Blip"},
]


@pytest.fixture
def both():
    return {"H1": series("H1"), "L1": series("L1", 10_000)}


@pytest.fixture
def write(tmp_path):
    def write_csv(rows, name="triggers.csv"):
        path = tmp_path / name
        with open(path, "w", newline="") as stream:
            writer = csv.DictWriter(stream, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
        return path

    return write_csv


def load(table, strain, transformer=None, **options):
    options = {"progress": False, "duration": 8.0} | options
    return load_triggers(table, strain, transformer or Ends(), **options)


def test_all(both):
    bunch = load(ROWS, both)
    assert bunch.data.shape == (3, 1, 1, 3)
    assert bunch.data.dtype == np.int32
    middle = [place(T0 + 10.5), 10_000 + place(T0 + 20), place(T0 + 30.0625)]
    assert bunch.data[:, 0, 0, 1].tolist() == middle
    assert bunch.data[:, 0, 0, 0].tolist() == [m - 64 for m in middle]
    assert bunch.data[:, 0, 0, 2].tolist() == [m + 63 for m in middle]
    assert bunch.target.tolist() == ["Blip", "Tomte", "Blip"]
    assert bunch.target_names.tolist() == ["Blip", "Tomte"]
    assert bunch.ids.tolist() == ["H1_1126259456.5", "L1_1126259466.0", "H1_1126259476.0625"]
    assert bunch.ifo.tolist() == ["H1", "L1", "H1"]
    assert bunch.gps.tolist() == [row["gps"] for row in ROWS]
    assert bunch.rows.tolist() == [0, 1, 2]
    assert bunch.skipped == {}
    assert "strain" not in bunch


def test_return_X_y(both):
    X, y = load(ROWS, both, return_X_y=True)
    assert (len(X), y.tolist()) == (3, ["Blip", "Tomte", "Blip"])


def test_return_strain(both):
    bunch = load(ROWS, both, return_strain=True, duration=2.0)
    assert bunch.strain.shape == (3, 2 * RATE)
    assert (bunch.strain[1] == both["L1"].around(T0 + 20, 2.0)).all()


@pytest.mark.parametrize("batch_size", [1, 2, 3, 32])
def test_batches(both, batch_size):
    transformer = Ends()
    bunch = load(ROWS, both, transformer, batch_size=batch_size)
    assert max(transformer.batches) <= batch_size
    assert sum(transformer.batches) == 3
    assert (bunch.data == load(ROWS, both).data).all()


@given(
    seconds=st.lists(st.integers(-10, 80), min_size=1, max_size=20),
    batch_size=st.integers(1, 8),
    refused=st.sets(st.integers(0, 64), max_size=3),
)
def test_skipping_leaves_the_others_as_they_are(seconds, batch_size, refused):
    table = [{"gps": T0 + second} for second in seconds]
    usable = [i for i, s in enumerate(seconds) if 4 <= s <= 60 and s not in refused]
    transformer = Ends(refuse=[place(T0 + second) for second in refused])
    options = {"on_error": "skip", "batch_size": batch_size, "return_strain": True}
    if not usable:
        with pytest.raises(ValueError, match="No row"):
            load(table, series(), transformer, **options)
        return
    if len(usable) == len(seconds):
        bunch = load(table, series(), transformer, **options)
    else:
        with pytest.warns(UserWarning, match="left out"):
            bunch = load(table, series(), transformer, **options)
    assert bunch.rows.tolist() == usable
    assert bunch.data[:, 0, 0, 1].tolist() == [place(T0 + seconds[i]) for i in usable]
    assert bunch.strain[:, 64].tolist() == bunch.data[:, 0, 0, 1].tolist()
    assert sorted([*bunch.skipped, *usable]) == list(range(len(seconds)))


class TestTables:
    @pytest.fixture
    def wanted(self, both):
        return load(ROWS, both)

    def assert_same(self, bunch, wanted):
        for name in ("data", "target", "ids", "gps", "ifo"):
            assert bunch[name].tolist() == wanted[name].tolist()

    def test_csv(self, write, both, wanted):
        self.assert_same(load(write(ROWS), both), wanted)
        self.assert_same(load(str(write(ROWS)), both), wanted)

    def test_csv_with_a_mark_and_empty_lines(self, tmp_path, both, wanted):
        lines = [f"{row['gps']},{row['ifo']},{row['label']}" for row in ROWS]
        path = tmp_path / "x.CSV"
        path.write_text("\ufeffgps,ifo,label\n\n" + "\n\n".join(lines) + "\n\n", "utf-8")
        self.assert_same(load(path, both), wanted)

    @pytest.mark.parametrize(
        "kind", [pd.DataFrame, lambda rows: pd.DataFrame(rows).to_dict("list")]
    )
    def test_frames(self, kind, both, wanted):
        self.assert_same(load(kind(ROWS), both), wanted)

    def test_frame_with_an_index_of_its_own(self, both, wanted):
        self.assert_same(load(pd.DataFrame(ROWS, index=[7, 7, 9]), both), wanted)

    def test_astropy_table(self, both, wanted):
        Table = pytest.importorskip("astropy.table").Table
        self.assert_same(load(Table(rows=ROWS), both), wanted)

    def test_json(self, tmp_path, both, wanted):
        (tmp_path / "x.json").write_text(json.dumps(ROWS))
        self.assert_same(load(tmp_path / "x.json", both), wanted)

    @pytest.mark.parametrize(
        ("suffix", "package", "writer"),
        [
            (".parquet", "pyarrow", lambda frame, path: frame.to_parquet(path)),
            (".hdf5", "tables", lambda frame, path: frame.to_hdf(path, key="x")),
        ],
    )
    def test_files_of_pandas(self, tmp_path, both, wanted, suffix, package, writer):
        pytest.importorskip(package)
        path = tmp_path / f"x{suffix}"
        writer(pd.DataFrame(ROWS), path)
        self.assert_same(load(path, both), wanted)

    @pytest.mark.parametrize(
        ("time", "ifo", "label"),
        [
            ("GPS", "IFO", "Label"),
            ("event_time", "detector", "ml_label"),
            ("GPStime", " ifo ", "CLASS"),
            ("peak_time", "ifo", "label"),
            ("time", "ifo", "label"),
        ],
    )
    def test_usual_names(self, both, wanted, time, ifo, label):
        frame = pd.DataFrame(ROWS).set_axis([time, ifo, label], axis=1)
        self.assert_same(load(frame, both), wanted)

    def test_the_most_telling_name_is_taken(self, both, wanted):
        frame = pd.DataFrame(ROWS).assign(time=0.0, peak_time=0, ml_label="x", detector="V1")
        self.assert_same(load(frame, both), wanted)

    def test_names_that_are_given(self, both, wanted):
        frame = pd.DataFrame(ROWS).set_axis(["When", "where", "what"], axis=1)
        frame = frame.assign(gps=0.0, label="x")
        self.assert_same(load(frame, both, gps="when", ifo="where", label="what"), wanted)

    def test_peak_time_in_two_columns(self, both):
        table = [
            {"peak_time": T0 + 10, "peak_time_ns": 500_000_000},
            {"peak_time": str(T0 + 20), "peak_time_ns": "0"},
            {"peak_time": T0 + 20.5, "peak_time_ns": 500_000_000},
        ]
        gps = load(table, both["H1"]).gps
        assert gps.tolist() == [T0 + 10.5, T0 + 20, T0 + 20.5]

    @pytest.mark.parametrize("missing", ["", None, np.nan, pd.NA, np.ma.masked])
    def test_missing_nanoseconds_are_not_zero(self, both, missing):
        table = {"peak_time": [T0 + 10, T0 + 20], "peak_time_ns": [0, missing]}
        with pytest.warns(UserWarning, match="1 of 2 rows"):
            bunch = load(table, both["H1"], on_error="skip")
        assert bunch.gps.tolist() == [T0 + 10]
        assert "peak_time_ns=" in bunch.skipped[1]

    def test_labels_keep_their_type(self, both):
        frame = pd.DataFrame(ROWS).assign(label=[3, 5, 3])
        assert load(frame, both).target.tolist() == [3, 5, 3]

    def test_without_labels(self, both):
        frame = pd.DataFrame(ROWS)
        for bunch in (load(frame.drop(columns="label"), both), load(frame, both, label=None)):
            assert bunch.target is None
            assert bunch.target_names is None
        with pytest.raises(ValueError, match="return_X_y=True"):
            load(frame, both, label=None, return_X_y=True)

    @pytest.mark.parametrize("strain", [series(), {"H1": series()}, {"h1": series("")}])
    def test_without_detectors(self, strain):
        table = [{"gps": T0 + 10}]
        assert load(table, strain).ids.tolist() == ["H1_1126259456.0"]

    def test_detector_that_is_given(self, both):
        assert load([{"gps": T0 + 10}], both, ifo="L1").ids.tolist() == ["L1_1126259456.0"]
        assert load(ROWS[:1], series(""), ifo=None).ids.tolist() == ["1126259456.5"]

    @pytest.mark.parametrize(
        ("table", "options", "message"),
        [
            ([{"t": 1.0, "ifo": "H1"}], {}, r"no column of GPS times with a usual name \(gps, .*\)"
             r": pass gps=. Its columns: t, ifo."),
            (ROWS, {"gps": "when"}, "gps='when' is not a column of the table. Its columns: gps"),
            (ROWS, {"ifo": "where"}, "ifo='where' is not a column"),
            (ROWS, {"label": "what"}, "label='what' is not a column"),
            (ROWS, {"gps": None}, "gps=None must be the name of a column"),
            (ROWS, {"label": 3}, "label=3 must be the name of a column"),
            ([], {}, "The table has no rows"),
            (pd.DataFrame({"gps": []}), {}, "The table has no rows"),
            ({"gps": [1, 2], "label": ["x"]}, {}, "differ in length"),
            ([1.0, 2.0], {}, "table is a list, but must be"),
            (3, {}, "table is a int, but must be"),
            ("x.xls", {}, "does not exist"),
        ],
    )  # fmt: skip
    def test_what_is_wrong_is_named(self, both, table, options, message):
        kind = FileNotFoundError if isinstance(table, str) else ValueError
        with pytest.raises(kind, match=message):
            load(table, both, **options)

    @pytest.mark.parametrize(
        ("name", "content", "message"),
        [
            ("x.csv", b"", "has no rows"),
            ("x.csv", b"gps,label\n", "has no rows"),
            ("x.csv", b"gps,label\n1,a\n2\n", "x.csv', row 1, has 1 values for 2 columns"),
            ("x.csv", b"gps,label\n1,\xff\n", "x.csv' cannot be read"),
            ("x.xls", b"x", "does not end in one of .csv, .parquet, "),
            ("x.json", b"[{", "x.json' cannot be read"),
        ],
    )
    def test_files_that_are_no_tables(self, tmp_path, both, name, content, message):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match=message):
            load(tmp_path / name, both)

    def test_csv_with_a_row_that_is_too_long(self, tmp_path, both):
        (tmp_path / "x.csv").write_text("gps,label\n1,a,b\n2,b,c\n")
        with pytest.raises(ValueError, match="line 2"):
            load(tmp_path / "x.csv", both)

    def test_csv_is_text(self, tmp_path):
        """Times keep their digits, and labels that look like numbers or gaps stay labels."""
        (tmp_path / "x.csv").write_text(f"gps,label\n{T0 + 10}.0625,007\n{T0 + 20},NA\n")
        bunch = load(tmp_path / "x.csv", series())
        assert bunch.gps.tolist() == [T0 + 10.0625, T0 + 20]
        assert bunch.target.tolist() == ["007", "NA"]

    @pytest.mark.parametrize("word", ["nan", "NaN", "<NA>", "None", " ", "-1"])
    def test_missing_labels_in_text_are_no_class(self, both, tmp_path, word):
        lines = ["gps,label", f"{T0 + 10}, Blip", f"{T0 + 20},Blip ", f"{T0 + 30},{word}"]
        (tmp_path / "x.csv").write_text("\n".join(lines))
        bunch = load(tmp_path / "x.csv", both["H1"])
        assert bunch.target.tolist() == ["Blip", "Blip", ""]
        assert bunch.target_names.tolist() == ["Blip"]

    @pytest.mark.parametrize("kind", ["Table", "QTable"])
    def test_masked_cells_of_astropy_are_no_class(self, both, tmp_path, kind):
        table = pytest.importorskip("astropy.table")
        lines = ["gps,ifo,label", f"{T0 + 10},H1,Blip", f"{T0 + 20},L1,", f"{T0 + 30},,Blip"]
        (tmp_path / "x.csv").write_text("\n".join(lines))
        rows = getattr(table, kind).read(tmp_path / "x.csv", format="ascii.csv")
        with pytest.warns(UserWarning, match="ifo=None"):
            bunch = load(rows, both, on_error="skip")
        assert bunch.target.tolist() == ["Blip", ""]
        assert bunch.target_names.tolist() == ["Blip"]
        rows["gps"] = rows["gps"] * 1000.0
        rows["gps"].unit = "ms"
        assert load(rows[:2], both).gps.tolist() == bunch.gps.tolist()

    @pytest.mark.parametrize("is_masked", [False, True])
    def test_structured_arrays(self, both, is_masked):
        kinds = [("gps", "f8"), ("ifo", "S2"), ("label", "S8")]
        rows = np.array([(T0 + 10.5, "H1", "Blip"), (T0 + 20, "L1", "Tomte")], dtype=kinds)
        if is_masked:
            rows = np.ma.array(rows, mask=[(0, 0, 0), (0, 0, 1)])
        bunch = load(rows, both)
        assert bunch.ids.tolist() == [f"H1_{T0 + 10.5}", f"L1_{T0 + 20.0}"]
        assert bunch.target.tolist() == ["Blip", "" if is_masked else "Tomte"]

    def test_columns_there_are_two_of_are_refused(self, both, tmp_path):
        frame = pd.DataFrame([[T0 + 10, T0 + 20, "Blip"]])
        for names in (["gps", "gps", "label"], ["Gps", "GPS", "label"]):
            with pytest.raises(ValueError, match=r"more than one column .*[Gg][Pp][Ss]"):
                load(frame.set_axis(names, axis=1), both["H1"])
        frame.set_axis(["gps", "label", "label"], axis=1).to_csv(tmp_path / "x.csv", index=False)
        with pytest.raises(ValueError, match=r"x\.csv.*more than one column 'label'"):
            load(tmp_path / "x.csv", both["H1"])
        assert len(load(tmp_path / "x.csv", both["H1"], label=None).gps) == 1

    @pytest.mark.parametrize("text", ["gps,label\n", "", "when,label\n1,Blip\n"])
    def test_tables_that_lack_something_name_their_file(self, both, tmp_path, text):
        (tmp_path / "x.csv").write_text(text)
        with pytest.raises(ValueError, match=r"x\.csv"):
            load(tmp_path / "x.csv", both["H1"])

    @pytest.mark.parametrize("narrow", [np.float32, np.float16, "Float32"])
    def test_narrow_times_are_refused(self, both, narrow):
        frame = pd.DataFrame({"when": pd.array([1000.0, 2000.0], dtype=narrow)})
        with pytest.raises(ValueError, match=r"'when' .*[fF]loat"):
            load(frame, both["H1"], gps="when")
        with pytest.raises(ValueError, match=r"'gps'.*float32"):
            load([{"gps": np.float32(1000.0)}], both["H1"])

    def test_dates_are_refused(self, both):
        frame = pd.DataFrame({"gps": pd.to_datetime(["2015-09-14 09:50:45"])})
        with pytest.raises(ValueError, match="'gps'"):
            load(frame, both["H1"])


class TestUnlabeled:
    """Rows without a label are kept: they are what a classifier is for."""

    @pytest.mark.parametrize("missing", [None, np.nan, pd.NA, "", "  "])
    def test_among_strings(self, missing):
        table = [{"gps": T0 + 10, "label": "Blip"}, {"gps": T0 + 20, "label": missing}]
        for kind in (list, pd.DataFrame):
            bunch = load(kind(table), series())
            assert bunch.target.tolist() == ["Blip", ""]
            assert bunch.target_names.tolist() == ["Blip"]

    def test_among_integers(self):
        frame = pd.DataFrame({"gps": [T0 + 10, T0 + 20], "label": pd.array([3, None], "Int64")})
        bunch = load(frame, series())
        assert bunch.target.tolist() == [3, -1]
        assert bunch.target_names.tolist() == [3]

    def test_masked_cells_of_astropy(self):
        Table = pytest.importorskip("astropy.table").Table
        table = Table({"gps": [T0 + 10.0, T0 + 20.0], "label": ["Blip", "Tomte"]}, masked=True)
        table["label"].mask = [False, True]
        assert load(table, series()).target.tolist() == ["Blip", ""]
        table["gps"].mask = [True, False]
        with pytest.warns(UserWarning, match="1 of 2 rows"):
            assert load(table, series(), on_error="skip").rows.tolist() == [1]

    def test_no_row_has_one(self):
        table = [{"gps": T0 + 10, "label": ""}]
        assert load(table, series()).target is None
        with pytest.raises(ValueError, match="has no labels"):
            load(table, series(), return_X_y=True)


def test_dropouts_leave_the_rest_of_the_batch(real_data):
    strain = load_strain(real_data / "strain_events" / "H-H1_LOSC_4_V2-1126259446-32.hdf5")
    data = strain.data.copy()
    data[: 10 * 4096] = 0.0
    dropout = Strain(data, 4096, T0, "H1")
    table = [{"gps": T0 + second} for second in (9, 16.4, 24, 22)]
    transformer = QTransformer(sample_rate=4096, size=(14, 17))
    with pytest.raises(ValueError, match=rf"row 0 \(GPS {T0 + 9}, H1\) .* {T0 + 1} to {T0 + 10}"):
        load(table, dropout, transformer, duration=16.0)
    with pytest.warns(UserWarning, match="2 of 4 rows"):
        bunch = load(table, dropout, transformer, duration=16.0, on_error="skip")
    assert bunch.rows.tolist() == [2, 3]
    assert list(bunch.skipped) == [0, 1]
    intact = load([table[2], table[3]], strain, transformer, duration=16.0)
    np.testing.assert_array_equal(bunch.data, intact.data)


def test_arrow_texts_whose_places_are_damaged_crash_nothing(tmp_path):
    path = tmp_path / "t.feather"
    frame = pd.DataFrame({"gps": [T0 + 10.0, T0 + 11.0], "label": ["Blip", "Blip"]})
    frame.to_feather(path, compression="uncompressed")
    content = path.read_bytes()
    damaged = content
    for kind in ("<i4", "<i8"):
        places = np.array([0, 4, 8], kind).tobytes()
        damaged = damaged.replace(places, np.array([0, 4, 2**30], kind).tobytes())
    assert damaged != content
    path.write_bytes(damaged)
    with pytest.raises(ValueError, match=r"t\.feather' cannot be read"):
        load(path, series())


class TestRows:
    """Rows that cannot be used, all that is wrong with the table in one message."""

    TABLE = (
        {"gps": T0 + 10, "ifo": "H1", "label": "Blip"},
        {"gps": np.nan, "ifo": "H1", "label": "Blip"},
        {"gps": "soon", "ifo": "H1", "label": "Blip"},
        {"gps": T0 + 10, "ifo": "V1", "label": "Blip"},
        {"gps": T0 + 10, "ifo": "Hanford", "label": "Blip"},
        {"gps": T0 + 10, "ifo": None, "label": "Blip"},
        {"ifo": "H1", "label": "Blip"},
    )

    def test_raise(self, both):
        with pytest.raises(ValueError, match="6 of 7 rows") as caught:
            load(self.TABLE, both)
        message = str(caught.value)
        assert "row 1 (H1): gps=nan is not a GPS time" in message
        assert "row 2 (H1): gps='soon' is not a GPS time" in message
        assert "row 3 (GPS 1126259456, V1): there is strain of H1, L1, not of V1" in message
        assert "row 4 (GPS 1126259456): ifo='Hanford' is not a detector" in message
        assert "row 5 (GPS 1126259456): ifo=None is not a detector" in message
        assert message.endswith("and 1 more")

    def test_rows_of_a_file_are_named_with_it(self, both, tmp_path):
        path = tmp_path / "t.json"
        pd.DataFrame(self.TABLE).to_json(path, orient="records")
        with pytest.raises(ValueError, match=r"6 of 7 rows of table='.*t\.json'"):
            load(path, both)
        path.write_text(json.dumps([dict(self.TABLE[0], gps=0)]))
        with pytest.raises(ValueError, match=r"row 0 .* of table='.*t\.json'"):
            load(path, both)
        path.write_text(json.dumps([dict(self.TABLE[0], label=label) for label in ("Blip", {})]))
        with pytest.raises(ValueError, match=r"table='.*t\.json': column 'label'"):
            load(path, both)

    @pytest.mark.parametrize("frame", [False, True])
    def test_skip(self, both, frame):
        table = pd.DataFrame(self.TABLE) if frame else self.TABLE
        with pytest.warns(UserWarning, match="6 of 7 rows .*left out"):
            bunch = load(table, both, on_error="skip")
        assert bunch.ids.tolist() == ["H1_1126259456.0"]
        assert list(bunch.skipped) == list(range(1, 7))
        assert "is not a GPS time" in bunch.skipped[6]

    def test_missing_values_of_pandas(self, both):
        frame = pd.DataFrame(
            {"gps": pd.array([T0 + 10, None], "Int64"), "label": pd.array(["a", "b"], "string")}
        )
        frame = pd.concat([frame, pd.DataFrame({"gps": [T0 + 10], "label": [pd.NA]})])
        with pytest.warns(UserWarning, match="1 of 3 rows"):
            bunch = load(frame, both["H1"], on_error="skip")
        assert bunch.target.tolist() == ["a", ""]

    @pytest.mark.parametrize(
        ("gps", "message"),
        [
            (T0 - 1, r"row 1 \(GPS 1126259445, H1\) of the table cannot be used .*: "
             "GPS 1126259445 is outside the strain of H1, which spans GPS 1126259446 to 11262595"),
            (1e308, r"row 1 \(GPS 1\d+, H1\) .* is outside the strain of H1"),
            (T0 + 2, r"row 1 \(GPS 1126259448, H1\) .* is too close to an end"),
            (T0 + 40, r"row 1 \(GPS 1126259486, H1\) .* has gaps \(NaN\): 1126259486 to 11262594"),
            (T0 + 55, r"row 1 \(GPS 1126259501, H1\) .* is all zeros"),
        ],
    )  # fmt: skip
    def test_strain_that_cannot_be_used(self, gps, message):
        data = series().data.copy()
        data[40 * RATE : 41 * RATE] = np.nan
        data[50 * RATE :] = 0
        strain = Strain(data, RATE, T0, "H1")
        table = [{"gps": T0 + 20}, {"gps": gps}]
        with pytest.raises(ValueError, match=message):
            load(table, strain)
        with pytest.warns(UserWarning, match=r"1 of 2 rows .*\n  row 1 \(GPS"):
            assert load(table, strain, on_error="skip").rows.tolist() == [0]

    def test_row_that_the_transformer_refuses(self):
        table = [{"gps": T0 + s} for s in (10, 20, 30)]
        with pytest.raises(ValueError, match=r"row 1 \(GPS 1126259466, H1\)"):
            load(table, series(), Ends(refuse=[place(T0 + 20)]))

    def test_batch_that_the_transformer_refuses(self):
        class Alone(Ends):
            def transform(self, strains):
                if len(strains) > 1:
                    raise ValueError("one at a time, please")
                return super().transform(strains)

        with pytest.raises(ValueError, match=r"^one at a time"):
            load([{"gps": T0 + 10}, {"gps": T0 + 20}], series(), Alone())

    def test_other_errors_of_the_transformer_are_not_hidden(self):
        class Broken(Ends):
            def transform(self, strains):
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            load(ROWS[:1], series(), Broken(), on_error="skip")


class TestStrain:
    TABLE = ({"gps": T0 + 4}, {"gps": T0 + 12.25})

    @pytest.fixture
    def file(self, tmp_path):
        return write_gwosc(tmp_path / "x.hdf5", "H1", T0, 16, RATE)

    def test_kinds(self, file):
        def function(gps, ifo):
            assert ifo == "H1"
            return load_strain(file, start=gps - 2, stop=gps + 2)

        strain = load_strain(file)
        wanted = load(self.TABLE, strain, duration=4.0).data.tolist()
        for other in (file, str(file), {"H1": file}, {"H1": str(file), "L1": series("L1")}):
            assert load(self.TABLE, other, duration=4.0, ifo="H1").data.tolist() == wanted
        assert load(self.TABLE, function, duration=4.0, ifo="H1").data.tolist() == wanted

    def test_gwpy(self):
        TimeSeries = pytest.importorskip("gwpy.timeseries").TimeSeries
        theirs = TimeSeries(series().data, sample_rate=RATE, t0=T0, channel="H1:X")
        wanted = load(self.TABLE, series()).data.tolist()
        assert load(self.TABLE, theirs).data.tolist() == wanted
        assert load(self.TABLE, {"H1": theirs}).data.tolist() == wanted
        assert load(self.TABLE, lambda *_: theirs, ifo="H1").data.tolist() == wanted

    def test_file_is_read_around_triggers_only(self, file, monkeypatch):
        asked = []
        read = h5py.Dataset.__getitem__

        def spy(self, key, **options):
            if self.name == "/strain/Strain":
                asked.append(key)
            return read(self, key, **options)

        monkeypatch.setattr(h5py.Dataset, "__getitem__", spy)
        load(self.TABLE, file, duration=2.0)
        # Of 16 s at 16 Hz, 2 s around 4 s and around 12.25 s, and a little more for rounding.
        for part, wanted in zip(asked, [slice(48, 80), slice(180, 212)], strict=True):
            assert wanted.start - 2 <= part.start <= wanted.start
            assert wanted.stop <= part.stop <= wanted.stop + 2

    def test_file_names_its_span(self, file):
        with pytest.raises(ValueError, match=rf"row 0 .*H1 .*{T0} to {T0 + 16}"):
            load([{"gps": 1126259500}], file)

    def test_fetch(self, file, tmp_path):
        """The function that downloads, with its file there already."""
        folder = tmp_path / "home" / "open_strain"
        name = f"H-H1_GWOSC_4KHZ_R1-{T0}-16.hdf5"
        write_gwosc(folder / name, "H1", T0, 16, 4096)

        def fetch(gps, ifo):
            return fetch_open_strain(gps, ifo, duration=4.0, data_home=tmp_path / "home")

        bunch = load(self.TABLE, fetch, Ends(4096), ifo="H1", duration=4.0)
        assert bunch.data[:, 0, 0, 1].tolist() == [4 * 4096 + 1, 12.25 * 4096 + 1]

    def test_fetch_asks_only_for_what_is_read(self, tmp_path, monkeypatch):
        monkeypatch.setenv("SKGLITCH_HOME", str(tmp_path))
        path = tmp_path / "open_strain" / f"H-H1_GWOSC_4KHZ_R1-{T0}-16.hdf5"
        write_gwosc(path, "H1", T0, 16, 4096)
        for gps, duration in ((T0 + 8.4, 8.0), (T0 + 8.4, 5 / 4096), (T0 + 8.0, 16.0)):
            bunch = load([{"gps": gps}], fetch_open_strain, Ends(4096), ifo="H1", duration=duration)
            assert bunch.data[0, 0, 0, 1] == round((gps - T0) * 4096) + 1

    @pytest.mark.parametrize("make", [iter, np.array, pd.Series], ids=["iter", "array", "Series"])
    def test_paths_in_any_iterable(self, file, make):
        wanted = load(self.TABLE, [file], ifo="H1", duration=4.0).data
        for strain in (make([str(file)]), {"H1": make([str(file)])}):
            bunch = load(self.TABLE, strain, ifo="H1", duration=4.0)
            np.testing.assert_array_equal(bunch.data, wanted)

    def test_function_that_fails(self):
        def offline(gps, ifo):
            raise OSError("no network")

        with pytest.raises(OSError, match=r"row 0 \(GPS 1126259456\.5, H1\) .*: no network"):
            load(ROWS, offline)
        with pytest.raises(ValueError, match=r"No row .*\n  row 0"):
            load(ROWS, offline, on_error="skip")

    @pytest.mark.parametrize(
        ("table", "strain", "message"),
        [
            (
                ROWS[:1],
                series(rate=32),
                "strain of H1 is 32 Hz, but .* 16",
            ),
            (ROWS[:1], {"H1": series(rate=32)}, "sample rate of the strain of H1 is 32 Hz"),
            (ROWS[:1], lambda *_: series(rate=32), "row 0 .* of H1 is 32 Hz"),
            (ROWS[:1], series("L1"), r"row 0 \(GPS .*, H1\): there is strain of L1, not of H1"),
            (ROWS[:1], {"H1": series("L1")}, "strain of H1 that was passed is of L1"),
            (ROWS[:1], lambda *_: series("L1"), "row 0 .* strain of H1 that was passed is of L1"),
            (ROWS[:1], {}, "there is strain of no detector, not of H1"),
            (ROWS, series(""), "triggers of H1, L1, but it is unknown which"),
            (TABLE, {"H1": series(), "L1": series("L1")}, "no column of detectors"),
            (TABLE, lambda *_: series(), "no column of detectors"),
            (TABLE, np.ones(100), "An array has no sample rate"),
        ],
    )
    def test_what_is_wrong_is_named(self, table, strain, message):
        with pytest.raises(ValueError, match=message):
            load(table, strain)

    def test_frame_files(self, tmp_path):
        (tmp_path / "x.gwf").write_bytes(b"IGWD")
        with pytest.raises(ValueError, match="dataset="):
            load(self.TABLE, tmp_path / "x.gwf")


class Without:
    pass


@pytest.mark.parametrize(
    ("transformer", "options", "message"),
    [
        (Without(), {}, "has no method transform"),
        (Ends("x"), {}, "transformer.sample_rate='x' must be a positive"),
        (Ends(), {"duration": 0}, "duration=0 must be a positive"),
        (Ends(), {"batch_size": 0}, "batch_size=0 must be an integer"),
        (Ends(), {"batch_size": 1.5}, "batch_size=1.5 must be an integer"),
        (Ends(), {"on_error": "ignore"}, "on_error='ignore' is not one of"),
    ],
)
def test_bad_parameters(both, transformer, options, message):
    with pytest.raises(ValueError, match=message):
        load(ROWS, both, transformer, **options)


def test_transformer_without_sample_rate_or_with_other_output(both):
    transformer = Ends()
    del transformer.sample_rate
    with pytest.raises(ValueError, match="sample_rate"):
        load(ROWS, both, transformer)

    class Mean(Ends):
        def transform(self, strains):
            return strains.mean()

    with pytest.raises(TypeError, match=r"\(\) .* 3 "):
        load(ROWS, both, Mean())


def test_catalogued_glitches(real_data):
    """Real strain and the real transformer: as if each glitch were given to it by itself."""
    path = real_data / "strain_o3_glitches.hdf5"
    names = ["000", "001", "012"]
    transformer = QTransformer(sample_rate=4096)
    glitches = {name: load_strain(path, dataset=name) for name in names}
    with h5py.File(path) as file:
        labels = [file[name].attrs["label"] for name in names]
    # The glitches have no GPS times: here, the whole seconds tell which one it is.
    table = pd.DataFrame({"gps": [7.0, 1007.0, 12007.0], "label": labels})

    def strain(gps, ifo):
        glitch = glitches[f"{int(gps) // 1000:03d}"]
        return Strain(glitch.data, 4096, gps - 7.0)

    bunch = load(table, strain, transformer, ifo="H1", duration=8.0, batch_size=2)
    assert bunch.data.dtype == np.uint8
    assert bunch.data.shape == (3, 4, 140, 170)
    assert bunch.target.tolist() == labels
    for glitch, X in zip(glitches.values(), bunch.data, strict=True):
        alone = transformer.transform(glitch.around(7.0, 8.0)[None])[0]
        # Sums depend on the size of the batch in their last bits.
        assert np.abs(alone.astype(int) - X).max() <= 1
        assert np.mean(alone != X) < 0.01
        # The loudest is in the middle of the shortest view.
        assert abs(X[0].max(axis=0).argmax() - 85) < 20
