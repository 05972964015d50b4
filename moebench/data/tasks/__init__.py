"""Diagnostic tasks: images drawn by rule, whose right routing is known."""
