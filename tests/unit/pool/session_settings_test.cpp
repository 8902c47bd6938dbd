#include "pool/session_settings.hpp"

#include "protocol/frame.hpp"
#include "protocol/frontend_views.hpp"
#include "protocol/message_type.hpp"

#include <doctest/doctest.h>

#include <string>
#include <utility>
#include <vector>

using namespace weir;
using pool::SettingsMap;
using pool::SettingsTable;

namespace {

using Parameters = std::vector<std::pair<std::string, std::string>>;

const std::string kResetAll =
    "Q SET statement_timeout TO 0; RESET SESSION AUTHORIZATION; RESET ROLE; RESET ALL";

/// What was written, a line per message: "Q RESET …", "P", "B name=value", "E", "S".
std::vector<std::string> lines_of(ByteView bytes) {
    std::vector<std::string> lines;
    while (!bytes.empty()) {
        const auto header = protocol::read_header(bytes).header;
        const ByteView body = protocol::body_of(bytes, header);
        std::string line{header.type};
        if (header.type == 'Q') {
            line += " " + std::string{protocol::read_query(body)->sql};
        } else if (header.type == 'B') {
            const auto bind = protocol::read_bind(body);
            line += " " + std::string{as_text(*bind->parameters[0])} + "=" +
                    std::string{as_text(*bind->parameters[1])};
        }
        lines.push_back(line);
        bytes = bytes.subspan(header.frame_bytes());
    }
    return lines;
}

std::vector<std::string> change(const SettingsMap* applied,
                                const SettingsMap& wanted,
                                int ready_count,
                                std::string_view connect_query = {}) {
    ByteWriter writer;
    CHECK(pool::write_settings_change(writer, applied, wanted, connect_query) == ready_count);
    return lines_of(writer.bytes());
}

}  // namespace

TEST_SUITE("session settings") {
    TEST_CASE("startup wishes: user, database and replication are told apart from settings") {
        const auto wishes = pool::read_wishes(Parameters{{"user", "app"},
                                                         {"database", "shop"},
                                                         {"replication", "database"},
                                                         {"TimeZone", "UTC"}});
        REQUIRE(wishes);
        CHECK(wishes->user == "app");
        CHECK(wishes->database == "shop");
        CHECK(wishes->replication == "database");
        CHECK(wishes->settings == SettingsMap{{"timezone", "UTC"}});
    }

    TEST_CASE("startup wishes: the database is the user's name when none is given") {
        CHECK(pool::read_wishes(Parameters{{"user", "app"}})->database == "app");
    }

    TEST_CASE("startup wishes: only lower case says who it is, and no setting is called so") {
        for (const char* name : {"USER", "Database", "rEPLICATION", "OPTIONS", "_PQ_.x"}) {
            CAPTURE(name);
            const auto wishes = pool::read_wishes(
                Parameters{{"user", "app"}, {"database", "shop"}, {name, "postgres"}});
            REQUIRE(wishes);
            CHECK(wishes->user == "app");
            CHECK(wishes->database == "shop");
            CHECK(wishes->replication.empty());
            CHECK(wishes->settings.empty());
            CHECK(wishes->impossible_setting == name);
        }
        for (const char* name :
             {"user", "USER", "database", "replication", "options", "_pq_.x", "_PQ_.x"}) {
            CAPTURE(name);
            for (const char* how : {"-c ", "-c", "--"}) {
                const auto wishes = pool::read_wishes(Parameters{
                    {"user", "app"}, {"options", std::string{how} + name + "=x -c work_mem=1MB"}});
                REQUIRE(wishes);
                CHECK(wishes->user == "app");
                CHECK(wishes->database == "app");
                CHECK(wishes->replication.empty());
                CHECK(wishes->settings == SettingsMap{{"work_mem", "1MB"}});
                CHECK(wishes->impossible_setting == name);
            }
        }
        CHECK(pool::read_wishes(Parameters{{"user", "app"}, {"user.x", "1"}})
                  ->impossible_setting.empty());
    }

    TEST_CASE("startup wishes: replication is read as PostgreSQL reads a boolean") {
        const auto kind = [](std::string value) {
            const auto wishes =
                pool::read_wishes(Parameters{{"user", "u"}, {"replication", std::move(value)}});
            return wishes ? wishes->replication : std::string{wishes.error().what()};
        };
        for (const char* no :
             {"false", "FALSE", "f", "Fa", "fals", "no", "n", "NO", "off", "of", "oFF", "0"}) {
            CAPTURE(no);
            CHECK(kind(no).empty());
        }
        for (const char* yes : {"true", "t", "TRU", "yes", "Y", "ye", "on", "ON", "1"}) {
            CAPTURE(yes);
            CHECK(kind(yes) == "true");
        }
        CHECK(kind("database") == "database");
        for (const char* neither : {"",
                                    "o",
                                    "00",
                                    "01",
                                    "2",
                                    "truex",
                                    "falsee",
                                    "onn",
                                    " true",
                                    "DATABASE",
                                    "databasee",
                                    "databases",
                                    "x"}) {
            CAPTURE(neither);
            CHECK(kind(neither) == "invalid value for parameter \"replication\"");
        }
    }

    TEST_CASE("startup wishes: a setting of its own overrides what options say, in any order") {
        for (const bool is_first : {true, false}) {
            Parameters parameters{{"options", "-c work_mem=1MB -c geqo=off"}};
            parameters.insert(is_first ? parameters.begin() : parameters.end(),
                              {"Work_Mem", "2MB"});
            parameters.emplace_back("user", "u");
            CHECK(pool::read_wishes(parameters)->settings ==
                  SettingsMap{{"geqo", "off"}, {"work_mem", "2MB"}});
        }
    }

    TEST_CASE("startup wishes: options are split as PostgreSQL splits them") {
        const auto wishes = pool::read_wishes(
            Parameters{{"user", "u"},
                       {"options", R"(-c work_mem=4MB  -cgeqo=off --search-path=a\ b -c x.y=\\)"}});
        REQUIRE(wishes);
        CHECK(wishes->settings ==
              SettingsMap{
                  {"geqo", "off"}, {"search_path", "a b"}, {"work_mem", "4MB"}, {"x.y", "\\"}});
    }

    TEST_CASE("startup wishes: other options are refused, and none of them loops") {
        for (const char* options :
             {"-d 5", "-c", "-c=", "--", "-c =x", "--=x", "nonsense", "-c work_mem"}) {
            CAPTURE(options);
            const auto wishes = pool::read_wishes(Parameters{{"user", "u"}, {"options", options}});
            REQUIRE_FALSE(wishes);
            CHECK(wishes.error().sqlstate() == sqlstate::kFeatureNotSupported);
        }
    }

    TEST_CASE("settings table: equal settings are the same pointer") {
        SettingsTable table;
        const auto one = table.intern({{"timezone", "UTC"}});
        CHECK(table.intern({{"timezone", "UTC"}}) == one);
        CHECK(table.intern({}) == table.none());
        CHECK(table.with(table.none(), "timezone", "UTC") == one);
        CHECK(table.without(one, "timezone") == table.none());
        CHECK(table.with(one, "timezone", "UTC") == one);
        CHECK(table.without(one, "datestyle") == one);
    }

    TEST_CASE("settings table: forgets what nobody holds and finds what somebody does") {
        SettingsTable table;
        const auto kept = table.intern({{"application_name", "kept"}});
        for (int i = 0; i < 1000; ++i) {
            static_cast<void>(table.intern({{"application_name", std::to_string(i)}}));
        }
        CHECK(table.intern({{"application_name", "kept"}}) == kept);
    }

    TEST_CASE("settings change: says nothing when nothing differs") {
        const SettingsMap same{{"timezone", "UTC"}};
        CHECK(change(&same, same, 0).empty());
    }

    TEST_CASE("settings change: sets what is missing and resets what is too much") {
        const SettingsMap applied{{"datestyle", "German"}, {"timezone", "UTC"}};
        const SettingsMap wanted{{"search_path", "a"}, {"timezone", "UTC"}};
        CHECK(change(&applied, wanted, 2) ==
              std::vector<std::string>{"Q RESET \"datestyle\"", "P", "B search_path=a", "E", "S"});
    }

    TEST_CASE("settings change: the last client's statement_timeout does not end the reset") {
        const SettingsMap theirs{{"statement_timeout", "1ms"}, {"work_mem", "5MB"}};
        CHECK(change(&theirs, {}, 1) ==
              std::vector<std::string>{"Q SET statement_timeout TO 0; RESET \"statement_timeout\"; "
                                       "RESET \"work_mem\""});
        CHECK(change(&theirs, {{"statement_timeout", "1ms"}}, 1) ==
              std::vector<std::string>{"Q RESET \"work_mem\""});
    }

    TEST_CASE("settings change: resets everything when it is unknown what holds") {
        CHECK(change(nullptr, {}, 1) == std::vector<std::string>{kResetAll});
        CHECK(change(nullptr, {{"timezone", "UTC"}}, 2) ==
              std::vector<std::string>{kResetAll, "P", "B timezone=UTC", "E", "S"});
    }

    TEST_CASE("settings change: what connect_query did is done again when everything is reset") {
        const SettingsMap applied{{"datestyle", "German"}};
        CHECK(change(nullptr, {{"timezone", "UTC"}}, 3, "SET x = 1") ==
              std::vector<std::string>{kResetAll, "Q SET x = 1", "P", "B timezone=UTC", "E", "S"});
        CHECK(change(&applied, {}, 2, "SET x = 1") ==
              std::vector<std::string>{kResetAll, "Q SET x = 1"});
        CHECK(change(&applied, applied, 0, "SET x = 1").empty());
    }

    TEST_CASE("settings change: whose rights it has is given up first and taken on last") {
        const SettingsMap weak{{"role", "weak"}, {"work_mem", "1MB"}};
        const SettingsMap other{{"client_encoding", "LATIN1"},
                                {"application_name", "x"},
                                {"role", "weak"},
                                {"session_authorization", "app"}};
        CHECK(change(&weak, other, 2) ==
              std::vector<std::string>{"Q RESET \"role\"; RESET \"work_mem\"",
                                       "P",
                                       "B client_encoding=LATIN1",
                                       "E",
                                       "B application_name=x",
                                       "E",
                                       "B session_authorization=app",
                                       "E",
                                       "B role=weak",
                                       "E",
                                       "S"});
        CHECK(change(&weak, weak, 0).empty());
    }

    TEST_CASE("settings change: names are quoted and values travel as parameters") {
        const SettingsMap applied{{"my\"class.na;me", "x"}};
        CHECK(change(&applied, {}, 1) ==
              std::vector<std::string>{"Q RESET \"my\"\"class\".\"na;me\""});
        const SettingsMap evil{{"application_name", "'; DROP TABLE t; --"}};
        const SettingsMap none;
        CHECK(change(&none, evil, 1) ==
              std::vector<std::string>{"P", "B application_name='; DROP TABLE t; --", "E", "S"});
    }
}
