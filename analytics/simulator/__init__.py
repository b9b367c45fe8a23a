"""A simulated district: who lives there, how ill they truly are, what their devices send, and how the rules do.

Pure: numbers from a seed, no clock, no input or output. `district.District` puts the ideas together; every file is one
of them. `infra.simulate` writes what it gives to a file or to a running Mailiu, and folds it to be scored.
"""
