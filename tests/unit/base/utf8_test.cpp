#include "base/utf8.hpp"

#include <doctest/doctest.h>

#include <string>
#include <string_view>

namespace weir {

TEST_SUITE("utf8") {
    TEST_CASE("utf8: text is cut between two characters") {
        CHECK(cut_utf8("", 0) == "");
        CHECK(cut_utf8("abc", 3) == "abc");
        CHECK(cut_utf8("abc", 2) == "ab");
        CHECK(cut_utf8("abc", 0) == "");
        CHECK(cut_utf8("a\u00e9", 3) == "a\u00e9");
        CHECK(cut_utf8("a\u00e9b", 2) == "a");
        CHECK(cut_utf8("a\u00e9b", 3) == "a\u00e9");
        constexpr std::string_view kFour = "\U0001F600x";
        CHECK(cut_utf8(kFour, 4) == "\U0001F600");
        for (std::size_t most = 0; most < 4; ++most) {
            CHECK(cut_utf8(kFour, most) == "");
        }
    }

    TEST_CASE("utf8: what is no UTF-8 is cut where it must be") {
        const std::string bytes(20, '\x80');
        CHECK(cut_utf8(bytes, 10) == bytes.substr(0, 10));
        CHECK(cut_utf8(bytes, 2) == bytes.substr(0, 2));
        CHECK(cut_utf8(bytes, 0) == "");
        CHECK(cut_utf8("\xFF\xFE\xFD", 2) == "\xFF\xFE");
    }
}

}  // namespace weir
