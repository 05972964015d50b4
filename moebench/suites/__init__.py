"""Suites: the file that asks a question, the grid of cells it spans, and the running of them."""
