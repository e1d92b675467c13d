"""How well log hazards order the subjects, how good the probabilities are, and how sure that is.

==================  =========================================================================
`concordance`       Harrell's and Uno's index
`roc`               ROC curve and its area, for a plain label and for a horizon in time
`brier`             squared errors of survival probabilities under censoring
`calibration`       predicted against observed survival
`kaplan_meier`      the estimate of a survival curve, and of the censoring
`resampling`        bootstrap intervals and the comparison of two models
==================  =========================================================================
"""

from toolkit.survival.metrics.brier import brier_score, integrated_brier_score
from toolkit.survival.metrics.calibration import Calibration, calibration
from toolkit.survival.metrics.concordance import Pairs, concordance_index, concordance_pairs, uno_concordance
from toolkit.survival.metrics.kaplan_meier import KaplanMeier, kaplan_meier
from toolkit.survival.metrics.resampling import Comparison, Interval, bootstrap_interval, paired_comparison
from toolkit.survival.metrics.roc import DynamicAUC, auroc, cumulative_dynamic_auc, roc_curve
from toolkit.survival.observations import NotDefined

__all__ = [
    "Calibration", "Comparison", "DynamicAUC", "Interval", "KaplanMeier", "NotDefined", "Pairs", "auroc",
    "bootstrap_interval", "brier_score", "calibration", "concordance_index", "concordance_pairs", "cumulative_dynamic_auc",
    "integrated_brier_score", "kaplan_meier", "paired_comparison", "roc_curve", "uno_concordance",
]  # fmt: skip
