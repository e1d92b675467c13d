"""Panels: widgets that drive a run and draw it while it happens. The only part of the toolkit that needs Jupyter."""

from toolkit.panels.landscape import LandscapePanel
from toolkit.panels.optimizer import OptimizerPanel
from toolkit.panels.study import StudyPanel

__all__ = ["LandscapePanel", "OptimizerPanel", "StudyPanel"]
