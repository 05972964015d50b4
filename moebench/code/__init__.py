"""Know source code by what runs of it, so that results and drawn images are kept apart from those of other code."""
