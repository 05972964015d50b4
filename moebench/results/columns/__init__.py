"""Declarations of the result table's columns, one module for each kind of number."""
