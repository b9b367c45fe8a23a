-- Data quality: what was refused and why, what could not be read, what came twice with other content.

CREATE TABLE rejected_messages_v1
(
    id           UUID COMMENT 'identity of the refusal',
    source       String COMMENT 'where it came from: mqtt/institution/device, rest/client …',
    received     Nullable(DateTime64(3, 'UTC')) COMMENT 'when it came',
    reason       LowCardinality(String) COMMENT 'why: unreadable, unknown-kind, too-large, invalid, out-of-limits, wrong-institution, unbound-device …',
    field        Nullable(String) COMMENT 'field at fault',
    value        Nullable(String) COMMENT 'its value, at most 200 characters',
    message_zh   Nullable(String) COMMENT 'what to tell people, in Chinese',
    message_en   Nullable(String) COMMENT 'what to tell people, in English',
    device       Nullable(String) COMMENT 'device, where known',
    institution  LowCardinality(String) COMMENT 'institution, where known',
    kind         LowCardinality(String) COMMENT 'kind of reading, where known',
    mqtt_topic   Nullable(String) COMMENT 'MQTT topic it was published on',
    knowntime    DateTime64(3, 'UTC') COMMENT 'from when on an answer as of an instant may know it',
    missing      LowCardinality(String) COMMENT 'required field that the record lacks; such rows are served by unparsed',
    topic        LowCardinality(String) COMMENT 'Kafka topic of the refusal',
    partition    UInt32 COMMENT 'its partition',
    offset       UInt64 COMMENT 'its offset',
    version      UInt64 MATERIALIZED bitNot(offset) COMMENT 'the highest version wins: the lowest offset'
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (id);

CREATE MATERIALIZED VIEW rejected_messages_v1_mv TO rejected_messages_v1 AS
WITH JSONExtract(log.value, 'Tuple(
        source Nullable(String), received Nullable(String), reason Nullable(String), field Nullable(String),
        value Nullable(String), message Tuple(zh Nullable(String), en Nullable(String)), device Nullable(String),
        institution Nullable(String), kind Nullable(String), mqtt_topic Nullable(String))'
    ) AS refusal
SELECT
    identity AS id,
    ifNull(tupleElement(refusal, 'source'), '') AS source,
    instant(tupleElement(refusal, 'received')) AS received,
    ifNull(tupleElement(refusal, 'reason'), '') AS reason,
    tupleElement(refusal, 'field') AS field,
    tupleElement(refusal, 'value') AS value,
    tupleElement(tupleElement(refusal, 'message'), 'zh') AS message_zh,
    tupleElement(tupleElement(refusal, 'message'), 'en') AS message_en,
    tupleElement(refusal, 'device') AS device,
    ifNull(tupleElement(refusal, 'institution'), '') AS institution,
    ifNull(tupleElement(refusal, 'kind'), '') AS kind,
    tupleElement(refusal, 'mqtt_topic') AS mqtt_topic,
    knowntime,
    multiIf(reason = '', 'reason', received IS NULL, 'received', '') AS missing,
    topic,
    partition,
    offset
FROM log_technical AS log
WHERE topic = 'rejected' AND log.value != '';

CREATE OR REPLACE VIEW rejected_messages AS
SELECT * EXCEPT missing REPLACE (assumeNotNull(received) AS received) FROM rejected_messages_v1 FINAL WHERE missing = '';

-- Refusals without what was sent: to be counted by everybody.
CREATE TABLE refusals_v1
(
    id           UUID COMMENT 'identity of the refusal',
    source       String COMMENT 'where it came from: mqtt/institution/device, rest/client …',
    received     DateTime64(3, 'UTC') COMMENT 'when it came',
    reason       LowCardinality(String) COMMENT 'why it was refused',
    institution  LowCardinality(String) COMMENT 'institution, where known',
    kind         LowCardinality(String) COMMENT 'kind of reading, where known',
    topic        LowCardinality(String) COMMENT 'Kafka topic of the refusal',
    partition    UInt32 COMMENT 'its partition',
    offset       UInt64 COMMENT 'its offset',
    version      UInt64 MATERIALIZED bitNot(offset) COMMENT 'the highest version wins: the lowest offset'
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (id);

CREATE MATERIALIZED VIEW refusals_v1_mv TO refusals_v1 AS
SELECT id, source, assumeNotNull(r.received) AS received, reason, institution, kind, topic, partition, offset
FROM rejected_messages_v1 AS r
WHERE missing = '';

-- Records that no view can place: no JSON, or no readable time.
CREATE TABLE unreadable_v1
(
    topic      LowCardinality(String) COMMENT 'Kafka topic of the record',
    partition  UInt32 COMMENT 'its partition',
    offset     UInt64 COMMENT 'its offset',
    id         UUID COMMENT 'identity, where the record has one',
    key        String COMMENT 'record key',
    type       LowCardinality(String) COMMENT 'event type, where the record has one',
    missing    LowCardinality(String) COMMENT 'what is wrong: json, type or time'
)
ENGINE = ReplacingMergeTree
ORDER BY (topic, partition, offset);

CREATE MATERIALIZED VIEW unreadable_v1_mv TO unreadable_v1 AS
SELECT
    topic, partition, offset, identity AS id, key, type,
    multiIf(NOT isValidJSON(value), 'json', log.time IS NULL, 'time', 'type') AS missing
FROM log
WHERE topic IN ('events', 'derived') AND (log.time IS NULL OR type NOT LIKE 'mailiu.%')
    OR topic IN ('rejected', 'devices') AND value != '' AND NOT isValidJSON(value);

CREATE OR REPLACE VIEW unparsed AS
SELECT topic, partition, offset, id, key, missing FROM unreadable_v1 FINAL
UNION ALL SELECT topic, partition, offset, id, key, missing FROM unparsed_reading
UNION ALL SELECT topic, partition, offset, id, key, missing FROM unparsed_resident
UNION ALL SELECT topic, partition, offset, id, key, missing FROM unparsed_consent
UNION ALL SELECT topic, partition, offset, id, key, missing FROM unparsed_merge
UNION ALL SELECT topic, partition, offset, id, key, missing FROM unparsed_chronic
UNION ALL SELECT topic, partition, offset, id, key, missing FROM unparsed_examination
UNION ALL SELECT topic, partition, offset, id, key, missing FROM unparsed_follow_up
UNION ALL SELECT topic, partition, offset, id, key, missing FROM unparsed_score
UNION ALL SELECT topic, partition, offset, id, key, missing FROM unparsed_task
UNION ALL SELECT topic, partition, offset, id, key, missing FROM unparsed_round
UNION ALL SELECT topic, partition, offset, id, key, missing FROM unparsed_alert
UNION ALL SELECT topic, partition, offset, id, key, missing FROM unparsed_notice
UNION ALL SELECT topic, partition, offset, id, key, missing FROM unparsed_device
UNION ALL SELECT topic, partition, offset, id, key, missing FROM unparsed_organization
UNION ALL SELECT topic, partition, offset, id, key, missing FROM unparsed_programme
UNION ALL SELECT topic, partition, offset, id, '' AS key, missing FROM rejected_messages_v1 FINAL WHERE missing != '';

-- One event identity with two contents in one partition: the lowest offset holds, the others are kept in the log only.
CREATE OR REPLACE VIEW conflicts
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT
    identity AS id, any(l.key) AS resident, any(l.type) AS type, min(l.offset) AS kept_offset, max(l.offset) AS latest_offset,
    uniqExact(cityHash64(l.key, l.type, JSONExtractRaw(l.value, 'time'), JSONExtractRaw(l.value, 'data'))) AS contents,
    topic, partition
FROM log AS l
WHERE topic = 'events' AND (partition, identity) IN (
    SELECT partition, identity FROM log WHERE topic = 'events' GROUP BY partition, identity HAVING uniqExact(offset) > 1
)
GROUP BY topic, partition, identity
HAVING contents > 1;

ALTER TABLE conflicts
    COMMENT COLUMN id 'identity that came with several contents',
    COMMENT COLUMN resident 'subject of the event',
    COMMENT COLUMN type 'event type, as received',
    COMMENT COLUMN kept_offset 'offset of the copy that counts',
    COMMENT COLUMN latest_offset 'offset of the newest copy',
    COMMENT COLUMN contents 'different contents seen';

-- Days are local. accepted counts events kept once; rejected counts refusals, by reason.
CREATE OR REPLACE VIEW ingest_quality
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT
    toDate32(toTimeZone(recordedtime, '$timezone')) AS day, institution, event_source AS source, kind,
    count() AS accepted, toUInt64(0) AS rejected, '' AS reason
FROM readings
GROUP BY day, institution, source, kind
UNION ALL
SELECT
    toDate32(toTimeZone(recordedtime, '$timezone')) AS day, institution, event_source AS source,
    concat(context, '.', event) AS kind, count() AS accepted, toUInt64(0) AS rejected, '' AS reason
FROM timeline
GROUP BY day, institution, source, kind
UNION ALL
SELECT
    toDate32(toTimeZone(received, '$timezone')) AS day, institution, source, kind,
    toUInt64(0) AS accepted, count() AS rejected, reason
FROM refusals_v1 FINAL
GROUP BY day, institution, source, kind, reason;

ALTER TABLE ingest_quality
    COMMENT COLUMN day 'local day on which a gateway took it',
    COMMENT COLUMN institution 'institution; empty where unknown',
    COMMENT COLUMN source 'who sent it',
    COMMENT COLUMN kind 'kind of reading, or context and name of the event',
    COMMENT COLUMN accepted 'events kept, each identity once',
    COMMENT COLUMN rejected 'messages refused',
    COMMENT COLUMN reason 'why they were refused; empty for accepted';
