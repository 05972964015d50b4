"""The published routing strategies, one file for each family."""
