-- The ward round: management levels, each contracted person's place on the round, what was decided, and the sessions in
-- which it was. The fold says a place whole, so that a page of the round is one narrow table and no join.

CREATE TABLE level_history_v1
(
    id              UUID COMMENT 'identity of the derived event',
    resident        String COMMENT 'resident id (a pseudonym)',
    institution     LowCardinality(String) COMMENT 'institution that managed the resident then',
    level           UInt8 COMMENT 'management level: 0 (no chronic disease known) to 3 (closest care)',
    before          Nullable(UInt8) COMMENT 'level that was said before',
    points          UInt32 COMMENT 'sum over the reasons',
    reasons         Array(LowCardinality(String)) COMMENT 'criteria that hold, the weightiest first',
    reason_levels   Array(UInt8) COMMENT 'level of each reason',
    judgement       Bool COMMENT 'rests on a limit that is a judgement and that no physician approved here',
    rule_version    UInt32 COMMENT 'version of the rule level',
    time            DateTime64(3, 'UTC') COMMENT 'core time at which it was said',
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

CREATE TABLE levels_v1 AS level_history_v1
ENGINE = ReplacingMergeTree(offset)
ORDER BY resident;

CREATE MATERIALIZED VIEW levels_v1_mv TO levels_v1 AS
SELECT * FROM level_history_v1 WHERE missing = '';

CREATE MATERIALIZED VIEW level_history_v1_mv TO level_history_v1 AS
WITH
    JSONExtract(log.value, 'Tuple(
        institution Nullable(String), causationid Nullable(String),
        data Tuple(
            level Nullable(UInt8), before Nullable(UInt8), points Nullable(UInt32), judgement Nullable(Bool),
            rule_version Nullable(UInt32), reasons Array(Tuple(code String, level UInt8))))'
    ) AS fields,
    tupleElement(fields, 'data') AS data
SELECT
    identity AS id,
    key AS resident,
    ifNull(tupleElement(fields, 'institution'), '') AS institution,
    ifNull(tupleElement(data, 'level'), 0) AS level,
    tupleElement(data, 'before') AS before,
    ifNull(tupleElement(data, 'points'), 0) AS points,
    arrayMap(r -> tupleElement(r, 1), tupleElement(data, 'reasons')) AS reasons,
    arrayMap(r -> tupleElement(r, 2), tupleElement(data, 'reasons')) AS reason_levels,
    ifNull(tupleElement(data, 'judgement'), false) AS judgement,
    ifNull(tupleElement(data, 'rule_version'), 0) AS rule_version,
    recordedtime AS time,
    knowntime,
    tupleElement(fields, 'causationid') AS causationid,
    if(tupleElement(data, 'level') IS NULL, 'data.level', '') AS missing,
    topic,
    partition,
    offset
FROM log_derived AS log
WHERE topic = 'derived' AND log.time IS NOT NULL AND type = 'mailiu.resident.level-assessed.v1';

CREATE OR REPLACE VIEW level_history AS
SELECT * EXCEPT missing FROM level_history_v1 FINAL WHERE missing = '';

-- Of a record that gave way to another nothing is told: the survivor's stands.
CREATE OR REPLACE VIEW levels AS
SELECT * EXCEPT (id, missing) FROM levels_v1 FINAL
WHERE resident NOT IN (SELECT a.resident FROM aliases AS a);

CREATE TABLE rounds_v1
(
    resident      String COMMENT 'resident id (a pseudonym)',
    institution   LowCardinality(String) COMMENT 'institution that manages the resident',
    contracted    Bool COMMENT 'a contract is in force',
    open          Bool COMMENT 'on the list: there is a reason that no decision covers',
    points        UInt32 COMMENT 'weight of the reasons that no decision covers',
    level         UInt8 COMMENT 'management level',
    level_before  Nullable(UInt8) COMMENT 'management level at the latest decision',
    codes         Array(LowCardinality(String)) COMMENT 'codes of the reasons, the weightiest first',
    kinds         Array(LowCardinality(String)) COMMENT 'kinds of the reasons: alert, task, control, review, next-date',
    reasons       String CODEC(ZSTD(3)) COMMENT 'JSON: each reason with key, kind, code, grade, points, since, of, evidence, new',
    gone          Array(LowCardinality(String)) COMMENT 'codes of what was there at the latest decision and no longer is',
    next          Nullable(Date32) COMMENT 'day on which to look again',
    decided_time  Nullable(DateTime64(3, 'UTC')) COMMENT 'time of the latest decision',
    team          LowCardinality(Nullable(String)) COMMENT 'family-doctor team of the contract',
    doctor        LowCardinality(Nullable(String)) COMMENT 'family doctor of the contract',
    sex           LowCardinality(Nullable(String)) COMMENT 'male, female or unknown',
    birth_date    Nullable(Date32) COMMENT 'date of birth',
    labels        Array(LowCardinality(String)) COMMENT 'free labels that hold',
    conditions    Array(LowCardinality(String)) COMMENT 'ICD-10 codes of the conditions that hold',
    rule_version  UInt32 COMMENT 'version of the rule round',
    time          DateTime64(3, 'UTC') COMMENT 'core time at which it was said',
    knowntime     DateTime64(3, 'UTC') COMMENT 'from when on an answer as of an instant may know it',
    missing       LowCardinality(String) COMMENT 'required field that the event lacks; such rows are served by unparsed',
    topic         LowCardinality(String) COMMENT 'Kafka topic of the derived event',
    partition     UInt32 COMMENT 'its partition',
    offset        UInt64 COMMENT 'its offset: the highest is the last word'
)
ENGINE = ReplacingMergeTree(offset)
ORDER BY resident
SETTINGS index_granularity = 256;

CREATE MATERIALIZED VIEW rounds_v1_mv TO rounds_v1 AS
WITH
    JSONExtract(log.value, 'Tuple(
        institution Nullable(String),
        data Tuple(
            contracted Nullable(Bool), open Nullable(Bool), points Nullable(UInt32), level Nullable(UInt8),
            level_before Nullable(UInt8), reasons Array(Tuple(code String, kind String)), gone Array(String), next Nullable(String),
            decided_time Nullable(String), team Nullable(String), doctor Nullable(String), sex Nullable(String), birth_date Nullable(String), labels Array(String),
            conditions Array(String), rule_version Nullable(UInt32)))'
    ) AS fields,
    tupleElement(fields, 'data') AS data
SELECT
    key AS resident,
    ifNull(tupleElement(fields, 'institution'), '') AS institution,
    ifNull(tupleElement(data, 'contracted'), false) AS contracted,
    ifNull(tupleElement(data, 'open'), false) AS open,
    ifNull(tupleElement(data, 'points'), 0) AS points,
    ifNull(tupleElement(data, 'level'), 0) AS level,
    tupleElement(data, 'level_before') AS level_before,
    arrayMap(r -> tupleElement(r, 1), tupleElement(data, 'reasons')) AS codes,
    arrayDistinct(arrayMap(r -> tupleElement(r, 2), tupleElement(data, 'reasons'))) AS kinds,
    JSONExtractRaw(log.value, 'data', 'reasons') AS reasons,
    tupleElement(data, 'gone') AS gone,
    toDate32OrNull(tupleElement(data, 'next')) AS next,
    instant(tupleElement(data, 'decided_time')) AS decided_time,
    tupleElement(data, 'team') AS team,
    tupleElement(data, 'doctor') AS doctor,
    tupleElement(data, 'sex') AS sex,
    toDate32OrNull(tupleElement(data, 'birth_date')) AS birth_date,
    tupleElement(data, 'labels') AS labels,
    tupleElement(data, 'conditions') AS conditions,
    ifNull(tupleElement(data, 'rule_version'), 0) AS rule_version,
    recordedtime AS time,
    knowntime,
    multiIf(
        tupleElement(data, 'contracted') IS NULL, 'data.contracted', tupleElement(data, 'points') IS NULL, 'data.points',
        ''
    ) AS missing,
    topic,
    partition,
    offset
FROM log_derived AS log
WHERE topic = 'derived' AND log.time IS NOT NULL AND type = 'mailiu.round.need-assessed.v1';

CREATE OR REPLACE VIEW rounds AS
SELECT * EXCEPT (contracted, missing) FROM rounds_v1 FINAL
WHERE contracted AND missing = '' AND resident NOT IN (SELECT a.resident FROM aliases AS a);

CREATE TABLE round_decisions_v1
(
    id            UUID COMMENT 'identity of the event',
    resident      String COMMENT 'resident id (a pseudonym)',
    institution   LowCardinality(String) COMMENT 'institution whose staff decided',
    actor         Nullable(String) COMMENT 'who decided',
    decision      LowCardinality(String) COMMENT 'seen, called, reviewed or deferred; never a national visit',
    session       Nullable(UUID) COMMENT 'round session',
    plan          Array(LowCardinality(String)) COMMENT 'what follows: lifestyle, drug-review, visit, test …',
    note          Nullable(String) COMMENT 'remark; deferred: why',
    next          Nullable(Date32) COMMENT 'day on which to look again',
    codes         Array(LowCardinality(String)) COMMENT 'codes of the reasons that stood on the list',
    time          DateTime64(3, 'UTC') COMMENT 'when it was decided',
    recordedtime  DateTime64(3, 'UTC') COMMENT 'when a gateway accepted it',
    knowntime     DateTime64(3, 'UTC') COMMENT 'from when on an answer as of an instant may know it',
    missing       LowCardinality(String) COMMENT 'required field that the event lacks; such rows are served by unparsed',
    topic         LowCardinality(String) COMMENT 'Kafka topic of the event',
    partition     UInt32 COMMENT 'its partition',
    offset        UInt64 COMMENT 'its offset',
    version       UInt64 MATERIALIZED bitNot(offset) COMMENT 'the highest version wins: the lowest offset'
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (resident, id);

CREATE MATERIALIZED VIEW round_decisions_v1_mv TO round_decisions_v1 AS
WITH
    JSONExtract(coalesce(upcast, value), 'Tuple(
        institution Nullable(String), actor Nullable(String),
        data Tuple(
            decision Nullable(String), session Nullable(UUID), plan Array(String), note Nullable(String),
            next Nullable(String), reasons Array(Tuple(code String))))'
    ) AS fields,
    tupleElement(fields, 'data') AS data
SELECT
    identity AS id,
    key AS resident,
    ifNull(tupleElement(fields, 'institution'), '') AS institution,
    tupleElement(fields, 'actor') AS actor,
    ifNull(tupleElement(data, 'decision'), '') AS decision,
    tupleElement(data, 'session') AS session,
    tupleElement(data, 'plan') AS plan,
    tupleElement(data, 'note') AS note,
    toDate32OrNull(tupleElement(data, 'next')) AS next,
    arrayMap(r -> tupleElement(r, 1), tupleElement(data, 'reasons')) AS codes,
    assumeNotNull(log.time) AS time,
    recordedtime,
    knowntime,
    if(decision = '', 'data.decision', '') AS missing,
    topic,
    partition,
    offset
FROM log_care AS log
WHERE topic = 'events' AND log.time IS NOT NULL AND type = 'mailiu.round.decided.v1';

CREATE OR REPLACE VIEW round_decisions AS
SELECT * EXCEPT missing FROM round_decisions_v1 FINAL WHERE missing = '';

-- Sessions are told to every partition: the first one's copy is enough. Few.
CREATE TABLE round_events_v1
(
    id            UUID COMMENT 'identity of the event',
    session       UUID COMMENT 'round session',
    event         LowCardinality(String) COMMENT 'opened or closed',
    institution   LowCardinality(String) COMMENT 'institution whose round it is',
    actor         Nullable(String) COMMENT 'whose round it is',
    filters       String COMMENT 'opened, JSON: institution, team, doctor, level, condition, label',
    summary       String COMMENT 'closed, JSON: decided, by_decision, by_plan, left',
    note          Nullable(String) COMMENT 'closed: remark',
    time          DateTime64(3, 'UTC') COMMENT 'when it was opened or closed',
    knowntime     DateTime64(3, 'UTC') COMMENT 'from when on an answer as of an instant may know it',
    missing       LowCardinality(String) COMMENT 'required field that the event lacks; such rows are served by unparsed',
    topic         LowCardinality(String) COMMENT 'Kafka topic of the event',
    partition     UInt32 COMMENT 'its partition',
    offset        UInt64 COMMENT 'its offset',
    version       UInt64 MATERIALIZED bitNot(offset) COMMENT 'the highest version wins: the lowest offset'
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (session, id);

CREATE MATERIALIZED VIEW round_events_v1_mv TO round_events_v1 AS
WITH
    JSONExtract(coalesce(upcast, value), 'Tuple(
        institution Nullable(String), actor Nullable(String),
        data Tuple(session Nullable(UUID), note Nullable(String)))'
    ) AS fields,
    tupleElement(fields, 'data') AS data
SELECT
    identity AS id,
    ifNull(tupleElement(data, 'session'), toUUID('00000000-0000-0000-0000-000000000000')) AS session,
    extract(type, '^mailiu\\.organization\\.round-(.+)\\.v') AS event,
    ifNull(tupleElement(fields, 'institution'), '') AS institution,
    tupleElement(fields, 'actor') AS actor,
    JSONExtractRaw(coalesce(upcast, value), 'data', 'filters') AS filters,
    JSONExtractRaw(coalesce(upcast, value), 'data', 'summary') AS summary,
    tupleElement(data, 'note') AS note,
    assumeNotNull(log.time) AS time,
    knowntime,
    if(tupleElement(data, 'session') IS NULL, 'data.session', '') AS missing,
    topic,
    partition,
    offset
FROM log_care AS log
WHERE topic = 'events' AND partition = 0 AND log.time IS NOT NULL
    AND type IN ('mailiu.organization.round-opened.v1', 'mailiu.organization.round-closed.v1');

CREATE OR REPLACE VIEW round_sessions AS
SELECT
    session,
    argMin(tuple(e.institution, e.actor, e.filters, e.time), (e.time, e.id)) AS opened,
    tupleElement(opened, 1) AS institution,
    tupleElement(opened, 2) AS actor,
    tupleElement(opened, 3) AS filters,
    tupleElement(opened, 4) AS opened_time,
    minIfOrNull(e.time, e.event = 'closed') AS closed_time,
    argMinIf(e.summary, (e.time, e.id), e.event = 'closed') AS summary,
    argMinIf(e.note, (e.time, e.id), e.event = 'closed') AS note
FROM round_events_v1 AS e FINAL
WHERE e.missing = ''
GROUP BY session;

ALTER TABLE round_sessions
    COMMENT COLUMN opened 'institution, actor, filters and time of the opening, as one tuple',
    COMMENT COLUMN institution 'institution whose round it is',
    COMMENT COLUMN actor 'whose round it is',
    COMMENT COLUMN filters 'JSON: institution, team, doctor, level, condition, label',
    COMMENT COLUMN opened_time 'when it was opened',
    COMMENT COLUMN closed_time 'when it was closed; NULL while it may be gone on with',
    COMMENT COLUMN summary 'JSON: decided, by_decision, by_plan, left',
    COMMENT COLUMN note 'remark at the closing';

CREATE OR REPLACE VIEW unparsed_round AS
SELECT topic, partition, offset, id, resident AS key, missing FROM level_history_v1 FINAL WHERE missing != ''
UNION ALL
SELECT topic, partition, offset, toUUID('00000000-0000-0000-0000-000000000000') AS id, resident AS key, missing
FROM rounds_v1 FINAL WHERE missing != ''
UNION ALL
SELECT topic, partition, offset, id, resident AS key, missing FROM round_decisions_v1 FINAL WHERE missing != ''
UNION ALL
SELECT topic, partition, offset, id, toString(session) AS key, missing FROM round_events_v1 FINAL WHERE missing != '';

ALTER TABLE unparsed_round
    COMMENT COLUMN id 'identity of the event; nil for a place on the round',
    COMMENT COLUMN key 'subject or key of the record';
