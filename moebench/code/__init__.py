"""Know source code by what runs of it, so that results and drawn images are told from those of other code."""
