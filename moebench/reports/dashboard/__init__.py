"""Build the HTML dashboard: frames in, one offline page out."""
