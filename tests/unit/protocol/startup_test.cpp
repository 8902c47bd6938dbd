#include "protocol/startup.hpp"

#include "protocol/limits.hpp"
#include "protocol/message_writer.hpp"
#include "tests/support/feed_all_ways.hpp"

#include <doctest/doctest.h>

#include <array>
#include <cstdint>
#include <string>

namespace weir::protocol {
namespace {

using Parameters = std::vector<std::pair<std::string, std::string>>;

test::Bytes startup_bytes(std::uint16_t minor, const Parameters& parameters) {
    ByteWriter writer;
    write_startup(writer, minor, parameters);
    return writer.take();
}

/// A packet with a right length in front of any code and body.
test::Bytes packet(std::uint32_t code, std::string_view body) {
    ByteWriter writer;
    writer.u32(static_cast<std::uint32_t>(8 + body.size()));
    writer.u32(code);
    writer.text(body);
    return writer.take();
}

constexpr std::uint32_t kVersion30 = 3U << 16U;

/// The packet arrives in pieces: it must be waited for, then read, and bytes behind it must not
/// matter.
void check_complete_all_ways(const test::Bytes& bytes, StartupKind kind) {
    test::feed_all_ways(bytes, [&](const std::vector<test::Bytes>& chunks) {
        test::Bytes seen;
        for (const test::Bytes& chunk : chunks) {
            seen.insert(seen.end(), chunk.begin(), chunk.end());
            const test::Bytes exact{seen.begin(), seen.end()};
            const StartupResult result = read_startup(exact);
            REQUIRE(result.status ==
                    (exact.size() < bytes.size() ? FrameStatus::NeedMore : FrameStatus::Complete));
            CHECK(!result.error);
        }
    });
    test::Bytes longer = bytes;
    longer.insert(longer.end(), 100, std::byte{0xff});
    const StartupResult result = read_startup(longer);
    REQUIRE(result.status == FrameStatus::Complete);
    CHECK(result.packet.kind == kind);
    CHECK(result.packet.size == bytes.size());
}

void check_invalid(const test::Bytes& bytes, SqlState sqlstate, std::string_view what) {
    const StartupResult result = read_startup(bytes);
    REQUIRE(result.status == FrameStatus::Invalid);
    REQUIRE(result.error);
    CHECK(result.error->what() == what);
    CHECK(result.error->sqlstate().text() == sqlstate.text());
}

TEST_SUITE("startup") {
    TEST_CASE("startup message: parameters in order, options apart") {
        const test::Bytes bytes = startup_bytes(2,
                                                {{"user", "ann"},
                                                 {"_pq_.fancy", "1"},
                                                 {"database", ""},
                                                 {"options", "-c work_mem=1"},
                                                 {"_pq_.x", ""}});
        check_complete_all_ways(bytes, StartupKind::Startup);
        const StartupPacket packet = read_startup(bytes).packet;
        CHECK(packet.major == 3);
        CHECK(packet.minor == 2);
        CHECK(packet.parameters ==
              Parameters{{"user", "ann"}, {"database", ""}, {"options", "-c work_mem=1"}});
        CHECK(packet.protocol_options == std::vector<std::string>{"_pq_.fancy", "_pq_.x"});
        REQUIRE(packet.find("user") != nullptr);
        CHECK(*packet.find("user") == "ann");
        CHECK(packet.find("User") == nullptr);
        CHECK(packet.find("_pq_.fancy") == nullptr);
    }

    TEST_CASE("startup message: the last value of a repeated parameter wins, in its place") {
        const StartupPacket packet = read_startup(startup_bytes(0,
                                                                {{"user", "a"},
                                                                 {"DateStyle", "ISO"},
                                                                 {"datestyle", "SQL"},
                                                                 {"DateStyle", "German"}}))
                                         .packet;
        CHECK(packet.parameters ==
              Parameters{{"user", "a"}, {"datestyle", "SQL"}, {"DateStyle", "German"}});
    }

    TEST_CASE("startup message: a minor version we do not know is the caller's to negotiate") {
        const StartupResult result = read_startup(startup_bytes(9999, {{"user", "a"}}));
        CHECK(result.status == FrameStatus::Complete);
        CHECK(result.packet.minor == 9999);
    }

    TEST_CASE("startup message: other major versions are refused and named") {
        for (const std::uint32_t major : {0U, 1U, 2U, 4U, 1234U, 0xffffU}) {
            CAPTURE(major);
            const test::Bytes bytes =
                packet((major << 16U) | 7U, std::string_view{"user\0a\0\0", 8});
            check_invalid(bytes, sqlstate::kFeatureNotSupported, "unsupported frontend protocol");
            CHECK(read_startup(bytes).packet.major == major);
            CHECK(read_startup(bytes).packet.minor == 7);
        }
    }

    TEST_CASE("startup message: a user must be named") {
        constexpr std::string_view kWhat = "no PostgreSQL user name specified in startup packet";
        check_invalid(startup_bytes(0, {}), sqlstate::kInvalidAuthorizationSpecification, kWhat);
        check_invalid(
            startup_bytes(0, {{"user", ""}}), sqlstate::kInvalidAuthorizationSpecification, kWhat);
        check_invalid(startup_bytes(0, {{"user", "a"}, {"user", ""}}),
                      sqlstate::kInvalidAuthorizationSpecification,
                      kWhat);
    }

    TEST_CASE("startup message: anything but a list that ends with its terminator is refused") {
        for (const std::string_view body : {std::string_view{""},
                                            std::string_view{"user"},
                                            std::string_view{"user\0", 5},
                                            std::string_view{"user\0a", 6},
                                            std::string_view{"user\0a\0", 7},
                                            std::string_view{"user\0a\0\0\0", 9},
                                            std::string_view{"\0user\0a\0\0", 9},
                                            std::string_view{"user\0a\0\0b\0c\0\0", 13}}) {
            CAPTURE(body.size());
            check_invalid(packet(kVersion30, body),
                          sqlstate::kProtocolViolation,
                          "invalid startup packet layout: expected terminator as last byte");
        }
    }

    TEST_CASE("startup message: every truncation with a matching length is refused") {
        const std::string_view body{"user\0a\0b\0c\0\0", 12};
        test::for_each_truncation(as_bytes(body), [](ByteView prefix) {
            const StartupResult result = read_startup(packet(kVersion30, as_text(prefix)));
            CHECK(result.status == FrameStatus::Invalid);
        });
    }

    TEST_CASE("startup message: the number of pairs is limited, repeated ones count") {
        Parameters parameters{{"user", "a"}};
        while (parameters.size() < kMaxStartupParameters) {
            parameters.emplace_back("x", "1");
        }
        CHECK(read_startup(startup_bytes(0, parameters)).status == FrameStatus::Complete);
        parameters.emplace_back("x", "1");
        check_invalid(startup_bytes(0, parameters),
                      sqlstate::kProgramLimitExceeded,
                      "too many parameters in startup packet");
    }

    TEST_CASE("startup packet: a bad length is refused before its bytes arrive") {
        for (const std::uint32_t length :
             {0U, 3U, 4U, 7U, 10005U, 0x7fffffffU, 0x80000000U, 0xffffffffU}) {
            CAPTURE(length);
            ByteWriter writer;
            writer.u32(length);
            check_invalid(
                writer.take(), sqlstate::kProtocolViolation, "invalid length of startup packet");
        }
    }

    TEST_CASE("startup packet: the longest allowed one is read") {
        const std::size_t padding =
            kMaxStartupBytes + 4 - startup_bytes(0, {{"user", "a"}, {"b", ""}}).size();
        const test::Bytes bytes =
            startup_bytes(0, {{"user", "a"}, {"b", std::string(padding, 'x')}});
        REQUIRE(bytes.size() == kMaxStartupBytes + 4);
        CHECK(read_startup(bytes).status == FrameStatus::Complete);
    }

    TEST_CASE("startup packet: requests for encryption have no body") {
        check_complete_all_ways(packet(80877103, ""), StartupKind::SslRequest);
        check_complete_all_ways(packet(80877104, ""), StartupKind::GssEncRequest);
        check_invalid(packet(80877103, "x"),
                      sqlstate::kProtocolViolation,
                      "invalid length of startup packet");
        check_invalid(packet(80877104, "x"),
                      sqlstate::kProtocolViolation,
                      "invalid length of startup packet");
    }

    TEST_CASE("cancel request: short and long secrets") {
        for (const std::size_t length : {std::size_t{4}, std::size_t{32}, kMaxCancelSecretBytes}) {
            CAPTURE(length);
            const test::Bytes secret(length, std::byte{0xa5});
            ByteWriter writer;
            write_cancel_request(writer, 0xfedcba98, secret);
            const test::Bytes bytes = writer.take();
            check_complete_all_ways(bytes, StartupKind::CancelRequest);
            const StartupPacket packet = read_startup(bytes).packet;
            CHECK(packet.cancel_process_id == 0xfedcba98);
            CHECK(packet.cancel_secret == secret);
        }
    }

    TEST_CASE("cancel request: secrets of impossible length are refused") {
        for (const std::size_t length : {std::size_t{0},
                                         std::size_t{3},
                                         std::size_t{4},
                                         std::size_t{7},
                                         4 + kMaxCancelSecretBytes + 1}) {
            CAPTURE(length);
            check_invalid(packet(80877102, std::string(length, 'x')),
                          sqlstate::kProtocolViolation,
                          "invalid length of cancel request packet");
        }
    }
}

}  // namespace
}  // namespace weir::protocol
