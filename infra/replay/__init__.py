"""Real input from files: CSV by mapping, NDJSON of events, FHIR; every row accounted for."""
