#pragma once

#include "base/clock.hpp"
#include "maintenance/problem.hpp"
#include "maintenance/stop_signal.hpp"

#include <libpq-fe.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weir::maintenance {

/// What a statement returned; all values are PostgreSQL's text.
class Rows {
public:
    explicit Rows(PGresult* result);

    [[nodiscard]] std::size_t size() const;

    [[nodiscard]] bool empty() const { return size() == 0; }

    [[nodiscard]] std::size_t columns() const;
    [[nodiscard]] std::string_view name(std::size_t column) const;
    [[nodiscard]] bool is_null(std::size_t row, std::size_t column) const;
    /// @return "" for NULL; lives as long as this
    [[nodiscard]] std::string_view view(std::size_t row, std::size_t column) const;
    [[nodiscard]] std::string text(std::size_t row, std::size_t column) const;
    [[nodiscard]] std::optional<std::string> maybe(std::size_t row, std::size_t column) const;
    /// @return 0 for NULL and for what is no whole number
    [[nodiscard]] std::int64_t number(std::size_t row, std::size_t column) const;
    [[nodiscard]] double real(std::size_t row, std::size_t column) const;
    [[nodiscard]] bool flag(std::size_t row, std::size_t column) const;
    /// @return how many rows INSERT, UPDATE, DELETE, MERGE or COPY touched
    [[nodiscard]] std::int64_t affected() const;

private:
    std::unique_ptr<PGresult, decltype(&PQclear)> result_;
};

/// A parameter; empty = NULL.
using Parameter = std::optional<std::string>;

/// By the names of libpq's parameters.
using ConnectOptions = std::vector<std::pair<std::string, std::string>>;

/// A connection of maintenance's own to the primary: never through a pool, because advisory locks,
/// CONCURRENTLY and VACUUM need a real session. Blocks.
///
/// @thread one at a time
class Connection {
public:
    /// Logs in, and looks that this is a primary.
    /// @param stop cut() cancels what is under way; null = nothing does; outlives this
    [[nodiscard]] static Answer<Connection> open(const ConnectOptions& options,
                                                 const StopSignal* stop = nullptr);

    /// Runs one statement, or without parameters several in one implicit transaction (the rows are
    /// the last one's).
    /// @param limit past it the statement is cancelled (57014); zero = none
    [[nodiscard]] Answer<Rows> run(const std::string& sql,
                                   const std::vector<Parameter>& parameters = {},
                                   std::chrono::milliseconds limit = {});

    /// What DISCARD ALL does, but for advisory locks: those of jobs are on this session, too.
    void reset_session();

    /// As PostgreSQL counts: 150018.
    [[nodiscard]] int server_version() const;
    [[nodiscard]] bool is_alive() const;
    [[nodiscard]] bool is_in_transaction() const;
    [[nodiscard]] int backend_pid() const;

    using Told = std::function<void(const Problem&)>;
    /// Who is told of NOTICEs and WARNINGs; none by default.
    void on_notice(Told told);

private:
    using Handle = std::unique_ptr<PGconn, decltype(&PQfinish)>;

    Connection(Handle handle, const StopSignal* stop);
    [[nodiscard]] Problem problem_in(const PGresult* result);
    [[nodiscard]] Answer<Rows> collect(std::chrono::milliseconds limit, bool heeds_stop);
    /// @return whether the answer is there in time
    [[nodiscard]] bool wait_until(TimePoint deadline, bool heeds_stop);
    void cancel();
    [[nodiscard]] Problem lost() const;

    Handle handle_;
    const StopSignal* stop_;
    std::unique_ptr<Told> told_;  // where libpq finds it, wherever this moves
};

/// Another patience with others' locks than the session's (30 s), until the end of the scope.
class LockTimeout {
public:
    /// @param patience zero = without an end: where it waits for others, and nobody for it
    LockTimeout(Connection& connection, std::chrono::milliseconds patience);

    LockTimeout(const LockTimeout&) = delete;
    LockTimeout& operator=(const LockTimeout&) = delete;
    LockTimeout(LockTimeout&&) = delete;
    LockTimeout& operator=(LockTimeout&&) = delete;
    ~LockTimeout();

private:
    Connection& connection_;
};

/// BEGIN now, ROLLBACK at the end of the scope unless commit() was called.
class Transaction {
public:
    /// @param begin "BEGIN", "BEGIN ISOLATION LEVEL REPEATABLE READ", …
    [[nodiscard]] static Answer<Transaction> begin(Connection& connection,
                                                   const std::string& begin = "BEGIN");

    Transaction(Transaction&& other) noexcept
        : connection_{std::exchange(other.connection_, nullptr)} {}

    Transaction& operator=(Transaction&&) = delete;
    Transaction(const Transaction&) = delete;
    Transaction& operator=(const Transaction&) = delete;
    ~Transaction();

    [[nodiscard]] Answer<Rows> commit();

private:
    explicit Transaction(Connection& connection) : connection_{&connection} {}

    Connection* connection_;
};

}  // namespace weir::maintenance
