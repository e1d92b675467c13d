"""Search for network architectures: operations that reshape a trained network, and the methods that choose among them."""
