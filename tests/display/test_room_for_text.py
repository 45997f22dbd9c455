"""With 3, 22 and 40 classes of long names nothing is clipped, and labels do not overlap."""

from __future__ import annotations

import matplotlib
import numpy as np
import pytest
from matplotlib.text import Text

from skglitch.display import (
    ClassScoresDisplay,
    ConfusionDisplay,
    EmbeddingDisplay,
    FewShotDisplay,
    GalleryDisplay,
    HistoryDisplay,
    ReliabilityDisplay,
    SaliencyDisplay,
    SpectrogramDisplay,
    TopKDisplay,
)

from .conftest import class_names, make_predictions


def boxes(texts):
    return [text.get_window_extent() for text in texts if text.get_visible() and text.get_text()]


def assert_inside(figure):
    """Every text that is drawn lies within the figure, to within a pixel."""
    figure.canvas.draw()
    width, height = figure.canvas.get_width_height()
    ticks = set()
    for ax in figure.axes:
        for axis in ax._axis_map.values():
            ticks |= set(axis.get_ticklabels(which="both"))
            drawn = axis._update_ticks()
            ticks -= {label for tick in drawn for label in (tick.label1, tick.label2)}
    shown = [text for text in figure.findobj(Text) if text not in ticks]
    for text in shown:
        if not text.get_visible() or not text.get_text():
            continue
        box = text.get_window_extent()
        inside = box.x0 > -1 and box.y0 > -1 and box.x1 < width + 1 and box.y1 < height + 1
        assert inside, (text.get_text(), box, (width, height))


def assert_apart(texts, slack=0.5):
    found = boxes(texts)
    assert len(found) > 1
    for number, box in enumerate(found):
        for other in found[number + 1 :]:
            across = min(box.x1, other.x1) - max(box.x0, other.x0)
            up = min(box.y1, other.y1) - max(box.y0, other.y0)
            assert across < slack or up < slack, (box, other)


def tick_labels(ax):
    return ax.get_xticklabels(), ax.get_yticklabels()


def make_map(names, n_dimensions, n_each=25):
    rng = np.random.default_rng(1)
    side = 6 * np.sqrt(len(names))
    centers = rng.uniform(-side, side, size=(len(names), n_dimensions))
    coordinates = np.repeat(centers, n_each, axis=0)
    return coordinates + rng.normal(size=coordinates.shape), np.repeat(names, n_each)


@pytest.mark.parametrize("n_classes", [3, 22, 40])
class TestManyClasses:
    @pytest.mark.parametrize("values_format", [".0f", ".0%"])
    def test_confusion(self, n_classes, values_format):
        names = class_names(n_classes)
        y_true, y_prob = make_predictions(names, n_samples=9000)
        display = ConfusionDisplay.from_predictions(
            y_true,
            names[y_prob.argmax(axis=1)],
            labels=names,
            order="similarity",
            values_format=values_format,
        )
        assert_inside(display.figure_)
        for labels in tick_labels(display.ax_):
            assert len(boxes(labels)) == n_classes
            assert_apart(labels)
        assert_apart(display.ax_.texts)
        if values_format == ".0f":
            written = {text.get_text() for text in display.ax_.texts}
            assert "0" not in written
            assert len(display.ax_.texts) == np.count_nonzero(display.confusion_matrix)

    def test_class_scores(self, n_classes):
        names = class_names(n_classes)
        y_true, y_prob = make_predictions(names)
        display = ClassScoresDisplay.from_predictions(y_true, names[y_prob.argmax(axis=1)])
        assert_inside(display.figure_)
        assert len(boxes(display.ax_.get_yticklabels())) == n_classes
        assert_apart(display.ax_.get_yticklabels())

    def test_map_with_names(self, n_classes):
        coordinates, labels = make_map(class_names(n_classes), 2)
        display = EmbeddingDisplay(coordinates, labels, title="map", method="PCA").plot()
        assert_inside(display.figure_)
        assert len(display.texts_) == n_classes
        # That of an annotation is with its line, so the text alone is asked for.
        found = [Text.get_window_extent(text) for text in display.texts_]
        window = display.ax_.get_window_extent()
        for number, box in enumerate(found):
            assert box.x0 >= window.x0
            assert box.x1 <= window.x1
            assert not any(box.overlaps(other) for other in found[number + 1 :])

    @pytest.mark.parametrize("n_dimensions", [2, 3])
    def test_map_with_legend(self, n_classes, n_dimensions):
        coordinates, labels = make_map(class_names(n_classes), n_dimensions)
        display = EmbeddingDisplay(coordinates, labels).plot(names=False)
        assert_inside(display.figure_)
        texts = display.ax_.get_legend().get_texts()
        assert [text.get_text() for text in texts] == class_names(n_classes).tolist()
        assert_apart(texts)

    def test_gallery(self, n_classes):
        names = class_names(n_classes)
        X = np.zeros((n_classes, 4, 14, 17), dtype=np.uint8)
        wrong = np.roll(np.eye(n_classes), 1, axis=1)
        display = GalleryDisplay.from_predictions(X, names, wrong, labels=names, n_glitches=40)
        assert_inside(display.figure_)
        assert len(display.axes_) == n_classes
        assert_apart([ax.title for ax in display.axes_])
        assert_apart(display.axes_[0].get_yticklabels())


# Those that gwpy sets for all figures when it is imported, and a slide's.
@pytest.mark.parametrize(
    "settings",
    [
        {"font.size": 12, "axes.labelsize": "large", "axes.labelpad": 5, "axes.grid": True},
        {"font.size": 16, "axes.titlesize": 24},
    ],
)
class TestOtherSettings:
    def test_many_classes(self, settings):
        with matplotlib.rc_context(settings):
            TestManyClasses().test_confusion(22, ".0f")
            TestManyClasses().test_class_scores(22)
            TestManyClasses().test_gallery(22)

    def test_one_figure_each(self, settings, energies):
        with matplotlib.rc_context(settings):
            test_one_figure_each(energies)


def test_no_grid_through_numbers():
    with matplotlib.rc_context({"axes.grid": True}):
        display = ConfusionDisplay.from_predictions(["a", "b"], ["a", "a"])
    assert not any(line.get_visible() for line in display.ax_.get_xgridlines())


def test_one_figure_each(energies):
    y_true, y_prob = make_predictions(class_names(22))
    options = {"labels": class_names(22)}
    epochs = [
        {"train_loss": 1.0, "valid_loss": 2.0, "valid_acc": 0.5, "batches": [{"event_lr": 1}]}
    ]
    displays = [
        TopKDisplay.from_predictions(y_true, {"one": y_prob, "two": y_prob}, **options),
        ReliabilityDisplay.from_predictions(y_true, y_prob, name="net", **options),
        FewShotDisplay.from_scores([1, 2, 5, 10, 20, 50], {"one": np.full((6, 3), 0.5)}),
        HistoryDisplay(epochs * 3).plot(),
        SpectrogramDisplay(energies[0], title="Low_Frequency_Lines").plot(),
        SpectrogramDisplay(energies[0]).plot(n_columns=2),
        SaliencyDisplay(energies[0], np.ones(energies[0].shape), title="a title").plot(),
    ]
    for display in displays:
        assert_inside(display.figure_)
        for ax in display.figure_.axes:
            for labels in tick_labels(ax):
                if len(boxes(labels)) > 1:
                    assert_apart(labels)
