"""What holds for every panel: any control in any order, no way to swallow an error, and that these tests would see one."""

import ast
from pathlib import Path

import ipywidgets as widgets
import nbformat
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat.v4 import new_code_cell, new_notebook
from small_panels import few_cells, few_digits, few_patients

from toolkit import datasets, panels
from toolkit.datasets import aluminium, patients

PANELS = {name: getattr(panels, name) for name in panels.__all__}
MOST = {  # what a panel may do in a run of these tests
    "epochs": 2, "steps": 60, "repeats": 3, "iterations": 2, "values": 3, "folds": 2, "samples": 60,
    "n_estimators": 8, "most": 3, "blocks": 2,
}  # fmt: skip
MOST_OF = {  # and what some may do whose steps cost more: a fit of a Gaussian process, a whole network
    "CampaignPanel": {"batch": 3}, "DuelPanel": {"steps": 3}, "StudyPanel": {"masses": 3, "frictions": 3},
    "InversePanel": {"initial": 4}, "LatentPanel": {"steps": 4},
    "SelectionPanel": {"path_epochs": 1, "members": 2},
    "ResBuilderPanel": {"epochs": 1, "layer_steps": 1, "morph_steps": 1, "width": 8, "budget": -0.8},
}  # fmt: skip
every_panel = pytest.mark.parametrize("panel_type", PANELS.values(), ids=list(PANELS))


@pytest.fixture(scope="module", autouse=True)
def few_images():
    """Whatever data set is chosen, it is 120 digits; whatever is simulated, it is a little of it."""
    data, cells = few_digits(), few_cells()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(datasets, "load", lambda name: data)
        patch.setattr(patients, "simulate", few_patients)
        patch.setattr(aluminium, "emt", lambda scale="classroom", **settings: cells)
        yield


@pytest.fixture
def nothing_logged(caplog):
    """ipywidgets logs what a button raises and goes on; here it counts."""
    yield
    assert caplog.text == ""


def small(panel_type):
    panel = panel_type()
    for name, most in (MOST | MOST_OF.get(panel_type.__name__, {})).items():
        if name in panel.controls:
            panel.controls[name].max = most
    return panel


def at(control, share):
    """A value of the control at this share of its range; at 0 and 1 its ends."""
    if isinstance(control, widgets.SelectMultiple):
        return tuple(control.options[: round(share * len(control.options))])
    if isinstance(control, widgets.Dropdown):
        return control._options_values[round(share * (len(control._options_values) - 1))]
    if isinstance(control, widgets.FloatLogSlider):
        return control.base ** (control.min + share * (control.max - control.min))
    value = control.min + share * (control.max - control.min)
    return round(value) if isinstance(control, widgets.IntSlider) else value


def descendants(widget):
    yield widget
    for child in getattr(widget, "children", ()):
        yield from descendants(child)


def run(panel):
    """Run to the end, or be refused with a reason."""
    try:
        panel.run()
    except ValueError as refused:
        assert not panel.running
        assert len(str(refused)) > 20
    else:
        assert panel.records
        assert panel.error_line.value == ""
    assert 'role="img"' in panel.frame.value


# Widget fuzz ------------------------------------------------------------------------------------------------------------


@every_panel
def test_every_control_runs_at_both_of_its_ends(panel_type, nothing_logged):
    panel = small(panel_type)
    for name, control in panel.controls.items():
        usual = control.value
        for share in (0.0, 1.0):
            control.value = at(control, share)
            assert control.value == at(control, share), name
            run(panel)
        control.value = usual
    run(panel)


@every_panel
def test_every_control_can_be_moved_to_both_of_its_ends_during_a_run(panel_type, nothing_logged):
    panel = small(panel_type)
    for control in panel.controls.values():
        usual = control.value
        panel.start()
        panel.pause()
        for share in (0.0, 1.0):
            control.value = at(control, share)
        control.value = usual
        panel.start()
    panel.stop()
    panel.join()
    assert panel.frame.value


PRESSES = st.tuples(st.just("press"), st.integers(0, 30))
MOVES = st.tuples(st.just("move"), st.integers(0, 30), st.floats(0, 1))
OTHERS = st.tuples(st.sampled_from(["run", "start", "pause", "resume", "step", "stop"]))


@every_panel
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(actions=st.lists(st.one_of(PRESSES, MOVES, MOVES, OTHERS), min_size=4, max_size=20))
def test_any_sequence_of_buttons_and_controls_is_survived(panel_type, actions, tmp_path, nothing_logged):
    panel = small(panel_type)
    panel.path.value = str(tmp_path / "run.npz")
    buttons = [widget for widget in descendants(panel.widget) if isinstance(widget, widgets.Button)]
    sliders = [widget for widget in descendants(panel.widget) if hasattr(widget, "max") or hasattr(widget, "options")]
    for action, *arguments in actions:
        if action == "press":
            buttons[arguments[0] % len(buttons)].click()
        elif action == "move":
            control = sliders[arguments[0] % len(sliders)]
            control.value = at(control, arguments[1])
        elif action == "run":
            run(panel)
        else:
            getattr(panel, action)()
        assert panel.frame.value
        assert panel.code()
    panel.stop()
    panel.join()


@every_panel
def test_a_saved_run_comes_back_as_records(panel_type, tmp_path):
    assert panel_type.record_type is not None
    panel = small(panel_type)
    run(panel)
    if panel.records:
        panel.save(tmp_path / "run.npz")
        panel.replay(tmp_path / "run.npz")
        assert {type(record) for record in panel.records} == {panel_type.record_type}


# No way to swallow an error ---------------------------------------------------------------------------------------------

FORBIDDEN = {"Output", "display", "print", "interact", "interactive", "interactive_output", "interact_manual"}


def forbidden_names(source):
    """Line and name of what draws from a thread, or swallows exceptions."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Name | ast.Attribute):
            name = node.id if isinstance(node, ast.Name) else node.attr
            on_layout = isinstance(node, ast.Attribute) and ast.unparse(node.value).endswith("layout")
            if name in FORBIDDEN and not on_layout:  # `layout.display` is CSS
                yield node.lineno, name
        elif isinstance(node, ast.ImportFrom | ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names if alias.name in FORBIDDEN | {"matplotlib.pyplot"})
        elif isinstance(node, ast.ExceptHandler) and (node.type is None or all(isinstance(x, ast.Pass) for x in node.body)):
            yield node.lineno, "an exception that goes unseen"


@pytest.mark.parametrize("path", sorted(Path(panels.__file__).parent.glob("*.py")), ids=lambda path: path.stem)
def test_panels_use_nothing_that_swallows_errors(path):
    assert list(forbidden_names(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    "planted",
    [
        "print(1)", "display(widget)", "out = widgets.Output()", "from ipywidgets import Output as O", "interact(f, x=1)",
        "@widgets.interact(x=1)\ndef f(x): ...", "IPython.display.display(1)", "import matplotlib.pyplot as plt",
        "try:\n    f()\nexcept Exception:\n    pass", "try:\n    f()\nexcept:\n    g()",
    ],
)  # fmt: skip
def test_what_swallows_errors_would_be_seen(planted):
    assert list(forbidden_names(planted))


# The tests tested -------------------------------------------------------------------------------------------------------


def with_planted_error(panel_type, place):
    """The panel with an exception in one of its functions; in `draw` it comes with the first record."""

    def planted(self, *arguments):
        if place == "draw" and not arguments[0]:
            return original(self, *arguments)
        raise RuntimeError("planted")

    original = getattr(panel_type, place)
    return type(panel_type.__name__, (panel_type,), {place: planted})


@every_panel
@pytest.mark.parametrize("place", ["begin", "draw", "status", "finish"])
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_error_planted_in_a_panel_is_seen(place, panel_type):
    for start in ("run", "start"):
        with pytest.raises(RuntimeError, match="planted"):
            panel = small(with_planted_error(panel_type, place))
            getattr(panel, start)()
            panel.join()


@pytest.mark.parametrize("panel_type", [panel_type for panel_type in PANELS.values() if panel_type.live])
def test_an_error_planted_where_a_control_acts_is_seen(panel_type):
    panel = small(with_planted_error(panel_type, "steer"))
    panel.start()
    panel.pause()
    control = panel.controls[panel_type.live[0]]
    try:
        with pytest.raises(RuntimeError, match="planted"):
            control.value = at(control, 1.0)
        assert "RuntimeError: planted" in panel.error_line.value
    finally:
        panel.stop()


NOTEBOOK = """
from toolkit.panels import LandscapePanel

class Lesson(LandscapePanel):
    def draw(self, records):
        if records and {planted}:
            raise ValueError("planted")
        return super().draw(records)

panel = Lesson(steps=20)
"""


@pytest.mark.parametrize("planted", [False, True])
@pytest.mark.notebook
def test_a_notebook_that_shows_and_runs_a_broken_panel_fails(planted, tmp_path, monkeypatch):
    for name in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name))
    cells = [new_code_cell(source) for source in (NOTEBOOK.format(planted=planted), "panel", "panel.run().records[-1].step")]
    notebook = new_notebook(cells=cells)
    client = NotebookClient(notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}})
    if planted:
        with pytest.raises(CellExecutionError) as failure:
            client.execute()
        assert (failure.value.ename, failure.value.evalue) == ("ValueError", "planted")
    else:
        client.execute()
        assert notebook.cells[-1].outputs[0]["data"]["text/plain"] == "20"
    shown = notebook.cells[1].outputs[0]["data"]
    assert "application/vnd.jupyter.widget-view+json" in shown
    nbformat.validate(notebook)
