"""The HTML dashboard: a frame in, one offline page out."""
