import pickle
import re

import numpy as np
import pytest
from PIL import Image

from skglitch._pictures import resize_energy
from skglitch.spectrograms import PictureError, read_picture

LAYOUTS = ["bare", "axes", "569x479", "black frame", "frame and white", "left and top"]


@pytest.fixture(scope="module")
def energy():
    """Many levels, differing from pixel to pixel so that any shift would show.

    Multiples of 4 leave out the upper of each two neighbors that viridis draws in one color.
    """
    return 4 * np.random.default_rng(0).integers(0, 64, (466, 566), dtype=np.uint8)


@pytest.mark.parametrize("rounded", [False, True])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_is_exact(tmp_path, draw, energy, layout, rounded):
    path = draw(tmp_path / "p.png", energy, layout=layout, rounded=rounded)
    np.testing.assert_array_equal(read_picture(path, size=None), energy)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
def test_every_color_mode_is_exact(tmp_path, draw, energy, mode):
    path = draw(tmp_path / "p.png", energy, mode=mode)
    np.testing.assert_array_equal(read_picture(path, size=None), energy)


def test_suffix_does_not_matter(tmp_path, draw):
    assert read_picture(draw(tmp_path / "p.PNG", 7), size=(2, 2)).tolist() == [[7, 7], [7, 7]]


def test_border_that_is_far_from_exact_elsewhere(tmp_path, draw, energy):
    """Of a picture whose colors were disturbed, the black frame is still told apart."""
    path = draw(tmp_path / "p.png", np.full((466, 566), 90), layout="black frame", mode="RGB")
    pixels = np.asarray(Image.open(path)).astype(int)
    inside = pixels.max(axis=2) > 40
    pixels[inside] += np.random.default_rng(1).integers(-3, 4, (int(inside.sum()), 3))
    Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(path)
    read = read_picture(path, size=None)
    assert read.shape == (466, 566)
    assert np.abs(read.astype(int) - 90).max() <= 6


def test_real_pictures_with_and_without_axes_agree(tmp_path, gravity_spy_o1, gravity_spy_o3):
    paths = [*sorted(gravity_spy_o1.glob("*/*"))[::50], *sorted(gravity_spy_o3.glob("*/*"))[::60]]
    for path in paths:
        page = np.asarray(Image.open(path))
        cut = tmp_path / "cut.png"
        Image.fromarray(page[61:540, 105:674]).save(cut, compress_level=1)
        np.testing.assert_array_equal(read_picture(path, None), read_picture(cut, None), str(path))


def test_real_picture_shows_a_loud_glitch_in_the_middle(gravity_spy_o3):
    path = sorted((gravity_spy_o3 / "Koi_Fish").iterdir())[0]
    energy = read_picture(path)
    assert energy.shape == (140, 170)
    assert energy.dtype == np.uint8
    assert energy[:, 80:90].max() == 255
    # Off the glitch whitened noise stays about its median.
    assert np.median(energy) < 30


def test_resizing_averages_energy_and_not_color(tmp_path, draw):
    """Halfway between two levels lies their mean; halfway between two colors would not."""
    stripes = np.zeros((466, 566), dtype=np.uint8)
    stripes[:, ::2] = 200
    small = read_picture(draw(tmp_path / "p.png", stripes), size=(140, 170))
    assert np.abs(small[:, 2:-2].astype(int) - 100).max() <= 12
    assert abs(small.mean() - 100) < 1


def test_resizing_does_not_ring():
    step = np.full((466, 566), 20, dtype=np.uint8)
    step[200:, 300:] = 230
    small = resize_energy(step, (140, 170))
    assert small.min() == 20
    assert small.max() == 230
    along = small[100].astype(int)
    assert (np.diff(along) >= 0).all()


def test_resizing_to_the_same_size_copies():
    energy = np.arange(6, dtype=np.uint8).reshape(2, 3)
    same = resize_energy(energy, (2, 3))
    np.testing.assert_array_equal(same, energy)
    assert not np.shares_memory(same, energy)


@pytest.mark.parametrize(("height", "width"), [(456, 556), (476, 576), (489, 579), (470, 560)])
def test_sizes_near_the_known_ones_are_read(tmp_path, height, width):
    colors = np.full((height, width, 3), (68, 1, 84), dtype=np.uint8)
    Image.fromarray(colors).save(tmp_path / "p.png")
    assert read_picture(tmp_path / "p.png", size=None).shape == (466, 566)


@pytest.mark.parametrize(("height", "width"), [(455, 566), (490, 569), (600, 799), (64, 64)])
def test_other_sizes_are_refused_by_name(tmp_path, height, width):
    path = tmp_path / "p.png"
    Image.fromarray(np.zeros((height, width, 3), dtype=np.uint8)).save(path)
    with pytest.raises(PictureError, match=f"{re.escape(str(path))}: is {width}x{height} pixels"):
        read_picture(path)


def _photograph(path):
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (466, 566, 3), np.uint8)).save(path)


def _gray(path):
    Image.fromarray(np.zeros((466, 566), np.uint8)).save(path)


def _gray_in_color(path):
    Image.fromarray(np.full((600, 800, 3), 90, np.uint8)).save(path)


def _jpeg(path):
    Image.fromarray(np.zeros((466, 566, 3), np.uint8)).save(path, format="JPEG")


def _empty(path):
    path.write_bytes(b"")


def _text(path):
    path.write_text("gravityspy_id,label\n")


def _folder(path):
    path.mkdir()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (_photograph, "colors that are not in viridis in .*% of the spectrogram"),
        (_gray, "mode 'L', but must be in color"),
        (_gray_in_color, "colors that are not in viridis in 100%"),
        (_jpeg, "is not a PNG picture"),
        (_empty, "is empty"),
        (_text, "is not a PNG picture"),
        (_folder, "cannot be read"),
        (lambda path: None, "cannot be read"),
    ],
)
def test_foreign_files_are_refused_by_name(tmp_path, make, message):
    path = tmp_path / "H1_x_spectrogram_0.5.png"
    make(path)
    with pytest.raises(PictureError, match=f"^{re.escape(str(path))}: .*{message}"):
        read_picture(path)


@pytest.mark.parametrize("share", [0.05, 0.5, 0.95, 0.999])
def test_truncated_files_are_refused(tmp_path, draw, energy, share):
    path = draw(tmp_path / "p.png", energy)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(PictureError, match="broken"):
        read_picture(path)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_flipped_bits_are_noticed(tmp_path, draw, energy, share):
    path = draw(tmp_path / "p.png", energy)
    content = bytearray(path.read_bytes())
    content[int(share * len(content))] ^= 4
    path.write_bytes(content)
    with pytest.raises(PictureError, match="broken"):
        read_picture(path)


def test_truncated_files_are_refused_whatever_pillow_is_told(tmp_path, draw, energy, monkeypatch):
    monkeypatch.setattr("PIL.ImageFile.LOAD_TRUNCATED_IMAGES", True)
    path = draw(tmp_path / "p.png", energy)
    path.write_bytes(path.read_bytes()[:-3000])
    with pytest.raises(PictureError, match="broken"):
        read_picture(path)


def test_errors_have_the_path_and_the_reason(tmp_path):
    (tmp_path / "x.png").write_bytes(b"")
    with pytest.raises(PictureError) as caught:
        read_picture(tmp_path / "x.png")
    for error in (caught.value, pickle.loads(pickle.dumps(caught.value))):
        assert (error.path, error.reason) == (str(tmp_path / "x.png"), "is empty.")
        assert str(error) == f"{tmp_path / 'x.png'}: is empty."
