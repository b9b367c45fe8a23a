-- What residents tell of themselves: answered questionnaires with their scores, and answers to alerts.

CREATE TABLE engagement_events_v1
(
    id             UUID COMMENT 'identity of the event',
    resident       String COMMENT 'resident id (a pseudonym)',
    event          LowCardinality(String) COMMENT 'questionnaire-answered, questionnaire-scored or alert-answered',
    time           DateTime64(3, 'UTC') COMMENT 'when it was said',
    recordedtime   DateTime64(3, 'UTC') COMMENT 'when a gateway accepted it; of a score, its cause',
    knowntime      DateTime64(3, 'UTC') COMMENT 'from when on an answer as of an instant may know it',
    institution    LowCardinality(String) COMMENT 'institution that manages the resident, or recorded it',
    actor          Nullable(String) COMMENT 'resident or staff member who said or recorded it',
    questionnaire  LowCardinality(String) COMMENT 'questionnaire: phq-9, gad-7, adl-elderly',
    form_version   UInt32 COMMENT 'version of the questionnaire',
    answers        Map(String, String) COMMENT 'answered: item id to answer code',
    answered       Nullable(UUID) COMMENT 'scored: identity of the answers',
    total          Nullable(UInt32) COMMENT 'scored: sum of the answers',
    band           LowCardinality(Nullable(String)) COMMENT 'scored: what the total means',
    flags          Array(LowCardinality(String)) COMMENT 'scored: self-harm-thoughts, whatever the total',
    alert          Nullable(UUID) COMMENT 'alert-answered: the alert',
    answer         LowCardinality(Nullable(String)) COMMENT 'alert-answered: feel-well, feel-unwell, will-measure, took-sugar, called-120 or please-call',
    channel        LowCardinality(Nullable(String)) COMMENT 'app, device, phone, visit or other',
    missing        LowCardinality(String) COMMENT 'required field that the event lacks; such rows are served by unparsed',
    topic          LowCardinality(String) COMMENT 'Kafka topic of the event',
    partition      UInt32 COMMENT 'its partition',
    offset         UInt64 COMMENT 'its offset',
    version        UInt64 MATERIALIZED bitNot(offset) COMMENT 'the highest version wins: the lowest offset'
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (resident, id);

CREATE MATERIALIZED VIEW engagement_events_v1_mv TO engagement_events_v1 AS
WITH
    JSONExtract(coalesce(upcast, value), 'Tuple(
        institution Nullable(String), actor Nullable(String),
        data Tuple(
            questionnaire Nullable(String), version Nullable(UInt32), answers Map(String, String),
            answered Nullable(UUID), total Nullable(UInt32), band Nullable(String), flags Array(String),
            alert Nullable(UUID), answer Nullable(String), channel Nullable(String)))'
    ) AS fields,
    tupleElement(fields, 'data') AS data
SELECT
    identity AS id,
    key AS resident,
    extract(type, '^mailiu\\.engagement\\.(.+)\\.v') AS event,
    assumeNotNull(log.time) AS time,
    recordedtime,
    knowntime,
    ifNull(tupleElement(fields, 'institution'), '') AS institution,
    tupleElement(fields, 'actor') AS actor,
    ifNull(tupleElement(data, 'questionnaire'), '') AS questionnaire,
    ifNull(tupleElement(data, 'version'), 0) AS form_version,
    tupleElement(data, 'answers') AS answers,
    tupleElement(data, 'answered') AS answered,
    tupleElement(data, 'total') AS total,
    tupleElement(data, 'band') AS band,
    tupleElement(data, 'flags') AS flags,
    tupleElement(data, 'alert') AS alert,
    tupleElement(data, 'answer') AS answer,
    tupleElement(data, 'channel') AS channel,
    multiIf(
        startsWith(event, 'questionnaire-') AND questionnaire = '', 'data.questionnaire',
        startsWith(event, 'questionnaire-') AND form_version = 0, 'data.version',
        event = 'questionnaire-answered' AND empty(answers), 'data.answers',
        event = 'questionnaire-scored' AND answered IS NULL, 'data.answered',
        event = 'questionnaire-scored' AND total IS NULL, 'data.total',
        event = 'questionnaire-scored' AND band IS NULL, 'data.band',
        event = 'alert-answered' AND alert IS NULL, 'data.alert',
        event = 'alert-answered' AND answer IS NULL, 'data.answer',
        ''
    ) AS missing,
    topic,
    partition,
    offset
FROM log_conduct AS log
WHERE log.time IS NOT NULL AND (
    topic = 'events' AND type IN (
        'mailiu.engagement.questionnaire-answered.v1', 'mailiu.engagement.alert-answered.v1')
    OR topic = 'derived' AND type = 'mailiu.engagement.questionnaire-scored.v1'
);

-- Answers that were taken back (reading.retracted names them) are shown nowhere. What a record told before it gave way
-- stays under its own id; what it tells afterwards is scored for the survivor.
CREATE OR REPLACE VIEW questionnaires AS
SELECT
    resident, questionnaire, form_version, answered, time, recordedtime, knowntime, institution, total, band, flags,
    topic, partition, offset
FROM engagement_events_v1 FINAL
WHERE missing = '' AND event = 'questionnaire-scored'
    AND answered NOT IN (SELECT r.reading FROM retractions AS r);

CREATE OR REPLACE VIEW alert_answers AS
SELECT id, resident, institution, actor, time, recordedtime, knowntime, alert, answer, topic, partition, offset
FROM engagement_events_v1 FINAL
WHERE missing = '' AND event = 'alert-answered';

CREATE OR REPLACE VIEW unparsed_engagement AS
SELECT topic, partition, offset, id, resident AS key, missing FROM engagement_events_v1 FINAL WHERE missing != '';

ALTER TABLE unparsed_engagement COMMENT COLUMN key 'subject or key of the record';
