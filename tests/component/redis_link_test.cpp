#include "cache/redis/redis_link.hpp"

#include "tests/support/redis_link_support.hpp"
#include "tests/support/redis_server.hpp"

#include <doctest/doctest.h>

#include <functional>
#include <string>
#include <vector>

namespace weir::cache {
namespace {

using std::chrono::milliseconds;
using test::FakeRedis;
using test::LinkRig;
using test::RedisServer;
using test::turn_for;
using test::turn_until;

/// What Redis says to the greeting of a link without password, database and scripts.
constexpr std::string_view kWelcome = "+OK\r\n+PONG\r\n";

/// A link that has been let in by somebody who only seems to be Redis.
struct Deceived {
    Deceived() {
        rig.settings.address.endpoint = fake.endpoint();
        rig.begin();
        REQUIRE(turn_until(rig.loop, [this] { return fake.guests() == 1; }));
        fake.say(kWelcome);
        REQUIRE(rig.until_up());
    }

    LinkRig rig{{}};
    FakeRedis fake{rig.loop};
};

TEST_SUITE("redis_link") {
    TEST_CASE("redis link: comes up over TCP, a name and a unix socket, and carries any bytes") {
        const RedisServer server;
        server.await();
        for (const Endpoint& endpoint : {server.endpoint(),
                                         test::tcp("localhost", server.port()),
                                         test::unix_at(server.socket_path())}) {
            CAPTURE(endpoint.text());
            LinkRig rig{endpoint};
            rig.settings.client_name = "weir-test";
            rig.begin();
            REQUIRE(rig.until_up());
            CHECK(rig.ups == 1);
            const std::string_view value{"a\r\nb\0c $5 *1", 12};
            CHECK(rig.ask({"SET", "key", value}) == "OK");
            CHECK(rig.ask({"GET", "key"}) == value);
            CHECK(rig.ask({"GET", "no such key"}) == "(nil)");
            CHECK(rig.ask({"STRLEN", "key"}) == "12");
            CHECK(rig.ask({"CLIENT", "GETNAME"}) == "weir-test");
            CHECK(rig.ask({"NONSENSE"}) == "-refused");
            CHECK(rig.counters.errors_of(RedisError::Refused) == 1);
            CHECK(rig.counters.in_flight.load() == 0);
        }
    }

    TEST_CASE("redis link: a large value passes, and an empty one") {
        const RedisServer server;
        LinkRig rig{server.endpoint()};
        rig.begin();
        REQUIRE(rig.until_up());
        const std::string large(std::size_t{5} << 20U, 'x');
        CHECK(rig.ask({"SET", "large", large}) == "OK");
        CHECK(rig.ask({"GET", "large"}) == large);
        CHECK(rig.ask({"SET", "empty", ""}) == "OK");
        CHECK(rig.ask({"GET", "empty"}).empty());
    }

    TEST_CASE("redis link: logs in by password or user, and picks its database") {
        const RedisServer server{{"--requirepass", "right"}};
        server.ask("ACL SETUSER ann on >hers ~* &* +@all", "right");
        LinkRig rig{server.endpoint()};
        SUBCASE("by password") {
            rig.settings.address.password = "right";
        }
        SUBCASE("by user and password") {
            rig.settings.address.user = "ann";
            rig.settings.address.password = "hers";
        }
        rig.settings.address.database = 7;
        rig.begin();
        REQUIRE(rig.until_up());
        CHECK(rig.ask({"SET", "here", "x"}) == "OK");
        CHECK(rig.ask({"SELECT", "0"}) == "OK");
        CHECK(rig.ask({"EXISTS", "here"}) == "0");
    }

    TEST_CASE("redis link: who is not let in keeps trying, and it recovers") {
        const RedisServer server{{"--requirepass", "right"}};
        server.ask("PING", "right");
        LinkRig rig{server.endpoint()};
        SUBCASE("a wrong password") {
            rig.settings.address.password = "wrong";
        }
        SUBCASE("no password") {}
        SUBCASE("an unknown user") {
            rig.settings.address.user = "nobody";
            rig.settings.address.password = "wrong";
        }
        rig.begin();
        CHECK(turn_until(rig.loop, [&] { return rig.counters.errors_of(RedisError::Auth) >= 3; }));
        CHECK(rig.ups == 0);
        CHECK(rig.ask({"GET", "key"}) == "not sent");
        if (rig.settings.address.user.empty()) {
            server.ask("CONFIG SET requirepass " + rig.settings.address.password + " ", "right");
        } else {
            server.ask("ACL SETUSER nobody on >wrong ~* +@all", "right");
        }
        if (!rig.settings.address.password.empty()) {
            CHECK(rig.until_up());
            CHECK(rig.ask({"PING"}) == "PONG");
        }
    }

    TEST_CASE("redis link: a database that is not there keeps it away") {
        const RedisServer server;
        LinkRig rig{server.endpoint()};
        rig.settings.address.database = 1000;
        rig.begin();
        CHECK(
            turn_until(rig.loop, [&] { return rig.counters.errors_of(RedisError::Refused) >= 2; }));
        CHECK(rig.ups == 0);
    }

    TEST_CASE("redis link: nobody there is a failure at once, and it recovers") {
        RedisServer server;
        server.await();
        server.kill();
        LinkRig rig{server.endpoint()};
        rig.begin();
        CHECK(turn_until(rig.loop, [&] { return rig.counters.errors_of(RedisError::Away) >= 3; }));
        CHECK(rig.ask({"GET", "key"}) == "not sent");
        server.start();
        REQUIRE(rig.until_up());
        CHECK(rig.ask({"PING"}) == "PONG");
    }

    TEST_CASE("redis link: killed under way, each command is told once, and it recovers") {
        RedisServer server;
        LinkRig rig{server.endpoint()};
        rig.begin();
        REQUIRE(rig.until_up());
        server.freeze();
        rig.loop.post([&] {
            for (int i = 0; i < 10; ++i) {
                rig.tell({"PING"});
            }
        });
        turn_for(rig.loop, milliseconds{20});
        CHECK(rig.counters.in_flight.load() == 10);
        server.kill();
        REQUIRE(turn_until(rig.loop, [&] { return rig.answers.size() == 10; }));
        CHECK(rig.answers == std::vector<std::string>(10, "-closed"));
        CHECK(rig.downs == 1);
        CHECK(rig.counters.in_flight.load() == 0);
        server.start();
        REQUIRE(turn_until(rig.loop, [&] { return rig.ups == 2; }));
        CHECK(rig.ask({"PING"}) == "PONG");
        CHECK(rig.answers.size() == 10);
        CHECK(rig.counters.reconnects.value() == 1);
        CHECK(rig.link->generation() == 2);
    }

    TEST_CASE("redis link: frozen, it times out, is dialled again, and recovers") {
        RedisServer server;
        LinkRig rig{server.endpoint()};
        rig.settings.timeout = milliseconds{200};
        rig.settings.greeting = milliseconds{400};
        rig.begin();
        REQUIRE(rig.until_up());
        server.freeze();
        const TimePoint begun = Clock::now();
        CHECK(rig.ask({"PING"}) == "-timeout");
        CHECK(Clock::now() - begun >= milliseconds{200});
        CHECK(rig.link->is_up());
        REQUIRE(rig.until_down());
        CHECK(rig.ups == 1);
        CHECK(rig.ask({"PING"}) == "not sent");
        CHECK(
            turn_until(rig.loop, [&] { return rig.counters.errors_of(RedisError::Timeout) >= 3; }));
        server.thaw();
        REQUIRE(rig.until_up());
        rig.link.reset();
        rig.settings.timeout = test::kLinkPatience;
        rig.begin();
        REQUIRE(rig.until_up());
        CHECK(rig.ask({"PING"}) == "PONG");
    }

    TEST_CASE("redis link: a late reply is dropped, and the next command has its own") {
        Deceived it;
        it.rig.link.reset();
        it.rig.settings.timeout = milliseconds{500};
        it.rig.begin();
        REQUIRE(turn_until(it.rig.loop, [&] { return it.fake.guests() == 2; }));
        it.fake.say(kWelcome);
        REQUIRE(it.rig.until_up());
        CHECK(it.rig.ask({"GET", "first"}) == "-timeout");
        it.rig.loop.post([&] { it.rig.tell({"GET", "second"}); });
        turn_for(it.rig.loop, milliseconds{5});
        it.fake.say("$3\r\none\r\n$3\r\ntwo\r\n");
        REQUIRE(turn_until(it.rig.loop, [&] { return !it.rig.answers.empty(); }));
        CHECK(it.rig.answers == std::vector<std::string>{"two"});
        CHECK(it.rig.counters.late_replies.value() == 1);
        CHECK(it.rig.link->is_up());
    }

    TEST_CASE("redis link: all commands of one turn leave in one write") {
        Deceived it;
        static_cast<void>(it.fake.hear());
        it.rig.loop.post([&] {
            for (int i = 0; i < 100; ++i) {
                it.rig.tell({"GET", std::to_string(i)});
            }
            CHECK(it.fake.hear().empty());
        });
        turn_for(it.rig.loop, milliseconds{5});
        const auto heard = it.fake.hear();
        REQUIRE(heard.size() == 1);
        CHECK(heard[0].starts_with("*2\r\n$3\r\nGET\r\n$1\r\n0\r\n*2\r\n"));
        CHECK(heard[0].ends_with("$2\r\n99\r\n"));
    }

    TEST_CASE("redis link: no more is under way than may be") {
        LinkRig rig{{}};
        const FakeRedis fake{rig.loop};
        rig.settings.address.endpoint = fake.endpoint();
        rig.settings.in_flight_max = 3;
        rig.settings.unsent_max = 1000;
        rig.begin();
        REQUIRE(turn_until(rig.loop, [&] { return fake.guests() == 1; }));
        fake.say(kWelcome);
        REQUIRE(rig.until_up());
        std::vector<bool> sent;
        SUBCASE("by number") {
            rig.loop.post([&] {
                for (int i = 0; i < 4; ++i) {
                    sent.push_back(rig.link->send({"PING"}, nullptr));
                }
            });
            turn_for(rig.loop, milliseconds{5});
            CHECK(sent == std::vector{true, true, true, false});
        }
        SUBCASE("by bytes") {
            rig.loop.post([&] {
                const std::string large(1001, 'x');
                sent.push_back(rig.link->send({"ECHO", large}, nullptr));
                sent.push_back(rig.link->send({"PING"}, nullptr));
            });
            turn_for(rig.loop, milliseconds{5});
            CHECK(sent == std::vector{true, false});
        }
        CHECK(rig.counters.errors_of(RedisError::Full) == 1);
    }

    TEST_CASE("redis link: subscribed, it hears messages and is still pinged") {
        const RedisServer server;
        LinkRig rig{server.endpoint()};
        rig.settings.channels = {"one", "two"};
        rig.begin();
        REQUIRE(rig.until_up());
        server.ask("PUBLISH two hello");
        server.ask("PUBLISH three nobody");
        server.ask("PUBLISH one world");
        REQUIRE(turn_until(rig.loop, [&] { return rig.messages.size() == 2; }));
        CHECK(rig.messages == std::vector<std::string>{"two=hello", "one=world"});
        CHECK(rig.ask({"PING"}) == "array of 2");
    }

    TEST_CASE("redis link: scripts run, also after they were flushed") {
        const RedisServer server;
        LinkRig rig{server.endpoint()};
        rig.settings.scripts = {"return 'first'", "return KEYS[1] .. ARGV[1]"};
        rig.begin();
        REQUIRE(rig.until_up());
        const auto run = [&rig] {
            const std::size_t before = rig.answers.size();
            rig.loop.post([&rig] {
                const std::string_view words[] = {"key", "+argument"};
                CHECK(rig.link->run(1, 1, words, [&rig](const Answer& answer) {
                    rig.answers.push_back(LinkRig::text_of(answer));
                }));
            });
            CHECK(turn_until(rig.loop, [&] { return rig.answers.size() > before; }));
            return rig.answers.back();
        };
        CHECK(run() == "key+argument");
        server.ask("SCRIPT FLUSH");
        CHECK(run() == "-noscript");
        CHECK(run() == "key+argument");
        CHECK(run() == "key+argument");
    }

    TEST_CASE("redis link: an error reply of Redis is one command's, or the connection's") {
        struct Row {
            std::string_view error;
            std::string_view told;
            bool stays_up;
        };

        const Row rows[] = {
            {"-OOM command not allowed", "-oom", true},
            {"-NOSCRIPT No matching script", "-noscript", true},
            {"-ERR something", "-refused", true},
            {"-MISCONF Redis is configured to save", "-refused", true},
            {"-", "-refused", true},
            {"-LOADING Redis is loading the dataset in memory", "-loading", false},
            {"-MASTERDOWN Link with MASTER is down", "-loading", false},
            {"-READONLY You can't write against a read only replica.", "-readonly", false},
            {"-NOAUTH Authentication required.", "-auth", false},
            {"-NOPERM this user has no permissions", "-auth", false},
        };
        for (const Row& row : rows) {
            CAPTURE(row.error);
            Deceived it;
            it.rig.loop.post([&] { it.rig.tell({"SET", "key", "value"}); });
            turn_for(it.rig.loop, milliseconds{2});
            it.fake.say(std::string{row.error} + "\r\n");
            REQUIRE(turn_until(it.rig.loop, [&] { return !it.rig.answers.empty(); }));
            CHECK(it.rig.answers == std::vector<std::string>{std::string{row.told}});
            CHECK(it.rig.link->is_up() == row.stays_up);
            if (!row.stays_up) {
                REQUIRE(turn_until(it.rig.loop, [&] { return it.fake.guests() == 2; }));
                it.fake.say(kWelcome);
                CHECK(it.rig.until_up());
            }
        }
    }

    TEST_CASE("redis link: whatever somebody else says at that port, it goes away and recovers") {
        const std::string_view rows[] = {
            "HTTP/1.1 400 Bad Request\r\n\r\n",
            "SSH-2.0-OpenSSH_9.2\r\n",
            "+OK\r\n-LOADING Redis is loading the dataset in memory\r\n",
            "+OK\r\n-ERR max number of clients reached\r\n",
            "-ERR max number of clients reached\r\n-ERR\r\n",
            "+OK\r\n+PONG\r\n+and one more\r\n",
            "+OK\r\n+PONG\r\n*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nb\r\n",
            "+OK\r\n+PONG\r\n-ERR one more\r\n",
            "+OK\r\n+OK\r\n",
            "*1\r\n$4\r\nPING\r\n*1\r\n$4\r\nPING\r\n",
            "$-2\r\n",
            "*-5\r\n",
            "$99999999999999999999\r\n",
            "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n",
            ":12345678901234567890123\r\n",
            std::string_view{"\0\0\0\0", 4},
        };
        for (const std::string_view row : rows) {
            CAPTURE(row);
            LinkRig rig{{}};
            FakeRedis fake{rig.loop};
            rig.settings.address.endpoint = fake.endpoint();
            rig.begin();
            REQUIRE(turn_until(rig.loop, [&] { return fake.guests() == 1; }));
            fake.say(row);
            REQUIRE(turn_until(rig.loop, [&] { return fake.guests() == 2; }));
            fake.say(kWelcome);
            CHECK(rig.until_up());
        }
    }

    TEST_CASE("redis link: a connection that ends in the middle of a reply is one that ended") {
        const std::string reply = "*2\r\n$5\r\nhello\r\n:12\r\n";
        for (std::size_t length = 0; length < reply.size(); ++length) {
            CAPTURE(length);
            Deceived it;
            it.rig.loop.post([&] { it.rig.tell({"GET", "key"}); });
            turn_for(it.rig.loop, milliseconds{1});
            it.fake.say(reply.substr(0, length));
            it.fake.hang_up();
            REQUIRE(turn_until(it.rig.loop, [&] { return !it.rig.answers.empty(); }));
            CHECK(it.rig.answers == std::vector<std::string>{"-closed"});
            REQUIRE(turn_until(it.rig.loop, [&] { return it.fake.guests() == 1; }));
            it.fake.say(kWelcome);
            CHECK(it.rig.until_up());
        }
    }

    TEST_CASE("redis link: who says nothing to the greeting is left and tried again") {
        LinkRig rig{{}};
        FakeRedis fake{rig.loop};
        rig.settings.address.endpoint = fake.endpoint();
        rig.settings.greeting = milliseconds{30};
        rig.begin();
        REQUIRE(turn_until(rig.loop, [&] { return fake.guests() == 3; }));
        CHECK(rig.counters.errors_of(RedisError::Timeout) >= 2);
        CHECK(rig.ups == 0);
    }

    TEST_CASE("redis link: destroyed with commands under way it calls nobody") {
        RedisServer server;
        LinkRig rig{server.endpoint()};
        rig.begin();
        SUBCASE("while it dials") {}
        SUBCASE("when they were just sent") {
            REQUIRE(rig.until_up());
            rig.loop.post([&rig] {
                rig.tell({"PING"});
                rig.link.reset();
            });
        }
        SUBCASE("when Redis has them") {
            REQUIRE(rig.until_up());
            server.freeze();
            rig.loop.post([&rig] { rig.tell({"PING"}); });
        }
        SUBCASE("from within an answer, in a later turn") {
            REQUIRE(rig.until_up());
            rig.loop.post([&rig] {
                static_cast<void>(rig.link->send({"PING"}, [&rig](const Answer&) {
                    rig.tell({"PING"});
                    rig.loop.defer_delete(std::move(rig.link));
                }));
            });
        }
        turn_for(rig.loop, milliseconds{20});
        rig.link.reset();
        turn_for(rig.loop, milliseconds{20});
        CHECK(rig.answers.empty());
        CHECK(rig.counters.in_flight.load() == 0);
    }

    TEST_CASE("redis link: an answer may ask again, also when the answer is that it is gone") {
        RedisServer server;
        LinkRig rig{server.endpoint()};
        rig.begin();
        REQUIRE(rig.until_up());
        int left = 50;
        std::function<void(const Answer&)> again = [&](const Answer& answer) {
            rig.answers.push_back(LinkRig::text_of(answer));
            if (--left > 0 && !rig.link->send({"PING"}, again)) {
                rig.answers.emplace_back("not sent");
            }
        };
        rig.loop.post([&] { CHECK(rig.link->send({"PING"}, again)); });
        REQUIRE(turn_until(rig.loop, [&] { return left == 0; }));
        CHECK(rig.answers == std::vector<std::string>(50, "PONG"));
        server.freeze();
        left = 2;
        rig.loop.post([&] { CHECK(rig.link->send({"PING"}, again)); });
        turn_for(rig.loop, milliseconds{10});
        server.kill();
        REQUIRE(turn_until(rig.loop, [&] { return rig.answers.size() == 52; }));
        CHECK(rig.answers[50] == "-closed");
        CHECK(rig.answers[51] == "not sent");
    }
}

}  // namespace
}  // namespace weir::cache
