"""The recorded studies of survival analysis: MNIST digits with survival times, and clinical tables."""

from pathlib import Path

import numpy as np
import pytest
import torch

from toolkit import recordings, training
from toolkit.datasets import Dataset, mnist_survival
from toolkit.datasets import survival as tables
from toolkit.studies import __main__ as studies
from toolkit.studies import mnist_survival as digits_study
from toolkit.studies import survival_tables
from toolkit.survival.metrics import concordance_index

RECORDINGS = Path(__file__).parents[1] / "notebooks" / "recordings"


@pytest.fixture
def noise(monkeypatch):
    """A few random pictures in the place of MNIST."""
    random = np.random.default_rng(0)
    h = mnist_survival.log_hazards()[random.integers(10, size=192)]
    time, event = mnist_survival.outcomes(h)
    x = torch.from_numpy(random.integers(0, 256, (192, 1, 28, 28), dtype=np.uint8))
    y = torch.from_numpy(np.stack([time, event], 1).astype(np.float32))
    pairs = (x[:128], y[:128]), (x[128:], y[128:]), (x[128:], y[128:])
    data = Dataset("noise", *pairs, classes=None, source="drawn", licence="none", units="", simulated=True)
    digits = mnist_survival.Digits(data, torch.from_numpy(h[128:]))
    monkeypatch.setattr(digits_study.mnist_survival, "load", lambda: digits)
    return digits


def test_the_command_line_records_joins_and_does_no_run_twice(noise, tmp_path, capsys):
    places = ["--folder", str(tmp_path / "runs"), "--recordings", str(tmp_path / "joined")]
    studies.main(["mnist_survival", "--epochs", "2", "--seeds", "1", *places])
    first = [Path(line) for line in capsys.readouterr().out.split()]
    written = first[0].stat().st_mtime_ns
    studies.main(["mnist_survival", "--epochs", "2", "--seeds", "2", *places])
    again = [Path(line) for line in capsys.readouterr().out.split()]
    assert [path.name for path in again] == ["02_0.npz", "02_1.npz"] and again[0].stat().st_mtime_ns == written
    assert not list(again[0].parent.glob("*checkpoint*"))
    path = tmp_path / "joined" / "mnist_survival.npz"
    results = digits_study.results(path)
    assert results["epoch"].tolist() == [1, 2] and results["seeds"].tolist() == [2, 2]
    assert results["published"].tolist() == [0.6784, 0.6831]
    run = digits_study.build(noise, epochs=2, seed=1)
    values = [record.metrics["validation_concordance"] for record in run]
    recorded = [record for record in recordings.load(path, record=training.Record).records if record.run == "02_1"]
    assert [record.metrics["validation_concordance"] for record in recorded] == values
    assert 0.5 < digits_study.oracle(path) <= 1


def test_a_failed_run_is_named(noise, tmp_path, monkeypatch):
    def broken(*arguments, **settings):
        raise RuntimeError("planted")

    monkeypatch.setattr(digits_study, "build", broken)
    with pytest.raises(RuntimeError, match="seed 0: (.|\\n)*planted"):
        list(digits_study.record(tmp_path, epochs=1))


def test_the_recorded_digits_reach_the_published_concordance():
    path = RECORDINGS / "mnist_survival.npz"
    results = digits_study.results(path)
    assert len(results) == digits_study.EPOCHS and (results["seeds"] >= 3).all()
    assert results["difference"].iloc[-1] == pytest.approx(0, abs=0.01)
    by_seed = [
        record.metrics["validation_concordance"]
        for record in recordings.load(path, record=training.Record).records
        if record.epoch == digits_study.EPOCHS
    ]
    assert all(value == pytest.approx(0.6908, abs=0.01) for value in by_seed)
    assert max(by_seed) < digits_study.oracle(path) == pytest.approx(0.705, abs=1e-3)


def test_the_recording_of_the_digits_is_what_this_code_gives(data_folder):
    recording = recordings.load(RECORDINGS / "mnist_survival.npz", record=training.Record)
    digits = mnist_survival.load()
    assert digits.data.fingerprint() == recording.provenance["data"]["sha256"]
    run = digits_study.build(digits, epochs=1, seed=0)
    recorded = [record for record in recording.records if record.run == "15_0"]
    assert next(run).metrics["train_loss"] == pytest.approx(recorded[0].metrics["train_loss"], rel=1e-3)


def small_table(monkeypatch):
    random = np.random.default_rng(0)
    x = random.normal(size=(200, 3))
    time = random.exponential(np.exp(-x[:, 0]))
    data = tables.from_columns(x, time, random.random(200) < 0.7, name="small", validation=0.2, test=0.3)
    monkeypatch.setattr(survival_tables.survival, "load", lambda name: data)
    monkeypatch.setattr(survival_tables, "MOST_EPOCHS", 20)


def test_tables_are_compared_once_and_the_recording_says_with_what(monkeypatch, tmp_path):
    small_table(monkeypatch)
    path = tmp_path / "tables.npz"
    (first,) = survival_tables.record(path, names=["small"], seeds=[0, 1], resamples=50)
    assert first.name == "small" and first.linear > 0.7 and first.low <= first.network <= first.high
    assert first.difference == pytest.approx(first.network - first.linear)
    monkeypatch.setattr(survival_tables, "compare", None)  # a second comparison would call it
    assert list(survival_tables.record(path, names=["small"], seeds=[0, 1])) == [first]
    assert recordings.load(path).settings["seeds"] == [0, 1]
    assert survival_tables.results(path)["better"].tolist() == [first.better]


@pytest.mark.parametrize("name", survival_tables.NAMES)
def test_the_recorded_tables_are_the_data_here_and_their_linear_model_is_what_this_code_gives(name, data_folder):
    path, data = RECORDINGS / "survival_tables.npz", tables.load(name)
    assert recordings.load(path).provenance["data"][name] == data.fingerprint()
    index = concordance_index(*data.test[1].unbind(1), survival_tables.linear(data).log_hazard(data.test[0]))
    recorded = survival_tables.results(path).set_index("name").loc[name]
    assert index == pytest.approx(recorded["linear"], abs=1e-4)


@pytest.mark.parametrize("name", survival_tables.NAMES)
def test_a_recorded_network_is_called_better_only_where_the_paired_interval_excludes_0(name):
    results = survival_tables.results(RECORDINGS / "survival_tables.npz").set_index("name").loc[name]
    above, below = results["difference_low"] > 0, results["difference_high"] < 0
    assert results["better"] == ("network" if above else "linear" if below else "undecided")
    assert results["low"] <= results["network"] <= results["high"]
