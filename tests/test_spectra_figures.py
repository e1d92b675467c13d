"""Frames of spectra: well-formed text, every number in its place, what is clicked, what is right and wrong."""

import re
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.figure import Figure

from toolkit.figures import score_maps
from toolkit.figures import spectra as figures

SVG = "{http://www.w3.org/2000/svg}"
CLASSES = ("Li2CO3", "Li2O", "Li3N", "LiH", "LiOH")


def parsed(text):
    root = ElementTree.fromstring(text)
    for element in root.iter():
        for name in ("x", "y", "x1", "x2", "y1", "y2", "cx", "cy", "width", "height"):
            assert np.isfinite(float(element.get(name, 0))), ElementTree.tostring(element)
        assert not re.search("nan|inf", element.get("d", ""))
    return root


def titles(root, tag):
    return ["".join(element.itertext()) for element in root.iter(f"{SVG}{tag}")]


@pytest.fixture
def shown():
    draw = np.random.default_rng(0)
    samples = ["LiH"] * 4 + ["LiOH"] * 4 + ["sample_1"] * 4
    circle = np.stack([np.cos(np.linspace(0, 6.3, 40)), np.sin(np.linspace(0, 6.3, 40))], 1)
    return {
        "scores": draw.standard_normal((12, 2)),
        "samples": samples,
        "colour": figures.colour_of(["LiH", "LiOH"], ["sample_1"]),
        "unknown": ["sample_1"],
        "ellipses": {"LiH": circle, "LiOH": circle + 1},
        "axes": ("PC1 (50 %)", "PC2 (20 %)"),
        "loadings": draw.standard_normal((3, 6)),
        "component": "PC2",
        "mz": np.array([6.0, 7.0, 9.0, 24.0, 41.0, 67.0]),
        "ions": ["6Li-", "Li-", "LiH2-", "C2-", "LiO2H2-", "LiCO3-"],
        "areas": np.arange(12.0),
        "area_label": "counts",
        "chosen": 2,
        "arrows": False,
        "above": "words < here",
    }


def test_the_three_steps_are_drawn_with_the_clickable_one_first(shown):
    root = parsed(figures.components_frame(**shown))
    stems, scores, areas = root.findall(f".//{SVG}svg")
    assert [part.get("style") for part in (stems, scores, areas)] == ["order:2", "order:1", "order:3"]
    assert len(scores.findall(f"{SVG}circle")) == 8 and len(scores.findall(f"{SVG}rect")) == 4
    assert len(areas.findall(f"{SVG}circle")) == 12
    assert len(stems.findall(f"{SVG}circle")) == 6 + 1  # every tip, and the chosen one again
    assert "No. 1" in "".join(root.itertext()) and "words < here" in "".join(root.itertext())


def test_a_biplot_has_arrows(shown):
    def lines(text):
        return len(parsed(text).findall(f".//{SVG}svg")[1].findall(f"{SVG}line"))

    extremes = {extreme(row) for row in shown["loadings"][:2] for extreme in (np.argmax, np.argmin)}
    drawn = lines(figures.components_frame(**shown | {"arrows": True})) - lines(figures.components_frame(**shown))
    assert drawn == len(extremes)


def test_a_click_on_each_tip_finds_its_peak(shown):
    stems = parsed(figures.components_frame(**shown)).findall(f".//{SVG}svg")[0]
    tips = stems.findall(f"{SVG}circle")[:6]
    for number, tip in enumerate(tips):
        point = [float(tip.get("cx")), float(tip.get("cy"))]
        assert figures.peak_at(shown["mz"], shown["loadings"][2], point) == number


def test_equal_values_and_one_spectrum_can_be_drawn(shown):
    few = {"scores": np.zeros((1, 2)), "samples": ["LiH"], "ellipses": {}, "areas": np.zeros(1), "loadings": np.zeros((3, 6))}
    parsed(figures.components_frame(**shown | few))


def test_bars_are_as_long_as_their_probabilities():
    text = figures.probability_bars(np.array([[0.5, 0.25, 0.25, 0, 0]]), ["No. 1"], CLASSES, title="bars")
    widths = [float(bar.get("width")) for bar in parsed(text).findall(f"{SVG}rect")]
    np.testing.assert_allclose(np.array(widths) / sum(widths), [0.5, 0.25, 0.25, 0, 0], atol=1e-3)
    assert titles(parsed(text), "rect")[0] == "Li2CO3 0.50"


def test_ions_show_what_chemistry_says_of_them():
    text = figures.ion_bars([1.0, -0.5, 0.2], ["9.03 LiH2-", "24.00 C2-", "50.00 ?"], [True, False, None], title="LiH")
    fills = [bar.get("fill") for bar in parsed(text).findall(f"{SVG}rect")]
    assert fills == [figures.RIGHT, figures.WRONG, figures.colours.GREY]
    assert titles(parsed(text), "rect")[1].endswith("not plausible")
    parsed(figures.ion_bars([], [], [], title="nothing yet"))


def test_confusion_cells_carry_their_counts():
    counts = np.array([[3, 1], [0, 4]])
    root = parsed(figures.confusion_cells(counts, ["LiH", "LiOH"], title="confusion"))
    assert titles(root, "rect") == [
        "LiH taken for LiH: 3", "LiH taken for LiOH: 1", "LiOH taken for LiH: 0", "LiOH taken for LiOH: 4",
    ]  # fmt: skip
    assert [bar.get("fill") for bar in root.findall(f"{SVG}rect")][1] == figures.WRONG


def test_a_dose_is_marked_in_the_profile():
    doses = np.geomspace(1e13, 1e16, 4)
    text = figures.profile_curves(doses, np.full((4, 5), 0.2), CLASSES, dose=1e14, title="profile")
    assert "1e+14 ions/cm²" in titles(parsed(text), "line")


def test_decomposition_is_drawn_beside_its_references():
    mz = np.array([7.0, 9.0, 25.0])
    both = np.array([1.0, 2.0, 0.5]), np.array([0.0, 4.0, 1.0])
    root = parsed(figures.profiles(mz, *both, ["a", "b", "c"], names=("part 1", "LiH 0.98"), title="part 1"))
    assert {"part 1", "LiH 0.98"} <= set("".join(text.itertext()) for text in root.iter(f"{SVG}text"))
    cells = parsed(figures.match_cells(np.array([[0.9, 0.2], [0.4, 0.45]]), ["LiH", "LiOH"], least=0.5, chosen=0, title="m"))
    assert [bar.get("fill") == figures.RIGHT for bar in cells.findall(f"{SVG}rect")] == [True, False, False, False]
    curve = parsed(figures.elbow([2, 3, 4], [3.0, 1.0, 0.9], chosen=3, title="elbow"))
    assert len(curve.findall(f"{SVG}circle")) == 3


def test_compounds_keep_their_colours_and_others_get_what_is_left():
    colour = figures.colour_of(CLASSES, ["sample_1", "sample_2"])
    assert len(set(colour.values())) == 7
    alloys = figures.colour_of(["Ru-Rh", "Ru-Pt", "Ru-Pd", "Ru-Ir", "Ru-Pt-Pd", "Ru-Pt-Pd-Ir"])
    assert len(set(alloys.values())) == 6
    assert figures.colour_of(["x", *CLASSES])["LiH"] == colour["LiH"]


def test_static_figures_hold_what_they_are_given(shown):
    figure = Figure()
    left, middle, right = figure.subplots(1, 3)
    score_maps.score_map(
        left, shown["scores"], shown["samples"], classes=["LiH", "LiOH"], ellipses=shown["ellipses"], labels=("a", "b")
    )
    assert [text.get_text() for text in left.get_legend().get_texts()] == ["LiH", "LiOH", "No. 1"]
    image = score_maps.decision_map(
        middle, np.linspace(0, 1, 3), np.linspace(-1, 1, 4), np.eye(4, 3), title="P(LiH)", labels=("PC1", "PC2")
    )
    assert image.get_array().shape == (4, 3) and middle.get_xlim() == (0, 1)
    score_maps.stems(right, shown["mz"], shown["areas"][:6], title="s", colour="k", ions=shown["ions"], named=2)
    assert [text.get_text() for text in right.texts] == ["LiCO3-", "LiO2H2-"]
    figure.canvas.draw()
