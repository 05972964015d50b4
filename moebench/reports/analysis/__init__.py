"""Analyse result rows: each analysis takes a frame or `Results` and returns a frame."""
