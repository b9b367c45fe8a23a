-- Alerts by the local period in which they were raised, each as it was known at the instant asked for.
SELECT
    period,
    if({by_institution:Bool}, a.institution, '') AS institution,
    if({by_severity:Bool}, a.severity, '') AS severity,
    count() AS raised,
    sum(raised) OVER (PARTITION BY period, institution) AS all_raised,
    countIf(acknowledged > 0) AS acknowledged,
    if(acknowledged > 0, quantileExactInclusiveIf(0.5)(seconds, a.acknowledged > 0), NULL) AS median_seconds
FROM (
    SELECT
        alert,
        any(raised_time) AS raised_at,
        toDate(toTimeZone(raised_at, {zone:String})) AS day,
        if({by_month:Bool}, toStartOfMonth(day), if({by_day:Bool}, day, {from:Date})) AS period,
        argMax(e.institution, e.revision) AS institution,
        argMax(e.severity, e.revision) AS severity,
        ifNull(toUnixTimestamp64Milli(min(e.acknowledged_time)), 0) AS acknowledged,
        (acknowledged - toUnixTimestamp64Milli(raised_at)) / 1000 AS seconds
    FROM alert_events AS e
    WHERE raised_time >= toDateTime64({from:Date}, 3, {zone:String})
        AND raised_time < toDateTime64(addDays({to:Date}, 1), 3, {zone:String})
        AND e.knowntime <= {as_of:DateTime64(3, 'UTC')}
    GROUP BY alert
) AS a
WHERE empty({institutions:Array(String)}) OR a.institution IN {institutions:Array(String)}
GROUP BY period, institution, severity
ORDER BY period, institution, severity
