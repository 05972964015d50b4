"""What users and rooms agree on: the keys of a cell, limits, names and YAML with its line numbers."""
