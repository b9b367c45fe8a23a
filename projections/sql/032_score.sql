-- Clinical scores of residents: every one that was said, and the last word on each model. Where an institution's
-- residents live, which some models ask for.

CREATE TABLE score_history_v1
(
    id              UUID COMMENT 'identity of the derived event',
    resident        String COMMENT 'resident id (a pseudonym)',
    institution     LowCardinality(String) COMMENT 'institution that managed the resident then',
    model           LowCardinality(String) COMMENT 'model: china-par, ckd-epi-2021 …',
    model_version   UInt32 COMMENT 'version of the model',
    status          LowCardinality(String) COMMENT 'computed, missing or not-applicable',
    value           Nullable(Float64) COMMENT 'value in unit; NULL where there is none or the model gives a class alone',
    unit            LowCardinality(Nullable(String)) COMMENT 'unit of the value (UCUM)',
    class           LowCardinality(Nullable(String)) COMMENT 'code of the class',
    values          String CODEC(ZSTD(3)) COMMENT 'JSON: further values, such as end points or points of the parts',
    inputs          String CODEC(ZSTD(3)) COMMENT 'JSON: each input with its value, and the event and time that it is from',
    missing_inputs  Array(LowCardinality(String)) COMMENT 'inputs that it lacks; with a value, optional ones that were not given',
    reason_code     LowCardinality(Nullable(String)) COMMENT 'why there is no value: missing, invalid, out-of-range or not-applicable',
    reason_field    LowCardinality(Nullable(String)) COMMENT 'the input at fault',
    reason_zh       Nullable(String) COMMENT 'why there is no value, in Chinese',
    reason_en       Nullable(String) COMMENT 'why there is no value, in English',
    warnings        Array(LowCardinality(String)) COMMENT 'what to know of the value, as codes',
    time            DateTime64(3, 'UTC') COMMENT 'core time at which it was said',
    happened        DateTime64(3, 'UTC') COMMENT 'when what changed it happened',
    knowntime       DateTime64(3, 'UTC') COMMENT 'from when on an answer as of an instant may know it',
    causationid     Nullable(String) COMMENT 'identity of the event that changed it',
    missing         LowCardinality(String) COMMENT 'required field that the event lacks; such rows are served by unparsed',
    topic           LowCardinality(String) COMMENT 'Kafka topic of the derived event',
    partition       UInt32 COMMENT 'its partition',
    offset          UInt64 COMMENT 'its offset',
    version         UInt64 MATERIALIZED bitNot(offset) COMMENT 'the highest version wins: the lowest offset'
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (resident, id);

-- All of a resident's scores come in one partition's order: the highest offset is the last word.
CREATE TABLE scores_v1 AS score_history_v1
ENGINE = ReplacingMergeTree(offset)
ORDER BY (resident, model);

CREATE MATERIALIZED VIEW scores_v1_mv TO scores_v1 AS
SELECT * FROM score_history_v1 WHERE missing = '';

CREATE MATERIALIZED VIEW score_history_v1_mv TO score_history_v1 AS
WITH
    JSONExtract(log.value, 'Tuple(
        institution Nullable(String), causationid Nullable(String),
        data Tuple(
            model Nullable(String), version Nullable(UInt32), status Nullable(String), value Nullable(Float64),
            unit Nullable(String), class Nullable(String), missing Array(String), warnings Array(String),
            reason Tuple(code Nullable(String), field Nullable(String), zh Nullable(String), en Nullable(String))))'
    ) AS fields,
    tupleElement(fields, 'data') AS data,
    tupleElement(data, 'reason') AS reason
SELECT
    identity AS id,
    key AS resident,
    ifNull(tupleElement(fields, 'institution'), '') AS institution,
    ifNull(tupleElement(data, 'model'), '') AS model,
    ifNull(tupleElement(data, 'version'), 0) AS model_version,
    ifNull(tupleElement(data, 'status'), '') AS status,
    tupleElement(data, 'value') AS value,
    tupleElement(data, 'unit') AS unit,
    tupleElement(data, 'class') AS class,
    JSONExtractRaw(log.value, 'data', 'values') AS values,
    JSONExtractRaw(log.value, 'data', 'inputs') AS inputs,
    tupleElement(data, 'missing') AS missing_inputs,
    tupleElement(reason, 'code') AS reason_code,
    tupleElement(reason, 'field') AS reason_field,
    tupleElement(reason, 'zh') AS reason_zh,
    tupleElement(reason, 'en') AS reason_en,
    tupleElement(data, 'warnings') AS warnings,
    recordedtime AS time,
    assumeNotNull(log.time) AS happened,
    knowntime,
    tupleElement(fields, 'causationid') AS causationid,
    multiIf(
        model = '', 'data.model', model_version = 0, 'data.version', status = '', 'data.status', ''
    ) AS missing,
    topic,
    partition,
    offset
FROM log_derived AS log
WHERE topic = 'derived' AND log.time IS NOT NULL AND type = 'mailiu.score.computed.v1';

CREATE OR REPLACE VIEW score_history AS
SELECT * EXCEPT missing FROM score_history_v1 FINAL WHERE missing = '';

-- A record that gave way to another has no scores of its own: the survivor's are said anew from both.
CREATE OR REPLACE VIEW scores AS
SELECT * EXCEPT missing FROM scores_v1 FINAL WHERE resident NOT IN (SELECT a.resident FROM aliases AS a);

CREATE TABLE area_events_v1
(
    id           UUID COMMENT 'identity of the event',
    institution  LowCardinality(String) COMMENT 'institution whose residents live there',
    north        Bool COMMENT 'north of the Yangtze',
    urban        Bool COMMENT 'in a town',
    time         DateTime64(3, 'UTC') COMMENT 'when it was said',
    knowntime    DateTime64(3, 'UTC') COMMENT 'from when on an answer as of an instant may know it',
    missing      LowCardinality(String) COMMENT 'required field that the event lacks; such rows are served by unparsed',
    topic        LowCardinality(String) COMMENT 'Kafka topic of the event',
    partition    UInt32 COMMENT 'its partition',
    offset       UInt64 COMMENT 'its offset',
    version      UInt64 MATERIALIZED bitNot(offset) COMMENT 'the highest version wins: the lowest offset'
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (institution, id);

CREATE MATERIALIZED VIEW area_events_v1_mv TO area_events_v1 AS
WITH
    JSONExtract(value, 'Tuple(institution Nullable(String), data Tuple(north Nullable(Bool), urban Nullable(Bool)))') AS fields,
    tupleElement(fields, 'data') AS data
SELECT
    identity AS id,
    ifNull(tupleElement(fields, 'institution'), '') AS institution,
    ifNull(tupleElement(data, 'north'), false) AS north,
    ifNull(tupleElement(data, 'urban'), false) AS urban,
    assumeNotNull(log.time) AS time,
    knowntime,
    multiIf(
        institution = '', 'institution', tupleElement(data, 'north') IS NULL, 'data.north',
        tupleElement(data, 'urban') IS NULL, 'data.urban', ''
    ) AS missing,
    topic,
    partition,
    offset
FROM log_care AS log
WHERE topic = 'events' AND partition = 0 AND log.time IS NOT NULL
    AND type = 'mailiu.organization.area-described.v1';

CREATE OR REPLACE VIEW area_events AS
SELECT * EXCEPT missing FROM area_events_v1 FINAL WHERE missing = '';

CREATE OR REPLACE VIEW areas AS
SELECT
    institution,
    argMax(tuple(e.north, e.urban), (e.time, e.id)) AS described,
    tupleElement(described, 1) AS north,
    tupleElement(described, 2) AS urban
FROM area_events_v1 AS e FINAL
WHERE e.missing = ''
GROUP BY institution;

ALTER TABLE areas
    COMMENT COLUMN described 'the latest description as one tuple: north, urban',
    COMMENT COLUMN north 'north of the Yangtze',
    COMMENT COLUMN urban 'in a town';

CREATE OR REPLACE VIEW unparsed_score AS
SELECT topic, partition, offset, id, resident AS key, missing FROM score_history_v1 FINAL WHERE missing != ''
UNION ALL
SELECT topic, partition, offset, id, institution AS key, missing FROM area_events_v1 FINAL WHERE missing != '';

ALTER TABLE unparsed_score COMMENT COLUMN key 'subject or key of the record';
