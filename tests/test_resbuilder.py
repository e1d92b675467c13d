"""The search itself: its flow, deletion with momentum, widths, records, hands, resuming, and a user's own images."""

import copy
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from small_panels import few_digits, timeless
from torch.nn import functional

from toolkit import datasets, recordings, training
from toolkit.search import architecture
from toolkit.search.architecture import ConvSpec, ResNetSpec, Stage
from toolkit.search.cost import FlopRegularizer
from toolkit.search.resbuilder import VARIANTS, LayerLasso, Record, ResBuilder, fitted, key, zero_net

BLOCKS = ResNetSpec((1, 8, 8), 10, (Stage(4, (4, 4)), Stage(4, (3,), "max"), Stage(4, (), "max")), block="pre")
TINY = {"layer_steps": 2, "morph_steps": 1, "epochs": 1, "batch_size": 32, "budget": 1e5, "augment": None, "device": "cpu"}


@pytest.fixture(scope="module")
def digits():
    return few_digits(96)


def begun(data, start=None, **choice):
    return ResBuilder(data, start or zero_net(data.input_shape, data.n_classes, width=4), **TINY | choice)


def until_trained(run, variants=3):
    """Ask for records until the present architecture is trained."""
    found = []
    while sum(one.kind == "trained" for one in found) < variants:
        found.append(next(run))
    return found


def numbers(records):
    """All of the records but the seconds."""
    return timeless([replace(one, training_seconds=0.0) for one in records])


def emptied(model, *places, value=1e-4):
    """Give the first convolution of these blocks weights of this size."""
    with torch.no_grad():
        for stage, block in places:
            model.stages[stage].blocks[block].first.conv.weight.fill_(value)


# The flow -----------------------------------------------------------------------------------------------------------------


def test_insertions_widths_and_three_trainings_of_each_architecture(digits):
    run = begun(digits, morph_steps=2, every=2)
    records = list(run)
    edits = [one for one in records if one.kind in ("insert", "morph")]
    assert [one.kind for one in edits] == ["insert", "insert", "morph"] * 2
    assert [one.step for one in edits] == [2, 3, 4, 5, 6, 7] and [one.cycle for one in edits] == [0, 0, 0, 1, 1, 1]
    trained = [one for one in records if one.kind == "trained"]
    assert [(one.step, one.variant) for one in trained] == [(step, one) for step in range(1, 8) for one in VARIANTS]
    assert {len(one.metrics) for one in trained} == {3} and all(min(one.metrics.values()) >= 0 for one in trained)
    described = {one.step: one.architecture for one in trained}
    assert len(set(described.values())) == 7 == len(run.seen) and described[7] == run.architecture.to_json()
    for one in records:
        spec = architecture.from_json(one.architecture)
        assert (one.flops, one.parameters) == (spec.flops(), spec.parameters)
        assert math.isnan(one.position) == (one.kind != "insert")
    for one in (one for one in edits if one.kind == "morph"):
        assert one.flops <= run.budget and one.event["channels"] == architecture.from_json(one.architecture).stages[0].width
    assert run.records == records and next(run, None) is None
    assert 0 < run.training_seconds < run.seconds and records[-1].training_seconds <= run.training_seconds


def test_inserted_blocks_are_where_the_record_says(digits):
    before = None
    for one in begun(digits, layer_steps=4, morph_steps=0):
        after = architecture.from_json(one.architecture)
        if one.kind == "insert":
            stage, block = one.event["stage"], one.event["block"]
            assert after == architecture.insert_block(before, stage, block)[0]
            assert 0 < one.position < 1 and one.event["hand"] == 0
        before = after
    assert one.step == 5


def test_only_widths_only_insertions_and_a_limit(digits):
    kinds = [one.kind for one in begun(digits, BLOCKS, layer_steps=0, morph_steps=2) if one.kind not in ("epoch", "trained")]
    assert kinds == ["morph", "morph"]
    assert max(one.step for one in begun(digits, morph_steps=0)) == 3
    assert max(one.step for one in begun(digits, steps=1)) == 2 and max(one.step for one in begun(digits, steps=0)) == 1
    assert {one.variant for one in begun(digits, variants=("no_reg_ri", "with_reg"), steps=0)} == {"with_reg", "no_reg_ri"}


def test_the_loss_is_the_sum_of_4_5(digits):
    run = begun(digits, BLOCKS, morph_strength=2e-7, lasso_strength=3e-4)
    x, y = digits.normalise(digits.train[0][:9]), digits.train[1][:9]
    outputs = run.model.eval()(x)
    flops = FlopRegularizer(run.model, (1, 8, 8), source="group_lasso").penalty()
    lasso = LayerLasso(run.model, BLOCKS).penalty()
    wanted = functional.cross_entropy(outputs, y) + 2e-7 * flops + 3e-4 * lasso
    torch.testing.assert_close(run._regularised(outputs, y), wanted)
    run.morph_strength = run.lasso_strength = 0.0  # read at every step
    torch.testing.assert_close(run._regularised(outputs, y), functional.cross_entropy(outputs, y))


def test_penalties_are_exact_in_half_precision(digits):
    run = begun(digits, BLOCKS, morph_strength=1e-6, lasso_strength=1e-4)
    outputs, targets = torch.zeros(4, 10), torch.arange(4)
    wanted = run._regularised(outputs, targets)
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(run._regularised(outputs, targets), wanted)
    run._how["precision"], run.fit = "bf16", None
    assert all(math.isfinite(one.metrics.get("train_loss", 0)) for one in until_trained(run))


def test_penalties_act_in_one_variant_only(digits):
    free, bound = (list(begun(digits, BLOCKS, steps=0, morph_strength=s, lasso_strength=s)) for s in (0.0, 1e-4))

    def of(records, variant):
        return numbers([one for one in records if one.variant == variant])

    assert of(free, "no_reg_ri") == of(bound, "no_reg_ri") and of(free, "with_reg") != of(bound, "with_reg")
    for records in (free, bound):
        (end,) = [one for one in records if one.kind == "trained" and one.variant == "with_reg"]
        warm = next(one for one in records if one.variant == "no_reg_wi")
        cold = next(one for one in records if one.variant == "no_reg_ri")
        assert warm.epoch == cold.epoch == 0
        assert warm.metrics["validation_accuracy"] == end.metrics["validation_accuracy"]


def test_training_goes_on_with_the_weights_and_the_optimizer_after_an_insertion(digits):
    run = begun(digits)
    until_trained(run)
    weights, state = copy.deepcopy(run.model.state_dict()), copy.deepcopy(run.optimizer.state_dict()["state"])
    assert next(run).kind == "insert"
    assert torch.equal(run.model.stem.conv.weight, weights["stem.conv.weight"])
    moments = run.optimizer.state[run.model.stem.conv.weight]
    assert torch.equal(moments["exp_avg"], state[0]["exp_avg"])
    block = run.model.stages[run.records[-1].event["stage"]].blocks[0]
    assert not run.optimizer.state.get(block.first.conv.weight) and 0 < block.first.conv.weight.abs().mean() < 0.02


def test_widths_begin_with_new_weights(digits):
    run = begun(digits, BLOCKS, layer_steps=0)
    until_trained(run)
    model = run.model
    assert next(run).kind == "morph" and run.model is not model and not run.optimizer.state


@pytest.mark.parametrize("recipe", ["thesis", "modern"])
def test_learning_rate_and_weight_decay_are_read_at_every_step(digits, recipe):
    run = begun(digits, BLOCKS, recipe=recipe, every=1)
    next(run)
    next(run)
    run.learning_rate, run.weight_decay = 0.003, 0.125
    done = run.fit.step / run.fit.steps_per_epoch
    assert next(run).metrics["learning_rate"] == pytest.approx(0.003 * run.recipe.factor(done))
    assert [group["weight_decay"] for group in run.optimizer.param_groups] == [0.25, 0.0]
    assert {parameter.ndim for parameter in run.optimizer.param_groups[1]["params"]} == {1}


def test_only_the_modern_recipe_shortens_long_gradients(digits):
    for recipe, longest in (("thesis", math.inf), ("modern", 1.0)):
        run, lengths = begun(digits, BLOCKS, recipe=recipe, lasso_strength=10.0), []
        run.optimizer.register_step_pre_hook(
            lambda optimizer, *_, lengths=lengths: lengths.append(
                math.hypot(*(float(one.grad.norm()) for group in optimizer.param_groups for one in group["params"]))
            )
        )
        until_trained(run, variants=1)
        assert (max(lengths) > 1.5) if longest == math.inf else (max(lengths) == pytest.approx(1.0, rel=1e-4))


# Deletion -----------------------------------------------------------------------------------------------------------------


def test_blocks_under_the_threshold_are_deleted_and_no_others(digits):
    run = begun(digits, BLOCKS)
    until_trained(run)
    emptied(run.model, (0, 0), (1, 0))
    emptied(run.model, (0, 1), value=0.9e-2)
    kept = run.model.stages[0].blocks[1].first.conv.weight.clone()
    found = [next(run) for _ in range(3)]
    assert [one.kind for one in found] == ["delete", "delete", "insert"] and {one.step for one in found} == {2}
    assert [(one.event["stage"], one.event["block"]) for one in found[:2]] == [(1, 0), (0, 0)]
    assert [one.event["score"] for one in found[:2]] == pytest.approx([1e-4, 1e-4])
    assert [len(stage["blocks"]) for stage in recorded_stages(found[1])] == [1, 0, 0]
    assert [one.position for one in found[:2]] == pytest.approx([6 / 8, 2 / 6])
    assert any(torch.equal(block.first.conv.weight, kept) for block in run.model.stages[0].blocks)


def recorded_stages(record):
    return [vars(stage) for stage in architecture.from_json(record.architecture).stages]


@pytest.mark.parametrize(("gain", "kind"), [(0.02, "keep"), (0.015, "keep"), (0.0149, "delete"), (-0.1, "delete")])
def test_the_momentum_spares_blocks_after_a_gain(digits, gain, kind):
    run = begun(digits, BLOCKS)
    until_trained(run)
    next(run)
    until_trained(run)
    emptied(run.model, (0, 0))
    run.accuracy_before, run.accuracy = 0.0, gain
    record = next(run)
    assert record.kind == kind
    if kind == "keep":
        assert record.event == {"gain": gain, "spared": 1} and next(run).kind == "insert"


def test_the_gain_is_that_of_the_regularised_network_on_the_validation_split(digits):
    run = begun(digits, BLOCKS, layer_steps=3)
    accuracies = []
    for _ in range(2):
        (one,) = [one for one in until_trained(run) if one.kind == "trained" and one.variant == "with_reg"]
        accuracies.append(one.metrics["validation_accuracy"])
    assert (run.accuracy_before, run.accuracy) == tuple(accuracies)
    run.momentum = accuracies[1] - accuracies[0]
    assert next(run).event["gain"] == run.momentum


def test_deletion_is_free_at_the_start_and_after_new_widths(digits):
    run = begun(digits, BLOCKS, layer_steps=1, morph_steps=2, momentum=-1)
    until_trained(run)
    emptied(run.model, (0, 0))
    assert next(run).kind == "delete"
    until_trained(run)
    while next(run).kind != "morph":
        pass
    until_trained(run)
    assert next(run).kind in ("insert", "delete")


def test_the_printed_criterion_is_the_sum(digits):
    run = begun(digits, BLOCKS, score="sum")
    until_trained(run)
    emptied(run.model, (0, 0))  # mean 1e-4, sum 0.0144
    emptied(run.model, (0, 1), value=5e-6)  # sum 7.2e-4
    record = next(run)
    assert (record.kind, record.event["block"]) == ("delete", 1) and next(run).kind == "insert"


# New architectures --------------------------------------------------------------------------------------------------------


def test_nothing_is_inserted_where_every_result_was_trained_before(digits):
    run = begun(digits, BLOCKS, layer_steps=3)
    until_trained(run)
    for place in architecture.places(BLOCKS):
        run.seen.add(key(architecture.insert_block(BLOCKS, *place)[0]))
    assert [next(run).kind for _ in range(2)] == ["exhausted", "morph"]


def test_a_shorter_network_is_trained_even_if_nothing_can_be_inserted(digits):
    run = begun(digits, BLOCKS, layer_steps=3)
    until_trained(run)
    emptied(run.model, (1, 0))
    shorter, _ = architecture.remove_block(BLOCKS, 1, 0)
    run.seen |= {key(architecture.insert_block(shorter, *place)[0]) for place in architecture.places(shorter)}
    found = [next(run).kind for _ in range(2)] + [one.kind for one in until_trained(run) if one.kind == "trained"]
    assert found == ["delete", "exhausted"] + 3 * ["trained"] and run.architecture == shorter
    assert next(run).kind == "morph"


def test_a_dead_stream_ends_the_run(digits):
    run = begun(digits, BLOCKS, layer_steps=0)
    until_trained(run)
    with torch.no_grad():
        for parameter in run.model.parameters():
            parameter.zero_()
    record = next(run)
    assert record.kind == "collapse" and record.event["widths"]["stream0"] == 0
    assert next(run, None) is None and run.ended
    with pytest.raises(ValueError, match="the run has ended"):
        run.insert(0, 0)


def test_a_loss_that_is_not_finite_ends_the_run(digits):
    records = list(begun(digits, BLOCKS, morph_strength=1e300))
    assert records[-1].kind == "diverged" and records[-1].step == 1


def test_blocks_that_lose_their_channels_are_named(digits):
    run = begun(digits, BLOCKS, layer_steps=0)
    until_trained(run)
    emptied(run.model, (0, 1), value=0.0)
    record = next(run)
    assert record.event["removed"] == 1 and record.event["blocks"] == [[0, 1]]
    assert record.event["positions"] == pytest.approx([4 / 8])


@pytest.mark.parametrize("recipe", ["thesis", "modern"])
def test_the_search_runs_on_each_device(digits, device, recipe):
    run = begun(digits, device=device, recipe=recipe, steps=2)
    records = list(run)
    assert {one.kind for one in records} >= {"epoch", "trained", "insert"} and run.number == 3
    assert next(run.model.parameters()).device.type == torch.device(device).type
    assert next(run.best.build().parameters()).device.type == "cpu"


# The best -----------------------------------------------------------------------------------------------------------------


def test_the_best_keeps_the_budget_and_has_the_recorded_accuracy(digits):
    run = begun(digits, budget=8e3, epochs=2, learning_rate=0.01, morph_steps=0)
    trained = [one for one in run if one.kind == "trained" and one.variant != "with_reg"]
    within = [one for one in trained if one.flops <= run.budget]
    assert 0 < len(within) < len(trained)
    assert run.best.record == max(within, key=lambda one: one.metrics["validation_accuracy"])
    accuracy = training.evaluate(run.best.build(), digits.validation, normalise=digits.normalise)["accuracy"]
    assert accuracy == pytest.approx(run.best.record.metrics["validation_accuracy"])


def test_above_the_budget_the_best_is_what_there_is(digits):
    run = begun(digits, BLOCKS, budget=2e4, steps=0)
    assert run.best is None
    list(run)
    assert run.best.record.flops > 2e4 and run.best.record.variant != "with_reg"


def test_the_test_split_decides_nothing(digits):
    other = replace(digits, test=(digits.test[0], digits.test[1].flip(0)))
    one, another = (list(begun(data)) for data in (digits, other))

    def blind(records):
        return numbers([replace(r, metrics={k: v for k, v in r.metrics.items() if "test" not in k}) for r in records])

    assert blind(one) == blind(another) and numbers(one) != numbers(another)


def test_data_without_a_test_split_will_do(digits):
    empty = replace(digits, test=tuple(part[:0] for part in digits.test))
    records = list(begun(empty, steps=0))
    assert set(records[-1].metrics) == {"train_accuracy", "validation_accuracy"}


# By hand ------------------------------------------------------------------------------------------------------------------


def test_a_block_is_put_in_and_taken_out_by_hand(digits):
    start = zero_net(digits.input_shape, digits.n_classes, width=4, closing=False)
    run = begun(digits, start, init="zero_gamma", every=1)
    for _ in range(5):
        next(run)
    before = run.evaluate()
    record = run.insert(1, 0)
    assert (record.kind, record.step, record.event["hand"]) == ("insert", 2, 1)
    assert record.event["accuracy_before"] == record.event["accuracy_after"] == before == run.evaluate()
    assert next(run) == record and run.records[-1] == record
    assert [(one.step, one.variant) for one in until_trained(run) if one.kind == "trained"] == [(2, one) for one in VARIANTS]
    weights = copy.deepcopy(run.model.state_dict())
    record = run.remove(1, 0)
    assert (record.kind, record.step) == ("delete", 3) and run.architecture == start
    assert all(torch.equal(value, weights[name]) for name, value in run.model.state_dict().items())
    assert record.event["accuracy_after"] == run.evaluate()
    with pytest.raises(ValueError, match="no block at"):
        run.remove(1, 0)
    with pytest.raises(ValueError, match="no block can stand"):
        run.insert(5, 0)
    assert [one.kind for one in (next(run), next(run))] == ["delete", "epoch"] and run.number == 3


def test_a_search_goes_on_after_a_hand(digits):
    run = begun(digits, steps=2)
    until_trained(run)
    run.insert(0, 0)
    kinds = [one.kind for one in run if one.kind not in ("epoch", "trained", "keep")]
    assert kinds == ["insert", "insert", "insert"] and run.number == 4
    run.remove(0, 0)
    assert [one.kind for one in run if one.kind != "epoch"] == ["delete", "trained", "trained", "trained"]


# Stopping and going on ----------------------------------------------------------------------------------------------------

RESUMED = {"every": 2, "epochs": 1, "deletion_threshold": 8.2e-3, "momentum": 0.2, "morph_strength": 1e-6, "augment": "recipe"}


@pytest.fixture(scope="module", params=["thesis", "modern"])
def whole(request, digits):
    """All records of a run with every kind of move, and its setting."""
    how = RESUMED | {"recipe": request.param}
    return how, list(begun(digits, BLOCKS, **how))


def test_the_run_that_is_cut_has_every_move(whole):
    kinds = {one.kind for one in whole[1]}
    assert {"epoch", "trained", "delete", "insert", "morph"} <= kinds


@settings(max_examples=5)
@given(share=st.floats(0, 1))
def test_a_run_that_is_cut_anywhere_goes_on_with_the_same_records(whole, digits, tmp_path_factory, share):
    how, records = whole
    cut, path = round(share * len(records)), tmp_path_factory.mktemp("cut") / "state.npz"
    first = begun(digits, BLOCKS, **how)
    for _ in range(cut):
        next(first)
    recordings.save_state(path, first.state_dict())
    second = begun(digits, BLOCKS, **how)
    second.load_state_dict(recordings.load_state(path))
    assert numbers(second.records) == numbers(records[:cut])
    assert numbers(list(second)) == numbers(records[cut:])
    assert numbers(second.records) == numbers(records)


def test_records_are_saved_and_loaded_whatever_happened(digits, tmp_path):
    run = begun(digits, BLOCKS, layer_steps=1, morph_steps=2)
    until_trained(run)
    emptied(run.model, (0, 0))
    run.remove(1, 0)
    for kind in ("insert", "morph"):
        while next(run).kind != kind:
            pass
    until_trained(run)
    run.accuracy_before = -1.0
    assert next(run).kind == "keep"
    until_trained(run)
    with torch.no_grad():
        run.model.stem.conv.weight.zero_()
        for weight in run._lasso.weights:
            weight.zero_()
    assert next(run).kind == "collapse"
    recordings.save(tmp_path / "run.npz", run.records, settings={}, title="all kinds")
    again = recordings.load(tmp_path / "run.npz", record=Record).records
    assert timeless(again) == timeless(run.records)


def test_hands_and_moved_settings_are_kept(digits):
    one, other = begun(digits, BLOCKS, every=2), begun(digits, BLOCKS, every=2)
    for _ in range(4):
        next(one)
    one.morph_strength, one.epochs, one.layer_steps = 3e-6, 2, 1
    one.insert(0, 1)
    other.load_state_dict(copy.deepcopy(one.state_dict()))
    assert (other.morph_strength, other.epochs, other.layer_steps, other.steps) == (3e-6, 2, 1, math.inf)
    assert numbers(list(one)) == numbers(list(other)) and numbers([one.best.record]) == numbers([other.best.record])
    assert all(torch.equal(value, other.best.weights[name]) for name, value in one.best.weights.items())


def test_closing_and_states_of_other_runs(digits):
    run = begun(digits)
    next(run)
    run.close()
    assert next(run, None) is None
    with pytest.raises(ValueError, match="made with seed = 0, this run has 1"):
        begun(digits, seed=1).load_state_dict(run.state_dict())
    with pytest.raises(ValueError, match="made with start"):
        begun(digits, BLOCKS).load_state_dict(run.state_dict())
    again = begun(digits)
    again.load_state_dict(run.state_dict())
    assert next(again).step == 1


# Other data, and refusals -------------------------------------------------------------------------------------------------


def test_a_folder_of_images_is_searched_in_ten_lines(tmp_path):
    draw = np.random.default_rng(0)
    for name, level in (("dark", 40), ("bright", 200)):
        (tmp_path / name).mkdir()
        for number in range(20):
            pixels = draw.integers(level, level + 40, (16, 12, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / name / f"{number}.png")
    data = datasets.images.folder(tmp_path)
    start = zero_net(data.input_shape, data.n_classes, width=4)
    run = ResBuilder(data, start, budget=3e5, steps=2, epochs=6, batch_size=8, learning_rate=0.02, seed=1, device="cpu")
    records = list(run)
    assert max(one.step for one in records) == 3 and run.best.record.flops <= 3e5
    assert run.best.record.metrics["test_accuracy"] == 1


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"recipe": "today"}, "recipe must be one of"), ({"init": "zeros"}, "init must be one of"),
        ({"init": "zero_gamma"}, "never learns"), ({"variants": ("no_reg_ri",)}, "variants must be"),
        ({"variants": "with_reg"}, "variants must be"), ({"variants": ("with_reg", "other")}, "variants must be"),
        ({"score": "max"}, "score must be"), ({"budget": 10}, "one channel everywhere needs"), ({"epochs": 0}, "epochs must"),
        ({"steps": -1}, "steps must be"), ({"layer_steps": 1.5}, "layer_steps must be"), ({"morph_steps": -1}, "morph_steps"),
        ({"intensity": 1.1}, "intensity must be a finite number, 0 to 1"), ({"morph_strength": -1}, "morph_strength must be"),
        ({"lasso_strength": math.nan}, "lasso_strength must be"), ({"deletion_threshold": math.inf}, "deletion_threshold must"),
        ({"momentum": 2}, "momentum must be"), ({"weight_decay": True}, "weight_decay must be"),
        ({"learning_rate": "fast"}, "learning_rate must be"), ({"source": "beta"}, "source must be one of"),
        ({"lasso_layers": "none"}, "layers must be one of"), ({"batch_size": 0}, "batch_size must be"),
        ({"seed": -1}, "seed must be"), ({"every": 0}, "every must be"), ({"augment": "flip"}, "augment must be"),
    ],
)  # fmt: skip
def test_settings_that_cannot_work_are_refused(digits, choice, message):
    with pytest.raises((ValueError, TypeError), match=message):
        begun(digits, **choice)


def test_a_start_without_blocks_to_be_is_refused(digits):
    with pytest.raises(TypeError, match="start must be a ResNetSpec"):
        ResBuilder(digits, ConvSpec((1, 8, 8), 10, (4, 4)))


def test_a_start_above_the_budget_is_brought_under_it(digits):
    start = architecture.resnet18((1, 8, 8), width=4, block="pre")
    run = begun(digits, start, budget=1e5, layer_steps=0, variants=("with_reg",))
    costs = [one.flops for one in run if one.kind == "trained"]
    assert costs[0] > 1e5 >= costs[1] and fitted(start, 1e5).flops() <= 1e5
