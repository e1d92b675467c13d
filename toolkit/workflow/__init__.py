"""The way from a task to the next experiment (Zhao, Fig. 3.2), with scikit-learn's models.

    model = workflow.model("k-nearest neighbours", "regression", n_neighbors=5)
    folds = workflow.folds(targets, groups=papers)
    for assessment in workflow.sweep(model, "n_neighbors", range(1, 30), inputs, targets, folds=folds):
        print(assessment.value, assessment.train_error, assessment.validation_error)

==============  ====================================================================================
`models`        the classical models of section 2.5 with the hyper-parameters that matter
`assessment`    training and validation error of a model over folds, one hyper-parameter at a time
`problems`      a target with one or two features, so that it can be drawn
`structure`     maps and groups of samples without labels
`active`        which sample to measure next, with any regressor that knows its uncertainty
==============  ====================================================================================
"""

from toolkit.workflow.active import STRATEGIES, Round, active_learning, mean_and_spread
from toolkit.workflow.assessment import Assessment, assess, folds, sweep
from toolkit.workflow.models import MODELS, HyperParameter, Model, model, model_code
from toolkit.workflow.problems import FAMILIES, GOALS, MADE_UP, Problem, electrolytes, from_table, made_up
from toolkit.workflow.structure import GROUPINGS, MAPS, Grouping, group, groupings, place

__all__ = [
    "FAMILIES", "GOALS", "GROUPINGS", "MADE_UP", "MAPS", "MODELS", "STRATEGIES", "Assessment", "Grouping", "HyperParameter",
    "Model", "Problem", "Round", "active_learning", "assess", "electrolytes", "folds", "from_table", "group", "groupings",
    "made_up", "mean_and_spread", "model", "model_code", "place", "sweep",
]  # fmt: skip
