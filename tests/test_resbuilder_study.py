"""The recorded study of chapter 6: what is run, resume, joining, and the comparison with Table 6.1."""

from dataclasses import replace

import pytest
from small_panels import few_digits, timeless

from toolkit import published, recordings
from toolkit.search import architecture
from toolkit.search.resbuilder import RECIPES, Record
from toolkit.studies import __main__ as studies
from toolkit.studies import resbuilder as study

HOW = {"dataset": "digits", "images": None, "budget": 3e4, "epochs": 1, "batch_size": 32, "steps": 1, "searched": None}


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Few digits."""
    data = few_digits(64)
    monkeypatch.setattr(study.datasets, "load", lambda name: data)


def begun(method, recipe="thesis", **choice):
    return study.begun(method, recipe, 0, **HOW | choice)


def test_the_defaults_are_the_published_ones():
    table = published.table("burghoff_resbuilder_defaults")
    table = table[table["setting"] == "default"].set_index("name")["value"]
    run = begun("rb_0net", budget=1e8, steps=None)
    for name, ours in (
        ("n_lambda", run.layer_steps), ("n_m", run.morph_steps), ("tau_ll", run.momentum), ("lambda_m", run.morph_strength),
        ("i_m", run.intensity), ("zeta", study.BUDGET), ("lambda_lambda", run.lasso_strength),
        ("tau_lambda", run.deletion_threshold), ("lambda_0", run.weight_decay), ("start_channels", study.WIDTH),
        ("shift_horizontal", RECIPES["thesis"].shift),
    ):  # fmt: skip
        assert ours == pytest.approx(float(table[name]))
    assert study.begins("rb_0net", (1, 28, 28), 10, 1e8).stages[0].width == 64
    assert set(study.PRINTED.values()) == set(published.table(study.TABLE)["dataset"])
    assert set(published.table(study.TABLE)["method"]) < set(study.METHODS)


def test_what_each_method_does():
    run = begun("rb_0net")
    assert run.morph_strength == pytest.approx(1e-7 * 1e8 / 3e4) and run.layer_steps == 4
    assert begun("morphnet").layer_steps == 0 and begun("morphnet").morph_steps == 7
    for method in ("zero_net", "res18"):
        alone = begun(method)
        assert (alone.morph_strength, alone.lasso_strength, alone.steps) == (0, 0, 0)
        assert alone.variants == ("with_reg",) and 0.5 * 3e4 < alone.start.flops() <= 3e4
    assert begun("rb_r18").start == begun("res18").start and len(begun("rb_r18").start.stages) == 4
    with pytest.raises(ValueError, match="method must be one of"):
        begun("resnet50")


@pytest.mark.parametrize("budget", [1e6, 1e7])
def test_a_block_costs_the_same_share_of_a_smaller_budget(budget):
    def share(budget):
        start = study.begins("rb_0net", (1, 28, 28), 10, budget)
        longer, _ = architecture.insert_block(start, 0, 0)
        return (longer.flops() - start.flops()) / budget

    assert share(budget) == pytest.approx(share(1e8), rel=0.2)


def test_runs_are_recorded_once_joined_and_compared(tmp_path):
    folder, joined = tmp_path / "runs", tmp_path / "joined.npz"
    how = {**HOW, "methods": ("rb_0net", "res18"), "recipes": ("modern",), "seeds": (0, 1)}
    files = list(study.record(folder, **how))
    assert sorted(file.name for file in folder.iterdir()) == sorted(file.name for file in files)
    written = {file: file.stat().st_mtime_ns for file in files}
    assert list(study.record(folder, **how)) == files
    assert written == {file: file.stat().st_mtime_ns for file in files}
    study.merge(folder, joined)
    assert study.is_recording(joined)
    table = study.results(joined)
    assert table["method"].tolist() == ["rb_0net"] * 2 + ["res18"] * 2 and table["architectures"].tolist() == [2, 2, 1, 1]
    assert (table["mflops"] * 1e6 <= table["budget"]).all() and table["training_share"].between(0, 1).all()
    alone = table.loc[2]
    assert alone["training_pflop"] == pytest.approx(3 * 64 * alone["mflops"] * 1e6 / 1e15)
    assert (table["test_chosen"] >= table["test_accuracy"]).all()
    for name, (settings, records) in study.runs(joined).items():
        best = settings["result"]
        (one,) = [r for r in records if r.kind == "trained" and (r.step, r.variant) == (best["step"], best["variant"])]
        assert one.metrics["test_accuracy"] == best["test_accuracy"] and {r.run for r in records} == {name}
        assert architecture.from_json(settings["start"]).to_json() == records[0].architecture


def test_the_comparison_says_what_is_not_comparable(tmp_path):
    folder, joined = tmp_path / "runs", tmp_path / "joined.npz"
    wanted = {"methods": ("rb_0net",), "recipes": ("thesis",)}
    list(study.record(folder, **{**HOW, **wanted, "dataset": "fashion_mnist"}))
    study.merge(folder, joined)
    by_validation, by_test = (study.compared(joined, chosen_on=one).set_index("method") for one in ("validation", "test"))
    result = study.results(joined).loc[0]
    assert by_validation.loc["rb_0net", "ours"] == pytest.approx(100 * result["test_accuracy"])
    assert by_test.loc["rb_0net", "ours"] == pytest.approx(100 * result["test_chosen"])
    assert by_test.loc["rb_0net", "published"] == pytest.approx(93.71)
    assert "not comparable: fewer images" in by_test.loc["rb_0net", "verdict"]
    assert by_test.loc["res18", "verdict"] == "not run"
    assert len(study.compared(joined, recipe="modern")) <= 4
    with pytest.raises(ValueError, match="recipe must be one of"):
        study.compared(joined, recipe="old")


def test_what_was_found_is_trained_on_more_with_a_larger_budget(tmp_path):
    search, more = tmp_path / "search.npz", {"methods": ("found", "res18"), "recipes": ("modern",)}
    list(study.record(tmp_path / "few", **{**HOW, "images": 40, "methods": ("rb_0net",), "recipes": ("modern",)}))
    study.merge(tmp_path / "few", search)
    list(study.record(tmp_path / "all", **{**HOW, **more, "budget": 1e5, "searched": search}))
    study.merge(tmp_path / "all", tmp_path / "all.npz")
    table = study.results(tmp_path / "all.npz").set_index("method")
    assert table.index.tolist() == ["res18", "found"] and (table["architectures"] == 1).all() and (table["images"] == 64).all()
    assert table["mflops"].between(0.05, 0.1).all()
    settings, _ = study.runs(tmp_path / "all.npz")["found_modern_0"]
    spec = architecture.from_json(settings["start"])
    few = study.found(search, "modern", 0)
    assert [len(one.blocks) for one in spec.stages] == [len(one.blocks) for one in few.stages] and spec != few
    with pytest.raises(ValueError, match="no run rb_0net_thesis_0; recorded are rb_0net_modern_0"):
        study.found(search, "thesis", 0)
    with pytest.raises(ValueError, match='"found" needs the recording of a search'):
        study.record(tmp_path / "none", **{**HOW, **more})


def test_an_interrupted_run_goes_on_with_the_same_numbers_and_may_go_further(tmp_path, monkeypatch):
    (tmp_path / "whole").mkdir()
    whole = study.record_run(str(tmp_path / "whole"), "rb_0net", "thesis", 0, **HOW)
    save, saved = recordings.save_state, []

    def interrupted(path, state):
        save(path, state)
        saved.append(path)
        if len(saved) == 9:
            raise KeyboardInterrupt

    monkeypatch.setattr(recordings, "save_state", interrupted)
    with pytest.raises(KeyboardInterrupt):
        study.record_run(str(tmp_path), "rb_0net", "thesis", 0, **HOW | {"steps": 0})
    again = study.record_run(str(tmp_path), "rb_0net", "thesis", 0, **HOW)
    one, other = (recordings.load(made["path"], record=Record).records for made in (whole, again))
    one, other = ([replace(r, training_seconds=0.0) for r in records] for records in (one, other))
    assert timeless(one) == timeless(other)
    assert not list(tmp_path.glob("*checkpoint*"))


def test_the_study_runs_from_the_command_line(tmp_path, capsys):
    places = ["--folder", str(tmp_path / "runs"), "--recordings", str(tmp_path)]
    how = ["--methods", "zero_net", "--recipes", "modern", "--budget", "2e4", "--epochs", "1", "--steps", "0", "--seeds", "2"]
    studies.main(["resbuilder", "--dataset", "digits", "--images", "40", *how, *places])
    assert len(capsys.readouterr().out.splitlines()) == 2
    settings = [settings for settings, _ in study.runs(tmp_path / "resbuilder_digits.npz").values()]
    assert [one["images"] for one in settings] == [40, 40]
