"""Implement the published routing strategies, one file for each family."""
