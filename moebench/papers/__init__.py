"""Printed numbers from papers, for comparison."""
