"""Tests of the API and of the indicators that it serves."""
