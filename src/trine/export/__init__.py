"""Trained models as ONNX graphs, each proved against the network that it was made of."""
