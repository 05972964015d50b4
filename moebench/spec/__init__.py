"""Contracts between users and modules: the keys of a cell, limits, names, and YAML with its line numbers."""
