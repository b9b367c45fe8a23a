-- Devices: which model, whose, what they report of themselves, and what went wrong.

-- What the fold says on the topic devices, by key; the newest record of a key wins, as compaction would have it.
CREATE TABLE device_facts_v1
(
    key          String COMMENT 'record key: device/slot/resident/from of a binding, the device of a registration, device/gateway/gateway',
    kind         LowCardinality(String) COMMENT 'binding, device or gateway',
    device       String COMMENT 'device id',
    user_slot    Nullable(UInt8) COMMENT 'user of a shared device; NULL for every slot',
    resident     Nullable(String) COMMENT 'resident whose readings these are',
    institution  LowCardinality(Nullable(String)) COMMENT 'institution of the device',
    model        Nullable(String) COMMENT 'device model',
    measures     LowCardinality(Nullable(String)) COMMENT 'kind of reading that it takes',
    gateway      Nullable(String) COMMENT 'who may, or may no longer, publish for the device',
    authorized   Nullable(Bool) COMMENT 'whether the gateway may',
    from_time    Nullable(DateTime64(3, 'UTC')) COMMENT 'start of the binding, or of what holds of the gateway',
    to_time      Nullable(DateTime64(3, 'UTC')) COMMENT 'end of the binding, not in it; NULL while it lasts',
    knowntime    DateTime64(3, 'UTC') COMMENT 'from when on an answer as of an instant may know it',
    missing      LowCardinality(String) COMMENT 'required field that the record lacks; such rows are served by unparsed',
    topic        LowCardinality(String) COMMENT 'Kafka topic of the record',
    partition    UInt32 COMMENT 'its partition',
    offset       UInt64 COMMENT 'its offset'
)
ENGINE = ReplacingMergeTree(offset)
ORDER BY key;

CREATE MATERIALIZED VIEW device_facts_v1_mv TO device_facts_v1 AS
WITH JSONExtract(value, 'Tuple(
        kind Nullable(String), device Nullable(String), user_slot Nullable(UInt8), resident Nullable(String),
        institution Nullable(String), model Nullable(String), measures Nullable(String), gateway Nullable(String),
        authorized Nullable(Bool), `from` Nullable(Int64), `to` Nullable(Int64))'
    ) AS fact
SELECT
    key,
    ifNull(tupleElement(fact, 'kind'), '') AS kind,
    ifNull(tupleElement(fact, 'device'), '') AS device,
    tupleElement(fact, 'user_slot') AS user_slot,
    tupleElement(fact, 'resident') AS resident,
    tupleElement(fact, 'institution') AS institution,
    tupleElement(fact, 'model') AS model,
    tupleElement(fact, 'measures') AS measures,
    tupleElement(fact, 'gateway') AS gateway,
    tupleElement(fact, 'authorized') AS authorized,
    fromUnixTimestamp64Milli(tupleElement(fact, 'from'), 'UTC') AS from_time,
    fromUnixTimestamp64Milli(tupleElement(fact, 'to'), 'UTC') AS to_time,
    knowntime,
    multiIf(
        kind NOT IN ('binding', 'device', 'gateway'), 'kind',
        device = '', 'device',
        kind = 'binding' AND resident IS NULL, 'resident',
        kind = 'binding' AND from_time IS NULL, 'from',
        kind = 'gateway' AND gateway IS NULL, 'gateway',
        kind = 'gateway' AND authorized IS NULL, 'authorized',
        ''
    ) AS missing,
    topic,
    partition,
    offset
FROM log_technical AS log
WHERE topic = 'devices' AND value != '' AND NOT startsWith(key, 'rule/');

-- A later binding of the same device and slot ends an earlier one that is still open.
CREATE OR REPLACE VIEW bindings AS
SELECT
    device, user_slot, resident, institution, assumeNotNull(f.from_time) AS from_time,
    if(f.to_time IS NULL OR successor < f.to_time, successor, f.to_time) AS to_time,
    knowntime
FROM (
    SELECT *, leadInFrame(from_time) OVER (
        PARTITION BY device, user_slot ORDER BY from_time, offset ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
    ) AS successor
    FROM device_facts_v1 FINAL
    WHERE kind = 'binding' AND missing = ''
) AS f
WHERE to_time IS NULL OR from_time < to_time;

ALTER TABLE bindings
    COMMENT COLUMN from_time 'start of the binding',
    COMMENT COLUMN to_time 'end of the binding, not in it; NULL while it lasts';

CREATE OR REPLACE VIEW device_gateways AS
SELECT device, assumeNotNull(f.gateway) AS gateway, institution, f.from_time AS from_time, knowntime
FROM device_facts_v1 AS f FINAL
WHERE kind = 'gateway' AND missing = '' AND authorized;

ALTER TABLE device_gateways
    COMMENT COLUMN gateway 'who may publish for the device',
    COMMENT COLUMN from_time 'since when';

-- The latest reading of each device, of each partition.
CREATE TABLE device_heard_v1
(
    device        String COMMENT 'device id',
    institution   LowCardinality(String) COMMENT 'institution of the reading',
    kind          LowCardinality(String) COMMENT 'kind of the reading',
    time          DateTime64(3, 'UTC') COMMENT 'when it was taken',
    recordedtime  DateTime64(3, 'UTC') COMMENT 'when it was accepted',
    knowntime     DateTime64(3, 'UTC') COMMENT 'from when on an answer as of an instant may know it',
    clock         LowCardinality(String) COMMENT 'trust in its time: trusted, corrected, receipt, untrusted',
    device_time   Nullable(DateTime64(3, 'UTC')) COMMENT 'the device''s own clock, uncorrected',
    topic         LowCardinality(String) COMMENT 'Kafka topic of the event',
    partition     UInt32 COMMENT 'its partition',
    offset        UInt64 COMMENT 'its offset'
)
ENGINE = ReplacingMergeTree(offset)
ORDER BY (device, partition);

CREATE MATERIALIZED VIEW device_heard_v1_mv TO device_heard_v1 AS
WITH
    JSONExtract(value, 'Tuple(
        institution Nullable(String),
        data Tuple(device Nullable(String), clock Nullable(String), device_time Nullable(String)))'
    ) AS fields,
    tupleElement(fields, 'data') AS data
SELECT
    assumeNotNull(tupleElement(data, 'device')) AS device,
    ifNull(tupleElement(fields, 'institution'), '') AS institution,
    extract(type, '^mailiu\\.reading\\.(.+)-measured\\.v') AS kind,
    assumeNotNull(log.time) AS time,
    recordedtime,
    knowntime,
    ifNull(tupleElement(data, 'clock'), 'trusted') AS clock,
    instant(tupleElement(data, 'device_time')) AS device_time,
    topic,
    partition,
    offset
FROM log_readings AS log
WHERE topic = 'events' AND log.time IS NOT NULL AND type LIKE 'mailiu.reading.%-measured.v%'
    AND tupleElement(data, 'device') IS NOT NULL;

CREATE TABLE device_events_v1
(
    id            UUID COMMENT 'identity of the event',
    event         LowCardinality(String) COMMENT 'model-registered, registered, bound, unbound, gateway-authorized, gateway-revoked, status-reported, measurement-failed, person-unknown, command-sent, command-expired or, derived, command-requested',
    subject       String COMMENT 'resident id, or device:ID for a device nobody wears',
    device        String COMMENT 'device id; empty for a model',
    time          DateTime64(3, 'UTC') COMMENT 'when it happened',
    recordedtime  DateTime64(3, 'UTC') COMMENT 'when a gateway accepted it',
    knowntime     DateTime64(3, 'UTC') COMMENT 'from when on an answer as of an instant may know it',
    institution   LowCardinality(String) COMMENT 'institution of the device',
    model         Nullable(String) COMMENT 'device model',
    maker         Nullable(String) COMMENT 'model: maker',
    nmpa_number   Nullable(String) COMMENT 'model: registration number of the medical products administration',
    udi           Nullable(String) COMMENT 'model: unique device identifier',
    validated     Nullable(Bool) COMMENT 'model: clinically validated',
    site          LowCardinality(Nullable(String)) COMMENT 'model: where it is worn: upper-arm, wrist, finger or other',
    kind          LowCardinality(Nullable(String)) COMMENT 'kind of reading concerned',
    user_slot     Nullable(UInt8) COMMENT 'user of a shared device',
    battery       Nullable(Float64) COMMENT 'status: battery, %',
    signal        Nullable(Float64) COMMENT 'status: signal, dB[mW]',
    firmware      Nullable(String) COMMENT 'status: firmware',
    battery_low   Nullable(Bool) COMMENT 'status: the device''s own warning',
    calibrated    Nullable(Date32) COMMENT 'status: day of the last calibration',
    calibration_due Nullable(Date32) COMMENT 'status: day by which it must be calibrated again',
    gateway       Nullable(String) COMMENT 'gateway-…: who publishes for the device; status: who published it',
    reason        LowCardinality(Nullable(String)) COMMENT 'measurement-failed: not-a-number, error-code …',
    field         Nullable(String) COMMENT 'measurement-failed: field at fault',
    sent          Nullable(String) COMMENT 'measurement-failed: its value as sent',
    systolic      Nullable(Float64) COMMENT 'person-unknown: systolic pressure, mm[Hg]',
    diastolic     Nullable(Float64) COMMENT 'person-unknown: diastolic pressure, mm[Hg]',
    value         Nullable(Float64) COMMENT 'person-unknown: value of another kind, in its unit',
    command       Nullable(String) COMMENT 'command-requested: what is asked; command-sent, -expired: identity of the request',
    expires       Nullable(DateTime64(3, 'UTC')) COMMENT 'command-requested: never sent after this',
    alert         Nullable(String) COMMENT 'command-requested: alert that asks for it',
    missing       LowCardinality(String) COMMENT 'required field that the event lacks; such rows are served by unparsed',
    topic         LowCardinality(String) COMMENT 'Kafka topic of the event',
    partition     UInt32 COMMENT 'its partition',
    offset        UInt64 COMMENT 'its offset',
    version       UInt64 MATERIALIZED bitNot(bitShiftLeft(offset, 10) + partition)
                  COMMENT 'the highest version wins: the lowest offset, then the lowest partition, as subjects may differ'
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (device, id);

-- Models are registered in every partition; partition 0 is read.
CREATE MATERIALIZED VIEW device_events_v1_mv TO device_events_v1 AS
WITH
    JSONExtract(coalesce(upcast, log.value), 'Tuple(
        institution Nullable(String),
        data Tuple(
            device Nullable(String), model Nullable(String), maker Nullable(String), nmpa_number Nullable(String),
            udi Nullable(String), validated Nullable(Bool), site Nullable(String), kind Nullable(String), user_slot Nullable(UInt8),
            battery Nullable(Float64), signal Nullable(Float64), firmware Nullable(String), battery_low Nullable(Bool),
            calibrated Nullable(String), calibration_due Nullable(String), gateway Nullable(String), reason Nullable(String),
            field Nullable(String), value Nullable(String), systolic Nullable(Float64), diastolic Nullable(Float64),
            command Nullable(String), expires Nullable(String), alert Nullable(String)))'
    ) AS fields,
    tupleElement(fields, 'data') AS data
SELECT
    identity AS id,
    extract(type, '^mailiu\\.device\\.(.+)\\.v') AS event,
    key AS subject,
    ifNull(tupleElement(data, 'device'), '') AS device,
    assumeNotNull(log.time) AS time,
    recordedtime,
    knowntime,
    ifNull(tupleElement(fields, 'institution'), '') AS institution,
    tupleElement(data, 'model') AS model,
    tupleElement(data, 'maker') AS maker,
    tupleElement(data, 'nmpa_number') AS nmpa_number,
    tupleElement(data, 'udi') AS udi,
    tupleElement(data, 'validated') AS validated,
    tupleElement(data, 'site') AS site,
    if(event IN ('registered', 'measurement-failed'), ifNull(tupleElement(data, 'kind'), 'blood-pressure'),
        tupleElement(data, 'kind')) AS kind,
    tupleElement(data, 'user_slot') AS user_slot,
    tupleElement(data, 'battery') AS battery,
    tupleElement(data, 'signal') AS signal,
    tupleElement(data, 'firmware') AS firmware,
    tupleElement(data, 'battery_low') AS battery_low,
    toDate32OrNull(tupleElement(data, 'calibrated')) AS calibrated,
    toDate32OrNull(tupleElement(data, 'calibration_due')) AS calibration_due,
    tupleElement(data, 'gateway') AS gateway,
    tupleElement(data, 'reason') AS reason,
    tupleElement(data, 'field') AS field,
    if(event = 'measurement-failed', tupleElement(data, 'value'), NULL) AS sent,
    tupleElement(data, 'systolic') AS systolic,
    tupleElement(data, 'diastolic') AS diastolic,
    if(event = 'person-unknown', toFloat64OrNull(tupleElement(data, 'value')), NULL) AS value,
    tupleElement(data, 'command') AS command,
    instant(tupleElement(data, 'expires')) AS expires,
    tupleElement(data, 'alert') AS alert,
    multiIf(
        event = 'model-registered' AND model IS NULL, 'data.model',
        event != 'model-registered' AND device = '', 'data.device',
        ''
    ) AS missing,
    topic,
    partition,
    offset
FROM log_conduct AS log
WHERE topic IN ('events', 'derived') AND log.time IS NOT NULL AND type IN (
    'mailiu.device.model-registered.v1', 'mailiu.device.registered.v1', 'mailiu.device.bound.v1',
    'mailiu.device.unbound.v1', 'mailiu.device.gateway-authorized.v1', 'mailiu.device.gateway-revoked.v1',
    'mailiu.device.status-reported.v1', 'mailiu.device.measurement-failed.v1',
    'mailiu.device.person-unknown.v1', 'mailiu.device.command-sent.v1', 'mailiu.device.command-expired.v1',
    'mailiu.device.command-requested.v1'
) AND (partition = 0 OR type != 'mailiu.device.model-registered.v1');

CREATE OR REPLACE VIEW device_events AS
SELECT * EXCEPT missing FROM device_events_v1 FINAL WHERE missing = '';

CREATE OR REPLACE VIEW device_readings AS
SELECT
    h.device AS device,
    max(h.recordedtime) AS heard_time,
    argMax(h.clock, (h.recordedtime, h.partition)) AS clock,
    argMax(dateDiff('second', h.device_time, h.recordedtime), (h.recordedtime, h.partition)) AS clock_lag,
    max(h.knowntime) AS knowntime
FROM device_heard_v1 AS h FINAL
GROUP BY h.device;

ALTER TABLE device_readings
    COMMENT COLUMN heard_time 'when its latest reading was accepted',
    COMMENT COLUMN clock 'trust in the time of its latest reading',
    COMMENT COLUMN clock_lag 'seconds from the device''s own time of its latest reading to its receipt';

CREATE OR REPLACE VIEW devices AS
SELECT
    device,
    argMax(e.institution, (e.event = 'registered', e.institution != '', e.time, e.offset)) AS institution,
    argMaxIf(e.model, (e.time, e.offset), e.event = 'registered') AS model,
    argMaxIf(e.kind, (e.time, e.offset), e.event = 'registered') AS kind,
    minIfOrNull(e.time, e.event = 'registered') AS registered_time,
    argMaxIf(e.battery, (e.time, e.offset), e.event = 'status-reported') AS battery,
    argMaxIf(e.signal, (e.time, e.offset), e.event = 'status-reported') AS signal,
    argMaxIf(e.firmware, (e.time, e.offset), e.event = 'status-reported') AS firmware,
    argMaxIf(e.battery_low, (e.time, e.offset), e.event = 'status-reported') AS battery_low,
    argMaxIf(e.calibrated, (e.time, e.offset), e.event = 'status-reported') AS calibrated,
    argMaxIf(e.calibration_due, (e.time, e.offset), e.event = 'status-reported') AS calibration_due,
    maxIfOrNull(e.time, e.event = 'status-reported') AS status_time,
    countIf(e.event = 'measurement-failed') AS failed,
    maxIfOrNull(e.time, e.event = 'measurement-failed') AS failed_time,
    max(e.knowntime) AS knowntime
FROM device_events AS e
WHERE e.device != ''
GROUP BY device;

ALTER TABLE devices
    COMMENT COLUMN registered_time 'when it joined the stock; NULL where only other events name it',
    COMMENT COLUMN status_time 'when it last reported its status',
    COMMENT COLUMN failed 'measurements that failed',
    COMMENT COLUMN failed_time 'when one last failed';

CREATE OR REPLACE VIEW device_models AS
SELECT
    assumeNotNull(e.model) AS model,
    argMax(tuple(e.maker, e.nmpa_number, e.udi, e.validated, e.site), (e.time, e.offset)) AS registration,
    tupleElement(registration, 1) AS maker,
    tupleElement(registration, 2) AS nmpa_number,
    tupleElement(registration, 3) AS udi,
    tupleElement(registration, 4) AS validated,
    tupleElement(registration, 5) AS site
FROM device_events AS e
WHERE e.event = 'model-registered'
GROUP BY model;

ALTER TABLE device_models
    COMMENT COLUMN registration 'the latest registration as one tuple: maker, nmpa_number, udi, validated, site';

CREATE OR REPLACE VIEW unparsed_device AS
SELECT topic, partition, offset, toUUID('00000000-0000-0000-0000-000000000000') AS id, key, missing
FROM device_facts_v1 FINAL WHERE missing != ''
UNION ALL
SELECT topic, partition, offset, id, subject AS key, missing FROM device_events_v1 FINAL WHERE missing != '';

ALTER TABLE unparsed_device COMMENT COLUMN key 'subject or key of the record';
