"""ONNX graphs of encoders: writing, quantising and running them."""
