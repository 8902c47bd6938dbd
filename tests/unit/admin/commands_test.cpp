#include "admin/commands.hpp"

#include "fake_status.hpp"
#include "golden.hpp"

namespace weir::admin {

namespace {

conf::Config sample_config() {
    conf::Config config;
    config.admin.database = "weir";
    config.listen.addresses.push_back(
        {.kind = Endpoint::Kind::Unix, .host = "", .port = 6432, .path = "/run/weir/.s"});
    config.listen.addresses.push_back(
        {.kind = Endpoint::Kind::Tcp, .host = "127.0.0.1", .port = 6433, .path = ""});
    config.limits.max_database_connections = 40;
    config.limits.max_user_connections = 20;
    conf::UserSettings app;
    app.name = "app";
    app.max_clients = 100;
    app.pool.max = 4;
    app.pool.mode = conf::PoolMode::Session;
    config.users["app"] = app;
    config.health.pool_usage = {0.5, 0.95};
    conf::UserSettings other;
    other.name = "other";
    config.users["other"] = other;
    return config;
}

std::string shown(const Cell& value) {
    if (const auto* text = std::get_if<std::string>(&value)) {
        return *text;
    }
    const auto* number = std::get_if<std::int64_t>(&value);
    return number == nullptr ? "NULL" : std::to_string(*number);
}

std::string upper(std::string_view text) {
    std::string result;
    for (const char c : text) {
        result += c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    }
    return result;
}

/// A minute in which everything in the snapshot happened.
void fill(StatsHistory& history, const status::Snapshot& now) {
    history.sample(status::Snapshot{}, TimePoint{});
    history.sample(now, TimePoint{} + StatsHistory::kPeriod);
}

}  // namespace

TEST_SUITE("admin commands") {
    TEST_CASE("columns of every command are PgBouncer's, then ours") {
        std::string text;
        for (const Command& command : commands()) {
            text += "SHOW " + upper(command.name) + "\n";
            for (const Column& column : command.columns) {
                text += "  " + std::string{column.name} + " " + std::string{name_of(column.type)} +
                        "\n";
            }
        }
        test::check_golden(WEIR_GOLDEN_DIR "/columns.txt", text);
    }

    TEST_CASE("rows of every command come from the snapshot and the configuration") {
        const status::Snapshot snapshot = test::sample_snapshot();
        const conf::Config config = sample_config();
        StatsHistory history;
        fill(history, snapshot);
        std::string text;
        for (const Command& command : commands()) {
            if (command.rows == nullptr || command.name == "config") {
                continue;  // conf has its own tests of the settings
            }
            text += "SHOW " + upper(command.name) + "\n";
            for (const Row& row : command.rows({snapshot, config, history, "1.2.3"})) {
                REQUIRE(row.size() == command.columns.size());
                text += " ";
                for (const Cell& value : row) {
                    text += " [" + shown(value) + "]";
                }
                text += "\n";
            }
        }
        test::check_golden(WEIR_GOLDEN_DIR "/rows.txt", text);
    }

    TEST_CASE("numbers stand only in columns of numbers, and text only in columns of text") {
        const status::Snapshot snapshot = test::sample_snapshot();
        const conf::Config config = sample_config();
        const StatsHistory history;
        for (const Command& command : commands()) {
            if (command.rows == nullptr) {
                continue;
            }
            CAPTURE(command.name);
            for (const Row& row : command.rows({snapshot, config, history, "1.2.3"})) {
                for (std::size_t i = 0; i < row.size(); ++i) {
                    CAPTURE(command.columns[i].name);
                    const bool is_text_column = command.columns[i].type == ColumnType::Text;
                    CHECK_FALSE((is_text_column && std::holds_alternative<std::int64_t>(row[i])));
                    CHECK_FALSE((!is_text_column && std::holds_alternative<std::string>(row[i])));
                }
            }
        }
    }

    TEST_CASE("settings are listed with their defaults") {
        const conf::Config config = sample_config();
        const StatsHistory history;
        const status::Snapshot nothing;
        const auto rows = find_command("config")->rows({nothing, config, history, "1.2.3"});
        REQUIRE_FALSE(rows.empty());
        bool has_threads = false;
        for (const Row& row : rows) {
            if (shown(row[0]) == "listen.threads") {
                has_threads = true;
                CHECK(shown(row[3]) == "no");
            }
        }
        CHECK(has_threads);
    }

    TEST_CASE("roles are compared in one place") {
        CHECK_FALSE(refuse(Role::Admin, Role::Admin).has_value());
        CHECK_FALSE(refuse(Role::Viewer, Role::Admin).has_value());
        CHECK_FALSE(refuse(Role::Viewer, Role::Viewer).has_value());
        const auto refusal = refuse(Role::Admin, Role::Viewer);
        REQUIRE(refusal.has_value());
        CHECK(refusal->sqlstate == sqlstate::kInsufficientPrivilege);
        CHECK(refusal->message == "admin access needed");
    }

    TEST_CASE("viewers may run every SHOW command but two") {
        for (const Command& command : commands()) {
            CAPTURE(command.name);
            CHECK(refuse(command.role, Role::Viewer).has_value() ==
                  (command.name == "fds" || command.name == "audit"));
        }
    }

    TEST_CASE("usage lists every command") {
        const protocol::ErrorFields notice = usage_notice();
        CHECK(notice.message == "Console usage");
        for (const Command& command : commands()) {
            CHECK(notice.detail.find("SHOW " + upper(command.name)) != std::string::npos);
        }
        CHECK(notice.detail.find("EXPLAIN POLICY [(database x") != std::string::npos);
    }
}

}  // namespace weir::admin
