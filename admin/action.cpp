#include "admin/action.hpp"

#include <algorithm>
#include <array>
#include <initializer_list>

namespace weir::admin {

namespace {

using Outcome = std::optional<Action>;
using Words = std::span<const std::string>;

/// PostgreSQL's version drivers are told: they refuse or misread anything that is not one.
constexpr std::string_view kPostgresVersion = "15.0";

/// Session settings drivers set and read back on their own; the console has no use for their
/// values.
constexpr std::array<std::string_view, 21> kSilentSettings{
    "application_name",
    "bytea_output",
    "characteristics",
    "client_encoding",
    "client_min_messages",
    "datestyle",
    "default_transaction_isolation",
    "default_transaction_read_only",
    "extra_float_digits",
    "idle_in_transaction_session_timeout",
    "intervalstyle",
    "jit",
    "lock_timeout",
    "names",
    "search_path",
    "session",
    "standard_conforming_strings",
    "statement_timeout",
    "time",
    "timezone",
    "transaction",
};

Action acknowledge(std::string_view tag, Effect effect = Effect::None) {
    Action action;
    action.tag = tag;
    action.effect = effect;
    return action;
}

Action one_value(Column column, Cell value, std::string_view tag) {
    Action action;
    action.columns = {column};
    action.row.push_back(std::move(value));
    action.tag = tag;
    return action;
}

bool matches(Words words, std::initializer_list<std::string_view> expected) {
    return std::equal(words.begin(), words.end(), expected.begin(), expected.end());
}

protocol::ErrorFields error_fields(SqlState sqlstate, std::string message) {
    return {.severity = protocol::Severity::Error,
            .sqlstate = sqlstate,
            .message = std::move(message),
            .detail = "",
            .hint = ""};
}

/// What can be shown besides the commands: what was announced, and what drivers ask for after
/// login.
std::vector<std::pair<std::string_view, std::string>> showable_parameters(
    std::string_view version) {
    auto parameters = announced_parameters(version);
    parameters.emplace_back("transaction_isolation", "read committed");
    parameters.emplace_back("default_transaction_isolation", "read committed");
    parameters.emplace_back("transaction_read_only", "off");
    parameters.emplace_back("max_identifier_length", "63");
    return parameters;
}

std::string lower(std::string_view text) {
    std::string result{text};
    std::transform(result.begin(), result.end(), result.begin(), [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    return result;
}

Outcome show_parameter(Words words, const Asker& asker) {
    std::string wanted;
    if (words.size() == 2) {
        wanted = lower(words[1]);
    } else if (matches(words, {"show", "time", "zone"})) {
        wanted = "timezone";
    } else if (matches(words, {"show", "transaction", "isolation", "level"})) {
        wanted = "transaction_isolation";
    }
    for (auto& [name, value] : showable_parameters(asker.version)) {
        if (lower(name) == wanted) {
            return one_value({name, ColumnType::Text}, std::move(value), "SHOW");
        }
    }
    return std::nullopt;
}

Outcome set(Words words) {
    if (words.size() < 3) {
        return std::nullopt;
    }
    const bool has_scope = words[1] == "session" || words[1] == "local";
    const std::string name = lower(has_scope && words.size() > 3 ? words[2] : words[1]);
    Action action = acknowledge("SET");
    if (std::find(kSilentSettings.begin(), kSilentSettings.end(), name) == kSilentSettings.end()) {
        // Somebody who means one of Weir's own settings must not believe it changed.
        action.notice = error_fields(SqlState{"00000"}, "SET has no effect in the admin database");
        action.notice->severity = protocol::Severity::Notice;
        action.notice->hint =
            "Weir's settings are changed in its configuration file; see SHOW CONFIG.";
    }
    return action;
}

Outcome transaction(Words words) {
    const std::string& verb = words[0];
    if (verb == "begin") {
        return acknowledge("BEGIN", Effect::BeginTransaction);
    }
    if (verb == "start" && words.size() > 1 && words[1] == "transaction") {
        return acknowledge("START TRANSACTION", Effect::BeginTransaction);
    }
    if (verb == "commit" || verb == "end") {
        return acknowledge("COMMIT", Effect::EndTransaction);
    }
    if (verb == "rollback" || verb == "abort") {
        const bool is_partial = std::find(words.begin(), words.end(), "to") != words.end();
        return acknowledge("ROLLBACK", is_partial ? Effect::None : Effect::EndTransaction);
    }
    if (verb == "savepoint" || verb == "release") {
        return acknowledge(verb == "savepoint" ? "SAVEPOINT" : "RELEASE");
    }
    return std::nullopt;
}

Outcome deallocate(Words words) {
    const std::size_t at = words.size() > 2 && words[1] == "prepare" ? 2 : 1;
    if (words.size() != at + 1) {
        return std::nullopt;
    }
    if (words[at] == "all") {
        return acknowledge("DEALLOCATE ALL", Effect::DeallocateAll);
    }
    Action action = acknowledge("DEALLOCATE", Effect::Deallocate);
    action.name = words[at];
    return action;
}

/// What connection pools and drivers send to clean a session.
Outcome clean_up(Words words) {
    const std::string& verb = words[0];
    if (matches(words, {"discard", "all"})) {
        return acknowledge("DISCARD ALL", Effect::DeallocateAll);
    }
    if (verb == "reset" && words.size() > 1) {
        return acknowledge("RESET");
    }
    if (verb == "unlisten" && words.size() > 1) {
        return acknowledge("UNLISTEN");
    }
    if (matches(words, {"close", "all"})) {
        return acknowledge("CLOSE CURSOR ALL");
    }
    return verb == "deallocate" ? deallocate(words) : std::nullopt;
}

bool is_number(const std::string& word) {
    constexpr std::size_t kInt4DigitsSafe = 9;
    return !word.empty() && word.size() <= kInt4DigitsSafe &&
           std::all_of(word.begin(), word.end(), [](char c) { return c >= '0' && c <= '9'; });
}

/// Liveness checks and what tools ask first. No tables: those are SHOW commands.
Outcome select(Words words, const Asker& asker) {
    if (words.size() == 2 && is_number(words[1])) {
        return one_value(
            {"?column?", ColumnType::Int4}, std::int64_t{std::stoi(words[1])}, "SELECT");
    }
    Words call = words.subspan(1);
    if (call.size() > 2 && call[0] == "pg_catalog" && call[1] == ".") {
        call = call.subspan(2);
    }
    if (matches(call, {"version", "(", ")"})) {
        return one_value({"version", ColumnType::Text},
                         "PostgreSQL " + std::string{kPostgresVersion} + " (Weir " +
                             std::string{asker.version} + ")",
                         "SELECT");
    }
    if (matches(call, {"current_schema", "(", ")"})) {
        return one_value({"current_schema", ColumnType::Text}, Cell{}, "SELECT");
    }
    if (matches(call, {"current_database", "(", ")"})) {
        return one_value(
            {"current_database", ColumnType::Text}, std::string{asker.admin_database}, "SELECT");
    }
    if (matches(call,
                {"oid", ",", "typbasetype", "from", "pg_type", "where", "typname", "=", "'lo'"})) {
        // psqlODBC looks for a type for large objects when it connects; number 0 means none.
        Action action = one_value({"oid", ColumnType::Int4}, std::int64_t{0}, "SELECT");
        action.columns.push_back({"typbasetype", ColumnType::Int4});
        action.row.emplace_back(std::int64_t{0});
        return action;
    }
    if (matches(call, {"pg_advisory_unlock_all", "(", ")"})) {
        return one_value({"pg_advisory_unlock_all", ColumnType::Text}, "", "SELECT");
    }
    return std::nullopt;
}

Outcome courtesy(Words words, const Asker& asker) {
    if (words[0] == "show") {
        return show_parameter(words, asker);
    }
    if (words[0] == "set") {
        return set(words);
    }
    if (words[0] == "select") {
        return select(words, asker);
    }
    if (Outcome action = transaction(words)) {
        return action;
    }
    return clean_up(words);
}

}  // namespace

std::vector<std::pair<std::string_view, std::string>> announced_parameters(
    std::string_view version) {
    return {
        {"server_version", std::string{kPostgresVersion} + " (Weir " + std::string{version} + ")"},
        {"server_encoding", "UTF8"},
        {"client_encoding", "UTF8"},
        {"application_name", ""},
        {"DateStyle", "ISO, MDY"},
        {"IntervalStyle", "postgres"},
        {"TimeZone", "UTC"},
        {"integer_datetimes", "on"},
        {"is_superuser", "off"},
        {"standard_conforming_strings", "on"},
        {"default_transaction_read_only", "off"},
        {"in_hot_standby", "off"},
    };
}

std::variant<Action, protocol::ErrorFields> interpret(const Statement& statement,
                                                      const Asker& asker) {
    const Words words{statement.words};
    if (words.empty()) {
        return Action{};
    }
    if (words.size() == 2 && words[0] == "show") {
        if (const Command* command = find_command(lower(words[1])); command != nullptr) {
            if (auto refusal = refuse(*command, asker.role)) {
                return *std::move(refusal);
            }
            Action action = acknowledge("SHOW");
            action.command = command;
            if (command->columns.empty()) {
                action.notice = usage_notice();
            }
            return action;
        }
    }
    if (Outcome action = courtesy(words, asker)) {
        return *std::move(action);
    }
    // A long statement would make a long line in the client's log.
    constexpr std::size_t kQuotedMax = 200;
    return error_fields(
        sqlstate::kSyntaxError,
        "invalid command '" + statement.text.substr(0, kQuotedMax) + "', use SHOW HELP;");
}

}  // namespace weir::admin
