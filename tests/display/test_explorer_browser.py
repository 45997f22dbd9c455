"""The explorer's page in a browser: what pointers, keys and names of any kind do."""

from __future__ import annotations

import csv
import io
import time

import numpy as np
import pytest

from skglitch.display import EmbeddingExplorer

from .test_explorer import EVIL

# Four glitches at the corners of a square, in the order of rows, and one in the middle.
SQUARE = np.array([[-1, 1], [1, 1], [-1, -1], [1, -1], [0, 0]])
IDS = ["north-west", "north-east", "south-west", "south-east", "middle"]
LABELS = ["Blip", "Blip", "Tomte", "Tomte", None]
CLUSTERS = [0, 1, 0, 1, -1]


class Page:
    """A page with the explorer, which a user sits at."""

    def __init__(self, driver, path, width=1400, height=900):
        self.driver = driver
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
        driver.get_log("browser"), driver.get_log("performance")
        driver.get(path.as_uri())
        self.settle()

    def ask(self, expression):
        return self.driver.execute_script(f"return {expression}")

    def settle(self):
        """Wait until two frames are drawn: what was asked for is on the screen."""
        self.driver.execute_async_script(
            "const done = arguments[0]; requestAnimationFrame(() => requestAnimationFrame(done))"
        )

    def wait(self, expression):
        until = time.monotonic() + 10
        while not self.ask(expression):
            assert time.monotonic() < until, expression
            time.sleep(0.02)

    def click(self, selector):
        self.driver.find_element("css selector", selector).click()
        self.settle()

    def keys(self, selector, *keys):
        self.driver.find_element("css selector", selector).send_keys(*keys)
        self.settle()

    def legend(self, name):
        """Press what a class is filtered by."""
        buttons = self.driver.find_elements("css selector", "#legend button")
        next(button for button in buttons if button.text.startswith(name)).click()
        self.settle()

    def place(self, row):
        """Where a glitch is in the window."""
        x, y = self.ask(f"toScreen({row})")
        box = self.ask("canvas.getBoundingClientRect().toJSON()")
        return round(x + box["left"]), round(y + box["top"])

    def mouse(self, kind, x, y, **more):
        event = {"type": f"mouse{kind}", "x": x, "y": y, "button": "left", **more}
        event |= {"clickCount": 0 if kind == "Moved" else 1, "pointerType": "mouse"}
        self.driver.execute_cdp_cmd("Input.dispatchMouseEvent", event)

    def drag(self, *path, **more):
        """Press, move through places of the window, and let go."""
        self.mouse("Pressed", *path[0], **more)
        for x, y in path[1:]:
            self.mouse("Moved", x, y, buttons=1, **more)
        self.mouse("Released", *path[-1], **more)
        self.settle()

    def selected(self):
        return self.ask("selection.map((i) => data.ids[i])")

    def shown(self):
        return self.ask("data.ids.filter((_, i) => isShown(i))")

    def pixel(self, row):
        """The color in the middle of a glitch's marker."""
        self.settle()
        return self.ask(f"Array.from(context.getImageData(...toScreen({row}), 1, 1).data)")

    def complaints(self):
        log = self.driver.get_log("browser")
        return [entry["message"] for entry in log if entry["level"] == "SEVERE"]


@pytest.fixture(scope="module")
def bumps():
    """A glitch of two views for each place, a bright bar that lies higher from row to row."""
    X = np.full((5, 2, 40, 50), 20, dtype=np.uint8)
    for row in range(5):
        X[row, :, 32 - 7 * row : 40 - 7 * row] = 250
    return X


@pytest.fixture(scope="module")
def path(tmp_path_factory, bumps):
    path = tmp_path_factory.mktemp("explorer") / "explorer.html"
    EmbeddingExplorer(
        SQUARE,
        LABELS,
        X=bumps,
        ids=IDS,
        about={"cluster": CLUSTERS, "snr": [7.5, 8, 9, 10, np.nan]},
        durations=(1, 4),
    ).write(path)
    return path


@pytest.fixture
def page(browser, path):
    page = Page(browser, path)
    yield page
    assert page.complaints() == []


def hex_of(pixel):
    return "#{:02X}{:02X}{:02X}".format(*pixel[:3])


def test_colors_are_of_classes(page):
    first, second = page.ask("data.colors.slice(0, 2)")
    assert [hex_of(page.pixel(row)) for row in range(4)] == [first, first, second, second]
    assert hex_of(page.pixel(4)) == page.ask("GREY").upper()
    page.keys("#color-by", "cluster")
    assert [hex_of(page.pixel(row)) for row in range(4)] == [first, second, first, second]
    listed = page.driver.find_elements("css selector", "#legend li")
    assert [item.text.split("\n") for item in listed] == [
        ["0", "2"],
        ["1", "2"],
        ["no cluster", "1"],
    ]


def test_classes_are_filtered(page):
    page.legend("Blip")
    assert page.shown() == ["south-west", "south-east", "middle"]
    assert page.ask("byId('count').textContent") == "3 of 5 glitches"
    assert hex_of(page.pixel(0)) == "#FFFFFF"
    page.click("#none")
    assert page.shown() == []
    page.legend("Blip")
    assert page.shown() == ["north-west", "north-east"]
    page.click("#select-shown")
    assert page.selected() == ["north-west", "north-east"]
    page.click("#all")
    assert page.shown() == IDS


def test_a_line_drawn_around_glitches_selects_them(page):
    page.click("#mode-lasso")
    (left, top), (right, bottom) = page.place(0), page.place(3)
    middle = (left + right) // 2
    # A triangle around both in the west, whose corner does not reach the middle.
    corner = (middle - 30, (top + bottom) // 2)
    around = [(left - 20, top - 30), corner, (left - 20, bottom + 30)]
    page.drag(*around)
    assert page.selected() == ["north-west", "south-west"]
    assert page.ask("byId('selected').textContent") == "2 glitches selected"
    # Hidden ones are not meant.
    page.legend("Blip")
    page.drag(*around)
    assert page.selected() == ["south-west"]
    # Shift draws in any mode, and the other end of the map is not moved to.
    page.click("#mode-move")
    before = page.place(3)
    page.drag((right - 20, top - 20), (right + 20, top - 20), (right, bottom + 20), modifiers=8)
    assert page.selected() == ["south-east"]
    assert page.place(3) == before
    page.click("#clear")
    assert page.selected() == []


def test_ids_are_exported(page, browser, tmp_path):
    browser.execute_cdp_cmd(
        "Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)}
    )
    page.legend("no label")
    page.click("#select-shown")
    page.click("#save")
    file = tmp_path / "glitches.csv"
    until = time.monotonic() + 10
    while not file.exists() and time.monotonic() < until:
        time.sleep(0.05)
    rows = list(csv.reader(io.StringIO(file.read_text(encoding="utf-8"))))
    assert rows == [
        ["id", "label", "cluster", "snr"],
        ["north-west", "Blip", "0", "7.5"],
        ["north-east", "Blip", "1", "8"],
        ["south-west", "Tomte", "0", "9"],
        ["south-east", "Tomte", "1", "10"],
    ]
    page.click("#copy")
    page.wait("byId('said').textContent === '4 ids copied'")
    # Pasted where a user would search for it: line ends become spaces there.
    page.keys("#search", "\ue009", "v", "\ue000")
    assert page.ask("byId('search').value").split() == IDS[:4]


def test_ids_are_found(page):
    page.keys("#search", "SOUTH")
    assert page.ask("byId('found').innerText").split("\n") == ["2 glitches", *IDS[2:4]]
    page.keys("#search", "-east", "\ue007")
    page.wait("!byId('pin').hidden")
    assert page.ask("byId('pin').querySelector('h2').textContent") == "south-east"
    x, y = page.place(3)
    box = page.ask("canvas.getBoundingClientRect().toJSON()")
    assert abs(x - box["left"] - box["width"] / 2) <= 1
    assert abs(y - box["top"] - box["height"] / 2) <= 1
    page.keys("#search", "x" * 20)
    assert page.ask("byId('found').innerText") == "0 glitches"


def test_a_hidden_glitch_that_is_found_is_shown(page):
    page.click("#none")
    page.keys("#search", "north-east", "\ue007")
    page.wait("!byId('pin').hidden")
    assert page.shown() == ["north-west", "north-east"]
    assert page.ask("byId('count').textContent") == "2 of 5 glitches"


@pytest.mark.parametrize("row", range(5))
def test_the_glitch_under_the_pointer_is_shown(page, row):
    page.mouse("Moved", *page.place(row))
    page.wait("!byId('tip').hidden")
    facts = page.ask("byId('tip').innerText").split("\n")
    assert facts[0] == IDS[row]
    # Its own picture, upright, in color: the bar is where it was drawn.
    column = page.ask(
        f"tile({row}).then((drawn) => "
        "Array.from(drawn.getContext('2d').getImageData(5, 0, 1, 40).data))"
    )
    green = np.array(column).reshape(40, 4)[:, 1]
    bright = np.flatnonzero(green > 150)
    assert abs(bright.mean() - (35.5 - 7 * row)) < 1
    box = page.ask("byId('tip').getBoundingClientRect().toJSON()")
    assert box["left"] >= 0
    assert box["bottom"] <= 900
    page.mouse("Moved", 20, 500)
    page.wait("byId('tip').hidden")


def test_a_click_pins_and_escape_closes(page):
    page.drag(page.place(1))
    page.wait("!byId('pin').hidden")
    assert page.ask("byId('pin').querySelector('h2').textContent") == "north-east"
    facts = page.ask("[...byId('pin').querySelectorAll('dd')].map((d) => d.textContent)")
    assert facts == ["Blip", "1", "8"]
    page.keys("body", "\ue00c")
    assert page.ask("byId('pin').hidden")


@pytest.mark.parametrize("row", range(4))
def test_a_pinned_card_does_not_lie_on_its_glitch(page, row):
    page.drag(page.place(row))
    page.wait("!byId('pin').hidden")
    box = page.ask("byId('pin').getBoundingClientRect().toJSON()")
    x, _ = page.place(row)
    assert x < box["left"] or x > box["right"]


def test_drag_moves_and_wheel_zooms(page):
    x, y = page.place(4)
    page.drag((x + 60, y), (x + 100, y + 30), (x + 160, y + 50))
    assert page.place(4) == (x + 100, y + 50)
    apart = page.place(1)[0] - page.place(0)[0]
    at = page.place(0)
    page.mouse("Wheel", *at, deltaX=0, deltaY=-300)
    page.wait(f"toScreen(1)[0] - toScreen(0)[0] > {apart} * 1.2")
    assert page.place(0) == pytest.approx(at, abs=1)


def test_all_is_reached_by_keys(page):
    reached = []
    for _ in range(40):
        page.driver.switch_to.active_element.send_keys("\ue004")
        here = page.ask("document.activeElement.id || document.activeElement.innerText")
        if here in reached:
            break
        reached.append(here)
    expected = [
        "color-by", "search", "mode-move", "mode-lasso", "zoom-in", "zoom-out", "reset", "map",
        "all", "none", "Blip\n2", "Tomte\n2", "no label\n1", "select-shown",
    ]  # fmt: skip
    assert [name for name in reached if name in expected] == expected
    before = page.place(3)
    page.keys("#map", "\ue014")
    assert page.place(3) == (before[0] - 60, before[1])
    page.keys("#map", "0", "+", "\ue007")
    page.wait("!byId('pin').hidden")
    assert page.ask("byId('pin').querySelector('h2').textContent") == "middle"


def test_a_map_in_three_dimensions_is_turned(browser, tmp_path):
    coordinates = np.random.default_rng(0).normal(size=(60, 3))
    EmbeddingExplorer(coordinates).write(tmp_path / "explorer.html")
    page = Page(browser, tmp_path / "explorer.html")
    before = page.ask("[Array.from(px), Array.from(py)]")
    page.drag((500, 500), (560, 480), (700, 400))
    after = page.ask("[Array.from(px), Array.from(py)]")
    assert not np.allclose(before, after, atol=0.1)
    # Turned, not distorted: no distance from the middle is longer than in space.
    centered = coordinates - (coordinates.min(axis=0) + coordinates.max(axis=0)) / 2
    yaw, pitch = page.ask("[turn.yaw, turn.pitch]")
    x = np.cos(yaw) * centered[:, 0] + np.sin(yaw) * centered[:, 2]
    depth = np.cos(yaw) * centered[:, 2] - np.sin(yaw) * centered[:, 0]
    y = np.cos(pitch) * centered[:, 1] - np.sin(pitch) * depth
    np.testing.assert_allclose(after, [x, y], atol=1e-5)
    assert page.complaints() == []


def test_names_run_no_code(browser, tmp_path, bumps):
    labels = EVIL[:5]
    EmbeddingExplorer(
        SQUARE, labels, X=bumps, ids=EVIL[1:], title=EVIL[0], about={EVIL[0]: labels},
        durations=(1, 4),
    ).write(tmp_path / "explorer.html")  # fmt: skip
    page = Page(browser, tmp_path / "explorer.html")
    page.click("#select-shown")
    page.keys("#search", "<")
    page.drag(page.place(0))
    page.wait("!byId('pin').hidden")
    assert page.ask("document.querySelectorAll('img, [onerror]').length") == 0
    assert page.ask("document.title") == EVIL[0]
    assert page.ask("document.querySelector('h1').textContent") == EVIL[0]
    assert page.ask("byId('pin').querySelector('h2').textContent") == EVIL[1]
    rows = list(csv.reader(io.StringIO(page.ask("csv()"))))
    assert [row[0] for row in rows[1:]] == EVIL[1:]
    assert page.complaints() == []
    # Should a name ever become markup, the policy still stops what it does.
    page.driver.execute_script(
        "document.body.insertAdjacentHTML('beforeend', arguments[0])", EVIL[0]
    )
    page.wait("document.querySelectorAll('img').length === 1")
    page.settle()
    assert any("Content Security Policy" in told for told in page.complaints())


def test_asks_no_network_for_anything(page):
    page.click("#select-shown")
    page.drag(page.place(2))
    page.wait("!byId('pin').hidden")
    messages = [entry["message"] for entry in page.driver.get_log("performance")]
    asked = [text for text in messages if "Network.requestWillBeSent" in text]
    assert asked  # the page itself
    assert not any("http://" in text or "https://" in text for text in asked)
    loaded = page.ask("performance.getEntriesByType('resource').map((entry) => entry.name)")
    assert all(name.startswith("data:") for name in loaded)


@pytest.mark.parametrize(("width", "height"), [(390, 844), (1400, 900), (800, 600)])
def test_nothing_is_cut_off(browser, path, width, height):
    page = Page(browser, path, width, height)
    page.click("#select-shown")
    page.ask("pin(1)")
    page.wait("!byId('pin').hidden")
    page.settle()
    assert page.ask("document.documentElement.scrollWidth") <= width
    outside = page.ask(
        "[...document.querySelectorAll('button, select, input, h1, h2, #pin canvas')]"
        ".filter((e) => e.getClientRects().length)"
        ".filter((e) => { const b = e.getBoundingClientRect(); "
        "return b.left < 0 || b.right > innerWidth + 0.5 || e.scrollWidth > e.clientWidth + 1; })"
        ".map((e) => e.id || e.textContent)"
    )
    assert outside == []
    heads = page.ask(
        "[...document.querySelectorAll('header *')].filter((e) => !e.children.length && "
        "e.tagName !== 'OPTION' && e.getClientRects().length)"
        ".map((e) => e.getBoundingClientRect().toJSON())"
    )
    for number, a in enumerate(heads):
        for b in heads[:number]:
            apart = (
                a["left"] >= b["right"] - 0.5 or b["left"] >= a["right"] - 0.5
                or a["top"] >= b["bottom"] - 0.5 or b["top"] >= a["bottom"] - 0.5
            )  # fmt: skip
            assert apart, (a, b)
    assert page.complaints() == []
