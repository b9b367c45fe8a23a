-- The hypertension programme: one narrow row an event that counts, for the indicators of any month, as of any instant.
--
-- An indicator is a max, a count of distinct days or an argMax over these rows, so that nothing needs a join. Months and
-- days are local. val packs an instant so that the greatest val is the latest event:
--     (month - 22800) << 50 | milliseconds in the month << 18 | systolic << 9 | diastolic
-- with month = year * 12 + month - 1, and pressures cut down to whole mm[Hg], which no whole limit notices. A visit
-- without a blood pressure has val 0. The answer as of an instant T reads knowntime <= T, less what was retracted:
--     id NOT IN (SELECT reading FROM retractions WHERE knowntime <= T)

CREATE TABLE programme_v1
(
    resident     String COMMENT 'resident id (a pseudonym)',
    id           UUID COMMENT 'identity of the event',
    m            UInt16 COMMENT 'local month of the event: year * 12 + month - 1',
    day          UInt8 COMMENT 'local day of the month',
    flags        UInt8 COMMENT '1 registered (hypertension I10–I15 confirmed), 2 visit face to face, 4 prescription, 8 assigned, 16 died, 32 resolved, 64 remote contact',
    val          UInt64 CODEC(ZSTD(1)) COMMENT 'instant in the month and office blood pressure, packed; 0 for a visit without one',
    institution  LowCardinality(String) COMMENT 'institution; for assigned the one that manages the resident from then on',
    knowntime    DateTime64(3, 'UTC') CODEC(ZSTD(1)) COMMENT 'from when on an answer as of an instant may know it',
    missing      LowCardinality(String) COMMENT 'field missing or out of range; such rows are served by unparsed',
    topic        LowCardinality(String) COMMENT 'Kafka topic of the event',
    partition    UInt32 COMMENT 'its partition',
    offset       UInt64 CODEC(ZSTD(1)) COMMENT 'its offset',
    version      UInt64 MATERIALIZED bitNot(offset) CODEC(ZSTD(1)) COMMENT 'the highest version wins: the lowest offset'
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (resident, id);

CREATE MATERIALIZED VIEW programme_v1_mv TO programme_v1 AS
WITH
    JSONExtract(body, 'Tuple(
        institution Nullable(String),
        data Tuple(
            code Nullable(String), certainty Nullable(String), mode Nullable(String), place Nullable(String),
            source Nullable(String), to_institution Nullable(String), systolic Nullable(Float64),
            diastolic Nullable(Float64),
            blood_pressure Tuple(systolic Nullable(Float64), diastolic Nullable(Float64))))'
    ) AS fields,
    tupleElement(fields, 'data') AS data,
    extract(type, '^mailiu\\.[a-z]+\\.(.+)\\.v') AS event,
    event = 'blood-pressure-measured' AS reading,
    event = 'follow-up-completed' AS follow_up,
    ifNull(match(tupleElement(data, 'code'), '^I1[0-5]'), 0) AS hypertension,
    toTimeZone(happened, '$timezone') AS here,
    toYear(here) * 12 + toMonth(here) - 1 AS month,
    ((toDayOfMonth(here) - 1) * 86400 + toHour(here) * 3600 + toMinute(here) * 60 + toSecond(here)) * 1000
        + positiveModulo(toUnixTimestamp64Milli(happened), 1000) AS instant_in_month,
    if(reading, tupleElement(data, 'systolic'), tupleElement(tupleElement(data, 'blood_pressure'), 'systolic')) AS systolic,
    if(reading, tupleElement(data, 'diastolic'), tupleElement(tupleElement(data, 'blood_pressure'), 'diastolic')) AS diastolic,
    ifNull(systolic >= 1 AND systolic < 512 AND diastolic >= 1 AND diastolic < 512, 0) AS pressure,
    if(event = 'transferred', tupleElement(data, 'to_institution'), tupleElement(fields, 'institution')) AS at
SELECT
    resident,
    id,
    if(month BETWEEN 22800 AND 39183, month, 0) AS m,
    toDayOfMonth(here) AS day,
    multiIf(
        event = 'condition-diagnosed', 1,
        event = 'condition-resolved', 32,
        event = 'medication-prescribed', 4,
        event IN ('registered', 'contracted', 'transferred'), 8,
        event = 'died', 16,
        follow_up AND ifNull(tupleElement(data, 'mode'), 'clinic') IN ('phone', 'video'), 64,
        2
    ) AS flags,
    if(m = 0 OR flags IN (2, 64) AND NOT (pressure AND flags = 2), 0,
        bitShiftLeft(toUInt64(m - 22800), 50) + bitShiftLeft(toUInt64(instant_in_month), 18)
        + if(flags = 2, bitShiftLeft(toUInt64(ifNull(systolic, 0)), 9) + toUInt64(ifNull(diastolic, 0)), 0)) AS val,
    ifNull(at, '') AS institution,
    knowntime,
    multiIf(
        at IS NULL, if(event = 'transferred', 'data.to_institution', 'institution'),
        m = 0, 'time',
        flags = 2 AND NOT pressure AND (systolic IS NOT NULL OR diastolic IS NOT NULL), 'data.blood_pressure',
        ''
    ) AS missing,
    topic,
    partition,
    offset
FROM (
    -- Home readings are many and do not count here: a cheap look for the word spares them the parser.
    SELECT
        key AS resident, identity AS id, type, assumeNotNull(log.time) AS happened, knowntime, coalesce(upcast, value) AS body,
        topic, partition, offset
    FROM log_programme AS log
    WHERE topic = 'events' AND log.time IS NOT NULL AND (
        type IN (
            'mailiu.chronic.condition-diagnosed.v1', 'mailiu.chronic.condition-resolved.v1',
            'mailiu.chronic.condition-diagnosed.v2', 'mailiu.chronic.condition-resolved.v2',
            'mailiu.chronic.medication-prescribed.v1', 'mailiu.chronic.follow-up-completed.v1',
            'mailiu.chronic.follow-up-completed.v2', 'mailiu.chronic.follow-up-completed.v3',
            'mailiu.resident.registered.v1', 'mailiu.resident.contracted.v1',
            'mailiu.resident.transferred.v1', 'mailiu.resident.died.v1'
        )
        OR type = 'mailiu.reading.blood-pressure-measured.v1' AND position(value, '"office"') > 0
    )
)
WHERE multiIf(
    event = 'condition-diagnosed', hypertension AND ifNull(tupleElement(data, 'certainty'), 'confirmed') = 'confirmed',
    event = 'condition-resolved', hypertension,
    reading, ifNull(tupleElement(data, 'place') = 'office', 0) AND ifNull(tupleElement(data, 'source'), 'measured') = 'measured',
    1
);

-- A person whose records were merged is the survivor here, managed where the survivor is.
CREATE OR REPLACE VIEW programme AS
WITH
    (SELECT (groupArray(a.resident), groupArray(a.survivor)) FROM aliases AS a) AS merged,
    (SELECT groupArray(r.event) FROM refused_events AS r) AS refused
SELECT resident, id, m, day, flags, val, institution, knowntime, topic, partition, offset
FROM programme_v1 FINAL
WHERE missing = '' AND id NOT IN (SELECT arrayJoin(refused)) AND resident NOT IN (SELECT arrayJoin(merged.1))
UNION ALL
WITH
    (SELECT (groupArray(a.resident), groupArray(a.survivor)) FROM aliases AS a) AS merged,
    (SELECT groupArray(r.event) FROM refused_events AS r) AS refused
SELECT
    transform(p.resident, merged.1, merged.2, '') AS resident, p.id, p.m, p.day, p.flags, p.val, p.institution, p.knowntime,
    p.topic, p.partition, p.offset
FROM (SELECT * FROM programme_v1 FINAL WHERE resident IN (SELECT arrayJoin(merged.1))) AS p
WHERE p.missing = '' AND p.flags != 8 AND p.id NOT IN (SELECT arrayJoin(refused));

CREATE OR REPLACE VIEW unparsed_programme AS
SELECT topic, partition, offset, id, resident AS key, missing FROM programme_v1 FINAL WHERE missing != '';

ALTER TABLE unparsed_programme COMMENT COLUMN key 'subject or key of the record';
