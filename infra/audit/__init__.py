"""The audit trail: who saw whom, hash-chained on the topic `audit`."""
