"""Advice from singular values, and the search that follows it."""

import dataclasses
import itertools
import math

import pytest
import torch
from torch import nn

from toolkit import datasets, networks, published, recordings, training
from toolkit.search import advice, sequence, surgeon, surgery
from toolkit.search.surgeon import Surgeon

QUICK = {"epochs": 4, "pretraining": 2, "interval": 1, "batch_size": 32, "learning_rate": 0.1, "recovery_batches": 1}


@pytest.fixture(scope="module")
def digits():
    return datasets.load("digits").subset(256, proportional=True)


def start(hidden=(8, 8), seed=0):
    return networks.dense(64, hidden, 10, seed=seed)


def plain(record):
    """A record without its time, which is never twice the same."""
    return (
        record.kind, record.epoch, record.branch, record.parent, record.operation, record.layer, record.amount, record.widths,
        record.parameters, dict(record.metrics), record.kept, record.accepted,
    )  # fmt: skip


# Advice -------------------------------------------------------------------------------------------------------------------


def with_singular_values(*values):
    """A network whose first layer has these singular values."""
    network = networks.dense(len(values), (len(values),), 2)
    rotation = torch.linalg.qr(torch.randn(len(values), len(values), generator=torch.Generator().manual_seed(0))).Q
    with torch.no_grad():
        network[1].weight.copy_(torch.diag(torch.tensor(values)) @ rotation)
    return network


def test_both_thresholds_count():
    (values,) = advice.singular_values(with_singular_values(100.0, 1.0, 0.45, 0.2))
    torch.testing.assert_close(values, torch.tensor([100.0, 1.0, 0.45, 0.2]), rtol=1e-4, atol=1e-4)
    assert advice.redundant(values, relative=0.005, absolute=0.3) == 2
    assert advice.redundant(values, relative=0.0, absolute=0.3) == 1
    assert advice.redundant(values, relative=0.005, absolute=0.0) == 2
    assert advice.redundant(values, relative=0.0, absolute=0.0) == 0


def test_the_scores_are_those_of_the_document():
    assert advice.scores(3, 10, layer=2, hidden=4) == pytest.approx(
        {"add neurons": 0.7, "add layer": 0.35, "remove neurons": 0.3, "remove layer": 0.15, "split layer": 0.3}
    )
    assert advice.scores(10, 10, layer=1, hidden=4)["remove layer"] == 1.0


@pytest.mark.parametrize("network", ["dense", "convolutional"])
def test_the_size_of_a_proposal_is_the_size_it_gives(network):
    model = start((8, 5, 6)) if network == "dense" else networks.lenet((1, 12, 12), 4, seed=0)
    proposals = advice.proposals(model, absolute=0.9)
    assert {one.operation for one in proposals} == set(advice.OPERATIONS)
    for one in proposals:
        operated = one.perform(model, spread=0.1)
        assert sequence.parameters(operated.model) == operated.report.after == one.parameters
        assert 0 <= one.score <= 1


def test_of_equal_scores_the_smaller_network_comes_first():
    ranked = advice.proposals(start())
    assert ranked == sorted(ranked, key=lambda one: (-one.score, one.parameters))
    widened = [one for one in ranked if one.operation == "add neurons" and one.layer == 0]
    assert [one.amount for one in widened] == [2, 20]
    best = advice.best_of_each(ranked)
    assert len(best) == len({one.operation for one in ranked})
    assert all(one == next(other for other in ranked if other.operation == one.operation) for one in best)


def test_what_cannot_be_merged_is_not_proposed():
    removals = [one.layer for one in advice.proposals(networks.lenet(seed=0)) if one.operation == "remove layer"]
    assert set(removals) == {2, 3}  # the convolutions are followed by pooling


@pytest.mark.parametrize("threshold", ["relative", "absolute"])
@pytest.mark.parametrize("value", [-0.1, math.inf, math.nan])
def test_thresholds_that_are_no_sizes_are_refused(threshold, value, digits):
    with pytest.raises(ValueError, match=f"{threshold} must be zero or a finite positive number"):
        advice.proposals(start(), **{threshold: value})
    with pytest.raises(ValueError, match=f"{threshold} must be zero or a finite positive number"):
        Surgeon(digits, start(), **{threshold: value})


# The score ----------------------------------------------------------------------------------------------------------------


def test_the_scores_of_table_1():
    table = published.table("schiessler_table_1_scoring_example")
    scores = [
        surgeon.score(row["accuracy"], row["accuracy_gain"], row["parameter_fraction"]) for row in table.to_dict("records")
    ]
    # every printed input is rounded by half a unit of the fourth decimal; the largest effect of that on s
    for ours, row in zip(scores, table.to_dict("records"), strict=True):
        slope = 1 + 2 * math.exp(row["accuracy_gain"] - row["parameter_fraction"])
        assert abs(ours - row["score"]) <= 0.5e-4 * (1 + slope)
    assert [round(one, 4) for one in scores] == table["score_derived"].tolist()
    assert sorted(scores, reverse=True)[:2] == [one for one, kept in zip(scores, table["kept"], strict=True) if kept]


def test_the_score_rises_with_gain_and_falls_with_size():
    assert surgeon.score(0.5, 0.1, 1.0) > surgeon.score(0.5, 0.0, 1.0) > surgeon.score(0.5, 0.0, 1.2)
    assert surgeon.score(0.5, 0.0, 1.0) == pytest.approx(0.5 + math.exp(-1))


# The search ---------------------------------------------------------------------------------------------------------------


def test_a_run_is_a_tree_of_branches(digits):
    search = Surgeon(digits, start(), **QUICK)
    records = list(search)
    assert records == search.records
    assert records[0].kind == "epoch" and records[0].branch == 0 and records[0].parent == -1
    parents = {record.branch: record.parent for record in records if record.kind in ("epoch", "candidate")}
    assert all(parent in parents for parent in parents.values() if parent >= 0)
    for record in records:
        if record.kind == "candidate":
            metrics = record.metrics
            assert metrics["score"] == surgeon.score(metrics["validation_accuracy"], metrics["gain"], metrics["fraction"])
    assert search.epoch == QUICK["epochs"]
    assert [branch.epoch for branch in search.branches] == [4, 4]
    accepted = [record for record in records if record.kind == "decision" and record.accepted]
    assert len(accepted) == 2
    assert set(accepted[-1].kept) == {branch.number for branch in search.branches}
    assert search.best.accuracy == max(branch.accuracy for branch in search.branches)


def test_before_the_first_decision_it_is_the_training_of_the_start(digits):
    search = Surgeon(digits, start(), **QUICK)
    pretrained = [record.metrics for record in itertools.islice(search, 2)]
    model = start()
    run = training.fit(
        model, digits, loss=torch.nn.functional.cross_entropy, optimizer=torch.optim.SGD(model.parameters(), lr=0.1), epochs=2,
        batch_size=32, metrics=["accuracy"], seed=0,
    )  # fmt: skip
    alone = [record.metrics for record in run if record.epoch]
    assert pretrained == [{name: metrics[name] for name in pretrained[0]} for metrics in alone]


def test_the_branches_with_the_highest_scores_go_on(digits):
    records = list(Surgeon(digits, start(), **QUICK | {"redraws": 0}))
    cycles = [list(group) for decision, group in itertools.groupby(records, lambda record: record.kind == "decision")]
    for cycle in [group for group in cycles if any(record.kind == "candidate" for record in group)]:
        scores = {record.branch: record.metrics["score"] for record in cycle if record.kind == "candidate"}
        trained = {record.branch for record in cycle if record.kind == "epoch" and record.branch in scores}
        assert trained == set(sorted(scores, key=scores.get, reverse=True)[:2])


def test_each_decision_offers_the_identity_the_best_of_each_kind_and_one_more(digits):
    records = list(Surgeon(digits, start(), **QUICK | {"redraws": 0}))
    offered = [record for record in records if record.kind == "proposals"][0].proposals
    candidates = [record for record in records if record.kind == "candidate" and record.parent == 0]
    kinds = [record.operation for record in candidates]
    assert kinds[0] == "identity"
    best = list({one["operation"]: one for one in reversed(offered)})
    assert set(best) <= set(kinds)
    assert len(kinds) == len(set(kinds)) + 1


class Proud(Surgeon):
    """Believes after pretraining that no network can be better."""

    def _begun(self):
        yield from super()._begun()
        self.branches = [dataclasses.replace(branch, accuracy=2.0) for branch in self.branches]


def test_without_improvement_others_are_drawn_and_the_best_seen_goes_on(digits):
    search = Proud(digits, start(), **QUICK | {"redraws": 2, "epochs": 3})
    records = list(search)
    decisions = [record for record in records if record.kind == "decision"]
    assert [record.accepted for record in decisions] == [False, False, True]
    operations = [record for record in records if record.kind == "candidate" and record.operation != "identity"]
    tried = [(record.parent, record.operation, record.layer, record.amount) for record in operations]
    assert len(tried) == len(set(tried)) > 7
    trained = {record.branch: record.metrics["validation_accuracy"] for record in records if record.kind == "epoch"}
    del trained[0]
    best = sorted((value for value in trained.values()), reverse=True)[:2]
    assert [branch.accuracy for branch in search.branches] == best
    again = [record.kind for record in records if record.epoch == 3 or record.kind == "candidate"]
    assert again.count("epoch") == 5  # two branches twice, then everything has been tried and only the identity is left


def test_the_start_stays_as_it_was_and_the_test_split_is_not_touched(digits):
    class Watched:
        train, validation, normalise = digits.train, digits.validation, staticmethod(digits.normalise)

        @property
        def test(self):
            raise AssertionError("the test split was touched")

    network = start()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    list(Surgeon(Watched(), network, **QUICK))
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())


def test_side_by_side_gives_the_same(digits):
    alone = [plain(record) for record in Surgeon(digits, start(), **QUICK)]
    together = [plain(record) for record in Surgeon(digits, start(), **QUICK, workers=2)]
    assert alone == together


@pytest.mark.parametrize("stop_after", [1, 4, 9, 15])
def test_a_run_goes_on_with_the_same_numbers_wherever_it_was_stopped(stop_after, digits, tmp_path):
    momentum = {"optimizer": lambda parameters: torch.optim.SGD(parameters, lr=0.1, momentum=0.9)}
    whole = [plain(record) for record in Surgeon(digits, start(), **QUICK, **momentum)]
    first = Surgeon(digits, start(), **QUICK, **momentum)
    list(itertools.islice(first, stop_after))
    recordings.save_state(tmp_path / "surgeon.npz", first.state_dict())
    again = Surgeon(digits, start(seed=5), **QUICK, **momentum)
    again.load_state_dict(recordings.load_state(tmp_path / "surgeon.npz"))
    assert [plain(record) for record in again.records] == whole[: len(again.records)]
    list(again)
    assert [plain(record) for record in again.records] == whole


def test_a_wish_takes_the_place_of_the_advice(digits):
    search = Surgeon(digits, start(), **QUICK | {"redraws": 0, "branches": 1, "epochs": 3})
    records = []
    for record in search:
        records.append(record)
        if record.kind == "proposals":
            wish = next(one for one in record.proposals if one["operation"] == "add layer" and one["layer"] == 0)
            search.wishes[record.branch] = advice.Proposal(**wish)
    candidates = [(record.operation, record.layer) for record in records if record.kind == "candidate"]
    assert candidates == [("identity", -1), ("add layer", 0)]
    assert search.wishes == {}


def test_a_wish_for_nothing_leaves_the_identity(digits):
    search = Surgeon(digits, start(), **QUICK | {"redraws": 0, "branches": 1, "epochs": 3})
    records = []
    for record in search:
        records.append(record)
        if record.kind == "proposals":
            search.wishes[record.branch] = None
    assert [record.operation for record in records if record.kind == "candidate"] == ["identity"]


def test_recovery_takes_the_batches_of_the_appendix(digits):
    """Eight batches an epoch; the amounts are in units of `recovery_batches`."""
    search = Surgeon(digits, start(), **QUICK | {"redraws": 0, "branches": 1, "epochs": 3, "recovery_batches": 3})
    before = search.trained_epochs
    candidates = [record for record in search if record.kind == "candidate"]
    batches = sum(3 * surgeon.RECOVERY[record.operation] for record in candidates)
    assert search.trained_epochs - before == pytest.approx(3 + batches / 8)
    table = published.table("schiessler_appendix_hyperparameters").set_index("key")["value"]
    printed = {"add_neuron": "add neurons", "add_layer": "add layer", "remove_neuron": "remove neurons"}
    printed |= {"remove_layer": "remove layer", "truncated_svd": "split layer", "identity": "identity"}
    for key, operation in printed.items():
        assert int(table[f"retraining_factor_{key}"]) == surgeon.RECOVERY[operation]


def test_a_search_that_has_settled_ends_early(digits):
    still = {"learning_rate": 1e-12, "epochs": 50, "redraws": 0, "branches": 1}
    search = Surgeon(digits, start(), **QUICK | still, settled=2)
    for record in search:
        if record.kind == "proposals":
            search.wishes[record.branch] = None
    assert search.epoch == 4


def test_convolutions_are_reshaped_too(digits):
    search = Surgeon(
        digits, networks.lenet(digits.input_shape, 10, seed=0), **QUICK | {"epochs": 3, "branches": 1, "redraws": 0}
    )
    kinds = {record.operation for record in search if record.kind == "candidate"}
    assert {"identity", "add neurons", "add layer", "remove neurons", "remove layer"} <= kinds


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"epochs": 0}, "epochs"), ({"pretraining": 0}, "pretraining"), ({"interval": 1.5}, "interval"),
        ({"branches": 0}, "branches"), ({"redraws": -1}, "redraws"), ({"recovery_batches": 0}, "recovery_batches"),
        ({"workers": 0}, "workers"), ({"settled": 0}, "settled"), ({"seed": -1}, "seed"), ({"batch_size": 0}, "batch_size"),
        ({"recovery": {"identity": 1}}, "recovery must give an amount for each of"),
        ({"recovery": surgeon.RECOVERY | {"identity": 0}}, r"recovery\['identity'\]"),
        ({"spread": -1.0}, "spread"),
    ],
)  # fmt: skip
def test_settings_that_cannot_work_are_refused_before_any_work(setting, message, digits):
    with pytest.raises((ValueError, TypeError), match=message):
        Surgeon(digits, start(), **setting)


def test_a_network_that_cannot_be_operated_on_is_refused(digits):
    with pytest.raises(TypeError, match="BatchNorm1d cannot be operated on"):
        Surgeon(digits, nn.Sequential(nn.Flatten(), nn.Linear(64, 8), nn.BatchNorm1d(8), nn.Linear(8, 10)))


def test_the_weights_after_a_candidate_are_those_of_the_operation(digits):
    """A candidate begins with the parent's function where the operation is exact: its loss before recovery is the same."""
    model = start()
    inputs, _ = digits.validation
    outputs = model(digits.normalise(inputs))
    for one in advice.proposals(model):
        operated = one.perform(model, spread=0.1)
        same = torch.allclose(operated.model(digits.normalise(inputs)), outputs, atol=1e-5)
        assert same or not operated.report.exact
    assert surgery.identity(model).report.exact
