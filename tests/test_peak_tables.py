"""Peak tables: what is refused, the three forms of files, and files that are damaged."""

import gzip
from dataclasses import replace

import numpy as np
import pytest

from toolkit.datasets import DamagedFile, peak_tables
from toolkit.datasets.peak_tables import PeakTable

GOOD = {
    "mz": [7.02, 9.03],
    "ions": ["Li-", "LiH2-"],
    "intensities": [[5.0, 1.0], [2.0, 9.0], [3.0, 8.0]],
    "samples": ["Li2O", "LiH", "LiH"],
    "spots": [1, 1, 2],
}


@pytest.fixture
def table():
    return PeakTable(**GOOD)


def same(left, right):
    for name in GOOD:
        np.testing.assert_array_equal(getattr(left, name), getattr(right, name))


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        ({"mz": [9.03, 7.02]}, ValueError, "mz must ascend, got 7.02 after 9.03"),
        ({"mz": [7.02, 7.02]}, ValueError, "mz: 7.02 occurs twice"),
        ({"mz": [0.0, 7.02]}, ValueError, r"mz must be positive \[u\], got 0.0"),
        ({"mz": ["7.02", "9.03"]}, TypeError, "mz must be numbers, got <U4 such as"),
        ({"intensities": [[5, 1], [2, -9], [3, 8]]}, ValueError, "not negative, got -9.0 at m/z 9.03 of LiH, spot 1"),
        ({"intensities": [[5, 1], [2, np.nan], [3, 8]]}, ValueError, "must be finite and not negative, got nan at m/z 9.03"),
        ({"intensities": [[5, 1], [2, 9]]}, ValueError, r"a row per sample and a column per m/z, \(3, 2\), got \(2, 2\)"),
        ({"intensities": [["a", "b"]] * 3}, TypeError, "intensities must be numbers"),
        ({"spots": [1, 1, 1]}, ValueError, "spots: 1 occurs twice on LiH"),
        ({"spots": [1, 1, np.nan]}, ValueError, "spots must be whole numbers from 1, got nan"),
        ({"spots": [0, 1, 2]}, ValueError, "spots must be whole numbers from 1, got 0.0"),
        ({"spots": [1, 2]}, ValueError, r"spots \(3,\), got \(2,\)"),
        ({"ions": ["Li-"]}, ValueError, r"ions must have shape \(2,\), got \(1,\)"),
    ],
)
def test_what_is_no_table_is_refused(wrong, error, message):
    with pytest.raises(error, match=message):
        PeakTable(**(GOOD | wrong))


def test_an_empty_table_is_refused():
    with pytest.raises(ValueError, match="must hold a spectrum and a peak, got 0 spectra of 2 peaks"):
        PeakTable([1.0, 2.0], ["", ""], np.empty((0, 2)), [], np.empty(0))


def test_parts_of_a_table(table):
    assert table.compounds == ("Li2O", "LiH")
    assert table.of("LiH").spots.tolist() == [1, 2]
    assert table.rows([2, 0]).samples.tolist() == ["LiH", "Li2O"]
    assert table.peaks([False, True]).labels() == ["9.03 LiH2-"]
    assert table.frame().loc[("LiH", 2), "9.03 LiH2-"] == 8
    with pytest.raises(ValueError, match=r"samples: 'LiF' is not among \['Li2O', 'LiH'\]"):
        table.of("LiF")


def test_a_table_is_written_and_read_again(tmp_path):
    draw = np.random.default_rng(3)
    ions, samples = [f"C{n}-" for n in range(7)], ["a b"] * 3 + ["c_d"] * 3
    table = PeakTable(np.cumsum(draw.random(7)), ions, draw.random((6, 7)) * 1e5, samples, [1, 2, 3] * 2)
    peak_tables.write(table, tmp_path / "table.csv")
    again = peak_tables.read(tmp_path / "table.csv")
    same(again, table)
    assert [path.name for path in tmp_path.iterdir()] == ["table.csv"]
    assert again.source.endswith("table.csv") and not again.simulated


def test_a_simulated_table_stays_simulated(tmp_path, table):
    peak_tables.write(replace(table, simulated=True), tmp_path / "table.csv")
    again = peak_tables.read(tmp_path / "table.csv")
    same(again, table)
    assert again.simulated


FORMS = {
    "peaks": "m/z,ion,Li2O_1,LiH_1,LiH_2\n9.03,LiH2-,1,9,8\n7.02,Li-,5,2,3\n",
    "peaks of SurfaceLab": (
        "# exported\n\nCenter Mass (u)\tLower Mass (u)\tUpper Mass (u)\tAssignment\tLi2O 1.ita\tLiH 1.ita\tLiH 2.ita\n"
        "7,02\t6,9\t7,1\tLi-\t5\t2\t3\n9,03\t9,0\t9,1\tLiH2-\t1,0\t9\t8\n"
    ),
    "wide": "sample;spot;7,02 Li-;9,03 LiH2-\nLi2O;1;5;1\nLiH;1;2;9\nLiH;2;3;8\n",
    "wide, unsorted": "spot,sample,9.03 LiH2-,7.02 Li-\n1,Li2O,1,5\n1,LiH,9,2\n2,LiH,8,3\n",
    "long": (
        "sample,spot,mz,ion,intensity\nLi2O,1,7.02,Li-,5\nLi2O,1,9.03,LiH2-,1\nLiH,1,9.03,LiH2-,9\nLiH,1,7.02,Li-,2\n"
        "LiH,2,7.02,Li-,3\nLiH,2,9.03,LiH2-,8\n"
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_table(tmp_path, table, form):
    (tmp_path / "table.csv").write_text(FORMS[form], encoding="utf-8-sig")
    same(peak_tables.read(tmp_path / "table.csv"), table)


def test_a_packed_file_is_read(tmp_path, table):
    (tmp_path / "table.csv.gz").write_bytes(gzip.compress(FORMS["long"].encode()))
    same(peak_tables.read(tmp_path / "table.csv.gz"), table)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "holds no row of numbers"),
        ("m/z,ion,LiH_1\n", "holds no row of numbers"),
        ("a,b\n1,2\n", r"the columns must be sample, spot, mz and intensity \(long\)"),
        ("m/z,ion,LiH_1\n7.02,Li-,many\n", "row 1, column 'LiH_1': 'many' is not a number"),
        ("m/z,ion,LiH_1\n7.02,Li-,\n", "row 1, column 'LiH_1': '' is not a number"),
        ("m/z,ion,LiH_1\n7.02,Li-,-4\n", "not negative, got -4.0 at m/z 7.02 of LiH, spot 1"),
        ("m/z,ion,LiH_1\n7.02,Li-,4\n7.02,Li-,4\n", "mz: 7.02 occurs twice"),
        ("m/z,ion,LiH\n7.02,Li-,4\n", "the column 'LiH' is not named like a spectrum"),
        ("m/z,ion\n7.02,Li-\n", "no column is named like a spectrum"),
        ("m/z,ion,LiH_1\n7.02,Li-\n", "row 1 has 2 fields, the head has 3"),
        ("m/z,ion,LiH_1,LiH_1\n7.02,Li-,1,2\n", "the column 'LiH_1' occurs twice"),
        ("sample,spot,Li-\nLiH,1,3\n", "the column 'Li-' does not start with an m/z"),
        ("sample,spot,7.02 Li-\nLiH,1,3\nLiH,1,4\n", "spots: 1 occurs twice on LiH"),
        ("sample,spot,7.02 Li-\nLiH,one,3\n", "column 'spot': 'one' is not a number"),
        ("sample,spot,intensity\nLiH,1,3\n", "the column 'mz' is missing"),
        ("sample,spot,mz,intensity\nLiH,1,7.02,3\nLiH,1,9.03,3\nLiH,2,7.02,3\n", "m/z 9.03 is missing for spot 2 of LiH"),
        ("sample,spot,mz,intensity\nLiH,1,7.02,3\nLiH,1,7.02,4\n", "m/z 7.02 occurs twice for spot 1 of LiH"),
        ("sample,spot,mz,ion,intensity\nLiH,1,7.02,Li-,3\nLiH,2,7.02,K-,4\n", "m/z 7.02 has several ions"),
    ],
)
def test_a_damaged_file_is_named_with_its_fault(tmp_path, text, fault):
    path = tmp_path / "peaks.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DamagedFile, match=f"peaks.csv: .*{fault}"):
        peak_tables.read(path)


def test_a_file_that_is_no_text_is_named(tmp_path):
    (tmp_path / "peaks.csv").write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(DamagedFile, match="peaks.csv: not a text file in UTF-8"):
        peak_tables.read(tmp_path / "peaks.csv")


def test_a_missing_file_is_missing(tmp_path):
    with pytest.raises(FileNotFoundError):
        peak_tables.read(tmp_path / "peaks.csv")
