"""Contracts between users and modules: keys of a cell, limits, names, and YAML.

YAML is read with its line numbers.
"""
