"""Raw spectra: calibration, peak search, areas; and the measured alloy spectra where they are on this machine."""

import gzip
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from toolkit.datasets import DamagedFile, DataNotFound, alloy_spectra
from toolkit.spectra import Calibration, alive, calibrate, find_peaks, integrate, peak_table, refine
from toolkit.spectra.calibration import coarse
from toolkit.spectra.ions import mz
from toolkit.spectra.search import total

IONS = ("6Li-", "Li-", "O-", "OH-", "O2-")  # those of section 4.3.1
TRUE = Calibration(slope=33_000.0, offset=-400.0, residuals={})

measured = pytest.mark.skipif(
    not (Path(os.environ.get("TOOLKIT_DATA", "/nowhere")) / "tofsims" / "hea_raw_spectra.npz").exists(),
    reason="the alloy spectra are not on this machine",
)


@dataclass
class Spectrum:
    sample: str
    spot: int
    times: np.ndarray
    counts: np.ndarray


def spectrum(heights, *, scale=TRUE, width=150.0, seed=0, background=0.2):
    """Gaussian peaks in time of flight with Poisson noise, in channels of 100."""
    times = np.arange(50.0, 250_000, 100)
    expected = np.full(len(times), background)
    for ion, height in heights.items():
        expected += height * np.exp(-((times - scale.time(mz(ion))) ** 2) / (2 * width**2))
    return times, np.random.default_rng(seed).poisson(expected)


HEIGHTS = {"6Li-": 400, "Li-": 5000, "O-": 9000, "OH-": 7000, "O2-": 2000, "LiO-": 800, "C2H-": 3000}


# Calibration ------------------------------------------------------------------------------------------------------------


def test_a_scale_is_found_from_nothing_but_names():
    found = refine(*spectrum(HEIGHTS), IONS, start=coarse(*spectrum(HEIGHTS), IONS, slopes=(31e3, 35e3), offsets=(-700.0, 0.0)))
    assert found.slope == pytest.approx(33_000, rel=3e-4) and found.offset == pytest.approx(-400, abs=40)  # of channels of 100
    assert max(map(abs, found.residuals.values())) < 0.01
    assert found.mz(TRUE.time(mz("C2H-"))) == pytest.approx(mz("C2H-"), abs=0.01)


def test_a_scale_and_its_inverse():
    masses = np.array([0.5, 1.0, 60.0, 900.0])
    np.testing.assert_allclose(TRUE.mz(TRUE.time(masses)), masses)
    assert TRUE.mz(np.array([-500.0]))[0] == 0


def test_an_ion_without_counts_is_left_out():
    heights = {ion: height for ion, height in HEIGHTS.items() if ion != "O2-"}
    times, counts = spectrum(heights, background=0.0)
    assert list(refine(times, counts, IONS, start=TRUE).residuals) == ["6Li-", "Li-", "O-", "OH-"]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: calibrate([1.0], ["Li-"]), "ions must be two or more of different m/z"),
        (lambda: calibrate([1.0, 2.0], ["Li-", "Li-"]), "ions must be two or more of different m/z"),
        (lambda: calibrate([2.0, 1.0], ["Li-", "O-"]), "positions must grow with the m/z"),
        (lambda: calibrate([1.0, 2.0], ["Li-", "Xx-"]), "the element 'Xx' is not among"),
        (lambda: refine([1, 2, 3], [0, 0, 0], IONS, start=TRUE), "not all zero"),
        (lambda: refine([1, 3, 2], [1, 1, 1], IONS, start=TRUE), "times must ascend"),
        (lambda: refine([1, 2, 3], [1, -1, 1], IONS, start=TRUE), "not negative"),
        (lambda: refine([1, 2], [1, 1], IONS, start=TRUE), "of equal length, 3 or more"),
        (lambda: refine([1, 2, 3], [1, 1, 1], IONS, start=TRUE), r"ions: only \[\] of \['6Li-'"),
        (lambda: coarse(*spectrum(HEIGHTS), IONS[:2], slopes=(1.0, 2.0), offsets=(0.0, 1.0)), "ions must be three or more"),
        (lambda: coarse(*spectrum(HEIGHTS), IONS, slopes=(2.0, 1.0), offsets=(0.0, 1.0)), "a least and a largest value"),
    ],
)
def test_scales_that_cannot_be(call, message):
    with pytest.raises(ValueError, match=message):
        call()


# Peaks ------------------------------------------------------------------------------------------------------------------


def test_peaks_are_found_with_borders_around_them():
    times, counts = spectrum(HEIGHTS)
    tops, borders = find_peaks(TRUE.mz(times), counts)
    wanted = sorted(mz(ion) for ion in HEIGHTS)
    np.testing.assert_allclose(tops, wanted, atol=0.03)
    assert ((borders[:, 0] < tops) & (tops < borders[:, 1])).all()
    assert (borders[1:, 0] >= borders[:-1, 1]).all()


def test_a_threshold_leaves_small_peaks_out():
    times, counts = spectrum(HEIGHTS)
    tops, _ = find_peaks(TRUE.mz(times), counts, least=2500)
    np.testing.assert_allclose(tops, sorted(mz(ion) for ion in ("Li-", "O-", "OH-", "C2H-")), atol=0.03)


def test_noise_is_no_peak():
    counts = np.random.default_rng(0).poisson(400.0, 20_000)
    assert len(find_peaks(np.arange(1.0, 20_001), counts, significance=9.0)[0]) == 0


def test_areas_add_up_to_the_counts():
    draw = np.random.default_rng(1)
    masses, counts = np.cumsum(draw.random(200) + 0.1), draw.poisson(50, 200)
    edges = np.linspace(masses[0] - 1, masses[-1] + 1, 30)
    areas = integrate(masses, counts, np.stack([edges[:-1], edges[1:]], axis=1))
    assert areas.sum() == pytest.approx(counts.sum()) and (areas >= 0).all()
    one = integrate(masses, counts, [[edges[0], edges[-1]]])
    assert one[0] == pytest.approx(counts.sum())


def test_spectra_with_other_channels_are_added_without_loss():
    draw = np.random.default_rng(2)
    spectra = [(np.sort(draw.uniform(10, 90, 300)), draw.poisson(9, 300)) for _ in range(4)]
    masses, counts = total(spectra, mz=(5.0, 100.0), step=0.01)
    assert counts.sum() == pytest.approx(sum(each.sum() for _, each in spectra))
    assert (np.diff(masses) > 0).all()


def test_a_dead_peak_is_dropped():
    areas = np.array([[500.0, 50, 300, 0], [400, 60, 300, 0], [600, 99, 300, 0]])
    assert alive(areas).tolist() == [True, False, False, False]
    assert alive(areas, least=50).tolist() == [True, True, False, False]


def test_a_table_of_spectra_that_drift():
    """Every spectrum has its own scale; calibrated, a peak lies between the same borders in all."""
    drifts = [Calibration(33_000.0 * (1 + 2e-3 * shift), -400.0 + 60 * shift, {}) for shift in (-1, 0, 1)]
    brightness = [1.0, 2.0, 0.5]
    spectra = [
        Spectrum("LiOH", spot, *spectrum({ion: factor * height for ion, height in HEIGHTS.items()}, scale=own, seed=spot))
        for spot, (own, factor) in enumerate(zip(drifts, brightness, strict=True), start=1)
    ]
    scales = {each.spot: refine(each.times, each.counts, IONS, start=TRUE, window=0.4) for each in spectra}
    table = peak_table(spectra, lambda each: scales[each.spot].mz(each.times), mz=(2.0, 50.0), step=0.002)
    np.testing.assert_allclose(table.mz, sorted(mz(ion) for ion in HEIGHTS), atol=0.03)
    full = HEIGHTS["O-"] * 150 * np.sqrt(2 * np.pi) / 100
    oxygen = table.intensities[:, np.abs(table.mz - mz("O-")).argmin()]
    np.testing.assert_allclose(oxygen / full, brightness, rtol=0.1)
    assert table.spots.tolist() == [1, 2, 3] and not table.simulated


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: find_peaks([1, 3, 2], [1, 1, 1]), "mz must ascend, got 2.0 after 3.0"),
        (lambda: find_peaks([1, 2, 2], [1, 1, 1]), "mz must ascend, got 2.0 after 2.0"),
        (lambda: find_peaks([1, 2, 3], [1, -5, 1]), "counts must be finite and not negative, got -5.0"),
        (lambda: find_peaks([1, 2], [1, 1]), "of equal length, 3 or more"),
        (lambda: find_peaks([1, 2, 3], [1, 1, 1], least=-1), "least and significance must be 0 or more"),
        (lambda: integrate([1, 2, 3], [1, 1, 1], [[2, 1]]), "the lower end must be below the upper one"),
        (lambda: peak_table([Spectrum("a", 1, *spectrum({}))], lambda each: TRUE.mz(each.times)), "no peak with 100.0 counts"),
    ],
)
def test_searches_that_cannot_be(call, message):
    with pytest.raises(ValueError, match=message):
        call()


# The alloy files --------------------------------------------------------------------------------------------------------

HEAD = "sample_name,state,polarity,primary_ion,replicat"


def plant(folder, text):
    (folder / "hea_positive_peaks.csv.gz").write_bytes(gzip.compress(text.encode()))
    return folder


def test_two_spellings_of_a_cluster_are_one_peak(tmp_path):
    rows = f"{HEAD},PtPd,Ru,PdPt\nA,new,P,Bi1,1,5,7,0\nA,new,P,Bi3,1,0,8,6\n"
    found = alloy_spectra.peaks("positive", plant(tmp_path, rows))
    assert found.table.ions.tolist() == ["Ru", "PtPd"] and found.table.intensities.tolist() == [[7, 5], [8, 6]]
    assert found.table.spots.tolist() == [1, 2] and found.primary_ions.tolist() == ["Bi1", "Bi3"]
    assert "differs" in found.table.source and not found.table.simulated


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("a,b\n1,2\n", "the column 'sample_name' is missing"),
        (f"{HEAD},Xx2\nA,new,P,Bi1,1,5\n", "the column 'Xx2' has the element 'Xx'"),
        (f"{HEAD},ru\nA,new,P,Bi1,1,5\n", "the column 'ru' is no ion"),
        (f"{HEAD},Ru\nA,new,P,Bi1,1,many\n", "many"),
        (f"{HEAD},Ru\nA,new,P,Bi1,1,-5\n", "not negative, got -5.0"),
    ],
)
def test_damaged_alloy_peaks_are_named(tmp_path, text, fault):
    with pytest.raises(DamagedFile, match=f"hea_positive_peaks.csv.gz: .*{fault}"):
        alloy_spectra.peaks("positive", plant(tmp_path, text))


def test_absent_alloys_say_where_to_get_them(tmp_path):
    with pytest.raises(DataNotFound, match="hea_raw_spectra.npz was looked for in .*; the data come from https://github.com"):
        alloy_spectra.raw(folder=tmp_path)


@pytest.mark.parametrize("call", [alloy_spectra.peaks, alloy_spectra.raw])
def test_an_unknown_polarity_is_refused(call):
    with pytest.raises(ValueError, match=r"polarity must be one of \('positive', 'negative'\).*, got 'neutral'"):
        call("neutral")


def raw_arrays(**changed):
    good = {
        "offsets": np.array([0, 3, 6]), "channel": np.arange(6), "mz_delta_micro": np.full(6, 1000), "intensity": np.arange(6),
        "name": np.array(["N_A_Bi1_1", "N_Ru-Pd_Bi1_5"]), "polarity": np.array(["negative"] * 2),
        "material": np.array(["A", "Ru-Pd"]), "primary_ion": np.array(["Bi1"] * 2),
    }  # fmt: skip
    return good | changed


def test_a_copied_spectrum_is_left_out(tmp_path):
    np.savez(tmp_path / "hea_raw_spectra.npz", **raw_arrays())
    (found,) = alloy_spectra.raw(folder=tmp_path)
    assert (found.name, found.spot, found.counts.tolist()) == ("N_A_Bi1_1", 1, [0, 1, 2])
    np.testing.assert_allclose(found.mz, [0.001, 0.002, 0.003])


@pytest.mark.parametrize("offsets", [[0, 3], [0, 3, 5], [0, 0, 6]])
def test_wrong_offsets_are_named(tmp_path, offsets):
    np.savez(tmp_path / "hea_raw_spectra.npz", **raw_arrays(offsets=np.array(offsets)))
    with pytest.raises(DamagedFile, match="hea_raw_spectra.npz: the offsets do not part the channels into spectra"):
        alloy_spectra.raw(folder=tmp_path)


def test_a_missing_array_is_named(tmp_path):
    arrays = raw_arrays()
    del arrays["material"]
    np.savez(tmp_path / "hea_raw_spectra.npz", **arrays)
    with pytest.raises(DamagedFile, match="the array 'material' is missing"):
        alloy_spectra.raw(folder=tmp_path)


@measured
def test_the_published_peaks_tell_the_alloy_by_their_zeros():
    found = alloy_spectra.peaks("positive").of(*alloy_spectra.ALLOYS).table
    assert found.intensities.shape == (120, 765) and "the published table" in found.source
    for element, alloys in {"Rh": {"Ru-Rh"}, "Ir": {"Ru-Ir", "Ru-Pt-Pd-Ir"}}.items():
        columns = [element in str(ion) for ion in found.ions]
        counts = {name: found.of(name).intensities[:, columns].sum() for name in found.compounds}
        assert {name for name, count in counts.items() if count > 0} == alloys


@measured
def test_our_scale_of_raw_spectra_is_that_of_the_origin():
    from toolkit.studies import alloys

    spectra = alloy_spectra.raw("negative")[::10]
    scales = alloys.calibrated(spectra, "negative")
    for mass in (27.0, 102.0, 200.0):
        nearest = [np.abs(each.mz - mass).argmin() for each in spectra]
        own = [scales[each.name].mz(each.times[place]) for each, place in zip(spectra, nearest, strict=True)]
        origin = [each.mz[place] for each, place in zip(spectra, nearest, strict=True)]
        assert np.median(np.abs(np.subtract(own, origin))) / mass < 3e-4
        assert np.abs(np.subtract(own, origin)).max() < 0.25  # unit masses are not mixed up
