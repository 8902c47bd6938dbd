#include "pool/backend_statements.hpp"

#include <doctest/doctest.h>

#include <map>
#include <random>
#include <string>
#include <vector>

namespace weir::pool {
namespace {

struct Fixture {
    SettingsTable settings;
    StatementTable table;
    BackendStatements backend;
    StatementPtr a = table.intern(as_bytes("a"), settings.none(), 0);
    StatementPtr b = table.intern(as_bytes("b"), settings.none(), 0);
    StatementPtr c = table.intern(as_bytes("c"), settings.none(), 0);
};

}  // namespace

TEST_SUITE("backend statements") {
    TEST_CASE_FIXTURE(Fixture, "what is added is there at once, and stays when it has come true") {
        CHECK_FALSE(backend.use(a));
        backend.add(a);
        CHECK(backend.use(a));
        backend.settle(1);
        CHECK(backend.use(a));
        CHECK(backend.size() == 1);
    }

    TEST_CASE_FIXTURE(Fixture, "a Parse that did not happen is forgotten, a Close brings back") {
        backend.add(a);
        backend.settle(1);
        backend.remove(a);
        backend.add(b);
        CHECK_FALSE(backend.has(a));
        backend.drop(2);
        CHECK(backend.has(a));
        CHECK_FALSE(backend.has(b));
    }

    TEST_CASE_FIXTURE(Fixture,
                      "what is on its way behind what is dropped decides, unless it fails") {
        backend.add(a);
        backend.remove(a);  // of a later batch, which counts on the first
        backend.drop(1);
        CHECK_FALSE(backend.has(a));
        backend.drop(1);
        CHECK_FALSE(backend.has(a));  // it was never there
    }

    TEST_CASE_FIXTURE(Fixture, "the one used least recently is surplus") {
        CHECK(backend.surplus(1) == nullptr);
        backend.add(a);
        backend.add(b);
        CHECK(backend.surplus(3) == nullptr);
        CHECK(backend.surplus(2) == a);
        CHECK(backend.use(a));
        CHECK(backend.surplus(2) == b);
    }

    TEST_CASE_FIXTURE(Fixture, "forgetting all keeps what is on its way") {
        backend.add(a);
        backend.settle(1);
        backend.add(b);
        backend.forget_all();
        CHECK_FALSE(backend.has(a));
        CHECK(backend.has(b));
        backend.drop(1);
        CHECK(backend.size() == 0);
    }

    TEST_CASE_FIXTURE(Fixture, "only what was sent before a Sync is unsettled") {
        backend.add(a);
        CHECK_FALSE(backend.is_unsettled(a->definition));
        backend.seal();
        backend.add(b);
        CHECK(backend.is_unsettled(a->definition));
        CHECK_FALSE(backend.is_unsettled(b->definition));
        backend.settle(1);
        CHECK_FALSE(backend.is_unsettled(a->definition));
    }

    TEST_CASE_FIXTURE(Fixture, "it moves to another worker in order of use") {
        for (const StatementPtr& statement : {a, b, c}) {
            backend.add(statement);
        }
        backend.settle(3);
        CHECK(backend.use(a));
        StatementTable table_there;
        const BackendStatements there{table_there, settings, backend.all()};
        CHECK(there.size() == 3);
        CHECK(there.surplus(3) == table_there.intern(as_bytes("b"), settings.none(), 0));
        CHECK(there.has(table_there.intern(as_bytes("a"), settings.none(), 0)));
    }

    TEST_CASE("any order of messages and outcomes leaves what a server would have") {
        for (unsigned seed = 0; seed < 200; ++seed) {
            std::mt19937 random{seed};
            Fixture fixture;
            const std::vector<StatementPtr> all{fixture.a, fixture.b, fixture.c};
            std::map<const Statement*, bool> server;

            struct Message {
                StatementPtr statement;
                bool is_parse;
            };

            std::vector<Message> on_its_way;
            for (int step = 0; step < 200; ++step) {
                const StatementPtr& statement = all[random() % all.size()];
                switch (random() % 4) {
                    case 0:
                    case 1: {
                        const bool is_parse = !fixture.backend.has(statement);
                        is_parse ? fixture.backend.add(statement)
                                 : fixture.backend.remove(statement);
                        on_its_way.push_back({statement, is_parse});
                        break;
                    }
                    default: {
                        const auto count = static_cast<std::uint32_t>(
                            on_its_way.empty() ? 0 : random() % on_its_way.size() + 1);
                        const bool happens = random() % 2 == 0;
                        for (std::uint32_t i = 0; happens && i < count; ++i) {
                            server[on_its_way[i].statement.get()] = on_its_way[i].is_parse;
                        }
                        on_its_way.erase(on_its_way.begin(), on_its_way.begin() + count);
                        happens ? fixture.backend.settle(count) : fixture.backend.drop(count);
                        break;
                    }
                }
                if (on_its_way.empty()) {
                    for (const StatementPtr& each : all) {
                        REQUIRE(fixture.backend.has(each) == server[each.get()]);
                    }
                }
            }
        }
    }
}

}  // namespace weir::pool
