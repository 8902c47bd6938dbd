#include "admin/action.hpp"

#include "admin/orders.hpp"
#include "admin/type_loading.hpp"

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
constexpr std::array<std::string_view, 38> kSilentSettings{
    "application_name",
    "backslash_quote",
    "bytea_output",
    "characteristics",
    "client_encoding",
    "client_min_messages",
    "datestyle",
    "default_text_search_config",
    "default_transaction_deferrable",
    "default_transaction_isolation",
    "default_transaction_read_only",
    "escape_string_warning",
    "extra_float_digits",
    "geqo",
    "idle_in_transaction_session_timeout",
    "intervalstyle",
    "jit",
    "lc_messages",
    "lc_monetary",
    "lc_numeric",
    "lc_time",
    "lock_timeout",
    "log_statement",
    "names",
    "plan_cache_mode",
    "role",
    "row_security",
    "search_path",
    "session",
    "standard_conforming_strings",
    "statement_timeout",
    "synchronous_commit",
    "time",
    "timezone",
    "transaction",
    "transform_null_equals",
    "work_mem",
    "xmloption",
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
    action.rows.emplace_back().push_back(std::move(value));
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

/// @return whether a driver means its own session, not us
bool is_session_setting(Words words) {
    const bool has_scope = words[1] == "session" || words[1] == "local";
    const std::string name = lower(has_scope && words.size() > 3 ? words[2] : words[1]);
    return std::find(kSilentSettings.begin(), kSilentSettings.end(), name) != kSilentSettings.end();
}

using Decision = std::variant<Action, protocol::ErrorFields>;

Decision acknowledged(std::variant<control::Order, protocol::ErrorFields> outcome,
                      std::string_view tag) {
    if (auto* refusal = std::get_if<protocol::ErrorFields>(&outcome)) {
        return std::move(*refusal);
    }
    Action action = acknowledge(tag);
    action.order = std::get<control::Order>(std::move(outcome));
    return action;
}

std::optional<Decision> set(const Statement& statement, const Asker& asker) {
    const Words words{statement.words};
    if (words[0] != "set" || words.size() < 3) {
        return std::nullopt;
    }
    if (is_session_setting(words)) {
        return acknowledge("SET");
    }
    auto assignment = read_assignment(statement.text);
    if (!assignment) {
        return std::nullopt;
    }
    return acknowledged(order_to_set(*std::move(assignment), asker.config, asker.role), "SET");
}

std::optional<Decision> explain_policy(const Statement& statement, const Asker& asker) {
    auto question = read_policy_question(statement, asker.config);
    if (!question) {
        return std::nullopt;
    }
    if (auto* refusal = std::get_if<protocol::ErrorFields>(&*question)) {
        return std::move(*refusal);
    }
    Action action = acknowledge("EXPLAIN");
    const auto columns = policy_columns();
    action.columns.assign(columns.begin(), columns.end());
    action.policy =
        std::make_shared<const PolicyQuestion>(std::get<PolicyQuestion>(*std::move(question)));
    return action;
}

std::string upper(std::string_view text) {
    std::string result{text};
    std::transform(result.begin(), result.end(), result.begin(), [](char c) {
        return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    });
    return result;
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
            {"current_database", ColumnType::Text}, asker.config.admin.database, "SELECT");
    }
    if (matches(call,
                {"oid", ",", "typbasetype", "from", "pg_type", "where", "typname", "=", "'lo'"})) {
        // psqlODBC looks for a type for large objects when it connects; number 0 means none.
        Action action = one_value({"oid", ColumnType::Int4}, std::int64_t{0}, "SELECT");
        action.columns.push_back({"typbasetype", ColumnType::Int4});
        action.rows.front().emplace_back(std::int64_t{0});
        return action;
    }
    if (matches(call, {"pg_advisory_unlock_all", "(", ")"})) {
        return one_value({"pg_advisory_unlock_all", ColumnType::Text}, "", "SELECT");
    }
    return std::nullopt;
}

Decision query(const Statement& statement, const Asker& asker) {
    if (auto action = answer_type_loading(statement)) {
        return *std::move(action);
    }
    for (const std::string& word : statement.words) {
        if (word == "pg_catalog" || word == "information_schema" || word == "regclass") {
            return error_fields(sqlstate::kFeatureNotSupported,
                                "the admin database has no system catalogs; SHOW HELP lists what "
                                "it has");
        }
    }
    auto plan = plan_select(statement.text, asker.role);
    if (auto* refusal = std::get_if<protocol::ErrorFields>(&plan)) {
        return std::move(*refusal);
    }
    Action action = acknowledge("SELECT");
    action.select = std::make_shared<const SelectPlan>(std::get<SelectPlan>(std::move(plan)));
    return action;
}

Outcome courtesy(Words words, const Asker& asker) {
    if (words[0] == "show") {
        return show_parameter(words, asker);
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
    // PgBouncer takes SELECT POOLS for SHOW POOLS.
    if (words.size() == 2 && (words[0] == "show" || words[0] == "select")) {
        if (const Command* command = find_command(lower(words[1])); command != nullptr) {
            if (auto refusal = refuse(command->role, asker.role)) {
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
    if (auto order = read_order(statement, asker.role)) {
        return acknowledged(*std::move(order), upper(words[0]));
    }
    if (auto decision = set(statement, asker)) {
        return *std::move(decision);
    }
    if (auto decision = explain_policy(statement, asker)) {
        return *std::move(decision);
    }
    if (Outcome action = courtesy(words, asker)) {
        return *std::move(action);
    }
    if (words[0] == "select" || words[0] == "with" || words[0] == "values") {
        return query(statement, asker);
    }
    // A long statement would make a long line in the client's log.
    constexpr std::size_t kQuotedMax = 200;
    return error_fields(
        sqlstate::kSyntaxError,
        "invalid command '" + statement.text.substr(0, kQuotedMax) + "', use SHOW HELP;");
}

}  // namespace weir::admin
