"""Mass spectra of surfaces (Zhao, section 4.3): from raw spectra to peaks, components, classes, compositions and ions.

    from toolkit import spectra
    from toolkit.datasets import lithium_spectra, peak_tables

    table = lithium_spectra.simulate()                      # or peak_tables.read("my_peaks.csv")
    pure, unknown = table.of("LiH", "LiOH", "Li2O"), table.of("sample_2")
    print(spectra.characteristic_peaks(pure).frame(5))
    print(spectra.compositions(spectra.classifier().fit(pure.intensities, pure.samples), unknown).frame())

=====================  =============================================================================================
`scaling`              the pre-treatments as scikit-learn transformers
`components`           principal components, ellipses, the reading in three steps, decision boundaries
`decomposition`        NMF and MCR-ALS, the elbow, matching to references
`classification`       the models of Tables 4.7 and 4.8, folds, the study
`characteristic`       which peaks tell the classes apart
`compositions`         probabilities, pseudo-mixtures, regression with an honest split, joint intervals
`ions`, `nuclides`     formulas, exact masses, candidates for a peak, the isotopes of lithium, plausibility
`calibration`          time of flight to m/z
`search`               peaks, common borders, areas, dead peaks
=====================  =============================================================================================
"""

from toolkit.datasets.peak_tables import PeakTable
from toolkit.spectra.calibration import Calibration, calibrate, refine
from toolkit.spectra.characteristic import CharacteristicPeaks, characteristic_peaks
from toolkit.spectra.classification import MODELS, TABLE_4_7, TABLE_4_8, Classified, classifier, classify, folds
from toolkit.spectra.components import (
    Components,
    DecisionMap,
    Ellipse,
    Reading,
    components,
    decision_map,
    ellipse,
    overlaps,
    reading,
)
from toolkit.spectra.compositions import (
    REGRESSORS,
    Compositions,
    PseudoMixtures,
    Regressed,
    compositions,
    joint_half_widths,
    pseudo_mixtures,
    regress,
    regressor,
    split,
)
from toolkit.spectra.decomposition import Decomposition, Elbow, Match, decompose, elbow, factorise, match
from toolkit.spectra.ions import Candidate, Ion, Pattern, assign, check_pattern, isotope_pattern, parse, plausible
from toolkit.spectra.scaling import SCALINGS, scale
from toolkit.spectra.search import alive, find_peaks, integrate, peak_table

__all__ = [
    "MODELS", "REGRESSORS", "SCALINGS", "TABLE_4_7", "TABLE_4_8", "Calibration", "Candidate", "CharacteristicPeaks",
    "Classified", "Components", "Compositions", "DecisionMap", "Decomposition", "Elbow", "Ellipse", "Ion", "Match",
    "Pattern", "PeakTable", "PseudoMixtures", "Reading", "Regressed", "alive", "assign", "calibrate",
    "characteristic_peaks", "check_pattern", "classifier", "classify", "components", "compositions", "decision_map",
    "decompose", "elbow", "ellipse", "factorise", "find_peaks", "folds", "integrate", "isotope_pattern",
    "joint_half_widths", "match", "overlaps", "parse", "peak_table", "plausible", "pseudo_mixtures", "reading",
    "refine", "regress", "regressor", "scale", "split",
]  # fmt: skip
