#include "protocol/message_writer.hpp"

#include "protocol/error_reply.hpp"
#include "protocol/frame.hpp"
#include "protocol/frontend_views.hpp"
#include "tests/support/feed_all_ways.hpp"

#include <doctest/doctest.h>

#include <array>
#include <string>

namespace weir::protocol {
namespace {

using namespace std::string_literals;

/// @return what `write` appends, as text, so that expectations can be typed
template <class Write>
std::string written(Write&& write) {
    ByteWriter writer;
    writer.text("before");
    write(writer);
    const std::string_view all = as_text(writer.bytes());
    REQUIRE(all.starts_with("before"));
    return std::string{all.substr(6)};
}

const std::array kSalt{std::byte{1}, std::byte{2}, std::byte{3}, std::byte{0xff}};
const std::vector<std::optional<std::string>> kValues{"ab", std::nullopt, ""};

TEST_SUITE("message_writer") {
    TEST_CASE("backend messages: authentication") {
        CHECK(written([](auto& w) { write_authentication_ok(w); }) == "R\0\0\0\x08\0\0\0\0"s);
        CHECK(written([](auto& w) { write_authentication_cleartext(w); }) ==
              "R\0\0\0\x08\0\0\0\x03"s);
        CHECK(written([](auto& w) { write_authentication_md5(w, kSalt); }) ==
              "R\0\0\0\x0c\0\0\0\x05\1\2\3\xff"s);
        const std::array<std::string_view, 2> mechanisms{"A", "BC"};
        CHECK(written([&](auto& w) { write_authentication_sasl(w, mechanisms); }) ==
              "R\0\0\0\x0e\0\0\0\x0a"
              "A\0BC\0\0"s);
        CHECK(written([](auto& w) { write_authentication_sasl_continue(w, "r=1"); }) ==
              "R\0\0\0\x0b\0\0\0\x0br=1"s);
        CHECK(written([](auto& w) { write_authentication_sasl_final(w, "v=1"); }) ==
              "R\0\0\0\x0b\0\0\0\x0cv=1"s);
    }

    TEST_CASE("backend messages: what a session begins with") {
        CHECK(written([](auto& w) { write_backend_key_data(w, 0x01020304, kSalt); }) ==
              "K\0\0\0\x0c\1\2\3\4\1\2\3\xff"s);
        CHECK(written([](auto& w) { write_parameter_status(w, "TimeZone", "UTC"); }) ==
              "S\0\0\0\x11TimeZone\0UTC\0"s);
        CHECK(written([](auto& w) { write_ready_for_query(w, TransactionStatus::Failed); }) ==
              "Z\0\0\0\x05"
              "E"s);
        const std::array<std::string, 1> options{"_pq_.x"};
        CHECK(written([&](auto& w) { write_negotiate_protocol_version(w, 2, options); }) ==
              "v\0\0\0\x13\0\3\0\2\0\0\0\1_pq_.x\0"s);
    }

    TEST_CASE("backend messages: errors and notices carry both severities") {
        ErrorFields fields{Severity::Fatal, sqlstate::kTooManyConnections, "full", "", ""};
        CHECK(written([&](auto& w) { write_error(w, fields); }) ==
              "E\0\0\0\x20SFATAL\0VFATAL\0C53300\0Mfull\0\0"s);
        fields.severity = Severity::Notice;
        fields.detail = "d";
        fields.hint = "h";
        CHECK(written([&](auto& w) { write_notice(w, fields); }) ==
              "N\0\0\0\x28SNOTICE\0VNOTICE\0C53300\0Mfull\0Dd\0Hh\0\0"s);
    }

    TEST_CASE("backend messages: rows") {
        const std::array columns{ColumnDescription{"a", 20, 8}, ColumnDescription{"bc"}};
        CHECK(written([&](auto& w) { write_row_description(w, columns); }) ==
              "T\0\0\0\x2f\0\2a\0\0\0\0\0\0\0\0\0\0\x14\0\x08\xff\xff\xff\xff\0\0"
              "bc\0\0\0\0\0\0\0\0\0\0\x19\xff\xff\xff\xff\xff\xff\0\0"s);
        CHECK(written([](auto& w) { write_data_row(w, kValues); }) ==
              "D\0\0\0\x14\0\3\0\0\0\2ab\xff\xff\xff\xff\0\0\0\0"s);
        CHECK(written([](auto& w) { write_command_complete(w, "SELECT 1"); }) ==
              "C\0\0\0\x0dSELECT 1\0"s);
        const std::array<std::uint32_t, 2> oids{25, 0x01020304};
        CHECK(written([&](auto& w) { write_parameter_description(w, oids); }) ==
              "t\0\0\0\x0e\0\2\0\0\0\x19\1\2\3\4"s);
    }

    TEST_CASE("backend messages: those without a body") {
        CHECK(written([](auto& w) { write_empty_query_response(w); }) == "I\0\0\0\4"s);
        CHECK(written([](auto& w) { write_parse_complete(w); }) == "1\0\0\0\4"s);
        CHECK(written([](auto& w) { write_bind_complete(w); }) == "2\0\0\0\4"s);
        CHECK(written([](auto& w) { write_close_complete(w); }) == "3\0\0\0\4"s);
        CHECK(written([](auto& w) { write_no_data(w); }) == "n\0\0\0\4"s);
        CHECK(written([](auto& w) { write_portal_suspended(w); }) == "s\0\0\0\4"s);
    }

    TEST_CASE("frontend messages: before and during login") {
        const std::vector<std::pair<std::string, std::string>> parameters{{"user", "a"}};
        CHECK(written([&](auto& w) { write_startup(w, 2, parameters); }) ==
              "\0\0\0\x10\0\3\0\2user\0a\0\0"s);
        CHECK(written([](auto& w) { write_ssl_request(w); }) == "\0\0\0\x08\x04\xd2\x16\x2f"s);
        CHECK(written([](auto& w) { write_cancel_request(w, 7, kSalt); }) ==
              "\0\0\0\x10\x04\xd2\x16\x2e\0\0\0\7\1\2\3\xff"s);
        CHECK(written([](auto& w) { write_password(w, "pw"); }) == "p\0\0\0\7pw\0"s);
        CHECK(written([](auto& w) { write_sasl_initial_response(w, "M", "n,,"); }) ==
              "p\0\0\0\x0dM\0\0\0\0\3n,,"s);
        CHECK(written([](auto& w) { write_sasl_response(w, "c="); }) == "p\0\0\0\6c="s);
    }

    TEST_CASE("frontend messages: requests") {
        const std::array<std::uint32_t, 1> oids{23};
        CHECK(written([](auto& w) { write_query(w, "SELECT 1"); }) == "Q\0\0\0\x0dSELECT 1\0"s);
        CHECK(written([&](auto& w) { write_parse(w, "n", "SQL", oids); }) ==
              "P\0\0\0\x10n\0SQL\0\0\1\0\0\0\x17"s);
        CHECK(written([](auto& w) { write_bind(w, "p", "s", kValues); }) ==
              "B\0\0\0\x1cp\0s\0\0\0\0\3\0\0\0\2ab\xff\xff\xff\xff\0\0\0\0\0\0"s);
        CHECK(written([](auto& w) { write_describe(w, 'P', "p"); }) == "D\0\0\0\7Pp\0"s);
        CHECK(written([](auto& w) { write_execute(w, "p", 10); }) == "E\0\0\0\x0ap\0\0\0\0\x0a"s);
        CHECK(written([](auto& w) { write_close(w, 'S', "s"); }) == "C\0\0\0\7Ss\0"s);
        CHECK(written([](auto& w) { write_sync(w); }) == "S\0\0\0\4"s);
        CHECK(written([](auto& w) { write_flush(w); }) == "H\0\0\0\4"s);
        CHECK(written([](auto& w) { write_copy_fail(w, "no"); }) == "f\0\0\0\7no\0"s);
        CHECK(written([](auto& w) { write_terminate(w); }) == "X\0\0\0\4"s);
    }

    TEST_CASE("frontend messages: what was bound is bound again, with results in text") {
        const std::string first = "old\0name\0\0\2\0\1\0\0\0\2\0\0\0\2ab\xff\xff\xff\xff\0\1\0\1"s;
        const auto bound = read_bind(as_bytes(first));
        REQUIRE(bound);
        CHECK(written([&](auto& w) { write_rebind(w, "", "s", *bound); }) ==
              "B\0\0\0\x1b\0s\0\0\2\0\1\0\0\0\2\0\0\0\2ab\xff\xff\xff\xff\0\0"s);
        CHECK(written([](auto& w) { write_rebind(w, "", "", {}); }) ==
              "B\0\0\0\x0c\0\0\0\0\0\0\0\0"s);
    }

    TEST_CASE("messages: a zero byte in a value does not begin another field") {
        CHECK(written([](auto& w) { write_parameter_status(w, "a\0b"s, "c\0d"s); }) ==
              "S\0\0\0\x08"
              "a\0c\0"s);
        CHECK(written([](auto& w) { write_query(w, "SELECT 1\0X"s); }) == "Q\0\0\0\x0dSELECT 1\0"s);
    }

    TEST_CASE("messages: several in one writer have their own lengths") {
        ByteWriter writer;
        write_bind_complete(writer);
        write_command_complete(writer, "BEGIN");
        const FrameResult first = read_header(writer.bytes());
        REQUIRE(first.status == FrameStatus::Complete);
        const FrameResult second = read_header(writer.bytes().subspan(first.header.frame_bytes()));
        REQUIRE(second.status == FrameStatus::Complete);
        CHECK(first.header.frame_bytes() + second.header.frame_bytes() == writer.size());
    }
}

TEST_SUITE("error_reply") {
    TEST_CASE("severity: names go there and back") {
        for (const Severity severity : {Severity::Error,
                                        Severity::Fatal,
                                        Severity::Panic,
                                        Severity::Warning,
                                        Severity::Notice,
                                        Severity::Debug,
                                        Severity::Info,
                                        Severity::Log}) {
            CHECK(!name_of(severity).empty());
            CHECK(parse_severity(name_of(severity)) == severity);
        }
        CHECK(!parse_severity(""));
        CHECK(!parse_severity("error"));
        CHECK(!parse_severity("FEHLER"));
    }

    TEST_CASE("an error reworded keeps every other field and its order") {
        const std::string body{"SERROR\0C26000\0Mold\0Fprepare.c\0R\0\0", 33};
        ByteWriter writer;
        write_error_reworded(writer, as_bytes(body), "new words");
        const std::string expected{"SERROR\0C26000\0Mnew words\0Fprepare.c\0R\0\0", 39};
        CHECK(as_text(writer.bytes().subspan(5)) == expected);
    }

    TEST_CASE("error fields: taken from an Error") {
        const ErrorFields fields = make_error_fields(
            Severity::Fatal, Error{ErrorCode::Timeout, sqlstate::kCannotConnectNow, "too late"});
        CHECK(fields.severity == Severity::Fatal);
        CHECK(fields.sqlstate.text() == "57P03");
        CHECK(fields.message == "too late");
        CHECK(fields.detail.empty());
        CHECK(fields.hint.empty());
    }
}

}  // namespace
}  // namespace weir::protocol
