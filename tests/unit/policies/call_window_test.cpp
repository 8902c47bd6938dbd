#include "policies/call_window.hpp"

#include <doctest/doctest.h>

#include <chrono>

using namespace std::chrono_literals;
using weir::Duration;
using weir::TimePoint;
using weir::policies::CallTotals;
using weir::policies::CallWindow;

namespace {

constexpr TimePoint kStart{1h};
constexpr CallTotals kOneBad{1, 1, 0};

}  // namespace

TEST_SUITE("call window") {
    TEST_CASE("call window: adds up what is within it") {
        CallWindow window{10s};
        window.add({5, 2, 1}, kStart);
        window.add({5, 1, 4}, kStart + 500ms);
        window.add({1, 0, 0}, kStart + 8s);
        CHECK(window.totals(kStart + 8s) == CallTotals{11, 3, 5});
    }

    TEST_CASE("call window: forgets a bucket after its length, not later and hardly earlier") {
        CallWindow window{10s};
        window.add(kOneBad, kStart);
        CHECK(window.totals(kStart + 9999ms).calls == 1);
        CHECK(window.totals(kStart + 10s).calls == 0);
        window.add(kOneBad, kStart + 20999ms);
        CHECK(window.totals(kStart + 29999ms).calls == 1);
        CHECK(window.totals(kStart + 30s).calls == 0);
    }

    TEST_CASE("call window: a bucket that comes round again begins at zero") {
        CallWindow window{10s};
        for (int i = 0; i < 1000; ++i) {
            window.add(kOneBad, kStart + i * 1s);
            REQUIRE(window.totals(kStart + i * 1s).calls <= CallWindow::kBuckets);
        }
        CHECK(window.totals(kStart + 999s).calls == CallWindow::kBuckets);
        window.add(kOneBad, kStart + 5000s);
        CHECK(window.totals(kStart + 5000s).calls == 1);
    }

    TEST_CASE("call window: a time before the last counts as the last") {
        CallWindow window{10s};
        window.add(kOneBad, kStart + 20s);
        window.add(kOneBad, kStart);
        CHECK(window.totals(kStart).calls == 2);
        CHECK(window.totals(kStart + 29s).calls == 2);
        CHECK(window.totals(kStart + 30s).calls == 0);
    }

    TEST_CASE("call window: lengths without sense do no harm") {
        for (const Duration length :
             {Duration::min(), Duration{-1s}, Duration{0}, Duration{1}, Duration::max()}) {
            CallWindow window{length};
            window.add(kOneBad, kStart);
            CHECK(window.totals(kStart).calls == 1);
            window.clear();
            CHECK(window.totals(kStart).calls == 0);
        }
    }

    TEST_CASE("call window: takes the ends of the clock") {
        CallWindow window{10s};
        window.add(kOneBad, TimePoint::min());
        window.add(kOneBad, TimePoint{});
        CHECK(window.totals(TimePoint{}).calls == 2);
        window.add(kOneBad, TimePoint::max());
        CHECK(window.totals(TimePoint::max()).calls == 1);
    }
}
