"""Live frames and the figures of chapter 3: scales, text that any browser can read, colours, curves that grow."""

import itertools
import math
import re
from types import SimpleNamespace
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from toolkit import landscapes
from toolkit.figures import colours, frame
from toolkit.figures import landscape as ball_figures
from toolkit.figures import optimizer as race_figures
from toolkit.figures.frame import Line, Scale
from toolkit.training import Record

MOST_BYTES = 60_000
SVG = "{http://www.w3.org/2000/svg}"
finite = st.floats(-1e9, 1e9).filter(lambda value: value == 0 or abs(value) > 1e-9)
positive = st.floats(1e-30, 1e30)


def parsed(text):
    """The elements of a well-formed picture, in which every coordinate is a number."""
    root = ElementTree.fromstring(text)
    for element in root.iter():
        for name in ("x", "y", "x1", "x2", "y1", "y2", "cx", "cy"):
            assert math.isfinite(float(element.get(name, 0))), ElementTree.tostring(element)
        assert not re.search("nan|inf", element.get("d", ""))
    return root


def words(root):
    return list(root.itertext())


# Scales -----------------------------------------------------------------------------------------------------------------


@given(ends=st.tuples(finite, finite), log=st.booleans())
def test_a_scale_maps_its_ends_and_back(ends, log):
    low, high = sorted(map(abs, ends) if log else ends)
    assume(high - low > 1e-6 * max(abs(low), abs(high)) and not (log and low == 0))
    scale = Scale(low, high, 210.0, 24.0, log)
    np.testing.assert_allclose(scale([low, high]), [210.0, 24.0])
    for value in (low, high):
        assert scale.inverse(float(scale(value))) == pytest.approx(value, rel=1e-6, abs=1e-6 * (high - low))
    assert scale.shows(scale([low, high])).all()


def test_known_places_on_scales():
    np.testing.assert_allclose(Scale(0, 10, 0, 100)([2.5, -1, np.inf]), [25, -10, np.inf])
    np.testing.assert_allclose(Scale(0.01, 100, 0, 100, log=True)([1, 10, 0, -5, np.nan]), [50, 75, np.nan, np.nan, np.nan])
    assert Scale(0.01, 100, 0, 100, log=True).inverse(75) == pytest.approx(10)
    assert Scale(0, 10, 0, 100).shows(np.array([-3, -2, 50, 102, 103, np.nan, np.inf])).tolist() == [
        False, True, True, True, False, False, False,
    ]  # fmt: skip


def is_round(value):
    """Whether three digits are enough to write the value."""
    return float(f"{value:.2e}") == pytest.approx(value, rel=1e-9)


@settings(max_examples=200)
@given(low=st.floats(-1e6, 1e6), width=st.floats(1e-9, 1e9))
def test_linear_ticks_are_round_few_and_inside(low, width):
    assume(width > 1e-3 * abs(low))
    scale = Scale(low, low + width, 0.0, 1.0)
    positions, labels = zip(*scale.ticks(), strict=True)
    values = np.array([scale.inverse(position) for position in positions])
    assert 2 <= len(values) <= 7
    assert all(-1e-6 <= position <= 1 + 1e-6 for position in positions)
    steps = np.diff(values)
    np.testing.assert_allclose(steps, steps[0], rtol=1e-5)
    assert f"{steps[0]:.1e}"[0] in "125"
    assert len(set(labels)) == len(labels)
    for value, label in zip(values, labels, strict=True):
        assert float(label) == pytest.approx(value, rel=1e-5, abs=1e-6 * width)
        assert value / steps[0] == pytest.approx(round(value / steps[0]), abs=1e-2)


@settings(max_examples=200)
@given(low=positive, ratio=st.floats(1.05, 1e30))
def test_logarithmic_ticks_are_round_few_and_inside(low, ratio):
    scale = Scale(low, low * ratio, 0.0, 1.0, log=True)
    positions, labels = zip(*scale.ticks(), strict=True)
    assert 2 <= len(positions) <= 7
    assert all(-1e-9 <= position <= 1 + 1e-9 for position in positions)
    assert list(positions) == sorted(set(positions))
    assert len(set(labels)) == len(labels)
    for position, label in zip(positions, labels, strict=True):
        assert float(label) == pytest.approx(scale.inverse(position), rel=1e-4)
        assert is_round(float(label))


@pytest.mark.parametrize(
    ("low", "high", "log", "labels"),
    [
        (0, 1, False, ["0", "0.2", "0.4", "0.6", "0.8", "1"]),
        (-0.3, 0.3, False, ["-0.3", "-0.2", "-0.1", "0", "0.1", "0.2", "0.3"]),
        (1e-15, 3e-15, False, ["1e-15", "1.5e-15", "2e-15", "2.5e-15", "3e-15"]),
        (0.1, 10, True, ["0.1", "0.2", "0.5", "1", "2", "5", "10"]),
        (1e-6, 1, True, ["1e-6", "0.0001", "0.01", "1"]),
        (2.1, 2.35, True, ["2.1", "2.15", "2.2", "2.25", "2.3", "2.35"]),  # no round decade inside
    ],
)
def test_known_ticks(low, high, log, labels):
    assert [label for _, label in Scale(low, high, 0, 1, log).ticks()] == labels


@pytest.mark.parametrize(
    "values", [[], [np.nan, np.inf], [3.0], [3.0, 3.0], [0.0, 0.0], [-5, 5], [0.0, 1e-3, 10], [1e-30, 1e30]]
)
@pytest.mark.parametrize("log", [False, True])
def test_a_fitted_scale_shows_all_that_it_can(values, log):
    scale = frame.fitted_scale(values, 0, 100, log=log)
    assert scale.high > scale.low
    values = np.array(values, float)
    shown = scale.shows(scale(values))
    np.testing.assert_array_equal(shown, np.isfinite(values) & ((values > 0) | (not log)))
    assert len(scale.ticks()) >= 2


@given(low=st.floats(-99.0, 99.0), width=st.floats(1e-3, 1e3), log=st.booleans())
def test_labels_stay_in_their_plot_and_apart(low, width, log):
    assume(not log or low > 1e-3)
    root = parsed(frame.plot([Line([low, low + width], [low, low + width], "a", "red")], title="t", x_label="x", log_x=log))
    labels = [text for text in root.iter(f"{SVG}text") if re.fullmatch(r"-?[\d.]+(e-?\d+)?", text.text or "")]
    across = [text for text in labels if text.get("text-anchor") == "middle"]
    halves = [frame.LETTER * len(text.text) / 2 for text in across]
    middles = [float(text.get("x")) for text in across]
    assert len(across) >= 2 and len(labels) >= 4
    assert max(middle + half for middle, half in zip(middles, halves, strict=True)) <= 320 + 0.1
    for (a, b), (half, next_half) in zip(itertools.pairwise(middles), itertools.pairwise(halves), strict=True):
        assert a + half <= b - next_half + 0.1
    for text in set(labels) - set(across):
        assert text.get("textLength") or frame.LETTER * len(text.text) <= 39


# Plots ------------------------------------------------------------------------------------------------------------------

RANGE = np.linspace(0, 10, 5000)
CURVES = {
    "none": [],
    "empty": [Line([], [], "a", "red")],
    "point": [Line([1.0], [2.0], "a", "red")],
    "gaps": [Line(range(9), [1, math.nan, 2, math.inf, 3, -math.inf, math.nan, 4, 5], "a", "red")],
    "only gaps": [Line([1, 2], [math.nan, math.inf], "a", "red")],
    "gaps in x": [Line([math.nan, 1, 2, math.inf], [1, 2, 3, 4], "a", "red")],
    "constant": [Line([0, 1, 2], [7, 7, 7], "a", "red")],
    "zeros": [Line([0, 1, 2, 3], [0, 1e-3, 0, 10], "a", "red")],
    "only zeros": [Line([0, 1, 2], [0, 0, 0], "a", "red")],
    "huge": [Line([0, 1e30], [-1e30, 1e30], "a", "red")],
    "tiny": [Line([0, 1e-30], [1e-30, 2e-30], "a", "red")],
    "many": [Line(RANGE, np.sin(RANGE + k), f"curve {k}", "red", dash="5 3") for k in range(6)],
    "noise": [Line(RANGE, np.random.default_rng(k).choice([-1e9, 0.5, math.nan], 5000), "a", "red") for k in range(6)],
}


@pytest.mark.parametrize("log_x", [False, True])
@pytest.mark.parametrize("log_y", [False, True])
@pytest.mark.parametrize("name", CURVES)
def test_a_plot_is_well_formed_and_small_whatever_is_in_it(name, log_x, log_y):
    points = [(1.0, 0.5, "red", "the ball"), (math.nan, 1.0, "red", "lost"), (0.0, -1.0, "red", "none")]
    for extra in ({}, {"marks": [(0.5, "blue", "brake on")], "points": points}):
        text = frame.plot(CURVES[name], title="loss", x_label="epoch", log_x=log_x, log_y=log_y, **extra)
        root = parsed(text)
        assert len(text) < MOST_BYTES
        assert len([path for path in root.iter(f"{SVG}path") if path.get("fill") == "none"]) == len(CURVES[name]) + 1
        assert {"loss", "epoch"} <= set(words(root))


@given(
    y=st.lists(st.one_of(st.floats(width=32), st.sampled_from([0.0, math.nan, math.inf])), max_size=40),
    log=st.booleans(),
)
def test_any_float32_values_can_be_plotted(y, log):
    parsed(frame.plot([Line(range(len(y)), y, "a", "red")], title="t", x_label="x", log_y=log))


def path_points(text):
    """Pieces of the first curve, each an array of (x, y); a lone point is a short stroke to the right, `h`."""
    path = next(element for element in parsed(text).iter(f"{SVG}path") if element.find(f"{SVG}title") is not None)
    pieces = [piece for piece in path.get("d").split("M") if piece]
    return [np.array(re.findall(r"[-\d.]+", piece.split("h")[0]), float).reshape(-1, 2) for piece in pieces]


def test_a_curve_goes_through_its_points_and_leaves_gaps():
    line = Line([0, 1, 2, 3, 4], [0, 1, math.nan, 3, 4], "a", "red")
    text = frame.plot([line], title="t", x_label="x", x_limits=(0, 4), y_limits=(0, 4), size=(320, 230))
    first, second = path_points(text)
    np.testing.assert_allclose(first, [[44, 196], [111, 153]])
    np.testing.assert_allclose(second, [[245, 67], [312, 24]])


def test_a_single_point_can_be_seen():
    text = frame.plot([Line([0.5], [0.5], "a", "red")], title="t", x_label="x", x_limits=(0, 1), y_limits=(0, 1))
    ((stroke,),) = path_points(text)
    np.testing.assert_allclose(stroke, [178, 110], atol=3)
    assert re.search(r"h[\d.]*[1-9]", text)


def test_what_lies_outside_the_limits_is_not_drawn():
    text = frame.plot([Line([0, 1, 2, 3], [0, 1, 99, 1], "a", "red")], title="t", x_label="x", y_limits=(0, 2))
    assert [len(piece) for piece in path_points(text)] == [2, 1]


def test_long_curves_are_thinned_and_keep_their_last_point():
    (points,) = path_points(frame.plot([Line(RANGE, RANGE**2, "a", "red")], title="t", x_label="x", x_limits=(0, 10)))
    assert 100 <= len(points) <= frame.MOST_POINTS + 1
    assert points[-1, 0] == 312


def test_text_from_outside_is_escaped():
    hostile = "<script>alert(\"1\")</script> & 'so on'"
    line = Line([0, 1], [0, 1], hostile, "red")
    plot = frame.plot(
        [line], title=hostile, x_label=hostile, y_label=hostile,
        marks=[(0.5, "red", hostile)], points=[(0.5, 0.5, "red", hostile)],
    )  # fmt: skip
    picture = frame.compose([plot], above=[frame.legend([(hostile, "red")]), frame.text(hostile)], description=hostile)
    root = parsed(picture)
    assert words(root).count(hostile) == 8
    assert root.get("aria-label") == hostile
    assert not list(root.iter("script"))


def test_a_legend_keeps_its_place_while_it_is_empty():
    height = re.search(r"min-height:\d+px", frame.legend([("SGD", "red")]))[0]
    assert height in frame.legend([])


# Colours ----------------------------------------------------------------------------------------------------------------

# Machado, Oliveira, Fernandes (2009): what people without one kind of cone see, in linear RGB
VISION = {
    "all cones": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
}
XYZ = np.array([[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]])
WHITE = np.array([0.95047, 1.0, 1.08883])


def linear(colour):
    rgb = np.array(to_rgb(colour))
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def lab(rgb):
    xyz = XYZ @ np.clip(rgb, 0, 1) / WHITE
    f = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("vision", VISION)
@pytest.mark.parametrize("palette", [tuple(colours.RUN.values()), colours.CYCLE, (colours.OURS, colours.PUBLISHED)])
def test_colours_can_be_told_apart(palette, vision):
    assert len(set(palette)) == len(palette)
    seen = {colour: lab(np.array(VISION[vision]) @ linear(colour)) for colour in palette}
    for first, second in itertools.combinations(palette, 2):
        assert np.linalg.norm(seen[first] - seen[second]) > 12, (first, second)  # CIE 1976; 2.3 is just noticeable


@pytest.mark.parametrize("colour", sorted({*colours.RUN.values(), *colours.CYCLE, colours.BLACK}))
def test_lines_stand_out_from_white(colour):
    contrast = 1.05 / (XYZ[1] @ linear(colour) + 0.05)
    assert contrast >= 3.0


def test_runs_have_their_colours_and_branches_share_one():
    assert race_figures.run_colour("SGD") == colours.RUN["SGD"]
    assert race_figures.run_colour("branch 2 from epoch 7") == colours.RUN["branch"]
    assert race_figures.run_colour("mine") == frame.TEXT


# Races ------------------------------------------------------------------------------------------------------------------


def race_records(runs=("goal-oriented", "SGD"), epochs=4, brake_at=2):
    records = []
    for number in range(2 * epochs + 1):
        for k, run in enumerate(runs):
            metrics = {"batch_loss": math.exp(-number / 3) + k} if number else {"train_loss": 1.0 + k}
            if number % 2 == 0:
                metrics |= {"validation_loss": 1 / (1 + number) + k, "validation_accuracy": number / 10}
            if run == "goal-oriented":
                metrics |= {"kinetic_energy": 0.1 * number, "braked": float(number > 2 * brake_at)}
            records.append(Record(number / 2, 10 * number, 0.1 * number, metrics, run=run))
    return records


def state(curves):
    return curves.points, curves.brakes, curves.runs


@given(stops=st.lists(st.integers(0, 18), max_size=8))
def test_curves_that_grow_equal_curves_read_at_once(stops):
    records, growing, curves = race_records(), [], race_figures.Curves()
    for stop in [*sorted(stops), len(records)]:
        growing.extend(records[len(growing) : stop])
        curves.follow(growing)
        whole = race_figures.Curves()
        whole.follow(records[:stop])
        assert state(curves) == state(whole)


def test_curves_of_another_or_a_shorter_list_are_read_afresh():
    records, curves, fresh = race_records(), race_figures.Curves(), race_figures.Curves()
    curves.follow(records)
    curves.follow(records[:5])
    fresh.follow(records[:5])
    assert state(curves) == state(fresh)
    shrinking = list(records)
    curves.follow(shrinking)
    del shrinking[7:]
    curves.follow(shrinking)
    fresh.follow(records[:7])
    assert state(curves) == state(fresh)
    curves.follow(race_records(runs=("Adam", "SGD")))
    assert curves.runs == ["Adam", "SGD"]
    curves.follow([])
    assert state(curves) == ({}, [], [])


def test_curves_hold_epochs_and_values_and_where_the_brake_went_on():
    curves = race_figures.Curves()
    curves.follow(race_records())
    assert curves.runs == ["goal-oriented", "SGD"]
    assert curves.of("validation_accuracy")[1] == ("SGD", [0, 1, 2, 3, 4], [0.0, 0.2, 0.4, 0.6, 0.8])
    assert [run for run, *_ in curves.of("kinetic_energy")] == ["goal-oriented"]
    assert curves.of("nothing") == []
    assert curves.brakes == [("goal-oriented", 2.0)]


def test_each_braking_is_marked():
    values = [0, 1, 1, 0, 0, 1]
    records = [Record(number, number, 0.0, {"braked": float(value)}, run="a") for number, value in enumerate(values)]
    curves = race_figures.Curves()
    curves.follow(records)
    assert curves.brakes == [("a", 0), ("a", 4)]


def picture(text):
    """A frame as a screen reader and a browser find it."""
    root = parsed(text)
    named = [element for element in root.iter() if element.get("role") == "img"]
    assert len(named) == 1
    assert len(text) < 1.5 * MOST_BYTES  # three plots
    return root, named[0].get("aria-label")


@pytest.mark.parametrize("log_loss", [False, True])
@pytest.mark.parametrize("records", [[], race_records()[:1], race_records()[:2], race_records()[:5], race_records(epochs=400)])
def test_a_race_is_one_named_picture(records, log_loss):
    curves = race_figures.Curves()
    curves.follow(records)
    root, label = picture(race_figures.race_frame(curves, log_loss=log_loss, note="α < 1"))
    assert "α < 1" in words(root)
    assert {"loss", "accuracy on validation", "energy H"} <= set(words(root))
    assert "accuracy" in label
    if not records:
        assert "No run yet" in label
    for run in curves.runs:
        assert f"{run} accuracy {curves.points[run, 'validation_accuracy'][1][-1]:.3f}" in label
        assert run in words(root)


def test_the_energy_is_the_sum_of_both_where_both_are_known():
    curves = race_figures.Curves()
    curves.follow(race_records())
    ((_, epochs, kinetic), (_, loss_epochs, loss)) = curves.of("kinetic_energy")[0], curves.of("batch_loss")[0]
    (line,) = race_figures._energies(curves)
    assert list(line.x) == loss_epochs == epochs[1:]
    np.testing.assert_allclose(line.y, np.add(kinetic[1:], loss))


def test_a_diverged_race_is_drawn():
    records = race_records()
    records.append(
        Record(4.5, 90, 1.0, {"batch_loss": math.nan, "kinetic_energy": math.inf, "braked": 1.0}, True, "goal-oriented")
    )
    curves = race_figures.Curves()
    curves.follow(records)
    picture(race_figures.race_frame(curves, log_loss=True, note=""))


def test_the_static_race_shows_the_same_curves():
    curves = race_figures.Curves()
    curves.follow(race_records(runs=("goal-oriented", "SGD", "mine")))
    axes = Figure().subplots(1, 2)
    race_figures.race(axes, curves)
    for axis, metric in zip(axes, ("validation_accuracy", "validation_loss"), strict=True):
        *lines, brake = axis.get_lines()
        assert [line.get_label() for line in lines] == ["goal-oriented", "SGD", "mine"]
        for line, (_, epochs, values) in zip(lines, curves.of(metric), strict=True):
            assert (list(line.get_xdata()), list(line.get_ydata())) == (epochs, values)
        assert list(brake.get_xdata()) == [2.0, 2.0]
    assert axes[1].get_yscale() == "log"
    assert [text.get_text() for text in axes[0].get_legend().get_texts()] == ["goal-oriented", "SGD", "mine"]


# Landscapes -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("steps", [0, 1, 7, 3000])
@pytest.mark.parametrize("name", landscapes.LANDSCAPES)
def test_a_ball_is_one_named_picture(name, steps):
    landscape = landscapes.LANDSCAPES[name]
    path = list(landscapes.roll(landscape, lr=0.05, friction=0.3, goal=0.5, factor=10.0, steps=steps))
    root, label = picture(ball_figures.ball_frame(landscape, path))
    assert label.startswith(f"Ball on {name}: after {steps} steps loss {path[-1].potential:.3g}")
    assert f"{name}: L = {landscape.formula}" in words(root)
    assert {"low friction", "braked", "energy H"} <= set(words(root))
    brakes = [position.step for position in path if position.braked]
    assert [text for text in words(root) if text.startswith("brake on")] == [f"brake on at step {step}" for step in brakes[:1]]


@pytest.mark.parametrize("name", landscapes.LANDSCAPES)
def test_the_ball_lies_where_the_scales_of_the_map_say(name):
    landscape = landscapes.LANDSCAPES[name]
    path = list(landscapes.roll(landscape, lr=0.05, friction=0.3, steps=5))
    ball = next(parsed(ball_figures.ball_frame(landscape, path)).iter(f"{SVG}circle"))
    scales = ball_figures.map_scales(landscape)
    assert len(scales) == landscape.dimensions
    pixels = [float(scale(value)) for scale, value in zip(scales, path[-1].weights, strict=True)]
    assert [float(ball.get(name)) for name in ("cx", "cy")[: len(scales)]] == pytest.approx(pixels, abs=0.06)


def test_contours_are_lines_of_equal_loss():
    landscape = landscapes.LANDSCAPES["bowl"]
    lines = ball_figures.contours(landscape.value, landscape.limits)
    assert len({line.label for line in lines}) == ball_figures.LEVELS
    for line in lines:
        loss = landscape.value(np.stack([line.x, line.y], axis=-1))
        np.testing.assert_allclose(loss, float(line.label.removeprefix("loss ")), rtol=0.03, atol=0.05)


def test_a_ball_that_never_brakes_has_no_mark():
    landscape = landscapes.LANDSCAPES["parabola"]
    path = [SimpleNamespace(step=0, weights=(1.0,), momentum=(0.0,), potential=0.5, kinetic=0.0, braked=False)]
    assert "brake on" not in ball_figures.ball_frame(landscape, path)
