"""Compile cells for absent devices, and plan memory, traffic and time bounds.

The plan follows from the compiled programs.
"""
