import matplotlib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from skglitch.spectrograms._colormap import colors_to_energy

VIRIDIS = matplotlib.colormaps["viridis"]
energies = arrays(np.uint8, array_shapes(min_dims=2, max_dims=2, max_side=12))


def lowest(energy, draw_colors):
    """Of levels drawn in the same color, which nobody can tell apart, the lowest."""
    colors = draw_colors(np.arange(256))
    same = (colors[:, None] == colors).all(axis=-1)
    assert np.count_nonzero(same) == 256 + 2 * 2  # two pairs
    return same.argmax(axis=1)[energy]


def rounded(energy):
    return np.round(255 * VIRIDIS(energy)).astype(np.uint8)


def truncated(energy):
    return VIRIDIS(energy, bytes=True)


@given(energies, st.sampled_from([3, 4]))
def test_rounded_colors_give_the_energy_back(energy, channels):
    decoded = colors_to_energy(rounded(energy)[..., :channels])
    np.testing.assert_array_equal(decoded.energy, lowest(energy, rounded))
    assert decoded.exact.all()
    assert not decoded.foreign.any()


@given(energies)
def test_truncated_colors_give_the_energy_back_within_one_level(energy):
    decoded = colors_to_energy(truncated(energy))
    # Seven colors of this table are those of a neighbor in the other: with nothing else
    # in the picture to tell the tables apart, one level is what it may be off.
    assert np.abs(decoded.energy.astype(int) - energy).max() <= 1
    assert not decoded.foreign.any()


@given(energies)
def test_truncated_colors_are_exact_once_a_color_tells_the_table(energy):
    telling = np.concatenate([energy, np.full((energy.shape[0] + 1, energy.shape[1]), 60, "u1")])
    decoded = colors_to_energy(truncated(telling))
    np.testing.assert_array_equal(decoded.energy, lowest(telling, truncated))


@pytest.mark.parametrize("draw_colors", [rounded, truncated])
def test_every_level_is_exact(draw_colors):
    energy = np.arange(256, dtype=np.uint8).reshape(16, 16)
    decoded = colors_to_energy(draw_colors(energy))
    np.testing.assert_array_equal(decoded.energy, lowest(energy, draw_colors))


@given(arrays(np.uint8, (4, 5, 3)))
def test_any_color_gets_the_nearest_of_the_table(colors):
    decoded = colors_to_energy(colors)
    tables = [draw_colors(np.arange(256))[:, :3].astype(float) for draw_colors in
              (rounded, truncated)]  # fmt: skip
    distances = [
        np.linalg.norm(colors[:, :, None].astype(float) - table, axis=-1) for table in tables
    ]
    chosen = [np.take_along_axis(d, decoded.energy[..., None].astype(int), -1)[..., 0]
              for d in distances]  # fmt: skip
    assert any(np.allclose(c, d.min(-1)) for c, d in zip(chosen, distances, strict=True))
    far = [d.min(-1) > 24 for d in distances]
    assert any((decoded.foreign == f).all() for f in far)


def test_color_a_step_off_is_not_exact_but_not_foreign():
    colors = rounded(np.full((3, 3), 128))[..., :3].copy()
    colors[1, 1] += np.array([3, 0, 2], dtype=np.uint8)
    decoded = colors_to_energy(colors)
    assert decoded.exact.sum() == 8
    assert not decoded.exact[1, 1]
    assert not decoded.foreign.any()
    assert abs(int(decoded.energy[1, 1]) - 128) <= 2


@pytest.mark.parametrize("gray", [0, 60, 128, 255])
def test_grays_are_foreign(gray):
    assert colors_to_energy(np.full((2, 2, 3), gray, dtype=np.uint8)).foreign.all()


def test_alpha_is_not_read():
    opaque = truncated(np.arange(256).reshape(16, 16))
    clear = opaque.copy()
    clear[..., 3] = 0
    np.testing.assert_array_equal(colors_to_energy(opaque).energy, colors_to_energy(clear).energy)


def test_more_colors_than_a_chunk_holds():
    levels = np.arange(0, 256, 8, dtype=np.uint8)
    cube = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(32, -1, 3)
    all_at_once = colors_to_energy(cube).energy
    one_by_one = [colors_to_energy(cube[i : i + 1]).energy[0] for i in range(0, 32, 8)]
    difference = np.abs(all_at_once[::8].astype(int) - np.array(one_by_one))
    assert np.mean(difference > 1) < 0.05  # the parts may settle on the other table


@pytest.mark.parametrize(
    "colors",
    [
        np.zeros((4, 4, 3)),
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 2), np.uint8),
        np.zeros((2, 4, 4, 3), np.uint8),
    ],
)
def test_wrong_arrays_are_refused(colors):
    with pytest.raises(ValueError, match="uint8"):
        colors_to_energy(colors)
