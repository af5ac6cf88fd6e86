"""What of a backup stays, what counts as a gap, and how moments are written: arithmetic alone, no server."""

from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st
from platform_backup.database import SEGMENT, Base, position
from platform_backup.manifest import stamp, time_of
from platform_backup.place import _reason, _too_long
from platform_backup.restore import _leading
from platform_backup.retention import horizon, kept
from platform_backup.verify import _gaps

DAY = 86400.0
NOW = datetime(2026, 12, 31, 12, tzinfo=UTC).timestamp()
TIMES = st.lists(st.floats(0, 600 * DAY).map(lambda ago: NOW - ago), max_size=40, unique=True)
KEEP = st.fixed_dictionaries({"days": st.integers(1, 400), "weeks": st.integers(0, 260), "months": st.integers(0, 120)})
settings.register_profile("rules", deadline=None)
settings.load_profile("rules")


@given(TIMES, KEEP)
def test_the_newest_stays_and_so_does_all_of_the_window_and_what_it_begins_with(
    times: list[float], keep: dict[str, int]
):
    stay = kept(times, keep, NOW)
    window = NOW - keep["days"] * DAY
    assert stay <= set(times)
    assert set(sorted(times)[-1:]) <= stay
    assert {time for time in times if time >= window} <= stay
    before = [time for time in sorted(times) if time < window]
    assert set(before[-1:]) <= stay


@given(TIMES, KEEP)
def test_what_stayed_once_stays_when_it_is_asked_again(times: list[float], keep: dict[str, int]):
    stay = kept(times, keep, NOW)
    assert kept(stay, keep, NOW) == stay


@given(TIMES, KEEP, KEEP)
def test_who_keeps_for_longer_loses_nothing_by_it(times: list[float], keep: dict[str, int], more: dict[str, int]):
    longer = {name: max(keep[name], more[name]) for name in keep}
    assert kept(times, keep, NOW) <= kept(times, longer, NOW) | set(_first_before(times, keep))
    assert horizon(longer, NOW) <= horizon(keep, NOW)


def _first_before(times: list[float], keep: dict[str, int]) -> list[float]:
    """What a window begins with, which another window begins later than."""
    return [time for time in sorted(times) if time < NOW - keep["days"] * DAY][-1:]


@given(TIMES, KEEP, st.floats(0, 30 * DAY))
def test_what_goes_does_not_come_to_be_wanted_later(times: list[float], keep: dict[str, int], later: float):
    assert kept(times, keep, NOW + later) <= kept(times, keep, NOW)


def test_a_week_and_a_month_keep_their_newest():
    times = [datetime(2026, month, day, tzinfo=UTC).timestamp() for month in (10, 11, 12) for day in range(1, 31)]
    stay = kept(times, {"days": 1, "weeks": 2, "months": 2}, NOW)
    days = sorted(datetime.fromtimestamp(time, UTC).strftime("%m-%d") for time in stay)
    assert days == ["11-30", "12-20", "12-27", "12-30"]


@given(st.floats(0, 4e9))
def test_a_stamp_is_read_as_the_millisecond_that_it_was_made_of(time: float):
    assert abs(time_of(stamp(time)) - time) < 0.0011
    assert stamp(time_of(stamp(time))) == stamp(time)


@given(st.floats(0, 4e9), st.floats(0, 4e9))
def test_stamps_sort_as_their_times(one: float, other: float):
    assert (stamp(one) <= stamp(other)) or (one > other)


def segment(number: int, timeline: int = 1) -> str:
    return f"{timeline:08X}{number // 256:08X}{number % 256:08X}"


@given(st.integers(0, 2**24), st.integers(1, 9))
def test_segments_follow_each_other_over_the_end_of_a_file_of_names(number: int, timeline: int):
    assert position(segment(number + 1, timeline)) - position(segment(number, timeline)) == SEGMENT
    assert list(_gaps([f"{segment(n)[:16]}/{segment(n)}" for n in range(number, number + 3)], [])) == []


def base(begin: int, *, after_gap: bool = False, timeline: int = 1) -> Base:
    return Base("b", 0.0, segment(begin, timeline), segment(begin, timeline), 1, 1, "", after_gap)


@given(st.integers(0, 600), st.integers(3, 9), st.data())
def test_one_missing_segment_is_found_wherever_it_is(first: int, count: int, data: st.DataObject):
    numbers = list(range(first, first + count))
    missing = data.draw(st.sampled_from(numbers[1:-1]))
    log = [segment(number) for number in numbers if number != missing] + ["00000002.history", "xlog.db"]
    (said,) = _gaps(log, [base(first)])
    assert said == f"the log has a gap between {segment(missing - 1)} and {segment(missing + 1)}"


def test_a_gap_that_a_base_backup_made_good_is_none_and_the_next_one_is():
    log = [segment(number) for number in (1, 2, 5, 6, 8)]
    made_good = [base(1), base(5, after_gap=True), base(6)]
    assert list(_gaps(log, made_good)) == [f"the log has a gap between {segment(6)} and {segment(8)}"]
    assert len(list(_gaps(log, [base(1), base(5), base(6)]))) == 2
    assert len(list(_gaps([segment(number) for number in (1, 3, 4)], [base(1), base(3, after_gap=True)]))) == 0


def test_what_is_before_the_first_base_backup_or_on_another_timeline_is_no_gap():
    assert list(_gaps([segment(n) for n in (1, 4, 5)], [base(4)])) == []
    assert list(_gaps([segment(4), segment(4, 2), segment(5, 2)], [base(4)])) == []


def test_names_that_are_too_long_are_told_from_all_else_that_fails():
    long = "2026/01/01 00:00:00 ERROR : a/b: c: Failed to copy: mkdir /place/x: file name too long\n"
    tried = "2026/01/01 00:00:00 ERROR : Attempt 1/2 failed with 1 errors and: mkdir /place/x: file name too long\n"
    assert _too_long(long + tried) == ["a/b: c"]
    assert _too_long(long + long.replace("file name too long", "no space left on device").replace("a/b", "d")) == []
    assert _too_long("2026/01/01 00:00:00 ERROR : something else\n") == []


def test_the_reason_is_known_or_the_last_thing_that_rclone_said():
    assert _reason("2026/01/01 ERROR : x: write /place/x: no space left on device\nmore\n") == "it is full"
    assert _reason("2026/01/01 00:00:00 NOTICE: a\n2026/01/01 00:00:00 ERROR : b: it is Monday\n") == "b: it is Monday"
    assert _reason("2026/01/01 00:00:00 Failed to copy: it is Monday\n") == "Failed to copy: it is Monday"
    assert _reason("2026/01/01 00:00:00 ERROR : x: preallocate: file too big for remaining disk space") == "it is full"
    assert _reason("") == "rclone ended without a word"


def test_barmans_id_of_a_base_backup_is_when_it_began():
    base = Base("20261231T120000", NOW + 7, "", "", 1, 1, "")
    assert base.begun == NOW


def test_the_log_of_a_time_ends_where_a_later_base_backup_does():
    def base(begins: str, ends: str) -> Base:
        return Base("id", 1.0, begins, ends, 1, 1, "")

    first, second = base("0" * 7 + "1" + "0" * 15 + "3", "0" * 7 + "1" + "0" * 15 + "4"), "0" * 7 + "1" + "0" * 15
    log = [f"0000000100000000/{second}{digit}" for digit in "23456789"] + ["00000002.history"]
    fork = "0000000200000000/" + "0" * 7 + "2" + "0" * 15 + "6"
    assert _leading([*log, fork], first, []) == [*log[1:8], log[8], fork]
    assert _leading([*log, fork], first, [base(f"{second}6", f"{second}7")]) == [*log[1:6], log[8]]
    assert _leading([*log, fork], first, [base(fork[-24:], fork[-24:])]) == [*log[1:8], log[8], fork]
