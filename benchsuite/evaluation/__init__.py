"""The steps of ``evaluate.py``: the question, the input pipeline, inference, scoring, predictions."""
