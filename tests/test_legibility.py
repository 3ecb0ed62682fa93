"""Figures in grey: what a legend tells apart differs by more than its hue; every axis says what it is, with unit."""

import itertools

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.collections import PathCollection
from matplotlib.colors import to_rgb
from matplotlib.container import BarContainer

from reports.figures import validation_figures
from reports.style import BLUE, GREY, LIGHT_BLUE, ORANGE, STYLE
from reports.validation import validate
from tests.conftest import pair_tile

CCO = {"kind": "cco", "f_hertz_per_ampere": 6.24e13, "phase_cycle": 0.0, "count_max": 4095}
# Steps of luminance below this are hard to tell on paper
STEP = 0.1
COUNTS = {"column", "row", "bit line", "number of outputs"}


def luminance(colour):
    """What remains of a colour on a printer without any, 0 to 1."""
    return float(np.dot(to_rgb(colour), (0.2126, 0.7152, 0.0722)))


def look(artist):
    """Luminance, and what has another form: marker, line style."""
    if isinstance(artist, PathCollection):
        return luminance(artist.get_facecolor()[0]), str(artist.get_paths()[0].vertices.tolist())
    if isinstance(artist, BarContainer):
        return luminance(artist[0].get_facecolor()), "bar"
    return luminance(artist.get_color()), f"{artist.get_marker()} {artist.get_linestyle()}"


def test_colours_are_steps_of_grey():
    shades = [luminance(colour) for colour in (BLUE, GREY, ORANGE, LIGHT_BLUE)]
    assert np.all(np.diff(shades) > STEP)
    assert max(shades) < 1 - STEP


@pytest.fixture(scope="module")
def figures():
    tile = pair_tile(array={"n_row": 4, "n_col": 6}, adc=CCO, spec={"max_error_percent_full_scale": 0.01})
    with mpl.rc_context(STYLE):
        return validation_figures(validate(tile, n_vec=4))


@pytest.mark.spice
def test_what_a_legend_names_differs_in_grey(figures):
    n_pair = 0
    for name, figure in figures.items():
        for axes in figure.axes:
            looks = [look(artist) for artist in axes.get_legend_handles_labels()[0]]
            for (shade, form), (other, other_form) in itertools.combinations(looks, 2):
                n_pair += 1
                assert abs(shade - other) > STEP or form != other_form, name
    assert n_pair >= 5


@pytest.mark.spice
def test_axes_have_a_name_and_a_unit(figures):
    assert {"parity", "error", "histogram", "columns", "rows", "transient", "codes", "ir_drop"} <= set(figures)
    for name, figure in figures.items():
        labels = [label for axes in figure.axes for label in (axes.get_xlabel(), axes.get_ylabel()) if label]
        assert len(labels) >= 2, name
        for label in labels:
            assert label in COUNTS or (("[" in label) and label.endswith("]")), (name, label)
