#include "policies/wal_position.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <limits>
#include <string_view>

using weir::policies::parse_wal_position;
using weir::policies::wal_position_text;

TEST_SUITE("wal position") {
    TEST_CASE("wal position: reads and prints what PostgreSQL does") {
        struct Row {
            std::string_view text;
            std::uint64_t position;
        };

        for (const Row& row : {Row{"0/0", 0},
                               Row{"0/1", 1},
                               Row{"1/0", 0x100000000},
                               Row{"16/B374D848", 0x16B374D848},
                               Row{"0/FFFFFFFF", 0xFFFFFFFF},
                               Row{"FFFFFFFF/FFFFFFFF", std::numeric_limits<std::uint64_t>::max()},
                               Row{"A/BCDEF", 0xA000BCDEF}}) {
            CAPTURE(row.text);
            CHECK(parse_wal_position(row.text) == row.position);
            CHECK(wal_position_text(row.position) == row.text);
        }
    }

    TEST_CASE("wal position: takes small letters and leading zeros, as pg_lsn does") {
        CHECK(parse_wal_position("16/b374d848") == 0x16B374D848);
        CHECK(parse_wal_position("00000016/0000000a") == 0x160000000AU);
    }

    TEST_CASE("wal position: refuses everything else") {
        for (const std::string_view text : {std::string_view{},
                                            std::string_view{"/"},
                                            std::string_view{"16"},
                                            std::string_view{"16/"},
                                            std::string_view{"/B374D848"},
                                            std::string_view{"16/B374D848/1"},
                                            std::string_view{"16/ B374D848"},
                                            std::string_view{" 16/B374D848"},
                                            std::string_view{"16/B374D848 "},
                                            std::string_view{"16/B374D848\0", 12},
                                            std::string_view{"0x16/1"},
                                            std::string_view{"+1/1"},
                                            std::string_view{"-1/1"},
                                            std::string_view{"1/-1"},
                                            std::string_view{"G/1"},
                                            std::string_view{"000000001/1"},
                                            std::string_view{"1/123456789"}}) {
            CAPTURE(text);
            CHECK_FALSE(parse_wal_position(text));
        }
    }
}
