"""Campaigns: ask and tell, nothing twice, wider spaces, logs, states, refusals that change nothing."""

import json
import math
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from sintering_cases import ACID, CONDUCTIVITY, DENSITY, TEMPERATURE, TIME, sintering_campaign, small_campaign

from toolkit import bayesopt
from toolkit.bayesopt import Campaign, Objective, Space, Variable, grid
from toolkit.datasets import sintering

WAYS = [("ucb", "believer"), ("ei", "believer"), ("pi", "believer"), ("thompson", "believer"), ("random", "believer")]


@pytest.fixture
def unchanged():
    """Whatever is refused leaves the campaign as it was."""
    kept = []
    yield lambda campaign: kept.append((campaign, json.dumps(campaign.state_dict()))) or campaign
    for campaign, before in kept:
        assert json.dumps(campaign.state_dict()) == before


@pytest.mark.parametrize(("acquisition", "batch"), WAYS)
def test_a_campaign_goes_through_its_grid_without_a_point_twice(acquisition, batch):
    campaign = small_campaign(acquisition=acquisition, batch=batch, seed=5)
    seen = set(np.round(campaign.x[:, 0], 6))
    for n in (3, 4, 1):
        proposals = campaign.ask(n)
        points = np.round(proposals["x [1]"], 6).tolist()
        assert not seen & set(points) and len(set(points)) == n
        seen |= set(points)
        campaign.tell(proposals, [math.sin(5 * x) for x in points])
    assert len(seen) == 11
    with pytest.raises(ValueError, match="1 experiments were asked for, but only 0 of 11 candidates are left"):
        campaign.ask(1)


def test_points_asked_for_are_not_proposed_again_before_they_are_told():
    campaign = sintering_campaign(past=15)
    first, second = campaign.ask(5), campaign.ask(5)
    assert not pd.concat([first, second]).duplicated(campaign.space.labels).any()
    campaign.tell(second, np.full(5, 1e-4) * np.arange(1, 6))  # in any order
    campaign.tell(first.iloc[[3]], [2e-4])
    assert len(campaign.pending) == 4
    campaign.withdraw(first.iloc[:2])
    assert len(campaign.pending) == 2


def test_asking_twice_for_two_is_asking_once_for_four():
    once, twice = sintering_campaign(past=15), sintering_campaign(past=15)
    four = once.ask(4)[once.space.labels]
    two_and_two = pd.concat([twice.ask(2), twice.ask(2)], ignore_index=True)[once.space.labels]
    pd.testing.assert_frame_equal(four, two_and_two)


def test_a_batch_is_what_the_believer_does_step_by_step():
    campaign = sintering_campaign(past=15, acquisition="ucb", kappa=1.5)
    proposals = list(campaign.proposals(4))
    surrogate, x = campaign.surrogate(), campaign.space.scaled(campaign.space.points)
    taken = [place for place in range(80) if place not in campaign.left]
    for proposal in proposals:
        mean, deviation = (part.numpy() for part in surrogate.predict(x))
        score = mean + 1.5 * deviation
        score[taken] = -np.inf
        assert proposal.place == score.argmax()
        taken.append(proposal.place)
        surrogate = surrogate.believing(x[proposal.place][None])
    for later in proposals[1:]:
        np.testing.assert_allclose(later.mean, proposals[0].mean, rtol=0, atol=1e-9)
        assert (later.deviation <= proposals[0].deviation + 1e-9).all()


def test_before_there_is_a_model_points_are_drawn_by_the_seed():
    draws = [small_campaign(values=(), seed=seed).ask(3)["x [1]"].tolist() for seed in (1, 1, 2)]
    assert draws[0] == draws[1] != draws[2]
    assert list(small_campaign(values=()).ask(2)) == ["x [1]"]


def test_the_predictions_are_in_the_units_of_the_objective():
    campaign = sintering_campaign(past=40)
    predicted, table = campaign.predict(campaign.table()), campaign.table()
    ratio = predicted["conductivity [S/cm] mean"] / table["conductivity [S/cm]"]
    assert ratio.min() > 0.7 and ratio.max() < 1.4
    inside = table["conductivity [S/cm]"].between(
        predicted["conductivity [S/cm] low"] / 1.4, predicted["conductivity [S/cm] high"] * 1.4
    )
    assert inside.all()


def test_an_objective_that_shall_be_small_is_minimised():
    campaign = Campaign(grid({"x [1]": np.linspace(0, 1, 21)}), Objective("cost", "EUR", goal="min"), acquisition="ucb")
    campaign.record([[0.0], [0.5], [1.0]], [4.0, 1.0, 3.0])
    for _ in range(6):
        asked = campaign.ask(1)
        campaign.tell(asked, (asked["x [1]"] - 0.65) ** 2)
    assert campaign.best()["x [1]"] == pytest.approx(0.65, abs=0.051)


def test_a_wider_space_keeps_what_was_done():
    campaign = sintering_campaign("initial_grid", past=15)
    told = campaign.table()
    wider = sintering.levels("iteration_3_4") | {ACID: (-22.5, -15, -11.25, -7.5, 0, 7.5)}
    campaign.expand(grid(wider, log=[TIME]))
    pd.testing.assert_frame_equal(campaign.table(), told)
    assert len(campaign.left) == 6 * 13 * 22 - 15
    assert len(campaign.ask(5)) == 5


def test_the_spaces_of_table_4_1_have_their_sizes_and_widen_in_order():
    sizes = [len(grid(sintering.levels(phase))) for phase in sintering.PHASES]
    assert sizes == [80, 420, 2574]
    campaign = Campaign(grid(sintering.levels("iteration_1_2")), CONDUCTIVITY)
    campaign.expand(grid(sintering.levels("iteration_3_4")))
    assert len(campaign.space) == 2574


def test_a_list_of_candidates_is_a_space():
    candidates = pd.DataFrame({"x [1]": [0, 1, 3], "y [nm]": [5, 2, 2.5]})
    space = Space.listed(candidates, log=["y [nm]"])
    assert len(space) == 3 and space.variables[1].log
    assert space.place([1, 2.0]) == 1 and space.place([1, 5]) is None
    assert space.scaled(space.points).min() == 0 and space.scaled(space.points).max() == 1


@pytest.mark.parametrize("way", ["state", "file"])
def test_a_saved_campaign_goes_on_with_the_same_proposals(way, tmp_path):
    campaign = sintering_campaign(past=15, acquisition="thompson", seed=8)
    campaign.ask(2)
    if way == "file":
        campaign.save(tmp_path / "campaign.json")
        again = Campaign.load(tmp_path / "campaign.json")
        assert [file.name for file in tmp_path.iterdir()] == ["campaign.json"]
    else:
        again = Campaign.from_state(campaign.state_dict())
    assert again.state_dict() == campaign.state_dict()
    pd.testing.assert_frame_equal(again.ask(3), campaign.ask(3))


@pytest.mark.parametrize("suffix", [".csv", ".xlsx"])
def test_a_log_goes_out_is_filled_in_and_comes_back(suffix, tmp_path):
    campaign, path = sintering_campaign(past=15), tmp_path / f"log{suffix}"
    campaign.ask(3)
    campaign.export_log(path)
    table = pd.read_csv(path) if suffix == ".csv" else pd.read_excel(path)
    assert table[CONDUCTIVITY.label].isna().sum() == 3 and table["iteration"].tolist() == [0] * 15 + [1] * 3
    table.loc[table.index[-3:-1], CONDUCTIVITY.label] = [3e-4, 4e-4]
    own = {"iteration": 0, ACID: -1.0, TEMPERATURE: 890.0, TIME: 33.0, CONDUCTIVITY.label: 5e-4}
    table = pd.concat([table, pd.DataFrame([own])])
    table.to_csv(path, index=False) if suffix == ".csv" else table.to_excel(path, index=False)
    assert campaign.import_log(path) == (2, 1)
    assert campaign.import_log(path) == (0, 0)
    assert len(campaign.table()) == 18 and len(campaign.pending) == 1


def test_a_log_with_semicolons_and_decimal_commas_is_read(tmp_path):
    (tmp_path / "log.csv").write_text("Probe;time [min];conductivity [S/cm]\nA;10,5;1,5e-4\nB;30;2e-4\nC;60;3,25e-4\n")
    campaign = Campaign.from_log(
        tmp_path / "log.csv", CONDUCTIVITY, levels={"time [min]": [10.5, 30, 60, 90]}, log=["time [min]"]
    )
    assert campaign.y[:, 0].tolist() == [1.5e-4, 2e-4, 3.25e-4]
    assert campaign.ask(1)["time [min]"].tolist() == [90]


def test_a_log_names_which_columns_may_be_varied(tmp_path):
    sintering.measured().to_csv(tmp_path / "log.csv", index=False)
    campaign = Campaign.from_log(tmp_path / "log.csv", CONDUCTIVITY, inputs=sintering.INPUTS)
    assert campaign.space.labels == list(sintering.INPUTS)
    assert campaign.best()[sintering.CONDUCTIVITY] == 1.09e-3
    assert len(Campaign.from_log(tmp_path / "log.csv", [CONDUCTIVITY, DENSITY], acquisition="nehvi").table()) == 22


# Refusals ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("x", "y", "words"),
    [
        ([[0.5], [0.5]], [1, 2], "row 1 repeats row 0: x 0.5 1"),
        ([[0.0]], [1], "row 0 repeats experiment 0"),
        ([[math.nan]], [1], r"x \[1\] must be a finite number, got nan in row 0"),
        ([[0.5]], [math.nan], r"y \[1\]: values must be finite numbers, got nan in row 0"),
        ([[0.5], [0.6]], [1], "as many rows, one or more, got 2 and 1"),
        ([[0.5, 1.0]], [1], r"points must be rows of 1 numbers \['x \[1\]'\], got shape \(1, 2\)"),
        (pd.DataFrame({"x": [0.5]}), [1], r"column 'x': the unit must be stated as in 'x \[1\]'"),
        (pd.DataFrame({"x [nm]": [0.5]}), [1], r"column 'x \[nm\]': the unit must be stated as in 'x \[1\]'"),
        (pd.DataFrame({"z [1]": [0.5]}), [1], r"there is no column 'x \[1\]'"),
        (pd.DataFrame({"x [1]": ["warm"]}), [1], r"column 'x \[1\]' must hold numbers"),
    ],
)
def test_bad_experiments_are_refused(x, y, words, unchanged):
    campaign = unchanged(small_campaign())
    with pytest.raises(ValueError, match=words):
        campaign.record(x, y)


def test_repeats_are_admitted_when_said_and_averaged():
    campaign = small_campaign()
    campaign.record([[0.0], [0.0]], [0.2, 0.1], repeats=True)
    assert campaign.surrogate().seen.count.tolist() == [[3, 1, 1]]


def test_a_point_never_asked_for_is_refused(unchanged):
    campaign = small_campaign()
    campaign.ask(1)
    unchanged(campaign)
    with pytest.raises(ValueError, match=r"x 0.1 1 was never asked for; experiments of your own go into record"):
        campaign.tell([[0.1]], [1.0])
    with pytest.raises(ValueError, match="was never asked for"):
        campaign.withdraw([[0.1]])
    with pytest.raises(ValueError, match="a point is told twice"):
        campaign.tell([*campaign.pending] * 2, [1.0, 1.0])
    with pytest.raises(ValueError, match="was asked for: use tell"):
        campaign.record([*campaign.pending], [1.0])


def test_a_constant_target_is_refused(unchanged):
    campaign = unchanged(small_campaign(values=(2.0, 2.0, 2.0)))
    with pytest.raises(ValueError, match=r"y \[1\] is 2 in all 3 experiments: a constant teaches nothing"):
        campaign.ask(2)
    with pytest.raises(ValueError, match="there is no model yet"):
        campaign.predict()


@pytest.mark.parametrize(
    ("n", "words"), [(9, "only 8 of 11 candidates are left"), (0, "n must be a whole number"), (1.5, "n must")]
)
def test_too_much_or_nothing_asked_is_refused(n, words, unchanged):
    campaign = unchanged(small_campaign())
    with pytest.raises(ValueError, match=words):
        campaign.ask(n)


def test_a_space_that_loses_candidates_is_refused(unchanged):
    campaign = unchanged(sintering_campaign())
    with pytest.raises(ValueError, match="the wider space lacks 20 of the present candidates, such as acid -22.5 wt%"):
        campaign.expand(grid({**sintering.levels("iteration_3_4"), TIME: (10, 30, 60)}, log=[TIME]))
    with pytest.raises(ValueError, match="must have the variables"):
        campaign.expand(grid({"x [1]": (1, 2)}))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Variable("time", "", (1, 2)), "variable 'time': unit must be given as a text, '1' for a pure number"),
        (lambda: Variable("", "min", (1, 2)), "name must be a text"),
        (lambda: Variable("time", "min", (1, 1)), "a level stands twice"),
        (lambda: Variable("time", "min", (0, 1), log=True), "levels must be above zero, got 0"),
        (lambda: Variable("time", "min", ()), "levels must be finite numbers, one or more"),
        (lambda: Objective("y", None), "objective 'y': unit must be given"),
        (lambda: Objective("y", "1", goal="up"), "goal must be 'max' or 'min'"),
        (lambda: grid({"time": (1, 2)}), "column 'time' has no unit: write it as 'name"),
        (lambda: grid({"x [1]": (1, 2)}, log=["y [1]"]), "is not among"),
        (lambda: Space.listed(pd.DataFrame({"x [1]": [1, 1]})), "candidate x 1 1 stands twice in the list"),
        (lambda: Campaign(grid({"x [1]": (1, 2)}), Objective("x", "1")), "with names of their own"),
        (lambda: small_campaign(acquisition="best"), "acquisition must be one of"),
        (lambda: small_campaign(batch="all"), "batch must be one of"),
        (lambda: small_campaign(kernel="linear"), "kernel must be one of"),
        (lambda: small_campaign(kappa=-1), "kappa must be finite and zero or more"),
        (lambda: small_campaign(seed=0.5), "seed must be a whole number"),
    ],
)
def test_bad_settings_are_refused(make, words):
    with pytest.raises(ValueError, match=words):
        make()


def test_a_negative_value_of_a_logarithmic_objective_is_refused(unchanged):
    campaign = unchanged(sintering_campaign(past=3))
    with pytest.raises(ValueError, match="positive, finite numbers"):
        campaign.record([[1.0, 900.0, 20.0]], [-1e-4])


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda text: text[: len(text) // 2], "damaged or not a file of the toolkit"),
        (lambda text: text.replace('"askings"', '"asking"'), "damaged"),
        (lambda text: text.replace("thesis-toolkit campaign", "something else"), "holds 'something else'"),
        (lambda text: text.replace('"version": 1', '"version": 2'), "version 2, this toolkit reads"),
        (lambda text: text.replace('"iteration": [', '"iteration": [0, '), "as many rows"),
        (lambda text: "", "damaged"),
        (lambda text: "[1]", "damaged"),
    ],
)
def test_a_damaged_state_is_refused_by_name(damage, words, tmp_path):
    path = tmp_path / "campaign.json"
    small_campaign().save(path)
    path.write_text(damage(path.read_text()))
    with pytest.raises(ValueError, match=f"campaign.json: .*{words}"):
        Campaign.load(path)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("log.csv", "", "log.csv: damaged"),
        ("log.csv", "x [1],y [1]\n", "log.csv: holds no row"),
        ("log.csv", "x [1],y\n1,2\n", r"log.csv: there is no column 'y \[1\]'"),
        ("log.csv", "x,y [1]\n0.7,2\n", "log.csv: column 'x': the unit must be stated"),
        ("log.csv", "x [1],y [1]\n0.7,warm\n", "log.csv: "),
        ("log.csv", "x [1],y [1]\n0.0,7\n", "was entered as"),
        ("log.csv", "x [1],y [1]\n0.7,1\n0.7,2\n", "log.csv: row 1 repeats row 0"),
        ("log.xlsx", "no Excel", "log.xlsx: damaged or not a .xlsx file"),
        ("log.txt", "x", "must end in .csv or .xlsx"),
    ],
)
def test_a_damaged_log_is_refused_by_name(name, content, words, tmp_path, unchanged):
    campaign = unchanged(small_campaign())
    (tmp_path / name).write_text(content)
    with pytest.raises(ValueError, match=words):
        campaign.import_log(tmp_path / name)


def test_the_module_does_not_wait_for_botorch():
    code = "import sys; import toolkit.bayesopt; print('botorch' in sys.modules, 'gpytorch' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.split() == ["False", "False"]


def test_what_is_public_is_there():
    assert all(hasattr(bayesopt, name) for name in bayesopt.__all__)
