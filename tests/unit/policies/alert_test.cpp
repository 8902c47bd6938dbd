#include "policies/alert.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <random>
#include <string>
#include <vector>

namespace weir::policies {

using namespace std::chrono_literals;

namespace {

constexpr TimePoint kBegin = TimePoint{} + 1h;
using Readings = std::vector<AlertReading>;

Alert made(const char* condition) {
    return Alert{*conf::parse_alert_condition(condition).value};
}

/// One object, "a".
AlertChange at(Alert& alert, double value, Duration after) {
    return alert.update(Readings{{"a", value}}, kBegin + after);
}

}  // namespace

TEST_SUITE("alert") {
    TEST_CASE("alert: fires when the condition has held for its time, and not before") {
        Alert alert = made("pool_usage > 0.8 for 1m");
        CHECK(at(alert, 0.8, 0s) == AlertChange::None);
        CHECK(alert.state() == AlertState::Quiet);
        CHECK(at(alert, 0.9, 1s) == AlertChange::None);
        CHECK(alert.state() == AlertState::Pending);
        CHECK(alert.since() == kBegin + 1s);
        CHECK(at(alert, 1.0, 60s) == AlertChange::None);
        CHECK(at(alert, 0.95, 61s) == AlertChange::Fired);
        CHECK(alert.state() == AlertState::Firing);
        CHECK(alert.since() == kBegin + 1s);
        CHECK(alert.object() == "a");
        CHECK(alert.value() == 0.95);
        CHECK(at(alert, 0.95, 62s) == AlertChange::None);
    }

    TEST_CASE("alert: without a time it fires at once, and is resolved when it has calmed down") {
        Alert alert = made("waiting_clients >= 5");
        CHECK(at(alert, 5, 0s) == AlertChange::Fired);
        CHECK(at(alert, 4, 1s) == AlertChange::None);
        CHECK(alert.state() == AlertState::Firing);
        CHECK(at(alert, 4, 9999ms) == AlertChange::None);
        CHECK(at(alert, 3, 10s) == AlertChange::Resolved);
        CHECK(alert.state() == AlertState::Quiet);
        CHECK(alert.since() == kBegin);  // of the time that is over
        CHECK(alert.value() == 3);
        CHECK(at(alert, 5, 11s) == AlertChange::Fired);
        CHECK(alert.since() == kBegin + 11s);
    }

    TEST_CASE("alert: a break begins the time anew, and flapping neither fires nor resolves") {
        Alert alert = made("pool_usage > 0.8 for 3s");
        for (int second = 0; second < 60; ++second) {
            CHECK(at(alert, second % 3 == 0 ? 0.1 : 0.9, std::chrono::seconds{second}) ==
                  AlertChange::None);
        }
        for (int second = 60; second < 63; ++second) {
            CHECK(at(alert, 0.9, std::chrono::seconds{second}) ==
                  (second == 61 ? AlertChange::Fired : AlertChange::None));
        }
        for (int second = 63; second < 200; ++second) {
            CHECK(at(alert, second % 9 == 0 ? 0.9 : 0.1, std::chrono::seconds{second}) ==
                  AlertChange::None);
        }
        CHECK(alert.since() == kBegin + 58s);
    }

    TEST_CASE("alert: a value that goes away is not met; what fired is still named") {
        Alert alert = made("pool_wait > 1s");
        CHECK(at(alert, 2, 0s) == AlertChange::Fired);
        CHECK(alert.update({}, kBegin + 1s) == AlertChange::None);
        CHECK(alert.object() == "a");
        CHECK_FALSE(alert.value());
        CHECK(alert.update({}, kBegin + 10s) == AlertChange::Resolved);
        CHECK(alert.object() == "a");
        CHECK_FALSE(alert.value());

        Alert pending = made("pool_wait > 1s for 5s");
        CHECK(at(pending, 2, 0s) == AlertChange::None);
        CHECK(pending.update({}, kBegin + 1s) == AlertChange::None);
        CHECK(pending.state() == AlertState::Quiet);
    }

    TEST_CASE("alert: what is no number meets nothing and is not shown") {
        Alert alert = made("error_rate < 0.5");
        CHECK(at(alert, std::nan(""), 0s) == AlertChange::None);
        CHECK(alert.state() == AlertState::Quiet);
        CHECK_FALSE(alert.value());
        CHECK(alert.update(Readings{{"a", std::nan("")}, {"b", 0.7}}, kBegin + 1s) ==
              AlertChange::None);
        CHECK(alert.object() == "b");
    }

    TEST_CASE("alert: each object holds for itself") {
        Alert alert = made("pool_usage > 0.8 for 2s");
        for (int second = 0; second < 20; ++second) {
            const bool is_a = second % 2 == 0;
            CHECK(alert.update(Readings{{"a", is_a ? 1.0 : 0.0}, {"b", is_a ? 0.0 : 1.0}},
                               kBegin + std::chrono::seconds{second}) == AlertChange::None);
        }
    }

    TEST_CASE("alert: fires with the first object, is resolved with the last, names the worst") {
        Alert alert = made("pool_usage > 0.8 for 1s");
        CHECK(alert.update(Readings{{"a", 0.9}, {"b", 0.2}}, kBegin) == AlertChange::None);
        CHECK(alert.update(Readings{{"a", 0.9}, {"b", 1.0}}, kBegin + 1s) == AlertChange::Fired);
        CHECK(alert.object() == "a");  // b is only pending
        CHECK(alert.update(Readings{{"a", 0.9}, {"b", 1.0}}, kBegin + 2s) == AlertChange::None);
        CHECK(alert.object() == "b");
        CHECK(alert.since() == kBegin);
        CHECK(alert.update(Readings{{"a", 0.1}, {"b", 1.0}}, kBegin + 30s) == AlertChange::None);
        CHECK(alert.since() == kBegin + 1s);
        CHECK(alert.update(Readings{{"a", 0.1}, {"b", 0.3}}, kBegin + 39s) == AlertChange::None);
        CHECK(alert.update(Readings{{"a", 0.1}, {"b", 0.3}}, kBegin + 40s) ==
              AlertChange::Resolved);
        CHECK(alert.object() == "b");
        CHECK(alert.value() == 0.3);
    }

    TEST_CASE("alert: with < the least is the worst") {
        Alert alert = made("pool_usage < 0.5");
        CHECK(alert.update(Readings{{"a", 0.4}, {"b", 0.2}, {"c", 0.3}}, kBegin) ==
              AlertChange::Fired);
        CHECK(alert.object() == "b");
    }

    TEST_CASE("alert: whatever is measured, it fires and is resolved in turns, kCalm apart") {
        std::mt19937 random{7};  // NOLINT(cert-msc51-cpp): the same run every time
        for (const char* condition :
             {"pool_usage > 0.8", "pool_usage > 0.5 for 3s", "pool_usage <= 0.1 for 1s"}) {
            Alert alert = made(condition);
            bool is_firing = false;
            TimePoint now = kBegin;
            TimePoint fired_at{};
            for (int i = 0; i < 20'000; ++i) {
                now += std::chrono::milliseconds{random() % 2000};
                Readings readings;
                for (const char* name : {"a", "b", "c"}) {
                    if (random() % 8 != 0) {
                        readings.push_back({name, static_cast<double>(random() % 101) / 100});
                    }
                }
                const AlertChange change = alert.update(readings, now);
                if (change != AlertChange::None) {
                    REQUIRE((change == AlertChange::Fired) == !is_firing);
                    is_firing = !is_firing;
                    REQUIRE((is_firing || now - fired_at >= Alert::kCalm));
                    fired_at = is_firing ? now : fired_at;
                    REQUIRE((!is_firing || now - alert.since() >= alert.condition().hold));
                }
                REQUIRE((alert.state() == AlertState::Firing) == is_firing);
            }
        }
    }
}

}  // namespace weir::policies
