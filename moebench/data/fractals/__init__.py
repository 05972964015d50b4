"""Render fractals: classes of iterated function systems, drawn the same on every machine."""
