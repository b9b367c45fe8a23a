"""Indicator definitions and their SQL."""
