"""Writes, quantizes and runs the ONNX graphs of encoders."""
