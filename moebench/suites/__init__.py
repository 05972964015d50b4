"""Suites: the file with a question, the grid of cells, and the run of the cells."""
