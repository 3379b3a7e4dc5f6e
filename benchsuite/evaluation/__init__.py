"""The steps of ``walk.py``: the question, the input pipeline, inference, scoring, predictions."""
