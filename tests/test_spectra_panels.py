"""The three panels of spectra: their scripts, an own table, what is linked, what is refused."""

import numpy as np
import pytest

from toolkit.datasets import lithium_spectra, peak_tables
from toolkit.figures import spectra as figures
from toolkit.panels import ComponentsPanel, DecompositionPanel, IdentificationPanel
from toolkit.panels.spectra_identification import DOSES
from toolkit.spectra import components, reading

FEW = {"unknown": ("sample_1", "sample_2")}


@pytest.fixture(scope="module")
def own():
    return lithium_spectra.simulate(["LiH", "LiOH", "Li3N", "sample_1"], spots=6, seed=5)


def script(panel, **names):
    """What a panel's script prints, each call as a list; names are set before its lines that load data."""
    printed = []
    lines = [line for line in panel.code().splitlines() if not line.startswith("table = ...")]
    exec("\n".join(lines), {"print": lambda *values: printed.append(values), **names})
    return printed


def test_the_components_script_gives_the_panels_numbers():
    panel = ComponentsPanel(scaling="log", count=3, seed=2, truncate="yes").run()
    (explained, scores, loadings), (projected,) = script(panel)
    found = panel.records[0]
    np.testing.assert_allclose(explained, found.explained)
    np.testing.assert_allclose(loadings, found.loadings)
    np.testing.assert_allclose(np.concatenate([scores, projected]), found.scores, atol=1e-9)


def test_the_identification_script_gives_the_panels_numbers():
    panel = IdentificationPanel(model="k_nn", seed=1, stratified="no", truncate="no", folds=4).run()
    ((accuracy, confusion, probabilities),) = script(panel)
    np.testing.assert_array_equal(confusion, sum(record.confusion for record in panel.records))
    last = panel.records[-1]
    np.testing.assert_allclose([probabilities[name] for name in last.samples.tolist()], last.probabilities)
    assert accuracy == pytest.approx(np.mean([np.trace(one.confusion) / one.confusion.sum() for one in panel.records[:-1]]))


def test_the_decomposition_script_gives_the_panels_numbers():
    panel = DecompositionPanel(sample="sample_4", method="mcr", steps=50, least=0.8).run()
    printed = script(panel)
    assert [count for count, *_ in printed] == [record.count for record in panel.records] == [1, 2, 3, 4, 5]
    for (_, error, best, shares), record in zip(printed, panel.records, strict=True):
        found = record.match(0.8)
        assert error == pytest.approx(record.error)
        assert (best, shares) == (found.best, pytest.approx(found.shares(record.weights)))


def test_an_own_table_is_taken_by_all_three(own):
    first = ComponentsPanel(own, unknown=["sample_1"]).run()
    assert first.records[0].classes.tolist() == ["LiH", "LiOH", "Li3N"] and first.records[0].scores.shape == (24, 4)
    second = IdentificationPanel(own, unknown=["sample_1"], folds=3).run()
    assert "dose" not in second.controls and second.records[-1].probabilities.shape == (1, 3)
    assert len(script(second, table=own)) == 1
    third = DecompositionPanel(own, unknown=["sample_1"], steps=50).run()
    assert third.records[-1].names.tolist() == ["LiH", "LiOH", "Li3N"]
    assert len(script(third, table=own)) == 5


def test_a_table_without_ions_has_no_verdicts(own):
    bare = peak_tables.PeakTable(own.mz, [""] * len(own.mz), own.intensities, own.samples, own.spots)
    panel = IdentificationPanel(bare, unknown=["sample_1"], folds=2).run()
    assert (panel.records[-1].verdicts == -1).all()
    assert figures.colours.GREY in panel.frame.value


def test_reading_for_a_compound_sets_component_and_peak():
    panel = ComponentsPanel()
    panel.controls["compound"].value = "LiOH"
    found = reading(components(lithium_spectra.simulate(lithium_spectra.COMPOUNDS)), "LiOH")
    assert (panel.settings["component"], panel.settings["peak"]) == (found.component + 1, found.peaks[0])
    panel.controls["compound"].value = "LiH"
    assert panel.settings["component"] == 2 and "largest in LiH" in panel.frame.value


def test_a_click_on_a_loading_chooses_its_peak():
    panel = ComponentsPanel(component=1)
    loadings = panel.run().records[0].loadings[0]
    chosen = int(np.argmax(loadings))
    x, y = figures._stem_scales(panel.records[0].mz, loadings)
    panel.pointed([float(x(panel.records[0].mz[chosen])), float(y(loadings[chosen]))])
    assert panel.settings["peak"] == chosen


def test_the_panel_opens_with_the_strongest_peak_and_keeps_a_given_one():
    assert ComponentsPanel().controls["peak"].label == "9.03 LiH2-"  # as in Fig. 4.15
    assert ComponentsPanel(peak=3).settings["peak"] == 3


def test_the_dose_moves_along_the_foil_without_another_run():
    panel = IdentificationPanel(**FEW).run()
    profile = panel.records[-1].profile
    assert profile.shape == (len(DOSES), 5)
    np.testing.assert_allclose(profile.sum(1), 1)
    pictures = set()
    for dose in (1e13, 1e15, 1e17):
        panel.controls["dose"].value = dose
        pictures.add(panel.frame.value)
    assert len(pictures) == 3 and panel.records
    order = [panel.records[-1].classes.tolist().index(name) for name in ("Li2CO3", "Li2O")]
    assert profile[4, order[0]] > profile[4, order[1]] and profile[-1, order[0]] < profile[-1, order[1]]


def test_a_model_without_coefficients_is_weighed_by_permutation():
    panel = IdentificationPanel(model="gaussian_nb", folds=2, **FEW)
    assert not len(panel.run().records[-1].peaks)
    panel.controls["by"].value = "permutation"
    assert panel.run().records[-1].peaks.shape == (5, 15)


@pytest.mark.parametrize(
    ("panel_type", "arguments", "message"),
    [
        (ComponentsPanel, {"unknown": ["LiH", "LiOH", "Li3N"]}, "unknown: leave two samples or more as references, got"),
        (IdentificationPanel, {"unknown": ["LiH", "LiOH", "Li3N"]}, "unknown: leave two samples or more as references"),
        (DecompositionPanel, {"unknown": []}, "unknown: name a sample to take apart"),
        (IdentificationPanel, {"unknown": ["sample_1"], "folds": 7}, r"n must be 2 to 6, the number of spectra of 'Li3N'"),
    ],
)
def test_samples_that_leave_nothing_to_do_are_refused(own, panel_type, arguments, message):
    with pytest.raises(ValueError, match=message):
        panel_type(own, **arguments).run()


@pytest.mark.parametrize("panel_type", [ComponentsPanel, IdentificationPanel, DecompositionPanel])
def test_a_recording_is_played_again(panel_type, tmp_path):
    few = {"steps": 20} if panel_type is DecompositionPanel else FEW
    panel = panel_type(**few).run()
    picture = panel.frame.value
    panel.save(tmp_path / "run.npz")
    other = panel_type()
    other.replay(tmp_path / "run.npz")
    assert other.frame.value == picture
