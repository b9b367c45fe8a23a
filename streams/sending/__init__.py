"""What leaves the house: device commands and notices, each at least once, never past its deadline."""
