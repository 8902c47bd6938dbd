#include "pool/limit_waits.hpp"

#include <doctest/doctest.h>

#include <array>

namespace weir::pool {
namespace {

/// Pools are told apart by their addresses alone.
const Pool& pool_at(const char& place) {
    return reinterpret_cast<const Pool&>(place);
}

TEST_SUITE("limit_waits") {
    TEST_CASE("limit waits: who waits longer comes first, on this worker and on others") {
        constexpr std::array<char, 2> kPlaces{};
        const Pool& mine = pool_at(kPlaces[0]);
        const Pool& other = pool_at(kPlaces[1]);
        Budget limit{"database"};
        LimitWaits waits{0};
        CHECK_FALSE(waits.is_outranked(limit, mine, 100, 2));
        waits.announce(limit, mine, 100);
        CHECK(limit.waiting_since(0) == 100);
        CHECK_FALSE(waits.is_outranked(limit, mine, 100, 2));  // by itself
        CHECK(waits.is_outranked(limit, other, 101, 2));
        CHECK_FALSE(waits.is_outranked(limit, other, 100, 2));  // not ahead of it
        waits.announce(limit, other, 50);
        CHECK(limit.waiting_since(0) == 50);
        CHECK(waits.is_outranked(limit, mine, 100, 2));
        waits.withdraw(other);
        CHECK(limit.waiting_since(0) == 100);
        CHECK_FALSE(waits.is_outranked(limit, mine, 100, 2));
        limit.announce_waiter(1, 99);
        CHECK(waits.is_outranked(limit, mine, 100, 2));
        CHECK_FALSE(waits.is_outranked(limit, mine, 100, 1));  // there is no second worker
    }

    TEST_CASE("limit waits: a pool waits for one limit at a time") {
        constexpr char kPlace{};
        const Pool& pool = pool_at(kPlace);
        Budget database{"database"};
        Budget user{"user"};
        LimitWaits waits{3};
        waits.announce(database, pool, 7);
        waits.announce(user, pool, 7);
        CHECK(database.waiting_since(3) == 0);
        CHECK(user.waiting_since(3) == 7);
        waits.withdraw(pool);
        waits.withdraw(pool);  // may be said again
        CHECK(user.waiting_since(3) == 0);
    }
}

}  // namespace
}  // namespace weir::pool
