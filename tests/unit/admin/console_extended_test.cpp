#include "console_fixture.hpp"

namespace weir::admin {

using test::ConsoleFixture;
using test::FakeStatus;

namespace {

std::string sqlstate_of(ConsoleFixture& f) {
    for (const auto& message : f.take()) {
        if (message.type == 'E') {
            const std::size_t at = message.body.find("\0C", 0, 2);
            return message.body.substr(at + 2, 5);
        }
    }
    return "none";
}

}  // namespace

TEST_SUITE("admin console, extended protocol") {
    TEST_CASE("Parse, Bind, Describe, Execute, Sync answer a command") {
        ConsoleFixture f;
        f.parse("", "SHOW POOLS");
        CHECK(f.types() == "1");
        f.describe('S', "");
        CHECK(f.types() == "tT");
        f.bind("", "");
        CHECK(f.types() == "2");
        f.describe('P', "");
        CHECK(f.types() == "T");
        f.execute("");
        CHECK(f.types() == "DDC");
        f.sync();
        CHECK(f.types() == "Z");
    }

    TEST_CASE("what has no columns is described as no data") {
        ConsoleFixture f;
        for (const char* text : {"SET lock_timeout = 1", "SHOW HELP", ""}) {
            f.parse("", text);
            f.describe('S', "");
            f.bind("", "");
            f.describe('P', "");
            CHECK(f.types() == "1tn2n");
            f.execute("");
            const std::string answer = f.types();
            CHECK((answer == "C" || answer == "NC" || answer == "I"));
            f.sync();
            CHECK(f.types() == "Z");
        }
    }

    TEST_CASE("binary results are described as such and encoded") {
        ConsoleFixture f;
        f.parse("", "SHOW LISTS");
        f.bind("", "", {1});
        f.describe('P', "");
        const auto described = f.take();
        REQUIRE(described.size() == 3);
        CHECK(described[2].body.substr(described[2].body.size() - 2) == std::string{"\0\1", 2});
        f.execute("");
        const auto rows = f.take();
        REQUIRE(rows.size() == 15);
        // "databases", 2: two cells, a text and an int4
        CHECK(rows[0].body == std::string{"\0\2\0\0\0\x09"
                                          "databases\0\0\0\4\0\0\0\2",
                                          23});
        f.sync();
        f.types();
        f.parse("", "SHOW LISTS");
        f.bind("", "", {0, 1});
        CHECK(f.types() == "12");
    }

    TEST_CASE("Execute with a row limit suspends and goes on") {
        ConsoleFixture f;
        f.parse("", "SHOW LISTS");
        f.bind("c", "");
        f.types();
        f.execute("c", 10);
        CHECK(f.types() == std::string(10, 'D') + "s");
        f.execute("c", 10);
        CHECK(f.types() == "DDDDC");
        f.execute("c", 10);
        CHECK(f.types() == "C");
        CHECK(f.status.asked().size() == 1);  // one moment for all parts
    }

    TEST_CASE("a limit that is just reached suspends, as PostgreSQL does") {
        ConsoleFixture f;
        f.parse("", "SELECT 1");
        f.bind("", "");
        f.types();
        f.execute("", 1);
        CHECK(f.types() == "Ds");
        f.execute("", 1);
        CHECK(f.types() == "C");
    }

    TEST_CASE("named statements live until they are closed, portals until the transaction ends") {
        ConsoleFixture f;
        f.parse("s", "SHOW VERSION");
        f.bind("p", "s");
        f.sync();
        CHECK(f.types() == "12Z");
        f.execute("p");
        CHECK(sqlstate_of(f) == "34000");
        f.sync();
        f.types();

        f.query("BEGIN");
        f.bind("p", "s");
        f.sync();
        f.execute("p");
        f.sync();
        CHECK(f.types() == "CZ2ZDCZ");
        f.query("COMMIT");
        f.types();
        f.describe('P', "p");
        CHECK(sqlstate_of(f) == "34000");
        f.sync();
        f.types();

        f.close('S', "s");
        f.close('S', "never there");
        f.close('P', "never there");
        CHECK(f.types() == "333");
        f.bind("", "s");
        CHECK(sqlstate_of(f) == "26000");
    }

    TEST_CASE("COMMIT may run in a portal that it ends") {
        ConsoleFixture f;
        f.query("BEGIN");
        f.parse("", "COMMIT");
        f.bind("", "");
        f.execute("");
        f.sync();
        const auto messages = f.take();
        CHECK(messages.back().body == "I");
    }

    TEST_CASE("DEALLOCATE and DISCARD drop prepared statements") {
        ConsoleFixture f;
        f.parse("a", "SHOW VERSION");
        f.parse("B", "SHOW VERSION");
        f.sync();
        f.query("DEALLOCATE a");
        f.types();
        f.describe('S', "a");
        CHECK(sqlstate_of(f) == "26000");
        f.sync();
        f.query("DEALLOCATE \"B\"; DISCARD ALL");
        f.types();
        f.describe('S', "B");
        CHECK(sqlstate_of(f) == "26000");
    }

    TEST_CASE("after an error everything is skipped until Sync") {
        ConsoleFixture f;
        f.parse("", "SHOW NONSENSE");
        CHECK(sqlstate_of(f) == "42601");
        f.parse("", "SHOW VERSION");
        f.bind("", "");
        f.describe('S', "");
        f.execute("");
        f.close('S', "");
        f.query("SHOW VERSION");
        f.feed_empty(protocol::FrontendMessage::Flush);
        f.feed_empty(protocol::FrontendMessage::FunctionCall);
        f.feed_empty(protocol::FrontendMessage::CopyDone);
        CHECK(f.types().empty());
        f.sync();
        CHECK(f.types() == "Z");
        f.query("SHOW VERSION");
        CHECK(f.types() == "TDCZ");
    }

    TEST_CASE("Terminate is heard while skipping") {
        ConsoleFixture f;
        f.execute("none");
        f.feed_empty(protocol::FrontendMessage::Terminate);
        CHECK(f.console->wants_close());
    }

    TEST_CASE("mistakes are answered with PostgreSQL's codes") {
        ConsoleFixture f;
        f.parse("s", "SHOW VERSION");
        f.parse("t", "SHOW VERSION", {25});
        f.query("BEGIN");
        f.bind("p", "s");
        f.types();
        SUBCASE("doubled statement") {
            f.parse("s", "SHOW VERSION");
            CHECK(sqlstate_of(f) == "42P05");
        }
        SUBCASE("two statements in one Parse") {
            f.parse("", "SHOW VERSION; SHOW POOLS");
            CHECK(sqlstate_of(f) == "42601");
        }
        SUBCASE("unterminated text") {
            f.parse("", "SHOW 'x");
            CHECK(sqlstate_of(f) == "42601");
        }
        SUBCASE("unknown statement") {
            f.bind("", "nobody");
            CHECK(sqlstate_of(f) == "26000");
        }
        SUBCASE("doubled portal") {
            f.bind("p", "s");
            CHECK(sqlstate_of(f) == "42P03");
        }
        SUBCASE("too few parameters") {
            f.bind("", "t");
            CHECK(sqlstate_of(f) == "08P01");
        }
        SUBCASE("too many parameters") {
            f.bind_parameters("", "s", 1, {});
            CHECK(sqlstate_of(f) == "08P01");
        }
        SUBCASE("formats that do not fit") {
            f.bind("", "s", {0, 1});
            CHECK(sqlstate_of(f) == "08P01");
        }
        SUBCASE("unknown format") {
            f.bind("", "s", {2});
            CHECK(sqlstate_of(f) == "08P01");
        }
        SUBCASE("unknown portal") {
            f.execute("nobody");
            CHECK(sqlstate_of(f) == "34000");
        }
        SUBCASE("unknown portal described") {
            f.describe('P', "nobody");
            CHECK(sqlstate_of(f) == "34000");
        }
        SUBCASE("malformed bodies") {
            for (const char type : {'P', 'B', 'D', 'E', 'C'}) {
                CAPTURE(type);
                f.console->on_message(static_cast<protocol::FrontendMessage>(type), as_bytes("x"));
                CHECK(sqlstate_of(f) == "08P01");
                f.sync();
                f.types();
            }
        }
        f.sync();
        CHECK(f.types() == "Z");
    }

    TEST_CASE("declared parameters are described and may be bound") {
        ConsoleFixture f;
        f.parse("", "SHOW VERSION", {25, 23});
        f.describe('S', "");
        const auto messages = f.take();
        REQUIRE(messages.size() == 3);
        CHECK(messages[1].body == std::string{"\0\2\0\0\0\x19\0\0\0\x17", 10});
        f.bind_parameters("", "", 2, {});
        CHECK(f.types() == "2");
    }

    TEST_CASE("prepared statements have a limit") {
        ConsoleFixture f;
        for (std::size_t i = 0; i < Console::kMaxPrepared; ++i) {
            f.parse("s" + std::to_string(i), "SHOW VERSION");
        }
        CHECK(f.types() == std::string(Console::kMaxPrepared, '1'));
        f.parse("one more", "SHOW VERSION");
        CHECK(sqlstate_of(f) == "54000");
    }

    TEST_CASE("simple query drops the unnamed statement") {
        ConsoleFixture f;
        f.parse("", "SHOW VERSION");
        f.query("SHOW VERSION");
        f.types();
        f.bind("", "");
        CHECK(sqlstate_of(f) == "26000");
    }

    TEST_CASE("a snapshot that does not come is an error, then skipping until Sync") {
        ConsoleFixture f;
        f.status.mode = FakeStatus::Mode::Held;
        f.parse("", "SHOW POOLS");
        f.bind("", "");
        f.execute("");
        CHECK(f.console->busy());
        CHECK(f.types() == "12");
        f.console->on_time(f.console->deadline());
        CHECK(sqlstate_of(f) == "57014");
        CHECK(f.ready == 1);
        f.execute("");
        CHECK(f.types().empty());
        f.sync();
        CHECK(f.types() == "Z");
        f.status.answer_held();
        f.turn();
        CHECK(f.types().empty());
    }

    TEST_CASE("a viewer may look") {
        ConsoleFixture f{Role::Viewer};
        f.parse("", "SHOW CONFIG");
        CHECK(f.types() == "1");
    }
}

}  // namespace weir::admin
