"""Diagnostic tasks: images drawn by rule, for which the right routing is known."""
