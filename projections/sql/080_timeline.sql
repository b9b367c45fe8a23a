-- What happened to a resident, beside readings: every other input event whole, for the timeline. What concerns many
-- residents (organization, rules, device models) is not here.

CREATE TABLE timeline_v1
(
    resident      String COMMENT 'resident id, or device:ID for a device nobody wears',
    id            UUID COMMENT 'identity of the event',
    type          LowCardinality(String) COMMENT 'event type with its version, as received',
    context       LowCardinality(String) COMMENT 'context of the type: resident, chronic, alert …',
    event         LowCardinality(String) COMMENT 'name of the type within its context: registered, follow-up-completed …',
    time          DateTime64(3, 'UTC') COMMENT 'when it happened',
    recordedtime  DateTime64(3, 'UTC') COMMENT 'when a gateway accepted it',
    knowntime     DateTime64(3, 'UTC') COMMENT 'from when on an answer as of an instant may know it',
    institution   LowCardinality(String) COMMENT 'institution at which it was accepted; empty where the event names none',
    actor         Nullable(String) COMMENT 'staff member, resident or part that acted',
    event_source  String COMMENT 'who sent the event',
    origin        LowCardinality(String) COMMENT 'live, or import for replayed history',
    data          String CODEC(ZSTD(3)) COMMENT 'JSON: the data of the event in its newest version',
    topic         LowCardinality(String) COMMENT 'Kafka topic of the event',
    partition     UInt32 COMMENT 'its partition',
    offset        UInt64 COMMENT 'its offset',
    version       UInt64 MATERIALIZED bitNot(offset) COMMENT 'the highest version wins: the lowest offset'
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (resident, id);

CREATE MATERIALIZED VIEW timeline_v1_mv TO timeline_v1 AS
WITH JSONExtract(coalesce(upcast, value), 'Tuple(
        institution Nullable(String), actor Nullable(String), source Nullable(String), origin Nullable(String))'
    ) AS fields
SELECT
    key AS resident,
    identity AS id,
    type,
    extract(type, '^mailiu\\.([a-z]+)\\.') AS context,
    extract(type, '^mailiu\\.[a-z]+\\.(.+)\\.v') AS event,
    assumeNotNull(log.time) AS time,
    recordedtime,
    knowntime,
    ifNull(tupleElement(fields, 'institution'), '') AS institution,
    tupleElement(fields, 'actor') AS actor,
    ifNull(tupleElement(fields, 'source'), '') AS event_source,
    ifNull(tupleElement(fields, 'origin'), 'live') AS origin,
    JSONExtractRaw(coalesce(upcast, value), 'data') AS data,
    topic,
    partition,
    offset
FROM log_care AS log
WHERE topic = 'events' AND log.time IS NOT NULL AND type LIKE 'mailiu.%' AND type NOT LIKE 'mailiu.reading.%-measured.v%'
    AND type NOT LIKE 'mailiu.organization.%' AND type NOT LIKE 'mailiu.rule.%' AND type NOT LIKE 'mailiu.clock.%'
    AND type NOT LIKE 'mailiu.device.model-registered.%'
    -- what carries the events of a merged record to its survivor: these are in its own timeline
    AND type NOT IN ('mailiu.resident.absorbed.v1', 'mailiu.resident.released.v1', 'mailiu.resident.returned.v1',
        'mailiu.resident.carried.v1');

CREATE OR REPLACE VIEW timeline AS
SELECT * FROM timeline_v1 FINAL;
