-- Institutions, teams, staff and rule switches. Their events go to every partition; partition 0 is read.

CREATE TABLE organization_events_v1
(
    id            UUID COMMENT 'identity of the event',
    event         LowCardinality(String) COMMENT 'institution-registered, team-formed, staff-registered, holiday-calendar-set, rule-activated, rule-approved',
    code          String COMMENT 'institution, team, staff or rule id; the year of a calendar',
    time          DateTime64(3, 'UTC') COMMENT 'when it happened',
    knowntime     DateTime64(3, 'UTC') COMMENT 'from when on an answer as of an instant may know it',
    institution   LowCardinality(String) COMMENT 'institution concerned; empty for all',
    name          Nullable(String) COMMENT 'name of the institution or team',
    district      Nullable(String) COMMENT 'district of the institution',
    members       Array(String) COMMENT 'staff of the team',
    role          LowCardinality(Nullable(String)) COMMENT 'role of the staff member',
    licence       Nullable(String) COMMENT 'licence of the staff member',
    holidays      Array(String) COMMENT 'public holidays of the year',
    workdays      Array(String) COMMENT 'make-up workdays of the year',
    rule_version  Nullable(UInt32) COMMENT 'version of the rule',
    physician     Nullable(String) COMMENT 'who approved the rule',
    missing       LowCardinality(String) COMMENT 'required field that the event lacks; such rows are served by unparsed',
    topic         LowCardinality(String) COMMENT 'Kafka topic of the event',
    partition     UInt32 COMMENT 'its partition',
    offset        UInt64 COMMENT 'its offset',
    version       UInt64 MATERIALIZED bitNot(offset) COMMENT 'the highest version wins: the lowest offset'
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (event, id);

CREATE MATERIALIZED VIEW organization_events_v1_mv TO organization_events_v1 AS
WITH
    JSONExtract(coalesce(upcast, value), 'Tuple(
        institution Nullable(String),
        data Tuple(
            institution Nullable(String), team Nullable(String), staff Nullable(String), year Nullable(UInt16),
            name Nullable(String), district Nullable(String), members Array(String), role Nullable(String),
            licence Nullable(String), holidays Array(String), workdays Array(String), rule Nullable(String),
            version Nullable(UInt32), physician Nullable(String)))'
    ) AS fields,
    tupleElement(fields, 'data') AS data
SELECT
    identity AS id,
    concat(if(startsWith(type, 'mailiu.rule.'), 'rule-', ''), extract(type, '^mailiu\\.[a-z]+\\.(.+)\\.v')) AS event,
    ifNull(multiIf(
        event = 'institution-registered', tupleElement(data, 'institution'),
        event = 'team-formed', tupleElement(data, 'team'),
        event = 'staff-registered', tupleElement(data, 'staff'),
        event = 'holiday-calendar-set', toString(tupleElement(data, 'year')),
        tupleElement(data, 'rule')
    ), '') AS code,
    assumeNotNull(log.time) AS time,
    knowntime,
    ifNull(tupleElement(fields, 'institution'), '') AS institution,
    tupleElement(data, 'name') AS name,
    tupleElement(data, 'district') AS district,
    tupleElement(data, 'members') AS members,
    tupleElement(data, 'role') AS role,
    tupleElement(data, 'licence') AS licence,
    tupleElement(data, 'holidays') AS holidays,
    tupleElement(data, 'workdays') AS workdays,
    tupleElement(data, 'version') AS rule_version,
    tupleElement(data, 'physician') AS physician,
    multiIf(code = '', 'data', startsWith(event, 'rule-') AND rule_version IS NULL, 'data.version', '') AS missing,
    topic,
    partition,
    offset
FROM log_care AS log
WHERE topic = 'events' AND partition = 0 AND log.time IS NOT NULL AND type IN (
    'mailiu.organization.institution-registered.v1', 'mailiu.organization.team-formed.v1',
    'mailiu.organization.staff-registered.v1', 'mailiu.organization.holiday-calendar-set.v1',
    'mailiu.rule.activated.v1', 'mailiu.rule.approved.v1'
);

CREATE OR REPLACE VIEW organization_events AS
SELECT * EXCEPT missing FROM organization_events_v1 FINAL WHERE missing = '';

CREATE OR REPLACE VIEW institutions AS
SELECT
    o.code AS institution,
    argMax(tuple(o.name, o.district), (o.time, o.offset)) AS registration,
    tupleElement(registration, 1) AS name,
    tupleElement(registration, 2) AS district
FROM organization_events_v1 AS o FINAL
WHERE o.missing = '' AND o.event = 'institution-registered'
GROUP BY o.code;

ALTER TABLE institutions
    COMMENT COLUMN institution 'institution id',
    COMMENT COLUMN registration 'the latest registration as one tuple: name, district';

CREATE OR REPLACE VIEW teams AS
SELECT
    o.code AS team,
    argMax(tuple(o.institution, o.name, o.members), (o.time, o.offset)) AS formation,
    tupleElement(formation, 1) AS institution,
    tupleElement(formation, 2) AS name,
    tupleElement(formation, 3) AS members
FROM organization_events_v1 AS o FINAL
WHERE o.missing = '' AND o.event = 'team-formed'
GROUP BY o.code;

ALTER TABLE teams
    COMMENT COLUMN team 'team id',
    COMMENT COLUMN formation 'the latest formation as one tuple: institution, name, members';

CREATE OR REPLACE VIEW staff AS
SELECT
    o.code AS staff,
    argMax(tuple(o.institution, o.role, o.licence), (o.time, o.offset)) AS registration,
    tupleElement(registration, 1) AS institution,
    tupleElement(registration, 2) AS role,
    tupleElement(registration, 3) AS licence
FROM organization_events_v1 AS o FINAL
WHERE o.missing = '' AND o.event = 'staff-registered'
GROUP BY o.code;

ALTER TABLE staff
    COMMENT COLUMN staff 'staff id',
    COMMENT COLUMN registration 'the latest registration as one tuple: institution, role, licence';

CREATE OR REPLACE VIEW rules AS
SELECT
    o.code AS rule, if(o.event = 'rule-approved', 'approved', 'activated') AS event, assumeNotNull(o.rule_version) AS rule_version,
    o.institution, o.physician, o.time, o.knowntime, o.topic, o.partition, o.offset
FROM organization_events_v1 AS o FINAL
WHERE o.missing = '' AND o.event IN ('rule-activated', 'rule-approved');

ALTER TABLE rules
    COMMENT COLUMN rule 'rule id',
    COMMENT COLUMN event 'activated or approved',
    COMMENT COLUMN rule_version 'version activated or approved';

CREATE OR REPLACE VIEW unparsed_organization AS
SELECT topic, partition, offset, id, code AS key, missing FROM organization_events_v1 FINAL WHERE missing != '';

ALTER TABLE unparsed_organization COMMENT COLUMN key 'subject or key of the record';
