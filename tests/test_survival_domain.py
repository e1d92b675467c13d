"""Two clinics and one model: penalties, standardising, calibration, and what they do to merged predictions."""

from functools import partial

import numpy as np
import pytest
import torch

from toolkit import networks
from toolkit.datasets import patients
from toolkit.survival import cox, domain, merged, metrics
from toolkit.survival.network import CoxLoss, CoxNetwork


def log_hazards(n: int, seed: int = 0, **settings) -> torch.Tensor:
    return torch.randn(n, generator=torch.Generator().manual_seed(seed), dtype=torch.float64, **settings)


def two_clinics(n: int = 60, shift: float = 3.0, seed: int = 0):
    """Times, events and predictions of two clinics with equal true hazards; B's predictions lie higher."""
    generator = np.random.default_rng(seed)
    clinic = np.arange(n) % 2
    true = generator.normal(size=n)
    time = np.ceil(generator.exponential(50 * np.exp(-true)))
    event = (generator.random(n) < 0.6).astype(float)
    return time, event, true + 0.5 * generator.normal(size=n) + shift * clinic, clinic


# Penalties ------------------------------------------------------------------------------------------------------------


def test_penalties_by_hand():
    h = torch.tensor([1.0, 2.0, 6.0])
    assert domain.mean_penalty(h).item() == pytest.approx(81 / 3)
    assert domain.l2_penalty(h).item() == pytest.approx(41 / 3)


def test_the_printed_penalty_only_pins_the_free_constant():
    h = log_hazards(20)
    assert domain.mean_penalty(h - h.mean()).item() == pytest.approx(0, abs=1e-24)
    assert domain.mean_penalty(5 * (h - h.mean())).item() == pytest.approx(0, abs=1e-24)
    assert domain.l2_penalty(h - h.mean()).item() == pytest.approx(float(h.var(correction=0)))


def test_one_is_the_square_of_the_mean_the_other_has_the_variance_too():
    h = log_hazards(20) + 2
    assert domain.mean_penalty(h).item() == pytest.approx(20 * float(h.mean()) ** 2)
    assert domain.l2_penalty(h).item() == pytest.approx(float(h.mean()) ** 2 + float(h.var(correction=0)))


def test_over_mini_batches_the_printed_penalty_shrinks_the_spread_too():
    """E (1/b) (Σ h)² = b μ² + σ² over batches drawn at random: the variance weighs as much as in the L2 penalty."""
    h = 0.3 + 2 * log_hazards(20000)
    for size in (5, 50):
        batches = h[torch.randint(len(h), (20000, size), generator=torch.Generator().manual_seed(1))]
        mean = float((batches.sum(1) ** 2 / size).mean())
        assert mean == pytest.approx(float(size * h.mean() ** 2 + h.var()), rel=0.03)


@pytest.mark.parametrize("penalty", [domain.mean_penalty, domain.l2_penalty])
def test_gradients_of_penalties(penalty):
    h = log_hazards(7, requires_grad=True)
    assert torch.autograd.gradcheck(penalty, h)
    assert penalty(h[:0]).item() == 0


def test_the_gradient_of_the_printed_penalty_is_one_push_for_the_whole_batch():
    h = log_hazards(7, requires_grad=True)
    domain.mean_penalty(h).backward()
    torch.testing.assert_close(h.grad, torch.full_like(h, 2 * float(h.detach().mean())))


# The loss of a batch from several clinics -----------------------------------------------------------------------------


def batch(seed: int = 0):
    generator = torch.Generator().manual_seed(seed)
    h = torch.randn(12, 1, generator=generator, requires_grad=True)
    time = torch.randint(1, 9, (12,), generator=generator).float()
    event = (torch.rand(12, generator=generator) < 0.5).float()
    clinic = (torch.arange(12) >= 8).float()
    return h, torch.stack([time, event, clinic], 1)


@pytest.mark.parametrize("penalty", [domain.mean_penalty, domain.l2_penalty, None])
def test_in_one_clinic_the_loss_is_the_plain_one_with_its_penalty(penalty):
    h, targets = batch()
    targets[:, 2] = 0
    ours = domain.ClinicLoss(penalty=penalty, strength=0.3, ties="efron", reduction="mean")
    plain = CoxLoss(penalty=penalty, strength=0.3, ties="efron", reduction="mean")
    torch.testing.assert_close(ours(h, targets), plain(h, targets))
    torch.testing.assert_close(ours(h, targets[:, :2]), plain(h, targets))


def test_each_clinic_is_penalised_by_itself():
    h, targets = batch()
    expected = cox.cox_loss(h, targets[:, 0], targets[:, 1]) + 2 * (
        domain.mean_penalty(h[:8, 0]) + domain.mean_penalty(h[8:, 0])
    )
    torch.testing.assert_close(domain.ClinicLoss(penalty=domain.mean_penalty, strength=2.0)(h, targets), expected)


def test_a_batch_without_an_event_is_counted_and_has_a_gradient_of_zero():
    h, targets = batch()
    loss = domain.ClinicLoss()
    loss(h, targets).backward()
    h.grad = None
    targets[:, 1] = 0
    value = loss(h, targets)
    value.backward()
    assert value.item() == 0
    assert h.grad.abs().max() == 0
    loss(h.detach(), targets)  # as in an evaluation
    assert (loss.batches, loss.without_event) == (2, 1)


def test_the_strength_may_change_during_a_run():
    h, targets = batch()
    loss = domain.ClinicLoss(penalty=domain.l2_penalty, strength=0.0)
    plain = loss(h, targets)
    loss.strength = 1.0
    torch.testing.assert_close(loss(h, targets) - plain, domain.l2_penalty(h[:8]) + domain.l2_penalty(h[8:]))


def test_a_strength_below_zero_is_refused():
    with pytest.raises(ValueError, match="strength must be a finite number, 0 or more, got -1"):
        domain.ClinicLoss(penalty=domain.l2_penalty, strength=-1)


# Standardising --------------------------------------------------------------------------------------------------------


def test_standardised_clinics_have_mean_0_and_spread_1_and_keep_their_order():
    time, event, h, clinic = two_clinics()
    z = domain.standardise(h, clinic)
    for number in (0, 1):
        rows = clinic == number
        assert float(z[rows].mean()) == pytest.approx(0, abs=1e-12)
        assert float(z[rows].std(correction=0)) == pytest.approx(1)
        before, after = (metrics.concordance_index(time[rows], event[rows], values[rows]) for values in (h, z.numpy()))
        assert before == after


def test_standardising_undoes_any_scale_and_shift_of_a_clinic():
    _, _, h, clinic = two_clinics()
    moved = np.where(clinic == 1, 5 + 0.1 * h, h)
    torch.testing.assert_close(domain.standardise(moved, clinic), domain.standardise(h, clinic))


def test_equal_predictions_become_zero():
    assert domain.standardise([0.1, 0.1, 0.1, 1.0, 2.0], [0, 0, 0, 1, 1])[:3].tolist() == [0.0, 0.0, 0.0]


def test_standardising_mends_a_shift_and_spoils_a_true_difference():
    """The same predictions; in the first case the clinics have equal risks, in the second B's patients really fare worse."""
    time, event, h, clinic = two_clinics(n=400, shift=3.0)
    equal = merged.concordances(time, event, h, clinic)
    assert equal["standardised"].low > equal["naive"].high
    worse = np.where(clinic == 1, np.ceil(time * np.exp(-3)), time)
    different = merged.concordances(worse, event, h, clinic)
    assert different["naive"].low > different["standardised"].high


# Calibration from few slides ------------------------------------------------------------------------------------------


def test_calibration_with_many_slides_is_standardising():
    h = log_hazards(4000)
    new, reference = 3 + 2 * h[:2000], 1 + 0.5 * h[2000:]
    calibrated = domain.calibrate(new, reference, prior=0)(new)
    assert float(calibrated.mean()) == pytest.approx(float(reference.mean()))
    assert float(calibrated.std()) == pytest.approx(float(reference.std()))


def test_the_spread_of_few_slides_is_drawn_towards_the_known_one():
    new, reference = torch.tensor([0.0, 20.0]), log_hazards(500)
    scales = [domain.calibrate(new, reference, prior=prior).scale for prior in (0.0, 1.0, 10.0, 1e6)]
    assert scales == sorted(scales)
    assert scales[0] == pytest.approx(float(reference.std() / new.std()))
    assert scales[-1] == pytest.approx(1, abs=1e-3)


def test_the_error_of_the_level_falls_with_the_root_of_the_number_of_slides():
    reference, generator = log_hazards(500), torch.Generator().manual_seed(1)
    spreads = []
    for slides in (4, 64):
        drawn = [2 + torch.randn(slides, generator=generator) for _ in range(300)]
        spreads.append(np.std([domain.calibrate(new, reference).mean for new in drawn]))
    assert spreads[0] / spreads[1] == pytest.approx(4, rel=0.25)


def test_a_few_calibration_slides_recover_most_of_what_the_shift_cost():
    time, event, h, clinic = two_clinics(n=600, shift=3.0, seed=3)
    a, b = torch.from_numpy(h[clinic == 0]), torch.from_numpy(h[clinic == 1])
    calibrated = h.copy()
    calibrated[clinic == 1] = domain.calibrate(b[:10], a)(b).numpy()
    naive, mended, best = (
        metrics.concordance_index(time, event, values) for values in (h, calibrated, domain.standardise(h, clinic))
    )
    assert mended - naive > 0.7 * (best - naive) > 0.05


# Measurements ---------------------------------------------------------------------------------------------------------


def test_pairs_between_and_within_clinics_are_all_pairs():
    time, event, h, clinic = two_clinics()
    between = domain.between_clinics(time, event, h, clinic)
    later = (time[:, None] < time) | ((time[:, None] == time) & (event == 0))
    across = (event[:, None] == 1) & later & (clinic[:, None] != clinic)
    assert between.comparable == across.sum()
    assert between.concordant == (across & (h[:, None] > h)).sum()


def test_only_pairs_between_clinics_change_when_predictions_are_standardised():
    time, event, h, clinic = two_clinics()
    z = domain.standardise(h, clinic)
    change = metrics.concordance_pairs(time, event, z).concordant - metrics.concordance_pairs(time, event, h).concordant
    between = [domain.between_clinics(time, event, values, clinic).concordant for values in (z, h)]
    assert change == between[0] - between[1] != 0


def test_the_shift_in_units_of_the_spread():
    time, event, h, clinic = two_clinics(n=4000, shift=3.0)
    assert domain.shift_between(h, clinic) == pytest.approx(3 / np.hypot(1, 0.5), rel=0.05)
    assert domain.shift_between(domain.standardise(h, clinic), clinic) == pytest.approx(0, abs=1e-12)


def test_histograms_share_their_bins_and_sum_to_one():
    _, _, h, clinic = two_clinics()
    edges, shares = domain.histograms(h, clinic, bins=10)
    assert (edges[0], edges[-1]) == (h.min(), h.max())
    assert shares.shape == (2, 10)
    np.testing.assert_allclose(shares.sum(1), 1)
    np.testing.assert_allclose(shares[1] * 30, np.histogram(h[clinic == 1], edges)[0])


@pytest.mark.parametrize("seed", range(3))
def test_intervals_are_those_of_the_bootstrap_one_by_one(seed):
    time, event, h, clinic = two_clinics(n=41, seed=seed)
    h = h.round(1)  # with ties
    found = merged.concordances(time, event, h, clinic, resamples=50, seed=seed)
    bootstrap = partial(metrics.bootstrap_interval, metrics.concordance_index, resamples=50, seed=seed)
    z = domain.standardise(h, clinic)
    assert tuple(found) == ("A", "B", "naive", "standardised")
    parts = {"A": (clinic == 0, h), "B": (clinic == 1, h), "naive": (clinic < 2, h), "standardised": (clinic < 2, z)}
    for name, (rows, values) in parts.items():
        expected = bootstrap(time[rows], event[rows], values[rows])
        np.testing.assert_allclose(
            [found[name].value, found[name].low, found[name].high, found[name].resamples],
            [expected.value, expected.low, expected.high, expected.resamples],
        )  # fmt: skip


def test_five_events_leave_a_wide_interval():
    generator = np.random.default_rng(0)
    widths = []
    for patients_per_clinic, events in ((36, 5), (360, 50)):
        n = 2 * patients_per_clinic
        clinic, h = np.arange(n) % 2, generator.normal(size=n)
        event = np.zeros(n)
        for number in (0, 1):
            event[np.flatnonzero(clinic == number)[:events]] = 1
        interval = merged.concordances(generator.exponential(size=n), event, h, clinic)["A"]
        widths.append(interval.high - interval.low)
    assert widths[0] > 0.35
    assert widths[1] < 0.6 * widths[0]


def test_without_a_comparable_pair_the_value_is_nan():
    time, event, h, clinic = two_clinics()
    event[clinic == 0] = 0
    found = merged.concordances(time, event, h, clinic, resamples=20)
    assert np.isnan([found["A"].value, found["A"].low, found["A"].high]).all()
    assert found["B"].low <= found["B"].value <= found["B"].high


# A run ----------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def data():
    return patients.dataset(patients.simulate(size=(16, 20), seed=4), unlabelled=("B",))


def small_run(data, **settings):
    model = CoxNetwork(networks.dense(3 * 16 * 20, (8,), 1, seed=0), data)
    return model.fit(epochs=2, batch_size=32, **settings)


def test_following_a_run_changes_nothing_in_it_and_measures_each_record(data):
    alone = list(small_run(data, loss=domain.ClinicLoss(penalty=domain.mean_penalty, strength=0.1)))
    run = small_run(data, loss=domain.ClinicLoss(penalty=domain.mean_penalty, strength=0.1))
    followed = list(merged.follow(run, data.test, resamples=20))
    assert [record.epoch for record in followed] == [0, 1, 2]
    for plain, record in zip(alone, followed, strict=True):
        assert {name: record.metrics[name] for name in plain.metrics} == plain.metrics
        assert record.outcomes.shape == (36 + 242, 3)
        expected = merged.concordances(*record.outcomes.T[:2], record.log_hazard, record.outcomes[:, 2], resamples=20)
        assert record.metrics["c_index_naive"] == expected["naive"].value
        assert record.metrics["high_A"] == expected["A"].high
        assert record.metrics["shift"] == domain.shift_between(record.log_hazard, record.outcomes[:, 2])


def test_a_run_that_diverges_ends_with_a_record(data):
    model = CoxNetwork(networks.dense(3 * 16 * 20, (8,), 1, seed=0), data)
    optimizer = torch.optim.SGD(model.network.parameters(), 1e30)
    records = list(merged.follow(model.fit(epochs=3, optimizer=optimizer, loss=domain.ClinicLoss()), data.test))
    assert records[-1].diverged
    assert "c_index_A" in records[0].metrics


# Refusals -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: domain.standardise([1.0, 2.0, 3.0], [0, 0, 1]), "clinic 1 has a single prediction"),
        (lambda: domain.standardise([1.0, 2.0], [0, 0, 1]), "clinic must have one entry per subject"),
        (lambda: domain.standardise([1.0, np.nan], [0, 0]), "log_hazard must be finite, got nan at position 1"),
        (lambda: domain.standardise([], []), "log_hazard must hold at least one prediction"),
        (lambda: domain.shift_between([1.0, 2.0], [0, 0]), "two different values, got 1"),
        (lambda: domain.calibrate([], [1.0, 2.0]), "new must hold at least one prediction"),
        (lambda: domain.calibrate([1.0], [1.0]), "reference has a single prediction"),
        (lambda: domain.calibrate([1.0], [1.0, 2.0], prior=0), "1 equal predictions tell no spread"),
        (lambda: domain.calibrate([1.0], [1.0, 2.0], prior=-1), "prior must be a number of slides, 0 or more, got -1"),
        (lambda: domain.calibrate([np.inf], [1.0, 2.0]), "new must be finite, got inf"),
        (lambda: domain.histograms([1.0, 2.0], [0, 1], bins=0), "bins must be a whole number of 1 or more, got 0"),
        (lambda: merged.concordances([1.0], [1], [1.0], [0]), "one value for each of the names ('A', 'B'), got [0"),
        (lambda: merged.concordances([-1.0, 1.0], [1, 0], [1.0, 2.0], [0, 1]), "time must be finite and not negative"),
        (lambda: merged.concordances([2.0, 1.0], [2, 0], [1.0, 2.0], [0, 1]), "event must be 1 (seen) or 0 (censored), got 2"),
    ],
)  # fmt: skip
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError) as refusal:  # noqa: PT011
        call()
    assert message in str(refusal.value)
