"""Rendered, captioned scenes: `scenes-N`."""
