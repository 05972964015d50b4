"""Build the HTML dashboard: one offline page from frames."""
