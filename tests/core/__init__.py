"""The pure core, without any part of the stack: expected values come from the guideline texts."""
