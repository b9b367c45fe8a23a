-- Residents and the institutions that manage them. One row an event; the served names say what holds now.
-- What is latest is decided by (time, offset): a late event changes only what nothing later has changed. What another
-- institution than the managing one says of registration, contract and transfer has no effect (refused_events).

CREATE TABLE resident_events_v1
(
    id             UUID COMMENT 'identity of the event',
    resident       String COMMENT 'resident id (a pseudonym)',
    event          LowCardinality(String) COMMENT 'registered, details-changed, contracted, contract-ended, transferred, died, labelled, unlabelled',
    time           DateTime64(3, 'UTC') COMMENT 'when it happened',
    recordedtime   DateTime64(3, 'UTC') COMMENT 'when a gateway accepted it',
    knowntime      DateTime64(3, 'UTC') COMMENT 'from when on an answer as of an instant may know it',
    institution    LowCardinality(String) COMMENT 'institution that manages the resident from then on (transferred: the new one)',
    sex            LowCardinality(Nullable(String)) COMMENT 'male, female or unknown',
    birth_date     Nullable(Date32) COMMENT 'date of birth',
    team           Nullable(String) COMMENT 'family-doctor team of the contract',
    doctor         Nullable(String) COMMENT 'family doctor of the contract',
    reason         LowCardinality(Nullable(String)) COMMENT 'contract-ended: expired, moved, withdrawn or other',
    cause          LowCardinality(Nullable(String)) COMMENT 'died: cause by ICD-10',
    label          Nullable(String) COMMENT 'free label that holds (labelled) or no longer holds (unlabelled)',
    missing        LowCardinality(String) COMMENT 'required field that the event lacks; such rows are served by unparsed',
    topic          LowCardinality(String) COMMENT 'Kafka topic of the event',
    partition      UInt32 COMMENT 'its partition',
    offset         UInt64 COMMENT 'its offset',
    version        UInt64 MATERIALIZED bitNot(offset) COMMENT 'the highest version wins: the lowest offset'
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (resident, id);

CREATE MATERIALIZED VIEW resident_events_v1_mv TO resident_events_v1 AS
WITH
    JSONExtract(coalesce(upcast, value), 'Tuple(
        institution Nullable(String),
        data Tuple(
            sex Nullable(String), birth_date Nullable(String), team Nullable(String), doctor Nullable(String),
            reason Nullable(String), to_institution Nullable(String), cause Nullable(String), label Nullable(String)))'
    ) AS fields,
    tupleElement(fields, 'data') AS data,
    if(event = 'transferred', tupleElement(data, 'to_institution'), tupleElement(fields, 'institution')) AS manager
SELECT
    identity AS id,
    key AS resident,
    extract(type, '^mailiu\\.resident\\.(.+)\\.v') AS event,
    assumeNotNull(log.time) AS time,
    recordedtime,
    knowntime,
    ifNull(manager, '') AS institution,
    tupleElement(data, 'sex') AS sex,
    toDate32OrNull(tupleElement(data, 'birth_date')) AS birth_date,
    tupleElement(data, 'team') AS team,
    tupleElement(data, 'doctor') AS doctor,
    tupleElement(data, 'reason') AS reason,
    tupleElement(data, 'cause') AS cause,
    tupleElement(data, 'label') AS label,
    multiIf(
        event = 'transferred' AND manager IS NULL, 'data.to_institution',
        manager IS NULL, 'institution',
        event = 'registered' AND sex IS NULL, 'data.sex',
        event = 'registered' AND birth_date IS NULL, 'data.birth_date',
        event IN ('labelled', 'unlabelled') AND label IS NULL, 'data.label',
        ''
    ) AS missing,
    topic,
    partition,
    offset
FROM log_care AS log
WHERE topic = 'events' AND log.time IS NOT NULL AND type IN (
    'mailiu.resident.registered.v1', 'mailiu.resident.details-changed.v1', 'mailiu.resident.contracted.v1',
    'mailiu.resident.contract-ended.v1', 'mailiu.resident.transferred.v1', 'mailiu.resident.died.v1',
    'mailiu.resident.labelled.v1', 'mailiu.resident.unlabelled.v1'
);

-- What is said of a record that gave way to another (aliases) is said of the survivor, but for who cares: the survivor's
-- own institution does, so that there it is empty. Both look-ups are made once a query, however many branches use them.
CREATE OR REPLACE VIEW resident_events AS
WITH
    (SELECT (groupArray(a.resident), groupArray(a.survivor)) FROM aliases AS a) AS merged,
    (SELECT groupArray(r.event) FROM refused_events AS r) AS refused
SELECT
    id, resident, event, time, recordedtime, knowntime, institution, sex, birth_date, team, doctor, reason, cause, label,
    topic, partition, offset
FROM resident_events_v1 FINAL
WHERE missing = '' AND id NOT IN (SELECT arrayJoin(refused)) AND resident NOT IN (SELECT arrayJoin(merged.1))
UNION ALL
WITH
    (SELECT (groupArray(a.resident), groupArray(a.survivor)) FROM aliases AS a) AS merged,
    (SELECT groupArray(r.event) FROM refused_events AS r) AS refused
SELECT
    e.id, transform(e.resident, merged.1, merged.2, '') AS resident, e.event, e.time, e.recordedtime, e.knowntime,
    '' AS institution, e.sex, e.birth_date, e.team, e.doctor, e.reason, e.cause, e.label, e.topic, e.partition, e.offset
FROM (SELECT * FROM resident_events_v1 FINAL WHERE resident IN (SELECT arrayJoin(merged.1))) AS e
WHERE e.missing = '' AND e.event NOT IN ('contracted', 'contract-ended', 'transferred')
    AND e.id NOT IN (SELECT arrayJoin(refused));

CREATE OR REPLACE VIEW residents AS
SELECT
    resident,
    argMaxIf(e.sex, (e.time, e.offset), e.sex IS NOT NULL) AS sex,
    argMaxIf(e.birth_date, (e.time, e.offset), e.birth_date IS NOT NULL) AS birth_date,
    argMaxIf(toNullable(e.institution), (e.time, e.offset),
        e.event IN ('registered', 'contracted', 'transferred') AND e.institution != '') AS institution,
    -- argMax skips NULL, and a contract may name no team: its fields travel in a tuple.
    argMaxIf(
        tuple(if(e.event = 'contracted', e.team, NULL), if(e.event = 'contracted', e.doctor, NULL),
              if(e.event = 'contracted', toNullable(e.time), NULL)),
        (e.time, e.offset), e.event IN ('contracted', 'contract-ended', 'transferred')
    ) AS contract,
    tupleElement(contract, 1) AS team,
    tupleElement(contract, 2) AS doctor,
    tupleElement(contract, 3) AS contracted_time,
    minIfOrNull(e.time, e.event = 'registered') AS registered_time,
    maxIfOrNull(e.time, e.event = 'died') AS died_time,
    argMaxIf(e.cause, (e.time, e.offset), e.event = 'died') AS death_cause,
    arraySort(mapKeys(mapFilter((name, latest) -> tupleElement(latest, 3) = 1, maxMapIf(
        map(ifNull(e.label, ''), (e.time, e.offset, toUInt8(e.event = 'labelled'))), e.event IN ('labelled', 'unlabelled')
    )))) AS labels,
    max(e.knowntime) AS knowntime
FROM resident_events AS e
GROUP BY resident;

ALTER TABLE residents
    COMMENT COLUMN institution 'institution that manages the resident by the latest registration, contract or transfer',
    COMMENT COLUMN contract 'team, doctor and time of the contract in force, as one tuple',
    COMMENT COLUMN contracted_time 'since when that contract is in force; NULL without one',
    COMMENT COLUMN registered_time 'first registration; NULL where only other events name the resident',
    COMMENT COLUMN died_time 'time of death',
    COMMENT COLUMN death_cause 'cause of death by ICD-10',
    COMMENT COLUMN labels 'free labels that hold';

-- One institution manages a resident at a time: from a registration, contract or transfer to the next one elsewhere, or
-- to death. The end of a contract leaves the record where it is.
CREATE OR REPLACE VIEW resident_institutions AS
SELECT
    resident,
    tupleElement(interval, 1) AS institution,
    tupleElement(interval, 2) AS from_time,
    tupleElement(interval, 3) AS to_time
FROM (
    SELECT
        resident,
        maxIfOrNull(e.time, e.event = 'died') AS died,
        arraySort(groupArrayIf(
            (e.time, e.offset, e.institution),
            e.event IN ('registered', 'contracted', 'transferred') AND e.institution != '')) AS assigned,
        -- of several at one instant the last counts
        arrayFilter((a, next) -> next = 0 OR tupleElement(a, 1) != tupleElement(assigned[next], 1),
            assigned, arrayMap(i -> if(i < length(assigned), i + 1, 0), arrayEnumerate(assigned))) AS effective,
        arrayFilter((a, i) -> i = 1 OR tupleElement(a, 3) != tupleElement(effective[i - 1], 3),
            effective, arrayEnumerate(effective)) AS changes,
        arrayMap((a, i) -> (
            tupleElement(a, 3),
            tupleElement(a, 1),
            if(i < length(changes),
               least(toNullable(tupleElement(changes[i + 1], 1)), ifNull(died, tupleElement(changes[i + 1], 1))), died)
        ), changes, arrayEnumerate(changes)) AS intervals
    FROM resident_events AS e
    GROUP BY resident
)
ARRAY JOIN intervals AS interval
WHERE to_time IS NULL OR from_time < to_time;

ALTER TABLE resident_institutions
    COMMENT COLUMN institution 'institution that manages the resident in the interval',
    COMMENT COLUMN from_time 'start of the interval',
    COMMENT COLUMN to_time 'end of the interval, not in it; NULL while it lasts';

CREATE OR REPLACE VIEW unparsed_resident AS
SELECT topic, partition, offset, id, resident AS key, missing FROM resident_events_v1 FINAL WHERE missing != '';

ALTER TABLE unparsed_resident COMMENT COLUMN key 'subject or key of the record';
