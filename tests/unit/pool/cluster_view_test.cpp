#include "pool/cluster_view.hpp"

#include <doctest/doctest.h>

using namespace std::chrono_literals;
using weir::TimePoint;
using weir::pool::MemberLoad;

namespace {

constexpr TimePoint kStart{1h};

}  // namespace

TEST_CASE("the latency of a member is smoothed") {
    MemberLoad load;
    CHECK(load.latency(kStart) == 0);  // it has never answered
    load.note_latency(8ms, kStart);
    CHECK(load.latency(kStart) == 8000);
    load.note_latency(0ms, kStart);
    CHECK(load.latency(kStart) == 7000);
    for (int i = 0; i < 200; ++i) {
        load.note_latency(0ms, kStart);
    }
    CHECK(load.latency(kStart) >= 1);  // it has answered
}

TEST_CASE("a member that was slow is forgiven when nobody has asked it for a while") {
    MemberLoad load;
    load.note_latency(64ms, kStart);
    CHECK(load.latency(kStart + 900ms) == 64000);
    CHECK(load.latency(kStart + 3s) == 8000);
    CHECK(load.latency(kStart + 24h) == 1);
    CHECK(load.latency(kStart - 1s) == 64000);  // another worker's clock is ahead
    load.note_chosen(kStart + 10s);
    CHECK(load.latency(kStart + 10s) == 64000);  // by one at a time
    load.note_latency(64ms, kStart + 10s);
    CHECK(load.latency(kStart + 10s) == 8054);
    load.note_latency(1ms, kStart + 30s);
    CHECK(load.latency(kStart + 30s) == 125);
}
