#include "pool/member_probe.hpp"

#include "base/check.hpp"
#include "net/socket.hpp"

#include <libpq-fe.h>

#include <array>
#include <utility>

namespace weir::pool {

namespace {

constexpr std::size_t kRowsMax = 200'000;

/// libpq's messages end with a line feed and may be several lines.
std::string one_line(const char* text) {
    std::string line{text == nullptr ? "" : text};
    while (!line.empty() && (line.back() == '\n' || line.back() == ' ')) {
        line.pop_back();
    }
    for (char& c : line) {
        c = c == '\n' ? ' ' : c;
    }
    return line;
}

SqlState sqlstate_of(const PGresult& result) {
    const char* text = PQresultErrorField(&result, PG_DIAG_SQLSTATE);
    const auto sqlstate = SqlState::parse(text == nullptr ? "" : text);
    return sqlstate.value_or(SqlState{});
}

const char* sslmode_of(const Endpoint& endpoint, conf::TlsMode mode) {
    static constexpr std::array<const char*, 6> kModes = {
        "disable", "allow", "prefer", "require", "verify-ca", "verify-full"};
    return endpoint.kind == Endpoint::Kind::Unix ? "disable"
                                                 : kModes[static_cast<std::size_t>(mode)];
}

/// A unix socket is named by its folder and its port.
std::string folder_of(const Endpoint& endpoint) {
    const auto slash = endpoint.path.rfind('/');
    return slash == std::string::npos ? endpoint.path : endpoint.path.substr(0, slash);
}

}  // namespace

void MemberProbe::FinishConnection::operator()(pg_conn* connection) const {
    PQfinish(connection);
}

MemberProbe::MemberProbe(net::EventLoop& loop, Endpoint endpoint, ProbeLogin login)
    : loop_{loop}, endpoint_{std::move(endpoint)}, login_{std::move(login)} {}

MemberProbe::~MemberProbe() {
    close();
}

void MemberProbe::close() {
    watch_.reset();  // before libpq closes its socket
    watched_fd_ = -1;
    connection_.reset();
    connector_.reset();
}

void MemberProbe::ask(std::string sql, Duration within, OnAnswer on_answer) {
    WEIR_CHECK(on_answer_ == nullptr);
    sql_ = std::move(sql);
    on_answer_ = std::move(on_answer);
    answer_ = {};
    loop_.set_deadline(deadline_, loop_.now() + within);
    is_by_old_connection_ = connection_ != nullptr && PQstatus(connection_.get()) == CONNECTION_OK;
    if (is_by_old_connection_) {
        send_question();
    } else {
        close();
        reach();
    }
}

void MemberProbe::doubt() {
    const bool is_under_way = on_answer_ != nullptr && !has_failed_;
    if (is_under_way && std::exchange(is_by_old_connection_, false)) {
        answer_ = {};
        close();
        reach();
    }
}

/// Finds an address that takes connections: libpq would look names up on this thread, and wait.
void MemberProbe::reach() {
    if (endpoint_.kind == Endpoint::Kind::Unix) {
        connect({});
        return;
    }
    connector_ = std::make_unique<net::Connector>(
        loop_, endpoint_, deadline_.due(), [this](Result<net::Fd> result) {
            on_reached(std::move(result));
        });
}

void MemberProbe::on_reached(Result<net::Fd> result) {
    loop_.defer_delete(std::move(connector_));
    if (!result) {
        const int detail = result.error().detail();
        fail(std::string{result.error().what()} +
                 (detail != 0 ? ": " + net::error_text(detail) : ""),
             /*is_up=*/false);
        return;
    }
    connect(net::peer_name(result->get()).address);
}

void MemberProbe::connect(const std::string& numeric_host) {
    const std::string port = std::to_string(endpoint_.port);
    const std::string host =
        endpoint_.kind == Endpoint::Kind::Unix ? folder_of(endpoint_) : endpoint_.host;
    const auto& tls = login_.tls;
    const std::array<std::pair<const char*, std::string>, 15> parameters = {{
        {"host", host},
        {"hostaddr", numeric_host},
        {"port", port},
        {"user", login_.user},
        {"password", login_.password},
        {"dbname", login_.database},
        {"application_name", "weir"},
        {"client_encoding", "UTF8"},
        {"sslmode", sslmode_of(endpoint_, tls.mode)},
        {"sslrootcert", tls.ca_file},
        {"sslcert", tls.cert_file},
        {"sslkey", tls.key_file},
        {"ssl_min_protocol_version",
         tls.min_version == conf::TlsVersion::V13 ? "TLSv1.3" : "TLSv1.2"},
        {"gssencmode", "disable"},
        // Nothing of the environment or of somebody's home is to decide.
        {"passfile", "/dev/null/none"},
    }};
    std::vector<const char*> keywords;
    std::vector<const char*> values;
    for (const auto& [keyword, value] : parameters) {
        if (!value.empty()) {
            keywords.push_back(keyword);
            values.push_back(value.c_str());
        }
    }
    keywords.push_back(nullptr);
    values.push_back(nullptr);
    connection_.reset(PQconnectStartParams(keywords.data(), values.data(), /*expand_dbname=*/0));
    if (connection_ == nullptr || PQstatus(connection_.get()) == CONNECTION_BAD) {
        fail_as_libpq_says(/*is_up=*/false);
        return;
    }
    watch(net::FdWatch::Until::Writable, &MemberProbe::go_on_connecting);
}

void MemberProbe::go_on_connecting() {
    switch (PQconnectPoll(connection_.get())) {
        case PGRES_POLLING_READING:
            watch(net::FdWatch::Until::Readable, &MemberProbe::go_on_connecting);
            return;
        case PGRES_POLLING_WRITING:
            watch(net::FdWatch::Until::Writable, &MemberProbe::go_on_connecting);
            return;
        case PGRES_POLLING_OK: send_question(); return;
        default: fail_as_libpq_says(/*is_up=*/true); return;
    }
}

void MemberProbe::send_question() {
    PQsetnonblocking(connection_.get(), 1);
    answer_.asked_at = Clock::now();
    if (PQsendQuery(connection_.get(), sql_.c_str()) == 0) {
        fail_as_libpq_says(/*is_up=*/true);
        return;
    }
    flush_question();
}

void MemberProbe::flush_question() {
    const int left = PQflush(connection_.get());
    if (left < 0) {
        fail_as_libpq_says(/*is_up=*/true);
    } else if (left > 0) {
        watch(net::FdWatch::Until::Writable, &MemberProbe::flush_question);
    } else {
        watch(net::FdWatch::Until::Readable, &MemberProbe::read_answer);
    }
}

void MemberProbe::read_answer() {
    if (PQconsumeInput(connection_.get()) == 0) {
        fail_as_libpq_says(/*is_up=*/false);
        return;
    }
    while (PQisBusy(connection_.get()) == 0) {
        const std::unique_ptr<PGresult, decltype(&PQclear)> result{PQgetResult(connection_.get()),
                                                                   &PQclear};
        if (result == nullptr) {
            answer_.is_up = true;
            if (const char* address = PQhostaddr(connection_.get()); address != nullptr) {
                answer_.address = address;
            }
            watch_->stop();
            tell_answer();
            return;
        }
        take(*result);
    }
}

void MemberProbe::take(const pg_result& result) {
    if (PQresultStatus(&result) != PGRES_TUPLES_OK) {
        answer_.sqlstate = sqlstate_of(result);
        answer_.problem = one_line(PQresultErrorField(&result, PG_DIAG_MESSAGE_PRIMARY));
        if (answer_.problem.empty()) {
            answer_.problem = one_line(PQresultErrorMessage(&result));
        }
        return;
    }
    for (int row = 0; row < PQntuples(&result) && answer_.rows.size() < kRowsMax; ++row) {
        std::vector<std::string>& cells = answer_.rows.emplace_back();
        for (int column = 0; column < PQnfields(&result); ++column) {
            cells.emplace_back(PQgetvalue(&result, row, column),
                               static_cast<std::size_t>(PQgetlength(&result, row, column)));
        }
    }
}

/// libpq may go on with another socket.
void MemberProbe::watch(net::FdWatch::Until until, void (MemberProbe::*step)()) {
    const int fd = PQsocket(connection_.get());
    step_ = step;
    if (watch_ == nullptr || fd != watched_fd_) {
        watch_.reset();
        watch_ = std::make_unique<net::FdWatch>(loop_, fd, [this] { (this->*step_)(); });
        watched_fd_ = fd;
    }
    if (!watch_->is_open()) {
        fail("its socket cannot be watched", /*is_up=*/false);
        return;
    }
    watch_->wait(until);
}

/// @param is_up it has taken the connection, whatever it says now
void MemberProbe::fail_as_libpq_says(bool is_up) {
    std::string problem =
        connection_ == nullptr ? "out of memory" : one_line(PQerrorMessage(connection_.get()));
    // Before it is ready a server says so and closes; afterwards it may refuse who asks.
    const bool is_starting = problem.find("the database system is") != std::string::npos;
    const bool has_spoken = problem.find("FATAL") != std::string::npos;
    fail(std::move(problem), is_up && has_spoken && !is_starting);
}

/// It is told in a later turn: who asks may still be on the stack.
void MemberProbe::fail(std::string problem, bool is_up) {
    answer_.rows.clear();
    answer_.problem = std::move(problem);
    answer_.is_up = is_up;
    close();
    has_failed_ = true;
    loop_.set_deadline(deadline_, loop_.now());
}

void MemberProbe::tell_answer() {
    deadline_.clear();
    has_failed_ = false;
    answer_.answered_at = Clock::now();
    const OnAnswer on_answer = std::exchange(on_answer_, nullptr);
    on_answer(std::exchange(answer_, {}));
}

void MemberProbe::on_deadline(net::Deadline& /*deadline*/) {
    if (!has_failed_) {
        fail("no answer in time", /*is_up=*/false);
    }
    tell_answer();
}

}  // namespace weir::pool
