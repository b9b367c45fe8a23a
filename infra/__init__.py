"""Everything around the product: settings, command line, local stack, embedded ClickHouse, replay, benchmarks."""
