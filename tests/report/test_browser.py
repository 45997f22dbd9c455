"""The page in a browser: complete without a network, and as wide as a phone."""

from __future__ import annotations

import numpy as np
import pytest

from skglitch.report import make_report

from .conftest import make_bars

LONG = "A_class_with_a_name_that_no_phone_can_show_in_one_line_of_a_table"


@pytest.fixture(scope="module")
def page(classifier, tmp_path_factory):
    X, y = make_bars(24, 2)
    y = y.astype(object)
    y[3:6], y[6:8] = LONG, None
    ids = [f"{'x' * 60}<img src=http://example.org/{n}>" for n in range(len(X))]
    report = make_report(classifier, X, y, ids=ids, title=f"{LONG} & <b>more</b>")
    return report.write(tmp_path_factory.mktemp("report"))


@pytest.fixture
def show(browser, page):
    """Function that opens the page at a size."""

    def show_page(width, height, scheme="light"):
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        browser.get_log("browser"), browser.get_log("performance")
        browser.get(page.as_uri())
        return browser

    return show_page


def test_asks_no_network_for_anything(show):
    driver = show(1400, 900)
    messages = [entry["message"] for entry in driver.get_log("performance")]
    asked = [text for text in messages if "Network.requestWillBeSent" in text]
    assert asked  # the page itself
    assert not any('"url":"http' in text for text in asked)
    assert driver.get_log("browser") == []
    loaded = "return [...document.images].every((image) => image.complete && image.naturalWidth)"
    assert driver.execute_script(loaded)
    assert driver.title == f"{LONG} & <b>more</b>"


@pytest.mark.parametrize(("width", "height"), [(390, 844), (800, 600), (1400, 900)])
def test_nothing_hangs_over(show, width, height):
    driver = show(width, height)
    assert driver.execute_script("return document.documentElement.scrollWidth") <= width
    outside = driver.execute_script(
        "return [...document.querySelectorAll('h1, h2, p, a, img, figcaption, .scrolled')]"
        ".filter((e) => !e.parentElement.closest('.scrolled'))"
        ".filter((e) => { const b = e.getBoundingClientRect(); "
        "return b.left < 0 || b.right > innerWidth + 0.5; }).map((e) => e.outerHTML.slice(0, 80))"
    )
    assert outside == []


def test_columns_are_not_squeezed_to_letters(show):
    driver = show(390, 844)
    heights = driver.execute_script(
        "return [...document.querySelectorAll('table:not(.wrapped) tbody tr')]"
        ".map((row) => row.getBoundingClientRect().height)"
    )
    assert max(heights) < 60


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out(show, scheme):
    driver = show(1400, 900, scheme)
    for selector in ("p", "figcaption", "th", "td"):
        colors = driver.execute_script(
            f"return [getComputedStyle(document.querySelector('main {selector}')).color,"
            "getComputedStyle(document.body).backgroundColor]"
        )
        assert contrast(*colors) > 4.5, selector


def contrast(one, other):
    """Ratio of luminances, as WCAG 2 defines it."""
    levels = []
    for color in (one, other):
        channels = np.array([float(c) for c in color[color.index("(") + 1 : -1].split(",")[:3]])
        channels /= 255
        linear = np.where(
            channels <= 0.03928, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4
        )
        levels.append(linear @ [0.2126, 0.7152, 0.0722] + 0.05)
    return max(levels) / min(levels)
