#include "base/crypto.hpp"

#include "tests/support/feed_all_ways.hpp"

#include <doctest/doctest.h>

#include <array>
#include <string>
#include <string_view>

namespace weir::crypto {
namespace {

std::string hex(ByteView bytes) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    std::string text;
    for (const std::byte byte : bytes) {
        text += kDigits[std::to_integer<std::size_t>(byte >> 4U)];
        text += kDigits[std::to_integer<std::size_t>(byte & std::byte{15})];
    }
    return text;
}

TEST_SUITE("crypto") {
    TEST_CASE("sha256: FIPS 180-2 examples") {
        CHECK(hex(sha256(as_bytes(""))) ==
              "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        CHECK(hex(sha256(as_bytes("abc"))) ==
              "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }

    TEST_CASE("hmac_sha256: RFC 4231 cases 1, 2 and 6, and an empty key") {
        CHECK(hex(hmac_sha256(test::Bytes(20, std::byte{0x0b}), as_bytes("Hi There"))) ==
              "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
        CHECK(hex(hmac_sha256(as_bytes("Jefe"), as_bytes("what do ya want for nothing?"))) ==
              "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
        CHECK(
            hex(hmac_sha256(test::Bytes(131, std::byte{0xaa}),
                            as_bytes("Test Using Larger Than Block-Size Key - Hash Key First"))) ==
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
        CHECK(hex(hmac_sha256(as_bytes(""), as_bytes(""))) ==
              "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
    }

    TEST_CASE("pbkdf2_sha256: RFC 7914 section 11, first half") {
        CHECK(hex(pbkdf2_sha256("passwd", as_bytes("salt"), 1)) ==
              "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc");
    }

    TEST_CASE("md5: RFC 1321 examples") {
        CHECK(md5_hex(as_bytes("")) == "d41d8cd98f00b204e9800998ecf8427e");
        CHECK(md5_hex(as_bytes("message digest")) == "f96b697d7cb7938d525a2f31aaf161d0");
    }

    TEST_CASE("base64: RFC 4648 examples there and back") {
        struct Row {
            std::string_view plain;
            std::string_view encoded;
        };

        constexpr std::array kRows{Row{"", ""},
                                   Row{"f", "Zg=="},
                                   Row{"fo", "Zm8="},
                                   Row{"foo", "Zm9v"},
                                   Row{"foob", "Zm9vYg=="},
                                   Row{"fooba", "Zm9vYmE="},
                                   Row{"foobar", "Zm9vYmFy"}};
        for (const Row& row : kRows) {
            CAPTURE(row.plain);
            CHECK(base64_encode(as_bytes(row.plain)) == row.encoded);
            CHECK(base64_decode(row.encoded) == test::to_bytes(row.plain));
        }
    }

    TEST_CASE("base64: only the canonical spelling is read") {
        for (const std::string_view text : {"Z",
                                            "Zg",
                                            "Zg=",
                                            "Zg===",
                                            "====",
                                            "=Zg=",
                                            "Z===",
                                            "Zh==",
                                            "Zm9=",
                                            " Zg==",
                                            "Zg==\n",
                                            "Zm 9",
                                            "Zm9v ",
                                            "Z-9_",
                                            "Zg==Zg==",
                                            "    ",
                                            "\n\n\n\n"}) {
            CAPTURE(text);
            CHECK(!base64_decode(text));
        }
        CHECK(!base64_decode(std::string_view{"Zm\0v", 4}));
    }

    TEST_CASE("constant-time comparison: equal means same length and bytes") {
        CHECK(equal_in_constant_time(as_bytes(""), as_bytes("")));
        CHECK(equal_in_constant_time(as_bytes("abc"), as_bytes("abc")));
        CHECK(!equal_in_constant_time(as_bytes("abc"), as_bytes("abd")));
        CHECK(!equal_in_constant_time(as_bytes("abc"), as_bytes("ab")));
        CHECK(!equal_in_constant_time(as_bytes(""), as_bytes("a")));
    }
}

}  // namespace
}  // namespace weir::crypto
