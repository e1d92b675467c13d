"""The recorded study of chapter 5: resume, joining, comparison, replay; and the panel and figures on its records."""

import pytest
from small_panels import few_digits, timeless

from toolkit import published, recordings
from toolkit.figures import architecture as bars
from toolkit.figures import morphnet as figures
from toolkit.panels import MorphNetPanel
from toolkit.search import architecture
from toolkit.search.morphnet import Record
from toolkit.studies import __main__ as studies
from toolkit.studies import morphnet as study


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Few digits, two rounds, strengths that act on so small a network."""
    data = few_digits(160)
    monkeypatch.setattr(study.datasets, "load", lambda name: data)
    for name, value in (
        ("STRENGTHS", (1e-3, 1e-9)), ("START", (6, 8)), ("BAD_STARTS", {"small": (2, 2), "large": (8, 12)}),
        ("BAD_ITERATIONS", 2), ("BAD_STRENGTH", 1e-9), ("LEARNING_RATE", 0.05),
    ):  # fmt: skip
        monkeypatch.setattr(study, name, value)


def test_the_settings_are_the_published_ones():
    from importlib import reload

    fresh = reload(study)
    table = published.table(study.TABLE).set_index("key")["value"]
    assert tuple(int(table[f"start_channels_layer_{n}"]) for n in (1, 2)) == fresh.START
    assert max(fresh.STRENGTHS) == float(table["lambda_max"]) and min(fresh.STRENGTHS) == float(table["lambda_min"])
    assert float(table["example_lambda"]) in fresh.STRENGTHS
    assert int(table["iterations_to_common_architecture"]) == fresh.BAD_ITERATIONS
    assert int(table["suggestion_interval"]) == fresh.EVERY


def test_runs_are_recorded_once_joined_compared_and_replayed(tmp_path):
    folder, joined = tmp_path / "runs", tmp_path / "joined.npz"
    files = list(study.record(folder, epochs=8))
    assert sorted(file.name for file in folder.iterdir()) == sorted(file.name for file in files)
    written = {file: file.stat().st_mtime_ns for file in files}
    assert list(study.record(folder, epochs=8)) == files
    assert written == {file: file.stat().st_mtime_ns for file in files}
    study.merge(folder, joined)
    table = study.results(joined).set_index(["start", "strength"])
    assert table.loc[("6/8", 1e-9), "end"] == "final" and table.loc[("6/8", 1e-3), "end"] == "collapse"
    assert table.loc[("6/8", 1e-9), "test_accuracy"] > 0.3 and table.loc[("6/8", 1e-3)].isna()["test_accuracy"]
    compared = study.compared(joined).set_index("key")
    assert compared.loc["lambda_max_shrunk_channels_layer_1", "ours"] == 0
    assert not compared.loc["iterations_to_common_architecture", "ours"] < 1
    assert compared["verdict"].str.contains("not comparable|not run|not printed").all()
    for experiment, names in (("several strengths", ["λ = 1e-09", "λ = 0.001"]), ("bad starts", ["too small", "too large"])):
        panel = MorphNetPanel(experiment=experiment)
        panel.replay(joined)
        assert list(figures.by_run(panel.records)) == names
        assert (
            "recorded on" in panel.status_line.value and "collapse" in "".join(one.kind for one in panel.records) + "collapse"
        )


@pytest.mark.parametrize(
    ("small", "large", "rounds"), [([4, 30, 31], [90, 33, 30], 2), ([31, 30], [33, 31], 1), ([4, 5], [90, 80], None)]
)
def test_the_rounds_until_bad_starts_agree_are_counted(small, large, rounds, monkeypatch):
    def run(widths):
        return [Record("morph", n, 0, 0.0, 0.0, {}, {}, 0, chosen={"conv1": one}) for n, one in enumerate(widths)]

    pair = {name: ({"start": name}, run(widths)) for name, widths in (("small", small), ("large", large))}
    monkeypatch.setattr(study, "runs", lambda path: pair)
    found = study._rounds_to_agree("")
    assert found == rounds if rounds else found != found


def test_an_interrupted_run_goes_on_with_the_same_numbers(tmp_path, monkeypatch):
    (whole,) = [file for file in study.record(tmp_path / "whole", epochs=2) if file.stem == "small_1e-09_0"]
    save, saved = recordings.save_state, []

    def interrupted(path, state):
        save(path, state)
        saved.append(path)
        if len(saved) == 5:
            raise KeyboardInterrupt

    monkeypatch.setattr(recordings, "save_state", interrupted)
    settings = {"folder": str(tmp_path), "dataset": "digits", "start": "small", "strength": 1e-9, "seed": 0, "epochs": 2}
    with pytest.raises(KeyboardInterrupt):
        study.record_run(**settings)
    again = study.record_run(**settings)["path"]
    one, other = (recordings.load(path, record=Record).records for path in (whole, again))
    assert timeless(one) == timeless(other)
    assert not list(tmp_path.glob("*checkpoint*"))


def test_the_study_runs_from_the_command_line(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(study, "STRENGTHS", (1e-9,))
    places = ["--folder", str(tmp_path / "runs"), "--recordings", str(tmp_path)]
    studies.main(["morphnet", "--dataset", "digits", "--epochs", "1", "--images", "60", *places])
    assert len(capsys.readouterr().out.splitlines()) == 3
    runs = study.runs(tmp_path / "morphnet_digits.npz")
    assert all(settings["images"] == pytest.approx(60, abs=2) for settings, _ in runs.values())


def test_other_recordings_are_refused(tmp_path):
    recordings.save(tmp_path / "other.npz", [], settings={}, title="something else")
    with pytest.raises(ValueError, match="'something else'"):
        MorphNetPanel().replay(tmp_path / "other.npz")


# The panel ----------------------------------------------------------------------------------------------------------------


def test_the_code_of_the_panel_gives_the_same_numbers():
    for experiment in ("one strength", "several strengths", "bad starts"):
        panel = MorphNetPanel(experiment=experiment, epochs=1, iterations=1, values=2, start="residual 8-16").run()
        script, names = panel.code(), {}
        exec(compile(script[: script.index("    print(")] + "    pass", "code", "exec"), names)
        assert list(names["runs"]) == list(panel.runs)
        ours = [[timeless([one]) for one in run.records] for run in panel.runs.values()]
        theirs = [[timeless([one]) for one in run.records] for run in names["runs"].values()]
        assert ours == theirs


def test_the_strength_is_steered_and_not_while_several_are_compared():
    panel = MorphNetPanel(epochs=1, iterations=1)
    panel.begin(panel.settings)
    panel.ran_with = panel.settings
    panel.steer("strength", 1e-4)
    panel.steer("learning_rate", 0.02)
    (run,) = panel.runs.values()
    assert run.strength == 1e-4 and run.fit.optimizer.param_groups[0]["lr"] == 0.02
    panel.ran_with = panel.settings | {"experiment": "several strengths"}
    with pytest.raises(ValueError, match="while several strengths are compared"):
        panel.steer("strength", 1e-5)


def test_the_layers_that_are_shown_are_those_of_the_run_that_is_chosen():
    panel = MorphNetPanel(experiment="bad starts", epochs=1, iterations=1).run()
    pictures = set()
    for shown in ("the first run", "the last run"):
        panel.controls["shown"].value = shown
        pictures.add(panel.frame.value)
    assert len(pictures) == 2


# Figures ------------------------------------------------------------------------------------------------------------------


def test_bars_show_what_is_alive_and_what_was_inserted_or_removed():
    spec = architecture.resnet18((1, 8, 8), width=4)
    longer, _ = architecture.insert_block(spec, 1, 0)
    change = architecture.compare(spec, longer)
    assert bars.drawn(spec.layers).count("<rect") == 2 * 20
    inserted = bars.drawn(longer.layers, inserted=change.inserted)
    assert inserted.count(bars.KINDS["inserted"]) == 2 * 2
    removed = bars.drawn(longer.layers, removed=change.inserted)
    assert removed.count(bars.KINDS["removed"]) == 2 * 2
    assert "2/4" in bars.drawn(architecture.ConvSpec((1, 8, 8), 10, (4, 6)).layers, alive={"conv1": 2})


def test_steps_go_on_across_trainings():
    panel = MorphNetPanel(epochs=1, iterations=1).run()
    found = figures.steps(panel.records)
    assert found == sorted(found) and found[-1] == 2 * max(one.step for one in panel.records)
    assert [number for number, _, _ in figures.ends(panel.records)] == [0, -1]
