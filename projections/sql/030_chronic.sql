-- Chronic disease: conditions, medication, follow-up visits, symptoms and personal targets. One row an event.

CREATE TABLE chronic_events_v1
(
    id                UUID COMMENT 'identity of the event',
    resident          String COMMENT 'resident id (a pseudonym)',
    event             LowCardinality(String) COMMENT 'condition-diagnosed, medication-prescribed, follow-up-completed …',
    time              DateTime64(3, 'UTC') COMMENT 'when it happened',
    recordedtime      DateTime64(3, 'UTC') COMMENT 'when a gateway accepted it',
    knowntime         DateTime64(3, 'UTC') COMMENT 'from when on an answer as of an instant may know it',
    institution       LowCardinality(String) COMMENT 'institution at which it happened',
    actor             Nullable(String) COMMENT 'staff member or resident who acted',
    code              LowCardinality(String) COMMENT 'condition by ICD-10 as coded, or drug by ATC code; empty for other events',
    certainty         LowCardinality(Nullable(String)) COMMENT 'condition: confirmed, provisional, differential or unconfirmed',
    category          LowCardinality(Nullable(String)) COMMENT 'condition: problem-list-item or encounter-diagnosis',
    diagnoser         Nullable(String) COMMENT 'condition: who made the diagnosis or says that it no longer holds',
    onset             Nullable(Date32) COMMENT 'condition: day of onset',
    dose              Nullable(String) COMMENT 'drug: dose as written',
    frequency         Nullable(String) COMMENT 'drug: frequency as written',
    start             Nullable(Date32) COMMENT 'drug: first day',
    reason            Nullable(String) COMMENT 'why a drug was stopped, a condition ended or a target set',
    programme         LowCardinality(Nullable(String)) COMMENT 'follow-up: hypertension, diabetes or both',
    mode              LowCardinality(Nullable(String)) COMMENT 'follow-up: clinic, home-visit, phone or video',
    systolic          Nullable(Float64) COMMENT 'office or target systolic pressure, mm[Hg]',
    diastolic         Nullable(Float64) COMMENT 'office or target diastolic pressure, mm[Hg]',
    fasting_glucose   Nullable(Float64) COMMENT 'follow-up: fasting glucose, mmol/L',
    adverse_reaction  Nullable(Bool) COMMENT 'follow-up: an adverse drug reaction was found',
    symptoms          Array(LowCardinality(String)) COMMENT 'coded symptoms; none says that the resident was asked',
    channel           LowCardinality(Nullable(String)) COMMENT 'how symptoms were reported: app, device, phone, visit or other',
    review            Nullable(Date32) COMMENT 'target: day on which to look at it again',
    doctor            Nullable(String) COMMENT 'target: doctor who answers for it',
    missing           LowCardinality(String) COMMENT 'required field that the event lacks; such rows are served by unparsed',
    topic             LowCardinality(String) COMMENT 'Kafka topic of the event',
    partition         UInt32 COMMENT 'its partition',
    offset            UInt64 COMMENT 'its offset',
    version           UInt64 MATERIALIZED bitNot(offset) COMMENT 'the highest version wins: the lowest offset'
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (resident, id);

CREATE MATERIALIZED VIEW chronic_events_v1_mv TO chronic_events_v1 AS
WITH
    JSONExtract(coalesce(upcast, value), 'Tuple(
        institution Nullable(String), actor Nullable(String),
        data Tuple(
            code Nullable(String), certainty Nullable(String), category Nullable(String), diagnoser Nullable(String), onset Nullable(String), dose Nullable(String),
            frequency Nullable(String), start Nullable(String), reason Nullable(String), programme Nullable(String),
            mode Nullable(String), fasting_glucose Nullable(Float64), adverse_reaction Nullable(Bool),
            blood_pressure Tuple(systolic Nullable(Float64), diastolic Nullable(Float64)),
            systolic Nullable(Float64), diastolic Nullable(Float64), symptoms Array(String), channel Nullable(String),
            review Nullable(String), doctor Nullable(String)))'
    ) AS fields,
    tupleElement(fields, 'data') AS data,
    event = 'follow-up-completed' AS visit
SELECT
    identity AS id,
    key AS resident,
    extract(type, '^mailiu\\.chronic\\.(.+)\\.v') AS event,
    assumeNotNull(log.time) AS time,
    recordedtime,
    knowntime,
    ifNull(tupleElement(fields, 'institution'), '') AS institution,
    tupleElement(fields, 'actor') AS actor,
    ifNull(tupleElement(data, 'code'), '') AS code,
    if(event = 'condition-diagnosed', ifNull(tupleElement(data, 'certainty'), 'confirmed'), NULL) AS certainty,
    tupleElement(data, 'category') AS category,
    tupleElement(data, 'diagnoser') AS diagnoser,
    toDate32OrNull(tupleElement(data, 'onset')) AS onset,
    tupleElement(data, 'dose') AS dose,
    tupleElement(data, 'frequency') AS frequency,
    toDate32OrNull(tupleElement(data, 'start')) AS start,
    tupleElement(data, 'reason') AS reason,
    if(visit, ifNull(tupleElement(data, 'programme'), 'hypertension'), NULL) AS programme,
    if(visit, ifNull(tupleElement(data, 'mode'), 'clinic'), NULL) AS mode,
    if(visit, tupleElement(tupleElement(data, 'blood_pressure'), 'systolic'), tupleElement(data, 'systolic')) AS systolic,
    if(visit, tupleElement(tupleElement(data, 'blood_pressure'), 'diastolic'), tupleElement(data, 'diastolic')) AS diastolic,
    tupleElement(data, 'fasting_glucose') AS fasting_glucose,
    if(visit, ifNull(tupleElement(data, 'adverse_reaction'), false), NULL) AS adverse_reaction,
    tupleElement(data, 'symptoms') AS symptoms,
    if(event = 'symptom-reported', ifNull(tupleElement(data, 'channel'), 'other'), NULL) AS channel,
    toDate32OrNull(tupleElement(data, 'review')) AS review,
    tupleElement(data, 'doctor') AS doctor,
    multiIf(
        tupleElement(fields, 'institution') IS NULL, 'institution',
        (startsWith(event, 'condition-') OR startsWith(event, 'medication-')) AND code = '', 'data.code',
        event = 'symptom-reported' AND empty(symptoms), 'data.symptoms',
        (event = 'target-set' OR visit AND diastolic IS NOT NULL) AND systolic IS NULL, 'data.systolic',
        (event = 'target-set' OR visit AND systolic IS NOT NULL) AND diastolic IS NULL, 'data.diastolic',
        ''
    ) AS missing,
    topic,
    partition,
    offset
FROM log_care AS log
WHERE topic = 'events' AND log.time IS NOT NULL AND type IN (
    'mailiu.chronic.symptom-reported.v1', 'mailiu.chronic.condition-diagnosed.v1',
    'mailiu.chronic.condition-resolved.v1', 'mailiu.chronic.condition-diagnosed.v2',
    'mailiu.chronic.condition-resolved.v2', 'mailiu.chronic.medication-prescribed.v1',
    'mailiu.chronic.medication-stopped.v1', 'mailiu.chronic.follow-up-completed.v1',
    'mailiu.chronic.follow-up-completed.v2', 'mailiu.chronic.follow-up-completed.v3',
    'mailiu.chronic.target-set.v1'
);

-- What was entered in error, and so retracted, was never diagnosed and never prescribed.
CREATE OR REPLACE VIEW conditions AS
SELECT
    resident,
    extract(e.code, '^[A-Z][0-9]{2}(?:\\.[0-9])?') AS code,
    argMaxIf(e.code, (e.time, e.offset), e.event = 'condition-diagnosed') AS original,
    argMaxIf(tuple(e.category), (e.time, e.offset), e.event = 'condition-diagnosed').1 AS category,
    argMaxIf(tuple(e.diagnoser), (e.time, e.offset), e.event = 'condition-diagnosed').1 AS diagnoser,
    argMaxIf(e.certainty, (e.time, e.offset), e.event = 'condition-diagnosed') AS certainty,
    argMaxIf(e.onset, (e.time, e.offset), e.event = 'condition-diagnosed') AS onset,
    minIfOrNull(e.time, e.event = 'condition-diagnosed') AS first_diagnosed_time,
    maxIfOrNull(e.time, e.event = 'condition-diagnosed') AS diagnosed_time,
    if(argMax(e.event, (e.time, e.offset)) = 'condition-resolved', toNullable(max(e.time)), NULL) AS resolved_time,
    argMaxIf(tuple(e.reason), (e.time, e.offset), e.event = 'condition-resolved').1 AS reason,
    argMax(e.institution, (e.time, e.offset)) AS institution,
    max(e.knowntime) AS knowntime
FROM chronic_events_v1 AS e FINAL
WHERE e.missing = '' AND e.event IN ('condition-diagnosed', 'condition-resolved')
    AND (e.resident, e.id) NOT IN (SELECT r.resident, r.reading FROM retractions AS r)
GROUP BY resident, extract(e.code, '^[A-Z][0-9]{2}(?:\\.[0-9])?');

ALTER TABLE conditions
    COMMENT COLUMN code 'condition by the WHO category of ICD-10',
    COMMENT COLUMN original 'the code as it was given with the latest diagnosis',
    COMMENT COLUMN category 'problem-list-item or encounter-diagnosis, of the latest diagnosis',
    COMMENT COLUMN diagnoser 'who made the latest diagnosis',
    COMMENT COLUMN first_diagnosed_time 'first diagnosis',
    COMMENT COLUMN diagnosed_time 'latest diagnosis; NULL where only its end is known',
    COMMENT COLUMN resolved_time 'when it ended; NULL while it holds',
    COMMENT COLUMN reason 'why it last ended: resolved, inactive, remission or refuted';

CREATE OR REPLACE VIEW medications AS
SELECT
    resident,
    code,
    argMaxIf(tuple(e.dose), (e.time, e.offset), e.event = 'medication-prescribed').1 AS dose,
    argMaxIf(tuple(e.frequency), (e.time, e.offset), e.event = 'medication-prescribed').1 AS frequency,
    argMaxIf(tuple(e.start), (e.time, e.offset), e.event = 'medication-prescribed').1 AS start,
    maxIfOrNull(e.time, e.event = 'medication-prescribed') AS prescribed_time,
    if(argMax(e.event, (e.time, e.offset)) = 'medication-stopped', toNullable(max(e.time)), NULL) AS stopped_time,
    argMaxIf(e.reason, (e.time, e.offset), e.event = 'medication-stopped') AS reason,
    argMax(e.institution, (e.time, e.offset)) AS institution,
    max(e.knowntime) AS knowntime
FROM chronic_events_v1 AS e FINAL
WHERE e.missing = '' AND e.event IN ('medication-prescribed', 'medication-stopped')
    AND (e.resident, e.id) NOT IN (SELECT r.resident, r.reading FROM retractions AS r)
GROUP BY resident, code;

ALTER TABLE medications
    COMMENT COLUMN code 'drug by ATC code',
    COMMENT COLUMN prescribed_time 'latest prescription',
    COMMENT COLUMN stopped_time 'when it was stopped; NULL while it is taken',
    COMMENT COLUMN reason 'why it was last stopped';

CREATE OR REPLACE VIEW symptoms AS
SELECT id, resident, institution, actor, time, recordedtime, knowntime, symptoms, channel, topic, partition, offset
FROM chronic_events_v1 FINAL
WHERE missing = '' AND event = 'symptom-reported';

CREATE OR REPLACE VIEW targets AS
SELECT
    resident,
    argMax(tuple(e.systolic), (e.time, e.offset)).1 AS systolic,
    argMax(tuple(e.diastolic), (e.time, e.offset)).1 AS diastolic,
    argMax(tuple(e.reason), (e.time, e.offset)).1 AS reason,
    argMax(tuple(e.review), (e.time, e.offset)).1 AS review,
    argMax(tuple(e.doctor), (e.time, e.offset)).1 AS doctor,
    argMax(tuple(e.actor), (e.time, e.offset)).1 AS actor,
    max(e.time) AS time,
    max(e.knowntime) AS knowntime
FROM chronic_events_v1 AS e FINAL
WHERE e.missing = '' AND e.event = 'target-set'
GROUP BY resident;

ALTER TABLE targets
    COMMENT COLUMN systolic 'home mean below this is at target, mm[Hg]',
    COMMENT COLUMN diastolic 'home mean below this is at target, mm[Hg]',
    COMMENT COLUMN time 'when the target was set';

CREATE OR REPLACE VIEW unparsed_chronic AS
SELECT topic, partition, offset, id, resident AS key, missing FROM chronic_events_v1 FINAL WHERE missing != '';

ALTER TABLE unparsed_chronic COMMENT COLUMN key 'subject or key of the record';
