"""The recorded study of Table 3 of the Surgeon: resume, joining, comparison, replay."""

import pytest

from toolkit import datasets, published, recordings
from toolkit.panels import SurgeonPanel
from toolkit.search.surgeon import Record
from toolkit.studies import __main__ as studies
from toolkit.studies import surgery as study


@pytest.fixture
def digits(monkeypatch):
    data = datasets.load("digits").subset(128, proportional=True)
    monkeypatch.setattr(study.datasets, "load", lambda name: data)
    monkeypatch.setattr(study, "LEARNING_RATE", 0.05)
    return data


def recorded(folder, **choice):
    settings = {"dataset": "digits", "topologies": ["small"], "seeds": [6], "epochs": 21} | choice
    return list(study.record(folder, **settings))


def test_the_settings_are_the_published_ones():
    table = published.table("schiessler_appendix_hyperparameters").set_index("key")["value"]
    assert tuple(int(seed) for seed in table["random_seeds"].split(";")) == study.SEEDS
    assert (int(table["batch_size"]), float(table["learning_rate"])) == (study.BATCH, study.LEARNING_RATE)
    assert float(table["training_time_winning_branch"]) == study.EPOCHS
    assert study.STARTS == {"small": (10,), "medium": (10, 10, 10), "large": (300, 100, 100)}


def test_a_run_is_recorded_once_joined_and_replayed(digits, tmp_path):
    (path,) = recorded(tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["small_6.npz"]
    written = path.stat().st_mtime_ns
    recorded(tmp_path, seeds=[6, 63])
    assert path.stat().st_mtime_ns == written
    joined = tmp_path / "joined" / "surgery.npz"
    joined.parent.mkdir()
    study.merge(tmp_path, joined)
    results = study.results(joined)
    assert results["seed"].tolist() == [6, 63]
    assert ((results["surgeon_accuracy"] >= 0) & (results["surgeon_accuracy"] <= 1)).all()
    assert (results["trained_epochs"] > 21).all() and (results["surgery_share"] < 0.5).all()
    panel = SurgeonPanel(start="small 10", seed=63)
    panel.replay(joined)
    assert panel.records and {record.run for record in panel.records} == {"small_63"}
    assert {record.kind for record in panel.records} == {"epoch", "candidate", "decision"}
    assert "recorded on" in panel.status_line.value
    with pytest.raises(ValueError, match="no run medium_63; recorded are small_6, small_63"):
        SurgeonPanel(start="medium 10-10-10", seed=63).replay(joined)


def test_an_interrupted_run_goes_on_with_the_same_numbers(digits, tmp_path, monkeypatch):
    (whole,) = recorded(tmp_path / "whole")
    search = study.Surgeon

    class Stopped(search):
        def __iter__(self):
            for record in super().__iter__():
                if record.kind == "candidate" and record.epoch == 20:
                    raise RuntimeError("planted")
                yield record

    monkeypatch.setattr(study, "Surgeon", Stopped)
    with pytest.raises(RuntimeError, match="topology small, seed 6: (.|\n)*planted"):
        recorded(tmp_path / "stopped")
    assert len(list((tmp_path / "stopped").glob("*.checkpoint.npz"))) == 2
    monkeypatch.setattr(study, "Surgeon", search)
    (resumed,) = recorded(tmp_path / "stopped")
    one, other = (recordings.load(path, record=Record) for path in (whole, resumed))
    assert [(record.branch, dict(record.metrics)) for record in one.records] == [
        (record.branch, dict(record.metrics)) for record in other.records
    ]
    share = {"surgery_share": 0.0}
    assert one.settings["result"] | share == other.settings["result"] | share


def test_ours_stand_beside_table_3(digits, tmp_path):
    recorded(tmp_path, dataset="digits")
    study.merge(tmp_path, tmp_path / "joined.npz")
    recording = recordings.load(tmp_path / "joined.npz", record=Record)
    settings = {name: run | {"dataset": "fashion_mnist"} for name, run in recording.settings.items()}
    recordings.save(tmp_path / "fashion.npz", recording.records, settings=settings, title="Schiessler, Table 3: fashion_mnist")
    compared = study.compared(tmp_path / "fashion.npz", "surgeon_accuracy")
    assert compared["topology"].tolist() == ["small", "medium", "large"]
    assert compared["verdict"].tolist()[1:] == ["not run", "not run"]
    assert compared["published"].tolist() == [0.85, 0.85, 0.89]


def test_an_unknown_start_is_refused(digits):
    with pytest.raises(ValueError, match=r"topology must be one of \('small', 'medium', 'large'\), got 'huge'"):
        study.start(digits, "huge", seed=0)


def test_the_command_line_records_and_joins(digits, tmp_path, capsys):
    settings = ["--dataset", "digits", "--topologies", "small", "--seeds", "1", "--epochs", "11"]
    places = ["--folder", str(tmp_path / "runs"), "--recordings", str(tmp_path / "joined")]
    studies.main(["surgery", *settings, *places])
    assert capsys.readouterr().out.split() == [str(tmp_path / "runs" / "surgery_digits" / "small_6.npz")]
    assert study.results(tmp_path / "joined" / "surgery_digits.npz")["seed"].tolist() == [6]
