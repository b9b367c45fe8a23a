"""No example of a property has a deadline: the machine may be busy."""

from hypothesis import settings

settings.register_profile("any-speed", deadline=None)
settings.load_profile("any-speed")
