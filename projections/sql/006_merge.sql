-- Which records are of one person: what was said of merging, and from it, of every record that gave way, the one that
-- stands for it now. Merges hold for every period: who is one person is no fact of the past.

CREATE TABLE merge_events_v1
(
    id            UUID COMMENT 'identity of the event',
    resident      String COMMENT 'record that gives way (merged), or is its own again (unmerged)',
    event         LowCardinality(String) COMMENT 'merged or unmerged',
    time          DateTime64(3, 'UTC') COMMENT 'when it was said',
    knowntime     DateTime64(3, 'UTC') COMMENT 'from when on an answer as of an instant may know it',
    institution   LowCardinality(String) COMMENT 'institution that said so',
    survivor      String COMMENT 'record that survives, or survived',
    matched_by    LowCardinality(Nullable(String)) COMMENT 'merged: id-card, health-card, passport or person',
    reason        LowCardinality(Nullable(String)) COMMENT 'unmerged: wrong-match, entered-in-error or other',
    actor         Nullable(String) COMMENT 'who decided',
    missing       LowCardinality(String) COMMENT 'required field that the event lacks; such rows are served by unparsed',
    topic         LowCardinality(String) COMMENT 'Kafka topic of the event',
    partition     UInt32 COMMENT 'its partition',
    offset        UInt64 COMMENT 'its offset',
    version       UInt64 MATERIALIZED bitNot(offset) COMMENT 'the highest version wins: the lowest offset'
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (resident, id);

CREATE MATERIALIZED VIEW merge_events_v1_mv TO merge_events_v1 AS
WITH
    JSONExtract(coalesce(upcast, value), 'Tuple(
        institution Nullable(String), actor Nullable(String),
        data Tuple(into Nullable(String), survivor Nullable(String), matched_by Nullable(String), reason Nullable(String)))'
    ) AS fields,
    tupleElement(fields, 'data') AS data
SELECT
    identity AS id,
    key AS resident,
    extract(type, '^mailiu\\.resident\\.(.+)\\.v') AS event,
    assumeNotNull(log.time) AS time,
    knowntime,
    ifNull(tupleElement(fields, 'institution'), '') AS institution,
    ifNull(if(event = 'merged', tupleElement(data, 'into'), tupleElement(data, 'survivor')), '') AS survivor,
    tupleElement(data, 'matched_by') AS matched_by,
    tupleElement(data, 'reason') AS reason,
    tupleElement(fields, 'actor') AS actor,
    if(survivor = '', if(event = 'merged', 'data.into', 'data.survivor'), '') AS missing,
    topic,
    partition,
    offset
FROM log_care AS log
WHERE topic = 'events' AND log.time IS NOT NULL
    AND type IN ('mailiu.resident.merged.v1', 'mailiu.resident.unmerged.v1');

CREATE OR REPLACE VIEW merge_events AS
SELECT * EXCEPT missing FROM merge_events_v1 FINAL
WHERE missing = '' AND id NOT IN (SELECT r.event FROM refused_events AS r);

-- A survivor may have given way in its turn: from step to step, eight at most.
CREATE OR REPLACE VIEW aliases AS
SELECT
    arrayJoin(mapKeys(steps)) AS resident,
    arrayFold((at, i) -> if(mapContains(steps, at), steps[at], at), range(8), resident) AS survivor
FROM (
    SELECT mapFromArrays(groupArray(s.resident), groupArray(s.survivor)) AS steps
    FROM (
        SELECT resident, argMax(e.survivor, e.offset) AS survivor, argMax(e.event, e.offset) AS latest
        FROM merge_events AS e
        GROUP BY resident
        HAVING latest = 'merged'
    ) AS s
);

ALTER TABLE aliases
    COMMENT COLUMN resident 'record that gave way',
    COMMENT COLUMN survivor 'record that stands for it now';

CREATE OR REPLACE VIEW unparsed_merge AS
SELECT topic, partition, offset, id, resident AS key, missing FROM merge_events_v1 FINAL WHERE missing != '';

ALTER TABLE unparsed_merge COMMENT COLUMN key 'subject or key of the record';
