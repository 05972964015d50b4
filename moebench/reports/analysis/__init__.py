"""Analyse result rows: a frame in, a frame out."""
