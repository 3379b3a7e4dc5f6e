"""The parts of ``evaluate.py``: the question, the input pipeline, inference, scores, predictions."""
