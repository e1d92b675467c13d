"""What one run gives: its numbers against loops written by hand, its records, and what steers and ends it."""

import math
import sys
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from training_cases import BATCH, OPTIMIZERS, SAMPLES, STEPS, begin, data, network, normalise, numbers, same, weights

from toolkit import datasets, networks, training
from toolkit.optim import GoalBrake, PortHamiltonian
from toolkit.training import EarlyStopping, shuffled

LOSS = nn.CrossEntropyLoss()
SCHEDULES = torch.optim.lr_scheduler


def column(run, name):
    return [record.metrics[name] for record in run.records if name in record.metrics]


def loop_by_hand(model, optimizer, *, epochs, seed):
    """Rows of (mean training loss, validation loss, validation accuracy), one per epoch."""
    (inputs, targets), (unseen, answers), rows = data().train, data().validation, []
    for epoch in range(epochs):
        total = 0.0
        for batch in shuffled(SAMPLES, seed=seed, epoch=epoch).split(BATCH):
            loss = LOSS(model(normalise(inputs[batch])), targets[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(batch)
        with torch.no_grad():
            outputs = model(normalise(unseen))
        rows.append((total / SAMPLES, LOSS(outputs, answers).item(), (outputs.argmax(1) == answers).float().mean().item()))
    return rows


# Numbers


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_run_equals_the_loop_written_by_hand(optimizer):
    run, model = begin(optimizer=optimizer, metrics=["accuracy"], seed=7), network()
    rows = loop_by_hand(model, OPTIMIZERS[optimizer](model.parameters()), epochs=3, seed=7)
    records = list(run)
    assert same(weights(run), list(model.parameters()))
    for record, (train_loss, validation_loss, accuracy) in zip(records[1:], rows, strict=True):
        assert record.metrics["train_loss"] == pytest.approx(train_loss, rel=1e-14)
        assert record.metrics["validation_loss"] == validation_loss
        assert record.metrics["validation_accuracy"] == accuracy
    assert rows[-1][0] < 0.8 * rows[0][0]


def test_records_come_at_step_0_and_after_each_epoch():
    run = begin()
    records = list(run)
    assert [(record.epoch, record.step) for record in records] == [(0, 0), (1, STEPS), (2, 2 * STEPS), (3, 3 * STEPS)]
    assert all(type(value) is float for record in records for value in record.metrics.values())
    assert [record.seconds for record in records] == sorted(record.seconds for record in records)
    assert records == run.records
    assert next(run, None) is None


def test_a_record_cannot_be_changed():
    record = next(begin())
    with pytest.raises(AttributeError):
        record.step = 3


def test_no_epochs_give_the_record_at_step_0_alone():
    run = begin(epochs=0)
    before = weights(run)
    assert [record.step for record in run] == [0]
    assert same(weights(run), before)


def test_the_record_at_step_0_holds_the_losses_of_the_untrained_network():
    run = begin(optimizer="port-hamiltonian", metrics="accuracy")
    metrics = dict(next(run).metrics)
    inputs, targets = run.train
    with torch.no_grad():
        assert metrics.pop("train_loss") == pytest.approx(LOSS(network()(normalise(inputs)), targets).item(), rel=1e-6)
        assert metrics.pop("validation_loss") == LOSS(network()(normalise(run.validation[0])), run.validation[1]).item()
    assert 0 <= metrics.pop("validation_accuracy") <= 1
    assert metrics == {"learning_rate": 0.2, "friction": 0.5, "kinetic_energy": 0}


@pytest.mark.parametrize(
    ("every", "steps"), [(1, range(22)), (3, [0, 3, 6, 7, 10, 13, 14, 17, 20, 21]), (7, [0, 7, 14, 21]), (9, [0, 7, 14, 21])]
)
def test_every_adds_records_inside_the_epochs_and_changes_no_number(every, steps):
    run, plain = begin(every=every, dropout=0.3), begin(dropout=0.3)
    records, expected = list(run), list(plain)
    assert [record.step for record in records] == list(steps)
    assert [record.epoch for record in records] == [step / STEPS for step in steps]
    assert same(weights(run), weights(plain))
    whole = [record.metrics for record in records if record.step % STEPS == 0]
    for ours, theirs in zip(whole, (record.metrics for record in expected), strict=True):
        assert ours | {"batch_loss": 0} == theirs | {"batch_loss": 0} | ({} if "batch_loss" in theirs else {"batch_loss": 0})
    assert all(set(record.metrics) == {"learning_rate", "batch_loss"} for record in records if record.step % STEPS)


def test_batch_loss_is_the_mean_over_the_samples_since_the_last_record():
    single, triple = begin(every=1, epochs=1), begin(every=3, epochs=1)
    list(single), list(triple)
    losses, sizes = column(single, "batch_loss"), [8] * 6 + [2]
    means = [sum(losses[:3]) / 3, sum(losses[3:6]) / 3, losses[6]]
    assert column(triple, "batch_loss") == pytest.approx(means, rel=1e-14)
    mean = sum(loss * size for loss, size in zip(losses, sizes, strict=True)) / SAMPLES
    assert column(triple, "train_loss")[1] == pytest.approx(mean, rel=1e-14)


def test_the_last_smaller_batch_has_its_own_weight_in_the_train_loss():
    model = network()
    run = training.fit(
        model, data(), loss=LOSS, optimizer=torch.optim.SGD(model.parameters(), 1e-30), epochs=1, batch_size=BATCH, device="cpu"
    )
    start, end = [record.metrics["train_loss"] for record in run]
    assert end == pytest.approx(start, rel=1e-6)  # nothing moves, so both are the mean over all samples


def test_large_data_are_shuffled_some_batches_at_a_time(monkeypatch):
    plain = begin()
    list(plain)
    monkeypatch.setattr(sys.modules["toolkit.training.fit"], "CHUNK_BYTES", 2 * BATCH * 6 + 1)
    run = begin()
    assert numbers(run) == numbers(plain.records)
    assert same(weights(run), weights(plain))


def test_double_precision_stays_double():
    model = network().double()
    inputs, targets = (normalise(data().train[0]).double(), data().train[1])
    plain = SimpleNamespace(train=(inputs, targets), validation=(inputs, targets))
    run = training.fit(model, plain, loss=LOSS, optimizer=torch.optim.SGD(model.parameters(), 0.1), epochs=1, device="cpu")
    list(run)
    with torch.no_grad():
        assert run.records[-1].metrics["validation_loss"] == LOSS(model(inputs), targets).item()


# Random numbers


def test_the_same_seed_gives_the_same_numbers():
    first, again = begin(dropout=0.5, seed=3), begin(dropout=0.5, seed=3)
    assert numbers(first) == numbers(again)
    assert same(weights(first), weights(again))


@pytest.mark.parametrize(("one", "other"), [(0, 1), (1, 2**21 + 1), (5, 2**32 + 5), (7, 2**60 + 7)])
def test_another_seed_gives_another_order_and_other_numbers(one, other):
    orders = [shuffled(SAMPLES, seed=seed, epoch=epoch).tolist() for seed in (one, other) for epoch in (0, 1, 2)]
    assert len({tuple(order) for order in orders}) == 6
    assert all(sorted(order) == list(range(SAMPLES)) for order in orders)
    runs = [begin(seed=one), begin(seed=other)]
    assert numbers(runs[0])[1:] != numbers(runs[1])[1:]


def test_dropout_differs_from_step_to_step_and_from_seed_to_seed():
    def masks(seed):
        seen = []
        model = network(dropout=0.5, hidden=64)
        model[2].register_forward_hook(lambda layer, inputs, output: seen.append(output != 0) if layer.training else None)
        list(begin(model, seed=seed, epochs=2))
        return {tuple(mask[0].tolist()) for mask in seen}

    assert len(masks(0)) == 2 * STEPS
    assert not masks(0) & masks(1)


def test_a_network_left_in_evaluation_mode_is_trained_in_training_mode():
    run = begin(network(dropout=0.5).eval())
    assert numbers(run)[1:] == numbers(begin(dropout=0.5))[1:]
    assert run.model.training


def test_a_run_leaves_the_global_random_state_alone():
    run = begin(dropout=0.5, every=2)
    before = torch.get_rng_state()
    for _ in run:
        assert torch.equal(torch.get_rng_state(), before)


def test_a_caller_that_draws_between_records_does_not_disturb_the_run():
    plain, disturbed = begin(dropout=0.5, every=2), begin(dropout=0.5, every=2)
    list(plain)
    for record in disturbed:
        torch.manual_seed(record.step)
        torch.rand(record.step)
    assert numbers(disturbed.records) == numbers(plain.records)


def test_a_loss_that_draws_in_evaluation_is_reproducible():
    def noisy(outputs, targets):
        return LOSS(outputs + torch.randn(outputs.shape), targets)

    torch.manual_seed(1)
    first = numbers(begin(loss=noisy))
    torch.manual_seed(2)
    assert numbers(begin(loss=noisy)) == first


def test_runs_in_a_race_equal_the_same_runs_alone():
    def runs():
        return {
            "ball": begin(dropout=0.5, optimizer="port-hamiltonian", scheduler="brake", epochs=5),
            "adam": begin(dropout=0.2, optimizer="adam", every=4),
        }

    alone = {name: numbers(run) for name, run in runs().items()}
    together = list(training.race(runs()))
    for name, expected in alone.items():
        assert numbers(record for record in together if record.run == name) == expected
    assert [record.run for record in together[:4]] == ["ball", "adam", "ball", "adam"]
    assert {record.run for record in together[-2:]} == {"adam"} or len(alone["ball"]) > len(alone["adam"])


def test_augmentation_is_drawn_per_step_from_the_seed():
    def course(seed, **settings):
        draws = []

        def shift(inputs, generator):
            assert inputs.dtype == torch.uint8
            draws.append(torch.rand(1, generator=generator, device=inputs.device).item())
            return inputs + torch.randint(20, inputs.shape, generator=generator, dtype=torch.uint8)

        run = begin(augment=shift, seed=seed, **settings)
        list(run)
        return draws, numbers(run.records)[-1]

    draws, last = course(0)
    assert len(set(draws)) == len(draws) == 3 * STEPS
    assert course(0) == (draws, last)
    assert course(0, every=2)[0] == draws
    assert not set(course(1)[0]) & set(draws)
    assert last != numbers(begin())[-1]


# Measures


def test_metrics_by_name_as_function_and_as_module():
    def largest(outputs, targets):
        return outputs.max()

    run = begin(metrics=["accuracy", largest, nn.MultiMarginLoss()], epochs=1)
    metrics = list(run)[-1].metrics
    with torch.no_grad():
        outputs, targets = run.model(normalise(run.validation[0])), run.validation[1]
    assert metrics["validation_accuracy"] == (outputs.argmax(1) == targets).float().mean()
    assert metrics["validation_largest"] == outputs.max()
    assert metrics["validation_MultiMarginLoss"] == nn.MultiMarginLoss()(outputs, targets)


@pytest.mark.parametrize("mode", [True, False])
def test_evaluate_is_one_pass_in_evaluation_mode_and_gives_the_mode_back(mode):
    model = nn.Sequential(nn.Linear(6, 3), nn.BatchNorm1d(3), nn.Dropout(0.9)).train(mode)
    inputs, targets = data(3000).train
    buffers = [value.clone() for value in model.buffers()]
    values = training.evaluate(model, (inputs, targets), metrics={"loss": LOSS}, normalise=normalise)
    assert model.training is mode
    assert same(buffers, list(model.buffers()))
    with torch.no_grad():
        assert values["loss"] == pytest.approx(LOSS(model.eval()(normalise(inputs)), targets).item(), rel=1e-6)


def test_best_is_the_least_validation_loss_and_its_weights():
    inputs, targets = data(30).train
    model = network(hidden=64)
    fitted = SimpleNamespace(train=(inputs, targets), validation=data(seed=0).validation, normalise=normalise)
    run = begin(model, data=fitted, optimizer="adam", epochs=60)
    losses = [record.metrics["validation_loss"] for record in run][1:]
    least = min(losses)
    assert losses[-1] > least  # it has overfitted
    assert run.best["validation_loss"] == least
    assert run.best["epoch"] == 1 + losses.index(least)
    model.load_state_dict(run.best["model"])
    split = fitted.validation
    assert training.evaluate(model, split, metrics={"loss": LOSS}, normalise=normalise) == {"loss": least}


# Steering


def test_a_live_change_holds_from_the_next_batch():
    run, plain = begin(every=1, optimizer="port-hamiltonian"), begin(every=1, optimizer="port-hamiltonian")
    for _ in range(5):
        next(run), next(plain)
    assert same(weights(run), weights(plain))
    run.optimizer.param_groups[0]["friction"] = 9.0
    assert next(run).metrics["friction"] == 9
    next(plain)
    assert not same(weights(run), weights(plain))


@pytest.mark.parametrize(
    ("build", "rates"),
    [
        (lambda optimizer: SCHEDULES.StepLR(optimizer, 2, gamma=0.1), [0.1, 0.1, 0.1, 0.01, 0.01]),
        (lambda optimizer: SCHEDULES.ExponentialLR(optimizer, 0.5), [0.1, 0.1, 0.05, 0.025, 0.0125]),
        (
            lambda optimizer: [SCHEDULES.ExponentialLR(optimizer, 0.5), SCHEDULES.StepLR(optimizer, 2, gamma=0.1)],
            [0.1, 0.1, 0.05, 0.0025, 0.00125],
        ),
        # No epoch is better than the one before by the factor 100, so each ends with a reduction but the first.
        (
            lambda optimizer: SCHEDULES.ReduceLROnPlateau(optimizer, factor=0.5, patience=0, threshold=0.99),
            [0.1, 0.1, 0.1, 0.05, 0.025],
        ),
    ],
)
def test_schedulers_act_at_the_end_of_each_epoch(build, rates):
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    run = training.fit(model, data(), loss=LOSS, optimizer=optimizer, epochs=4, scheduler=build(optimizer), device="cpu")
    list(run)
    assert column(run, "learning_rate") == pytest.approx(rates, rel=1e-12)


def test_a_schedule_gives_the_numbers_of_the_loop_written_by_hand():
    model, twin = network(), network()
    optimizer, other = (torch.optim.SGD(net.parameters(), lr=0.5) for net in (model, twin))
    scheduler = SCHEDULES.ExponentialLR(optimizer, 0.5)
    list(
        training.fit(
            model, data(), loss=LOSS, optimizer=optimizer, epochs=2, batch_size=BATCH, scheduler=scheduler, device="cpu"
        )
    )
    for epoch, lr in enumerate((0.5, 0.25)):
        other.param_groups[0]["lr"] = lr
        for batch in shuffled(SAMPLES, seed=0, epoch=epoch).split(BATCH):
            other.zero_grad()
            LOSS(twin(normalise(data().train[0][batch])), data().train[1][batch]).backward()
            other.step()
    assert same(list(model.parameters()), list(twin.parameters()))


@pytest.mark.parametrize(("kind", "share"), [("fraction", 0.8), ("reduction", 0.2)])
def test_goal_brake_acts_on_the_epoch_loss_and_knows_the_initial_one(kind, share):
    model = network()
    optimizer = PortHamiltonian(model.parameters(), lr=0.2, friction=0.5)
    brake = GoalBrake(optimizer, goal=share, kind=kind, factor=6)
    run = training.fit(model, data(), loss=LOSS, optimizer=optimizer, epochs=8, scheduler=brake, batch_size=BATCH, device="cpu")
    list(run)
    losses, frictions = column(run, "train_loss"), column(run, "friction")
    met = next(epoch for epoch, loss in enumerate(losses) if epoch and loss <= 0.8 * losses[0])
    assert 1 <= met < 8
    assert frictions == [0.5] * (met + 1) + [3.0] * (8 - met)


def test_early_stopping_ends_the_run():
    def stopped(**settings):
        model = network()
        optimizer = torch.optim.SGD(model.parameters(), lr=1e-30)
        return training.fit(model, data(), loss=LOSS, optimizer=optimizer, epochs=9, device="cpu", **settings)

    run = stopped(stopping=EarlyStopping(patience=3))
    assert [record.step for record in run] == [0, 1, 2, 3, 4]  # the first epoch sets the least loss
    assert run.ended
    assert len(list(stopped())) == 10


def test_early_stopping_counts_only_falls_of_min_delta():
    losses = (1.0, 0.95, 0.91, 0.89, 0.8, 0.85)
    plain, strict = EarlyStopping(2), EarlyStopping(2, min_delta=0.1)
    assert [plain.step(loss) for loss in losses] == [False] * 6
    assert [strict.step(loss) for loss in losses] == [False, False, True, False, False, True]


# Endings


@pytest.mark.parametrize(("every", "step"), [(None, STEPS), (2, None), (1, None)])
def test_divergence_ends_with_a_diverged_record(every, step):
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=1e38)
    run = training.fit(model, data(), loss=LOSS, optimizer=optimizer, epochs=5, batch_size=BATCH, every=every, device="cpu")
    *others, last = list(run)
    assert last.diverged
    assert run.ended
    assert not any(record.diverged for record in others)
    assert last.step == step or (last.step < STEPS and step is None)
    assert set(last.metrics) == {"learning_rate", "batch_loss"}  # nothing is validated, no scheduler sees it
    assert next(run, None) is None


def test_divergence_in_the_middle_keeps_the_best_state_and_other_runs():
    runs = {"wild": begin(epochs=6), "calm": begin(epochs=6)}
    for record in training.race(runs):
        if record.run == "wild" and record.epoch == 2:
            runs["wild"].optimizer.param_groups[0]["lr"] = 1e38
    wild, calm = runs.values()
    assert [record.diverged for record in wild.records] == [False, False, False, True]
    assert wild.best["epoch"] in (1, 2)
    assert math.isfinite(wild.best["validation_loss"])
    assert all(value.isfinite().all() for value in wild.best["model"].values())
    assert numbers(calm.records) == numbers(begin(epochs=6))


def test_a_validation_loss_that_is_not_finite_is_divergence_too():
    broken = data()
    broken.validation = (torch.full((4, 6), math.nan), torch.zeros(4, dtype=torch.long))
    broken.normalise = torch.Tensor.float
    run = begin(data=broken)
    assert [record.diverged for record in run] == [True]
    assert run.best["model"] is None


def test_close_ends_the_run_and_keeps_its_results():
    run = begin(epochs=5)
    for record in run:
        if record.epoch == 2:
            run.close()
    assert [record.epoch for record in run.records] == [0, 1, 2]
    assert run.best["epoch"] in (1, 2)
    assert next(run, None) is None
    resumed = begin(epochs=5)
    resumed.load_state_dict(run.state_dict())
    list(resumed)
    assert numbers(resumed.records) == numbers(begin(epochs=5))


# Devices and precision


def test_trains_on_each_device(device):
    run = begin(device=device, optimizer="port-hamiltonian", scheduler="brake", metrics="accuracy", dropout=0.0, epochs=5)
    records = list(run)
    assert {part.device.type for part in (*run.train, *run.validation, *run.model.parameters())} == {device}
    for ours, theirs in zip(records, begin(optimizer="port-hamiltonian", scheduler="brake", epochs=5), strict=True):
        assert ours.metrics["train_loss"] == pytest.approx(theirs.metrics["train_loss"], rel=1e-3)


def test_dropout_and_augmentation_are_reproducible_on_each_device(device):
    def brighten(inputs, generator):
        return inputs + torch.randint(20, inputs.shape, generator=generator, dtype=torch.uint8, device=inputs.device)

    runs = [begin(device=device, dropout=0.5, augment=brighten) for _ in range(2)]
    before = torch.cuda.get_rng_state() if device == "cuda" else torch.get_rng_state()
    assert numbers(runs[0]) == numbers(runs[1])
    assert torch.equal(torch.cuda.get_rng_state() if device == "cuda" else torch.get_rng_state(), before)


def test_bf16_is_near_float32_and_measured_in_float32(device):
    seen = set()

    def loss(outputs, targets):
        seen.add(outputs.dtype)
        return LOSS(outputs.float(), targets)

    run = begin(precision="bf16", loss=loss, device=device)
    losses, exact = [r.metrics["train_loss"] for r in run], [r.metrics["train_loss"] for r in begin(device=device)]
    assert seen == {torch.bfloat16, torch.float32}
    assert losses == pytest.approx(exact, rel=0.03)
    assert losses != exact
    assert all(weight.dtype == torch.float32 for weight in run.model.parameters())


def test_compiled_trains_through_torch_compile(monkeypatch):
    compiled = []
    monkeypatch.setattr(torch, "compile", lambda model: compiled.append(model) or (lambda inputs: model(inputs) * 0))
    run = begin(compiled=True, epochs=1)
    assert compiled == [run.model]
    assert list(run)[-1].metrics["train_loss"] == pytest.approx(math.log(3), rel=1e-6)


def test_choose_device(device):
    assert training.choose_device(device).type == device
    assert training.choose_device("auto").type in ("cpu", "cuda", "mps")
    for wrong in ("tpu9", "meta:x", 3.5):
        with pytest.raises(ValueError, match=f"device {wrong!r} cannot be used here"):
            training.choose_device(wrong)


def test_lenet_learns_the_digits():
    model = networks.lenet((1, 8, 8), seed=0)
    optimizer = PortHamiltonian(model.parameters(), lr=0.1, mass=0.1, friction=0.2)
    settings = {"epochs": 6, "batch_size": 32, "metrics": ["accuracy"], "augment": datasets.Augment(shift=0.125, flip=False)}
    run = training.fit(model, datasets.images.digits(), loss=LOSS, optimizer=optimizer, **settings)
    assert list(run)[-1].metrics["validation_accuracy"] > 0.8
