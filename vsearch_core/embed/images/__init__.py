"""Models that turn pictures and texts into vectors of one space: CLIP and SigLIP, run by ONNX Runtime."""
