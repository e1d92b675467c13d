"""The study of the measured alloys: its sources and folds, resume and joining, and what the recording says."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from toolkit import recordings
from toolkit.datasets.alloy_spectra import ALLOYS, AlloyPeaks
from toolkit.datasets.peak_tables import PeakTable
from toolkit.studies import __main__ as studies
from toolkit.studies import alloys

RECORDING = Path(__file__).parents[1] / "notebooks" / "recordings" / "tofsims_alloys.npz"
IONS = ("Bi1", "Bi3", "Bi5", "Bi3++")


@pytest.fixture
def small(monkeypatch):
    """Made-up spectra of all alloys: a peak for each element, one that all have, and the rest noise."""
    draw = np.random.default_rng(0)
    names = [*ALLOYS, "Ru"]
    samples = np.repeat(names, 8)
    spots, primary = np.tile(np.arange(1, 9), len(names)), np.tile(np.repeat(IONS, 2), len(names))
    own = np.array([alloys.nominal(name) for name in samples]) * 4000
    areas = draw.poisson(np.hstack([own, np.full((len(samples), 3), 500.0)]))
    ions = [*alloys.ELEMENTS, "H", "O", "C"]
    found = AlloyPeaks(PeakTable(np.arange(1.0, 9.0), ions, areas, samples, spots), primary)
    monkeypatch.setattr(alloys, "from_raw", lambda polarity: found)
    monkeypatch.setattr(alloys.alloy_spectra, "peaks", lambda polarity: found)
    monkeypatch.setattr(alloys, "MIXTURES", 200)
    return found


def test_the_sources_hold_what_they_say(small):
    published, zeros, common, raw = (alloys.peaks("positive", source).table for source in alloys.SOURCES)
    assert published.compounds == raw.compounds == ALLOYS
    assert published.ions.tolist() == raw.ions.tolist() == [*alloys.ELEMENTS, "H", "O", "C"]
    assert zeros.ions.tolist() == ["Rh", "Pt", "Pd", "Ir"] and set(np.unique(zeros.intensities)) == {0.0, 1.0}
    assert common.ions.tolist() == ["Ru", "H", "O", "C"]


def test_an_unknown_source_is_refused(small):
    with pytest.raises(ValueError, match=r"source must be one of \('published', 'zeros', 'common', 'raw'\), got 'sums'"):
        alloys.peaks("positive", "sums")


def test_a_primary_ion_that_is_left_out_is_not_trained_on(small):
    found = alloys.peaks("positive", "raw")
    parts = alloys._folds(found)["primary ion left out"]
    assert len(parts) == 4
    for train, test in parts:
        assert len(set(found.primary_ions[test])) == 1
        assert not set(found.primary_ions[test]) & set(found.primary_ions[train])


def test_clear_spectra_are_told_apart(small):
    rows = alloys.classes("positive", "raw", "random_forest")
    assert [row.setting for row in rows] == [f"{scaling}, {kind}" for scaling in alloys.SCALINGS for kind in alloys.FOLDS]
    assert min(row.value for row in rows) > 0.95


def test_linear_spectra_give_the_fractions_of_alloys_in_reach(small):
    rows = alloys.compositions("positive", "raw", "linear")
    fractions = {(row.setting, row.sample, row.quantity): row.value for row in rows}
    for element, fraction in zip(alloys.ELEMENTS, alloys.nominal("Ru-Pt"), strict=True):
        assert fractions[alloys.PRIMARY, "Ru-Pt", element] == pytest.approx(fraction, abs=0.15)
    # a half is the least ruthenium that a mixture of these references can have
    assert fractions["honest, 2 parts", "Ru-Pt-Pd", "Ru"] > 0.499
    assert {row.quantity for row in rows} == {"R2", "error", "coverage", *alloys.ELEMENTS}


def one_result(*unit):
    return [alloys.Result("_".join(("classes", *unit)), *unit, "log, plain", "accuracy", "", 0.5, 0.1, np.nan)]


@pytest.fixture
def quick(monkeypatch):
    done = []
    units = [("classes", "negative", "raw", model) for model in ("k_nn", "mlp")]
    monkeypatch.setattr(alloys, "units", lambda: units)
    monkeypatch.setattr(alloys, "classes", lambda *unit: done.append(unit) or one_result(*unit))
    return done


def test_what_is_done_is_not_done_again(quick, tmp_path):
    steps = alloys.record(tmp_path)
    next(steps)
    steps.close()
    assert quick == [("negative", "raw", "k_nn")]
    assert len(list(alloys.record(tmp_path))) == 2
    assert quick == [("negative", "raw", "k_nn"), ("negative", "raw", "mlp")]


def test_the_command_joins_what_is_done(quick, tmp_path):
    studies.main(["alloys", "--folder", str(tmp_path / "runs"), "--recordings", str(tmp_path)])
    table = alloys.results(tmp_path / "tofsims_alloys.npz")
    assert table["model"].tolist() == ["k_nn", "mlp"] and table["value"].tolist() == [0.5, 0.5]
    saved = recordings.load(tmp_path / "tofsims_alloys.npz", record=alloys.Result)
    assert replace(saved.records[0], nominal=0.0) == replace(one_result("negative", "raw", "k_nn")[0], nominal=0.0)
    assert saved.settings["classes_negative_raw_k_nn"]["alloys"] == list(ALLOYS)
    assert "github.com" in saved.provenance["data"]["alloy spectra"]


def test_joining_nothing_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="no finished run"):
        alloys.merge(tmp_path, tmp_path / "joined.npz")


# The recording ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def recorded():
    return alloys.results(RECORDING)


def test_every_unit_is_recorded(recorded):
    assert set(recorded["run"]) == {"_".join(unit) for unit in alloys.units()}


@pytest.mark.parametrize("polarity", alloys.POLARITIES)
def test_the_published_peaks_are_told_by_their_zeros_and_raw_spectra_by_themselves(recorded, polarity):
    rows = recorded[(recorded["quantity"] == "accuracy") & (recorded["polarity"] == polarity)]
    accuracy = rows.set_index(["source", "model", "setting"])["value"]
    for setting in ("log, stratified", "log, primary ion left out"):
        assert accuracy["published", "logistic_regression", setting] == 1
        assert accuracy["zeros", "logistic_regression", setting] == 1
    assert accuracy["common", "logistic_regression", "log, stratified"] < 0.95
    assert accuracy["raw", "logistic_regression", "log, stratified"] > 0.98
    assert accuracy["raw", "logistic_regression", "log, primary ion left out"] > 0.9


def test_shared_parents_flatter_the_regression(recorded):
    r2 = recorded[recorded["quantity"] == "R2"].pivot(index=["polarity", "model"], columns="setting", values="value")
    for parts in (2, 3):
        flattery = r2[f"leaky, {parts} parts"] - r2[f"honest, {parts} parts"]
        assert (flattery > 0).all() and (flattery.xs("linear", level="model") > 0.08).all()


@pytest.mark.skipif("TOOLKIT_DATA" not in os.environ, reason="the alloy spectra are not on this machine")
def test_the_recording_is_what_the_study_gives():
    again = alloys.classes("negative", "raw", "gaussian_nb")
    rows = alloys.results(RECORDING)
    rows = rows[rows["run"] == "classes_negative_raw_gaussian_nb"].set_index("setting")["value"]
    for result in again:
        assert rows[result.setting] == pytest.approx(result.value, abs=1e-9)
