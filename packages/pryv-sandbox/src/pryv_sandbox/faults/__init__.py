"""Faults that tests can ask for."""
