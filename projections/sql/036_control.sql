-- What the fold concludes of a person's treatment: how each area is controlled, and which medication reviews it prompts.
-- A conclusion is told whole when it changes: the one whose cause lies last in the resident's log is what holds now.

CREATE TABLE control_events_v1
(
    id               UUID COMMENT 'identity of the derived event',
    resident         String COMMENT 'resident id (a pseudonym)',
    area             LowCardinality(String) COMMENT 'blood-pressure, glucose, lipids or weight',
    status           LowCardinality(String) COMMENT 'controlled, uncontrolled, not-enough-data, undiagnosed or not-applicable',
    before           LowCardinality(Nullable(String)) COMMENT 'status that was told before',
    reasons          Array(LowCardinality(String)) COMMENT 'why: office-high, home-high, hba1c-high, no-recent-ldl …',
    patterns         Array(LowCardinality(String)) COMMENT 'blood pressure: white-coat, masked (…-uncontrolled under treatment), sustained, morning',
    targets          String CODEC(ZSTD(3)) COMMENT 'JSON: limits compared with, as [{measure, value, unit, basis}]; basis: default, age, condition, risk or personal',
    values           String CODEC(ZSTD(3)) COMMENT 'JSON: values compared when this was told, as [{measure, value, unit, time, n}]',
    evidence         Array(UUID) COMMENT 'identities of the events it rests on, the latest 20',
    judgement        Bool COMMENT 'rests on a limit that is a judgement and that no physician approved here',
    rule_version     UInt32 COMMENT 'version of the rule',
    institution      LowCardinality(String) COMMENT 'institution that manages the resident',
    time             DateTime64(3, 'UTC') COMMENT 'when the event happened that changed it',
    recordedtime     DateTime64(3, 'UTC') COMMENT 'when that event was accepted',
    knowntime        DateTime64(3, 'UTC') COMMENT 'from when on an answer as of an instant may know it',
    causationid      Nullable(String) COMMENT 'identity of the event that changed it',
    cause_partition  UInt32 COMMENT 'partition of the cause in events',
    cause_offset     UInt64 COMMENT 'offset of the cause in events',
    missing          LowCardinality(String) COMMENT 'required field that the event lacks; such rows are served by unparsed',
    topic            LowCardinality(String) COMMENT 'Kafka topic of the derived event',
    partition        UInt32 COMMENT 'its partition',
    offset           UInt64 COMMENT 'its offset',
    version          UInt64 MATERIALIZED bitNot(offset) COMMENT 'the highest version wins: the lowest offset'
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (resident, id);

CREATE TABLE control_v1 AS control_events_v1
ENGINE = ReplacingMergeTree(cause_offset)
ORDER BY (resident, area);

CREATE MATERIALIZED VIEW control_v1_mv TO control_v1 AS
SELECT * FROM control_events_v1 WHERE missing = '';

CREATE MATERIALIZED VIEW control_events_v1_mv TO control_events_v1 AS
WITH
    JSONExtract(value, 'Tuple(
        institution Nullable(String), causationid Nullable(String), causepartition Nullable(UInt32),
        causeoffset Nullable(UInt64),
        data Tuple(
            area Nullable(String), status Nullable(String), before Nullable(String), reasons Array(String),
            patterns Array(String), evidence Array(UUID), judgement Nullable(Bool), rule_version Nullable(UInt32)))'
    ) AS fields,
    tupleElement(fields, 'data') AS data
SELECT
    identity AS id,
    key AS resident,
    ifNull(tupleElement(data, 'area'), '') AS area,
    ifNull(tupleElement(data, 'status'), '') AS status,
    tupleElement(data, 'before') AS before,
    tupleElement(data, 'reasons') AS reasons,
    tupleElement(data, 'patterns') AS patterns,
    JSONExtractRaw(log.value, 'data', 'targets') AS targets,
    JSONExtractRaw(log.value, 'data', 'values') AS values,
    tupleElement(data, 'evidence') AS evidence,
    ifNull(tupleElement(data, 'judgement'), false) AS judgement,
    ifNull(tupleElement(data, 'rule_version'), 0) AS rule_version,
    ifNull(tupleElement(fields, 'institution'), '') AS institution,
    assumeNotNull(log.time) AS time,
    recordedtime,
    knowntime,
    tupleElement(fields, 'causationid') AS causationid,
    ifNull(tupleElement(fields, 'causepartition'), 0) AS cause_partition,
    ifNull(tupleElement(fields, 'causeoffset'), 0) AS cause_offset,
    multiIf(
        area = '', 'data.area',
        status = '', 'data.status',
        tupleElement(fields, 'causeoffset') IS NULL, 'causeoffset',
        ''
    ) AS missing,
    topic,
    partition,
    offset
FROM log_derived AS log
WHERE topic = 'derived' AND log.time IS NOT NULL AND type = 'mailiu.chronic.control-assessed.v1';

CREATE OR REPLACE VIEW control_history AS
SELECT * EXCEPT missing FROM control_events_v1 FINAL WHERE missing = '';

-- Of a record that gave way to another nothing is told: the survivor's stands.
CREATE OR REPLACE VIEW control AS
SELECT * EXCEPT (id, missing) FROM control_v1 FINAL
WHERE status != 'not-applicable' AND resident NOT IN (SELECT a.resident FROM aliases AS a);

CREATE TABLE review_events_v1
(
    id               UUID COMMENT 'identity of the derived event',
    resident         String COMMENT 'resident id (a pseudonym)',
    kind             LowCardinality(String) COMMENT 'treatment-inertia, interacting-conditions, suspected-resistant or labs-missing',
    status           LowCardinality(String) COMMENT 'open, or settled: no longer found, or a clinician decided',
    findings         Array(LowCardinality(String)) COMMENT 'codes of what was found',
    drugs            Array(LowCardinality(String)) COMMENT 'ATC codes concerned',
    conditions       Array(LowCardinality(String)) COMMENT 'ICD-10 codes concerned',
    values           String CODEC(ZSTD(3)) COMMENT 'JSON: values it rests on, as [{measure, value, unit, time}]',
    evidence         Array(UUID) COMMENT 'identities of the events it rests on',
    text             String CODEC(ZSTD(3)) COMMENT 'JSON: what to look at, as {zh, en}; from the rule, never about a drug to start or stop',
    judgement        Bool COMMENT 'rests on a limit that is a judgement and that no physician approved here',
    rule_version     UInt32 COMMENT 'version of the rule',
    institution      LowCardinality(String) COMMENT 'institution that manages the resident',
    time             DateTime64(3, 'UTC') COMMENT 'when the event happened that changed it',
    recordedtime     DateTime64(3, 'UTC') COMMENT 'when that event was accepted',
    knowntime        DateTime64(3, 'UTC') COMMENT 'from when on an answer as of an instant may know it',
    causationid      Nullable(String) COMMENT 'identity of the event that changed it',
    cause_partition  UInt32 COMMENT 'partition of the cause in events',
    cause_offset     UInt64 COMMENT 'offset of the cause in events',
    missing          LowCardinality(String) COMMENT 'required field that the event lacks; such rows are served by unparsed',
    topic            LowCardinality(String) COMMENT 'Kafka topic of the derived event',
    partition        UInt32 COMMENT 'its partition',
    offset           UInt64 COMMENT 'its offset',
    version          UInt64 MATERIALIZED bitNot(offset) COMMENT 'the highest version wins: the lowest offset'
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (resident, id);

CREATE TABLE reviews_v1 AS review_events_v1
ENGINE = ReplacingMergeTree(cause_offset)
ORDER BY (resident, kind);

CREATE MATERIALIZED VIEW reviews_v1_mv TO reviews_v1 AS
SELECT * FROM review_events_v1 WHERE missing = '';

CREATE MATERIALIZED VIEW review_events_v1_mv TO review_events_v1 AS
WITH
    JSONExtract(value, 'Tuple(
        institution Nullable(String), causationid Nullable(String), causepartition Nullable(UInt32),
        causeoffset Nullable(UInt64),
        data Tuple(
            kind Nullable(String), status Nullable(String), findings Array(String), drugs Array(String),
            conditions Array(String), evidence Array(UUID), judgement Nullable(Bool), rule_version Nullable(UInt32)))'
    ) AS fields,
    tupleElement(fields, 'data') AS data
SELECT
    identity AS id,
    key AS resident,
    ifNull(tupleElement(data, 'kind'), '') AS kind,
    ifNull(tupleElement(data, 'status'), '') AS status,
    tupleElement(data, 'findings') AS findings,
    tupleElement(data, 'drugs') AS drugs,
    tupleElement(data, 'conditions') AS conditions,
    JSONExtractRaw(log.value, 'data', 'values') AS values,
    tupleElement(data, 'evidence') AS evidence,
    JSONExtractRaw(log.value, 'data', 'text') AS text,
    ifNull(tupleElement(data, 'judgement'), false) AS judgement,
    ifNull(tupleElement(data, 'rule_version'), 0) AS rule_version,
    ifNull(tupleElement(fields, 'institution'), '') AS institution,
    assumeNotNull(log.time) AS time,
    recordedtime,
    knowntime,
    tupleElement(fields, 'causationid') AS causationid,
    ifNull(tupleElement(fields, 'causepartition'), 0) AS cause_partition,
    ifNull(tupleElement(fields, 'causeoffset'), 0) AS cause_offset,
    multiIf(
        kind = '', 'data.kind',
        status = '', 'data.status',
        tupleElement(fields, 'causeoffset') IS NULL, 'causeoffset',
        ''
    ) AS missing,
    topic,
    partition,
    offset
FROM log_derived AS log
WHERE topic = 'derived' AND log.time IS NOT NULL AND type = 'mailiu.chronic.review-prompted.v1';

CREATE OR REPLACE VIEW review_history AS
SELECT * EXCEPT missing FROM review_events_v1 FINAL WHERE missing = '';

CREATE OR REPLACE VIEW reviews AS
SELECT * EXCEPT (id, missing) FROM reviews_v1 FINAL
WHERE resident NOT IN (SELECT a.resident FROM aliases AS a);

CREATE OR REPLACE VIEW unparsed_control AS
SELECT topic, partition, offset, id, resident AS key, missing FROM control_events_v1 FINAL WHERE missing != ''
UNION ALL
SELECT topic, partition, offset, id, resident AS key, missing FROM review_events_v1 FINAL WHERE missing != '';

ALTER TABLE unparsed_control COMMENT COLUMN key 'subject or key of the record';
