#include "proxy/cached_request.hpp"

#include "protocol/message_writer.hpp"

#include <doctest/doctest.h>

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weir::proxy {
namespace {

std::string written(const std::function<void(ByteWriter&)>& write) {
    ByteWriter writer;
    write(writer);
    return std::string{as_text(writer.bytes())};
}

std::string parse(std::string_view name, std::string_view sql) {
    return written([&](ByteWriter& out) { protocol::write_parse(out, name, sql, {}); });
}

std::string bind(std::string_view portal, std::string_view statement) {
    return written([&](ByteWriter& out) { protocol::write_rebind(out, portal, statement, {}); });
}

std::string describe(char kind, std::string_view name) {
    return written([&](ByteWriter& out) { protocol::write_describe(out, kind, name); });
}

std::string execute(std::string_view portal, std::uint32_t rows) {
    return written([&](ByteWriter& out) { protocol::write_execute(out, portal, rows); });
}

const std::string kSync = written([](ByteWriter& out) { protocol::write_sync(out); });

const std::string kDefinition{"SELECT known\0\0\0", 15};

std::optional<CachedRequest> read(const std::string& bytes) {
    return read_cached_request(as_bytes(bytes), [](std::string_view name) {
        return name == "known" ? std::optional{as_bytes(kDefinition)} : std::nullopt;
    });
}

TEST_SUITE("cached_request") {
    TEST_CASE("cached request: a simple query") {
        const std::string query =
            written([](ByteWriter& out) { protocol::write_query(out, "SELECT 1"); });
        const std::string bytes = query + "whatever follows";
        const auto request = read(bytes);
        REQUIRE(request);
        CHECK(request->shape.text() == "Q");
        CHECK(request->text == "SELECT 1");
        CHECK(request->bytes == query.size());
        CHECK(request->bind.empty());
    }

    TEST_CASE("cached request: a batch, whole and cut at every byte") {
        const std::string batch =
            parse("", "SELECT 1") + bind("", "") + describe('P', "") + execute("", 0) + kSync;
        const std::string bytes = batch + parse("", "SELECT 2");
        const auto request = read(bytes);
        REQUIRE(request);
        CHECK(request->shape.text() == "PBDES");
        CHECK(request->text == "SELECT 1");
        CHECK(request->bytes == batch.size());
        CHECK(as_text(request->bind) == bind("", "").substr(sizeof("B\0\0\0\0\0\0") - 1));
        CHECK(as_text(request->definition).starts_with("SELECT 1"));
        for (std::size_t size = 0; size < batch.size(); ++size) {
            CHECK_FALSE(read(batch.substr(0, size)));
        }
    }

    TEST_CASE("cached request: of a statement that is known by name") {
        const std::string batch =
            describe('S', "known") + bind("", "known") + execute("", 0) + kSync;
        const auto request = read(batch);
        REQUIRE(request);
        CHECK(request->shape.text() == "dBES");
        CHECK(request->text == "SELECT known");
        CHECK(request->definition.empty());
        CHECK_FALSE(read(bind("", "other") + execute("", 0) + kSync));
        CHECK_FALSE(read(bind("", "") + execute("", 0) + kSync));
    }

    TEST_CASE("cached request: as many messages as a shape has letters, and one more") {
        std::string describes;
        for (std::size_t more = 4; more < RequestShape::kLettersMax; ++more) {
            describes += describe('S', "");
        }
        const std::string first = parse("", "SELECT 1");
        const std::string rest = bind("", "") + execute("", 0) + kSync;
        const auto request = read(first + describes + rest);
        REQUIRE(request);
        CHECK(request->shape.text() == "PddddBES");
        CHECK_FALSE(read(first + describes + describe('S', "") + rest));
    }

    TEST_CASE("cached request: nothing that one result does not answer") {
        const std::string first = parse("", "SELECT 1");
        const std::vector<std::string> batches = {
            parse("named", "SELECT 1") + bind("", "named") + execute("", 0) + kSync,
            first + kSync,
            first + bind("", "") + kSync,
            first + bind("portal", "") + execute("portal", 0) + kSync,
            first + bind("", "") + execute("", 5) + kSync,
            first + bind("", "") + execute("", 0) + execute("", 0) + kSync,
            first + bind("", "") + bind("", "") + execute("", 0) + kSync,
            first + bind("", "known") + execute("", 0) + kSync,
            first + first + bind("", "") + execute("", 0) + kSync,
            first + execute("", 0) + kSync,
            describe('S', "known") + first + bind("", "") + execute("", 0) + kSync,
            bind("", "known") + describe('S', "other") + execute("", 0) + kSync,
            bind("", "known") + execute("", 0) + describe('P', "") + kSync,
            kSync,
            std::string("H\0\0\0\4", 5) + kSync,
            std::string("Q\0\0\0\1", 5),
            std::string("P\0\0\0\5x", 6) + kSync,
        };
        for (const std::string& batch : batches) {
            CHECK_FALSE(read(batch));
        }
    }
}

}  // namespace
}  // namespace weir::proxy
