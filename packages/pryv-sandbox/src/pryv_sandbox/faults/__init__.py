"""Faults that tests can arm."""
