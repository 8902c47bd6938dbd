#include "admin/orders.hpp"

#include "conf/change.hpp"
#include "conf/leaves.hpp"
#include "conf/units.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

namespace weir::admin {

namespace {

using control::Order;
using control::Verb;
using Argument = OrderCommand::Argument;
using Outcome = std::variant<Order, protocol::ErrorFields>;

constexpr std::array kOrders{
    OrderCommand{"reload", Verb::Reload, Role::Admin, Argument::None, "RELOAD"},
    OrderCommand{"pause",
                 Verb::Pause,
                 Role::Admin,
                 Argument::MayHaveDatabase,
                 "PAUSE [<db>] [TIMEOUT <seconds>]"},
    OrderCommand{"resume", Verb::Resume, Role::Admin, Argument::MayHaveDatabase, "RESUME [<db>]"},
    OrderCommand{"disable", Verb::Disable, Role::Admin, Argument::NeedsDatabase, "DISABLE <db>"},
    OrderCommand{"enable", Verb::Enable, Role::Admin, Argument::NeedsDatabase, "ENABLE <db>"},
    OrderCommand{
        "reconnect", Verb::Reconnect, Role::Admin, Argument::MayHaveDatabase, "RECONNECT [<db>]"},
    OrderCommand{"kill", Verb::Kill, Role::Admin, Argument::MayHaveDatabase, "KILL [<db>]"},
    OrderCommand{
        "kill_client", Verb::KillClient, Role::Admin, Argument::Client, "KILL_CLIENT <client_id>"},
    OrderCommand{
        "reset", Verb::ResetBreaker, Role::Admin, Argument::Breaker, "RESET BREAKER [<member>]"},
    OrderCommand{"clear",
                 Verb::ClearCache,
                 Role::Admin,
                 Argument::Cache,
                 "CLEAR CACHE [<table>|MATCHING '<pattern>']"},
    OrderCommand{"run", Verb::RunJob, Role::Admin, Argument::Job, "RUN JOB <job>"},
    OrderCommand{"suspend", Verb::Suspend, Role::Admin, Argument::None, "SUSPEND"},
    OrderCommand{"shutdown",
                 Verb::Shutdown,
                 Role::Admin,
                 Argument::Mode,
                 "SHUTDOWN [WAIT_FOR_SERVERS|WAIT_FOR_CLIENTS]"},
    OrderCommand{
        "wait_close", Verb::WaitClose, Role::Admin, Argument::MayHaveDatabase, "WAIT_CLOSE [<db>]"},
};

protocol::ErrorFields problem(SqlState sqlstate, std::string message) {
    return {.severity = protocol::Severity::Error,
            .sqlstate = sqlstate,
            .message = std::move(message),
            .detail = "",
            .hint = ""};
}

Outcome misused(const OrderCommand& command) {
    return problem(sqlstate::kSyntaxError, "usage: " + std::string{command.usage});
}

/// @return the time behind TIMEOUT: seconds, or with a unit
std::optional<std::chrono::milliseconds> read_timeout(std::span<const std::string> words) {
    std::string text;
    for (const std::string& word : words) {
        text += word;
    }
    if (text.size() > 1 && text.front() == '\'') {
        text = text.substr(1, text.size() - 2);
    }
    double seconds = 0;
    const char* end = text.data() + text.size();
    constexpr double kSecondsMax = 1e8;
    constexpr double kMillisecondsPerSecond = 1000;
    if (const auto [at, error] = std::from_chars(text.data(), end, seconds);
        error == std::errc{} && at == end) {
        if (seconds > 0 && seconds < kSecondsMax) {
            return std::chrono::milliseconds{
                static_cast<std::int64_t>(seconds * kMillisecondsPerSecond)};
        }
        return std::nullopt;
    }
    const auto parsed = conf::parse_duration(text);
    return parsed.value && *parsed.value > std::chrono::milliseconds::zero() ? parsed.value
                                                                             : std::nullopt;
}

/// A name as typed, also 'in quotes' of either kind.
std::string name_of(const Statement& statement, std::size_t index) {
    const std::string& typed = statement.typed[index];
    return typed.size() > 1 && typed.front() == '\'' ? typed.substr(1, typed.size() - 2) : typed;
}

Outcome read_database(const OrderCommand& command, const Statement& statement) {
    Order order;
    order.verb = command.verb;
    std::size_t count = statement.words.size();
    if (command.verb == Verb::Pause) {
        // A database may have that name: it is one where no time follows.
        const auto begin = statement.words.begin();
        const auto timeout = std::find(begin + 1, statement.words.end(), "timeout");
        const auto index = static_cast<std::size_t>(timeout - begin);
        if (index + 1 < count) {
            order.timeout = read_timeout(std::span{statement.words}.subspan(index + 1));
            if (!order.timeout) {
                return misused(command);
            }
            count = index;
        }
    }
    if (count > 2) {
        return misused(command);
    }
    if (count == 2) {
        order.database = name_of(statement, 1);
        if (order.database.empty()) {
            return misused(command);
        }
    } else if (command.argument == Argument::NeedsDatabase) {
        return problem(sqlstate::kSyntaxError, "a database is required");
    }
    return order;
}

Outcome read_client(const OrderCommand& command, const Statement& statement) {
    Order order;
    order.verb = command.verb;
    if (statement.words.size() != 2) {
        return misused(command);
    }
    const std::string text = name_of(statement, 1);
    const char* end = text.data() + text.size();
    const auto [at, error] = std::from_chars(text.data(), end, order.client);
    if (error != std::errc{} || at != end) {
        return problem(sqlstate::kInvalidParameterValue, "invalid client pointer supplied");
    }
    return order;
}

/// A member's address is several words, unless it stands in quotes.
Outcome read_breaker(const OrderCommand& command, const Statement& statement) {
    Order order;
    order.verb = command.verb;
    for (std::size_t i = 2; i < statement.words.size(); ++i) {
        order.member += name_of(statement, i);
    }
    return order;
}

/// A table's name is several words where its schema stands before it.
Outcome read_cache(const OrderCommand& command, const Statement& statement) {
    const auto& words = statement.words;
    if (words.size() < 2 || words[1] != "cache") {
        return misused(command);
    }
    Order order;
    order.verb = command.verb;
    if (words.size() == 2) {
        return order;
    }
    if (words.size() == 4 && words[2] == "matching") {
        order.pattern = name_of(statement, 3);
        return order.pattern.empty() ? misused(command) : Outcome{order};
    }
    const bool has_schema = words.size() == 5 && words[3] == ".";
    if (words.size() != 3 && !has_schema) {
        return misused(command);
    }
    for (std::size_t i = 2; i < words.size(); ++i) {
        order.table += name_of(statement, i);
    }
    return order.table.empty() ? misused(command) : Outcome{order};
}

Outcome read_mode(const OrderCommand& command, const Statement& statement) {
    Order order;
    order.verb = command.verb;
    const auto& words = statement.words;
    if (words.size() == 1) {
        return order;
    }
    if (words.size() == 2 && words[1] == "wait_for_servers") {
        order.shutdown = control::ShutdownMode::WaitForServers;
        return order;
    }
    if (words.size() == 2 && words[1] == "wait_for_clients") {
        order.shutdown = control::ShutdownMode::WaitForClients;
        return order;
    }
    return misused(command);
}

bool is_blank(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

std::string_view without_blanks(std::string_view text) {
    while (!text.empty() && is_blank(text.front())) {
        text.remove_prefix(1);
    }
    while (!text.empty() && is_blank(text.back())) {
        text.remove_suffix(1);
    }
    return text;
}

/// @return the text between single quotes, '' in it being one; the text itself where there are none
std::string unquoted(std::string_view text) {
    if (text.size() < 2 || text.front() != '\'' || text.back() != '\'') {
        return std::string{text};
    }
    text = text.substr(1, text.size() - 2);
    std::string value;
    for (std::size_t i = 0; i < text.size(); ++i) {
        value += text[i];
        if (text.substr(i).starts_with("''")) {
            ++i;
        }
    }
    return value;
}

constexpr std::size_t kValueMax = 200;

std::string_view mode_of(control::ShutdownMode mode) {
    switch (mode) {
        case control::ShutdownMode::Immediate: return "";
        case control::ShutdownMode::WaitForServers: return " WAIT_FOR_SERVERS";
        case control::ShutdownMode::WaitForClients: return " WAIT_FOR_CLIENTS";
    }
    return "";
}

bool begins_with_word(std::string_view text, std::string_view lower_case) {
    return text.size() > lower_case.size() && is_blank(text[lower_case.size()]) &&
           std::equal(lower_case.begin(), lower_case.end(), text.begin(), [](char a, char b) {
               return a == (b >= 'A' && b <= 'Z' ? static_cast<char>(b - 'A' + 'a') : b);
           });
}

/// A job's name is all that follows, whatever it consists of; it may stand in quotes.
Outcome read_job(const OrderCommand& command, const Statement& statement) {
    std::string_view text = statement.text;
    for (const std::string_view word : {"run", "job"}) {
        if (!begins_with_word(text, word)) {
            return misused(command);
        }
        text = without_blanks(text.substr(word.size()));
    }
    const bool is_quoted =
        text.size() > 1 && text.front() == '"' && text.find('"', 1) == text.size() - 1;
    Order order;
    order.verb = command.verb;
    order.job = is_quoted ? std::string{text.substr(1, text.size() - 2)} : unquoted(text);
    return order.job.empty() ? misused(command) : Outcome{order};
}

}  // namespace

std::span<const OrderCommand> order_commands() {
    return kOrders;
}

std::optional<Outcome> read_order(const Statement& statement, Role role) {
    const std::string& word = statement.words.front();
    const auto* const command =
        std::find_if(kOrders.begin(), kOrders.end(), [&word](const OrderCommand& one) {
            return one.word == word;
        });
    if (command == kOrders.end()) {
        return std::nullopt;
    }
    const bool is_of_session = command->verb == Verb::ResetBreaker &&
                               (statement.words.size() < 2 || statement.words[1] != "breaker");
    if (is_of_session) {
        return std::nullopt;  // RESET ALL and the like
    }
    if (auto refusal = refuse(command->role, role)) {
        return Outcome{*std::move(refusal)};
    }
    switch (command->argument) {
        case Argument::None: {
            Order order;
            order.verb = command->verb;
            return statement.words.size() == 1 ? Outcome{order} : misused(*command);
        }
        case Argument::MayHaveDatabase:
        case Argument::NeedsDatabase: return read_database(*command, statement);
        case Argument::Client: return read_client(*command, statement);
        case Argument::Mode: return read_mode(*command, statement);
        case Argument::Breaker: return read_breaker(*command, statement);
        case Argument::Cache: return read_cache(*command, statement);
        case Argument::Job: return read_job(*command, statement);
    }
    return std::nullopt;
}

std::optional<Assignment> read_assignment(std::string_view text) {
    constexpr std::string_view kSet = "set";
    if (!begins_with_word(text, kSet)) {
        return std::nullopt;
    }
    text = without_blanks(text.substr(kSet.size()));
    std::size_t end = 0;
    for (bool is_quoted = false;
         end < text.size() && (is_quoted || (text[end] != '=' && !is_blank(text[end])));
         ++end) {
        is_quoted = is_quoted != (text[end] == '"');
    }
    Assignment assignment;
    assignment.key = text.substr(0, end);
    text = without_blanks(text.substr(end));
    if (text.starts_with('=')) {
        text.remove_prefix(1);
    } else if (begins_with_word(text, "to")) {
        text.remove_prefix(2);
    } else {
        return std::nullopt;
    }
    assignment.value = unquoted(without_blanks(text));
    return assignment.key.empty() ? std::nullopt : std::optional{std::move(assignment)};
}

Outcome order_to_set(Assignment assignment, const conf::Config& config, Role role) {
    if (!conf::is_setting(config, assignment.key)) {
        return problem(sqlstate::kUndefinedObject,
                       "unrecognized configuration parameter \"" + assignment.key +
                           "\"; SHOW CONFIG lists those there are");
    }
    if (auto refusal = refuse(Role::Admin, role)) {
        return *std::move(refusal);
    }
    Order order;
    order.verb = Verb::Set;
    order.key = std::move(assignment.key);
    order.value = std::move(assignment.value);
    return order;
}

std::string action_of(const Order& order) {
    switch (order.verb) {
        case Verb::Set: return "SET";
        case Verb::ResetBreaker: return "RESET BREAKER";
        case Verb::ClearCache: return "CLEAR CACHE";
        case Verb::RunJob: return "RUN JOB";
        default: break;
    }
    const auto* const command =
        std::find_if(kOrders.begin(), kOrders.end(), [&order](const OrderCommand& one) {
            return one.verb == order.verb;
        });
    std::string word{command == kOrders.end() ? "" : command->word};
    std::transform(word.begin(), word.end(), word.begin(), [](char c) {
        return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    });
    return word;
}

std::string text_of(const Order& order, const conf::Config& config) {
    std::string text = action_of(order);
    if (order.verb == Verb::Set) {
        return text + " " + order.key.substr(0, kValueMax) + " = " +
               (conf::is_secret(config, order.key) ? std::string{conf::kMask}
                                                   : order.value.substr(0, kValueMax));
    }
    for (const std::string& name : {order.database, order.member, order.table, order.job}) {
        text += name.empty() ? "" : " " + name.substr(0, kValueMax);
    }
    if (order.verb == Verb::KillClient) {
        text += " " + std::to_string(order.client);
    }
    if (!order.pattern.empty()) {
        text += " MATCHING '" + order.pattern.substr(0, kValueMax) + "'";
    }
    if (order.timeout) {
        text += " TIMEOUT '" + std::to_string(order.timeout->count()) + "ms'";
    }
    return text + std::string{mode_of(order.shutdown)};
}

}  // namespace weir::admin
