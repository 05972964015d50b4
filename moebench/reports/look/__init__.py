"""Show recorded routing on images, side by side, as one HTML page."""
