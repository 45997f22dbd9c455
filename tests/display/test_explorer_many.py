"""The explorer's page in a browser with many glitches and classes: what is found and seen."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.path import Path as Polygon

from skglitch.display import EmbeddingExplorer

from .conftest import class_names
from .test_explorer_browser import Page, hex_of

N_MANY = 50_000


def make_many():
    """Places in clusters of 22 classes, where some glitches have no label."""
    rng = np.random.default_rng(0)
    numbers = rng.integers(0, 22, N_MANY)
    centers = 10 * rng.normal(size=(22, 2))
    labels = class_names(22)[numbers].astype(object)
    labels[rng.random(N_MANY) < 0.1] = None
    return (centers[numbers] + rng.normal(size=(N_MANY, 2))).astype(np.float32), labels


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    path = tmp_path_factory.mktemp("many") / "explorer.html"
    coordinates, labels = make_many()
    ids = [f"glitch-{row:05}" for row in range(N_MANY)]
    EmbeddingExplorer(coordinates, labels, ids=ids).write(path)
    return path, coordinates, labels, ids


@pytest.fixture
def page(browser, many):
    page = Page(browser, many[0])
    yield page
    assert page.complaints() == []


def on_screen(page, coordinates):
    """Where glitches are on the canvas, and the canvas in the window."""
    scale, x, y, width, height = page.ask("[view.scale, view.x, view.y, size.width, size.height]")
    # What the page takes for the middle of the map, in the numbers that it reads.
    middle = (coordinates.min(axis=0).astype(float) + coordinates.max(axis=0)) / 2
    x_screen = (coordinates[:, 0] - middle[0] - x) * scale + width / 2
    y_screen = height / 2 - (coordinates[:, 1] - middle[1] - y) * scale
    box = page.ask("canvas.getBoundingClientRect().toJSON()")
    return np.c_[x_screen, y_screen], np.array([box["left"], box["top"]])


def test_all_are_there(page, many):
    assert page.ask("byId('count').textContent") == "50,000 glitches"
    listed = page.ask("groups.map((group) => [group.name, group.count])")
    _, _, labels, _ = many
    expected = [[name, int((labels == name).sum())] for name in class_names(22)]
    assert listed == [*expected, ["no label", sum(label is None for label in labels)]]


def test_the_glitch_under_the_pointer_is_the_nearest(page, many):
    _, coordinates, _, ids = many
    at, corner = on_screen(page, coordinates)
    rng = np.random.default_rng(1)
    found = 0
    for x, y in [*np.rint(at[rng.integers(0, N_MANY, 6)]), *rng.uniform(100, 700, (6, 2)).round()]:
        page.mouse("Moved", *(np.array([x, y]) + corner).tolist())
        page.settle()
        away = np.linalg.norm(at - [x, y], axis=1)
        row = page.ask("marks.hovered")
        if away.min() > 10:
            assert row == -1
            continue
        found += 1
        assert away[row] == pytest.approx(away.min(), abs=1e-2)
        page.wait("!byId('tip').hidden")
        assert page.ask("byId('tip').querySelector('h2').textContent") == ids[row]
    assert found >= 6


def test_a_line_selects_what_lies_within(page, many):
    _, coordinates, labels, ids = many
    at, corner = on_screen(page, coordinates)
    width, height = page.ask("[size.width, size.height]")
    # A star, which is not convex, around the middle of the map.
    angles = np.linspace(0, 2 * np.pi, 11)[:-1]
    radius = np.where(np.arange(10) % 2, 0.15, 0.45) * min(width, height)
    star = np.c_[np.cos(angles), np.sin(angles)] * radius[:, None] + [width / 2, height / 2]
    star = star.round()
    inside = Polygon(np.vstack([star, star[:1]]), closed=True).contains_points(at)
    page.click("#mode-lasso")
    page.drag(*(star + corner).tolist())
    assert 1000 < inside.sum() < N_MANY / 2
    assert page.ask("selection") == np.flatnonzero(inside).tolist()
    assert page.ask("byId('selected').textContent") == f"{inside.sum():,} glitches selected"
    # Only what is shown is meant, and all of it is exported.
    name = labels[inside & (labels != None)][0]  # noqa: E711
    page.click("#none")
    page.legend(name)
    page.drag(*(star + corner).tolist())
    rows = np.flatnonzero(inside & (labels == name))
    assert page.ask("selection") == rows.tolist()
    assert page.ask("idLines()").split() == [ids[row] for row in rows]


def test_classes_are_filtered(page, many):
    _, _, labels, _ = many
    page.legend("Blip")
    is_shown = page.ask("Array.from({ length: n }, (_, i) => isShown(i))")
    assert (np.array(is_shown) == (labels != "Blip")).all()
    left = int((labels != "Blip").sum())
    assert page.ask("byId('count').textContent") == f"{left:,} of 50,000 glitches"
    page.click("#select-shown")
    assert page.ask("selection.length") == left


def test_ids_are_found(page):
    page.keys("#search", "glitch-4321")
    assert page.ask("byId('found').innerText").split("\n")[:2] == [
        "10 glitches, the first 8:",
        "glitch-43210",
    ]


@pytest.fixture
def overlapping(browser, tmp_path):
    """Two classes and what has no label, in rows of either order, all at one place."""
    labels = ["Tomte", "Blip", None, None]
    EmbeddingExplorer([[0, 0], [0, 0], [0, 0], [1, 1]], labels).write(tmp_path / "e.html")
    return Page(browser, tmp_path / "e.html")


def test_what_has_no_label_lies_beneath(overlapping):
    assert hex_of(overlapping.pixel(2)) == overlapping.ask("groups[0].color")
    assert hex_of(overlapping.pixel(3)) == overlapping.ask("GREY").upper()


def test_the_class_that_is_pointed_at_stands_out(overlapping):
    page = overlapping

    def point_at(name):
        box = page.ask(
            "[...document.querySelectorAll('#legend button')].find((button) => "
            f"button.textContent.startsWith('{name}')).getBoundingClientRect().toJSON()"
        )
        page.mouse("Moved", round(box["left"] + 30), round(box["top"] + 5))
        page.settle()

    colors = page.ask("groups.map((group) => group.color)")
    point_at("Tomte")
    assert hex_of(page.pixel(0)) == colors[1]
    # What has no label has lost its color.
    assert min(page.pixel(3)[:3]) > 200
    page.mouse("Moved", 20, 500)
    assert hex_of(page.pixel(0)) == colors[0]
    assert hex_of(page.pixel(3)) == colors[2].upper()
    # By keys too, but not one that is hidden.
    page.driver.execute_script("byId('none').focus()")
    page.driver.switch_to.active_element.send_keys("\ue004", "\ue004")
    assert hex_of(page.pixel(0)) == colors[1]
    page.driver.switch_to.active_element.send_keys(" ")
    assert hex_of(page.pixel(0)) == colors[0]
    assert hex_of(page.pixel(3)) == colors[2].upper()
    assert page.complaints() == []


def test_markers_that_overlap_are_parted_by_a_rim(browser, tmp_path):
    # Two circles, the second of which covers part of the first.
    EmbeddingExplorer([[0, 0], [0.011, 0], [1, 1]], ["a"] * 3).write(tmp_path / "e.html")
    page = Page(browser, tmp_path / "e.html")
    page.settle()
    (x, y), (right, _) = page.ask("[toScreen(0), toScreen(1)]")
    assert 6 < right - x < 9
    line = page.ask(f"Array.from(context.getImageData({x}, {y}, {right - x}, 1).data)")
    red = np.array(line).reshape(-1, 4)[:, 0]
    color = int(page.ask("groups[0].color")[1:3], 16)
    assert red[0] == red[-1] == color
    assert red.max() > color + 60


@pytest.mark.parametrize(("width", "height"), [(1400, 900), (800, 600), (1000, 500)])
def test_cards_leave_some_of_the_map_to_be_seen(browser, tmp_path, width, height):
    rng = np.random.default_rng(0)
    EmbeddingExplorer(
        rng.normal(size=(30, 2)),
        class_names(10)[np.arange(30) % 10],
        X=rng.integers(0, 255, (30, 4, 140, 170), dtype=np.uint8),
        about={"cluster": np.arange(30) % 3, "snr": rng.random(30)},
    ).write(tmp_path / "e.html")
    page = Page(browser, tmp_path / "e.html", width, height)
    stage = page.ask("byId('stage').getBoundingClientRect().toJSON()")
    page.mouse("Moved", *page.place(0))
    for card, show in (("tip", "null"), ("pin", "pin(1)")):
        page.ask(show)
        page.wait(f"!byId('{card}').hidden")
        box = page.ask(f"byId('{card}').getBoundingClientRect().toJSON()")
        assert box["width"] < 0.72 * stage["width"]
        assert box["bottom"] <= stage["bottom"]
        assert page.ask(f"byId('{card}').scrollHeight <= byId('{card}').clientHeight")
    assert page.complaints() == []


@pytest.mark.parametrize("height", [900, 600])
def test_the_selection_has_no_scroll_bar_while_it_is_empty(browser, many, height):
    page = Page(browser, many[0], 1400, height)
    assert page.ask("byId('legend').scrollHeight > byId('legend').clientHeight")
    assert page.ask("byId('selection').scrollHeight <= byId('selection').clientHeight")
