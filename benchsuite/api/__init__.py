"""What ``benchsuite.evaluate(...)`` and its siblings do: each command as one function, which the command line calls.

A function takes names as they are typed, and returns a frozen result: its tables are pandas DataFrames, its ``repr``
reads well in a terminal, and notebooks show it as HTML. Every mistake of a user is a ``BenchsuiteError`` of one line.
"""
