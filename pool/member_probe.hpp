#pragma once

#include "base/clock.hpp"
#include "base/endpoint.hpp"
#include "base/sqlstate.hpp"
#include "conf/model.hpp"
#include "net/connector.hpp"
#include "net/event_loop.hpp"
#include "net/fd_watch.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

struct pg_conn;
struct pg_result;

namespace weir::pool {

/// How a probe logs in to a member.
struct ProbeLogin {
    std::string user;
    std::string password;  ///< plain; "" = none. Never logged.
    std::string database;
    conf::TlsSettings tls;

    bool operator==(const ProbeLogin&) const = default;
};

/// What a question to a member has led to.
struct ProbeAnswer {
    /// Why there are no rows, for a person; "" = there are.
    std::string problem;
    SqlState sqlstate;  ///< of an answer that is an error
    /// Whether a PostgreSQL is there and takes connections: it may still not let us in.
    bool is_up = false;
    std::vector<std::vector<std::string>> rows;  ///< NULL is ""
    std::string address;                         ///< where the server is that has answered
    TimePoint asked_at{};                        ///< before the question was sent
    TimePoint answered_at{};
};

/// A connection of our own to one member of a cluster, by libpq, for short questions: what it is,
/// how far it has come, which functions it has.
///
/// Kept open between questions and opened again after a failure. Names are looked up off the loop:
/// libpq is only given addresses. Lives on one loop; one question at a time. Destroying it drops a
/// question under way without an answer.
class MemberProbe final : private net::DeadlineListener {
public:
    using OnAnswer = std::function<void(ProbeAnswer)>;

    MemberProbe(net::EventLoop& loop, Endpoint endpoint, ProbeLogin login);
    MemberProbe(const MemberProbe&) = delete;
    MemberProbe& operator=(const MemberProbe&) = delete;
    MemberProbe(MemberProbe&&) = delete;
    MemberProbe& operator=(MemberProbe&&) = delete;
    ~MemberProbe();

    /// @param within connecting, logging in and asking together take no longer
    /// @param on_answer runs once, in a later turn; may destroy the probe by defer_delete() only
    void ask(std::string sql, Duration within, OnAnswer on_answer);

    [[nodiscard]] bool is_asking() const { return on_answer_ != nullptr; }

    /// The server may be gone: a question that was sent over a connection from before is asked over
    /// a new one, once, within the time that is left. A connection does not always tell its end.
    void doubt();

    /// Closes the connection; the next question opens another.
    void close();

private:
    struct FinishConnection {
        void operator()(pg_conn* connection) const;
    };

    void reach();
    void on_reached(Result<net::Fd> result);
    void connect(const std::string& numeric_host);
    void go_on_connecting();
    void send_question();
    void flush_question();
    void read_answer();
    void take(const pg_result& result);
    void watch(net::FdWatch::Until until, void (MemberProbe::*step)());
    void fail(std::string problem, bool is_up);
    void fail_as_libpq_says(bool is_up);
    void tell_answer();
    void on_deadline(net::Deadline& deadline) override;

    net::EventLoop& loop_;
    Endpoint endpoint_;
    ProbeLogin login_;
    std::unique_ptr<pg_conn, FinishConnection> connection_;
    std::unique_ptr<net::Connector> connector_;
    std::unique_ptr<net::FdWatch> watch_;
    int watched_fd_ = -1;
    void (MemberProbe::*step_)() = nullptr;
    net::Deadline deadline_{*this};
    std::string sql_;
    OnAnswer on_answer_;
    bool has_failed_ = false;
    bool is_by_old_connection_ = false;  // the question under way
    ProbeAnswer answer_;
};

}  // namespace weir::pool
