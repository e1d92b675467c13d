import csv
import math
from pathlib import Path

import pandas as pd
import pytest
from scipy import stats

from toolkit import published

FOLDER = Path(published.__file__).parent
FASHION = "burghoff_table_3_2_phs_fashionmnist"
SETTING = ["learning_rate", "optimizer", "friction", "mass"]


def cells(name: str) -> list[dict[str, str]]:
    with (FOLDER / f"{name}.csv").open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


# --- tables


def test_the_readme_lists_exactly_the_tables_that_are_there():
    text = (FOLDER / "README.md").read_text(encoding="utf-8")
    listed = [line.split("`")[1].removesuffix(".csv") for line in text.splitlines() if line.startswith("| `")]
    assert sorted(listed) == published.tables() and len(listed) == 53


@pytest.mark.parametrize("name", published.tables())
def test_every_table_has_the_rows_and_values_of_its_file(name):
    table, rows = published.table(name), cells(name)
    assert len(table) == len(rows) == published.describe(name).rows
    assert list(table) == list(rows[0])
    for column in table:
        for found, printed in zip(table[column], (row[column] for row in rows), strict=True):
            if printed == "":
                assert pd.isna(found)
            elif isinstance(found, float):
                assert found == float(printed)
            else:
                assert {"true": True, "false": False}.get(printed, printed) == found


def test_numbers_are_floats_booleans_are_booleans_and_words_stay_words():
    peaks = published.table("zhao_table_4_6_specific_peaks")
    assert peaks["rank"].dtype == float and peaks["rank_certain"].dtype == bool
    assert peaks["mass_consistent"].dtype == "boolean" and peaks["mass_consistent"].isna().any()
    assert len(peaks[peaks["mass_consistent"]]) == peaks["mass_consistent"].sum()
    structures = published.table("zhao_table_4_4_experimental_microstructures")
    assert structures["direction_predicted"][5] == "none"
    setup = published.table("burghoff_section_3_4_phs_setup").set_index("key")["value"]
    assert setup["total_weights"] == 44426.0 and setup["pretraining"] is False and math.isnan(setup["epochs"])
    assert setup["fig_3_3_b"] == "alpha=0.01;friction=1;mass=0.1;dataset=FashionMNIST"


def test_golden_rows_of_the_heavy_ball_tables():
    fashion = published.table(FASHION).set_index(SETTING)["accuracy"]
    assert fashion[0.1, "goal_oriented", 0.1, 10] == 0.9102
    assert fashion[0.0001, "goal_oriented", 1, 0.001] == 0.9012
    cifar = published.table("burghoff_table_3_1_phs_cifar10").set_index(SETTING)["accuracy"]
    assert cifar[0.1, "goal_oriented", 0.1, 100] == 0.671 and cifar[0.001, "phs", 1, 0.25] == 0.66


def test_a_table_is_a_fresh_copy():
    changed = published.table(FASHION)
    changed.loc[:, "accuracy"] = 0.0
    assert published.table(FASHION)["accuracy"].min() > 0.8


def test_describe_gives_document_location_units_and_doubts():
    found = published.describe("schiessler_table_3_results")
    assert found.document.startswith("Schiessler et al.: Schiessler, Aydin, Linka, Cyron") and found.location == "Table 3"
    assert published.describe("burghoff_table_3_1_phs_cifar10").doubts == "brake_at meaning; friction and mass against (3.2)"
    assert published.describe("zhao_table_4_2_bo_samples").units == "wt%, degC, min, %, S/cm"
    assert all(all(vars(published.describe(name)).values()) for name in published.tables() if name != "source_doubts")


def test_doubts_of_one_document_or_of_all():
    assert len(published.doubts()) == 80
    counts = {name: len(published.doubts(name)) for name in ("Burghoff", "Ghimire", "Schiessler et al.", "Zhao")}
    assert sum(counts.values()) == 80 and counts["Burghoff"] == 25
    assert published.doubts("Zhao").index[0] == 0


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: published.table("table_3_2_phs"), ValueError, f"the closest are {FASHION}"),
        (lambda: published.describe("shiessler_table_3"), ValueError, "schiessler_table_3_results"),
        (lambda: published.table("../published/source_doubts"), ValueError, "is not known"),
        (lambda: published.table(3.2), TypeError, "name must be a str, got 3.2"),
        (lambda: published.doubts("Schiessler"), ValueError, "document 'Schiessler' is not known; the closest are Schiessler"),
    ],
)
def test_a_wrong_name_is_answered_with_the_closest(call, error, message):
    with pytest.raises(error) as refusal:
        call()
    assert message in str(refusal.value)


# --- comparison


def own_runs(*shifts: float, rows: slice = slice(None)) -> pd.DataFrame:
    """Synthetic runs: the published accuracy of each row, moved by each of the shifts."""
    printed = published.table(FASHION)[rows]
    return pd.concat([printed[SETTING].assign(accuracy=printed["accuracy"] + shift, seed=i) for i, shift in enumerate(shifts)])


def compare(ours: pd.DataFrame, **keywords) -> pd.DataFrame:
    return published.compare(FASHION, ours, **{"on": SETTING, "value": "accuracy", **keywords})


def test_every_row_of_a_table_meets_its_own_runs_also_where_key_cells_are_empty():
    found = compare(own_runs(-0.002, 0.001, 0.001))
    printed = published.table(FASHION)
    pd.testing.assert_frame_equal(found[SETTING], printed[SETTING])
    assert found["published"].equals(printed["accuracy"])
    assert found["ours"].tolist() == pytest.approx(printed["accuracy"].tolist())
    assert found["spread"].tolist() == pytest.approx([0.003**0.5 / 1000**0.5] * 20)
    assert found["runs"].tolist() == [3] * 20 and set(found["verdict"]) == {"agrees"}
    assert set(found["origin"]) == {"this session"}


@pytest.mark.parametrize("runs", [2, 5])
@pytest.mark.parametrize("published_runs", [1, 15])
def test_the_verdict_turns_where_the_stated_rule_says(runs, published_runs):
    printed = pd.DataFrame({"row": [1], "accuracy": [0.9102]})
    spread = 0.003
    limit = stats.t(runs - 1).ppf(0.975) * spread * math.sqrt(1 / runs + 1 / published_runs) + 0.00005
    for shift, verdict in ((0.999 * limit, "agrees"), (-0.999 * limit, "agrees"), (1.001 * limit, "differs")):
        ours = pd.DataFrame({"row": [1], "mean": [0.9102 + shift], "std": [spread], "n": [runs]})
        found = published.compare(printed, ours, on="row", value="accuracy", published_runs=published_runs)
        assert found["verdict"][0] == verdict
        assert found["tolerance"][0] == pytest.approx(limit) and found["difference"][0] == pytest.approx(shift)


def test_single_runs_and_given_means_give_the_same_as_their_runs():
    runs = own_runs(-0.001, 0.003, rows=slice(0, 5))
    ready = runs.groupby(SETTING, dropna=False)["accuracy"].agg(["mean", "std", "count"]).reset_index()
    ready = ready.rename(columns={"count": "n"})
    pd.testing.assert_frame_equal(compare(runs), compare(ready))


def test_rows_without_own_run_stay():
    found = compare(own_runs(0.0, 0.001, rows=slice(2, 3)))
    assert found["verdict"].tolist() == ["not run", "not run", "agrees"] + ["not run"] * 17
    assert found["ours"].isna().sum() == 19 and found["runs"].sum() == 2
    assert found["origin"].tolist() == ["", "", "this session"] + [""] * 17


def test_one_run_says_that_its_spread_is_unknown():
    far = compare(own_runs(0.01, rows=slice(0, 1)))
    near = compare(own_runs(0.00005, rows=slice(0, 1)))
    assert far["verdict"][0] == "undecided: one run, spread unknown" and math.isnan(far["spread"][0])
    assert near["verdict"][0] == "agrees to the printed digits; one run, spread unknown"
    assert math.isnan(far["tolerance"][0])


@pytest.mark.parametrize("shift", [0.00005, -0.00005])
def test_half_a_unit_of_the_last_digit_agrees_in_every_row(shift):
    assert set(compare(own_runs(shift), scale=100)["verdict"]) == {"agrees to the printed digits; one run, spread unknown"}
    assert set(compare(own_runs(1.02 * shift), scale=100)["verdict"]) == {"undecided: one run, spread unknown"}


def test_runs_that_gave_no_number_are_counted_and_not_averaged():
    ours = own_runs(0.0, 0.001, math.nan, rows=slice(0, 1))
    found = compare(ours)
    assert found["runs"][0] == 2 and found["ours"][0] == pytest.approx(0.9009)
    assert found["remarks"][0] == "1 of 3 runs gave no number"
    lost = compare(ours.assign(accuracy=[math.nan, math.inf, -math.inf]))
    assert lost["verdict"][0] == "no run gave a number" and lost["runs"][0] == 0
    assert lost["remarks"][0] == "3 of 3 runs gave no number" and lost["origin"][0] == "this session"


def test_own_settings_that_were_not_published_stand_at_the_end():
    extra = pd.DataFrame([{"learning_rate": 0.1, "optimizer": "adam", "accuracy": 0.91}])
    found = compare(pd.concat([own_runs(0.0, 0.001), extra]))
    assert len(found) == 21 and found["optimizer"].iloc[-1] == "adam"
    assert found["verdict"].iloc[-1] == "not published" and math.isnan(found["published"].iloc[-1])


def test_a_published_cell_without_number_is_said_to_be_not_printed():
    printed = pd.DataFrame({"row": [1, 2], "loss": [math.nan, 0.5]})
    ours = pd.DataFrame({"row": [1, 1], "loss": [0.1, 0.2]})
    assert published.compare(printed, ours, on="row", value="loss")["verdict"].tolist() == ["not printed", "not run"]


def test_what_is_not_comparable_is_said_for_all_rows():
    reasons = ["digits instead of Fashion-MNIST", "one epoch"]
    found = compare(own_runs(0.0, 0.001, rows=slice(0, 12)), different=reasons, remarks="batch size is not stated")
    assert set(found["verdict"][:12]) == {"not comparable: digits instead of Fashion-MNIST; one epoch"}
    assert set(found["verdict"][12:]) == {"not run"}
    assert all(text.startswith("digits instead of Fashion-MNIST; one epoch; batch size is not") for text in found["remarks"])
    assert found["remarks"][11].endswith("; damping per step is 1 or more before braking")


def test_what_is_not_comparable_is_said_for_single_rows_also_with_empty_key_cells():
    different = {(0.1, "sgd", None, math.nan): "no momentum", (0.1, "phs", 0.1, 10): ["other mass", "other data"]}
    found = compare(own_runs(0.0, 0.001), different=different)
    assert found["verdict"].tolist()[:3] == ["not comparable: no momentum", "not comparable: other mass; other data", "agrees"]
    assert found["remarks"].tolist()[:3] == ["no momentum", "other mass; other data", ""]
    counts = {12.0: "another potential"}
    table = published.table("ghimire_table_3_3_extracted_data")
    ours = table[["n_features", "val_loss"]]
    found = published.compare(table, ours, on="n_features", value="val_loss", different=counts)
    assert found["verdict"][0] == "not comparable: another potential" and "agrees" in found["verdict"][1]


def test_scale_and_unit_apply_to_both_sides():
    plain, percent = compare(own_runs(0.0, 0.003)), compare(own_runs(0.0, 0.003), scale=100, unit="%")
    for name in ("published", "ours", "spread", "difference", "tolerance"):
        assert percent[name].tolist() == pytest.approx([100 * number for number in plain[name]])
    assert percent["verdict"].equals(plain["verdict"]) and set(percent["unit"]) == {"%"}


def test_origin_says_where_recorded_runs_come_from():
    origin = "recorded on one H200, 2026-11-20"
    assert compare(own_runs(0.0), origin=origin)["origin"].tolist() == [origin] * 20


def test_keys_in_single_precision_and_as_whole_numbers_meet_the_printed_ones():
    ours = own_runs(0.0, 0.001).astype({"learning_rate": "float32", "friction": "float32"})
    ours = ours[ours["mass"] == 10].astype({"mass": int})
    found = compare(ours)
    assert found["verdict"].tolist().count("agrees") == 4 and len(found) == 20


@pytest.mark.parametrize(
    ("numbers", "half_units"),
    [
        ([0.9102, 0.66, 0.0], [0.00005, 0.00005, 0.00005]),
        ([23.79942, 0.37], [0.000005, 0.000005]),
        ([1.06e-3, 4.93e-5], [0.000005, 0.00000005]),
        ([60000.0, 10000.0], [0.5, 0.5]),
        ([0.0, 0.0], [0.5, 0.5]),
    ],
    ids=["fixed decimals", "trailing zeros", "fixed digits", "counts", "zeros"],
)
def test_the_last_printed_digit_is_read_off_the_column(numbers, half_units):
    printed = pd.DataFrame({"row": range(len(numbers)), "value": numbers})
    ready = printed.rename(columns={"value": "mean"}).assign(std=0.0, n=2)
    assert published.compare(printed, ready, on="row", value="value")["tolerance"].tolist() == pytest.approx(half_units)


@pytest.mark.parametrize(
    ("keywords", "error", "message"),
    [
        ({"table": "burghoff_table_3"}, ValueError, "is not known; the closest are burghoff_table_3_1_phs"),
        ({"table": 3}, TypeError, "table must be a data frame, got 3"),
        ({"ours": [1]}, TypeError, "ours must be a data frame, got [1]"),
        ({"on": "lr"}, ValueError, "table has no column 'lr'; its columns are ['learning_rate'"),
        ({"on": ["brake_at"]}, ValueError, "ours has no column 'brake_at'"),
        ({"on": ["learning_rate"]}, ValueError, "does not tell the rows of the table apart: several have [0.1]"),
        ({"value": "loss"}, ValueError, "table has no column 'loss'"),
        ({"value": "notes"}, ValueError, "table: the column 'notes' must hold numbers"),
        ({"value": "brake_factor"}, ValueError, "ours must have the column 'brake_factor' or the columns mean, std and n"),
        ({"scale": 0}, ValueError, "scale must be a finite number other than zero, got 0"),
        ({"scale": math.inf}, ValueError, "scale must be a finite number other than zero, got inf"),
        ({"published_runs": 0}, ValueError, "published_runs must be 1 or more, got 0"),
        ({"different": {(0.5, "sgd", None, None): "x"}}, ValueError, "different: there is no row [0.5, 'sgd', nan, nan]"),
        ({"remarks": {0.1: "x"}}, ValueError, "remarks: there is no row [0.1]"),
        ({"different": [1]}, TypeError, "different must hold sentences, got 1"),
        ({"ours": own_runs(0.0).assign(accuracy="0.9")}, ValueError, "ours: the column 'accuracy' must hold numbers"),
    ],
)
def test_comparisons_that_make_no_sense_are_refused(keywords, error, message):
    arguments = {"table": FASHION, "ours": own_runs(0.0), "on": SETTING, "value": "accuracy", **keywords}
    with pytest.raises(error) as refusal:
        published.compare(arguments.pop("table"), arguments.pop("ours"), **arguments)
    assert message in str(refusal.value)


@pytest.mark.parametrize(
    ("means", "message"),
    [
        ({"mean": [0.5, 0.5], "std": [0.1, 0.1], "n": [3, 3]}, "ours has several means for [1.0]"),
        ({"mean": [0.5], "std": [0.1], "n": [0]}, "n must be whole and 1 or more"),
        ({"mean": [0.5], "std": [0.1], "n": [2.5]}, "n must be whole and 1 or more"),
        ({"mean": [0.5], "std": [-0.1], "n": [2]}, "std zero or more, got n=2.0, std=-0.1"),
        ({"mean": [0.5], "std": [math.nan], "n": [2]}, "the std of 2 runs must be finite, got nan"),
    ],
)
def test_means_that_make_no_sense_are_refused(means, message):
    printed = pd.DataFrame({"row": [1], "accuracy": [0.5]})
    ours = pd.DataFrame({"row": [1] * len(means["n"]), **means})
    with pytest.raises(ValueError) as refusal:
        published.compare(printed, ours, on="row", value="accuracy")
    assert message in str(refusal.value)


def test_show_puts_remarks_below_the_table():
    said = {"remarks": {0.1: ["goal < 1 not reached", "kept"], 0.01: ["kept"]}, "origin": "recorded"}
    printed = pd.DataFrame({"friction": [0.1, 0.01], "accuracy": [0.9036, 0.8331]})
    ours = pd.DataFrame({"friction": [0.1, 0.1], "accuracy": [0.902, 0.905]})
    table = published.compare(printed, ours, on="friction", value="accuracy", **said)
    style = published.show(table)
    assert style.caption == "recorded<br>kept<br>1: goal &lt; 1 not reached"
    assert list(style.data["notes"]) == ["1", ""] and not {"remarks", "origin"} & set(style.data)
    assert "notes" not in published.show(table[:1]).data


def test_show_prints_the_documents_digits_with_the_unit_in_the_heads():
    text = published.show(compare(own_runs(0.0, 0.003, rows=slice(0, 3)), scale=100, unit="%")).to_html()
    assert "published [%]" in text and ">91.02<" in text and ">+0.15<" in text and ">90.80<" in text
    assert "nan" not in text.lower() and "not run" in text
