#include "cache/redis/stored_value.hpp"

#include <doctest/doctest.h>

#include <random>
#include <string>
#include <string_view>
#include <vector>

#define XXH_INLINE_ALL  // NOLINT(readability-identifier-naming): the library's
#include <xxhash.h>

namespace weir::cache {
namespace {

constexpr std::string_view kKey{"shop\0ann\0SELECT 1", 17};
constexpr std::string_view kReply{"T\0\0\0\6\0\0C\0\0\0\6S\0", 14};
constexpr std::size_t kChecksumBytes = 8;

SharedVersions versions_of_two() {
    return {0xfeed'face'cafe'beef,
            {{kWholeDatabase, 7}, {16'384, 0xffff'ffff'ffff'ffff}, {0xffff'ffff, 0}}};
}

std::vector<std::byte> sample() {
    return encode_stored_value(
        as_bytes(kKey), versions_of_two(), {3, 1'234'567, 1'700'000'000'000, -1, as_bytes(kReply)});
}

bool is_hit(ByteView bytes) {
    return decode_stored_value(bytes, as_bytes(kKey)).has_value();
}

/// The checksum made right again: what a decoder must do without it.
void seal(std::vector<std::byte>& bytes) {
    const std::uint64_t sum =
        XXH64(bytes.data() + kChecksumBytes, bytes.size() - kChecksumBytes, 0);
    for (std::size_t i = 0; i < kChecksumBytes; ++i) {
        bytes[i] = std::byte{static_cast<std::uint8_t>(sum >> (56U - 8U * i))};
    }
}

TEST_SUITE("stored_value") {
    TEST_CASE("stored value: comes back as it was stored") {
        const auto bytes = sample();
        const auto value = decode_stored_value(bytes, as_bytes(kKey));
        REQUIRE(value.has_value());
        CHECK(value->versions == versions_of_two());
        CHECK(value->result.rows == 3);
        CHECK(value->result.server_us == 1'234'567);
        CHECK(value->result.stored_at_ms == 1'700'000'000'000);
        CHECK(value->result.fresh_until_ms == -1);
        CHECK(as_text(value->result.reply) == kReply);
    }

    TEST_CASE("stored value: an empty key, no tables and an empty reply are values, too") {
        const auto bytes = encode_stored_value({}, {}, {});
        const auto value = decode_stored_value(bytes, {});
        REQUIRE(value.has_value());
        CHECK(value->versions.tables.empty());
        CHECK(value->result.reply.empty());
    }

    TEST_CASE("stored value: the value of another key is a miss, also where the keys begin alike") {
        const auto bytes = sample();
        CHECK_FALSE(decode_stored_value(bytes, {}).has_value());
        CHECK_FALSE(decode_stored_value(bytes, as_bytes("other")).has_value());
        CHECK_FALSE(
            decode_stored_value(bytes, as_bytes(kKey.substr(0, kKey.size() - 1))).has_value());
        const std::string longer = std::string{kKey} + "x";
        CHECK_FALSE(decode_stored_value(bytes, as_bytes(longer)).has_value());
    }

    TEST_CASE("stored value: cut short anywhere it is a miss, with a right checksum, too") {
        const auto whole = sample();
        for (std::size_t length = 0; length < whole.size(); ++length) {
            CAPTURE(length);
            std::vector<std::byte> cut{whole.begin(),
                                       whole.begin() + static_cast<std::ptrdiff_t>(length)};
            CHECK_FALSE(is_hit(cut));
            if (length > kChecksumBytes) {
                seal(cut);
                CHECK_FALSE(is_hit(cut));
            }
        }
    }

    TEST_CASE("stored value: with anything behind it, it is a miss") {
        auto bytes = sample();
        bytes.push_back(std::byte{0});
        CHECK_FALSE(is_hit(bytes));
        seal(bytes);
        CHECK_FALSE(is_hit(bytes));
    }

    TEST_CASE("stored value: any flipped bit makes it a miss") {
        const auto whole = sample();
        for (std::size_t bit = 0; bit < whole.size() * 8; ++bit) {
            auto flipped = whole;
            flipped[bit / 8] ^= std::byte{static_cast<std::uint8_t>(1U << bit % 8)};
            CAPTURE(bit);
            CHECK_FALSE(is_hit(flipped));
        }
    }

    TEST_CASE("stored value: two values put together at any place are a miss") {
        const auto one = sample();
        const auto other = encode_stored_value(
            as_bytes(kKey), versions_of_two(), {4, 1, 2, 3, as_bytes("another reply")});
        for (std::size_t at = 1; at < one.size() && at < other.size(); ++at) {
            std::vector<std::byte> mixed{one.begin(),
                                         one.begin() + static_cast<std::ptrdiff_t>(at)};
            mixed.insert(mixed.end(), other.begin() + static_cast<std::ptrdiff_t>(at), other.end());
            CAPTURE(at);
            CHECK_FALSE(is_hit(mixed));
        }
    }

    TEST_CASE(
        "stored value: another magic, format or flag is a miss though the checksum is right") {
        for (std::size_t at = kChecksumBytes; at < kChecksumBytes + 6; ++at) {
            auto bytes = sample();
            bytes[at] ^= std::byte{0x80};
            seal(bytes);
            CAPTURE(at);
            CHECK_FALSE(is_hit(bytes));
        }
    }

    TEST_CASE("stored value: whatever lengths say, nothing is read beyond the end") {
        const auto whole = sample();
        for (std::size_t at = kChecksumBytes; at < whole.size(); ++at) {
            for (const unsigned fill : {0x00U, 0x7fU, 0xffU}) {
                auto bytes = whole;
                for (std::size_t i = at; i < std::min(at + 4, bytes.size()); ++i) {
                    bytes[i] = std::byte{static_cast<std::uint8_t>(fill)};
                }
                seal(bytes);
                // A value that is well-formed may pass; an exact copy keeps the sanitizer close.
                const std::vector<std::byte> exact{bytes};
                const auto value = decode_stored_value(exact, as_bytes(kKey));
                CHECK((!value || value->result.reply.size() <= exact.size()));
            }
        }
    }

    TEST_CASE("stored value: random bytes are a miss, with a right checksum, too") {
        std::mt19937 random{20'26};  // NOLINT(cert-msc51-cpp): the same bytes every time
        for (int round = 0; round < 2000; ++round) {
            std::vector<std::byte> bytes(random() % 200 + kChecksumBytes);
            for (std::byte& byte : bytes) {
                byte = std::byte{static_cast<std::uint8_t>(random())};
            }
            CHECK_FALSE(is_hit(bytes));
            seal(bytes);
            CHECK_FALSE(is_hit(bytes));
        }
    }
}

}  // namespace
}  // namespace weir::cache
