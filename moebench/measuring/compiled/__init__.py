"""Counts that are read from the text of compiled programs."""
