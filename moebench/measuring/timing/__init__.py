"""Interleaved timing of compiled programs, and what may disturb it."""
