"""Tables: cells and columns, and the tables of runs, trainings, grids and published numbers."""
