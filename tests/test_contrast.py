"""Contrast by the web's guideline (WCAG 2.2): curves 3 to 1, words 4.5 to 1, light and dark."""

import ast
import re
from pathlib import Path

import numpy as np
import pytest
from matplotlib import colormaps
from matplotlib.colors import to_rgb

from toolkit import panels
from toolkit.figures import colours, convolution, frame

FOLDER = Path(colours.__file__).parent
BACKGROUNDS = {"light": "#ffffff", "dark": "#111111"}  # of JupyterLab's output area
LEAST_OF_CURVES, LEAST_OF_WORDS = 3.0, 4.5
PALETTE = {name: value for name, value in vars(colours).items() if isinstance(value, str) and value.startswith("#")}
LINES = {name: value for name, value in PALETTE.items() if name not in ("BLACK", "YELLOW")}
RIMS = {"#fff", "#000", "#222"}  # around points; words of a page that brings its own white background
PANELS = {name: getattr(panels, name) for name in panels.__all__}


def luminance(colour):
    """Relative luminance, 0 to 1."""
    parts = np.array(to_rgb(colour))
    return np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4) @ [0.2126, 0.7152, 0.0722]


def contrast(first, second):
    """Ratio of the guideline, 1 to 21."""
    dark, light = sorted((luminance(first), luminance(second)))
    return (light + 0.05) / (dark + 0.05)


def literals():
    """Every colour written as a number in a module of figures, with its place."""
    for path in sorted(FOLDER.glob("*.py")):
        if path.name != "colours.py":
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    for colour in re.findall(r"(?<![^\s:\"',])#(?:[0-9a-fA-F]{6}|[0-9a-fA-F]{3})(?![\w;])", node.value):
                        yield f"{path.name}:{node.lineno}", colour


def test_known_contrasts():
    assert contrast("#fff", "#000") == pytest.approx(21)
    assert contrast("#777", "#fff") == pytest.approx(4.48, abs=0.01)  # the well-known grey that just fails for words


@pytest.mark.parametrize("background", BACKGROUNDS)
@pytest.mark.parametrize("name", LINES)
def test_curves_stand_out(name, background):
    assert contrast(LINES[name], BACKGROUNDS[background]) >= LEAST_OF_CURVES


def test_figures_have_no_colours_of_their_own_but_such_as_stand_out():
    found = [(place, colour) for place, colour in literals() if colour not in RIMS | fallbacks()]
    assert found
    assert [each for each in found if min(contrast(each[1], ground) for ground in BACKGROUNDS.values()) < LEAST_OF_CURVES] == []


def fallbacks():
    """What stands where JupyterLab's own colours are missing: a light page."""
    return {re.search("#[0-9a-f]+", colour)[0] for colour in (frame.TEXT, frame.FAINT)}


def test_words_and_axes_stand_out_where_jupyterlab_is_not():
    assert contrast(re.search("#[0-9a-f]+", frame.TEXT)[0], "#fff") >= LEAST_OF_WORDS


@pytest.mark.parametrize("shade", np.linspace(0, 1, 41))
@pytest.mark.parametrize("palette", ["RdBu_r", "Greys"])
def test_numbers_on_cells_can_be_read(palette, shade):
    """The lesson on convolution writes into coloured cells: dark on light ones, white on dark ones."""
    value = 2 * shade - 1
    picture = convolution._grid(np.array([[value, 1.0]]), (0, 0, 30), colour=palette)
    ground, ink = re.findall(r'fill="(#[0-9a-f]{3,6})"', picture)[:2]
    assert contrast(ground, ink) >= LEAST_OF_WORDS


@pytest.mark.parametrize("name", PANELS)
def test_a_live_frame_is_not_black_on_black(name):
    """Black lines vanish in JupyterLab's dark theme."""
    picture = PANELS[name]().frame.value
    assert not re.search(rf'(?:stroke="|border-top:3px solid |<circle [^>]*fill="){colours.BLACK}', picture)


def test_the_scale_of_heat_maps_rises_in_lightness():
    """So that it can be read without colours."""
    lightness = [float(luminance(colour)) for colour in colormaps["viridis"](np.linspace(0, 1, 32))[:, :3]]
    assert lightness == sorted(lightness)
