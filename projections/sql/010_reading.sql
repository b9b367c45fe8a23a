-- Readings, one row each, and what was said later about them. The lowest offset of an identity wins.

CREATE TABLE readings_v1
(
    id               UUID COMMENT 'identity of the reading',
    resident         String COMMENT 'resident id (a pseudonym)',
    institution      LowCardinality(String) COMMENT 'institution at which it was accepted',
    kind             LowCardinality(String) COMMENT 'blood-pressure, glucose, heart-rate, weight, oxygen, temperature, ecg or activity',
    time             DateTime64(3, 'UTC') CODEC(ZSTD(1)) COMMENT 'when it was measured (corrected device time)',
    recordedtime     DateTime64(3, 'UTC') CODEC(ZSTD(1)) COMMENT 'when a gateway accepted it',
    knowntime        DateTime64(3, 'UTC') CODEC(ZSTD(1)) COMMENT 'from when on an answer as of an instant may know it',
    systolic         Nullable(Float64) CODEC(ZSTD(1)) COMMENT 'systolic blood pressure, mm[Hg] (LOINC 8480-6)',
    diastolic        Nullable(Float64) CODEC(ZSTD(1)) COMMENT 'diastolic blood pressure, mm[Hg] (LOINC 8462-4)',
    mean             Nullable(Float64) CODEC(ZSTD(1)) COMMENT 'mean arterial pressure, mm[Hg] (LOINC 8478-0)',
    pulse            Nullable(Float64) CODEC(ZSTD(1)) COMMENT 'pulse taken with the blood pressure or the oxygen, /min (LOINC 8867-4)',
    value            Nullable(Float64) CODEC(ZSTD(1)) COMMENT 'value of every other kind, in unit; ecg: heart rate, activity: steps',
    unit             LowCardinality(String) COMMENT 'UCUM unit of the pressures or of value',
    context          LowCardinality(Nullable(String)) COMMENT 'glucose: fasting, before-meal, after-meal-2h, bedtime or random',
    place            LowCardinality(String) COMMENT 'home, office or ambulatory',
    source           LowCardinality(String) COMMENT 'measured or self-reported',
    device           Nullable(String) COMMENT 'device that measured it',
    model            LowCardinality(Nullable(String)) COMMENT 'its model, where the gateway knew it',
    user_slot        Nullable(UInt8) COMMENT 'user of a shared device, as the device says',
    flags            Array(LowCardinality(String)) COMMENT 'what the device noticed: body-movement, irregular-pulse …',
    clock            LowCardinality(String) COMMENT 'trust in time: trusted, corrected, receipt or untrusted',
    device_time      Nullable(DateTime64(3, 'UTC')) CODEC(ZSTD(1)) COMMENT 'the device''s own clock, uncorrected',
    position_of_body LowCardinality(Nullable(String)) COMMENT 'blood pressure: sitting, standing, lying or unknown',
    arm              LowCardinality(Nullable(String)) COMMENT 'blood pressure: left, right or unknown',
    activity         LowCardinality(Nullable(String)) COMMENT 'heart rate: rest, active or unknown',
    leads            Nullable(UInt8) COMMENT 'ecg: number of leads',
    duration         Nullable(Float64) CODEC(ZSTD(1)) COMMENT 'ecg and activity: how long it lasted, s',
    sampling_rate    Nullable(Float64) CODEC(ZSTD(1)) COMMENT 'ecg: Hz',
    urgent           Nullable(Bool) COMMENT 'ecg: the device marked it urgent',
    trace            Nullable(String) COMMENT 'ecg: SHA-256 of the trace, as GET /v1/files takes it',
    trace_type       LowCardinality(Nullable(String)) COMMENT 'ecg: media type of the trace',
    trace_bytes      Nullable(UInt64) COMMENT 'ecg: length of the trace',
    distance         Nullable(Float64) CODEC(ZSTD(1)) COMMENT 'activity: m',
    energy           Nullable(Float64) CODEC(ZSTD(1)) COMMENT 'activity: kcal',
    event_source     String CODEC(ZSTD(1)) COMMENT 'who sent the event: mqtt/institution/device, rest/client …',
    origin           LowCardinality(String) COMMENT 'live, or import for replayed history',
    missing          LowCardinality(String) COMMENT 'required field that the event lacks; such rows are served by unparsed',
    topic            LowCardinality(String) COMMENT 'Kafka topic of the event',
    partition        UInt32 COMMENT 'its partition',
    offset           UInt64 CODEC(ZSTD(1)) COMMENT 'its offset',
    version          UInt64 MATERIALIZED bitNot(offset) CODEC(ZSTD(1)) COMMENT 'the highest version wins: the lowest offset',
    INDEX missing missing TYPE set(8) GRANULARITY 8,
    INDEX trace trace TYPE bloom_filter GRANULARITY 8
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
            clock Nullable(String), device_time Nullable(String), position Nullable(String), arm Nullable(String),
            model Nullable(String), activity Nullable(String), leads Nullable(UInt8), duration Nullable(Float64),
            sampling_rate Nullable(Float64), heart_rate Nullable(Float64), urgent Nullable(Bool),
            trace Tuple(sha256 Nullable(String), media_type Nullable(String), bytes Nullable(UInt64)),
            distance Nullable(Float64), energy Nullable(Float64)))'
    ) AS event,
    tupleElement(event, 'data') AS data,
    tupleElement(data, 'trace') AS file,
    kind = 'blood-pressure' AS pressure,
    kind = 'ecg' AS ecg
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
    if(ecg, tupleElement(data, 'heart_rate'), tupleElement(data, 'value')) AS value,
    ifNull(tupleElement(data, 'unit'), transform(
        kind,
        ['blood-pressure', 'glucose', 'heart-rate', 'weight', 'oxygen', 'temperature', 'ecg', 'activity'],
        ['mm[Hg]', 'mmol/L', '/min', 'kg', '%', 'Cel', '/min', '{steps}'],
        ''
    )) AS unit,
    if(kind = 'glucose', ifNull(tupleElement(data, 'context'), 'random'), NULL) AS context,
    ifNull(tupleElement(data, 'place'), 'home') AS place,
    ifNull(tupleElement(data, 'source'), 'measured') AS source,
    tupleElement(data, 'device') AS device,
    tupleElement(data, 'model') AS model,
    tupleElement(data, 'user_slot') AS user_slot,
    tupleElement(data, 'flags') AS flags,
    ifNull(tupleElement(data, 'clock'), 'trusted') AS clock,
    instant(tupleElement(data, 'device_time')) AS device_time,
    if(pressure, ifNull(tupleElement(data, 'position'), 'unknown'), NULL) AS position_of_body,
    if(pressure, ifNull(tupleElement(data, 'arm'), 'unknown'), NULL) AS arm,
    if(kind = 'heart-rate', ifNull(tupleElement(data, 'activity'), 'unknown'), NULL) AS activity,
    tupleElement(data, 'leads') AS leads,
    tupleElement(data, 'duration') AS duration,
    tupleElement(data, 'sampling_rate') AS sampling_rate,
    if(ecg, ifNull(tupleElement(data, 'urgent'), false), NULL) AS urgent,
    tupleElement(file, 'sha256') AS trace,
    tupleElement(file, 'media_type') AS trace_type,
    tupleElement(file, 'bytes') AS trace_bytes,
    tupleElement(data, 'distance') AS distance,
    tupleElement(data, 'energy') AS energy,
    ifNull(tupleElement(event, 'source'), '') AS event_source,
    ifNull(tupleElement(event, 'origin'), 'live') AS origin,
    multiIf(
        tupleElement(event, 'institution') IS NULL, 'institution',
        pressure AND systolic IS NULL, 'data.systolic',
        pressure AND diastolic IS NULL, 'data.diastolic',
        ecg AND trace IS NULL, 'data.trace',
        NOT pressure AND NOT ecg AND value IS NULL, 'data.value',
        ''
    ) AS missing,
    topic,
    partition,
    offset
FROM log_readings AS log
WHERE topic = 'events' AND log.time IS NOT NULL AND type IN (
    'mailiu.reading.blood-pressure-measured.v1', 'mailiu.reading.glucose-measured.v1',
    'mailiu.reading.heart-rate-measured.v1', 'mailiu.reading.weight-measured.v1',
    'mailiu.reading.oxygen-measured.v1', 'mailiu.reading.temperature-measured.v1', 'mailiu.reading.ecg-measured.v1',
    'mailiu.reading.activity-measured.v1'
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
FROM log_care AS log
WHERE topic = 'events' AND log.time IS NOT NULL AND type = 'mailiu.reading.retracted.v1';

CREATE OR REPLACE VIEW retractions AS
SELECT id, resident, reading, time, knowntime, reason, replaced_by, topic, partition, offset
FROM retractions_v1 FINAL
WHERE missing = '';

-- Retractions may come before or after what they retract, so the two meet only when they are read. What was measured at
-- home while consent for monitoring stood withdrawn is kept in the table, as the law on medical records asks, and served
-- to nobody.
CREATE OR REPLACE VIEW readings AS
WITH (
    -- looked up once, whatever the caller asks for: everybody who ever withdrew, each turn of consent
    SELECT groupArray(t.turn) FROM (
        SELECT arrayJoin(groupArray((m.resident, m.time, m.given))) AS turn
        FROM monitoring_consents AS m GROUP BY m.resident HAVING min(m.given) = 0
    ) AS t
) AS turns
SELECT
    id, resident, institution, kind, time, recordedtime, knowntime, systolic, diastolic, mean, pulse, value, unit,
    context, place, source, device, model, user_slot, flags, clock, device_time, position_of_body, arm, activity, leads,
    duration, sampling_rate, urgent, trace, trace_type, trace_bytes, distance, energy, event_source, origin,
    (resident, id) IN (SELECT r.resident, r.reading FROM retractions_v1 AS r WHERE r.missing = '') AS retracted,
    topic, partition, offset
FROM readings_v1 FINAL
WHERE missing = '' AND (resident, id) NOT IN (
    SELECT w.resident, w.id
    FROM readings_v1 AS w
    ASOF INNER JOIN (
        SELECT tupleElement(turn, 1) AS resident, tupleElement(turn, 2) AS time, tupleElement(turn, 3) AS given
        FROM (SELECT arrayJoin(turns) AS turn)
    ) AS c ON w.resident = c.resident AND w.time >= c.time
    WHERE w.place = 'home' AND c.given = 0 AND w.resident IN (SELECT tupleElement(arrayJoin(turns), 1))
);

ALTER TABLE readings COMMENT COLUMN retracted '1 if the reading was retracted: shown, never counted';

-- What people said of a reading later: a clinician read an electrocardiogram, the person says "yes, it was me".
CREATE TABLE reading_remarks_v1
(
    id           UUID COMMENT 'identity of the remark',
    resident     String COMMENT 'resident id',
    event        LowCardinality(String) COMMENT 'ecg-read or confirmed',
    reading      UUID COMMENT 'identity of the reading; nil where missing says so',
    time         DateTime64(3, 'UTC') COMMENT 'when it was said',
    knowntime    DateTime64(3, 'UTC') COMMENT 'from when on an answer as of an instant may know it',
    conclusion   LowCardinality(Nullable(String)) COMMENT 'ecg-read: normal, abnormal or not-readable',
    text         Nullable(String) COMMENT 'ecg-read: what the clinician saw',
    actor        Nullable(String) COMMENT 'who said so',
    missing      LowCardinality(String) COMMENT 'required field that the event lacks; such rows are served by unparsed',
    topic        LowCardinality(String) COMMENT 'Kafka topic of the event',
    partition    UInt32 COMMENT 'its partition',
    offset       UInt64 COMMENT 'its offset',
    version      UInt64 MATERIALIZED bitNot(offset) COMMENT 'the highest version wins: the lowest offset'
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (resident, id);

CREATE MATERIALIZED VIEW reading_remarks_v1_mv TO reading_remarks_v1 AS
WITH
    JSONExtract(coalesce(upcast, value), 'Tuple(
        actor Nullable(String), data Tuple(reading Nullable(UUID), conclusion Nullable(String), text Nullable(String)))'
    ) AS fields,
    tupleElement(fields, 'data') AS data
SELECT
    identity AS id,
    key AS resident,
    extract(type, '^mailiu\\.reading\\.(.+)\\.v') AS event,
    ifNull(tupleElement(data, 'reading'), toUUID('00000000-0000-0000-0000-000000000000')) AS reading,
    assumeNotNull(log.time) AS time,
    knowntime,
    tupleElement(data, 'conclusion') AS conclusion,
    tupleElement(data, 'text') AS text,
    tupleElement(fields, 'actor') AS actor,
    multiIf(
        tupleElement(data, 'reading') IS NULL, 'data.reading', event = 'ecg-read' AND conclusion IS NULL, 'data.conclusion', ''
    ) AS missing,
    topic,
    partition,
    offset
FROM log_care AS log
WHERE topic = 'events' AND log.time IS NOT NULL
    AND type IN ('mailiu.reading.ecg-read.v1', 'mailiu.reading.confirmed.v1');

CREATE OR REPLACE VIEW reading_remarks AS
SELECT id, resident, event, reading, time, knowntime, conclusion, text, actor, topic, partition, offset
FROM reading_remarks_v1 FINAL
WHERE missing = '';

CREATE OR REPLACE VIEW unparsed_reading AS
SELECT topic, partition, offset, id, resident AS key, missing FROM readings_v1 FINAL WHERE missing != ''
UNION ALL
SELECT topic, partition, offset, id, resident AS key, missing FROM retractions_v1 FINAL WHERE missing != ''
UNION ALL
SELECT topic, partition, offset, id, resident AS key, missing FROM reading_remarks_v1 FINAL WHERE missing != '';

ALTER TABLE unparsed_reading COMMENT COLUMN key 'subject or key of the record';
