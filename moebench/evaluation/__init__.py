"""Measurements of a trained model: accuracy, routing metrics, linear probes, test-time settings."""
