"""Identify source code by its executed part.

Results and drawn images of different code are kept apart.
"""
