#include "pool/missing_partition.hpp"

#include "base/sqlstate.hpp"

#include <doctest/doctest.h>

using weir::pool::MissingPartition;
using weir::pool::read_missing_partition;
using weir::protocol::ErrorView;

namespace {

ErrorView missed() {
    ErrorView error;
    error.sqlstate = weir::sqlstate::kCheckViolation;
    error.routine = "ExecFindPartition";
    error.schema = "public";
    error.table = "events";
    error.message = "no partition of relation \"events\" found for row";
    error.detail =
        "Partition key of the failing row contains (created_at) = (2027-01-03 00:00:00+00).";
    return error;
}

}  // namespace

TEST_CASE("A row without a partition says which table and which key") {
    const auto missing = read_missing_partition(missed());
    REQUIRE(missing);
    CHECK(missing->schema == "public");
    CHECK(missing->table == "events");
    CHECK(missing->key == "2027-01-03 00:00:00+00");
}

TEST_CASE("What the server does not say of the key stays empty") {
    ErrorView error = missed();
    for (const char* detail : {"", "something else", ") = (", "(a) = (", "x) = (2027-01-0..."}) {
        error.detail = detail;
        const auto missing = read_missing_partition(error);
        REQUIRE(missing);
        CHECK(missing->key.empty());
    }
    error.detail = "… (a) = (1…), (b) = (x)).";
    CHECK(read_missing_partition(error).has_value());
}

TEST_CASE("Other errors are none") {
    ErrorView error = missed();
    error.routine = "ExecConstraints";  // a CHECK of the table itself has the same SQLSTATE
    CHECK_FALSE(read_missing_partition(error));
    error = missed();
    error.sqlstate = weir::sqlstate::kSerializationFailure;
    CHECK_FALSE(read_missing_partition(error));
    error = missed();
    error.sqlstate.reset();
    CHECK_FALSE(read_missing_partition(error));
    error = missed();
    error.table = {};
    CHECK_FALSE(read_missing_partition(error));
}
