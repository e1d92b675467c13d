"""The panels of the basics: cells that are clicked and written, what a setting shows at once, scripts with the same numbers."""

import numpy as np
import pytest
from small_panels import few_digits

from toolkit import datasets
from toolkit.figures import convolution as convolution_figures
from toolkit.panels import ConvolutionPanel, DepthPanel, GalleryPanel


def printed_by(panel):
    """What the panel's script prints."""
    lines = []
    exec(panel.code(), {"print": lambda *values: lines.append(values)})
    return lines


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
