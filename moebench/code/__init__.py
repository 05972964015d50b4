"""Identify source code by its executed part, so that results and drawn images of different code are kept apart."""
