-- Residents with enough home readings in the month, and those of them whose mean is below 135/85. A model that is known
-- to be unvalidated, or worn on the wrist, does not count.
WITH unfit AS (
    SELECT e.model AS model
    FROM device_events AS e
    WHERE e.event = 'model-registered' AND e.knowntime <= {as_of:DateTime64(3, 'UTC')}
    GROUP BY e.model
    HAVING argMax(ifNull(e.validated = false, false) OR ifNull(e.site = 'wrist', false), (e.time, e.offset))
),
readings_known AS (
    SELECT
        -- two records of one person are one
        if(a.survivor != '', a.survivor, r.resident) AS resident, r.time AS time, r.systolic AS systolic, r.diastolic AS diastolic,
        toDate(toTimeZone(r.time, {zone:String})) AS day, r.institution AS place_of_care
    FROM readings AS r
    LEFT JOIN aliases AS a ON a.resident = r.resident
    WHERE r.kind = 'blood-pressure' AND r.place = 'home' AND r.source = 'measured' AND r.clock != 'untrusted'
        AND NOT has(r.flags, 'unknown-user')
        AND ifNull(r.model, '') NOT IN (SELECT ifNull(unfit.model, '') FROM unfit)
        AND (r.resident, ifNull(r.device, '')) NOT IN (
            SELECT e.subject, e.device FROM device_events AS e
            WHERE e.event = 'bound' AND e.knowntime <= {as_of:DateTime64(3, 'UTC')}
                AND ifNull(e.model, '') IN (SELECT ifNull(unfit.model, '') FROM unfit))
        AND r.time >= toDateTime64(toStartOfMonth({from:Date}), 3, {zone:String})
        AND r.time < toDateTime64(addMonths(toStartOfMonth({to:Date}), 1), 3, {zone:String})
        AND r.knowntime <= {as_of:DateTime64(3, 'UTC')}
        AND r.id NOT IN (SELECT reading FROM retractions WHERE knowntime <= {as_of:DateTime64(3, 'UTC')})
)
SELECT
    period,
    if({by_institution:Bool}, p.place_of_care, '') AS institution,
    countIf(p.systolic < 135 AND p.diastolic < 85) AS controlled,
    count() AS measured
FROM (
    SELECT
        resident,
        toStartOfMonth(day) AS period,
        argMax(k.place_of_care, k.time) AS place_of_care,
        avg(k.systolic) AS systolic,
        avg(k.diastolic) AS diastolic
    FROM readings_known AS k
    GROUP BY resident, period
    HAVING count() >= 12 AND uniqExact(day) >= 3
) AS p
WHERE empty({institutions:Array(String)}) OR p.place_of_care IN {institutions:Array(String)}
GROUP BY period, institution
ORDER BY period, institution
