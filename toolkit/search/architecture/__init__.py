"""Networks as frozen descriptions that build themselves, count FLOPs and parameters, and can be compared and written down.

Which channels must agree is said by the names of `widths`: all convolutions that end in one residual stream share one width.
An edit gives the new description and a function that carries the weights of a trained network and its optimizer's state over.
"""

from toolkit.search.architecture.blocks import ORDERS
from toolkit.search.architecture.comparison import Difference, compare
from toolkit.search.architecture.edits import INITS, insert_block, places, remove_block, set_widths
from toolkit.search.architecture.plain import ConvSpec, DenseSpec
from toolkit.search.architecture.residual import ResNetSpec, Stage, resnet18
from toolkit.search.architecture.spec import Collapsed, Layer, Spec
from toolkit.search.architecture.text import from_json

__all__ = [
    "INITS", "ORDERS", "Collapsed", "ConvSpec", "DenseSpec", "Difference", "Layer", "ResNetSpec", "Spec", "Stage", "compare",
    "from_json", "insert_block", "places", "remove_block", "resnet18", "set_widths",
]  # fmt: skip
