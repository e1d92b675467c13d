"""Independent programs that the survival analysis is compared with."""

import warnings

import sksurv.linear_model.coxph

with warnings.catch_warnings():  # torchsurv uses what torch has deprecated
    warnings.filterwarnings("ignore", message=".*torch.jit.script", category=DeprecationWarning)
    from torchsurv.loss.cox import neg_partial_log_likelihood
    from torchsurv.metrics.brier_score import BrierScore
    from torchsurv.metrics.cindex import ConcordanceIndex

# The one place where scikit-survival has the value of the likelihood; its name has changed before.
CoxPHOptimizer = getattr(sksurv.linear_model.coxph, "CoxPHOptimizer", None)

__all__ = ["BrierScore", "ConcordanceIndex", "CoxPHOptimizer", "neg_partial_log_likelihood"]
