-- Who may say what of a resident; consent and guardians: what a resident allows, and who may look in. Before the readings,
-- whose served name leaves out what was measured at home while consent for monitoring stood withdrawn. An event that
-- claims to be of a later time than its receipt counts as of receipt.

-- Events that have no effect, as the fold found: their institution may not say this of the resident. Few.
CREATE TABLE refused_events_v1
(
    event      UUID COMMENT 'identity of the event that has no effect',
    resident   String COMMENT 'resident id (a pseudonym)',
    type       LowCardinality(String) COMMENT 'type of the event',
    reason     LowCardinality(String) COMMENT 'why: managed-elsewhere',
    field      LowCardinality(String) COMMENT 'the field at fault',
    value      String COMMENT 'its value',
    knowntime  DateTime64(3, 'UTC') COMMENT 'from when on an answer as of an instant may know it',
    missing    LowCardinality(String) COMMENT 'required field that the event lacks; such rows are served by unparsed',
    topic      LowCardinality(String) COMMENT 'Kafka topic of the event',
    partition  UInt32 COMMENT 'its partition',
    offset     UInt64 COMMENT 'its offset',
    version    UInt64 MATERIALIZED bitNot(offset) COMMENT 'the highest version wins: the lowest offset'
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (resident, event);

CREATE MATERIALIZED VIEW refused_events_v1_mv TO refused_events_v1 AS
WITH JSONExtract(log.value, 'data', 'Tuple(
        event Nullable(UUID), type Nullable(String), reason Nullable(String), field Nullable(String), value Nullable(String))'
    ) AS data
SELECT
    ifNull(tupleElement(data, 'event'), toUUID('00000000-0000-0000-0000-000000000000')) AS event,
    key AS resident,
    ifNull(tupleElement(data, 'type'), '') AS type,
    ifNull(tupleElement(data, 'reason'), '') AS reason,
    ifNull(tupleElement(data, 'field'), '') AS field,
    ifNull(tupleElement(data, 'value'), '') AS value,
    knowntime,
    if(tupleElement(data, 'event') IS NULL, 'data.event', '') AS missing,
    topic,
    partition,
    offset
FROM log_derived AS log
WHERE topic = 'derived' AND log.type = 'mailiu.resident.event-refused.v1';

CREATE OR REPLACE VIEW refused_events AS
SELECT event, resident, type, reason, field, value, knowntime, topic, partition, offset
FROM refused_events_v1 FINAL
WHERE missing = '';

CREATE TABLE consent_events_v1
(
    id            UUID COMMENT 'identity of the event',
    resident      String COMMENT 'resident id (a pseudonym)',
    event         LowCardinality(String) COMMENT 'consent-given or consent-withdrawn',
    time          DateTime64(3, 'UTC') COMMENT 'from when on it holds',
    recordedtime  DateTime64(3, 'UTC') COMMENT 'when a gateway accepted it',
    knowntime     DateTime64(3, 'UTC') COMMENT 'from when on an answer as of an instant may know it',
    institution   LowCardinality(String) COMMENT 'institution that recorded it',
    scopes        Array(LowCardinality(String)) COMMENT 'monitoring, messages, family-view or research',
    text_version  Nullable(String) COMMENT 'version of the text that was agreed to',
    witness       Nullable(String) COMMENT 'staff member who was there',
    guardian      Nullable(String) COMMENT 'who acted in the resident''s place',
    reason        LowCardinality(Nullable(String)) COMMENT 'withdrawn: own-wish, privacy, moved, burden or other',
    missing       LowCardinality(String) COMMENT 'required field that the event lacks; such rows are served by unparsed',
    topic         LowCardinality(String) COMMENT 'Kafka topic of the event',
    partition     UInt32 COMMENT 'its partition',
    offset        UInt64 COMMENT 'its offset',
    version       UInt64 MATERIALIZED bitNot(offset) COMMENT 'the highest version wins: the lowest offset'
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (resident, id);

CREATE MATERIALIZED VIEW consent_events_v1_mv TO consent_events_v1 AS
WITH
    JSONExtract(coalesce(upcast, value), 'Tuple(
        institution Nullable(String),
        data Tuple(
            scopes Array(String), text_version Nullable(String), witness Nullable(String), guardian Nullable(String),
            reason Nullable(String)))'
    ) AS fields,
    tupleElement(fields, 'data') AS data
SELECT
    identity AS id,
    key AS resident,
    extract(type, '^mailiu\\.resident\\.(.+)\\.v') AS event,
    least(assumeNotNull(log.time), recordedtime) AS time,
    recordedtime,
    knowntime,
    ifNull(tupleElement(fields, 'institution'), '') AS institution,
    tupleElement(data, 'scopes') AS scopes,
    tupleElement(data, 'text_version') AS text_version,
    tupleElement(data, 'witness') AS witness,
    tupleElement(data, 'guardian') AS guardian,
    tupleElement(data, 'reason') AS reason,
    if(empty(scopes), 'data.scopes', '') AS missing,
    topic,
    partition,
    offset
FROM log_care AS log
WHERE topic = 'events' AND log.time IS NOT NULL
    AND type IN ('mailiu.resident.consent-given.v1', 'mailiu.resident.consent-withdrawn.v1');

CREATE OR REPLACE VIEW consent_events AS
SELECT * EXCEPT missing FROM consent_events_v1 FINAL
WHERE missing = '' AND id NOT IN (SELECT r.event FROM refused_events AS r);

CREATE OR REPLACE VIEW consents AS
SELECT
    resident,
    scope,
    argMax(tuple(e.event = 'consent-given', e.time, e.text_version, e.witness, e.guardian, e.reason, e.institution),
        (e.time, toString(e.id))) AS latest,
    tupleElement(latest, 1) AS given,
    tupleElement(latest, 2) AS time,
    tupleElement(latest, 3) AS text_version,
    tupleElement(latest, 4) AS witness,
    tupleElement(latest, 5) AS guardian,
    tupleElement(latest, 6) AS reason,
    tupleElement(latest, 7) AS institution,
    max(e.knowntime) AS knowntime
FROM consent_events AS e
ARRAY JOIN e.scopes AS scope
GROUP BY resident, scope;

ALTER TABLE consents
    COMMENT COLUMN scope 'monitoring, messages, family-view or research',
    COMMENT COLUMN latest 'what was said last, as one tuple: given, time, text_version, witness, guardian, reason, institution',
    COMMENT COLUMN given '1 if the scope is allowed, 0 if that was withdrawn; no row where nobody was asked',
    COMMENT COLUMN time 'since when that holds';

-- Every turn of consent for monitoring.
CREATE OR REPLACE VIEW monitoring_consents AS
SELECT resident, time, event = 'consent-given' AS given
FROM consent_events
WHERE has(scopes, 'monitoring');

ALTER TABLE monitoring_consents COMMENT COLUMN given '1 if monitoring is allowed from then on, 0 if not';

CREATE TABLE guardian_events_v1
(
    id            UUID COMMENT 'identity of the event',
    resident      String COMMENT 'resident id (a pseudonym)',
    event         LowCardinality(String) COMMENT 'guardian-appointed or guardian-revoked',
    guardian      String COMMENT 'pseudonym of the guardian, the subject of the guardian''s token',
    time          DateTime64(3, 'UTC') COMMENT 'from when on it holds',
    knowntime     DateTime64(3, 'UTC') COMMENT 'from when on an answer as of an instant may know it',
    institution   LowCardinality(String) COMMENT 'institution that recorded it',
    relation      LowCardinality(Nullable(String)) COMMENT 'appointed: parent, guardian, spouse, child, relative or other',
    scopes        Array(LowCardinality(String)) COMMENT 'appointed: what is shown: summary, readings, plan or timeline',
    until         Nullable(Date32) COMMENT 'appointed: last local day',
    missing       LowCardinality(String) COMMENT 'required field that the event lacks; such rows are served by unparsed',
    topic         LowCardinality(String) COMMENT 'Kafka topic of the event',
    partition     UInt32 COMMENT 'its partition',
    offset        UInt64 COMMENT 'its offset',
    version       UInt64 MATERIALIZED bitNot(offset) COMMENT 'the highest version wins: the lowest offset'
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (resident, id);

CREATE MATERIALIZED VIEW guardian_events_v1_mv TO guardian_events_v1 AS
WITH
    JSONExtract(coalesce(upcast, value), 'Tuple(
        institution Nullable(String),
        data Tuple(
            guardian Nullable(String), relation Nullable(String), until Nullable(String)))'
    ) AS fields,
    tupleElement(fields, 'data') AS data
SELECT
    identity AS id,
    key AS resident,
    extract(type, '^mailiu\\.resident\\.(.+)\\.v') AS event,
    ifNull(tupleElement(data, 'guardian'), '') AS guardian,
    least(assumeNotNull(log.time), recordedtime) AS time,
    knowntime,
    ifNull(tupleElement(fields, 'institution'), '') AS institution,
    tupleElement(data, 'relation') AS relation,
    multiIf(
        event = 'guardian-revoked', [],
        JSONHas(coalesce(upcast, value), 'data', 'scopes'), JSONExtract(coalesce(upcast, value), 'data', 'scopes', 'Array(String)'),
        ['summary', 'readings', 'plan']
    ) AS scopes,
    toDate32OrNull(tupleElement(data, 'until')) AS until,
    if(guardian = '', 'data.guardian', '') AS missing,
    topic,
    partition,
    offset
FROM log_care AS log
WHERE topic = 'events' AND log.time IS NOT NULL
    AND type IN ('mailiu.resident.guardian-appointed.v1', 'mailiu.resident.guardian-revoked.v1');

CREATE OR REPLACE VIEW guardians AS
SELECT
    resident,
    guardian,
    argMax(tuple(e.event = 'guardian-appointed', e.time, e.relation, e.scopes, e.until, e.institution),
        (e.time, toString(e.id))) AS latest,
    tupleElement(latest, 1) AS appointed,
    tupleElement(latest, 2) AS time,
    tupleElement(latest, 3) AS relation,
    tupleElement(latest, 4) AS scopes,
    tupleElement(latest, 5) AS until,
    tupleElement(latest, 6) AS institution,
    max(e.knowntime) AS knowntime
FROM guardian_events_v1 AS e FINAL
WHERE e.missing = '' AND e.id NOT IN (SELECT r.event FROM refused_events AS r)
GROUP BY resident, guardian;

ALTER TABLE guardians
    COMMENT COLUMN latest 'what was said last, as one tuple: appointed, time, relation, scopes, until, institution',
    COMMENT COLUMN appointed '1 if the guardian may look in, 0 if that was revoked',
    COMMENT COLUMN time 'since when that holds',
    COMMENT COLUMN scopes 'what is shown: summary, readings, plan or timeline',
    COMMENT COLUMN until 'last local day; NULL without an end';

CREATE OR REPLACE VIEW unparsed_consent AS
SELECT topic, partition, offset, event AS id, resident AS key, missing FROM refused_events_v1 FINAL WHERE missing != ''
UNION ALL
SELECT topic, partition, offset, id, resident AS key, missing FROM consent_events_v1 FINAL WHERE missing != ''
UNION ALL
SELECT topic, partition, offset, id, resident AS key, missing FROM guardian_events_v1 FINAL WHERE missing != '';

ALTER TABLE unparsed_consent COMMENT COLUMN key 'subject or key of the record';
