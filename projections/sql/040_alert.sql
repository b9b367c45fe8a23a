-- Alerts as they are now, and every derived event that made them so. A derived event carries the whole alert: the one
-- with the highest revision is the alert.

CREATE TABLE alert_events_v1
(
    id                 UUID COMMENT 'identity of the derived event',
    kind               LowCardinality(String) COMMENT 'raised, severity-changed, escalated, extended, condition-cleared, withdrawn or handling-changed',
    alert              UUID COMMENT 'the alert: UUIDv5 of (rule, resident, identity of the event that opened it)',
    resident           String COMMENT 'resident id (a pseudonym)',
    institution        LowCardinality(String) COMMENT 'institution whose turn it is',
    rule               LowCardinality(String) COMMENT 'rule that raised it',
    rule_version       UInt32 COMMENT 'version of the rule',
    severity           LowCardinality(String) COMMENT 'red, orange, yellow or technical',
    condition          LowCardinality(String) COMMENT 'what the data say: active, cleared or withdrawn',
    handling           LowCardinality(String) COMMENT 'what people did: new, acknowledged, in-follow-up or closed',
    revision           UInt32 COMMENT 'counts the derived events of the alert',
    raised_time        DateTime64(3, 'UTC') COMMENT 'core time at which it was raised',
    updated_time       DateTime64(3, 'UTC') COMMENT 'core time of this revision',
    onset              Nullable(DateTime64(3, 'UTC')) COMMENT 'time of the first evidence',
    latest             Nullable(DateTime64(3, 'UTC')) COMMENT 'time of the latest evidence',
    evidence           Array(UUID) COMMENT 'identities of the events it rests on, oldest first, the latest 20',
    level              UInt32 COMMENT 'escalation level reached',
    role               LowCardinality(String) COMMENT 'role whose turn it is',
    judgement          Bool COMMENT 'rests on a limit that is a judgement and that no physician approved here',
    detail             String CODEC(ZSTD(3)) COMMENT 'JSON: the figures that the rule used, with their limits',
    assignee           Nullable(String) COMMENT 'staff member who follows it up',
    snoozed_until      Nullable(DateTime64(3, 'UTC')) COMMENT 'no escalation before this',
    acknowledged_time  Nullable(DateTime64(3, 'UTC')) COMMENT 'when somebody took it',
    acknowledged_by    Nullable(String) COMMENT 'who took it',
    closed_time        Nullable(DateTime64(3, 'UTC')) COMMENT 'when it was closed',
    outcome            LowCardinality(Nullable(String)) COMMENT 'how it ended: drug-changed, advice, visit-booked …',
    comment            Nullable(String) COMMENT 'latest remark',
    reason             Nullable(String) COMMENT 'why it was closed without action',
    unreached          Bool COMMENT 'no clinician could be reached: the time of every role passed',
    calls              UInt32 COMMENT 'calls to the resident that nobody answered since it became red',
    step               LowCardinality(Nullable(String)) COMMENT 'what follows unanswered calls: call-contact or home-visit',
    knowntime          DateTime64(3, 'UTC') COMMENT 'from when on an answer as of an instant may know it',
    causationid        Nullable(String) COMMENT 'identity of the event that caused this revision',
    cause_partition    Nullable(UInt32) COMMENT 'partition of the cause in events',
    cause_offset       Nullable(UInt64) COMMENT 'offset of the cause in events',
    missing            LowCardinality(String) COMMENT 'required field that the event lacks; such rows are served by unparsed',
    topic              LowCardinality(String) COMMENT 'Kafka topic of the derived event',
    partition          UInt32 COMMENT 'its partition',
    offset             UInt64 COMMENT 'its offset',
    version            UInt64 MATERIALIZED bitNot(offset) COMMENT 'the highest version wins: the lowest offset'
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (resident, id);

CREATE TABLE alerts_v1 AS alert_events_v1
ENGINE = ReplacingMergeTree(revision)
ORDER BY (resident, alert);

CREATE MATERIALIZED VIEW alerts_v1_mv TO alerts_v1 AS
SELECT * FROM alert_events_v1 WHERE missing = '';

CREATE MATERIALIZED VIEW alert_events_v1_mv TO alert_events_v1 AS
WITH
    JSONExtract(value, 'Tuple(
        institution Nullable(String), causationid Nullable(String), causepartition Nullable(UInt32),
        causeoffset Nullable(UInt64),
        data Tuple(
            alert Nullable(UUID), rule Nullable(String), rule_version Nullable(UInt32), severity Nullable(String),
            condition Nullable(String), handling Nullable(String), revision Nullable(UInt32),
            raised_time Nullable(String), onset Nullable(String), latest Nullable(String), evidence Array(UUID),
            level Nullable(UInt32), role Nullable(String), judgement Nullable(Bool), assignee Nullable(String),
            snoozed_until Nullable(String), acknowledged_time Nullable(String), acknowledged_by Nullable(String),
            closed_time Nullable(String), outcome Nullable(String), comment Nullable(String), reason Nullable(String),
            unreached Nullable(Bool), calls Nullable(UInt32), step Nullable(String)))'
    ) AS fields,
    tupleElement(fields, 'data') AS data
SELECT
    identity AS id,
    extract(type, '^mailiu\\.alert\\.(.+)\\.v') AS kind,
    ifNull(tupleElement(data, 'alert'), toUUID('00000000-0000-0000-0000-000000000000')) AS alert,
    key AS resident,
    ifNull(tupleElement(fields, 'institution'), '') AS institution,
    ifNull(tupleElement(data, 'rule'), '') AS rule,
    ifNull(tupleElement(data, 'rule_version'), 0) AS rule_version,
    ifNull(tupleElement(data, 'severity'), '') AS severity,
    ifNull(tupleElement(data, 'condition'), '') AS condition,
    ifNull(tupleElement(data, 'handling'), '') AS handling,
    ifNull(tupleElement(data, 'revision'), 0) AS revision,
    ifNull(instant(tupleElement(data, 'raised_time')), toDateTime64(0, 3, 'UTC')) AS raised_time,
    recordedtime AS updated_time,
    instant(tupleElement(data, 'onset')) AS onset,
    instant(tupleElement(data, 'latest')) AS latest,
    tupleElement(data, 'evidence') AS evidence,
    ifNull(tupleElement(data, 'level'), 0) AS level,
    ifNull(tupleElement(data, 'role'), '') AS role,
    ifNull(tupleElement(data, 'judgement'), false) AS judgement,
    JSONExtractRaw(value, 'data', 'detail') AS detail,
    tupleElement(data, 'assignee') AS assignee,
    instant(tupleElement(data, 'snoozed_until')) AS snoozed_until,
    instant(tupleElement(data, 'acknowledged_time')) AS acknowledged_time,
    tupleElement(data, 'acknowledged_by') AS acknowledged_by,
    instant(tupleElement(data, 'closed_time')) AS closed_time,
    tupleElement(data, 'outcome') AS outcome,
    tupleElement(data, 'comment') AS comment,
    tupleElement(data, 'reason') AS reason,
    ifNull(tupleElement(data, 'unreached'), false) AS unreached,
    ifNull(tupleElement(data, 'calls'), 0) AS calls,
    tupleElement(data, 'step') AS step,
    knowntime,
    tupleElement(fields, 'causationid') AS causationid,
    tupleElement(fields, 'causepartition') AS cause_partition,
    tupleElement(fields, 'causeoffset') AS cause_offset,
    multiIf(
        tupleElement(data, 'alert') IS NULL, 'data.alert',
        rule = '', 'data.rule',
        tupleElement(data, 'rule_version') IS NULL, 'data.rule_version',
        severity = '', 'data.severity',
        condition = '', 'data.condition',
        handling = '', 'data.handling',
        revision = 0, 'data.revision',
        raised_time = toDateTime64(0, 3, 'UTC'), 'data.raised_time',
        ''
    ) AS missing,
    topic,
    partition,
    offset
FROM log_derived AS log
WHERE topic = 'derived' AND log.time IS NOT NULL AND type IN (
    'mailiu.alert.raised.v1', 'mailiu.alert.severity-changed.v1', 'mailiu.alert.escalated.v1',
    'mailiu.alert.extended.v1', 'mailiu.alert.condition-cleared.v1', 'mailiu.alert.withdrawn.v1',
    'mailiu.alert.handling-changed.v1'
);

CREATE OR REPLACE VIEW alert_events AS
SELECT * EXCEPT missing FROM alert_events_v1 FINAL WHERE missing = '';

-- An alert moves along when its resident's record gives way to another, or is its own again: the highest revision is
-- the alert, whoever it was told of before.
CREATE OR REPLACE VIEW alerts AS
SELECT * EXCEPT (id, kind, missing) FROM alerts_v1 FINAL
WHERE (resident, alert) NOT IN (
    SELECT m.resident, m.alert
    FROM (
        SELECT resident, alert, revision, max(revision) OVER (PARTITION BY alert) AS latest
        FROM alerts_v1 FINAL
        WHERE resident IN (SELECT e.resident FROM merge_events AS e UNION ALL SELECT o.survivor FROM merge_events AS o)
    ) AS m
    WHERE m.revision < m.latest
);

CREATE OR REPLACE VIEW unparsed_alert AS
SELECT topic, partition, offset, id, resident AS key, missing FROM alert_events_v1 FINAL WHERE missing != '';

ALTER TABLE unparsed_alert COMMENT COLUMN key 'subject or key of the record';
