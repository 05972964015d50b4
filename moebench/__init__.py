"""moebench: which mixture-of-experts routing strategy a vision model should use, with evidence."""

__version__ = "0.1.0"
