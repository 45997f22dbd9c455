import io
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


@pytest.fixture(scope="module")
def page(energy, draw, tmp_path_factory):
    """Pixels of a picture of 800x600 with axes."""
    path = draw(tmp_path_factory.mktemp("page") / "p.png", energy, layout="axes", mode="RGB")
    return np.asarray(Image.open(path))


@pytest.fixture
def save(tmp_path):
    def save_pixels(pixels):
        path = tmp_path / "moved.png"
        Image.fromarray(pixels).save(path, compress_level=1)
        return path

    return save_pixels


@pytest.mark.parametrize(
    "move",
    [
        lambda page: np.roll(page, -40, axis=0),
        lambda page: np.roll(page, (37, 101), axis=(0, 1)),
        lambda page: np.pad(page, ((50, 3), (0, 220), (0, 0)), constant_values=255),
        lambda page: np.pad(page, ((0, 700), (400, 0), (0, 0))),
        lambda page: page[30:580, 71:711],
        lambda page: page[49:550, 88:680],
        lambda page: page.repeat(2, axis=0).repeat(2, axis=1),
        lambda page: np.roll(page, 20, axis=0).repeat(3, axis=0).repeat(3, axis=1),
    ],
    ids=["up", "down and right", "white rim", "black rim", "cut", "cut closely", "2x", "3x"],
)
def test_axes_that_lie_elsewhere_are_found(save, page, energy, move):
    np.testing.assert_array_equal(read_picture(save(move(page)), size=None), energy)


@pytest.mark.parametrize(
    ("figsize", "rescaled"), [((6, 4.5), False), ((6, 4.5), True), ((12, 7), False)]
)
def test_axes_of_figures_of_other_sizes_are_found(tmp_path, figsize, rescaled):
    """The energies of a smooth ramp are where the axes say, in figures as matplotlib makes them."""
    import matplotlib
    from matplotlib.figure import Figure

    ramp = np.add.outer(np.linspace(0, 15, 479), np.linspace(10, 0, 573))
    # gwpy changes the defaults when it is imported.
    with matplotlib.rc_context(matplotlib.rcParamsDefault):
        figure = Figure(figsize)
        axes = figure.add_subplot()
        mesh = axes.imshow(ramp, vmin=0, vmax=25.5, aspect="auto", extent=(-2, 2, 10, 2048))
        figure.colorbar(mesh)
        figure.savefig(tmp_path / "p.png")
    if rescaled:
        Image.open(tmp_path / "p.png").resize((800, 600)).save(tmp_path / "p.png")
    read = read_picture(tmp_path / "p.png").astype(float)
    wanted = resize_energy((10 * ramp[5:471, 4:570]).astype(np.uint8), (140, 170))
    assert np.abs(read - wanted).max() <= 4
    assert np.abs(read - wanted).mean() < 1


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda page: page[75:], "800x525 pixels .* cut off at the top"),
        (lambda page: np.roll(page, -100, axis=0), "800x600 pixels .* cut off at the top"),
        (lambda page: page[:, 120:], "680x600 pixels .* cut off at the left"),
        (lambda page: np.hstack([page, page]), "several areas in viridis"),
        (lambda page: np.vstack([page, page]), "several areas in viridis"),
        (lambda page: page[::3, ::3], "the largest area in viridis is 191x159"),
        (lambda page: np.full_like(page, 255), "none of it is in viridis"),
        (lambda page: page[66:532, 105:671].repeat(2, axis=0), "566x932 pixels"),
        (lambda page: np.tile(page, (4, 1, 1)), "800x2400 pixels .* at most 2400x1800"),
        # A picture without axes by its size, but with the rim of one with axes.
        (lambda page: page[40:519, 80:649], "not in viridis in .*%"),
        (lambda page: page[45:524, 88:657], "463 rows inside its frame, but must have 466"),
        (lambda page: page[61:540, 128:697], "not in viridis in .*%"),
    ],
    ids=lambda value: value.replace(" .*", "")[:24] if isinstance(value, str) else "",
)
def test_axes_that_cannot_be_located_are_refused(save, page, spoil, message):
    with pytest.raises(PictureError, match=message):
        read_picture(save(spoil(page)))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda page: page.__setitem__((300, slice(101, 674)), 176),
        lambda page: page.__setitem__((slice(61, 540), slice(300, 303)), 255),
        lambda page: page.__setitem__((slice(100, 120), slice(200, 230)), 255),
    ],
    ids=["row of a grid", "column of a grid", "label"],
)
@pytest.mark.parametrize("layout", ["axes", "bare"])
def test_other_things_drawn_over_the_spectrogram_are_refused(save, page, spoil, layout):
    drawn = page.copy()
    spoil(drawn)
    with pytest.raises(PictureError, match=r"other colors in|not in viridis in"):
        read_picture(save(drawn if layout == "axes" else drawn[66:532, 105:671]))


def _copy(image, **options):
    stream = io.BytesIO()
    image.save(stream, **options)
    return Image.open(stream)


@pytest.mark.parametrize(
    ("copy", "error"),
    [
        (lambda image: _copy(image.quantize(256), format="GIF"), 0.1),
        (lambda image: _copy(image.quantize(64), format="GIF"), 1),
        (lambda image: _copy(image, format="JPEG", quality=95), 3),
        (lambda image: _copy(image, format="JPEG", quality=75), 4),
    ],
    ids=["GIF of 256 colors", "GIF of 64 colors", "JPEG 95", "JPEG 75"],
)
def test_real_pictures_that_were_gif_or_jpeg_are_read(save, real_data, copy, error):
    paths = sorted(real_data.glob("gravity_spy_*/*/*"))
    for path, shift in ((paths[0], 0), (paths[300], 0), (paths[-1], -40)):
        image = Image.fromarray(np.roll(Image.open(path).convert("RGB"), shift, axis=0))
        read = read_picture(save(np.asarray(copy(image).convert("RGB"))), size=None)
        assert np.abs(read.astype(int) - read_picture(path, size=None)).mean() < error, path


BOXES = {
    "axes": (0, 0, 800, 600),
    "569x479": (105, 61, 674, 540),
    "whole plot": (101, 61, 674, 540),
    "black frame": (100, 60, 675, 541),
    "frame and white": (99, 59, 676, 542),
    "left and top": (100, 60, 673, 539),
}


@pytest.mark.parametrize(
    ("layout", "quality"), [*((layout, 75) for layout in BOXES), ("frame and white", 90)]
)
def test_blurred_frame_is_found_to_the_pixel(save, gravity_spy_o1, gravity_spy_o3, layout, quality):
    """Of black and gray frames, and beside a bright line that blur makes foreign."""
    paths = [
        sorted(gravity_spy_o1.glob("*/*"))[7],
        gravity_spy_o3 / "Scattered_Light/L1_1253533999.375000000_spectrogram_4.0.png",
    ]
    for path in paths:
        image = Image.open(path).convert("RGB").crop(BOXES[layout])
        read = read_picture(save(np.asarray(_copy(image, format="JPEG", quality=quality))), None)
        # Any shift makes a larger difference.
        wanted = read_picture(path, None).astype(int)
        errors = [
            np.abs(np.roll(read, move, axis=(0, 1)) - wanted).mean()
            for move in ((0, 0), (0, 1), (0, -1), (1, 0), (-1, 0), (5, 0), (-5, 0), (0, -2))
        ]
        assert np.argmin(errors) == 0, (path, errors)


def test_blurred_bright_lines_are_not_the_frame(save, real_data):
    folder = real_data / "gravity_spy_22"
    for name in (
        "Wandering_Line/H1_Iv7TfUinPg_spectrogram_2.0.png",
        "Low_Frequency_Lines/H1_b13AmAknRK_spectrogram_2.0.png",
    ):
        image = Image.open(folder / name).convert("RGB")
        read = read_picture(save(np.asarray(_copy(image, format="JPEG", quality=75))), None)
        wanted = read_picture(folder / name, None)
        assert np.corrcoef(read.ravel(), wanted.ravel())[0, 1] > 0.97


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
        (_gray_in_color, "800x600 pixels .* none of it is in viridis"),
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
