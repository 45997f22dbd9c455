import os
import shutil
import warnings

import matplotlib
import numpy as np
import pytest
from PIL import Image

from skglitch import spectrograms
from skglitch.datasets import load_gravity_spy
from skglitch.spectrograms import read_picture

TWO = (1.0, 4.0)


def load(folder, **options):
    """Load with the two durations of the small tree, small, and with no warning allowed."""
    options = {"durations": TWO, "size": (6, 8), "progress": False} | options
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return load_gravity_spy(folder, **options)


def levels(data):
    """The one level that each view of the small tree is drawn in."""
    assert (data == data[..., :1, :1]).all()
    return data[..., 0, 0].tolist()


def test_bunch_of_the_small_tree(small_tree):
    bunch = load(small_tree)
    assert bunch.data.shape == (4, 2, 6, 8)
    assert bunch.data.dtype == np.uint8
    assert levels(bunch.data) == [[10, 20], [30, 40], [50, 60], [70, 80]]
    assert bunch.target.tolist() == ["Blip", "Blip", "Koi_Fish", "Koi_Fish"]
    assert bunch.target_names.tolist() == ["Blip", "Koi_Fish"]
    assert bunch.ids.tolist() == ["a1", "b2", "c3", "d4"]
    assert bunch.ifo.tolist() == ["H1", "L1", "H1", "L1"]
    assert bunch.durations == TWO
    assert bunch.filenames[1].tolist() == [
        "Blip/L1_b2_spectrogram_1.0.png",
        "Blip/L1_b2_spectrogram_4.0.png",
    ]
    assert not bunch.missing_views.any()
    assert bunch.missing_views.shape == (4, 2)
    assert bunch.folder == str(small_tree)


def test_return_X_y(small_tree):
    X, y = load(small_tree, return_X_y=True)
    assert X.shape == (4, 2, 6, 8)
    assert y.tolist() == ["Blip", "Blip", "Koi_Fish", "Koi_Fish"]


@pytest.mark.parametrize(
    ("durations", "first"), [((4.0, 1.0), [20, 10]), ([4], [20]), (None, [10, 20])]
)
def test_views_come_in_the_order_asked_for(small_tree, durations, first):
    bunch = load(small_tree, durations=durations)
    assert levels(bunch.data)[0] == first
    assert bunch.durations == tuple(durations or TWO)


def test_size_none_is_native(small_tree):
    assert load(small_tree, size=None).data.shape == (4, 2, 466, 566)


def test_real_glitches_with_four_views(gravity_spy_o1, tmp_path):
    for label in ("Blip", "Whistle"):
        (tmp_path / label).mkdir()
        for path in sorted((gravity_spy_o1 / label).iterdir())[:16]:
            (tmp_path / label / path.name).symlink_to(path)
    X, y = load_gravity_spy(tmp_path, return_X_y=True, progress=False)
    assert X.shape == (8, 4, 140, 170)
    assert y.tolist() == ["Blip"] * 4 + ["Whistle"] * 4
    bunch = load_gravity_spy(tmp_path, progress=False)
    for i, v in ((0, 0), (2, 1), (5, 2), (7, 3)):
        assert bunch.filenames[i, v].endswith(f"_{bunch.durations[v]}.png")
        np.testing.assert_array_equal(X[i, v], read_picture(tmp_path / bunch.filenames[i, v]))


def test_real_folder_with_one_view_says_what_to_pass(gravity_spy_o3):
    with pytest.raises(ValueError, match=r"0\.5 or 1\.0 or 2\.0 s; .* Pass durations=\(4\.0,\)"):
        load_gravity_spy(gravity_spy_o3)


def test_real_ids_with_dots(gravity_spy_o3, tmp_path, draw):
    name = sorted((gravity_spy_o3 / "Koi_Fish").iterdir())[0].name
    draw(tmp_path / "Koi_Fish" / name, 5)
    bunch = load(tmp_path, durations=(4.0,))
    assert bunch.ids.tolist() == [name[3:].removesuffix("_spectrogram_4.0.png")]
    assert "." in bunch.ids[0]


def test_hidden_files_tables_and_case_do_not_matter(small_tree, draw):
    (small_tree / "trainingset.csv").write_text("id,label\n")
    (small_tree / ".DS_Store").write_bytes(b"\0")
    (small_tree / "Blip" / "._H1_a1_spectrogram_1.0.png").write_bytes(b"\0")
    (small_tree / "Blip" / "notes.txt").write_text("hello")
    (small_tree / ".hidden").mkdir()
    (small_tree / "Empty").mkdir()
    draw(small_tree / "Blip" / "h1_E5_Spectrogram_1.PNG", 90)
    draw(small_tree / "Blip" / "h1_E5_Spectrogram_4.00.PNG", 100)
    bunch = load(small_tree)
    assert bunch.ids.tolist() == ["E5", "a1", "b2", "c3", "d4"]
    assert bunch.ifo[0] == "H1"
    assert levels(bunch.data)[0] == [90, 100]
    assert bunch.target_names.tolist() == ["Blip", "Koi_Fish"]


def test_flat_folder_has_no_target(small_tree):
    bunch = load(small_tree / "Blip")
    assert bunch.target is None
    assert bunch.target_names is None
    assert levels(bunch.data) == [[10, 20], [30, 40]]
    assert bunch.filenames[0, 0] == "H1_a1_spectrogram_1.0.png"
    with pytest.raises(ValueError, match="return_X_y=True"):
        load(small_tree / "Blip", return_X_y=True)


def test_picture_beside_class_folders(small_tree, draw):
    draw(small_tree / "H1_e5_spectrogram_1.0.png", 90)
    with pytest.raises(ValueError, match=r"H1_e5_spectrogram_1\.0\.png: .*outside"):
        load(small_tree)


def test_same_id_of_two_detectors_is_two_glitches(small_tree, draw):
    for duration in TWO:
        draw(small_tree / "Koi_Fish" / f"L1_a1_spectrogram_{duration}.png", 90)
    assert load(small_tree).ids.tolist() == ["a1", "b2", "a1", "c3", "d4"]


# --- folders that are of no use ---


def test_absent_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"folder=.*nowhere"):
        load(tmp_path / "nowhere")


def test_file_for_a_folder(small_tree):
    with pytest.raises(NotADirectoryError, match=r"folder=.*_1\.0\.png"):
        load(small_tree / "Blip" / "H1_a1_spectrogram_1.0.png")


def test_folders_without_pictures(tmp_path):
    with pytest.raises(ValueError, match=r"folder=.*no picture"):
        load(tmp_path)
    (tmp_path / "Blip").mkdir()
    (tmp_path / "Blip" / "list.csv").write_text("")
    with pytest.raises(ValueError, match=r"folder=.*no picture"):
        load(tmp_path)
    (tmp_path / "Blip" / "cat.png").write_bytes(b"")
    with pytest.raises(ValueError, match=r"Blip/cat\.png"):
        load(tmp_path)


def test_folder_one_too_high(small_tree):
    with pytest.raises(ValueError, match=r"folder=.* '.*glitches'"):
        load(small_tree.parent)


# --- missing views ---


def test_missing_raise_names_the_glitches(small_tree):
    (small_tree / "Blip" / "L1_b2_spectrogram_4.0.png").unlink()
    with pytest.raises(ValueError, match=r"1 of 4 .*: Blip/L1_b2 \(4\.0 s\)"):
        load(small_tree)


def test_missing_skip(small_tree):
    (small_tree / "Blip" / "L1_b2_spectrogram_4.0.png").unlink()
    with pytest.warns(UserWarning, match=r"Blip/L1_b2 \(4\.0 s\).*left out"):
        bunch = load_gravity_spy(small_tree, durations=TWO, size=(6, 8), missing="skip")
    assert bunch.ids.tolist() == ["a1", "c3", "d4"]
    assert levels(bunch.data) == [[10, 20], [50, 60], [70, 80]]


def test_missing_fill(small_tree):
    (small_tree / "Blip" / "L1_b2_spectrogram_4.0.png").unlink()
    (small_tree / "Koi_Fish" / "H1_c3_spectrogram_1.0.png").unlink()
    with pytest.warns(UserWarning, match="2 of 4 .*zeros"):
        bunch = load_gravity_spy(small_tree, durations=TWO, size=(6, 8), missing="fill")
    assert levels(bunch.data) == [[10, 20], [30, 0], [0, 60], [70, 80]]
    assert np.argwhere(bunch.missing_views).tolist() == [[1, 1], [2, 0]]
    assert bunch.filenames[1, 1] == ""


def test_glitch_without_any_of_the_durations_is_missing_too(small_tree):
    (small_tree / "Blip" / "L1_b2_spectrogram_4.0.png").unlink()
    with pytest.raises(ValueError, match=r"Blip/L1_b2 \(4\.0 s\)"):
        load(small_tree, durations=(4.0,))


def test_many_missing_are_counted(small_tree, draw):
    for i in range(8):
        draw(small_tree / "Blip" / f"H1_x{i}_spectrogram_1.0.png", 5)
    with pytest.raises(ValueError, match=r"8 of 12 .*x4 \(4\.0 s\).* 3 "):
        load(small_tree)


def test_skipping_everything_is_an_error(small_tree):
    for path in [*small_tree.glob("Blip/*1.0.png"), *small_tree.glob("Koi_Fish/*4.0.png")]:
        path.unlink()
    with (
        pytest.warns(UserWarning, match="4 of 4 .*left out"),
        pytest.raises(ValueError, match="missing='skip'"),
    ):
        load_gravity_spy(small_tree, durations=TWO, missing="skip")


# --- files of no use ---


def break_file(small_tree):
    path = small_tree / "Blip" / "L1_b2_spectrogram_4.0.png"
    path.write_bytes(path.read_bytes()[:-200])


def foreign_name(small_tree):
    shutil.copy(small_tree / "Blip" / "L1_b2_spectrogram_4.0.png", small_tree / "Blip" / "cat.png")


def foreign_picture(small_tree):
    gray = np.full((466, 566, 3), 128, np.uint8)
    Image.fromarray(gray).save(small_tree / "Blip" / "L1_b2_spectrogram_4.0.png")


def second_class(small_tree):
    for duration in TWO:
        name = f"L1_b2_spectrogram_{duration}.png"
        shutil.copy(small_tree / "Blip" / name, small_tree / "Koi_Fish" / name)


def twice(small_tree):
    name = "L1_b2_spectrogram_4"
    shutil.copy(small_tree / "Blip" / f"{name}.0.png", small_tree / "Blip" / f"{name}.png")


def dangling(small_tree):
    (small_tree / "Blip" / "L1_z_spectrogram_4.0.png").symlink_to(small_tree / "gone.png")


def deeper(small_tree):
    (small_tree / "Koi_Fish" / "L1" / ".hidden").mkdir(parents=True)
    shutil.copy(
        small_tree / "Blip" / "L1_b2_spectrogram_4.0.png",
        small_tree / "Koi_Fish" / "L1" / "L1_e5_spectrogram_4.0.png",
    )


BAD_FILES = [
    (deeper, r"Koi_Fish/L1: has 1 pictures", ["a1", "b2", "c3", "d4"]),
    (break_file, r"Blip/L1_b2_spectrogram_4\.0\.png: .*broken", ["a1", "c3", "d4"]),
    (foreign_picture, r"L1_b2_spectrogram_4\.0\.png: .*colors", ["a1", "c3", "d4"]),
    (foreign_name, r"Blip/cat\.png: .*<ifo>", ["a1", "b2", "c3", "d4"]),
    (second_class, r"L1_b2: .*\(Blip, Koi_Fish\)", ["a1", "c3", "d4"]),
    (twice, r"L1_b2_spectrogram_4\.png: shows the same view as", ["a1", "b2", "c3", "d4"]),
    (dangling, r"L1_z_spectrogram_4\.0\.png: cannot be read", ["a1", "b2", "c3", "d4"]),
]


@pytest.mark.parametrize("cache", [True, False])
@pytest.mark.parametrize(("harm", "message", "left"), BAD_FILES)
def test_bad_files_are_named(small_tree, harm, message, left, cache, recwarn):
    harm(small_tree)
    options = {"durations": TWO, "size": (6, 8), "cache": cache, "progress": False}
    with pytest.raises(ValueError, match=message):
        load_gravity_spy(small_tree, **options)
    assert not recwarn.list
    # Twice: the second answer comes from the cache, if there is one.
    for _ in range(2):
        with pytest.warns(UserWarning, match=f"1 in folder=(?s:.*){message}") as seen:
            bunch = load_gravity_spy(small_tree, on_error="skip", **options)
        assert len(seen) == 1
        assert bunch.ids.tolist() == left
        assert len(bunch.data) == len(left)
        assert levels(bunch.data)[-1] == [70, 80]
    # What may be skipped is still an error to whoever wants one.
    with pytest.raises(ValueError, match=message):
        load_gravity_spy(small_tree, **options)


def test_a_class_one_folder_deeper_does_not_vanish(small_tree):
    for folder in ("Tomte/H1/2017", "Tomte/L1"):
        shutil.copytree(small_tree / "Blip", small_tree / folder)
    both = r"(?s:Tomte/H1: has 4 pictures.*Tomte/L1: has 4 pictures)"
    with pytest.raises(ValueError, match=both):
        load(small_tree, durations=TWO)
    with pytest.warns(UserWarning, match=both):
        bunch = load_gravity_spy(small_tree, durations=TWO, on_error="skip")
    assert bunch.target_names.tolist() == ["Blip", "Koi_Fish"]


def test_pictures_below_unlabeled_ones_do_not_vanish(small_tree):
    shutil.copytree(small_tree / "Koi_Fish", small_tree / "Blip" / "more" / "of" / "them")
    with pytest.raises(ValueError, match=r"more/of: has 4 pictures"):
        load(small_tree / "Blip", durations=TWO)


def test_all_glitches_skipped_says_why(small_tree):
    shutil.rmtree(small_tree / "Koi_Fish")
    shutil.copytree(small_tree / "Blip", small_tree / "Tomte")
    for durations in (TWO, None):
        with pytest.raises(ValueError, match=r"can be used(?s:.*)L1_b2: .*\(Blip, Tomte\)"):
            load(small_tree, durations=durations, on_error="skip")


def test_error_stops_the_decoding(tmp_path, draw, monkeypatch):
    for i in range(40):
        draw(tmp_path / f"H1_{i:02}_spectrogram_4.0.png", 3)
    (tmp_path / "H1_05_spectrogram_4.0.png").write_bytes(b"")
    seen = []
    read_picture = spectrograms.read_picture

    def counting(path, size):
        seen.append(path)
        return read_picture(path, size=size)

    monkeypatch.setattr(spectrograms, "read_picture", counting)
    with pytest.raises(ValueError, match=r"H1_05_spectrogram_4\.0\.png"):
        load(tmp_path, durations=(4.0,), n_jobs=2)
    assert len(seen) < 20


def test_nothing_left(small_tree):
    for path in small_tree.glob("*/*_4.0.png"):
        path.write_bytes(b"no picture")
    with (
        pytest.warns(UserWarning, match="4 in folder="),
        pytest.raises(ValueError, match="No glitch of folder="),
    ):
        load_gravity_spy(small_tree, durations=TWO, on_error="skip")


# --- parameters ---


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"missing": "drop"}, "missing='drop' is not one of 'raise', 'skip', 'fill'"),
        ({"on_error": None}, "on_error=None is not one of 'raise', 'skip'"),
        ({"durations": ()}, r"durations=\(\) must be"),
        ({"durations": 4.0}, r"durations=4\.0 must be"),
        ({"durations": (1.0, 1)}, r"durations=\(1\.0, 1\) must be .* different"),
        ({"durations": (-1.0,)}, r"durations=\(-1\.0,\) must be .* positive"),
        ({"durations": (float("nan"),)}, "durations=.* must be"),
        ({"durations": ("1.0",)}, "durations=.* must be"),
        ({"size": 140}, "size=140 must be"),
        ({"size": (140, 0)}, r"size=\(140, 0\) must be"),
        ({"size": (140.0, 170.0)}, "size=.* must be"),
        ({"size": (1, 140, 170)}, "size=.* must be"),
        ({"cache": 3}, "cache=3 must be True, False or the path"),
    ],
)
def test_bad_parameters(small_tree, options, message):
    with pytest.raises(ValueError, match=message):
        load(small_tree, **options)


def test_some_durations_absent(small_tree):
    with pytest.raises(ValueError, match=r" 2\.0 s.*durations=\(4\.0, 1\.0\)"):
        load(small_tree, durations=(4.0, 2.0, 1.0))


# --- several at a time ---


def test_threads_do_not_change_the_result(tmp_path):
    viridis = matplotlib.colormaps["viridis"]
    rng = np.random.default_rng(0)
    for i in range(12):
        (tmp_path / "Blip").mkdir(exist_ok=True)
        colors = viridis(rng.integers(0, 256, (466, 566)), bytes=True)
        path = tmp_path / "Blip" / f"H1_{i:02}_spectrogram_4.0.png"
        Image.fromarray(colors).save(path, compress_level=1)
    results = [load(tmp_path, durations=(4.0,), cache=False, n_jobs=n).data for n in (None, 1, 4)]
    assert len({data.tobytes() for data in results}) == 1
    assert len({view.tobytes() for view in results[0]}) == 12


def test_progress_bar_stays_away_when_it_is_quick(small_tree, capsys):
    load(small_tree, cache=False, progress=True)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("progress", [True, False])
def test_progress_bar(small_tree, capsys, monkeypatch, progress):
    monkeypatch.setattr("skglitch.datasets._cache._PROGRESS_AFTER", 0)
    load(small_tree, cache=False, progress=progress)
    assert ("4/4" in capsys.readouterr().err) is progress


def test_folder_may_be_a_string_with_a_tilde(small_tree, monkeypatch):
    monkeypatch.setenv("HOME", str(small_tree.parent))
    bunch = load(os.path.join("~", small_tree.name))
    assert len(bunch.data) == 4


def test_user_without_a_home(small_tree, monkeypatch):
    def no_home(data_home=None):
        raise OSError("Could not determine home directory.")

    monkeypatch.setattr("skglitch.datasets._gravity_spy.get_data_home", no_home)
    with pytest.warns(UserWarning, match="cached .*home"):
        bunch = load_gravity_spy(small_tree, durations=TWO, size=(6, 8), progress=False)
    assert levels(bunch.data)[0] == [10, 20]
