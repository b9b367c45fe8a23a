-- Home readings of every kind, and the days on which they could have been taken: local days of the period so far.
SELECT
    if({by_month:Bool}, toStartOfMonth(day), if({by_day:Bool}, day, {from:Date})) AS period,
    if({by_institution:Bool}, r.institution, '') AS institution,
    count() AS readings,
    dateDiff('day', greatest(any(first), {from:Date}), least(any(last), {to:Date}, {today:Date})) + 1 AS days
FROM (
    SELECT
        institution,
        toDate(toTimeZone(time, {zone:String})) AS day,
        if({by_day:Bool}, day, if({by_month:Bool}, toStartOfMonth(day), {from:Date})) AS first,
        if({by_day:Bool}, day, if({by_month:Bool}, toLastDayOfMonth(day), {to:Date})) AS last
    FROM readings
    WHERE place = 'home'
        AND time >= toDateTime64({from:Date}, 3, {zone:String})
        AND time < toDateTime64(addDays(least({to:Date}, {today:Date}), 1), 3, {zone:String})
        AND knowntime <= {as_of:DateTime64(3, 'UTC')}
        AND id NOT IN (SELECT reading FROM retractions WHERE knowntime <= {as_of:DateTime64(3, 'UTC')})
        AND (empty({institutions:Array(String)}) OR institution IN {institutions:Array(String)})
) AS r
GROUP BY period, institution
ORDER BY period, institution
