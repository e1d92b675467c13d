"""The panels of the basics: cells that are clicked and written, what a setting shows at once, scripts with the same numbers."""

import math
import re
from xml.etree import ElementTree

import numpy as np
import pytest
from small_panels import few_digits

from toolkit import datasets
from toolkit.figures import convolution as convolution_figures
from toolkit.learning import backpropagation, fitting
from toolkit.panels import (
    BackpropagationPanel,
    ConvolutionPanel,
    DepthPanel,
    DescentPanel,
    FittingPanel,
    GalleryPanel,
)
from toolkit.panels.backpropagation import chain_rule


def printed_by(panel):
    """What the panel's script prints."""
    lines = []
    exec(panel.code(), {"print": lambda *values: lines.append(values)})
    return lines


@pytest.mark.parametrize(
    "panel_type", [BackpropagationPanel, ConvolutionPanel, DepthPanel, DescentPanel, FittingPanel, GalleryPanel]
)
def test_pictures_are_well_formed_with_numbers_for_coordinates(panel_type):
    panel = panel_type(**{name: 2 for name in ("epochs", "blocks") if name in panel_type().controls})
    for picture in (panel.frame.value, panel.run().frame.value):
        for element in ElementTree.fromstring(picture).iter():
            for name in ("x", "y", "x1", "x2", "y1", "y2", "cx", "cy", "width", "height"):
                if not element.get(name, "0").endswith("%"):
                    assert math.isfinite(float(element.get(name, "0"))), element.attrib
            assert not re.search("nan|inf", element.get("d", ""))


# Convolution ------------------------------------------------------------------------------------------------------------


def test_a_click_on_a_cell_writes_the_value_and_the_map_follows():
    panel = ConvolutionPanel(input="blank", kernel="sum of nine", value=2.0)
    panel.pointed([convolution_figures.LEFT + 5, convolution_figures.TOP + 5])
    assert panel.image[0, 0] == 2.0 and panel.image.sum() == 2.0
    assert [placement.value for placement in panel.run().records if placement.value] == [2.0]


def test_a_click_on_a_turned_kernel_writes_where_it_is_drawn():
    panel = ConvolutionPanel(operation="convolution", kernel="identity", value=7.0)
    panel.pointed([convolution_figures.SMALL_LEFT + 2, convolution_figures.SMALL_TOP + 2])
    assert panel.kernel[2, 2] == 7.0
    assert panel.controls["edit"].value == "kernel"


@pytest.mark.parametrize("position", [[300.0, 20.0], [399.0, 300.0], [-5.0, 50.0]])
def test_a_click_beside_the_cells_does_nothing(position):
    panel = ConvolutionPanel()
    before = panel.frame.value
    panel.pointed(position)
    assert panel.frame.value == before


def test_padding_cannot_be_written_into():
    panel = ConvolutionPanel(padding=2)
    before = panel.image.copy()
    panel.pointed([convolution_figures.LEFT + 3, convolution_figures.TOP + 3])
    np.testing.assert_array_equal(panel.image, before)


def test_write_and_reset():
    panel = ConvolutionPanel(input="Table 2.2", row=6, column=7, value=9.0)
    panel.write_button.click()
    assert panel.image[6, 6] == 9.0  # a column beyond the last counts as the last
    panel.reset_button.click()
    assert panel.image[6, 6] == 0.0


def test_another_input_is_drawn_afresh_and_every_input_can_be_pooled():
    panel = ConvolutionPanel()
    for name in panel.controls["input"].options:
        panel.controls["input"].value = name
        for operation in ("cross-correlation", "max pooling"):
            panel.controls["operation"].value = operation
            assert "Map:" in panel.frame.value
    assert panel.controls["kernel"].layout.display == "none" and panel.controls["size"].layout.display is None


def test_the_script_of_an_edited_setting_gives_its_numbers():
    panel = ConvolutionPanel(input="a handwritten 7", operation="convolution", stride=2, padding=1, fill="nearest")
    panel.write()
    records = panel.run().records
    assert printed_by(panel) == [(record.row, record.column, record.value) for record in records]


@pytest.mark.parametrize("operation", ["cross-correlation", "convolution"])
def test_a_replay_brings_the_edited_cells_back(tmp_path, operation):
    panel = ConvolutionPanel(operation=operation, kernel="shift", edit="kernel", value=4.0)
    panel.write()
    panel.run().save(tmp_path / "run.npz")
    other = ConvolutionPanel()
    other.replay(tmp_path / "run.npz")
    np.testing.assert_array_equal(other.kernel, panel.kernel)
    np.testing.assert_array_equal(other.image, panel.image)
    assert other.code() == panel.code()


# Depth ------------------------------------------------------------------------------------------------------------------


def test_the_depth_is_seen_before_any_run():
    panel = DepthPanel(blocks=1)
    frames = []
    for blocks in (2, 10):
        panel.controls["blocks"].value = blocks
        frames.append(panel.frame.value)
    assert "4 convolutions, before training" in frames[0]
    assert "20 convolutions, before training" in frames[1]


def test_the_learning_rate_acts_on_both_running_stacks():
    panel = DepthPanel(blocks=1, epochs=30, scale=300)
    panel.start()
    panel.pause()
    panel.controls["learning_rate"].value = 0.001
    rates = [run.optimizer.param_groups[0]["lr"] for run in panel._compare.runs.values()]
    panel.stop()
    assert rates == [0.001, 0.001]


def test_the_script_of_the_stacks_gives_their_numbers():
    panel = DepthPanel(blocks=1, epochs=1, scale=300, activation="tanh").run()
    assert [(epoch, metrics) for epoch, metrics, _ in printed_by(panel)] == [
        (record.epoch, record.metrics) for record in panel.records
    ]


# Gallery ----------------------------------------------------------------------------------------------------------------


def test_the_gallery_follows_set_class_and_look(monkeypatch):
    sets = {"digits": few_digits(), "mnist": few_digits().subset(100)}
    monkeypatch.setattr(datasets, "available", lambda name: name in sets)
    monkeypatch.setattr(datasets, "load", lambda name: sets[name])
    panel = GalleryPanel()
    assert panel.controls["dataset"].options == ("digits", "mnist")
    frames = [panel.frame.value]
    for name, value in (("label", "4"), ("look", "augmented"), ("split", "test"), ("dataset", "mnist"), ("seed", 3)):
        panel.controls[name].value = value
        frames.append(panel.frame.value)
    assert len(set(frames)) == len(frames)
    assert panel.controls["label"].value == "4"


def test_own_images_are_shown_and_an_empty_part_is_said():
    images = np.random.default_rng(0).integers(0, 255, (60, 3, 12, 12), dtype=np.uint8)
    own = datasets.from_arrays(images, np.arange(60) % 2, classes=("left", "right"), test=0.0)
    panel = GalleryPanel(own, label="right")
    assert set(panel.run().records[0].labels) == {1}
    panel.controls["split"].value = "test"
    assert "holds no image" in panel.error_line.value


def test_the_script_of_the_gallery_turns_the_same_pages():
    panel = GalleryPanel(dataset="digits", label="5", look="normalised", most=2).run()
    printed = printed_by(panel)
    assert [number for number, _ in printed] == [1, 2]
    np.testing.assert_array_equal(printed[1][1], panel.records[1].labels)


# Optimizers -------------------------------------------------------------------------------------------------------------


def test_the_whole_race_is_drawn_at_once_and_follows_the_controls():
    panel = DescentPanel(ground="bowl", steps=40)
    frames = [panel.frame.value]
    for name, value in (("noise", 1.0), ("adam", 0.5), ("memory", 0.5), ("start_x", 2.0), ("names", ("SGD", "Adam"))):
        panel.controls[name].value = value
        frames.append(panel.frame.value)
    assert len(set(frames)) == len(frames)
    assert "Loss after 40 steps: SGD" in frames[-1]


def test_another_ground_brings_its_start_and_its_learning_rates():
    panel = DescentPanel(adam=0.2)
    assert panel.controls["adam"].value == 0.2
    panel.controls["ground"].value = "Himmelblau"
    assert (panel.controls["start_x"].value, panel.controls["start_y"].value) == (0.0, 0.0)
    panel.controls["ground"].value = "a network on the digits"
    assert panel.settings["adam"] == 0.01 and panel.controls["start_x"].layout.display == "none"
    assert "Press Run" in panel.frame.value


def test_the_start_is_dragged_on_the_map():
    panel = DescentPanel(ground="bowl")
    panel.pointed([(44 + 312) / 2, (24 + 236) / 2])  # the middle of the axes
    assert panel.controls["start_x"].value == pytest.approx(0.0, abs=0.05)
    assert panel.controls["start_y"].value == pytest.approx(0.0, abs=0.05)


def test_a_race_without_racers_is_said_and_keeps_the_picture():
    panel = DescentPanel(ground="bowl", steps=20)
    before = panel.frame.value
    panel.controls["names"].value = ()
    assert "names must be" in panel.error_line.value and panel.frame.value == before


@pytest.mark.parametrize("ground", ["saddle", "a network on the digits"])
def test_the_script_of_a_race_gives_its_losses(ground):
    panel = DescentPanel(ground=ground, steps=20, epochs=1, names=("SGD", "momentum, as printed", "RMSProp")).run()
    for (step, loss), record in zip(printed_by(panel), panel.records, strict=True):
        assert step == record.step
        np.testing.assert_array_equal(loss, record.loss)


# Backpropagation --------------------------------------------------------------------------------------------------------


def test_every_weight_changes_the_numbers_and_the_chain_rule_is_written_out():
    panel = BackpropagationPanel()
    frames = []
    for name in backpropagation.WEIGHTS:
        panel.controls[name].value = 1.5
        panel.controls["weight"].value = name
        frames.append(panel.frame.value)
    assert len(set(frames)) == 9
    assert panel.frame.value.count("∂L/∂w ") == 9


@pytest.mark.parametrize("activation", backpropagation.ACTIVATIONS)
def test_the_chain_rule_in_words_ends_in_the_gradient(activation):
    settings = {name: BackpropagationPanel().settings[name] for name in backpropagation.WEIGHTS}
    now = list(backpropagation.passes(settings, (1.0, 0.5), 1.0, activation=activation))[-2]
    gradients = [*now.first_gradient.flat, *now.second_gradient.flat]
    for name, gradient in zip(backpropagation.WEIGHTS, gradients, strict=True):
        *_, factors, product = chain_rule(now, name, activation).split(" = ")
        assert float(product) == pytest.approx(gradient, rel=0.01)
        assert np.prod([float(factor) for factor in factors.split(" · ")]) == pytest.approx(gradient, rel=0.05, abs=1e-9)


def test_the_script_of_the_passes_gives_their_losses():
    panel = BackpropagationPanel(loss="cross-entropy", activation="relu", rounds=2).run()
    printed = printed_by(panel)
    assert [stage for _, stage, _ in printed] == [record.stage for record in panel.records]
    np.testing.assert_array_equal([loss for *_, loss in printed], [record.loss for record in panel.records])


def test_a_target_that_is_no_probability_is_said():
    panel = BackpropagationPanel(loss="cross-entropy")
    panel.controls["target"].value = -1.0
    assert "target must lie in 0 .. 1" in panel.error_line.value


# One hidden layer -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("task", fitting.TASKS)
def test_every_task_is_drawn_before_and_after_training_and_its_script_gives_its_metrics(task):
    panel = FittingPanel(task=task, epochs=2)
    before = panel.frame.value
    panel.run()
    assert panel.frame.value != before
    assert printed_by(panel) == [(record.epoch, record.metrics) for record in panel.records]
    assert ("confusion matrix" in before) == fitting.TASKS[task].classification


def test_the_best_network_can_be_shown_instead_of_the_newest():
    panel = FittingPanel(task="wavy border", units=60, noise=0.4, samples=40, epochs=200, learning_rate=0.05).run()
    newest = panel.frame.value
    panel.controls["network"].value = "best so far"
    losses = [record.metrics["validation_loss"] for record in panel.records]
    assert f"Shown: epoch {panel.records[int(np.argmin(losses))].epoch:.0f}," in panel.frame.value != newest


def test_a_run_that_diverges_is_drawn():
    panel = FittingPanel(task="wave", activation="square", learning_rate=1.0, units=80, epochs=300, samples=300).run()
    assert panel.frame.value and "nan" not in panel.frame.value.split("<svg")[1]
