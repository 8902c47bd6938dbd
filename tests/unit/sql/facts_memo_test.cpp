#include "sql/facts_memo.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <string>

using weir::sql::Access;
using weir::sql::FactsMemo;
using weir::sql::FunctionCatalog;
using weir::sql::FunctionRow;

namespace {

constexpr std::string_view kRead = "SELECT f(1)";

constexpr std::array<FunctionRow, 1> kStable = {{{"public", "f", weir::sql::Volatility::Stable}}};
constexpr std::array<FunctionRow, 1> kVolatile = {
    {{"public", "f", weir::sql::Volatility::Volatile}}};

bool is_read(FactsMemo& memo, std::uint64_t digest, const FunctionCatalog& knowledge) {
    return memo.look_up(digest, kRead, knowledge).is_read;
}

}  // namespace

TEST_CASE("facts are found out once, verdicts follow the knowledge") {
    FactsMemo memo;
    const FunctionCatalog stable{kStable};
    const FunctionCatalog changed{kVolatile};
    CHECK_FALSE(is_read(memo, 1, {}));
    const FactsMemo::Known first = memo.look_up(1, kRead, stable);
    CHECK(first.is_read);
    CHECK(memo.look_up(1, "not looked at again", stable).facts == first.facts);
    CHECK_FALSE(is_read(memo, 1, changed));
    CHECK(is_read(memo, 1, stable));
    CHECK(memo.size() == 1);
}

TEST_CASE("what a replica has refused goes to the primary") {
    FactsMemo memo;
    const FunctionCatalog stable{kStable};
    CHECK(is_read(memo, 1, stable));
    memo.remember_as_write(1);
    CHECK_FALSE(is_read(memo, 1, stable));
    CHECK_FALSE(is_read(memo, 1, stable));
    CHECK(memo.look_up(1, kRead, stable).facts->access == Access::Read);
    CHECK(is_read(memo, 2, stable));
    // Other functions may no longer write.
    CHECK_FALSE(is_read(memo, 1, {}));
    CHECK(is_read(memo, 1, stable));
}

TEST_CASE("a refusal of what is not known yet is remembered too") {
    FactsMemo memo;
    memo.remember_as_write(7);
    const FunctionCatalog stable{kStable};
    CHECK_FALSE(is_read(memo, 7, stable));
    CHECK_FALSE(is_read(memo, 7, stable));
}

TEST_CASE("it is bounded, and what is in use stays") {
    constexpr std::size_t kPlaces = 8;
    FactsMemo memo{kPlaces};
    const FunctionCatalog stable{kStable};
    static_cast<void>(memo.look_up(1, kRead, stable));
    memo.remember_as_write(1);
    for (std::uint64_t digest = 2; digest < 1000; ++digest) {
        static_cast<void>(memo.look_up(digest, kRead, stable));
        CHECK_FALSE(is_read(memo, 1, stable));  // else it would be judged anew
        CHECK(memo.size() <= kPlaces);
    }
    CHECK(memo.size() == kPlaces);
}

TEST_CASE("all in use: one goes all the same") {
    FactsMemo memo{2};
    const FunctionCatalog stable{kStable};
    for (int round = 0; round < 3; ++round) {
        for (std::uint64_t digest = 0; digest < 5; ++digest) {
            static_cast<void>(memo.look_up(digest, kRead, stable));
            static_cast<void>(memo.look_up(digest, kRead, stable));
        }
    }
    CHECK(memo.size() == 2);
}

TEST_CASE("names are bounded as well") {
    constexpr std::size_t kBytes = 4096;
    FactsMemo memo{FactsMemo::kEntriesMax, kBytes};
    const FunctionCatalog stable{kStable};
    std::size_t most = 0;
    for (std::uint64_t digest = 0; digest < 500; ++digest) {
        const std::string long_name(60, static_cast<char>('a' + digest % 26));
        std::string sql = "SELECT 1 FROM ";
        sql.append(long_name).append(", ").append(long_name).append("1");
        const auto known = memo.look_up(digest, sql, stable);
        CHECK(known.facts->access == Access::Read);
        CHECK(memo.bytes() <= kBytes);
        most = std::max(most, memo.size());
    }
    CHECK(most > 2);
    CHECK(memo.size() <= most);
    FactsMemo none{8, 0};
    CHECK(is_read(none, 1, stable));
    CHECK(none.size() == 0);
    CHECK(none.bytes() == 0);
}
