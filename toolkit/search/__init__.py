"""Search for network architectures: operations that reshape a trained network, and the methods that choose among them."""

from toolkit.search import advice, architecture, cost, morphnet, resbuilder, surgeon, surgery

__all__ = ["advice", "architecture", "cost", "morphnet", "resbuilder", "surgeon", "surgery"]
