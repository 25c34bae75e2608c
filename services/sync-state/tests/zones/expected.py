"""When nightly runs are due, computed apart from sync-state: Python's zoneinfo instead of jiff.

Reads requests from standard input, one a line: zone, practice id, first minute and last minute of the window, first date,
number of dates; tabs between. Answers each with a line: for each date the second (UNIX time) at which its run is due, or
`-` for a date that the zone does not have. `--jumps FIRST LAST` instead prints the days in those years on which a zone's
clocks move by most of a day: zone, date, tabs between. `--zones` prints the names that this machine's Python knows.
`--package` uses the `tzdata` package instead of the machine's files and prints its version first.
"""

import datetime
import sys
import zoneinfo

UTC = datetime.timezone.utc
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=UTC)
SECOND = datetime.timedelta(seconds=1)
DAY = datetime.timedelta(days=1)


def share(practice, length):
    """The part of the window that lies before the practice's own start, in seconds: FNV-1a over nine tenths of it."""
    value = 0xCBF29CE484222325
    for byte in practice.encode():
        value = (value ^ byte) * 0x100000001B3 % 2**64
    return value % max(length * 9 // 10, 1)


def on_date(zone, date):
    """Whether any moment of the zone has this local date."""
    for seconds in (0, 6 * 3600, 12 * 3600, 18 * 3600, 86399):
        for fold in (0, 1):
            wall = datetime.datetime(date.year, date.month, date.day) + seconds * SECOND
            moment = wall.replace(tzinfo=zone, fold=fold).astimezone(UTC)
            if moment.astimezone(zone).date() == date:
                return True
    return False


def due(zone, practice, opens, closes, date):
    """The second at which the date's run is due: the first of two where a wall-clock time comes twice, and where it is
    skipped, as long after the change as it would have been after the hour before it."""
    midnight = datetime.datetime(date.year, date.month, date.day)
    wall = midnight + (opens * 60 + share(practice, (closes - opens) * 60)) * SECOND
    moment = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    local = moment.astimezone(zone).replace(tzinfo=None)
    if local != wall:
        if not on_date(zone, date):
            return None
        # In a gap: it moves on by the gap's length, and no further.
        before, after = ((moment + side * DAY).astimezone(zone).utcoffset() for side in (-1, 1))
        assert local - wall == after - before, (zone, date, wall, local)
    else:
        assert midnight + opens * 60 * SECOND <= local < midnight + closes * 60 * SECOND, (zone, date, local)
    return (moment - EPOCH) // SECOND


def jumps(name, first, last):
    """The local dates around which the zone's clocks move by more than 20 hours."""
    zone = zoneinfo.ZoneInfo(name)
    offset = lambda moment: moment.astimezone(zone).utcoffset()
    far = datetime.timedelta(hours=20)
    moment, end, step = datetime.datetime(first, 1, 1, tzinfo=UTC), datetime.datetime(last, 1, 1, tzinfo=UTC), 30 * DAY
    while moment < end:
        following = moment + step
        if abs(offset(following) - offset(moment)) > far:
            day = moment
            while abs(offset(day + DAY) - offset(day)) <= far:
                day += DAY
            yield day.astimezone(zone).date()
        moment = following


def main(arguments):
    if arguments[:1] == ["--package"]:
        import tzdata

        zoneinfo.reset_tzpath([])
        print(tzdata.IANA_VERSION)
        arguments = arguments[1:]
    if arguments == ["--zones"]:
        print("\n".join(sorted(zoneinfo.available_timezones())))
        return
    if arguments[:1] == ["--jumps"]:
        for name in sorted(zoneinfo.available_timezones()):
            for date in jumps(name, int(arguments[1]), int(arguments[2])):
                print(name, date, sep="\t")
        return
    for line in sys.stdin:
        name, practice, opens, closes, first, dates = line.rstrip("\n").split("\t")
        zone = zoneinfo.ZoneInfo(name)
        date = datetime.date.fromisoformat(first)
        moments = (due(zone, practice, int(opens), int(closes), date + n * DAY) for n in range(int(dates)))
        print(",".join("-" if moment is None else str(moment) for moment in moments))


main(sys.argv[1:])
