"""What an operator sees: metrics of every part on one page, the rules that wake somebody, logs for machines."""
