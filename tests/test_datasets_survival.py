"""Tables with censoring: published ones, CSV and npz files of one's own, MNIST digits as patients, and what is refused."""

import numpy as np
import pandas as pd
import pytest
import torch

from toolkit.datasets import DamagedFile, DataNotFound, mnist_survival, survival
from toolkit.survival.metrics import concordance_index

SIZES = {  # training, validation (official or none), test, features, share of events seen in all of them
    "metabric": (1523, 0, 381, 9, 0.5793),
    "support": (7098, 0, 1775, 14, 0.6803),
    "gbsg": (1546, 0, 686, 7, 0.5677),
    "simulated_linear": (4000, 1000, 1000, 10, 0.5),
    "simulated_gaussian": (4000, 1000, 1000, 10, 0.5),
}


@pytest.mark.parametrize("name", SIZES)
def test_published_tables_have_the_documented_sizes(name, data_folder):
    data = survival.load(name, validation=0)
    parts = [data.train, data.validation, data.test]
    assert [len(part[0]) for part in parts] == list(SIZES[name][:3])
    assert data.input_shape == (SIZES[name][3],)
    assert float(torch.cat([part[1][:, 1] for part in parts]).mean()) == pytest.approx(SIZES[name][4], abs=1e-4)
    assert data.simulated is name.startswith("simulated") and data.licence == "MIT" and survival.available(name)


def test_a_validation_part_keeps_the_share_of_events(data_folder):
    data = survival.metabric(validation=0.2)
    assert len(data.validation[0]) == 305
    shares = [float(part[1][:, 1].mean()) for part in (data.train, data.validation)]
    assert shares[0] == pytest.approx(shares[1], abs=0.01)


@pytest.mark.parametrize(
    ("name", "n", "events"),
    [("aids", 1151, 96), ("breast_cancer", 198, 51), ("flchain", 7874, 2169), ("gbsg2", 686, 299),
     ("veterans_lung_cancer", 137, 128), ("whas500", 500, 215)],
)  # fmt: skip
def test_tables_of_scikit_survival_are_those_it_loads_itself(name, n, events):
    import sksurv.datasets

    data = survival.load(name, validation=0, test=0)
    targets = data.train[1]
    assert (len(targets), int(targets[:, 1].sum())) == (n, events)
    _, outcome = getattr(sksurv.datasets, f"load_{name}")()
    event, time = outcome.dtype.names
    assert torch.equal(targets[:, 0], torch.tensor(outcome[time].astype(np.float32)))
    assert torch.equal(targets[:, 1] == 1, torch.tensor(outcome[event]))


def test_reading_such_a_table_runs_nothing_of_scikit_survival():
    import subprocess
    import sys

    code = "import sys; from toolkit.datasets import survival; survival.load('gbsg2'); print('sksurv' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"


def test_a_table_needs_scikit_survival(monkeypatch):
    monkeypatch.setattr(survival, "find_spec", lambda name: None)
    assert not survival.available("gbsg2")
    with pytest.raises(DataNotFound, match="gbsg2 comes with scikit-survival, which is not installed: pip install"):
        survival.load("gbsg2")


def frame(n=30):
    random = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "age": random.integers(40, 80, n),
            "stage": random.choice(["I", "II", "III"], n),
            "months": random.uniform(1, 90, n),
            "relapse": np.arange(n) % 2,
            "status": np.where(np.arange(n) % 2, "dead", "alive"),
        }
    )


def test_a_csv_with_columns_named_by_its_owner(tmp_path):
    table, path = frame(), tmp_path / "mine.csv"
    table.to_csv(path, index=False)
    data = survival.csv(path, time="months", event="relapse", features=["age", "stage"], validation=0, test=0)
    assert data.name == "mine" and data.source == "own file mine.csv"
    assert data.units == "features age, stage_II, stage_III; time in column 'months'"
    expected = np.stack([table["age"], table["stage"] == "II", table["stage"] == "III"], 1).astype(np.float32)
    assert np.array_equal(data.train[0].numpy(), expected)
    assert np.allclose(data.train[1].numpy(), table[["months", "relapse"]].to_numpy())
    named = survival.csv(path, time="months", event="status", seen="dead", features=["age"], validation=0, test=0)
    assert torch.equal(named.train[1], data.train[1])
    divided = survival.csv(path, time="months", event="relapse", features=["age"], validation=0.2, test=0.2, seed=1)
    assert [len(part[0]) for part in (divided.train, divided.validation, divided.test)] == [18, 6, 6]


def test_a_constant_feature_becomes_zero():
    data = survival.from_columns([[5.0, 1.0], [5.0, 2.0]], [1.0, 2.0], [1, 0], validation=0, test=0)
    assert data.normalise(data.train[0])[:, 0].tolist() == [0.0, 0.0]


def test_an_npz_like_those_of_deepsurv(tmp_path):
    random = np.random.default_rng(0)
    arrays = {"x": random.normal(size=(20, 3)), "t": random.uniform(size=20), "e": np.arange(20) % 2}
    np.savez(tmp_path / "whole.npz", **arrays)
    assert [len(part[0]) for part in (survival.npz(tmp_path / "whole.npz", test=0.25).train,)] == [13]
    parts = {f"{name}_{part}": values for name, values in arrays.items() for part in ("train", "valid", "test")}
    np.savez(tmp_path / "parts.npz", **parts)
    data = survival.npz(tmp_path / "parts.npz")
    assert torch.equal(data.train[1], data.validation[1]) and torch.equal(data.test[1], data.train[1])


CSV = [
    ({"time": "days"}, "holds no column 'days', only age, stage, months, relapse, status"),
    ({"event": "status"}, "event must be an array of whole or real numbers"),
    ({"event": "age"}, r"event must be 1 \(seen\) or 0 \(censored\), got "),
    ({"event": "status", "seen": "gone"}, "column 'status' never holds 'gone', only alive, dead"),
    ({"event": "months"}, "time and event must be different columns, got 'months' for both"),
    ({"features": []}, r"features must be columns other than time and event, got \[\]"),
    ({"features": ["age", "months"]}, "features must be columns other than time and event"),
]


@pytest.mark.parametrize(("settings", "message"), CSV)
def test_a_csv_that_does_not_hold_what_is_named_is_refused(settings, message, tmp_path):
    frame().to_csv(tmp_path / "mine.csv", index=False)
    with pytest.raises(DamagedFile, match=f"mine.csv: {message}"):
        survival.csv(tmp_path / "mine.csv", **{"time": "months", "event": "relapse"} | settings)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda table: table.assign(months=-table["months"]), "time must be finite and not negative, got -"),
        (lambda table: table.assign(relapse=table["relapse"] + 1), r"event must be 1 \(seen\) or 0 \(censored\), got 2"),
        (lambda table: table.assign(age=table["age"].where(table.index != 3)), "column 'age' is empty in row 3, and in 1 rows"),
        (
            lambda table: table.assign(stage=[f"patient {n}" for n in range(30)]),
            "column 'stage' is text with 30 different values",
        ),
    ],
)
def test_a_csv_with_impossible_cells_is_refused(change, message, tmp_path):
    change(frame()).to_csv(tmp_path / "mine.csv", index=False)
    with pytest.raises(DamagedFile, match=message):
        survival.csv(tmp_path / "mine.csv", time="months", event="relapse", features=["age", "stage"])


def test_files_that_are_no_tables_are_refused(tmp_path):
    (tmp_path / "empty.csv").write_text("")
    with pytest.raises(DamagedFile, match="empty.csv: not a CSV file"):
        survival.csv(tmp_path / "empty.csv", time="t", event="e")
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(DamagedFile, match="binary.csv: not a CSV file"):
        survival.csv(tmp_path / "binary.csv", time="t", event="e")
    np.savez(tmp_path / "other.npz", a=np.zeros(3))
    with pytest.raises(DamagedFile, match="other.npz: holds a, but neither x, t and e nor x_train, t_train and e_train"):
        survival.npz(tmp_path / "other.npz")
    with pytest.raises(DataNotFound, match="nowhere.csv does not exist"):
        survival.csv(tmp_path / "nowhere.csv", time="t", event="e")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([[0.0], [1.0]], [1.0], [1, 0]), "time and event must have equal lengths, got 1 and 2"),
        (([[0.0]], [1.0, 2.0], [1, 0]), "inputs and targets must have equal lengths, got 1 and 2"),
        (([[0.0], [1.0]], [1.0, np.nan], [1, 0]), "time must be finite and not negative, got nan at position 1"),
        (([[0.0], [np.nan]], [1.0, 2.0], [1, 0]), "inputs must be finite, got nan"),
        (([[0.0], [1.0]], [[1.0], [2.0]], [1, 0]), r"time must have shape \(n,\), got \(2, 1\)"),
    ],
)
def test_columns_that_cannot_be_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        survival.from_columns(*arguments, validation=0, test=0)


def test_unknown_names_are_refused(tmp_path):
    for call in (survival.load, survival.available, survival.table):
        with pytest.raises(ValueError, match="name must be one of .*, got 'titanic'"):
            call("titanic")
    with pytest.raises(DataNotFound, match="metabric.npz was not found in .*: take the experiment's data from https://"):
        survival.metabric(tmp_path)


def test_times_of_the_digits_are_exponential_with_the_hazard_of_the_digit():
    h = mnist_survival.log_hazards()[np.repeat(np.arange(10), 5000)]
    time, event = mnist_survival.outcomes(h)
    for digit in range(10):  # events per observed time estimate the rate
        rows = slice(5000 * digit, 5000 * digit + 5000)
        rate = event[rows].sum() / time[rows].sum() * mnist_survival.MEAN_TIME
        assert np.log(rate) == pytest.approx(h[rows][0], abs=4 / np.sqrt(event[rows].sum()))
    assert len(np.unique(time[~event])) == 1


def test_the_digits_have_the_published_censoring_and_best_concordance(data_folder):
    digits = mnist_survival.load()
    censored = [round(100 * float(1 - part[1][:, 1].mean()), 2) for part in (digits.data.train, digits.data.test)]
    assert censored == [46.19, 46.33]
    assert concordance_index(*digits.data.test[1].unbind(1), digits.log_hazard) == pytest.approx(0.705, abs=5e-4)
    assert digits.data.simulated and digits.data.validation is digits.data.test
