"""What the parts count. No label ever holds a person, a device or a text: only codes of a short list."""

from prometheus_client import Counter, Gauge, Histogram

DELAYS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)

RECEIPTS = Counter("mailiu_receipts", "Receipts published to devices.", ["status"])
REJECTED = Counter("mailiu_rejected", "Messages and events refused and kept in `rejected`.", ["reason"])
BRIDGE_DELAY = Histogram(
    "mailiu_bridge_seconds", "From a message's arrival at the bridge until Kafka holds it.", buckets=DELAYS
)
UNDER_WAY = Gauge(
    "mailiu_bridge_under_way", "Messages that the bridge has taken and not acknowledged.",
    multiprocess_mode="mostrecent",
)  # fmt: skip
APPENDED = Counter(
    "mailiu_appended", "Events that gateways handed to the log, by type; the sender's outcomes too.", ["type"]
)
FOLDED = Counter("mailiu_folded", "Records of `events` folded.")
DERIVED = Counter("mailiu_derived", "Events derived, by type.", ["type"])
WRITTEN = Counter("mailiu_written", "Rows inserted into the table `log`.")
FLUSH = Histogram("mailiu_flush_seconds", "Time of one insert into ClickHouse, tries included.", buckets=DELAYS)
TABLES_REFUSED = Counter("mailiu_tables_refused", "Attempts that ClickHouse refused; each is repeated.")

for status in ("accepted", "rejected"):
    RECEIPTS.labels(status)  # a rate needs a zero to rise from
REJECTED.labels("unfoldable")
for outcome in ("mailiu.device.command-expired.v1", "mailiu.notice.failed.v1", "mailiu.notice.expired.v1"):
    APPENDED.labels(outcome)
