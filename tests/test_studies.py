"""The recorded study of Tables 3.1 and 3.2: settings of the rows, resume, joining, results."""

import math
from pathlib import Path

import pytest
from scipy import stats

from toolkit import datasets, optim, published, recordings, training
from toolkit.studies import __main__ as studies
from toolkit.studies import phs

RECORDINGS = Path(__file__).parents[1] / "notebooks" / "recordings"


@pytest.fixture
def digits(monkeypatch):
    data = datasets.load("digits").subset(128, proportional=True)
    monkeypatch.setattr(phs.datasets, "load", lambda name: data)
    return data


@pytest.mark.parametrize("dataset", phs.TABLES)
def test_the_rows_hold_exactly_what_is_printed(dataset):
    rows = phs.rows(dataset)
    assert len(rows) == 20
    assert [set(row) for row in rows[:3]] == [
        {"learning_rate", "optimizer"},
        {"learning_rate", "optimizer", "friction", "mass"},
        {"learning_rate", "optimizer", "friction", "mass", "brake_at", "brake_factor"},
    ]


def test_the_tables_imply_that_friction_acts_on_the_momentum():
    """Rows with equal α²/m and αρ were published with equal accuracies, and in this reading no braked row is unstable."""
    pairs = 0
    for dataset in phs.TABLES:
        table = published.table(phs.TABLES[dataset]).dropna(subset="mass")
        step = (table["learning_rate"] ** 2 / table["mass"]).round(12)
        share = (table["learning_rate"] * table["friction"]).round(12)
        for _, alike in table[table["optimizer"] == "phs"].groupby([step, share]):
            pairs += len(alike) == 2
            assert alike["accuracy"].max() - alike["accuracy"].min() < 0.0015
        assert (share * table["brake_factor"].fillna(1) <= 1).all()
    assert pairs == 4


def test_an_unknown_reading_is_refused(digits):
    with pytest.raises(ValueError, match=r"reading must be one of \('implied', 'printed'\), got 'literal'"):
        phs.build(phs.rows("cifar10")[1], digits, epochs=1, seed=0, reading="literal")


def test_an_unknown_data_set_is_refused():
    with pytest.raises(ValueError, match=r"dataset must be one of \('fashion_mnist', 'cifar10'\), got 'mnist'"):
        phs.rows("mnist")


def test_each_kind_of_row_builds_its_optimizer_and_brake(digits):
    sgd, ball, braked = (phs.build(row, digits, epochs=1, seed=0) for row in phs.rows("fashion_mnist")[:3])
    assert sgd.optimizer.param_groups[0]["lr"] == 0.1 and not sgd.schedulers
    assert isinstance(ball.optimizer, optim.PortHamiltonian) and not ball.schedulers
    assert ball.optimizer.param_groups[0]["mass"] == 10.0
    assert (braked.schedulers[0].goal, braked.schedulers[0].factor) == (0.15, 50.0)


def test_the_matched_baselines_take_the_steps_of_their_balls(digits):
    """SGD with the ball's own step and momentum is the same run; the decayed one is the braked one until the brake goes on."""
    settings = phs.settings("fashion_mnist")
    assert [row["optimizer"] for row in settings[20:22]] == ["matched_sgd", "step_decay"]
    quick = {"friction": 1.0, "mass": 0.1}
    braked = settings[2] | quick | {"brake_at": 1.5}
    pairs = ((settings[1] | quick, settings[20] | quick), (braked, braked | {"optimizer": "step_decay"}))
    for ball, baseline in pairs:
        ours = [record.metrics for record in phs.build(ball, digits, epochs=40, seed=0)]
        theirs = [record.metrics for record in phs.build(baseline, digits, epochs=40, seed=0)]
        free = [index for index, metrics in enumerate(ours) if not metrics.get("braked")]
        for index in free:
            assert ours[index]["train_loss"] == pytest.approx(theirs[index]["train_loss"], rel=1e-3)
        assert ("brake_at" in ball) == (len(free) < len(ours))
        if "brake_at" in ball:
            assert ours[-1]["train_loss"] != pytest.approx(theirs[-1]["train_loss"], rel=1e-3)


def accuracies(folder, by_row):
    """A recording of made-up results of one braked pair: `by_row` gives the optimizer's accuracies, a value per seed."""
    printed = {row["optimizer"]: row for row in phs.settings("fashion_mnist")[:3]}
    records, settings = [], {}
    for optimizer, values in by_row.items():
        row = printed.get(optimizer) or printed["goal_oriented"] | {"optimizer": optimizer}
        for seed, (value, braked_in) in enumerate(values):
            name = f"{optimizer}_{seed}"
            result = {"test_accuracy": value, "best_epoch": 1, "best_test_accuracy": value}
            settings[name] = {
                "row": row, "reading": "implied", "epochs": 2, "seed": seed, "batch_size": 64, "result": result
            }  # fmt: skip
            for epoch in (1.0, 2.0):
                metrics = {"braked": float(braked_in <= epoch), "validation_accuracy": value + epoch}
                records.append(training.Record(epoch, int(epoch), 1.0, metrics, run=name))
    path = folder / "phs.npz"
    recordings.save(path, records, settings=settings, title="chapter 3, fashion_mnist")
    return path


NEVER = math.inf


@pytest.mark.parametrize(
    ("free", "braked", "verdict"),
    [
        ((0.80, 0.81, 0.82), ((0.83, 1), (0.845, 2), (0.85, 1)), "holds"),
        ((0.80, 0.81, 0.82), ((0.801, 1), (0.812, 2), (0.820, 1)), "does not hold"),
        ((0.80, 0.81, 0.82), ((0.79, 1), (0.84, 2), (0.83, 1)), "undecided"),
        ((0.80, 0.81, 0.82), ((0.80, NEVER), (0.81, NEVER), (0.82, NEVER)), "goal never reached"),
        ((0.80,), ((0.83, 1),), "undecided"),
    ],
)
def test_the_gain_by_braking_is_paired_by_seed(free, braked, verdict, tmp_path):
    runs = {"phs": [(value, NEVER) for value in free], "goal_oriented": braked, "step_decay": [(0.8, 1)]}
    gains = phs.gains(accuracies(tmp_path, runs))
    assert gains["verdict"].tolist() == [verdict]
    (gain,) = gains.to_dict("records")
    differences = [one - value for (one, _), value in zip(braked, free, strict=True)]
    assert gain["gain"] == pytest.approx(sum(differences) / len(free))
    assert gain["published"] == pytest.approx(0.0066)
    assert gain["over_step_decay"] == pytest.approx(braked[0][0] - 0.8)
    assert gain["braked"] == sum(epoch < NEVER for _, epoch in braked)
    if len(free) > 1 and differences[0]:
        interval = stats.ttest_rel([one for one, _ in braked], free).confidence_interval()
        assert (gain["low"], gain["high"]) == pytest.approx(tuple(interval))


def test_every_row_says_what_was_chosen_here_and_when_it_braked(tmp_path):
    runs = {"sgd": [(0.8, NEVER)], "goal_oriented": [(0.8, 2), (0.81, NEVER)]}
    path = accuracies(tmp_path, runs)
    compared = published.compare(
        phs.TABLES["fashion_mnist"], phs.results(path), on=phs.KEYS, value="accuracy", remarks=phs.remarks(path)
    )
    said = compared.loc[compared["runs"] > 0, "remarks"].tolist()
    assert "batch size 64, 2 epochs, 1 seed" in said[0] and "brake" not in said[0]
    assert "goal not reached with 1 of 2 seeds; braked in epoch 2" in said[1]


def test_a_recording_can_be_seen_as_a_population(tmp_path):
    path = accuracies(tmp_path, {"phs": [(0.8, NEVER), (0.9, NEVER)], "goal_oriented": [(0.7, 1)]})
    common, records = phs.averaged(path)
    assert common == {"dataset": "fashion_mnist", "epochs": 2, "batch_size": 64}
    assert [record.epoch for record in records] == [1.0, 2.0]
    assert records[1].metrics["validation_accuracy"][:2].tolist() == pytest.approx([2.85, 2.7])
    assert math.isnan(records[1].metrics["validation_accuracy"][2])


def test_a_run_that_ended_early_leaves_its_mean_open(tmp_path):
    path = accuracies(tmp_path, {"phs": [(0.8, NEVER), (0.9, NEVER)]})
    recording = recordings.load(path, record=training.Record)
    left = [record for record in recording.records if (record.run, record.epoch) != ("phs_1", 2.0)]
    recordings.save(path, left, settings=recording.settings, title=recording.title)
    _, records = phs.averaged(path)
    assert [math.isnan(record.metrics["validation_accuracy"][0]) for record in records] == [False, True]


def test_one_ball_and_its_rivals_are_found_by_their_settings(tmp_path):
    runs = {"sgd": [(0.8, NEVER)], "phs": [(0.8, NEVER)], "goal_oriented": [(0.9, 2)], "step_decay": [(0.85, 2)]}
    path = accuracies(tmp_path, runs)
    common, records = phs.race(path, learning_rate=0.1, mass=10.0, friction=1.0, seed=0)
    assert common["runs"] == ["SGD", "port-Hamiltonian", "goal-oriented", "step decay"]
    assert (common["goal"], common["factor"]) == (0.15, 50.0)
    assert [record.run for record in records[:4]] == common["runs"] and len(records) == 8
    with pytest.raises(
        ValueError, match=r"no ball with \(α, m, ρ, seed\) = \(0.1, 10.0, 0.1, 0\); recorded are \[\(0.1, 10.0, 1.0"
    ):
        phs.race(path, learning_rate=0.1, mass=10.0, friction=0.1, seed=0)


def test_recording_does_no_run_twice_and_joins_all(digits, tmp_path):
    first = list(phs.record(tmp_path, dataset="fashion_mnist", epochs=1, seeds=[0], only=[0, 1]))
    written = [path.stat().st_mtime_ns for path in first]
    second = list(phs.record(tmp_path, dataset="fashion_mnist", epochs=1, seeds=[0, 1], only=[0, 1]))
    assert [path.name for path in second] == ["00_0.npz", "01_0.npz", "00_1.npz", "01_1.npz"]
    assert [path.stat().st_mtime_ns for path in first] == written
    assert {path.name for path in tmp_path.glob("*checkpoint*")} == {
        "02_0.checkpoint.npz",
        "02_1.checkpoint.npz",
    }  # see braked_state
    joined = tmp_path / "joined" / "phs.npz"
    joined.parent.mkdir()
    phs.merge(tmp_path, joined)
    results = phs.results(joined)
    assert results[["learning_rate", "optimizer", "seed"]].values.tolist() == [
        [0.1, "sgd", 0], [0.1, "sgd", 1], [0.1, "phs", 0], [0.1, "phs", 1],
    ]  # fmt: skip
    run = phs.build(phs.rows("fashion_mnist")[1], digits, epochs=1, seed=1)
    metrics = [dict(record.metrics) for record in run]
    recorded = recordings.load(joined, record=training.Record).records
    assert [dict(record.metrics) for record in recorded if record.run == "01_1"] == metrics
    test = training.evaluate(run.model, digits.test, normalise=digits.normalise)["accuracy"]
    assert results["accuracy"].iloc[3] == test


@pytest.mark.parametrize("goal", [1.5, 1e-9], ids=["reached", "never reached"])
def test_a_braked_run_goes_on_from_its_unbraked_twin_with_the_numbers_it_would_have_alone(goal, digits, tmp_path, monkeypatch):
    published_rows = [dict(row) for row in phs.rows("fashion_mnist")]
    for row in published_rows[1:3]:
        row |= {"friction": 1.0, "mass": 0.1} | ({"brake_at": goal} if "brake_at" in row else {})
    monkeypatch.setattr(phs, "rows", lambda dataset: published_rows)
    builds, build = [], phs.build
    monkeypatch.setattr(phs, "build", lambda row, *given, **more: builds.append(row["optimizer"]) or build(row, *given, **more))
    alone = list(phs.record(tmp_path / "alone", dataset="fashion_mnist", epochs=40, seeds=[0], only=[2]))
    assert builds == ["goal_oriented"]
    after = list(phs.record(tmp_path / "after", dataset="fashion_mnist", epochs=40, seeds=[0], only=[1, 2]))
    assert not list((tmp_path / "after").glob("*checkpoint*"))
    expected, got = (recordings.load(path, record=training.Record) for path in (alone[0], after[1]))
    assert [(one.step, dict(one.metrics)) for one in got.records] == [(one.step, dict(one.metrics)) for one in expected.records]
    assert got.settings == expected.settings
    braked = [record.epoch for record in got.records if record.metrics["braked"]]
    assert (2 < braked[0] < 40) if goal > 1 else not braked


def test_joining_keeps_the_runs_of_an_older_recording(digits, tmp_path):
    joined = tmp_path / "phs.npz"
    for number in (0, 1):
        folder = tmp_path / str(number)
        list(phs.record(folder, dataset="fashion_mnist", epochs=1, seeds=[0], only=[number]))
        phs.merge(folder, joined)
    assert phs.results(joined)["optimizer"].tolist() == ["sgd", "phs"]
    assert {record["run"] for record in recordings.load(joined).records} == {"00_0", "01_0"}


def test_the_command_line_records_and_joins(digits, tmp_path, capsys):
    settings = ["--dataset", "cifar10", "--epochs", "1", "--seeds", "2", "--rows", "0"]
    places = ["--folder", str(tmp_path / "runs"), "--recordings", str(tmp_path / "joined")]
    studies.main(["phs", *settings, *places])
    assert [Path(line).name for line in capsys.readouterr().out.split()] == ["00_0.npz", "00_1.npz"]
    assert phs.results(tmp_path / "joined" / "phs_cifar10_implied.npz")["seed"].tolist() == [0, 1]


def test_a_failed_run_is_named_after_the_others(digits, tmp_path, monkeypatch):
    build = phs.build

    def breaks_on_seed_0(*arguments, seed, **settings):
        if seed == 0:
            raise RuntimeError("planted")
        return build(*arguments, seed=seed, **settings)

    monkeypatch.setattr(phs, "build", breaks_on_seed_0)
    done = phs.record(tmp_path, dataset="cifar10", epochs=1, seeds=[0, 1], only=[0])
    assert next(done).name == "00_1.npz"
    with pytest.raises(RuntimeError, match="number 0, seed 0: (.|\\n)*planted"):
        next(done)


def test_joining_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="no finished run"):
        phs.merge(tmp_path, tmp_path / "phs.npz")


def test_a_diverged_run_has_no_accuracy(digits, tmp_path):
    row = {"learning_rate": 1e6, "optimizer": "sgd"}
    run = phs.build(row, digits, epochs=2, seed=0)
    assert list(run)[-1].diverged
    phs._save(tmp_path / "00_0.npz", run, row, "implied", digits)
    phs.merge(tmp_path, tmp_path / "phs.npz")
    assert math.isnan(phs.results(tmp_path / "phs.npz")["accuracy"].item())


@pytest.mark.parametrize("dataset", phs.TABLES)
def test_the_recording_in_the_lesson_says_where_it_comes_from(dataset):
    recording = recordings.load(RECORDINGS / f"phs_{dataset}_implied.npz")
    provenance = recording.provenance
    assert provenance["commit"] and provenance["device"] and provenance["versions"]["torch"]
    assert len(provenance["data"]["sha256"]) == 64
    compared = published.compare(
        phs.TABLES[dataset], phs.results(RECORDINGS / f"phs_{dataset}_implied.npz"), on=phs.KEYS, value="accuracy"
    )
    unpublished = compared[compared["verdict"] == "not published"]
    assert set(unpublished["optimizer"]) == {"step_decay"}
    assert len(compared) - len(unpublished) == 20
    assert (compared["runs"] >= 3).all()


@pytest.mark.parametrize("dataset", phs.TABLES)
def test_the_recording_is_what_this_code_gives(dataset, data_folder):
    recording = recordings.load(RECORDINGS / f"phs_{dataset}_implied.npz", record=training.Record)
    name, settings = next(iter(recording.settings.items()))
    data = datasets.load(dataset)
    assert data.fingerprint() == recording.provenance["data"]["sha256"]
    run = phs.build(settings["row"], data, epochs=1, seed=settings["seed"], reading=settings["reading"])
    recorded = [record for record in recording.records if record.run == name]
    for now, then in zip((next(run), next(run)), recorded, strict=False):
        assert now.metrics["train_loss"] == pytest.approx(then.metrics["train_loss"], rel=1e-3)
