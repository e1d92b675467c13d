"""The recorded study of Table 7.2: arms, resume, joining, and what the recordings must show."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from small_panels import few_patients

from toolkit import published, recordings
from toolkit.datasets import patients
from toolkit.studies import __main__ as studies
from toolkit.studies import clinics
from toolkit.survival import domain, metrics

RECORDINGS = Path(__file__).parents[1] / "notebooks" / "recordings"


@pytest.fixture
def quick(monkeypatch):
    """Sixty patients a clinic, two epochs."""
    monkeypatch.setattr(patients, "simulate", few_patients)
    monkeypatch.setattr(
        clinics, "SIZES", {name: replace(size, epochs=2, batch_size=20) for name, size in clinics.SIZES.items()}
    )


def test_each_arm_has_its_penalty_and_its_pictures(quick):
    for name, arm in clinics.ARMS.items():
        _, data = clinics.clinics("published", arm=name, seed=0)
        _, run = clinics.build(data, size="published", arm=name, seed=0)
        assert run.loss.penalty is domain.PENALTIES[arm.penalty]
        assert (run.loss.strength, run.batch_size) == (clinics.STRENGTH, 20)
        assert bool((data.train[1][:, 2] == 1).any()) == bool(arm.unlabelled)


def test_the_published_setting_is_that_of_section_7_4():
    size = clinics.SIZES["published"]
    assert (size.times, size.epochs, size.batch_size) == (1, 50, 5)


def test_runs_are_done_once_and_joined(quick, tmp_path):
    arms = ("none", "mean, both")
    files = list(clinics.record(tmp_path, size="published", seeds=(0, 1), arms=arms))
    assert sorted(file.name for file in files) == ["00_mean_both.npz", "00_none.npz", "01_mean_both.npz", "01_none.npz"]
    times = [file.stat().st_mtime_ns for file in files]
    assert list(clinics.record(tmp_path, size="published", seeds=(0, 1), arms=arms)) == files
    assert [file.stat().st_mtime_ns for file in files] == times
    clinics.join(tmp_path, tmp_path / "joined.npz")
    runs = recordings.load(tmp_path / "joined.npz", record=clinics.Predictions).records
    assert {(run.seed, run.arm) for run in runs} == {(seed, arm) for seed in (0, 1) for arm in arms}
    by_seed = {seed: [run for run in runs if run.seed == seed] for seed in (0, 1)}
    for first, second in by_seed.values():
        np.testing.assert_array_equal(first.outcomes, second.outcomes)
        np.testing.assert_array_equal(first.true, second.true)
        assert not np.array_equal(first.last, second.last)


def test_the_command_writes_the_recording(quick, tmp_path, capsys):
    places = ["--folder", str(tmp_path / "runs"), "--recordings", str(tmp_path / "recordings")]
    studies.main(["clinics", "--size", "published", "--seeds", "1", *places])
    assert len(capsys.readouterr().out.splitlines()) == 2
    found = clinics.results(tmp_path / "recordings" / "clinics_published.npz", epoch="last")
    assert len(found) == 2 * 4 * 2  # arms, parts, metrics


def test_an_unknown_size_or_arm_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"size must be one of \('published', 'fourfold'\), got 'huge'"):
        clinics.record(tmp_path, size="huge", seeds=(0,))
    with pytest.raises(ValueError, match="arms must be some of .*, got 'l1'"):
        clinics.record(tmp_path, size="published", seeds=(0,), arms=("l1",))
    with pytest.raises(ValueError, match=r"epoch must be one of \('best', 'last'\), got 'first'"):
        clinics.results(tmp_path / "none.npz", epoch="first")


# What was recorded ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=tuple(clinics.SIZES))
def recorded(request) -> Path:
    return RECORDINGS / f"clinics_{request.param}.npz"


def test_every_arm_was_recorded_with_five_seeds(recorded):
    runs = recordings.load(recorded, record=clinics.Predictions).records
    arms = clinics.SIZES[recorded.stem.removeprefix("clinics_")].arms
    assert sorted((run.seed, run.arm) for run in runs) == sorted((seed, arm) for seed in range(5) for arm in arms)
    assert recorded.stat().st_size < 300_000


def test_the_recorded_patients_are_those_of_the_simulation(recorded):
    runs = recordings.load(recorded, record=clinics.Predictions)
    size = next(iter(runs.settings.values()))["size"]
    cohort, data = clinics.clinics(size, arm="none", seed=0)
    outcomes = patients.per_patient(data.test[1][:, :3], data.test[1][:, 3]).numpy()
    first = next(run for run in runs.records if run.seed == 0)
    np.testing.assert_array_equal(first.outcomes, outcomes)


def test_the_rows_compare_with_the_published_ones(recorded):
    found = clinics.results(recorded, resamples=1)
    ours = found[(found["metric"] == "c_index") & found["arm"].isin(["none", "mean"])]
    table = published.table(clinics.TABLE)
    comparison = published.compare(table[table["metric"] == "c_index"], ours, on=list(clinics.KEYS), value="value")
    assert (comparison["runs"] == 5).all()
    assert len(comparison) == 8


def test_results_are_those_of_the_metrics(recorded):
    found = clinics.results(recorded, epoch="last", resamples=1).set_index(["seed", "arm", "part", "metric"])["value"]
    run = next(run for run in recordings.load(recorded, record=clinics.Predictions).records if run.arm == "mean")
    time, event, clinic = torch.from_numpy(run.outcomes).T
    merged = domain.standardise(run.last, clinic)
    assert found[run.seed, "mean", "standardised", "c_index"] == pytest.approx(metrics.concordance_index(time, event, merged))
    assert found[run.seed, "mean", "B", "auroc"] == metrics.auroc(event[clinic == 1], run.last[clinic.numpy() == 1])


@pytest.fixture(scope="module")
def gains():
    return clinics.gains(RECORDINGS / "clinics_fourfold.npz").set_index(["arm", "part"])


def test_standardising_improves_the_merged_concordance_beyond_its_interval(gains):
    standardised = gains.loc["none", "standardised"]
    assert standardised["low"] > 0
    assert standardised["gain"] > 0.02


def test_a_penalty_that_sees_both_clinics_improves_it_too(gains):
    assert gains.loc["mean, both", "naive"]["low"] > 0


def test_with_the_published_numbers_of_patients_nothing_can_be_told():
    few = clinics.gains(RECORDINGS / "clinics_published.npz")
    assert not few["beyond_its_interval"].any()
    found = clinics.results(RECORDINGS / "clinics_published.npz").query("part == 'A' and metric == 'c_index'")
    assert (found["high"] - found["low"]).mean() > 3 * (0.795 - 0.677)  # what the document compares


def test_a_penalty_on_clinic_a_alone_does_not_close_the_gap(gains):
    """The level of predictions that it never sees is not its business: naive merging gains nothing beyond its interval."""
    assert not gains.loc["mean", "naive"]["beyond_its_interval"]
    assert not gains.loc["l2", "naive"]["beyond_its_interval"]
    runs = recordings.load(RECORDINGS / "clinics_fourfold.npz", record=clinics.Predictions).records
    shifts = [domain.shift_between(run.best, run.outcomes[:, 2]) for run in runs if run.arm == "mean"]
    assert np.mean(shifts) > 1
