"""Guidance for one person: sentences from versioned templates, each with its reason, in Chinese and English."""
