#include "cache/redis/redis_reply.hpp"

#include "cache/redis/redis_counters.hpp"
#include "tests/support/feed_all_ways.hpp"

#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <vector>

namespace weir::cache {
namespace {

using namespace std::string_literals;
using namespace std::string_view_literals;

/// @return a reply as text, parts in brackets
std::string shown(const Reply& reply) {
    switch (reply.kind()) {
        case Reply::Kind::Nil: return "nil";
        case Reply::Kind::Integer: return std::to_string(reply.integer());
        case Reply::Kind::Text: return "'" + std::string{reply.text()} + "'";
        case Reply::Kind::Status: return "+" + std::string{reply.text()};
        case Reply::Kind::Error: return "-" + std::string{reply.text()};
        case Reply::Kind::Array: break;
    }
    std::string parts;
    for (std::size_t i = 0; i < reply.size(); ++i) {
        parts += (i > 0 ? " " : "") + shown(reply.at(i));
    }
    return "[" + parts + "]";
}

/// Feeds the pieces one by one, and takes what there is after each.
std::string read_in(const std::vector<test::Bytes>& pieces) {
    ReplyReader reader;
    OwnedReply reply;
    std::string all;
    for (const test::Bytes& piece : pieces) {
        reader.feed(piece);
        ReplyReader::Status status = reader.next(reply);
        for (; status == ReplyReader::Status::Complete; status = reader.next(reply)) {
            all += shown(reply.view()) + " ";
        }
        if (status == ReplyReader::Status::Invalid) {
            return all + "invalid";
        }
    }
    return all;
}

TEST_SUITE("redis_reply") {
    TEST_CASE("redis reply: every kind, in whatever pieces it comes") {
        const std::string_view bytes =
            "+OK\r\n-ERR no\r\n:-12\r\n$5\r\na\r\n\0b\r\n$-1\r\n$0\r\n\r\n*-1\r\n*0\r\n"
            "*3\r\n:1\r\n*2\r\n$1\r\nx\r\n$-1\r\n+y\r\n"sv;
        const std::string expected = "+OK -ERR no -12 'a\r\n\0b' nil '' nil [] [1 ['x' nil] +y] "s;
        test::feed_all_ways(as_bytes(bytes), [&expected](const std::vector<test::Bytes>& pieces) {
            CHECK(read_in(pieces) == expected);
        });
    }

    TEST_CASE("redis reply: what is no reply is invalid, and so is all that follows") {
        for (const std::string_view bytes : {"HTTP/1.1 200 OK\r\n",
                                             "?1\r\n",
                                             "$-2\r\n",
                                             "$x\r\n",
                                             "*-2\r\n",
                                             ":x\r\n",
                                             ":99999999999999999999\r\n",
                                             "*99999999999\r\n"}) {
            CAPTURE(bytes);
            const test::Bytes wrong = test::to_bytes(bytes);
            const test::Bytes right = test::to_bytes("+OK\r\n");
            CHECK(read_in({wrong}) == "invalid");
            CHECK(read_in({wrong, right}) == "invalid");
            CHECK(read_in({right, wrong}) == "+OK invalid");
        }
    }

    TEST_CASE("redis reply: more of one reply than any of ours has is invalid") {
        ReplyReader reader;
        OwnedReply reply;
        const std::string piece(std::size_t{1} << 20U, 'x');
        reader.feed(as_bytes("$1000000000\r\n"));
        std::size_t fed = 0;
        while (reader.next(reply) == ReplyReader::Status::NeedMore && fed < 100) {
            reader.feed(as_bytes(piece));
            ++fed;
        }
        CHECK(fed == 64);
    }

    TEST_CASE("redis reply: asked for what it is not, it answers with nothing") {
        const Reply none;
        CHECK(none.kind() == Reply::Kind::Nil);
        CHECK(none.text().empty());
        CHECK(none.integer() == 0);
        CHECK(none.size() == 0);
        CHECK(none.at(3).kind() == Reply::Kind::Nil);
        ReplyReader reader;
        OwnedReply reply;
        reader.feed(as_bytes("*1\r\n:5\r\n"));
        REQUIRE(reader.next(reply) == ReplyReader::Status::Complete);
        CHECK(reply.view().text().empty());
        CHECK(reply.view().integer() == 0);
        CHECK(reply.view().at(0).integer() == 5);
        CHECK(reply.view().at(0).text().empty());
        CHECK(reply.view().at(1).kind() == Reply::Kind::Nil);
    }

    TEST_CASE("redis command: words of any bytes, as Redis reads them") {
        std::string out = "before";
        const std::vector<std::string_view> words{"SET", "", "a\r\n\0"sv};
        append_command(out, words);
        CHECK(out == "before*3\r\n$3\r\nSET\r\n$0\r\n\r\n$4\r\na\r\n\0\r\n"s);
    }

    TEST_CASE("redis error: known by its first word") {
        CHECK(redis_error_of("OOM command not allowed") == RedisError::Oom);
        CHECK(redis_error_of("OOMPH") == RedisError::Refused);
        CHECK(redis_error_of("WRONGPASS x") == RedisError::Auth);
        CHECK(redis_error_of("ERR invalid password") == RedisError::Auth);
        CHECK(redis_error_of("") == RedisError::Refused);
        for (std::size_t i = 0; i < kRedisErrors; ++i) {
            CHECK_FALSE(name_of(static_cast<RedisError>(i)).empty());
        }
    }
}

}  // namespace
}  // namespace weir::cache
