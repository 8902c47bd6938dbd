#include "protocol/statement_reference.hpp"

#include "protocol/message_writer.hpp"

#include <doctest/doctest.h>

#include <string>

namespace weir::protocol {
namespace {

using Kind = StatementReference::Kind;

StatementReference read(ByteView bytes) {
    return read_statement_reference(read_header(bytes).header, bytes);
}

/// Checks that no shorter part of the message says anything else than that more is needed.
void check_every_split(const ByteWriter& message, std::size_t complete_at) {
    for (std::size_t size = kHeaderBytes; size < complete_at; ++size) {
        CHECK(read(message.bytes().first(size)).kind == Kind::Incomplete);
    }
}

ByteWriter bind_of(std::string_view portal, std::string_view statement) {
    ByteWriter writer;
    write_bind(writer, portal, statement, {});
    return writer;
}

}  // namespace

TEST_CASE("a Bind is understood as soon as both its names are there") {
    const ByteWriter message = bind_of("portal", "statement");
    const std::size_t head = kHeaderBytes + sizeof("portal") + sizeof("statement");
    check_every_split(message, head);
    for (std::size_t size = head; size <= message.size(); ++size) {
        const StatementReference reference = read(message.bytes().first(size));
        CHECK(reference.kind == Kind::Named);
        CHECK(reference.portal == "portal");
        CHECK(reference.name == "statement");
        CHECK(reference.head_bytes == head);
    }
    CHECK(read(bind_of("p", "").bytes()).kind == Kind::Unnamed);
}

TEST_CASE("a Parse, a Describe and a Close are understood when they are whole") {
    ByteWriter parse;
    write_parse(parse, "s", "SELECT 1", {});
    check_every_split(parse, parse.size());
    CHECK(read(parse.bytes()).kind == Kind::Named);
    CHECK(read(parse.bytes()).name == "s");
    for (const bool is_close : {false, true}) {
        ByteWriter message;
        is_close ? write_close(message, 'S', "name") : write_describe(message, 'S', "name");
        check_every_split(message, message.size());
        CHECK(read(message.bytes()).name == "name");
        CHECK(read(message.bytes()).head_bytes == message.size());
    }
}

TEST_CASE("an unnamed Parse is waited for where it is worth keeping") {
    ByteWriter parse;
    write_parse(parse, "", "SELECT 1", {});
    for (std::size_t size = kHeaderBytes; size < parse.size(); ++size) {
        CHECK(read(parse.bytes().first(size)).kind == Kind::Incomplete);
    }
    CHECK(read(parse.bytes()).kind == Kind::Unnamed);
    parse.clear();
    write_parse(parse, "", std::string(protocol::kMaxUnnamedBytes, 'x'), {});
    CHECK(read(parse.bytes().first(kHeaderBytes)).kind == Kind::Incomplete);
    CHECK(read(parse.bytes().first(kHeaderBytes + 1)).kind == Kind::Unnamed);
}

TEST_CASE("other messages are about no statement") {
    ByteWriter message;
    write_describe(message, 'P', "portal");
    CHECK(read(message.bytes()).kind == Kind::None);
    message.clear();
    write_execute(message, "portal", 0);
    CHECK(read(message.bytes()).kind == Kind::None);
    message.clear();
    write_query(message, "SELECT 1");
    CHECK(read(message.bytes()).kind == Kind::None);
}

TEST_CASE("malformed messages are the backend's business") {
    const auto of = [](std::string_view body, FrontendMessage type) {
        ByteWriter writer;
        {
            const MessageFrame frame{writer, type};
            writer.text(body);
        }
        return read(writer.bytes()).kind;
    };
    CHECK(of("", FrontendMessage::Bind) == Kind::None);
    CHECK(of("portal", FrontendMessage::Bind) == Kind::None);
    CHECK(of({"portal\0name", 11}, FrontendMessage::Bind) == Kind::None);
    CHECK(of("", FrontendMessage::Describe) == Kind::None);
    CHECK(of("X", FrontendMessage::Describe) == Kind::None);
    CHECK(of("Sname", FrontendMessage::Close) == Kind::None);
    CHECK(of({"Sname\0more", 10}, FrontendMessage::Close) == Kind::None);
}

TEST_CASE("names and statements have a limit") {
    CHECK(read(bind_of("", std::string(10'000, 'n')).bytes()).kind == Kind::TooLong);
    CHECK(read(bind_of(std::string(10'000, 'p'), "n").bytes()).kind == Kind::TooLong);
    ByteWriter parse;
    write_parse(parse, "s", std::string(kMaxDefinitionBytes + 1, 'x'), {});
    CHECK(read(parse.bytes().first(100)).kind == Kind::TooLong);
}

}  // namespace weir::protocol
