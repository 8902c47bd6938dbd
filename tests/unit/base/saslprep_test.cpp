#include "base/saslprep.hpp"

#include <doctest/doctest.h>

#include <string>

namespace weir {
namespace {

TEST_SUITE("saslprep") {
    TEST_CASE("saslprep: RFC 4013 examples") {
        CHECK(saslprep("I\xc2\xadX") == "IX");
        CHECK(saslprep("user") == "user");
        CHECK(saslprep("USER") == "USER");
        CHECK(saslprep("\xc2\xaa") == "a");
        CHECK(saslprep("\xe2\x85\xa8") == "IX");
    }

    TEST_CASE("saslprep: what cannot be prepared stays as it is") {
        CHECK(saslprep("\xd8\xa7\x31") == "\xd8\xa7\x31");
        CHECK(saslprep("caf\xe9") == "caf\xe9");
        CHECK(saslprep("") == "");
    }

    TEST_CASE("saslprep: no password is long enough to keep a thread busy") {
        const std::string softly{"\xc2\xad"};
        const std::string letters(kSaslprepBytesMax - softly.size(), 'x');
        CHECK(saslprep(softly + letters) == letters);
        CHECK(saslprep(softly + letters + 'x') == softly + letters + 'x');
    }
}

}  // namespace
}  // namespace weir
