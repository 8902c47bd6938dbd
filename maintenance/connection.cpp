#include "maintenance/connection.hpp"

#include <poll.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <utility>

namespace weir::maintenance {

namespace {

using std::chrono::milliseconds;

/// How often a wait looks whether it is to end.
constexpr milliseconds kLook{50};
/// How long a cancelled statement may take to end before the connection is given up.
constexpr milliseconds kCancelGrace{10'000};
constexpr const char* kRollback = "ROLLBACK";  // is never cancelled

using Result = std::unique_ptr<PGresult, decltype(&PQclear)>;

std::string trimmed(const char* message) {
    std::string text{message == nullptr ? "" : message};
    while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) {
        text.pop_back();
    }
    std::replace(text.begin(), text.end(), '\n', ' ');
    return text;
}

std::string field(const PGresult* result, int code) {
    return trimmed(PQresultErrorField(result, code));
}

Problem problem_of(const PGresult* result) {
    Problem problem;
    problem.text = field(result, PG_DIAG_MESSAGE_PRIMARY);
    problem.sqlstate = field(result, PG_DIAG_SQLSTATE);
    problem.detail = field(result, PG_DIAG_MESSAGE_DETAIL);
    if (const std::string hint = field(result, PG_DIAG_MESSAGE_HINT); !hint.empty()) {
        problem.detail += (problem.detail.empty() ? "" : "; ") + hint;
    }
    if (problem.text.empty()) {
        problem.text = trimmed(PQresultErrorMessage(result));
    }
    return problem;
}

bool is_fine(const PGresult* result) {
    const ExecStatusType status = PQresultStatus(result);
    return status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK || status == PGRES_EMPTY_QUERY;
}

/// @return whether the server has ended the session with it
bool is_fatal(const PGresult* result) {
    const std::string severity = field(result, PG_DIAG_SEVERITY_NONLOCALIZED);
    return severity == "FATAL" || severity == "PANIC";
}

bool is_copy(const PGresult* result) {
    const ExecStatusType status = PQresultStatus(result);
    return status == PGRES_COPY_IN || status == PGRES_COPY_OUT || status == PGRES_COPY_BOTH;
}

/// What newer servers may end a session or a statement by: connections wait for the next job, and
/// jobs have limits of their own. Older ones refuse to be started with these.
std::string no_limits_sql(int version) {
    constexpr int kIdleSession = 140'000;
    constexpr int kTransaction = 170'000;
    std::string sql = version >= kIdleSession ? "SET idle_session_timeout = 0; " : "";
    return sql + (version >= kTransaction ? "SET transaction_timeout = 0; " : "");
}

void tell(void* told, const PGresult* notice) {
    const auto& function = *static_cast<const Connection::Told*>(told);
    if (function) {
        function(problem_of(notice));
    }
}

}  // namespace

Rows::Rows(PGresult* result) : result_{result, &PQclear} {}

std::size_t Rows::size() const {
    return static_cast<std::size_t>(PQntuples(result_.get()));
}

std::size_t Rows::columns() const {
    return static_cast<std::size_t>(PQnfields(result_.get()));
}

std::string_view Rows::name(std::size_t column) const {
    return PQfname(result_.get(), static_cast<int>(column));
}

bool Rows::is_null(std::size_t row, std::size_t column) const {
    return PQgetisnull(result_.get(), static_cast<int>(row), static_cast<int>(column)) != 0;
}

std::string_view Rows::view(std::size_t row, std::size_t column) const {
    const int at_row = static_cast<int>(row);
    const int at_column = static_cast<int>(column);
    return {PQgetvalue(result_.get(), at_row, at_column),
            static_cast<std::size_t>(PQgetlength(result_.get(), at_row, at_column))};
}

std::string Rows::text(std::size_t row, std::size_t column) const {
    return std::string{view(row, column)};
}

std::optional<std::string> Rows::maybe(std::size_t row, std::size_t column) const {
    return is_null(row, column) ? std::nullopt : std::optional{text(row, column)};
}

std::int64_t Rows::number(std::size_t row, std::size_t column) const {
    const std::string_view value = view(row, column);
    std::int64_t number = 0;
    std::from_chars(value.data(), value.data() + value.size(), number);
    return number;
}

double Rows::real(std::size_t row, std::size_t column) const {
    const std::string_view value = view(row, column);
    double number = 0;
    std::from_chars(value.data(), value.data() + value.size(), number);
    return number;
}

bool Rows::flag(std::size_t row, std::size_t column) const {
    return view(row, column) == "t";
}

std::int64_t Rows::affected() const {
    const std::string_view count = PQcmdTuples(result_.get());
    std::int64_t number = 0;
    std::from_chars(count.data(), count.data() + count.size(), number);
    return number;
}

Connection::Connection(Handle handle, const StopSignal* stop)
    : handle_{std::move(handle)}, stop_{stop}, told_{std::make_unique<Told>()} {
    PQsetNoticeReceiver(handle_.get(), &tell, told_.get());
}

Answer<Connection> Connection::open(const ConnectOptions& options, const StopSignal* stop) {
    std::vector<const char*> names;
    std::vector<const char*> values;
    names.reserve(options.size() + 1);
    values.reserve(options.size() + 1);
    for (const auto& [name, value] : options) {
        names.push_back(name.c_str());
        values.push_back(value.c_str());
    }
    names.push_back(nullptr);
    values.push_back(nullptr);
    Handle handle{PQconnectdbParams(names.data(), values.data(), /*expand_dbname=*/0), &PQfinish};
    if (PQstatus(handle.get()) != CONNECTION_OK) {
        return problem(trimmed(PQerrorMessage(handle.get())), {}, state::kConnectionLost);
    }
    Connection connection{std::move(handle), stop};
    const Answer<Rows> recovery = connection.run(no_limits_sql(connection.server_version()) +
                                                 "SELECT pg_catalog.pg_is_in_recovery()");
    if (!recovery) {
        return failed(recovery.error());
    }
    if (recovery->flag(0, 0)) {
        return problem("the server is a standby", "maintenance runs on the primary alone");
    }
    return connection;
}

void Connection::reset_session() {
    if (is_in_transaction()) {
        static_cast<void>(run(kRollback));
    }
    static_cast<void>(
        run("CLOSE ALL; RESET SESSION AUTHORIZATION; RESET ALL; DEALLOCATE ALL; "
            "UNLISTEN *; " +
            no_limits_sql(server_version())));
    static_cast<void>(run("DISCARD TEMP"));
}

Answer<Rows> Connection::run(const std::string& sql,
                             const std::vector<Parameter>& parameters,
                             milliseconds limit) {
    if (stop_ != nullptr && stop_->is_cut() && !is_in_transaction()) {
        return problem("stopped", {}, state::kQueryCanceled);
    }
    int is_sent = 0;
    if (parameters.empty()) {
        is_sent = PQsendQuery(handle_.get(), sql.c_str());
    } else {
        std::vector<const char*> values;
        values.reserve(parameters.size());
        for (const Parameter& parameter : parameters) {
            values.push_back(parameter ? parameter->c_str() : nullptr);
        }
        is_sent = PQsendQueryParams(handle_.get(),
                                    sql.c_str(),
                                    static_cast<int>(values.size()),
                                    nullptr,
                                    values.data(),
                                    nullptr,
                                    nullptr,
                                    0);
    }
    return is_sent == 0 ? Answer<Rows>{failed(lost())} : collect(limit, sql != kRollback);
}

Answer<Rows> Connection::collect(milliseconds limit, bool heeds_stop) {
    const TimePoint deadline = limit > milliseconds{} ? Clock::now() + limit : TimePoint::max();
    Result last{nullptr, &PQclear};
    bool is_failed = false;
    while (true) {
        if (!wait_until(deadline, heeds_stop)) {
            cancel();
            if (!wait_until(Clock::now() + kCancelGrace, /*heeds_stop=*/false)) {
                handle_
                    .reset();  // whatever comes of it: nobody is to read that as another's answer
                return problem("no answer to a cancelled statement", {}, state::kConnectionLost);
            }
        }
        Result next{PQgetResult(handle_.get()), &PQclear};
        if (next == nullptr) {
            break;
        }
        if (is_copy(next.get())) {
            handle_.reset();  // it would wait for rows, or give them, for ever
            return problem("COPY to or from the client is not possible here",
                           "name a file or a program of the server, or use INSERT");
        }
        if (!is_failed) {
            is_failed = !is_fine(next.get());
            last = std::move(next);
        }
        if (PQstatus(handle_.get()) != CONNECTION_OK) {
            break;
        }
    }
    if (last == nullptr) {
        return failed(lost());
    }
    return is_failed ? failed(problem_in(last.get())) : Answer<Rows>{Rows{last.release()}};
}

Problem Connection::problem_in(const PGresult* result) {
    Problem problem = problem_of(result);
    if (is_fatal(result)) {
        handle_.reset();  // its end may not be here yet: nobody is to take it for alive
    }
    if (problem.sqlstate.empty()) {
        problem.sqlstate = state::kConnectionLost;
    }
    return problem;
}

bool Connection::wait_until(TimePoint deadline, bool heeds_stop) {
    while (PQflush(handle_.get()) == 1 || PQisBusy(handle_.get()) != 0) {
        const TimePoint now = Clock::now();
        if (now >= deadline || (heeds_stop && stop_ != nullptr && stop_->is_cut())) {
            return false;
        }
        const auto left = std::chrono::ceil<milliseconds>(deadline - now);
        pollfd socket{PQsocket(handle_.get()), POLLIN, 0};
        poll(&socket, 1, static_cast<int>(std::min(left, kLook).count()));
        if (PQconsumeInput(handle_.get()) == 0) {
            return true;  // broken: the result says so
        }
    }
    return true;
}

void Connection::cancel() {
    const std::unique_ptr<PGcancel, decltype(&PQfreeCancel)> request{PQgetCancel(handle_.get()),
                                                                     &PQfreeCancel};
    std::string error(256, '\0');
    PQcancel(request.get(), error.data(), static_cast<int>(error.size()));
}

Problem Connection::lost() const {
    std::string why = trimmed(PQerrorMessage(handle_.get()));
    return {why.empty() ? "the connection is lost" : std::move(why), state::kConnectionLost, {}};
}

int Connection::server_version() const {
    return PQserverVersion(handle_.get());
}

bool Connection::is_alive() const {
    return PQstatus(handle_.get()) == CONNECTION_OK;
}

bool Connection::is_in_transaction() const {
    const PGTransactionStatusType status = PQtransactionStatus(handle_.get());
    return status == PQTRANS_INTRANS || status == PQTRANS_INERROR;
}

int Connection::backend_pid() const {
    return PQbackendPID(handle_.get());
}

void Connection::on_notice(Told told) {
    *told_ = std::move(told);
}

LockTimeout::LockTimeout(Connection& connection, milliseconds patience) : connection_{connection} {
    static_cast<void>(connection_.run("SET lock_timeout = " + std::to_string(patience.count())));
}

LockTimeout::~LockTimeout() {
    static_cast<void>(connection_.run("RESET lock_timeout"));
}

Answer<Transaction> Transaction::begin(Connection& connection, const std::string& begin) {
    const Answer<Rows> begun = connection.run(begin);
    if (!begun) {
        return failed(begun.error());
    }
    return Transaction{connection};
}

Transaction::~Transaction() {
    if (connection_ != nullptr && connection_->is_alive()) {
        static_cast<void>(connection_->run(kRollback));
    }
}

Answer<Rows> Transaction::commit() {
    Connection* const connection = std::exchange(connection_, nullptr);
    Answer<Rows> done = connection->run("COMMIT");
    if (!done && connection->is_alive()) {
        static_cast<void>(connection->run(kRollback));
    }
    return done;
}

}  // namespace weir::maintenance
