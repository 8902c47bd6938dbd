#include "admin/console.hpp"

#include <thread>

#include "console_fixture.hpp"

namespace weir::admin {

using test::ConsoleFixture;
using test::FakeStatus;
using test::has_field;

TEST_SUITE("admin console") {
    TEST_CASE("welcome announces a version that drivers can read") {
        ConsoleFixture f;
        ByteWriter writer;
        f.console->write_welcome(writer);
        f.sent = as_text(writer.bytes());
        bool has_version = false;
        for (const auto& message : f.take()) {
            CHECK(message.type == 'S');
            has_version = has_version || message.body == std::string{
                                                             "server_version\0"
                                                             "15.0 (Weir 1.2.3)\0",
                                                             33};
        }
        CHECK(has_version);
    }

    TEST_CASE("simple query answers with description, rows, tag and ready") {
        ConsoleFixture f;
        f.query("SHOW POOLS");
        CHECK(f.types() == "TDDCZ");
        CHECK(f.ready == 1);
        f.query("show version;");
        CHECK(f.types() == "TDCZ");
        CHECK(f.ready == 1);  // no snapshot needed, so it was never busy
        f.query("SELECT 1");
        const auto messages = f.take();
        REQUIRE(messages.size() == 4);
        CHECK(messages[2].body == std::string{"SELECT 1\0", 9});
    }

    TEST_CASE("only commands that list connections ask for them") {
        ConsoleFixture f;
        f.query("SHOW POOLS");
        f.query("SHOW CLIENTS");
        f.query("SHOW VERSION");
        CHECK(f.status.asked() == std::vector{status::Detail::Pools, status::Detail::Connections});
    }

    TEST_CASE("empty query is answered as empty") {
        ConsoleFixture f;
        for (const char* text : {"", ";", " -- ping", "/* x */ ;;"}) {
            f.query(text);
            CHECK(f.types() == "IZ");
        }
    }

    TEST_CASE("several statements in one text are answered in order") {
        ConsoleFixture f;
        f.query("SHOW VERSION; SHOW POOLS;; SET lock_timeout = 1; SHOW LISTS");
        CHECK(f.types() == "TDCTDDCCT" + std::string(14, 'D') + "CZ");
        CHECK(f.ready == 1);  // once per message
        f.query("SELECT pg_advisory_unlock_all();\nCLOSE ALL;\nUNLISTEN *;\nRESET ALL;");
        CHECK(f.types() == "TDCCCCZ");
    }

    TEST_CASE("an error ends the text and keeps the client") {
        ConsoleFixture f;
        f.query("SHOW VERSION; DROP TABLE x; SHOW POOLS");
        const auto messages = f.take();
        REQUIRE(messages.size() == 5);
        CHECK(messages[3].type == 'E');
        CHECK(has_field(messages[3], "C42601"));
        CHECK(has_field(messages[3], "Minvalid command 'DROP TABLE x', use SHOW HELP;"));
        CHECK(messages[4].type == 'Z');
        CHECK_FALSE(f.console->wants_close());
        f.query("SHOW VERSION");
        CHECK(f.types() == "TDCZ");
    }

    TEST_CASE("text that cannot be read is an error with ready") {
        ConsoleFixture f;
        f.query("SHOW 'x");
        CHECK(f.types() == "EZ");
        f.console->on_message(protocol::FrontendMessage::Query, as_bytes("no end"));
        const auto messages = f.take();
        REQUIRE(messages.size() == 2);
        CHECK(has_field(messages[0], "C08P01"));
    }

    TEST_CASE("SHOW HELP is a notice") {
        ConsoleFixture f;
        f.query("SHOW HELP");
        const auto messages = f.take();
        REQUIRE(messages.size() == 3);
        CHECK(messages[0].type == 'N');
        CHECK(has_field(messages[0], "MConsole usage"));
        CHECK(messages[1].body == std::string{"SHOW\0", 5});
    }

    TEST_CASE("BEGIN and COMMIT change what ready says") {
        ConsoleFixture f;
        const auto status = [&f](const char* text) {
            f.query(text);
            return f.take().back().body;
        };
        CHECK(status("SHOW VERSION") == "I");
        CHECK(status("BEGIN") == "T");
        CHECK(status("SHOW VERSION") == "T");
        CHECK(status("ROLLBACK TO SAVEPOINT a") == "T");
        CHECK(status("COMMIT") == "I");
    }

    TEST_CASE(
        "Terminate closes, COPY messages are ignored, a call is refused, a password is fatal") {
        ConsoleFixture f;
        using enum protocol::FrontendMessage;
        for (const auto type : {CopyData, CopyDone, CopyFail, protocol::FrontendMessage::Flush}) {
            f.feed_empty(type);
            CHECK(f.types().empty());
        }
        f.feed_empty(FunctionCall);
        CHECK(f.types() == "EZ");
        CHECK_FALSE(f.console->wants_close());
        f.feed_empty(Password);
        CHECK(has_field(f.take().at(0), "SFATAL"));
        CHECK(f.console->wants_close());

        ConsoleFixture other;
        other.feed_empty(Terminate);
        CHECK(other.types().empty());
        CHECK(other.console->wants_close());
    }

    TEST_CASE("console is busy until the snapshot came") {
        ConsoleFixture f;
        f.status.mode = FakeStatus::Mode::Held;
        CHECK(f.console->deadline() == kNever);
        f.query("SHOW VERSION; SHOW POOLS; SHOW POOLS");
        CHECK(f.types() == "TDC");
        CHECK(f.console->busy());
        CHECK(f.console->deadline() != kNever);
        CHECK(f.ready == 0);
        f.status.answer_held();
        f.turn();
        CHECK(f.types() == "TDDC");
        CHECK(f.console->busy());
        CHECK(f.ready == 0);
        f.status.answer_held();
        f.turn();
        CHECK(f.types() == "TDDCZ");
        CHECK_FALSE(f.console->busy());
        CHECK(f.ready == 1);
    }

    TEST_CASE("a late snapshot finds nobody after the console is gone") {
        ConsoleFixture f;
        f.status.mode = FakeStatus::Mode::Held;
        SUBCASE("before the answer") {
            f.query("SHOW POOLS");
            f.console.reset();
            std::thread{[&f] { f.status.answer_held(); }}.join();
        }
        SUBCASE("between answer and turn") {
            f.query("SHOW POOLS");
            std::thread{[&f] { f.status.answer_held(); }}.join();
            f.console.reset();
        }
        f.turn();
        CHECK(f.sent.empty());
        CHECK(f.ready == 0);
    }

    TEST_CASE("a snapshot that does not come is given up at the deadline") {
        ConsoleFixture f;
        f.status.mode = FakeStatus::Mode::Held;
        f.query("SHOW POOLS; SHOW VERSION");
        const TimePoint deadline = f.console->deadline();
        f.console->on_time(deadline - std::chrono::milliseconds{1});
        CHECK(f.console->busy());
        f.console->on_time(deadline);
        const auto messages = f.take();
        REQUIRE(messages.size() == 2);
        CHECK(has_field(messages[0], "C57014"));
        CHECK(messages[1].type == 'Z');
        CHECK_FALSE(f.console->busy());
        CHECK(f.ready == 1);

        // The late answer must not be taken for the next question's.
        f.query("SHOW CLIENTS");
        CHECK(f.console->busy());
        f.status.answer_held();
        f.turn();
        CHECK(f.types() == "TDCZ");
        CHECK(f.ready == 2);
    }

    TEST_CASE("on_time without a question does nothing") {
        ConsoleFixture f;
        f.console->on_time(kNever);
        CHECK(f.types().empty());
        CHECK(f.ready == 0);
    }

    TEST_CASE("on_ready may destroy the console") {
        FakeStatus status;
        StatsHistory history;
        auto config = std::make_shared<conf::Config>();
        test::FakeController controller;
        const ConsoleContext context{
            status, history, controller, [&config] { return config; }, nullptr, "1.2.3"};
        std::unique_ptr<Console> console;
        std::deque<std::function<void()>> loop;
        const ConsoleIo io{[&loop](std::function<void()> run) { loop.push_back(std::move(run)); },
                           [](ByteView) {},
                           [&console] { console.reset(); }};
        console = std::make_unique<Console>(context, Role::Admin, io);
        console->on_message(protocol::FrontendMessage::Query,
                            as_bytes(std::string_view{"SHOW POOLS\0", 11}));
        REQUIRE(loop.size() == 1);
        loop.front()();
        CHECK(console == nullptr);
    }

    TEST_CASE("snapshots feed the history") {
        ConsoleFixture f;
        f.history.sample(status::Snapshot{}, Clock::now() - StatsHistory::kPeriod);
        f.query("SHOW POOLS");
        CHECK(f.history.averages().contains("shop"));
    }
}

}  // namespace weir::admin
