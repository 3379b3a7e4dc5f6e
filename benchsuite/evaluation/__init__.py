"""The steps of ``evaluator.py``: the question, the input pipeline, inference, scoring, predictions."""
