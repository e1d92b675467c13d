"""Simulated clinics: reproducible, with known hazards, and divided by patients."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from toolkit.datasets import patients, sections
from toolkit.survival import cox, metrics

SMALL = {"size": (16, 20)}


@pytest.fixture(scope="module")
def cohort():
    return patients.simulate(seed=1, **SMALL)


@pytest.fixture(scope="module")
def crowd():
    """Many patients of one clinic, for what holds on average."""
    return patients.simulate((replace(patients.A, patients=6000, slides=1.0),), size=(16, 16), seed=2)


def outcome(cohort, clinic):
    rows = cohort.of(clinic)
    return patients.per_patient(cohort.targets[rows], cohort.targets[rows, 3])


# The simulation -------------------------------------------------------------------------------------------------------


def test_a_seed_gives_the_same_cohort_and_another_one_another(cohort):
    again, other = (patients.simulate(seed=seed, **SMALL) for seed in (1, 2))
    for name in ("images", "targets", "log_hazard", "traits"):
        assert torch.equal(getattr(cohort, name), getattr(again, name))
    assert not torch.equal(cohort.images[0], other.images[0])


def test_a_clinic_is_the_same_whoever_is_in_the_other(cohort):
    larger = patients.simulate((patients.A, replace(patients.B, patients=300)), seed=1, **SMALL)
    rows = cohort.of("A")
    assert torch.equal(cohort.images[rows], larger.images[rows])
    assert torch.equal(cohort.targets[rows], larger.targets[rows])


def test_numbers_are_near_those_of_table_7_1(cohort):
    a, b = outcome(cohort, "A"), outcome(cohort, "B")
    assert (len(a), len(b)) == (176, 242)
    assert len(cohort.of("B")) == 242
    assert 330 < len(cohort.of("A")) < 450
    for clinic, share, median in ((a, 0.14, 73), (b, 0.12, 41)):
        assert float(clinic[:, 1].mean()) == pytest.approx(share, abs=0.05)
        assert float(clinic[:, 0].median()) == pytest.approx(median, abs=8)


def test_times_are_whole_months_with_ties(cohort):
    time = outcome(cohort, "A")[:, 0]
    assert torch.equal(time, time.round())
    assert time.min() >= 1
    assert len(time.unique()) < len(time)


def test_slides_of_a_patient_share_the_outcome_but_not_the_picture(cohort):
    first, second = cohort.targets[:-1], cohort.targets[1:]
    same = torch.nonzero(first[:, 3] == second[:, 3]).flatten()
    assert len(same) > 100
    assert torch.equal(first[same], second[same])
    assert torch.equal(cohort.log_hazard[same], cohort.log_hazard[same + 1])
    assert not (cohort.images[same] == cohort.images[same + 1]).flatten(1).all(1).any()


def test_the_log_hazard_is_the_sum_of_the_effects(cohort):
    expected = cohort.traits @ torch.tensor(patients.EFFECTS)
    torch.testing.assert_close(cohort.log_hazard, expected)


def test_the_effects_are_found_again_from_the_times(crowd):
    coefficients = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([coefficients], max_iter=50, line_search_fn="strong_wolfe")

    def loss():
        optimizer.zero_grad()
        value = cox.cox_loss(crowd.traits.double() @ coefficients, crowd.targets[:, 0], crowd.targets[:, 1])
        value.backward()
        return value

    optimizer.step(loss)
    assert crowd.targets[:, 1].sum() > 700
    np.testing.assert_allclose(coefficients.detach(), patients.EFFECTS, atol=0.1)


def test_a_riskier_clinic_has_that_mean_log_hazard_and_more_events(crowd):
    clinic = replace(patients.A, patients=6000, slides=1.0, risk=1.0)
    riskier = patients.simulate((clinic,), size=(16, 16), seed=2)
    assert float(riskier.log_hazard.mean()) == pytest.approx(1.0, abs=0.06)
    assert riskier.targets[:, 1].mean() > 1.5 * crowd.targets[:, 1].mean()
    torch.testing.assert_close(riskier.log_hazard, riskier.traits @ torch.tensor(patients.EFFECTS))


# What a scanner shows -------------------------------------------------------------------------------------------------


def test_scanners_show_the_same_sections_in_other_colours():
    traits = np.random.default_rng(0).normal(size=(40, 3))
    unmarked = replace(sections.CLINIC_B, pen=0.0, flicker=0.0)
    a = sections.draw(traits, scanner=replace(sections.CLINIC_A, flicker=0.0), size=(40, 50), seed=3).astype(float)
    b = sections.draw(traits, scanner=unmarked, size=(40, 50), seed=3).astype(float)
    correlations = [np.corrcoef(one.ravel(), other.ravel())[0, 1] for one, other in zip(a[:, 1], b[:, 1], strict=True)]
    assert min(correlations) > 0.95
    red, green, blue = a.mean((0, 2, 3)) - b.mean((0, 2, 3))
    assert red > green > 10 > blue > 0  # darker, and of all colours blue least


@pytest.mark.parametrize("trait", [0, 2])
def test_a_larger_or_denser_tumour_is_darker_in_red(trait):
    traits = np.zeros((60, 3))
    traits[30:, trait] = 2.0
    pictures = sections.draw(traits, scanner=sections.CLINIC_A, size=(40, 50), seed=5)[:, 0] / 255
    assert pictures[:30].mean() - pictures[30:].mean() > 0.01


def test_a_ragged_tumour_is_brighter_at_half_its_width_than_a_round_one():
    """Its lobes leave gaps: the stain varies more along a circle around the middle."""
    traits = np.zeros((80, 3))
    traits[40:, 1] = 2.5
    generator = np.random.default_rng(1)
    blue, _ = sections.stains(traits, size=(80, 100), generator=generator)
    y, x = np.meshgrid(np.linspace(-1, 1, 80), np.linspace(-1.25, 1.25, 100), indexing="ij")
    ring = np.abs(np.hypot(x, y) - 0.42) < 0.06
    spread = blue[:, ring].std(1)
    assert spread[40:].mean() > spread[:40].mean() + 0.01


def test_the_share_of_slides_with_a_pen_mark_is_as_stated():
    traits = np.zeros((400, 3))
    clean, marked = (
        sections.draw(traits, scanner=replace(sections.CLINIC_B, pen=pen), size=(16, 20), seed=1) for pen in (0.0, 0.7)
    )
    assert float((clean != marked).any((1, 2, 3)).mean()) == pytest.approx(0.7, abs=0.07)


def test_sections_drawn_in_chunks_are_the_same_shape(monkeypatch):
    monkeypatch.setattr(sections, "CHUNK_PIXELS", 1000)
    pictures = sections.draw(np.zeros((7, 3)), scanner=sections.CLINIC_A, size=(16, 20), seed=1)
    assert pictures.shape == (7, 3, 16, 20)
    assert pictures.std((1, 2, 3)).min() > 5


def test_a_scanner_between_two_others():
    half = sections.CLINIC_A.towards(sections.CLINIC_B, 0.5)
    assert half.gamma == pytest.approx((sections.CLINIC_A.gamma + sections.CLINIC_B.gamma) / 2)
    assert half.pen == sections.CLINIC_B.pen / 2
    assert patients.with_gap(1.0).scanner == patients.B.scanner
    assert patients.with_gap(0.5, pen=0.0).scanner.pen == 0


# The data set ---------------------------------------------------------------------------------------------------------


def test_parts_have_the_published_numbers_of_patients(cohort):
    data = patients.dataset(cohort)
    test = data.test[1]
    counts = [len(data.train[1][:, 3].unique()), len(data.validation[1][:, 3].unique())]
    counts += [len(test[test[:, 2] == clinic, 3].unique()) for clinic in (0, 1)]
    assert counts == [104, 36, 36, 242]
    assert data.simulated


def test_no_patient_is_in_two_parts_even_with_unlabelled_pictures(cohort):
    for unlabelled in ((), ("B",)):
        data = patients.dataset(cohort, unlabelled=unlabelled)
        labelled = data.train[1][:, 2] == 0
        parts = [set(part[:, 3].tolist()) for part in (data.train[1][labelled], data.validation[1], data.test[1])]
        assert sum(map(len, parts)) == len(set.union(*parts)) == 176 + 242


def test_pictures_without_outcome_do_not_enter_the_cox_loss(cohort):
    data, more = patients.dataset(cohort), patients.dataset(cohort, unlabelled=("B",))
    targets = more.train[1]
    assert len(targets) == len(data.train[1]) + 242
    assert (targets[targets[:, 2] == 1, :2] == 0).all()
    log_hazard = torch.randn(len(targets), generator=torch.Generator().manual_seed(0))
    alone = cox.cox_loss(log_hazard[: len(data.train[1])], *data.train[1][:, :2].T)
    torch.testing.assert_close(cox.cox_loss(log_hazard, *targets[:, :2].T), alone)
    assert data.mean == more.mean


@given(seed=st.integers(0, 1000), validation=st.floats(0, 0.4), test=st.floats(0, 0.4), slides=st.integers(1, 5))
def test_a_split_by_patients_is_disjoint_and_covers_everything(seed, validation, test, slides):
    generator = np.random.default_rng(seed)
    patient = torch.from_numpy(generator.permutation(np.repeat(generator.choice(1000, 40, replace=False), slides)))
    event = patient % 4 == 0
    parts = patients.patient_split(patient, validation=validation, test=test, seed=seed, stratify=event)
    assert torch.equal(torch.cat(parts).sort().values, torch.arange(len(patient)))
    members = [set(patient[part].tolist()) for part in parts]
    assert sum(map(len, members)) == 40
    assert len(members[2]) == round(40 * test)


def test_events_are_shared_out_evenly(cohort):
    data = patients.dataset(cohort)
    tested = data.test[1][data.test[1][:, 2] == 0]
    shares = [float(patients.per_patient(y, y[:, 3])[:, 1].mean()) for y in (data.train[1], data.validation[1], tested)]
    assert max(shares) - min(shares) < 0.06


def test_mean_per_patient_by_hand():
    values = torch.tensor([[1.0, 0.0], [3.0, 2.0], [5.0, 1.0]])
    assert patients.per_patient(values, torch.tensor([9, 9, 4])).tolist() == [[5.0, 1.0], [2.0, 1.0]]


def test_the_true_hazard_orders_the_patients(crowd):
    c_index = metrics.concordance_index(crowd.targets[:, 0], crowd.targets[:, 1], crowd.log_hazard)
    assert 0.75 < c_index < 0.85


# Refusals -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: replace(patients.A, patients=0), "patients of clinic A must be a whole number of 1 or more, got 0"),
        (lambda: replace(patients.A, patients=2.5), "whole number of 1 or more, got 2.5"),
        (lambda: replace(patients.A, slides=0.5), "slides of clinic A is a mean of 1 or more"),
        (lambda: replace(patients.A, follow_up=-1), "follow_up of clinic A must be positive"),
        (lambda: replace(patients.A, risk=np.nan), "risk finite"),
        (lambda: patients.simulate(()), "clinics must be one or more"),
        (lambda: patients.simulate((patients.A, patients.A)), "different names, got ['A', 'A']"),
        (lambda: patients.simulate(size=(8, 50)), "16 pixels or more, got (8, 50)"),
        (lambda: patients.simulate(effects=(1.0, 2.0)), "effects must be 3 finite numbers"),
        (lambda: patients.simulate(baseline_hazard=0.0), "baseline_hazard must be positive"),
        (lambda: patients.simulate(seed=-1), "seed must be a whole number of 0 or more, got -1"),
        (lambda: replace(sections.CLINIC_A, light=(1.2, 1, 1)), "light in 0 .. 1"),
        (lambda: replace(sections.CLINIC_A, gamma=0.0), "gamma must be positive"),
        (lambda: patients.per_patient(torch.zeros(3), torch.zeros(2)), "equal lengths, got 3 and 2"),
        (lambda: patients.patient_split(torch.zeros(3), validation=0, test=0, stratify=torch.zeros(2)), "one label for each"),
        (lambda: patients.patient_split(torch.arange(2), validation=0.5, test=0.5), "leave nothing for training"),
    ],
)  # fmt: skip
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError) as refusal:  # noqa: PT011
        call()
    assert message in str(refusal.value)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"train_on": "C"}, "clinic must be one of ('A', 'B'), got 'C'"),
        ({"unlabelled": ("A",)}, "clinic 'A' is the one to train on"),
        ({"unlabelled": ("C",)}, "got 'C'"),
        ({"test": 1.0}, "test is a share"),
    ],
)
def test_an_impossible_data_set_is_refused(cohort, settings, message):
    with pytest.raises(ValueError) as refusal:  # noqa: PT011
        patients.dataset(cohort, **settings)
    assert message in str(refusal.value)
