import json
import os
import re
import signal
import subprocess
import sys
import threading
import warnings
from pathlib import Path

import numpy as np
import pytest

from skglitch import spectrograms
from skglitch.datasets import _cache, get_data_home, load_gravity_spy

TWO = (1.0, 4.0)


def load(folder, **options):
    options = {"durations": TWO, "size": (6, 8), "progress": False} | options
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return load_gravity_spy(folder, **options)


def levels(bunch):
    return bunch.data[..., 0, 0].tolist()


@pytest.fixture
def decoded(monkeypatch):
    """Names of the files that were decoded, in no order."""
    names = []
    read_picture = spectrograms.read_picture

    def counting(path, size):
        names.append(Path(path).name)
        return read_picture(path, size=size)

    monkeypatch.setattr(spectrograms, "read_picture", counting)
    return names


@pytest.fixture
def store():
    """Folder that the caches go to."""
    return get_data_home() / "gravity_spy_cache"


def names(store):
    return sorted(path.name for path in store.iterdir())


def test_second_call_maps_and_decodes_nothing(small_tree, decoded):
    first = load(small_tree)
    assert len(decoded) == 8
    second = load(small_tree)
    assert len(decoded) == 8
    assert isinstance(second.data, np.memmap)
    np.testing.assert_array_equal(first.data, second.data)
    assert second.ids.tolist() == first.ids.tolist()
    with pytest.raises(ValueError, match="read-only"):
        second.data[0] = 0


def test_cached_call_of_a_new_process_imports_no_decoder(small_tree, store):
    load(small_tree)
    code = (
        "import sys; from skglitch.datasets import load_gravity_spy\n"
        f"b = load_gravity_spy({str(small_tree)!r}, durations={TWO}, size=(6, 8))\n"
        "assert b.data.shape == (4, 2, 6, 8)\n"
        "print([m for m in ('torch', 'matplotlib', 'PIL') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_added_file(small_tree, draw, decoded):
    load(small_tree)
    decoded.clear()
    for duration, level in zip(TWO, (90, 100), strict=True):
        draw(small_tree / "Blip" / f"H1_aa_spectrogram_{duration}.png", level)
    assert levels(load(small_tree)) == [[10, 20], [90, 100], [30, 40], [50, 60], [70, 80]]
    assert sorted(decoded) == ["H1_aa_spectrogram_1.0.png", "H1_aa_spectrogram_4.0.png"]


def test_changed_file(small_tree, draw, decoded):
    before = load(small_tree)
    decoded.clear()
    path = small_tree / "Koi_Fish" / "H1_c3_spectrogram_4.0.png"
    size = path.stat().st_size
    draw(path, 200)
    assert path.stat().st_size - size in range(-400, 400)
    os.utime(path, ns=(1, 1))
    assert levels(load(small_tree)) == [[10, 20], [30, 40], [50, 200], [70, 80]]
    assert decoded == [path.name]
    # The array that was replaced stays good for whoever still holds it.
    assert levels(before) == [[10, 20], [30, 40], [50, 60], [70, 80]]


def test_change_of_time_alone_is_noticed(small_tree, decoded):
    load(small_tree)
    decoded.clear()
    path = small_tree / "Koi_Fish" / "H1_c3_spectrogram_4.0.png"
    os.utime(path, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns + 1000))
    load(small_tree)
    assert decoded == [path.name]


def test_removed_and_renamed_files(small_tree, decoded):
    load(small_tree)
    decoded.clear()
    for duration in TWO:
        (small_tree / "Blip" / f"H1_a1_spectrogram_{duration}.png").unlink()
    bunch = load(small_tree)
    assert levels(bunch) == [[30, 40], [50, 60], [70, 80]]
    assert decoded == []
    (small_tree / "Koi_Fish").rename(small_tree / "Tomte")
    bunch = load(small_tree)
    assert bunch.target.tolist() == ["Blip", "Tomte", "Tomte"]
    assert levels(bunch) == [[30, 40], [50, 60], [70, 80]]


def test_repaired_file_is_read_again(small_tree, draw):
    path = small_tree / "Blip" / "H1_a1_spectrogram_1.0.png"
    path.write_bytes(b"nothing")
    with pytest.warns(UserWarning, match=r"H1_a1_spectrogram_1\.0\.png"):
        load_gravity_spy(small_tree, durations=TWO, size=(6, 8), on_error="skip")
    draw(path, 10)
    assert levels(load(small_tree)) == [[10, 20], [30, 40], [50, 60], [70, 80]]


def test_settings_have_caches_of_their_own(small_tree, decoded, store):
    load(small_tree)
    assert load(small_tree, durations=(4.0, 1.0)).data[0, :, 0, 0].tolist() == [20, 10]
    assert load(small_tree, size=(3, 4)).data.shape == (4, 2, 3, 4)
    assert len(decoded) == 24
    load(small_tree)
    assert len(decoded) == 24
    assert len(list(store.glob("*.json"))) == len(list(store.glob("*.npy"))) == 3


def test_caches_of_two_folders_do_not_mix(tmp_path, draw):
    for level, parent in ((11, "a"), (22, "b")):
        draw(tmp_path / parent / "set" / "Blip" / "H1_x_spectrogram_4.0.png", level)
    assert levels(load(tmp_path / "a" / "set", durations=(4.0,))) == [[11]]
    assert levels(load(tmp_path / "b" / "set", durations=(4.0,))) == [[22]]


def test_replaced_arrays_do_not_pile_up(small_tree, draw, store):
    for level in (1, 2, 3):
        draw(small_tree / "Blip" / "H1_a1_spectrogram_1.0.png", level)
        os.utime(small_tree / "Blip" / "H1_a1_spectrogram_1.0.png", ns=(level, level))
        load(small_tree)
    assert len(names(store)) == 2


def test_remains_of_old_interruptions_are_swept(small_tree, store):
    load(small_tree)
    array = next(store.glob("*.npy"))
    key = next(store.glob("*.json")).stem
    old, young = store / f"{key}-old.npy.tmp", store / f"{key}-young.npy.tmp"
    old.write_bytes(b"")
    young.write_bytes(b"")
    os.utime(old, (0, 0))
    array.unlink()
    load(small_tree)
    assert young.exists()
    assert not old.exists()


def test_cache_false_writes_nothing(small_tree, store):
    bunch = load(small_tree, cache=False)
    assert not store.exists()
    assert not isinstance(bunch.data, np.memmap)
    bunch.data[0] = 0


def test_cache_path(small_tree, tmp_path, store):
    load(small_tree, cache=tmp_path / "deep" / "mine")
    assert len(names(tmp_path / "deep" / "mine")) == 2
    assert not store.exists()


def test_data_folder_stays_untouched(small_tree):
    before = sorted(map(str, small_tree.rglob("*")))
    load(small_tree)
    assert sorted(map(str, small_tree.rglob("*"))) == before


@pytest.mark.parametrize("when", ["decoding", "publishing"])
def test_interruption_leaves_no_cache(small_tree, store, monkeypatch, when):
    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        if when == "decoding":
            read_picture = spectrograms.read_picture

            def interrupt_later(path, size):
                if path.name == "H1_c3_spectrogram_1.0.png":
                    raise KeyboardInterrupt
                return read_picture(path, size=size)

            patch.setattr(spectrograms, "read_picture", interrupt_later)
        else:
            patch.setattr(os, "replace", interrupt)
        with pytest.raises(KeyboardInterrupt):
            load(small_tree)
    assert names(store) == []
    assert levels(load(small_tree)) == [[10, 20], [30, 40], [50, 60], [70, 80]]


def test_interrupted_renewal_keeps_the_old_cache(small_tree, draw, store, monkeypatch):
    load(small_tree)
    before = names(store)
    draw(small_tree / "Blip" / "H1_zz_spectrogram_1.0.png", 90)
    broken = draw(small_tree / "Blip" / "H1_zz_spectrogram_4.0.png", 90)
    broken.write_bytes(b"")
    with pytest.raises(ValueError, match="is empty"):
        load(small_tree)
    assert names(store) == before


@pytest.mark.parametrize(
    "harm",
    [
        lambda sidecar, array: sidecar.write_text("{"),
        lambda sidecar, array: sidecar.write_text("[]"),
        lambda sidecar, array: sidecar.write_text('{"format": 1}'),
        lambda sidecar, array: array.unlink(),
        lambda sidecar, array: array.write_bytes(array.read_bytes()[:-10]),
        lambda sidecar, array: array.write_bytes(b""),
        lambda sidecar, array: np.save(array, np.zeros((4, 2, 6, 8))),
        lambda sidecar, array: np.save(array, np.zeros((3, 2, 6, 8), np.uint8)),
        lambda sidecar, array: _edit(sidecar, format=0),
        # NumPy reads the header as Python, whose errors are of other types.
        lambda sidecar, array: array.write_bytes(array.read_bytes().replace(b"), }", b", {  ")),
    ],
)
def test_damaged_cache_is_made_anew(small_tree, store, decoded, harm):
    load(small_tree)
    harm(next(store.glob("*.json")), next(store.glob("*.npy")))
    assert levels(load(small_tree)) == [[10, 20], [30, 40], [50, 60], [70, 80]]
    assert len(decoded) == 16
    load(small_tree)
    assert len(decoded) == 16


def _edit(sidecar, **changes):
    sidecar.write_text(json.dumps(json.loads(sidecar.read_text()) | changes))


def test_cache_that_cannot_be_made(small_tree, tmp_path):
    """A file stands where the folder should be, which stops even root."""
    (tmp_path / "taken").write_text("")
    with pytest.warns(UserWarning, match="cached .*taken") as seen:
        bunch = load_gravity_spy(
            small_tree, durations=TWO, size=(6, 8), cache=tmp_path / "taken", progress=False
        )
    assert len(seen) == 1
    assert levels(bunch) == [[10, 20], [30, 40], [50, 60], [70, 80]]
    bunch.data[0] = 0


@pytest.mark.parametrize("room", [100, 128 + 2 * 96 + 50])
def test_full_disk(small_tree, store, room):
    """The disk takes the first bytes, a part of the third row among them, and no more."""
    resource = pytest.importorskip("resource")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, limits[1]))
    try:
        with pytest.warns(UserWarning, match="File too large") as seen:
            bunch = load_gravity_spy(small_tree, durations=TWO, size=(6, 8), progress=False)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert len(seen) == 1
    assert levels(bunch) == [[10, 20], [30, 40], [50, 60], [70, 80]]
    assert names(store) == []


@pytest.mark.parametrize("nth", [1, 2])
def test_disk_that_fails_when_publishing(small_tree, store, monkeypatch, nth):
    replace = os.replace
    calls = []

    def fails(source, target):
        calls.append(source)
        if len(calls) == nth:
            raise OSError(28, "No space left on device")
        replace(source, target)

    monkeypatch.setattr(os, "replace", fails)
    with pytest.warns(UserWarning, match="No space"):
        bunch = load_gravity_spy(small_tree, durations=TWO, size=(6, 8), progress=False)
    assert levels(bunch) == [[10, 20], [30, 40], [50, 60], [70, 80]]
    assert names(store) == []


def test_several_at_once(small_tree, store):
    """Whoever comes first: all get the right views, and a whole cache is left."""
    results = []

    def run():
        bunch = load_gravity_spy(small_tree, durations=TWO, size=(6, 8), progress=False)
        results.append(levels(bunch))

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [[[10, 20], [30, 40], [50, 60], [70, 80]]] * 4
    sidecar = json.loads(next(store.glob("*.json")).read_text())
    assert (store / sidecar["array"]).exists()


def test_header_has_room_for_any_number_of_rows(tmp_path):
    lengths = set()
    for n_rows in (1, 10**9, 10**15):
        with open(tmp_path / "header", "wb") as stream:
            _cache.write_header(stream, "|u1", (n_rows, 4, 3, 2))
            lengths.add(stream.tell())
    assert len(lengths) == 1


def test_broken_files_leave_no_empty_rows(small_tree, store):
    (small_tree / "Blip" / "H1_a1_spectrogram_1.0.png").write_bytes(b"nothing")
    for _ in range(2):
        with pytest.warns(UserWarning, match=r"H1_a1_spectrogram_1\.0\.png"):
            bunch = load_gravity_spy(
                small_tree, durations=TWO, size=(6, 8), on_error="skip", progress=False
            )
        assert isinstance(bunch.data, np.memmap)
        assert levels(bunch) == [[30, 40], [50, 60], [70, 80]]
    assert next(store.glob("*.npy")).stat().st_size == 128 + 3 * 96


def test_data_home(monkeypatch, tmp_path):
    monkeypatch.setenv("SKGLITCH_HOME", str(tmp_path / "own"))
    assert get_data_home() == tmp_path / "own"
    assert get_data_home(tmp_path) == tmp_path
    monkeypatch.delenv("SKGLITCH_HOME")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert get_data_home() == tmp_path / "xdg" / "skglitch"
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert get_data_home() == tmp_path / ".cache" / "skglitch"


def test_data_home_without_a_home(monkeypatch):
    def no_home(path):
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "expanduser", no_home)
    with pytest.raises(OSError, match="SKGLITCH_HOME"):
        get_data_home()


def test_cache_is_named_after_the_folder(small_tree, store):
    load(small_tree)
    assert all(re.match(r"glitches-[0-9a-f]{16}", name) for name in names(store))
