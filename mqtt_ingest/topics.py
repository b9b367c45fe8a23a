"""The topics of MQTT: a device publishes on ``up/{kind}`` and reads ``down/…`` below its institution and itself."""

import re

#: What every device publishes; the bridge subscribes to it.
UP = "mailiu/+/+/up/+"
#: What institutions and devices may be called: one level of a topic, and nothing that a pattern of topics could mean.
CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
