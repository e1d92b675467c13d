"""Formulas, features of compositions, the OBELiX table and its simulated stand-in."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.datasets import DamagedFile, DataNotFound, conductivities
from toolkit.datasets.elements import ELEMENTS, composition

HEADER = ",".join(conductivities.COLUMNS)
ROW = "Li2O,Li8.0O4.0,{},oxides,10.1/x,4.6,4.6,4.6,90,90,90"


@pytest.mark.parametrize(
    ("formula", "atoms"),
    [
        ("H2O", {"H": 2, "O": 1}),
        ("Li1.3Al0.3Ti1.7(PO4)3", {"Li": 1.3, "Al": 0.3, "Ti": 1.7, "P": 3, "O": 12}),
        ("(La0.5Li0.5)0.9[TiO3]2", {"La": 0.45, "Li": 0.45, "Ti": 2, "O": 6}),
        ("Li(Si2(O2)2)3O", {"Li": 1, "Si": 6, "O": 13}),
        ("La0.62 Li0.14(Mg0.5W0.5)O3", {"La": 0.62, "Li": 0.14, "Mg": 0.5, "W": 0.5, "O": 3}),
        ("LiOH*(H2O)2", {"Li": 1, "O": 3, "H": 5}),
        ("Li2O0", {"Li": 2}),
    ],
)
def test_a_formula_is_counted(formula, atoms):
    assert composition(formula) == pytest.approx(atoms)


@given(st.dictionaries(st.sampled_from(sorted(ELEMENTS)), st.integers(1, 10**6).map(lambda n: n / 1000), min_size=1))
def test_what_is_written_as_a_formula_is_read_again(atoms):
    assert composition("".join(f"{symbol}{count}" for symbol, count in atoms.items())) == pytest.approx(atoms)
    assert composition("(" + "".join(f"{s}{n}" for s, n in atoms.items()) + ")2") == pytest.approx(
        {symbol: 2 * count for symbol, count in atoms.items()}
    )


@pytest.mark.parametrize(
    ("formula", "message"),
    [
        ("", "holds no atoms"),
        ("Li0", "holds no atoms"),
        ("Xx2", "'Xx' is not among"),
        ("li2O", "'l' at position 0"),
        ("Li-O", "'-' at position 2"),
        ("2Li", "the number 2 follows no element"),
        ("Li2 3", "the number 3 follows no element"),
        ("Li(O", "not closed"),
        ("LiO)2", "closes that was not opened"),
    ],
)
def test_what_is_no_formula_is_refused(formula, message):
    with pytest.raises(ValueError, match=message):
        composition(formula)


def test_a_formula_is_a_text():
    with pytest.raises(TypeError, match="formula must be a text, got nan"):
        composition(float("nan"))


def test_the_elements_are_in_the_order_of_their_numbers_and_masses_grow():
    numbers = [element.number for element in ELEMENTS.values()]
    assert numbers == sorted(set(numbers))
    masses = {element.number: element.mass for element in ELEMENTS.values()}
    fallen = [number for number in masses if number + 1 in masses and masses[number + 1] <= masses[number]]
    assert fallen == [27, 52]  # cobalt is heavier than nickel, tellurium than iodine
    assert max(ELEMENTS.values(), key=lambda element: element.electronegativity).symbol == "F"
    assert max(ELEMENTS.values(), key=lambda element: element.radius).symbol == "Cs"


def test_features_of_lithium_sulfide_by_hand():
    row = conductivities.features(["Li2S"]).iloc[0]
    mean = (2 * 0.98 + 2.58) / 3
    expected = {
        "lithium share": 2 / 3, "oxygen share": 0, "sulfur share": 1 / 3, "phosphorus share": 0, "halogen share": 0,
        "elements": 2, "electronegativity": mean, "electronegativity spread": (2 * (mean - 0.98) + 2.58 - mean) / 3,
        "mass": (2 * 6.94 + 32.06) / 3,
    }  # fmt: skip
    assert row[list(expected)].to_dict() == pytest.approx(expected)


def test_features_do_not_depend_on_the_other_rows_nor_on_how_the_formula_is_written():
    formulas = ["Li2S", "Li7La3Zr2O12", "Li6PS5Cl"]
    together = conductivities.features(formulas)
    for number, formula in enumerate(formulas):
        assert conductivities.features([formula]).iloc[0].equals(together.iloc[number])
    a, b = conductivities.features(["Li3(PO4)", "Li6P2O8"]).to_numpy()
    np.testing.assert_allclose(a, b)


def test_shares_sum_to_one():
    table = conductivities.shares(["Li2S", "Li7La3Zr2O12", "Li6PS5Cl"])
    np.testing.assert_allclose(table.sum(axis=1), 1.0)
    assert table.loc[0, "O"] == 0.0


def test_the_simulated_table_says_so_and_repeats():
    data, again, other = (conductivities.simulated(80, seed=seed) for seed in (1, 1, 2))
    assert data.simulated and "simulated" in data.describe().loc["origin"].iloc[0]
    assert data.table.equals(again.table) and not data.table.equals(other.table)
    assert len(data.table) == 80 and data.features().shape == (80, 13)
    assert data.table.groupby("paper")["family"].nunique().eq(1).all()
    assert data.table.groupby("paper")["part"].nunique().eq(1).all()
    np.testing.assert_allclose(np.log10(data.table["conductivity"]), data.table["log_conductivity"])
    with pytest.raises(ValueError, match="n must be 20 or more, got 3"):
        conductivities.simulated(3)


def test_both_tables_have_the_same_columns(tmp_path):
    write(tmp_path, [ROW.format("1e-5")])
    assert set(conductivities.obelix(tmp_path).table) == set(conductivities.simulated(20).table)


def write(folder, train, test=None):
    for name, rows in (("obelix_train.csv", train), ("obelix_test.csv", test or train)):
        (folder / name).write_text("\n".join([HEADER, *rows]), encoding="utf-8")


def test_upper_bounds_are_marked_and_can_be_left_out(tmp_path):
    write(tmp_path, [ROW.format("1e-5"), ROW.format("<1E-10")])
    data = conductivities.obelix(tmp_path)
    assert data.table["upper_bound"].tolist() == [False, True] * 2
    assert data.table["log_conductivity"].tolist() == pytest.approx([-5, -10] * 2)
    assert len(data.measured().table) == 2 and not data.measured().table["upper_bound"].any()
    assert data.table["volume_per_atom"].iloc[0] == pytest.approx(4.6**3 / 12)
    assert "differ from those of commit" in data.source and not data.simulated


def test_without_the_files_the_simulated_table_takes_their_place(tmp_path):
    with pytest.raises(DataNotFound, match=r"obelix_train.csv and obelix_test.csv were looked for in .*github.com/NRC-Mila"):
        conductivities.obelix(tmp_path)
    assert conductivities.load(tmp_path).simulated


@pytest.mark.parametrize(
    ("train", "message"),
    [
        (["Li2O"], "obelix_train.csv: "),
        ([ROW.format("-1e-5")], "conductivities must be positive, got -1e-05"),
        ([ROW.format("high")], "obelix_train.csv: could not convert"),
        ([ROW.format("1e-5").replace("Li8.0O4.0", "Qq3")], "'Qq' is not among"),
    ],
)
def test_a_damaged_file_is_named(tmp_path, train, message):
    write(tmp_path, train, [ROW.format("1e-5")])
    with pytest.raises(DamagedFile, match=message):
        conductivities.obelix(tmp_path)


def test_a_file_without_a_column_is_named(tmp_path):
    write(tmp_path, [ROW.format("1e-5")])
    (tmp_path / "obelix_test.csv").write_text("a,b\n1,2\n")
    with pytest.raises(DamagedFile, match="obelix_test.csv: the column 'Reduced Composition' is missing"):
        conductivities.obelix(tmp_path)
    (tmp_path / "obelix_test.csv").write_bytes(b"\xff\xfe\x00binary")
    with pytest.raises(DamagedFile, match="obelix_test.csv"):
        conductivities.obelix(tmp_path)


@pytest.fixture
def real():
    try:
        return conductivities.obelix()
    except DataNotFound:
        pytest.skip("OBELiX is not on this machine")


def test_obelix_is_what_its_origin_says(real):
    assert len(real.table) == 599 and real.table["upper_bound"].sum() == 37
    assert (real.table["part"] == "train").sum() == 478
    assert real.table["conductivity"][~real.table["upper_bound"]].agg(["min", "max"]).tolist() == [4.2e-18, 2.5e-2]
    papers = real.table.groupby("part")["paper"].unique()
    assert not set(papers["train"]) & set(papers["test"])
    assert "the published files" in real.source and np.isfinite(real.features().to_numpy()).all()


def test_a_changed_copy_of_obelix_is_not_called_the_published_one(real, tmp_path):
    import os

    for file, _ in conductivities.FILES.values():
        shutil.copy(Path(os.environ["TOOLKIT_DATA"]) / conductivities.FOLDER / file, tmp_path / file)
    with (tmp_path / "obelix_test.csv").open("a") as stream:
        stream.write("\n")
    assert "differ" in conductivities.obelix(tmp_path).source
