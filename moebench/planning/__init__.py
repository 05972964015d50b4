"""Compile cells for devices that are not there, and plan memory, traffic and time bounds from the compiled programs."""
