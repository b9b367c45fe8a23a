-- Readings, one row each, and what was said later about them. The lowest offset of an identity wins.

CREATE TABLE readings_v1
(
    id               UUID COMMENT 'identity of the reading',
    resident         String COMMENT 'resident id (a pseudonym)',
    institution      LowCardinality(String) COMMENT 'institution at which it was accepted',
    kind             LowCardinality(String) COMMENT 'blood-pressure, glucose, heart-rate, weight, oxygen or temperature',
    time             DateTime64(3, 'UTC') CODEC(ZSTD(1)) COMMENT 'when it was measured (corrected device time)',
    recordedtime     DateTime64(3, 'UTC') CODEC(ZSTD(1)) COMMENT 'when a gateway accepted it',
    knowntime        DateTime64(3, 'UTC') CODEC(ZSTD(1)) COMMENT 'from when on an answer as of an instant may know it',
    systolic         Nullable(Float64) CODEC(ZSTD(1)) COMMENT 'systolic blood pressure, mm[Hg] (LOINC 8480-6)',
    diastolic        Nullable(Float64) CODEC(ZSTD(1)) COMMENT 'diastolic blood pressure, mm[Hg] (LOINC 8462-4)',
    mean             Nullable(Float64) CODEC(ZSTD(1)) COMMENT 'mean arterial pressure, mm[Hg] (LOINC 8478-0)',
    pulse            Nullable(Float64) CODEC(ZSTD(1)) COMMENT 'pulse taken with the blood pressure, /min (LOINC 8867-4)',
    value            Nullable(Float64) CODEC(ZSTD(1)) COMMENT 'value of every other kind, in unit',
    unit             LowCardinality(String) COMMENT 'UCUM unit of the pressures or of value',
    context          LowCardinality(Nullable(String)) COMMENT 'glucose: fasting, before-meal, after-meal-2h, bedtime or random',
    place            LowCardinality(String) COMMENT 'home, office or ambulatory',
    source           LowCardinality(String) COMMENT 'measured or self-reported',
    device           Nullable(String) COMMENT 'device that measured it',
    user_slot        Nullable(UInt8) COMMENT 'user of a shared device, as the device says',
    flags            Array(LowCardinality(String)) COMMENT 'what the device noticed: body-movement, irregular-pulse …',
    clock            LowCardinality(String) COMMENT 'trust in time: trusted, corrected, receipt or untrusted',
    device_time      Nullable(DateTime64(3, 'UTC')) CODEC(ZSTD(1)) COMMENT 'the device''s own clock, uncorrected',
    position_of_body LowCardinality(Nullable(String)) COMMENT 'blood pressure: sitting, standing, lying or unknown',
    arm              LowCardinality(Nullable(String)) COMMENT 'blood pressure: left, right or unknown',
    event_source     String CODEC(ZSTD(1)) COMMENT 'who sent the event: mqtt/institution/device, rest/client …',
    origin           LowCardinality(String) COMMENT 'live, or import for replayed history',
    missing          LowCardinality(String) COMMENT 'required field that the event lacks; such rows are served by unparsed',
    topic            LowCardinality(String) COMMENT 'Kafka topic of the event',
    partition        UInt32 COMMENT 'its partition',
    offset           UInt64 CODEC(ZSTD(1)) COMMENT 'its offset',
    version          UInt64 MATERIALIZED bitNot(offset) CODEC(ZSTD(1)) COMMENT 'the highest version wins: the lowest offset',
    INDEX missing missing TYPE set(8) GRANULARITY 8
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (resident, id);

CREATE MATERIALIZED VIEW readings_v1_mv TO readings_v1 AS
WITH
    JSONExtract(coalesce(upcast, log.value), 'Tuple(
        institution Nullable(String), source Nullable(String), origin Nullable(String),
        data Tuple(
            systolic Nullable(Float64), diastolic Nullable(Float64), mean Nullable(Float64), pulse Nullable(Float64),
            value Nullable(Float64), unit Nullable(String), context Nullable(String), place Nullable(String),
            source Nullable(String), device Nullable(String), user_slot Nullable(UInt8), flags Array(String),
            clock Nullable(String), device_time Nullable(String), position Nullable(String), arm Nullable(String)))'
    ) AS event,
    tupleElement(event, 'data') AS data,
    kind = 'blood-pressure' AS pressure
SELECT
    identity AS id,
    key AS resident,
    ifNull(tupleElement(event, 'institution'), '') AS institution,
    extract(type, '^mailiu\\.reading\\.(.+)-measured\\.v') AS kind,
    assumeNotNull(log.time) AS time,
    recordedtime,
    knowntime,
    tupleElement(data, 'systolic') AS systolic,
    tupleElement(data, 'diastolic') AS diastolic,
    tupleElement(data, 'mean') AS mean,
    tupleElement(data, 'pulse') AS pulse,
    tupleElement(data, 'value') AS value,
    ifNull(tupleElement(data, 'unit'), transform(
        kind,
        ['blood-pressure', 'glucose', 'heart-rate', 'weight', 'oxygen', 'temperature'],
        ['mm[Hg]', 'mmol/L', '/min', 'kg', '%', 'Cel'],
        ''
    )) AS unit,
    if(kind = 'glucose', ifNull(tupleElement(data, 'context'), 'random'), NULL) AS context,
    ifNull(tupleElement(data, 'place'), 'home') AS place,
    ifNull(tupleElement(data, 'source'), 'measured') AS source,
    tupleElement(data, 'device') AS device,
    tupleElement(data, 'user_slot') AS user_slot,
    tupleElement(data, 'flags') AS flags,
    ifNull(tupleElement(data, 'clock'), 'trusted') AS clock,
    instant(tupleElement(data, 'device_time')) AS device_time,
    if(pressure, ifNull(tupleElement(data, 'position'), 'unknown'), NULL) AS position_of_body,
    if(pressure, ifNull(tupleElement(data, 'arm'), 'unknown'), NULL) AS arm,
    ifNull(tupleElement(event, 'source'), '') AS event_source,
    ifNull(tupleElement(event, 'origin'), 'live') AS origin,
    multiIf(
        tupleElement(event, 'institution') IS NULL, 'institution',
        pressure AND systolic IS NULL, 'data.systolic',
        pressure AND diastolic IS NULL, 'data.diastolic',
        NOT pressure AND tupleElement(data, 'value') IS NULL, 'data.value',
        ''
    ) AS missing,
    topic,
    partition,
    offset
FROM log
WHERE topic = 'events' AND log.time IS NOT NULL AND type IN (
    'mailiu.reading.blood-pressure-measured.v1', 'mailiu.reading.glucose-measured.v1',
    'mailiu.reading.heart-rate-measured.v1', 'mailiu.reading.weight-measured.v1',
    'mailiu.reading.oxygen-measured.v1', 'mailiu.reading.temperature-measured.v1'
);

CREATE TABLE retractions_v1
(
    id           UUID COMMENT 'identity of the retraction',
    resident     String COMMENT 'resident id',
    reading      UUID COMMENT 'identity of the reading that no longer counts; nil where missing says so',
    time         DateTime64(3, 'UTC') COMMENT 'when it was retracted',
    knowntime    DateTime64(3, 'UTC') COMMENT 'from when on an answer as of an instant may know it',
    reason       LowCardinality(String) COMMENT 'entered-in-error, not-mine, device-fault or corrected',
    replaced_by  Nullable(UUID) COMMENT 'identity of the reading that takes its place',
    missing      LowCardinality(String) COMMENT 'required field that the event lacks; such rows are served by unparsed',
    topic        LowCardinality(String) COMMENT 'Kafka topic of the event',
    partition    UInt32 COMMENT 'its partition',
    offset       UInt64 COMMENT 'its offset',
    version      UInt64 MATERIALIZED bitNot(offset) COMMENT 'the highest version wins: the lowest offset'
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (resident, id);

CREATE MATERIALIZED VIEW retractions_v1_mv TO retractions_v1 AS
WITH JSONExtract(
    coalesce(upcast, value), 'data', 'Tuple(reading Nullable(UUID), reason Nullable(String), replaced_by Nullable(UUID))'
) AS data
SELECT
    identity AS id,
    key AS resident,
    ifNull(tupleElement(data, 'reading'), toUUID('00000000-0000-0000-0000-000000000000')) AS reading,
    assumeNotNull(log.time) AS time,
    knowntime,
    ifNull(tupleElement(data, 'reason'), '') AS reason,
    tupleElement(data, 'replaced_by') AS replaced_by,
    if(tupleElement(data, 'reading') IS NULL, 'data.reading', '') AS missing,
    topic,
    partition,
    offset
FROM log
WHERE topic = 'events' AND log.time IS NOT NULL AND type = 'mailiu.reading.retracted.v1';

CREATE OR REPLACE VIEW retractions AS
SELECT id, resident, reading, time, knowntime, reason, replaced_by, topic, partition, offset
FROM retractions_v1 FINAL
WHERE missing = '';

-- Retractions may come before or after what they retract, so the two meet only when they are read.
CREATE OR REPLACE VIEW readings AS
SELECT
    id, resident, institution, kind, time, recordedtime, knowntime, systolic, diastolic, mean, pulse, value, unit,
    context, place, source, device, user_slot, flags, clock, device_time, position_of_body, arm, event_source, origin,
    (resident, id) IN (SELECT r.resident, r.reading FROM retractions_v1 AS r WHERE r.missing = '') AS retracted,
    topic, partition, offset
FROM readings_v1 FINAL
WHERE missing = '';

ALTER TABLE readings COMMENT COLUMN retracted '1 if the reading was retracted: shown, never counted';

CREATE OR REPLACE VIEW unparsed_reading AS
SELECT topic, partition, offset, id, resident AS key, missing FROM readings_v1 FINAL WHERE missing != ''
UNION ALL
SELECT topic, partition, offset, id, resident AS key, missing FROM retractions_v1 FINAL WHERE missing != '';

ALTER TABLE unparsed_reading COMMENT COLUMN key 'subject or key of the record';
