"""Panels: widgets that drive a run and draw it while it happens. The only part of the toolkit that needs Jupyter."""

from toolkit.panels.backpropagation import BackpropagationPanel
from toolkit.panels.campaign import CampaignPanel
from toolkit.panels.convolution import ConvolutionPanel
from toolkit.panels.depth import DepthPanel
from toolkit.panels.descent import DescentPanel
from toolkit.panels.duel import DuelPanel
from toolkit.panels.fitting import FittingPanel
from toolkit.panels.gallery import GalleryPanel
from toolkit.panels.inverse import InversePanel
from toolkit.panels.landscape import LandscapePanel
from toolkit.panels.latent import LatentPanel
from toolkit.panels.maps import MapPanel
from toolkit.panels.membrane import MembranePanel
from toolkit.panels.models import ModelPanel
from toolkit.panels.morphnet import MorphNetPanel
from toolkit.panels.network_ideas import NetworkIdeaPanel
from toolkit.panels.optimizer import OptimizerPanel
from toolkit.panels.potential import PotentialPanel
from toolkit.panels.resbuilder import ResBuilderPanel
from toolkit.panels.selection import SelectionPanel
from toolkit.panels.spectra_components import ComponentsPanel
from toolkit.panels.spectra_decomposition import DecompositionPanel
from toolkit.panels.spectra_identification import IdentificationPanel
from toolkit.panels.strategies import StrategyPanel
from toolkit.panels.study import StudyPanel
from toolkit.panels.surgeon import OperationPanel, SurgeonPanel
from toolkit.panels.survival import CoxPanel
from toolkit.panels.survival_metrics import MetricPanel
from toolkit.panels.symmetry import SymmetryPanel
from toolkit.panels.tortuosity import TortuosityPanel

__all__ = [
    "InversePanel", "LatentPanel", "MembranePanel", "TortuosityPanel",
    "CampaignPanel", "DuelPanel", "StrategyPanel",
    "PotentialPanel", "SelectionPanel", "SymmetryPanel",
    "BackpropagationPanel", "ConvolutionPanel", "DepthPanel", "DescentPanel", "FittingPanel", "GalleryPanel",
    "ComponentsPanel", "CoxPanel", "DecompositionPanel", "IdentificationPanel", "LandscapePanel", "MapPanel", "MetricPanel",
    "ModelPanel", "MorphNetPanel", "NetworkIdeaPanel", "OperationPanel", "OptimizerPanel", "ResBuilderPanel",
    "StudyPanel", "SurgeonPanel",
]  # fmt: skip
