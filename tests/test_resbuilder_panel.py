"""The panel of lesson 05: its code, what is steered, edits by hand, what is shown and exported, recorded studies."""

from dataclasses import replace

import pytest
import torch
from matplotlib.figure import Figure
from small_panels import few_digits, timeless, until

from toolkit.figures import resbuilder as figures
from toolkit.panels import ResBuilderPanel
from toolkit.search import architecture
from toolkit.search.resbuilder import RECIPES
from toolkit.studies import resbuilder as study

QUICK = {"epochs": 1, "layer_steps": 1, "morph_steps": 1, "width": 3, "batch_size": 128, "budget": 0.02}


@pytest.fixture(scope="module")
def digits():
    return few_digits()


@pytest.fixture(scope="module")
def finished(digits):
    """A panel that has run to its end."""
    return ResBuilderPanel(digits, **QUICK).run()


@pytest.fixture
def paused(digits):
    """A run that waits after its first record."""
    panel = ResBuilderPanel(digits, **QUICK | {"epochs": 3, "init": "zero_gamma"})
    panel.step()
    until(lambda: panel.records and panel.run_button.description == "Resume", "the first record")
    yield panel
    panel.stop()


@pytest.mark.parametrize("start", ["RB-0Net", "ResNet-18"])
def test_the_code_of_the_panel_gives_the_same_numbers(start, digits):
    panel = ResBuilderPanel(digits, **QUICK | {"start": start, "morph_steps": 0, "weight_decay": 1e-3}).run()
    script, names = panel.code().replace("...  # your own datasets.Dataset", "own"), {"own": digits}
    exec(
        compile(
            script.replace("    print(record.step, record.kind, record.variant, record.metrics)", "    pass"), "code", "exec"
        ),
        names,
    )
    ours, theirs = ([replace(one, training_seconds=0.0) for one in run] for run in (panel.records, names["search"].records))
    assert timeless(ours) == timeless(theirs)
    assert not names["network"].training


def test_what_is_steered_reaches_the_search(paused):
    for name, value, reached in (
        ("morph_strength", 1e-4, 1e-4), ("lasso_strength", 1e-6, 1e-6), ("deletion_threshold", 0.1, 0.1), ("budget", 0.05, 5e4),
        ("momentum", 0.1, 0.1), ("intensity", 0.5, 0.5), ("weight_decay", 1e-3, 1e-3), ("learning_rate", 0.02, 0.02),
        ("layer_steps", 3, 3), ("epochs", 2, 2),
    ):  # fmt: skip
        paused.controls[name].value = value
        assert paused.error_line.value == ""
        assert getattr(paused.search, name) == pytest.approx(reached)
    paused.controls["learning_rate"].value = "of the recipe"
    assert paused.search.learning_rate == RECIPES["thesis"].learning_rate
    paused.controls["recipe"].value = "modern"
    assert "takes effect at the next Run" in paused.error_line.value


def test_a_budget_for_which_no_network_is_small_enough_is_refused(digits):
    panel = ResBuilderPanel(digits, **QUICK)
    panel.begin(panel.settings)
    with pytest.raises(ValueError, match="budget"):
        panel.steer("budget", 1e-6)
    assert panel.search.budget == 2e4


# By hand ------------------------------------------------------------------------------------------------------------------


def press(panel, name):
    next(
        button for button in panel.widget.children[1].children[1].children[0].children if f"panel-{name}" in button._dom_classes
    ).click()


def test_a_block_is_inserted_and_removed_by_hand_and_the_search_goes_on(paused):
    paused.controls["stage"].value, paused.controls["block_number"].value = 2, 1
    press(paused, "insert")
    until(lambda: paused.records[-1].kind == "insert" and paused.run_button.description == "Resume", "the insertion")
    event = paused.records[-1].event
    assert (event["stage"], event["block"], event["hand"]) == (1, 0, 1)
    assert event["accuracy_before"] == event["accuracy_after"]  # the branch is zero
    assert "block 1 of stage 2 inserted by hand: accuracy on validation" in paused.frame.value
    assert figures.changes(paused.records)[-1].inserted == (("block", 1, 0),)
    press(paused, "remove")
    until(lambda: paused.records[-1].kind == "delete" and paused.run_button.description == "Resume", "the removal")
    assert paused.search.architecture == paused.search.start
    paused.start()
    paused.join()
    assert paused.records[-1].kind == "trained" and paused.search.cycle == 1
    assert [record.event["hand"] for record in paused.records if record.kind == "insert"] == [1, 0]


def test_what_cannot_be_done_by_hand_is_said_and_changes_nothing(paused, finished):
    paused.controls["stage"].value, paused.controls["block_number"].value = 1, 1
    before = paused.search.state_dict()["architecture"], len(paused.records)
    press(paused, "remove")
    assert "no block can be removed at number 1 of stage 1: there are 0 in stage 1" in paused.error_line.value
    paused.controls["stage"].value = 4
    press(paused, "insert")
    assert "no block can be inserted at number 1 of stage 4" in paused.error_line.value
    assert before == (paused.search.state_dict()["architecture"], len(paused.records))
    with pytest.raises(ValueError, match="no run to change"):
        finished.insert()


def test_an_edit_that_comes_with_the_end_of_the_search_is_refused(paused):
    paused._over = True
    with pytest.raises(ValueError, match="come to its end"):
        paused.insert()


# What is shown and exported -----------------------------------------------------------------------------------------------


def test_every_architecture_of_the_history_can_be_shown(finished):
    steps = finished.search.number
    assert finished.controls["number"].max == steps == 3
    finished.controls["show"].value = "by number"
    for number in range(1, steps + 1):
        finished.controls["number"].value = number
        assert f">{number}: " in finished.frame.value and f"while architecture {number} trains" in finished.frame.value
    finished.controls["show"].value = "the best"
    assert f">{finished.search.best.record.step}: " in finished.frame.value
    finished.controls["show"].value = "the latest"


def test_what_is_exported_gives_equal_outputs_elsewhere(finished, tmp_path):
    best = finished.search.best
    finished.controls["show"].value = "the best"
    text, network = finished.export(tmp_path / "net.npz")
    assert text.name == f"net_{best.record.step}.json"
    assert architecture.from_json(text.read_text()).to_json() == best.record.architecture
    images = torch.rand(5, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        loaded = torch.export.load(network).module()
        torch.testing.assert_close(loaded(images), best.build()(images))
    names = {}
    exec(finished.code_view.value, names)
    assert names["network"].state_dict().keys() == best.build().state_dict().keys()
    with torch.no_grad():
        torch.testing.assert_close(names["trained"](images), best.build()(images))


def test_of_another_architecture_only_the_description_is_exported(finished, tmp_path):
    other = 1 + (finished.search.best.record.step == 1)
    finished.controls["show"].value, finished.controls["number"].value = "by number", other
    (text,) = finished.export(tmp_path / "net.npz")
    assert "weights only of the best one" in finished.error_line.value
    assert [path.name for path in tmp_path.iterdir()] == [text.name] == [f"net_{other}.json"]
    with pytest.raises(ValueError, match="nothing to export yet"):
        ResBuilderPanel(finished.own_data).export(tmp_path / "none.npz")


# Recordings ---------------------------------------------------------------------------------------------------------------


def test_a_recorded_search_is_replayed_by_start_recipe_and_seed(tmp_path):
    folder, joined = tmp_path / "runs", tmp_path / "joined.npz"
    how = {"images": 60, "budget": 1e5, "epochs": 1, "steps": 1, "seeds": (0, 3)}
    list(study.record(folder, dataset="digits", methods=("rb_0net", "zero_net"), recipes=("thesis",), **how))
    study.merge(folder, joined)
    panel = ResBuilderPanel(seed=3, recipe="thesis")
    panel.replay(joined)
    (settings,) = [one for one, _ in study.runs(joined).values() if (one["method"], one["seed"]) == ("rb_0net", 3)]
    assert panel.error_line.value == ""
    assert panel.settings["budget"] == 0.1 and panel.settings["learning_rate"] == "of the recipe"
    assert panel.records[-1].step == settings["result"]["architectures"] == panel.controls["number"].max == 2
    assert "recorded" in panel.status_line.value
    with pytest.raises(ValueError, match=r"no run of \(method, recipe, seed\) = \('rb_r18', 'thesis', 3\)"):
        ResBuilderPanel(seed=3, start="ResNet-18").replay(joined)


# Figures ------------------------------------------------------------------------------------------------------------------


def test_the_static_figures_show_every_architecture(finished):
    upper, lower = Figure().subplots(2, 1)
    figures.history((upper, lower), finished.records, metric="test_accuracy")
    steps = list(range(1, finished.search.number + 1))
    lines = {line.get_label(): line for line in (*upper.lines, *lower.lines)}
    assert all(list(lines[words].get_xdata()) == steps for words, _ in figures.VARIANTS.values())
    assert list(lines["depth"].get_ydata()) == [2, 4, 4]
    assert len(lines["inserted"].get_xdata()) == 1 and len(lines["removed"].get_xdata()) == 0
    one, other = Figure().subplots(1, 2)
    runs = {"one": finished.records, "other": finished.records}
    figures.positions(one, runs)
    figures.front(other, runs)
    assert sum(len(line.get_xdata()) for line in one.lines) == 2
    assert [len(line.get_xdata()) for line in other.lines] == [3, 3]
