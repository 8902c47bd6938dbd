#include "admin/cache_command.hpp"

#include "base/clock.hpp"

#include <libpq-fe.h>

#include <nlohmann/json.hpp>
#include <poll.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <memory>
#include <string_view>
#include <tuple>
#include <utility>

namespace weir::admin {

namespace {

constexpr int kFine = 0;
constexpr int kFailed = 2;
constexpr std::chrono::seconds kLimit{5};  // for each of the two: logging in, and the answer
constexpr const char* kConnectTimeout = "5";

using Connection = std::unique_ptr<PGconn, decltype(&PQfinish)>;
using Result = std::unique_ptr<PGresult, decltype(&PQclear)>;

bool is_plain(std::string_view secret) {
    return !secret.starts_with("md5") && !secret.starts_with("SCRAM-SHA-256$");
}

/// @return the address to reach a listener by that listens on all of them
std::string reachable(const std::string& host) {
    if (host == "*" || host == "0.0.0.0") {
        return "127.0.0.1";
    }
    return host == "::" ? "::1" : host;
}

std::string quoted(const std::string& text) {
    std::string literal = "'";
    for (const char c : text) {
        literal.append(c == '\'' ? 2 : 1, c);
    }
    return literal + "'";
}

/// libpq's messages end with a line feed.
std::string told(const char* message) {
    std::string text{message == nullptr ? "" : message};
    while (!text.empty() && text.back() == '\n') {
        text.pop_back();
    }
    return text;
}

/// Prints what the admin database remarks.
void print_notice(void* out, const PGresult* notice) {
    const char* text = PQresultErrorField(notice, PG_DIAG_MESSAGE_PRIMARY);
    *static_cast<std::ostream*>(out) << (text == nullptr ? "" : text) << '\n';
}

Connection log_in(const AdminLogin& login) {
    const std::array<std::pair<const char*, const char*>, 7> parameters{
        {{"host", login.host.c_str()},
         {"port", login.port.c_str()},
         {"dbname", login.database.c_str()},
         {"user", login.user.c_str()},
         {"password", login.password.c_str()},  // an empty one counts as none
         {"connect_timeout", kConnectTimeout},
         {"application_name", "weir cache"}}};
    std::array<const char*, parameters.size() + 1> names{};
    std::array<const char*, parameters.size() + 1> values{};
    for (std::size_t i = 0; i < parameters.size(); ++i) {
        std::tie(names[i], values[i]) = parameters[i];
    }
    return {PQconnectdbParams(names.data(), values.data(), /*expand_dbname=*/0), &PQfinish};
}

/// @return null where there was none in time
Result ask(PGconn& connection, const std::string& sql) {
    Result none{nullptr, &PQclear};
    if (PQsendQuery(&connection, sql.c_str()) == 0) {
        return none;
    }
    const TimePoint deadline = Clock::now() + kLimit;
    while (PQisBusy(&connection) != 0) {
        const auto left =
            std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
        pollfd socket{PQsocket(&connection), POLLIN, 0};
        if (left <= 0 || poll(&socket, 1, static_cast<int>(left)) < 0 ||
            PQconsumeInput(&connection) == 0) {
            return none;
        }
    }
    return {PQgetResult(&connection), &PQclear};
}

/// Logs in and asks. @return null after having said what is wrong
Result answer_to(const CacheCommand& command, const std::string& sql) {
    Result none{nullptr, &PQclear};
    if (command.user.empty() && command.config.admin.admins.empty()) {
        command.problems << "weir: admin.admins names nobody; --user says who asks\n";
        return none;
    }
    const Connection connection = log_in(admin_login_of(command.config, command.user));
    if (PQstatus(connection.get()) != CONNECTION_OK) {
        command.problems << "weir: " << told(PQerrorMessage(connection.get())) << '\n';
        return none;
    }
    PQsetNoticeReceiver(connection.get(), &print_notice, &command.out);
    Result result = ask(*connection, sql);
    const ExecStatusType status = PQresultStatus(result.get());
    if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK) {
        return result;
    }
    const std::string why = told(PQerrorMessage(connection.get()));
    command.problems << "weir: " << (why.empty() ? "no answer in time" : why) << '\n';
    return none;
}

/// @return the value as a number where it is one
nlohmann::ordered_json json_of(const PGresult& result, int row, int column) {
    if (PQgetisnull(&result, row, column) != 0) {
        return {};
    }
    const std::string_view text = PQgetvalue(&result, row, column);
    const char* const end = text.data() + text.size();
    std::int64_t whole = 0;
    if (const auto [at, error] = std::from_chars(text.data(), end, whole);
        error == std::errc{} && at == end) {
        return whole;
    }
    double number = 0;
    if (const auto [at, error] = std::from_chars(text.data(), end, number);
        error == std::errc{} && at == end) {
        return number;
    }
    return text;
}

nlohmann::ordered_json json_of(const PGresult& result, int row) {
    nlohmann::ordered_json all = nlohmann::ordered_json::object();
    for (int i = 0; i < PQnfields(&result); ++i) {
        all[PQfname(&result, i)] = json_of(result, row, i);
    }
    return all;
}

std::string text_of(const PGresult& result, int row, int column) {
    return PQgetisnull(&result, row, column) != 0 ? "-" : PQgetvalue(&result, row, column);
}

/// A line for each rule: its name, then what is counted of it.
void print_rules(const PGresult& rules, std::ostream& out) {
    constexpr std::size_t kNameColumn = 14;
    for (int row = 0; row < PQntuples(&rules); ++row) {
        std::string name = text_of(rules, row, 0);
        name.resize(std::max(name.size() + 1, kNameColumn), ' ');
        out << (row == 0 ? "\n" : "") << name;
        for (int i = 1; i < PQnfields(&rules); ++i) {
            out << (i > 1 ? " " : "") << PQfname(&rules, i) << '=' << text_of(rules, row, i);
        }
        out << '\n';
    }
}

}  // namespace

AdminLogin admin_login_of(const conf::Config& config, const std::string& user) {
    AdminLogin login;
    const conf::Address& listener = config.listen.addresses.front();
    const bool is_tcp = listener.kind == conf::Address::Kind::Tcp;
    const auto slash = listener.path.rfind('/');
    login.host = is_tcp ? reachable(listener.host)
                        : listener.path.substr(0, slash == std::string::npos ? 0 : slash);
    login.port = std::to_string(listener.port);
    login.database = config.admin.database;
    login.user = user;
    if (user.empty() && !config.admin.admins.empty()) {
        login.user = config.admin.admins.front();
    }
    const conf::UserSettings* known = config.find_user(login.user);
    if (known != nullptr && known->has_secret && is_plain(known->secret)) {
        login.password = known->secret;
    }
    return login;
}

std::string clear_cache_sql(const CacheChoice& choice) {
    if (!choice.pattern.empty()) {
        return "CLEAR CACHE MATCHING " + quoted(choice.pattern);
    }
    return choice.table.empty() ? "CLEAR CACHE" : "CLEAR CACHE " + quoted(choice.table);
}

int print_cache(const CacheCommand& command, CacheForm form) {
    const Result result = answer_to(command, "SHOW CACHE");
    const Result rules =
        result == nullptr ? Result{nullptr, &PQclear} : answer_to(command, "SHOW CACHE_RULES");
    if (rules == nullptr) {
        return kFailed;
    }
    if (form == CacheForm::Json) {
        nlohmann::ordered_json all = json_of(*result, 0);
        all["rules"] = nlohmann::ordered_json::array();
        for (int row = 0; row < PQntuples(rules.get()); ++row) {
            all["rules"].push_back(json_of(*rules, row));
        }
        command.out << all.dump() << '\n';
        return kFine;
    }
    constexpr std::size_t kNameColumn = 14;
    for (int i = 0; i < PQnfields(result.get()); ++i) {
        std::string name = PQfname(result.get(), i);
        name.resize(std::max(name.size() + 1, kNameColumn), ' ');
        command.out << name << text_of(*result, 0, i) << '\n';
    }
    print_rules(*rules, command.out);
    return kFine;
}

int clear_cache(const CacheCommand& command, const CacheChoice& choice) {
    return answer_to(command, clear_cache_sql(choice)) == nullptr ? kFailed : kFine;
}

}  // namespace weir::admin
