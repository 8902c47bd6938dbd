#include "protocol/backend_views.hpp"

#include "protocol/frame.hpp"
#include "protocol/limits.hpp"
#include "protocol/message_writer.hpp"
#include "tests/support/feed_all_ways.hpp"

#include <doctest/doctest.h>

#include <array>
#include <string>

namespace weir::protocol {
namespace {

using namespace std::string_literals;

/// @return the body of the one message `write` appends
template <class Write>
test::Bytes body_written(Write&& write) {
    ByteWriter writer;
    write(writer);
    const FrameResult result = read_header(writer.bytes());
    REQUIRE(result.status == FrameStatus::Complete);
    REQUIRE(result.header.frame_bytes() == writer.size());
    const ByteView body = body_of(writer.bytes(), result.header);
    return {body.begin(), body.end()};
}

/// A body that is cut short or has a byte too many must be refused as a protocol violation.
template <class Read>
void check_exact(ByteView body, Read&& read) {
    const auto check_refused = [&read](ByteView wrong) {
        CAPTURE(wrong.size());
        const auto result = read(wrong);
        REQUIRE(!result);
        CHECK(result.error().code() == ErrorCode::ProtocolViolation);
        CHECK(result.error().sqlstate() == sqlstate::kProtocolViolation);
    };
    CHECK(read(body));
    test::for_each_truncation(body, check_refused);
    test::Bytes longer(body.begin(), body.end());
    longer.push_back(std::byte{'x'});
    check_refused(longer);
}

TEST_SUITE("backend_views") {
    TEST_CASE("error: every field we look at, others skipped") {
        const test::Bytes body = test::to_bytes(
            "SFEHLER\0VERROR\0C23505\0Mdoppelt\0DSchluessel\0Htu was\0P12\0Fnbt.c\0?neu\0\0"s);
        check_exact(body, read_error);
        const auto view = read_error(body);
        REQUIRE(view);
        CHECK(view->severity == Severity::Error);
        CHECK(!view->is_fatal());
        REQUIRE(view->sqlstate);
        CHECK(view->sqlstate->text() == "23505");
        CHECK(view->message == "doppelt");
        CHECK(view->detail == "Schluessel");
        CHECK(view->hint == "tu was");
    }

    TEST_CASE("error: what is missing or strange does not stop us") {
        CHECK(read_error(test::to_bytes("\0"s))->severity == Severity::Error);
        CHECK(!read_error(test::to_bytes("\0"s))->sqlstate);
        CHECK(!read_error(test::to_bytes("C42\0\0"s))->sqlstate);
        CHECK(read_error(test::to_bytes("SPANIC\0\0"s))->is_fatal());
        CHECK(read_error(test::to_bytes("SERROR\0VFATAL\0\0"s))->is_fatal());
        CHECK(read_error(test::to_bytes("VHM\0SFATAL\0\0"s))->is_fatal());
        CHECK(read_error(test::to_bytes("Mone\0Mtwo\0\0"s))->message == "two");
    }

    TEST_CASE("error: reads what we write") {
        const ErrorFields fields{Severity::Fatal, sqlstate::kAdminShutdown, "bye", "why", "again"};
        const test::Bytes body =
            body_written([&](ByteWriter& writer) { write_error(writer, fields); });
        const auto view = read_error(body);
        REQUIRE(view);
        CHECK(view->is_fatal());
        CHECK(view->sqlstate == sqlstate::kAdminShutdown);
        CHECK(view->message == "bye");
        CHECK(view->detail == "why");
        CHECK(view->hint == "again");
    }

    TEST_CASE("parameter status: name and value") {
        const test::Bytes body =
            body_written([](ByteWriter& w) { write_parameter_status(w, "TimeZone", ""); });
        check_exact(body, read_parameter_status);
        CHECK(read_parameter_status(body)->name == "TimeZone");
        CHECK(read_parameter_status(body)->value.empty());
    }

    TEST_CASE("backend key: secrets of 4 to 256 bytes") {
        for (const std::size_t length :
             {kMinCancelSecretBytes, std::size_t{32}, kMaxCancelSecretBytes}) {
            const test::Bytes secret(length, std::byte{7});
            const test::Bytes body =
                body_written([&](ByteWriter& w) { write_backend_key_data(w, 0x80000001, secret); });
            const auto view = read_backend_key(body);
            REQUIRE(view);
            CHECK(view->process_id == 0x80000001);
            CHECK(test::Bytes(view->secret.begin(), view->secret.end()) == secret);
        }
        for (const std::size_t length : {std::size_t{0},
                                         std::size_t{3},
                                         std::size_t{4},
                                         std::size_t{7},
                                         4 + kMaxCancelSecretBytes + 1}) {
            CAPTURE(length);
            CHECK(!read_backend_key(test::Bytes(length, std::byte{1})));
        }
    }

    TEST_CASE("ready for query: three indicators and no other") {
        CHECK(*read_ready_for_query(test::to_bytes("I")) == TransactionStatus::Idle);
        CHECK(*read_ready_for_query(test::to_bytes("T")) == TransactionStatus::InTransaction);
        CHECK(*read_ready_for_query(test::to_bytes("E")) == TransactionStatus::Failed);
        check_exact(test::to_bytes("I"), read_ready_for_query);
        for (int byte = 0; byte < 256; ++byte) {
            const bool is_known = byte == 'I' || byte == 'T' || byte == 'E';
            const test::Bytes body{static_cast<std::byte>(byte)};
            CHECK(read_ready_for_query(body).has_value() == is_known);
        }
    }

    TEST_CASE("authentication: requests without data") {
        const test::Bytes ok = body_written([](ByteWriter& w) { write_authentication_ok(w); });
        const test::Bytes cleartext =
            body_written([](ByteWriter& w) { write_authentication_cleartext(w); });
        check_exact(ok, read_authentication);
        check_exact(cleartext, read_authentication);
        CHECK(read_authentication(ok)->kind == AuthenticationKind::Ok);
        CHECK(read_authentication(cleartext)->kind == AuthenticationKind::Cleartext);
    }

    TEST_CASE("authentication: md5 has four bytes of salt") {
        const std::array salt{std::byte{0}, std::byte{1}, std::byte{0xfe}, std::byte{0xff}};
        const test::Bytes body =
            body_written([&](ByteWriter& w) { write_authentication_md5(w, salt); });
        check_exact(body, read_authentication);
        CHECK(read_authentication(body)->kind == AuthenticationKind::Md5);
        CHECK(read_authentication(body)->md5_salt == salt);
    }

    TEST_CASE("authentication: sasl lists mechanisms") {
        const std::array<std::string_view, 2> mechanisms{"SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"};
        const test::Bytes body =
            body_written([&](ByteWriter& w) { write_authentication_sasl(w, mechanisms); });
        check_exact(body, read_authentication);
        const auto view = read_authentication(body);
        CHECK(view->kind == AuthenticationKind::Sasl);
        CHECK(view->mechanisms ==
              std::vector<std::string_view>(mechanisms.begin(), mechanisms.end()));
        CHECK(!read_authentication(test::to_bytes("\0\0\0\x0a\0"s)));
    }

    TEST_CASE("authentication: sasl data is everything behind the code") {
        const test::Bytes next =
            body_written([](ByteWriter& w) { write_authentication_sasl_continue(w, "r=1,s=2"); });
        CHECK(read_authentication(next)->kind == AuthenticationKind::SaslContinue);
        CHECK(read_authentication(next)->data == "r=1,s=2");
        const test::Bytes last =
            body_written([](ByteWriter& w) { write_authentication_sasl_final(w, ""); });
        CHECK(read_authentication(last)->kind == AuthenticationKind::SaslFinal);
        CHECK(read_authentication(last)->data.empty());
    }

    TEST_CASE("authentication: what we do not speak is named by its code") {
        for (const char code :
             {'\x01', '\x02', '\x04', '\x06', '\x07', '\x08', '\x09', '\x0d', '\x7f'}) {
            const test::Bytes body = test::to_bytes("\0\0\0"s + code + "rest");
            const auto view = read_authentication(body);
            REQUIRE(view);
            CHECK(view->kind == AuthenticationKind::Unsupported);
            CHECK(view->code == static_cast<std::uint32_t>(code));
        }
        test::for_each_truncation(as_bytes("\0\0\0\0"s),
                                  [](ByteView prefix) { CHECK(!read_authentication(prefix)); });
    }

    TEST_CASE("negotiation: whole and bare version, options") {
        const std::array<std::string, 2> options{"_pq_.a", "_pq_.b"};
        const test::Bytes body =
            body_written([&](ByteWriter& w) { write_negotiate_protocol_version(w, 2, options); });
        check_exact(body, read_negotiate_protocol_version);
        const auto view = read_negotiate_protocol_version(body);
        CHECK(view->newest_minor == 2);
        CHECK(view->options == std::vector<std::string_view>{"_pq_.a", "_pq_.b"});
        CHECK(read_negotiate_protocol_version(test::to_bytes("\0\0\0\1\0\0\0\0"s))->newest_minor ==
              1);
        CHECK(!read_negotiate_protocol_version(test::to_bytes("\0\2\0\1\0\0\0\0"s)));
    }

    TEST_CASE("negotiation: a count the bytes cannot hold costs no memory") {
        CHECK(!read_negotiate_protocol_version(test::to_bytes("\0\3\0\0\xff\xff\xff\xff"s)));
        CHECK(!read_negotiate_protocol_version(test::to_bytes("\0\3\0\0\x7f\xff\xff\xff\0\0\0"s)));
    }

    TEST_CASE("command tag: the text up to its terminator") {
        const test::Bytes body =
            body_written([](ByteWriter& w) { write_command_complete(w, "INSERT 0 1"); });
        check_exact(body, read_command_tag);
        CHECK(*read_command_tag(body) == "INSERT 0 1");
    }
}

}  // namespace
}  // namespace weir::protocol
