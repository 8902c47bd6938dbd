#include "maintenance/partition_pruning.hpp"

#include <doctest/doctest.h>

#include <string>

using weir::maintenance::preparable;

TEST_SUITE("partition_pruning") {
    TEST_CASE("partition_pruning: what is without literals can be prepared") {
        CHECK(preparable("select * from t where at > ? and kind in ( ? )") ==
              "select * from t where at > $1 and kind in ( $2 )");
        CHECK(preparable("delete from t where at < ? ;") == "delete from t where at < $1");
        CHECK(preparable("select ? :: date from t") == "select $1 :: date from t");
    }

    TEST_CASE("partition_pruning: a literal behind its type") {
        CHECK(preparable("select * from t where at > date ? - interval ?") ==
              "select * from t where at > $1::date - $2::interval");
        CHECK(preparable("select date from t") == "select date from t");
    }

    TEST_CASE("partition_pruning: nothing but one statement that has a plan") {
        for (const char* text : {"",
                                 ";",
                                 "insert into t values ( ? )",
                                 "drop table t",
                                 "select ? ; drop table t",
                                 "select ? from \"a;b\"",
                                 "commit"}) {
            CAPTURE(text);
            CHECK(preparable(text).empty());
        }
    }
}
