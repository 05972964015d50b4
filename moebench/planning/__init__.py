"""Compile cells for absent devices, and plan memory, traffic and time bounds from the compiled programs."""
