"""Analyses of result rows: a frame in, a frame out."""
