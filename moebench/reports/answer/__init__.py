"""Answers in words from results: a sentence or a terminal table."""
