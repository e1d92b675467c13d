import math
import threading
from functools import partial

import numpy as np
import pandas as pd
import pytest
import torch
from sweep_cases import SETTINGS, digits, line, troubled

from toolkit import sweep
from toolkit.sweep.settings import identity


def run(function, settings, **choice):
    return sweep.run(function, settings, progress=False, **choice)


# Ranges


def test_a_grid_has_every_combination_and_plain_numbers():
    settings = sweep.grid(a=np.array([1, 2]), b=range(2), c=["x"])
    assert settings == [{"a": a, "b": b, "c": "x"} for a in (1, 2) for b in (0, 1)]
    assert {type(value) for one in settings for value in one.values()} == {int, str}


@pytest.mark.parametrize(
    ("values", "error", "text"),
    [
        ("sgd", TypeError, "optimizer must be a list of values, got 'sgd'"),
        (0.1, TypeError, "got 0.1"),
        ([], ValueError, "no values"),
    ],
)
def test_a_grid_refuses_what_is_no_list(values, error, text):
    with pytest.raises(error, match=text):
        sweep.grid(optimizer=values)


def test_random_settings_can_be_made_longer_and_wider():
    ranges = {"rate": (1e-4, 1.0, "log"), "mass": (2.0, 3.0), "hidden": [8, 16]}
    long = sweep.random(40, seed=1, **ranges)
    assert sweep.random(15, seed=1, **ranges) == long[:15]
    assert [one["rate"] for one in sweep.random(40, seed=1, rate=ranges["rate"])] == [one["rate"] for one in long]
    assert sweep.random(15, seed=2, **ranges) != long[:15]
    assert len({identity(one) for one in long}) == 40


def test_random_settings_fill_their_ranges():
    drawn = pd.DataFrame(sweep.random(2000, seed=0, rate=(1e-4, 1.0, "log"), mass=(2, 3), hidden=range(5, 7)))
    assert drawn["rate"].between(1e-4, 1).all()
    assert np.log10(drawn["rate"]).mean() == pytest.approx(-2, abs=0.1)
    assert np.log10(drawn["rate"]).std() == pytest.approx(4 / math.sqrt(12), rel=0.05)
    assert drawn["mass"].between(2, 3).all()
    assert drawn["mass"].mean() == pytest.approx(2.5, abs=0.03)
    assert drawn["hidden"].value_counts(normalize=True).to_dict() == pytest.approx({5: 0.5, 6: 0.5}, abs=0.05)
    assert drawn.corr().abs().to_numpy()[np.triu_indices(3, 1)].max() < 0.07


def test_random_settings_from_lists_come_once_each():
    drawn = sweep.random(6, seed=0, a=[1, 2, 3], b=["x", "y"])
    assert sorted(drawn, key=str) == sweep.grid(a=[1, 2, 3], b=["x", "y"])


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"n": 0}, "n must be a whole number, 1 or more, got 0"),
        ({"seed": 1.5}, "seed must be a whole number, 0 or more, got 1.5"),
        ({"n": 3, "rate": [1, 2]}, "3 different settings asked for, the ranges hold 2"),
        ({"rate": (2, 1)}, "rate: low must lie below high, got"),
        ({"rate": (0, 1, "log")}, "above zero"),
        ({"rate": (0, 1, "square")}, r"rate must be \(low, high\)"),
        ({"rate": ("a", "b")}, r"rate must be \(low, high\)"),
        ({"rate": (0, math.inf)}, r"rate must be \(low, high\)"),
    ],
)
def test_random_refuses_ranges_it_cannot_draw_from(given, text):
    given = {"n": 2, "seed": 0, "rate": (1, 2)} | given
    with pytest.raises(ValueError, match=text):
        sweep.random(given.pop("n"), **given)


# What tells two settings apart


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, True),
        ({"a": 1}, {"a": 1.0}, True),
        ({"a": [1, 2]}, {"a": (1.0, 2)}, True),
        ({"a": math.nan}, {"a": math.nan}, True),
        ({"a": np.array([1, 0])}, {"a": np.array([1, 0])}, True),
        ({"a": 1}, {"a": True}, False),
        ({"a": 1}, {"a": "1"}, False),
        ({"a": None}, {}, False),
        ({"a": 0.1}, {"a": 0.1 + 1e-16}, False),
        ({"a": np.array([1, 0])}, {"a": np.array([0, 1])}, False),
        ({"a": np.zeros((2, 1))}, {"a": np.zeros((1, 2))}, False),
        ({"a": {"b": 1}}, {"a": {"b": 2}}, False),
    ],
)
def test_settings_are_told_apart_by_content(one, other, same):
    assert (identity(one) == identity(other)) is same


# What is run


def test_settings_may_be_a_data_frame_with_gaps():
    records = list(run(line, pd.DataFrame({"x": [1, 2], "scale": [2.0, 4.0], "shift": [None, 7.0]}), workers=1))
    assert [dict(record.settings) for record in records] == [{"x": 1, "scale": 2.0}, {"x": 2, "scale": 4.0, "shift": 7.0}]
    assert [record.result["y"] for record in records] == [3, 15]


def test_numpy_numbers_become_plain_ones():
    (record,) = run(line, [{"x": np.int64(2), "scale": np.float32(0.5)}], workers=1)
    assert {name: type(value) for name, value in record.settings.items()} == {"x": int, "scale": float}


@pytest.mark.parametrize(
    ("settings", "error", "text"),
    [
        ([], ValueError, "settings is empty"),
        ({"x": [1, 2]}, TypeError, r"settings must be a list of dicts or a DataFrame, got dict; sweep.grid\(\*\*settings\)"),
        ([{"x": 1, "scale": 2}, 3], TypeError, r"settings\[1\] must map names to values, got 3"),
        ([{"x": 1}], TypeError, r"settings\[0\] does not fit line.*missing a required argument: 'scale'"),
        ([{"x": 1, "scale": 2, "mass": 3}], TypeError, "unexpected keyword argument 'mass'"),
        ([{"x": 1, "scale": 2}, {"scale": 2.0, "x": 1}], ValueError, r"settings\[1\] repeats settings\[0\]"),
        ([{"x": 1, "scale": object()}], TypeError, r"settings\[0\]\['scale'\] must consist of numbers.*of type object"),
        ([{"x": 1, "scale": torch.ones(2)}], TypeError, "of type Tensor"),
        ([{"x": 1, "scale": np.array([None])}], TypeError, "of type ndarray"),
        ([{"x": 1, "scale": {2: 3}}], TypeError, "names must be strings, got 2"),
        ([{"x": 1, "seconds": 2}], ValueError, "'seconds' is a column of the table"),
    ],
)
def test_settings_that_cannot_be_run_are_refused_at_once(settings, error, text, tmp_path):
    with pytest.raises(error, match=text):
        run(line, settings, results=tmp_path / "results")
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    ("choice", "error", "text"),
    [
        ({"backend": "gpu"}, ValueError, r"backend must be one of \('cores', 'dask', 'population'\), got 'gpu'"),
        ({"workers": 0}, ValueError, "workers must be a whole number, 1 or more, got 0"),
        ({"workers": 1.5}, ValueError, "got 1.5"),
        ({"address": "tcp://10.0.0.7:8786"}, ValueError, "with backend 'dask'"),
        ({"backend": "dask", "address": 8786}, ValueError, "got 8786"),
        ({"backend": "dask", "address": "tcp://10.0.0.7:8786", "workers": 2}, ValueError, "has its own; got 2"),
        ({"function": 3}, TypeError, "function must be callable, got 3"),
        ({"function": partial(line, shift=threading.Lock())}, TypeError, "cannot be sent to another process"),
        ({"function": lambda x, scale: {}, "results": "here"}, TypeError, "known by the name of the function"),
        ({"function": partial(line, shift=2), "results": "here"}, TypeError, "known by the name of the function"),
    ],
)
def test_a_sweep_that_cannot_work_is_refused_at_once(choice, error, text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    choice = dict(choice)
    with pytest.raises(error, match=text):
        run(choice.pop("function", line), SETTINGS, **choice)
    assert list(tmp_path.iterdir()) == []


# The table


def test_the_table_is_in_the_order_of_the_settings():
    records = list(run(line, SETTINGS, workers=1))
    table = sweep.table(reversed(records))
    assert list(table.columns) == ["x", "scale", "y", "name", "curve", "seconds", "error"]
    assert list(table.index) == list(range(6))
    assert list(table["y"]) == [1.0, 1.5, 2.0, 1, 3, 5]
    assert table["scale"].dtype == float
    assert list(table["error"]) == [""] * 6
    assert (table["seconds"] >= 0).all()
    assert sweep.table([]).columns.tolist() == ["seconds", "error"]


def test_a_result_with_the_name_of_a_setting_has_a_column_of_its_own():
    record = sweep.SweepRecord(0, {"x": 1}, {"x": 2, "error": 0.5})
    assert sweep.table([record])[["x", "x_result", "error", "error_result"]].to_numpy().tolist() == [[1, 2, "", 0.5]]


def test_failed_runs_have_a_row_without_results():
    settings = [{"x": 2}, {"x": 3, "trouble": "raise"}, {"x": 4}]
    table = sweep.table(run(troubled, settings, workers=1))
    assert table["y"].isna().tolist() == [False, True, False]
    assert table["error"].str.contains("RuntimeError: no result for 3").tolist() == [False, True, False]


def test_a_model_of_scikit_learn_is_swept():
    table = sweep.table(run(digits, sweep.grid(C=[1e-6, 1.0]), workers=1))
    assert table["accuracy"][1] > 0.85
    assert table["accuracy"][0] < table["accuracy"][1]
    assert table["norm"][0] < table["norm"][1]
