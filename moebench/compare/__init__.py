"""Compare two selections of results, A against B."""
