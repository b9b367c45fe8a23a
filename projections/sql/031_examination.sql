-- Examinations, one row a value or finding, whoever measured it: a laboratory, a follow-up visit, the annual examination.
-- Beside them habits, family history, what drugs did and how they are taken. Values are in the units of measures.toml.

CREATE TABLE examinations_v1
(
    id            UUID COMMENT 'identity of the event',
    resident      String COMMENT 'resident id (a pseudonym)',
    time          DateTime64(3, 'UTC') COMMENT 'when the sample was taken or the person examined',
    recordedtime  DateTime64(3, 'UTC') COMMENT 'when a gateway accepted it',
    knowntime     DateTime64(3, 'UTC') COMMENT 'from when on an answer as of an instant may know it',
    institution   LowCardinality(String) COMMENT 'institution that recorded it',
    actor         Nullable(String) COMMENT 'staff member who recorded it',
    event         LowCardinality(String) COMMENT 'recorded (laboratory and other), health-examined or follow-up-completed',
    name          LowCardinality(String) COMMENT 'what was measured, such as ldl_cholesterol',
    value         Nullable(Float64) COMMENT 'value in the measure''s unit',
    unit          LowCardinality(String) COMMENT 'that unit (UCUM); empty for a finding',
    finding       LowCardinality(Nullable(String)) COMMENT 'what was found, in the measure''s words',
    given_value   Nullable(Float64) COMMENT 'value as sent, where it came in another unit',
    given_unit    LowCardinality(Nullable(String)) COMMENT 'unit as sent, where it was another one',
    text          Nullable(String) COMMENT 'what was written beside it',
    panel         LowCardinality(Nullable(String)) COMMENT 'what was asked for',
    missing       LowCardinality(String) COMMENT 'required field that the event lacks; such rows are served by unparsed',
    topic         LowCardinality(String) COMMENT 'Kafka topic of the event',
    partition     UInt32 COMMENT 'its partition',
    offset        UInt64 COMMENT 'its offset',
    version       UInt64 MATERIALIZED bitNot(offset) COMMENT 'the highest version wins: the lowest offset'
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (resident, name, id);

CREATE MATERIALIZED VIEW examinations_v1_mv TO examinations_v1 AS
WITH
    JSONExtract(coalesce(upcast, log.value), 'Tuple(
        institution Nullable(String), actor Nullable(String),
        data Tuple(
            panel Nullable(String), weight Nullable(Float64), height Nullable(Float64), waist Nullable(Float64),
            heart_rate Nullable(Float64), fasting_glucose Nullable(Float64), glucose_2h Nullable(Float64),
            hba1c Nullable(Float64), results Array(Tuple(name Nullable(String), unit Nullable(String),
                value Nullable(Float64), finding Nullable(String), text Nullable(String),
                given Tuple(value Nullable(Float64), unit Nullable(String))))))'
    ) AS fields,
    tupleElement(fields, 'data') AS data,
    extract(type, '^mailiu\\.[a-z]+\\.(.+)\\.v') AS event,
    arrayFilter(one -> tupleElement(one, 3) IS NOT NULL, [
        ('weight', 'kg', tupleElement(data, 'weight')), ('height', 'cm', tupleElement(data, 'height')),
        ('waist', 'cm', tupleElement(data, 'waist')), ('heart_rate', '/min', tupleElement(data, 'heart_rate')),
        ('fasting_glucose', 'mmol/L', tupleElement(data, 'fasting_glucose')),
        ('glucose_2h', 'mmol/L', tupleElement(data, 'glucose_2h')), ('hba1c_percent', '%', tupleElement(data, 'hba1c'))
    ]) AS at_a_visit,
    if(
        event = 'follow-up-completed',
        arrayMap(
            one -> (
                CAST(tupleElement(one, 1), 'Nullable(String)'), CAST(tupleElement(one, 2), 'Nullable(String)'),
                tupleElement(one, 3), CAST(NULL, 'Nullable(String)'), CAST(NULL, 'Nullable(String)'),
                (CAST(NULL, 'Nullable(Float64)'), CAST(NULL, 'Nullable(String)'))
            ),
            at_a_visit
        ),
        arrayMap(
            one -> (
                tupleElement(one, 'name'), tupleElement(one, 'unit'), tupleElement(one, 'value'),
                tupleElement(one, 'finding'), tupleElement(one, 'text'),
                (tupleElement(tupleElement(one, 'given'), 'value'), tupleElement(tupleElement(one, 'given'), 'unit'))
            ),
            tupleElement(data, 'results')
        )
    ) AS measured,
    arrayJoin(emptyArrayToSingle(measured)) AS result
SELECT
    identity AS id,
    key AS resident,
    assumeNotNull(log.time) AS time,
    recordedtime,
    knowntime,
    ifNull(tupleElement(fields, 'institution'), '') AS institution,
    tupleElement(fields, 'actor') AS actor,
    event,
    ifNull(tupleElement(result, 1), '') AS name,
    tupleElement(result, 3) AS value,
    if(tupleElement(result, 3) IS NULL, '', ifNull(tupleElement(result, 2), '')) AS unit,
    tupleElement(result, 4) AS finding,
    tupleElement(tupleElement(result, 6), 1) AS given_value,
    tupleElement(tupleElement(result, 6), 2) AS given_unit,
    tupleElement(result, 5) AS text,
    tupleElement(data, 'panel') AS panel,
    multiIf(
        tupleElement(fields, 'institution') IS NULL, 'institution',
        event = 'recorded' AND empty(measured), 'data.results',
        name = '' AND event = 'recorded', 'data.results.name',
        name != '' AND value IS NULL AND finding IS NULL, 'data.results.value',
        ''
    ) AS missing,
    topic,
    partition,
    offset
FROM log_care AS log
WHERE topic = 'events' AND log.time IS NOT NULL AND type IN (
    'mailiu.examination.recorded.v1', 'mailiu.examination.health-examined.v1',
    'mailiu.chronic.follow-up-completed.v1', 'mailiu.chronic.follow-up-completed.v2',
    'mailiu.chronic.follow-up-completed.v3'
) AND (event = 'recorded' OR tupleElement(fields, 'institution') IS NULL OR notEmpty(measured));

-- What a record that gave way to another (aliases) holds is the survivor's; what was retracted is gone.
CREATE OR REPLACE VIEW examinations AS
WITH
    (SELECT (groupArray(a.resident), groupArray(a.survivor)) FROM aliases AS a) AS merged,
    (SELECT groupArray(r.event) FROM refused_events AS r) AS refused
SELECT * EXCEPT missing
FROM examinations_v1 FINAL
WHERE missing = '' AND id NOT IN (SELECT arrayJoin(refused)) AND resident NOT IN (SELECT arrayJoin(merged.1))
    AND id NOT IN (SELECT reading FROM retractions)
UNION ALL
WITH
    (SELECT (groupArray(a.resident), groupArray(a.survivor)) FROM aliases AS a) AS merged,
    (SELECT groupArray(r.event) FROM refused_events AS r) AS refused
SELECT e.* EXCEPT missing REPLACE (transform(e.resident, merged.1, merged.2, '') AS resident)
FROM (SELECT * FROM examinations_v1 FINAL WHERE resident IN (SELECT arrayJoin(merged.1))) AS e
WHERE e.missing = '' AND e.id NOT IN (SELECT arrayJoin(refused)) AND e.id NOT IN (SELECT reading FROM retractions);

CREATE TABLE history_v1
(
    id                   UUID COMMENT 'identity of the event',
    resident             String COMMENT 'resident id (a pseudonym)',
    event                LowCardinality(String) COMMENT 'lifestyle-recorded, family-history-recorded, adherence-reported, adverse-reaction-reported or health-examined',
    time                 DateTime64(3, 'UTC') COMMENT 'when it was told or found',
    recordedtime         DateTime64(3, 'UTC') COMMENT 'when a gateway accepted it',
    knowntime            DateTime64(3, 'UTC') COMMENT 'from when on an answer as of an instant may know it',
    institution          LowCardinality(String) COMMENT 'institution that recorded it',
    actor                Nullable(String) COMMENT 'staff member or resident who recorded it',
    smoking              LowCardinality(Nullable(String)) COMMENT 'never, former or current',
    smoking_per_day      Nullable(Float64) COMMENT 'cigarettes a day',
    alcohol              LowCardinality(Nullable(String)) COMMENT 'never, occasional, often or daily',
    alcohol_per_day      Nullable(Float64) COMMENT 'liang (50 g) of spirits a day',
    exercise             LowCardinality(Nullable(String)) COMMENT 'daily, more-than-once-a-week, occasionally or none',
    exercise_minutes     Nullable(Float64) COMMENT 'minutes each time',
    diet                 Array(LowCardinality(String)) COMMENT 'balanced, mainly-meat, mainly-vegetable, salty, oily, sugary',
    salt                 LowCardinality(Nullable(String)) COMMENT 'light, medium or heavy',
    staple_food_g        Nullable(Float64) COMMENT 'g a day',
    sleep_hours          Nullable(Float64) COMMENT 'hours a night',
    psychology           LowCardinality(Nullable(String)) COMMENT 'good, fair or poor',
    conditions           Array(LowCardinality(String)) COMMENT 'family history: what a relative has or had',
    relatives            Array(LowCardinality(String)) COMMENT 'family history: which relative, in the same order',
    onset_ages           Array(Nullable(UInt8)) COMMENT 'family history: age at onset in years, in the same order',
    code                 LowCardinality(String) COMMENT 'drug by ATC code; empty where it is not known or all are meant',
    adherence            LowCardinality(Nullable(String)) COMMENT 'regular, intermittent or none',
    reason               LowCardinality(Nullable(String)) COMMENT 'why a drug is not taken regularly',
    reaction             Nullable(String) COMMENT 'adverse reaction, as written',
    severity             LowCardinality(Nullable(String)) COMMENT 'of a reaction: mild, moderate or severe',
    action               LowCardinality(Nullable(String)) COMMENT 'what was done: continued, dose-changed, stopped or replaced',
    systolic_left        Nullable(Float64) COMMENT 'annual examination: left arm, mm[Hg]',
    diastolic_left       Nullable(Float64) COMMENT 'annual examination: left arm, mm[Hg]',
    systolic_right       Nullable(Float64) COMMENT 'annual examination: right arm, mm[Hg]',
    diastolic_right      Nullable(Float64) COMMENT 'annual examination: right arm, mm[Hg]',
    symptoms             Array(LowCardinality(String)) COMMENT 'annual examination: coded; none says that there are none',
    findings             Map(LowCardinality(String), String) COMMENT 'annual examination: findings as JSON, by the form''s field',
    evaluation           LowCardinality(Nullable(String)) COMMENT 'annual examination: no-abnormality or abnormal',
    guidance             Array(LowCardinality(String)) COMMENT 'annual examination: what was advised',
    risk_control         Array(LowCardinality(String)) COMMENT 'annual examination: which risk factors to control',
    target_weight        Nullable(Float64) COMMENT 'annual examination: weight to reach, kg',
    doctor               Nullable(String) COMMENT 'staff member who answers for it',
    missing              LowCardinality(String) COMMENT 'required field that the event lacks; such rows are served by unparsed',
    topic                LowCardinality(String) COMMENT 'Kafka topic of the event',
    partition            UInt32 COMMENT 'its partition',
    offset               UInt64 COMMENT 'its offset',
    version              UInt64 MATERIALIZED bitNot(offset) COMMENT 'the highest version wins: the lowest offset'
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (resident, id);

CREATE MATERIALIZED VIEW history_v1_mv TO history_v1 AS
WITH
    JSONExtract(coalesce(upcast, value), 'Tuple(
        institution Nullable(String), actor Nullable(String),
        data Tuple(
            code Nullable(String), adherence Nullable(String), reason Nullable(String), reaction Nullable(String),
            severity Nullable(String), action Nullable(String), symptoms Array(String), evaluation Nullable(String),
            guidance Array(String), risk_control Array(String), target_weight Nullable(Float64), doctor Nullable(String),
            blood_pressure_left Tuple(systolic Nullable(Float64), diastolic Nullable(Float64)),
            blood_pressure_right Tuple(systolic Nullable(Float64), diastolic Nullable(Float64)),
            relatives Array(Tuple(condition String, relative String, onset_age Nullable(UInt8)))))'
    ) AS fields,
    tupleElement(fields, 'data') AS data,
    tupleElement(data, 'blood_pressure_left') AS left_arm,
    tupleElement(data, 'blood_pressure_right') AS right_arm,
    extract(type, '^mailiu\\.[a-z]+\\.(.+)\\.v') AS event,
    JSONExtract(
        if(event = 'health-examined', JSONExtractRaw(coalesce(upcast, value), 'data', 'lifestyle'),
            JSONExtractRaw(coalesce(upcast, value), 'data')),
        'Tuple(smoking Nullable(String), smoking_per_day Nullable(Float64), alcohol Nullable(String),
            alcohol_per_day Nullable(Float64), exercise Nullable(String), exercise_minutes Nullable(Float64),
            diet Array(String), salt Nullable(String), staple_food_g Nullable(Float64), sleep_hours Nullable(Float64),
            psychology Nullable(String))'
    ) AS habits
SELECT
    identity AS id,
    key AS resident,
    event,
    assumeNotNull(log.time) AS time,
    recordedtime,
    knowntime,
    ifNull(tupleElement(fields, 'institution'), '') AS institution,
    tupleElement(fields, 'actor') AS actor,
    tupleElement(habits, 'smoking') AS smoking,
    tupleElement(habits, 'smoking_per_day') AS smoking_per_day,
    tupleElement(habits, 'alcohol') AS alcohol,
    tupleElement(habits, 'alcohol_per_day') AS alcohol_per_day,
    tupleElement(habits, 'exercise') AS exercise,
    tupleElement(habits, 'exercise_minutes') AS exercise_minutes,
    tupleElement(habits, 'diet') AS diet,
    tupleElement(habits, 'salt') AS salt,
    tupleElement(habits, 'staple_food_g') AS staple_food_g,
    tupleElement(habits, 'sleep_hours') AS sleep_hours,
    tupleElement(habits, 'psychology') AS psychology,
    arrayMap(one -> tupleElement(one, 'condition'), tupleElement(data, 'relatives')) AS conditions,
    arrayMap(one -> tupleElement(one, 'relative'), tupleElement(data, 'relatives')) AS relatives,
    arrayMap(one -> tupleElement(one, 'onset_age'), tupleElement(data, 'relatives')) AS onset_ages,
    ifNull(tupleElement(data, 'code'), '') AS code,
    tupleElement(data, 'adherence') AS adherence,
    tupleElement(data, 'reason') AS reason,
    tupleElement(data, 'reaction') AS reaction,
    tupleElement(data, 'severity') AS severity,
    tupleElement(data, 'action') AS action,
    tupleElement(left_arm, 'systolic') AS systolic_left,
    tupleElement(left_arm, 'diastolic') AS diastolic_left,
    tupleElement(right_arm, 'systolic') AS systolic_right,
    tupleElement(right_arm, 'diastolic') AS diastolic_right,
    tupleElement(data, 'symptoms') AS symptoms,
    CAST(JSONExtractKeysAndValuesRaw(coalesce(upcast, value), 'data', 'findings'), 'Map(String, String)') AS findings,
    tupleElement(data, 'evaluation') AS evaluation,
    tupleElement(data, 'guidance') AS guidance,
    tupleElement(data, 'risk_control') AS risk_control,
    tupleElement(data, 'target_weight') AS target_weight,
    tupleElement(data, 'doctor') AS doctor,
    multiIf(
        tupleElement(fields, 'institution') IS NULL, 'institution',
        event = 'adherence-reported' AND adherence IS NULL, 'data.adherence',
        event = 'adverse-reaction-reported' AND reaction IS NULL, 'data.reaction',
        event = 'family-history-recorded' AND NOT JSONHas(coalesce(upcast, value), 'data', 'relatives'), 'data.relatives',
        ''
    ) AS missing,
    topic,
    partition,
    offset
FROM log_care AS log
WHERE topic = 'events' AND log.time IS NOT NULL AND type IN (
    'mailiu.chronic.lifestyle-recorded.v1', 'mailiu.chronic.family-history-recorded.v1',
    'mailiu.chronic.adherence-reported.v1', 'mailiu.chronic.adverse-reaction-reported.v1',
    'mailiu.examination.health-examined.v1'
);

CREATE OR REPLACE VIEW person_history AS
WITH
    (SELECT (groupArray(a.resident), groupArray(a.survivor)) FROM aliases AS a) AS merged,
    (SELECT groupArray(r.event) FROM refused_events AS r) AS refused
SELECT * EXCEPT missing
FROM history_v1 FINAL
WHERE missing = '' AND id NOT IN (SELECT arrayJoin(refused)) AND resident NOT IN (SELECT arrayJoin(merged.1))
    AND id NOT IN (SELECT reading FROM retractions)
UNION ALL
WITH
    (SELECT (groupArray(a.resident), groupArray(a.survivor)) FROM aliases AS a) AS merged,
    (SELECT groupArray(r.event) FROM refused_events AS r) AS refused
SELECT h.* EXCEPT missing REPLACE (transform(h.resident, merged.1, merged.2, '') AS resident)
FROM (SELECT * FROM history_v1 FINAL WHERE resident IN (SELECT arrayJoin(merged.1))) AS h
WHERE h.missing = '' AND h.id NOT IN (SELECT arrayJoin(refused)) AND h.id NOT IN (SELECT reading FROM retractions);

-- Habits as told, by the questions of the annual examination; those of visits are in follow_ups.
CREATE OR REPLACE VIEW lifestyles AS
SELECT
    id, resident, event, time, recordedtime, knowntime, institution, actor, smoking, smoking_per_day, alcohol,
    alcohol_per_day, exercise, exercise_minutes, diet, salt, staple_food_g, sleep_hours, psychology, topic, partition, offset
FROM person_history
WHERE event = 'lifestyle-recorded' OR event = 'health-examined' AND (
    smoking IS NOT NULL OR alcohol IS NOT NULL OR exercise IS NOT NULL OR notEmpty(diet)
);

-- Each event tells the whole family history; the latest of a resident stands.
CREATE OR REPLACE VIEW family_history AS
SELECT
    id, resident, time, recordedtime, knowntime, institution, actor, conditions, relatives, onset_ages, topic, partition, offset
FROM person_history
WHERE event = 'family-history-recorded';

CREATE OR REPLACE VIEW health_examinations AS
SELECT
    id, resident, time, recordedtime, knowntime, institution, actor, systolic_left, diastolic_left, systolic_right,
    diastolic_right, symptoms, findings, evaluation, guidance, risk_control, target_weight, doctor, topic, partition, offset
FROM person_history
WHERE event = 'health-examined';

-- How drugs are taken and what they did.
CREATE OR REPLACE VIEW drug_reports AS
SELECT
    id, resident, event, time, recordedtime, knowntime, institution, actor, code, adherence, reason, reaction, severity,
    action, doctor, topic, partition, offset
FROM person_history
WHERE event IN ('adherence-reported', 'adverse-reaction-reported');

CREATE OR REPLACE VIEW unparsed_examination AS
SELECT topic, partition, offset, id, resident AS key, missing FROM examinations_v1 FINAL WHERE missing != ''
UNION ALL
SELECT topic, partition, offset, id, resident AS key, missing FROM history_v1 FINAL WHERE missing != '';

ALTER TABLE unparsed_examination COMMENT COLUMN key 'subject or key of the record';
