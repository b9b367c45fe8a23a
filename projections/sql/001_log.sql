-- The log, mirrored from Kafka with its bytes untouched, and how far the mirror and the fold have come.
-- Every projection is a view from here. A batch may arrive twice: the sorting key is the record's place in Kafka.

-- The instant of an RFC 3339 text between the years 1900 and 2199, else NULL. The engine's best-effort parser alone
-- would read "1" or "0000-00-00" as some day of this year.
CREATE OR REPLACE FUNCTION instant AS (text) ->
    if(text >= '1900' AND text < '2200' AND length(text) >= 20, parseDateTime64BestEffortOrNull(text, 3, 'UTC'), NULL);

CREATE TABLE IF NOT EXISTS log
(
    topic        LowCardinality(String) COMMENT 'Kafka topic: events, derived, rejected (without its raw bytes) or devices',
    partition    UInt32 COMMENT 'partition of the topic',
    offset       UInt64 CODEC(Delta, ZSTD(1)) COMMENT 'offset in the partition',
    key          String CODEC(ZSTD(1)) COMMENT 'record key: the subject on events and derived',
    type         LowCardinality(String) COMMENT 'event type with its version, as received; the topic where records have none',
    identity     UUID COMMENT 'UUIDv5 of (source, id); nil where the topic has none',
    time         Nullable(DateTime64(3, 'UTC')) DEFAULT instant(JSONExtract(coalesce(upcast, value), 'time', 'Nullable(String)'))
                 CODEC(ZSTD(1)) COMMENT 'when it happened; NULL where the record does not say',
    recordedtime DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)) COMMENT 'when a gateway accepted it (Kafka timestamp)',
    knowntime    DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)) COMMENT 'running maximum of recordedtime in the partition, in offset order',
    value        String CODEC(ZSTD(3)) COMMENT 'the record, its bytes untouched',
    upcast       Nullable(String) CODEC(ZSTD(3)) COMMENT 'the event in its newest version, where it differs from value'
)
ENGINE = ReplacingMergeTree
ORDER BY (topic, partition, offset);

-- What passes the rows of an insert on by kind, and keeps none. A view costs an insert its analysis, some milliseconds,
-- only if a row reaches it: forty views on `log` itself cost 150 ms each time, these a fifth. None of them is ever edited,
-- for the tables behind it would not be filled anew: another condition is another name.
CREATE TABLE IF NOT EXISTS log_readings AS log ENGINE = Null;
CREATE MATERIALIZED VIEW log_readings_mv TO log_readings AS
SELECT * FROM log WHERE topic = 'events' AND type LIKE 'mailiu.reading.%-measured.v%';

CREATE TABLE IF NOT EXISTS log_care AS log ENGINE = Null;
CREATE MATERIALIZED VIEW log_care_mv TO log_care AS
SELECT * FROM log
WHERE topic = 'events' AND type NOT LIKE 'mailiu.reading.%-measured.v%' AND type NOT LIKE 'mailiu.clock.%';

CREATE TABLE IF NOT EXISTS log_derived AS log ENGINE = Null;
CREATE MATERIALIZED VIEW log_derived_mv TO log_derived AS
SELECT * FROM log WHERE topic = 'derived' AND type NOT LIKE 'mailiu.fold.%';

CREATE TABLE IF NOT EXISTS log_conduct AS log ENGINE = Null;
CREATE MATERIALIZED VIEW log_conduct_mv TO log_conduct AS
SELECT * FROM log
WHERE topic IN ('events', 'derived')
    AND (type LIKE 'mailiu.notice.%' OR type LIKE 'mailiu.engagement.%' OR type LIKE 'mailiu.device.%');

-- Home readings are many and no statistic of the programme counts them: a cheap look for the word spares them the parser.
CREATE TABLE IF NOT EXISTS log_programme AS log ENGINE = Null;
CREATE MATERIALIZED VIEW log_programme_mv TO log_programme AS
SELECT * FROM log
WHERE topic = 'events' AND (type LIKE 'mailiu.chronic.%' OR type LIKE 'mailiu.resident.%'
    OR type LIKE 'mailiu.reading.blood-pressure-measured.%' AND position(value, '"office"') > 0);

CREATE TABLE IF NOT EXISTS log_technical AS log ENGINE = Null;
CREATE MATERIALIZED VIEW log_technical_mv TO log_technical AS
SELECT * FROM log WHERE topic IN ('devices', 'rejected');

CREATE TABLE positions_v1
(
    topic          LowCardinality(String) COMMENT 'Kafka topic',
    partition      UInt32 COMMENT 'partition of the topic',
    next_offset    SimpleAggregateFunction(max, UInt64) COMMENT 'every record below it is projected',
    last_knowntime SimpleAggregateFunction(max, DateTime64(3, 'UTC')) COMMENT 'knowntime of the newest projected record'
)
ENGINE = AggregatingMergeTree
ORDER BY (topic, partition);

-- After the flush, not by a view: a position must not show before everything that it promises.
INSERT INTO positions_v1
SELECT topic, partition, max(offset) + 1 AS next_offset, max(knowntime) AS last_knowntime
FROM log
GROUP BY topic, partition;

CREATE OR REPLACE VIEW positions AS
SELECT topic, partition, max(p.next_offset) AS next_offset, max(p.last_knowntime) AS last_knowntime
FROM positions_v1 AS p
GROUP BY topic, partition;

CREATE TABLE progress_v1
(
    partition    UInt32 COMMENT 'partition of events',
    next_offset  SimpleAggregateFunction(max, UInt64) COMMENT 'every event below it is folded and its outputs are projected',
    time         SimpleAggregateFunction(max, DateTime64(3, 'UTC')) COMMENT 'core time of the fold there'
)
ENGINE = AggregatingMergeTree
ORDER BY partition;

INSERT INTO progress_v1
SELECT partition, max(assumeNotNull(next)) AS next_offset, max(recordedtime) AS time
FROM (
    SELECT partition, recordedtime, JSONExtract(value, 'data', 'next_offset', 'Nullable(UInt64)') AS next
    FROM log
    WHERE topic = 'derived' AND type = 'mailiu.fold.progressed.v1'
)
WHERE next IS NOT NULL
GROUP BY partition;

CREATE OR REPLACE VIEW progress AS
SELECT partition, max(p.next_offset) AS next_offset, max(p.time) AS time
FROM progress_v1 AS p
GROUP BY partition;
