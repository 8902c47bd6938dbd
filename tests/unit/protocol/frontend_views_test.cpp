#include "protocol/frontend_views.hpp"

#include "protocol/frame.hpp"
#include "protocol/message_writer.hpp"
#include "tests/support/feed_all_ways.hpp"

#include <doctest/doctest.h>

#include <array>
#include <string>

namespace weir::protocol {
namespace {

using namespace std::string_literals;

template <class Write>
test::Bytes body_written(Write&& write) {
    ByteWriter writer;
    write(writer);
    const FrameResult result = read_header(writer.bytes());
    REQUIRE(result.status == FrameStatus::Complete);
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

TEST_SUITE("frontend_views") {
    TEST_CASE("query: its text") {
        const test::Bytes body = body_written([](ByteWriter& w) { write_query(w, "SELECT 1"); });
        check_exact(body, read_query);
        CHECK(read_query(body)->sql == "SELECT 1");
        CHECK(!read_query(test::to_bytes("SELECT 1\0; DROP\0"s)));
    }

    TEST_CASE("parse: name, text and types") {
        const std::array<std::uint32_t, 2> oids{23, 0xffffffff};
        const test::Bytes body =
            body_written([&](ByteWriter& w) { write_parse(w, "s1", "SELECT $1", oids); });
        check_exact(body, read_parse);
        const auto view = read_parse(body);
        CHECK(view->name == "s1");
        CHECK(view->sql == "SELECT $1");
        CHECK(view->parameter_types == std::vector<std::uint32_t>{23, 0xffffffff});
        CHECK(read_parse(body_written([](ByteWriter& w) {
                  write_parse(w, "", "", {});
              }))->parameter_types.empty());
        CHECK(!read_parse(test::to_bytes("\0\0\xff\xff"s)));
    }

    TEST_CASE("bind: values, NULL and formats") {
        const test::Bytes body =
            test::to_bytes("p\0s\0\0\2\0\1\0\0\0\3\0\0\0\2ab\xff\xff\xff\xff\0\0\0\0\0\1\0\1"s);
        check_exact(body, read_bind);
        const auto view = read_bind(body);
        CHECK(view->portal == "p");
        CHECK(view->statement == "s");
        CHECK(view->parameter_formats == std::vector<std::uint16_t>{1, 0});
        REQUIRE(view->parameters.size() == 3);
        CHECK(as_text(view->parameters[0].value()) == "ab");
        CHECK(!view->parameters[1]);
        CHECK(view->parameters[2].value().empty());
        CHECK(view->result_formats == std::vector<std::uint16_t>{1});
    }

    TEST_CASE("bind: names alone, and what follows them later") {
        const test::Bytes body = test::to_bytes("p\0s\0\0\1\0\1\0\1\0\0\0\2ab\0\0"s);
        const auto names = read_bind_names(body);
        REQUIRE(names);
        CHECK(names->portal == "p");
        CHECK(names->statement == "s");
        CHECK(names->values.data() == body.data() + 4);
        CHECK(names->values.size() == body.size() - 4);
        check_exact(test::Bytes{names->values.begin(), names->values.end()}, read_bind_values);
        const auto values = read_bind_values(names->values);
        CHECK(values->parameter_formats == std::vector<std::uint16_t>{1});
        REQUIRE(values->parameters.size() == 1);
        CHECK(as_text(values->parameters[0].value()) == "ab");
        CHECK(values->result_formats.empty());
        CHECK_FALSE(read_bind_names(test::to_bytes("p\0s"s)));
        CHECK(read_bind_names(test::to_bytes("p\0s\0\xff"s)));  // what follows is not looked at
        CHECK_FALSE(read_bind(test::to_bytes("p\0s\0\xff"s)));
    }

    TEST_CASE("bind: reads what we write") {
        const std::vector<std::optional<std::string>> values{"x", std::nullopt};
        const test::Bytes body =
            body_written([&](ByteWriter& w) { write_bind(w, "", "q", values); });
        const auto view = read_bind(body);
        REQUIRE(view);
        CHECK(view->statement == "q");
        CHECK(view->parameters.size() == 2);
        CHECK(view->parameter_formats.empty());
        CHECK(view->result_formats.empty());
    }

    TEST_CASE("bind: counts and lengths the bytes cannot hold are refused") {
        CHECK(!read_bind(test::to_bytes("\0\0\xff\xff"s)));
        CHECK(!read_bind(test::to_bytes("\0\0\0\0\xff\xff"s)));
        CHECK(!read_bind(test::to_bytes("\0\0\0\0\0\1\x7f\xff\xff\xff\0\0"s)));
        CHECK(!read_bind(test::to_bytes("\0\0\0\0\0\1\x80\0\0\0\0\0"s)));
        CHECK(!read_bind(test::to_bytes("\0\0\0\0\0\1\xff\xff\xff\xfe\0\0"s)));
        CHECK(!read_bind(test::to_bytes("\0\0\0\0\0\0\xff\xff"s)));
    }

    TEST_CASE("describe and close: statement or portal, nothing else") {
        const test::Bytes describe =
            body_written([](ByteWriter& w) { write_describe(w, 'P', "c1"); });
        check_exact(describe, read_describe);
        CHECK(read_describe(describe)->kind == 'P');
        CHECK(read_describe(describe)->name == "c1");
        const test::Bytes close = body_written([](ByteWriter& w) { write_close(w, 'S', ""); });
        check_exact(close, read_close);
        CHECK(read_close(close)->kind == 'S');
        CHECK(read_close(close)->name.empty());
        CHECK(!read_describe(test::to_bytes("s\0"s)));
        CHECK(!read_close(test::to_bytes("\0\0"s)));
    }

    TEST_CASE("execute: a limit below one means all") {
        const test::Bytes body = body_written([](ByteWriter& w) { write_execute(w, "p", 100); });
        check_exact(body, read_execute);
        CHECK(read_execute(body)->portal == "p");
        CHECK(read_execute(body)->max_rows == 100);
        CHECK(read_execute(test::to_bytes("\0\x7f\xff\xff\xff"s))->max_rows == 0x7fffffff);
        CHECK(read_execute(test::to_bytes("\0\0\0\0\0"s))->max_rows == 0);
        CHECK(read_execute(test::to_bytes("\0\xff\xff\xff\xff"s))->max_rows == 0);
        CHECK(read_execute(test::to_bytes("\0\x80\0\0\0"s))->max_rows == 0);
    }

    TEST_CASE("sasl initial response: mechanism and data") {
        const test::Bytes body =
            body_written([](ByteWriter& w) { write_sasl_initial_response(w, "M", "n,,n=,r=x"); });
        check_exact(body, read_sasl_initial);
        CHECK(read_sasl_initial(body)->mechanism == "M");
        CHECK(read_sasl_initial(body)->data == "n,,n=,r=x");
        CHECK(read_sasl_initial(test::to_bytes("M\0\xff\xff\xff\xff"s))->data.empty());
        CHECK(!read_sasl_initial(test::to_bytes("M\0\xff\xff\xff\xffx"s)));
        CHECK(!read_sasl_initial(test::to_bytes("M\0\x7f\xff\xff\xffx"s)));
        CHECK(!read_sasl_initial(test::to_bytes("M\0\xff\xff\xff\xfex"s)));
    }

    TEST_CASE("password: one text") {
        const test::Bytes body = body_written([](ByteWriter& w) { write_password(w, "secret"); });
        check_exact(body, read_password);
        CHECK(*read_password(body) == "secret");
        CHECK(!read_password(test::to_bytes("a\0b\0"s)));
    }
}

}  // namespace
}  // namespace weir::protocol
