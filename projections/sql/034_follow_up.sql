-- Follow-up visits of the chronic disease programmes: one row a visit, what forms 4.3 and 4.4 ask, but for words.

CREATE TABLE follow_ups_v1
(
    id                 UUID COMMENT 'identity of the event',
    resident           String COMMENT 'resident id (a pseudonym)',
    time               DateTime64(3, 'UTC') COMMENT 'when it happened',
    recordedtime       DateTime64(3, 'UTC') COMMENT 'when a gateway accepted it',
    knowntime          DateTime64(3, 'UTC') COMMENT 'from when on an answer as of an instant may know it',
    institution        LowCardinality(String) COMMENT 'institution at which it happened',
    actor              Nullable(String) COMMENT 'staff member who recorded it',
    programme          LowCardinality(String) COMMENT 'whose visit: hypertension, diabetes or both',
    mode               LowCardinality(String) COMMENT 'clinic, home-visit, phone or video',
    systolic           Nullable(Float64) COMMENT 'office systolic pressure, mm[Hg]',
    diastolic          Nullable(Float64) COMMENT 'office diastolic pressure, mm[Hg]',
    heart_rate         Nullable(Float64) COMMENT '/min',
    weight             Nullable(Float64) COMMENT 'kg',
    height             Nullable(Float64) COMMENT 'cm',
    waist              Nullable(Float64) COMMENT 'cm',
    fasting_glucose    Nullable(Float64) COMMENT 'mmol/L',
    glucose_2h         Nullable(Float64) COMMENT 'two hours after a meal, mmol/L',
    hba1c              Nullable(Float64) COMMENT '%',
    symptoms           Array(LowCardinality(String)) COMMENT 'coded; none says that there are none',
    smoking_per_day    Nullable(Float64) COMMENT 'cigarettes a day',
    alcohol_per_day    Nullable(Float64) COMMENT 'liang (50 g) of spirits a day',
    exercise_per_week  Nullable(Float64) COMMENT 'times a week',
    exercise_minutes   Nullable(Float64) COMMENT 'minutes each time',
    salt               LowCardinality(Nullable(String)) COMMENT 'light, medium or heavy',
    staple_food_g      Nullable(Float64) COMMENT 'g a day',
    psychological      LowCardinality(Nullable(String)) COMMENT 'good, fair or poor',
    compliance         LowCardinality(Nullable(String)) COMMENT 'follows advice: good, fair or poor',
    adherence          LowCardinality(Nullable(String)) COMMENT 'takes the drugs: regular, intermittent or none',
    adverse_reaction   Nullable(Bool) COMMENT 'an adverse drug reaction was found; NULL if not asked',
    complication       LowCardinality(Nullable(String)) COMMENT 'none, existing, new or worse',
    hypoglycaemia      LowCardinality(Nullable(String)) COMMENT 'none, occasional or frequent',
    dorsalis_pedis     LowCardinality(Nullable(String)) COMMENT 'normal, weak or absent',
    classification     LowCardinality(Nullable(String)) COMMENT 'the clinician''s: satisfactory, unsatisfactory, adverse-reaction or complication',
    drugs              Array(LowCardinality(String)) COMMENT 'ATC codes of the drugs taken, where they are known',
    insulin            Bool COMMENT 'insulin is used',
    referred           Bool COMMENT 'the person was sent elsewhere',
    next_visit         Nullable(Date32) COMMENT 'day agreed on for the next visit',
    doctor             Nullable(String) COMMENT 'staff member who signs',
    missing            LowCardinality(String) COMMENT 'required field that the event lacks; such rows are served by unparsed',
    topic              LowCardinality(String) COMMENT 'Kafka topic of the event',
    partition          UInt32 COMMENT 'its partition',
    offset             UInt64 COMMENT 'its offset',
    version            UInt64 MATERIALIZED bitNot(offset) COMMENT 'the highest version wins: the lowest offset'
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (resident, id);

CREATE MATERIALIZED VIEW follow_ups_v1_mv TO follow_ups_v1 AS
WITH
    JSONExtract(coalesce(upcast, value), 'Tuple(
        institution Nullable(String), actor Nullable(String),
        data Tuple(
            programme Nullable(String), mode Nullable(String), heart_rate Nullable(Float64), weight Nullable(Float64),
            height Nullable(Float64), waist Nullable(Float64), fasting_glucose Nullable(Float64),
            glucose_2h Nullable(Float64), hba1c Nullable(Float64), symptoms Array(String), adherence Nullable(String),
            adverse_reaction Nullable(Bool), complication Nullable(String), hypoglycaemia Nullable(String),
            dorsalis_pedis Nullable(String), classification Nullable(String), next_visit Nullable(String),
            doctor Nullable(String), medications Array(Tuple(code Nullable(String))),
            blood_pressure Tuple(systolic Nullable(Float64), diastolic Nullable(Float64)),
            lifestyle Tuple(smoking_per_day Nullable(Float64), alcohol_per_day Nullable(Float64),
                exercise_per_week Nullable(Float64), exercise_minutes Nullable(Float64), salt Nullable(String),
                staple_food_g Nullable(Float64), psychological Nullable(String), compliance Nullable(String)),
            insulin Tuple(name Nullable(String)), referral Tuple(reason Nullable(String))))'
    ) AS fields,
    tupleElement(fields, 'data') AS data,
    tupleElement(data, 'blood_pressure') AS office,
    tupleElement(data, 'lifestyle') AS lifestyle,
    tupleElement(data, 'insulin') AS insulins,
    tupleElement(data, 'referral') AS referral
SELECT
    identity AS id,
    key AS resident,
    assumeNotNull(log.time) AS time,
    recordedtime,
    knowntime,
    ifNull(tupleElement(fields, 'institution'), '') AS institution,
    tupleElement(fields, 'actor') AS actor,
    ifNull(tupleElement(data, 'programme'), 'hypertension') AS programme,
    ifNull(tupleElement(data, 'mode'), 'clinic') AS mode,
    tupleElement(office, 'systolic') AS systolic,
    tupleElement(office, 'diastolic') AS diastolic,
    tupleElement(data, 'heart_rate') AS heart_rate,
    tupleElement(data, 'weight') AS weight,
    tupleElement(data, 'height') AS height,
    tupleElement(data, 'waist') AS waist,
    tupleElement(data, 'fasting_glucose') AS fasting_glucose,
    tupleElement(data, 'glucose_2h') AS glucose_2h,
    tupleElement(data, 'hba1c') AS hba1c,
    tupleElement(data, 'symptoms') AS symptoms,
    tupleElement(lifestyle, 'smoking_per_day') AS smoking_per_day,
    tupleElement(lifestyle, 'alcohol_per_day') AS alcohol_per_day,
    tupleElement(lifestyle, 'exercise_per_week') AS exercise_per_week,
    tupleElement(lifestyle, 'exercise_minutes') AS exercise_minutes,
    tupleElement(lifestyle, 'salt') AS salt,
    tupleElement(lifestyle, 'staple_food_g') AS staple_food_g,
    tupleElement(lifestyle, 'psychological') AS psychological,
    tupleElement(lifestyle, 'compliance') AS compliance,
    tupleElement(data, 'adherence') AS adherence,
    tupleElement(data, 'adverse_reaction') AS adverse_reaction,
    tupleElement(data, 'complication') AS complication,
    tupleElement(data, 'hypoglycaemia') AS hypoglycaemia,
    tupleElement(data, 'dorsalis_pedis') AS dorsalis_pedis,
    tupleElement(data, 'classification') AS classification,
    arrayFilter(
        code -> code != '', arrayMap(drug -> ifNull(tupleElement(drug, 'code'), ''), tupleElement(data, 'medications'))
    ) AS drugs,
    tupleElement(insulins, 'name') IS NOT NULL AS insulin,
    tupleElement(referral, 'reason') IS NOT NULL AS referred,
    toDate32OrNull(tupleElement(data, 'next_visit')) AS next_visit,
    tupleElement(data, 'doctor') AS doctor,
    multiIf(
        tupleElement(fields, 'institution') IS NULL, 'institution',
        diastolic IS NOT NULL AND systolic IS NULL, 'data.blood_pressure.systolic',
        systolic IS NOT NULL AND diastolic IS NULL, 'data.blood_pressure.diastolic',
        ''
    ) AS missing,
    topic,
    partition,
    offset
FROM log_care AS log
WHERE topic = 'events' AND log.time IS NOT NULL AND type IN (
    'mailiu.chronic.follow-up-completed.v1', 'mailiu.chronic.follow-up-completed.v2',
    'mailiu.chronic.follow-up-completed.v3'
);

-- The visits of a record that gave way to another (aliases) are the survivor's. A visit that was taken back is none.
CREATE OR REPLACE VIEW follow_ups AS
WITH
    (SELECT (groupArray(a.resident), groupArray(a.survivor)) FROM aliases AS a) AS merged,
    (SELECT groupArray(r.event) FROM refused_events AS r) AS refused
SELECT * EXCEPT missing
FROM follow_ups_v1 FINAL
WHERE missing = '' AND id NOT IN (SELECT arrayJoin(refused)) AND resident NOT IN (SELECT arrayJoin(merged.1))
    AND (resident, id) NOT IN (SELECT r.resident, r.reading FROM retractions AS r)
UNION ALL
WITH
    (SELECT (groupArray(a.resident), groupArray(a.survivor)) FROM aliases AS a) AS merged,
    (SELECT groupArray(r.event) FROM refused_events AS r) AS refused
SELECT f.* EXCEPT missing REPLACE (transform(f.resident, merged.1, merged.2, '') AS resident)
FROM (SELECT * FROM follow_ups_v1 FINAL WHERE resident IN (SELECT arrayJoin(merged.1))) AS f
WHERE f.missing = '' AND f.id NOT IN (SELECT arrayJoin(refused))
    AND f.id NOT IN (SELECT r.reading FROM retractions AS r);

CREATE OR REPLACE VIEW unparsed_follow_up AS
SELECT topic, partition, offset, id, resident AS key, missing FROM follow_ups_v1 FINAL WHERE missing != '';

ALTER TABLE unparsed_follow_up COMMENT COLUMN key 'subject or key of the record';
