#include "maintenance/job_timer.hpp"

#include <doctest/doctest.h>

#include <ctime>
#include <iomanip>
#include <sstream>
#include <string>

namespace weir::maintenance {

namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using End = JobResult::End;

constexpr double kMiddle = 0.5;  // no spread, half of the jitter

WallTime at(const std::string& text) {
    std::tm parts{};
    std::istringstream in{text};
    in >> std::get_time(&parts, "%Y-%m-%d %H:%M:%S");
    return WallTime{seconds{timegm(&parts)}};
}

When cron(const std::string& line) {
    return {.line = conf::parse_cron_line(line).value, .text = line};
}

When every(milliseconds interval) {
    return {.every = interval, .text = "every"};
}

TimerRules rules() {
    return {.calendar = CronCalendar::in("UTC").value()};
}

const WallTime kNoon = at("2026-11-23 12:00:00");
const WallTime kNight = at("2026-11-24 02:00:00");

}  // namespace

TEST_SUITE("job_timer") {
    TEST_CASE(
        "job_timer: without memory a cron line waits for its time, an interval is due at once") {
        JobTimer nightly{cron("0 2 * * *")};
        nightly.begin(kNoon, rules(), kMiddle);
        CHECK(nightly.due(kNoon, rules()) == kNight);
        JobTimer often{every(minutes{1})};
        often.begin(kNoon, rules(), kMiddle);
        CHECK(often.due(kNoon, rules()) == kNoon);
        JobTimer never{When{.text = "by hand"}};
        never.begin(kNoon, rules(), kMiddle);
        CHECK(never.due(kNoon, rules()) == WallTime::max());
    }

    TEST_CASE("job_timer: what was missed is made up once") {
        JobTimer nightly{cron("0 2 * * *")};
        nightly.begin(kNoon, rules(), kMiddle);
        nightly.learn({.covers = kNoon - hours{24 * 9}}, rules(), kMiddle);
        CHECK(nightly.due(kNoon, rules()) == kNoon);
        nightly.ended(End::Done, kNoon, kNoon + seconds{5}, rules(), kMiddle);
        CHECK(nightly.due(kNoon + seconds{5}, rules()) == kNight);
    }

    TEST_CASE(
        "job_timer: an interval keeps to its marks, and runs at once where a run was longer") {
        JobTimer often{every(seconds{10})};
        often.begin(kNoon, rules(), kMiddle);
        often.ended(End::Done, kNoon + seconds{1}, kNoon + seconds{4}, rules(), kMiddle);
        CHECK(often.due(kNoon + seconds{4}, rules()) == kNoon + seconds{10});
        often.ended(End::Done, kNoon + seconds{10}, kNoon + seconds{45}, rules(), kMiddle);
        CHECK(often.due(kNoon + seconds{45}, rules()) == kNoon + seconds{45});
    }

    TEST_CASE("job_timer: of two that know of each other one runs each time") {
        JobTimer one{every(seconds{1})};
        JobTimer other{every(seconds{1})};
        one.begin(kNoon, rules(), kMiddle);
        other.begin(kNoon, rules(), kMiddle);
        one.ended(End::Done, kNoon + milliseconds{3}, kNoon + milliseconds{8}, rules(), kMiddle);
        other.learn(one.memory(), rules(), kMiddle);
        CHECK(other.due(kNoon + milliseconds{9}, rules()) == kNoon + seconds{1});
        // What is older than what it knows itself changes nothing.
        one.learn({.covers = kNoon - hours{1}}, rules(), kMiddle);
        CHECK(one.due(kNoon + milliseconds{9}, rules()) == kNoon + seconds{1});
    }

    TEST_CASE("job_timer: pauses grow with failures, spread, and end at a success") {
        JobTimer nightly{cron("0 2 * * *")};
        nightly.begin(kNoon, rules(), kMiddle);
        const auto pause_after = [&](double random) {
            nightly.ended(End::Failed, kNight, kNight, rules(), random);
            return nightly.due(kNight, rules()) - kNight;
        };
        CHECK(pause_after(0.5) == minutes{5});
        CHECK(pause_after(0.5) == minutes{10});
        CHECK(pause_after(0) == milliseconds{minutes{15}} * 87 / 100);
        CHECK(pause_after(1) == milliseconds{minutes{20}} * 113 / 100);
        nightly.ended(End::Done, kNight + hours{1}, kNight + hours{1}, rules(), kMiddle);
        CHECK(nightly.memory().failures == 0);
        CHECK(nightly.due(kNight + hours{1}, rules()) == kNight + hours{24});
    }

    TEST_CASE("job_timer: a pause is at most five intervals") {
        JobTimer often{every(seconds{2})};
        often.begin(kNoon, rules(), kMiddle);
        for (int i = 1; i <= 9; ++i) {
            often.ended(End::Failed, kNoon, kNoon, rules(), kMiddle);
            CHECK(often.due(kNoon, rules()) - kNoon == seconds{std::min(2 * i, 10)});
        }
    }

    TEST_CASE("job_timer: what keeps failing is parked until it is due") {
        JobTimer nightly{cron("0 2 * * *")};
        nightly.begin(kNoon, rules(), kMiddle);
        for (unsigned i = 1; i < JobTimer::kFailuresMax; ++i) {
            nightly.ended(End::Failed, kNight, kNight, rules(), kMiddle);
            CHECK_FALSE(nightly.is_parked());
        }
        nightly.ended(End::Failed, kNight, kNight, rules(), kMiddle);
        CHECK(nightly.is_parked());
        CHECK(nightly.due(kNight, rules()) == kNight + hours{24});
        nightly.ended(End::Failed, kNight, kNight, rules(), kMiddle);
        CHECK(nightly.memory().failures == JobTimer::kFailuresMax);
    }

    TEST_CASE("job_timer: what was not finished goes on soon, in its window") {
        TimerRules windowed = rules();
        windowed.windows = {*conf::parse_time_window("02:00-04:00").value};
        JobTimer nightly{cron("0 2 * * *")};
        nightly.begin(kNoon, windowed, kMiddle);
        nightly.ended(End::Later, kNight, kNight + minutes{5}, windowed, kMiddle);
        CHECK(nightly.due(kNight + minutes{5}, windowed) ==
              kNight + minutes{5} + JobTimer::kGoOnAfter);
        nightly.ended(End::Later, kNight + hours{2}, kNight + hours{2}, windowed, kMiddle);
        CHECK(nightly.due(kNight + hours{2}, windowed) == kNight + hours{24});
        CHECK(nightly.memory().covers < kNight);
    }

    TEST_CASE("job_timer: what others' locks have put off is tried again after the retry period") {
        JobTimer nightly{cron("0 2 * * *")};
        nightly.begin(kNoon, rules(), kMiddle);
        nightly.ended(End::Failed, kNight, kNight, rules(), kMiddle);
        nightly.ended(End::PutOff, kNight, kNight + minutes{1}, rules(), kMiddle);
        CHECK(nightly.due(kNight, rules()) == kNight + minutes{6});
        CHECK(nightly.memory().failures == 0);
        CHECK(nightly.memory().covers < kNight);
        JobTimer often{every(seconds{10})};
        often.begin(kNoon, rules(), kMiddle);
        often.ended(End::PutOff, kNoon, kNoon + seconds{1}, rules(), kMiddle);
        CHECK(often.due(kNoon, rules()) == kNoon + seconds{11});
    }

    TEST_CASE("job_timer: what runs by hand alone is not tried again") {
        for (const End end : {End::Failed, End::PutOff}) {
            JobTimer by_hand{When{.text = "by hand"}};
            by_hand.begin(kNoon, rules(), kMiddle);
            by_hand.ended(end, kNoon, kNoon + seconds{1}, rules(), kMiddle);
            CHECK(by_hand.due(kNoon + seconds{1}, rules()) == WallTime::max());
        }
    }

    TEST_CASE("job_timer: what is due outside its windows waits, also when it is reached late") {
        TimerRules windowed = rules();
        windowed.windows = {*conf::parse_time_window("22:00-23:00").value};
        JobTimer often{every(hours{1})};
        often.begin(kNoon, windowed, kMiddle);
        CHECK(often.due(kNoon, windowed) == at("2026-11-23 22:00:00"));
        CHECK(often.due(at("2026-11-23 22:59:59"), windowed) == at("2026-11-23 22:59:59"));
        CHECK(often.due(at("2026-11-23 23:00:00"), windowed) == at("2026-11-24 22:00:00"));
    }

    TEST_CASE("job_timer: jitter puts it off, by a quarter of the interval at most") {
        TimerRules spread = rules();
        spread.jitter = minutes{10};
        JobTimer nightly{cron("0 2 * * *")};
        nightly.begin(kNoon, spread, 0.25);
        CHECK(nightly.due(kNoon, spread) == kNight + seconds{150});
        JobTimer often{every(seconds{4})};
        often.learn({.covers = kNoon}, spread, 0.5);
        CHECK(often.due(kNoon, spread) == kNoon + milliseconds{4500});
    }

    TEST_CASE("job_timer: what another schedule would have meant is not made up") {
        JobTimer job{cron("0 2 * * *")};
        job.begin(kNoon, rules(), kMiddle);
        job.learn({.covers = kNoon - hours{10}}, rules(), kMiddle);
        job.change(cron("0 6 * * *"), kNoon, rules(), kMiddle);
        CHECK(job.due(kNoon, rules()) == at("2026-11-24 06:00:00"));
        job.change(every(hours{1}), kNoon, rules(), kMiddle);
        CHECK(job.due(kNoon, rules()) == kNoon + hours{1});
    }
}

}  // namespace weir::maintenance
