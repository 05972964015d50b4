"""Suites: a file with a question, its grid of cells, and their run."""
