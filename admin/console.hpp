#pragma once

#include "admin/action.hpp"
#include "admin/commands.hpp"
#include "admin/select.hpp"
#include "admin/stats_history.hpp"
#include "base/bytes.hpp"
#include "base/clock.hpp"
#include "base/control.hpp"
#include "base/status.hpp"
#include "conf/model.hpp"
#include "ledger/ledger.hpp"
#include "protocol/error_reply.hpp"
#include "protocol/frontend_views.hpp"
#include "protocol/message_type.hpp"

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace weir::admin {

/// What every console shares; outlives them all.
struct ConsoleContext {
    status::StatusSource& status;
    StatsHistory& history;
    control::Controller& controller;
    std::function<conf::ConfigPtr()> config;  ///< the one in force, never null; thread: any
    /// Runs something off the event loops; false when too much is waiting. Ends before they do.
    std::function<bool(std::function<void()>)> run_aside;
    std::string version;               ///< Weir's, "0.1.0"
    ledger::Ledger* ledger = nullptr;  ///< null = off
};

/// Who is at the other end: what the audit has of orders.
struct Operator {
    std::string user;
    std::string address;
};

/// How a console reaches its client and its thread.
struct ConsoleIo {
    /// Runs a function later on the client's event loop; thread: any. It must stay callable until
    /// the StatusSource has answered or dropped the last question, even when the console is gone by
    /// then.
    std::function<void(std::function<void()>)> post;
    /// Takes bytes for the client; must not destroy the console.
    std::function<void(ByteView)> send;
    /// busy() became false. The console touches nothing of its own afterwards: this may feed or
    /// destroy it.
    std::function<void()> on_ready;
};

/// One client of the admin database, from ReadyForQuery to Terminate: simple and extended protocol,
/// no I/O.
///
/// Owned by the client's session; lives on its event loop's thread, except that answers to
/// snapshots are posted there from others. Destroying it abandons a snapshot under way: the late
/// answer finds nobody.
class Console {
public:
    /// How long the event loops have for a snapshot; then the client gets 57014.
    static constexpr std::chrono::seconds kAnswerTimeout{5};
    /// Prepared statements and portals one session may keep; drivers keep up to 256.
    static constexpr std::size_t kMaxPrepared = 1000;

    /// @param context outlives the console
    Console(const ConsoleContext& context, Role role, ConsoleIo io, Operator who = {});
    Console(const Console&) = delete;
    Console& operator=(const Console&) = delete;
    Console(Console&&) = delete;
    Console& operator=(Console&&) = delete;
    ~Console();

    /// Appends the ParameterStatus messages. The caller wrote AuthenticationOk before them and
    /// writes BackendKeyData and ReadyForQuery after them.
    void write_welcome(ByteWriter& writer) const;

    /// Takes one message. Not while busy().
    /// @param body complete, without type and length
    void on_message(protocol::FrontendMessage type, ByteView body);

    /// Gives up a snapshot that is late. Call it at deadline().
    void on_time(TimePoint now);

    /// The client has sent a cancel request: what is waited for is given up, with 57014.
    void cancel();

    /// @return whether an answer is awaited: feed nothing before on_ready
    [[nodiscard]] bool busy() const { return ticket_ != nullptr; }

    /// @return when on_time() must be called; kNever while not busy, or while an order is waited
    /// for, which takes as long as it takes
    [[nodiscard]] TimePoint deadline() const { return busy() ? deadline_ : kNever; }

    /// @return whether the client said Terminate or broke the protocol: send what is left and close
    [[nodiscard]] bool wants_close() const { return wants_close_; }

private:
    struct Prepared {
        Action action;
        std::vector<std::uint32_t> parameter_types;
    };

    struct Portal {
        Action action;
        std::vector<Format> formats;  ///< one per column
        std::vector<Cell> parameters;
        bool has_run = false;
        std::vector<Row> rows;
        std::size_t next_row = 0;
    };

    /// The way back for a snapshot. `console` is read and written on the client's event loop only.
    struct Ticket {
        Console* console = nullptr;
        std::atomic<bool> is_given_up{false};  ///< nobody wants the answer; read by any thread
    };

    /// What the snapshot under way is for.
    struct Pending {
        Action action;
        Portal* portal = nullptr;  ///< null: a simple query's
        std::uint32_t max_rows = 0;
    };
    enum class Progress : std::uint8_t { Done, Waiting };

    void dispatch(protocol::FrontendMessage type, ByteView body);

    // Simple protocol.
    void on_query(ByteView body);
    void run_queue();
    Progress run_simple(const Action& action);
    void finish_simple(const Action& action,
                       std::span<const Column> columns,
                       const std::vector<Row>& rows);

    // Extended protocol.
    void on_parse(ByteView body);
    void on_bind(ByteView body);
    void on_describe(ByteView body);
    void on_execute(ByteView body);
    void on_close(ByteView body);
    void on_sync();
    void describe(const Action& action, const std::vector<Format>& formats);
    void finish_execute(Portal& portal, std::uint32_t max_rows);
    Portal* find_portal(std::string_view name);
    Prepared* find_prepared(std::string_view name);

    // Both.
    [[nodiscard]] Asker asker(const conf::Config& config) const;
    /// @return the rows when the action needs no snapshot
    [[nodiscard]] std::vector<Row> rows_of(const Action& action,
                                           const status::Snapshot& snapshot) const;
    [[nodiscard]] static bool needs_to_wait(const Action& action);
    void wait(Pending pending);
    void ask();
    void give();
    void note_order(const control::Order& order);
    void on_snapshot(const std::shared_ptr<const status::Snapshot>& snapshot);
    void run_aside(std::shared_ptr<const status::Snapshot> snapshot);
    void on_selected(SelectResult& result);
    void finish(std::vector<Row> rows, std::span<const Column> columns);
    void on_answer(const control::Answer& answer);
    Pending end_wait();
    void end_turn();
    void fail_wait(const protocol::ErrorFields& why);
    void write_notice_of(const Action& action);
    void complete(const Action& action, std::size_t rows);
    void error(const protocol::ErrorFields& fields);
    void error(SqlState sqlstate, std::string message);
    void extended_error(SqlState sqlstate, std::string message);
    void ready_for_query();
    void flush();

    const ConsoleContext& context_;
    const Role role_;
    const ConsoleIo io_;
    const Operator who_;
    ByteWriter out_;  ///< what the message at hand has answered so far

    bool in_transaction_ = false;  ///< BEGIN was said: changes nothing but what ReadyForQuery tells
    bool is_skipping_ = false;     ///< after an error in the extended protocol, until Sync
    bool wants_close_ = false;
    std::deque<Statement> queue_;  ///< of the simple query at hand: what is still to run
    std::map<std::string, Prepared, std::less<>> prepared_;
    std::map<std::string, Portal, std::less<>> portals_;

    std::shared_ptr<Ticket> ticket_;  ///< of the snapshot under way, else null
    Pending pending_;
    TimePoint deadline_ = kNever;
    std::uint64_t order_ = 0;  ///< that is being waited for; 0 = none
};

}  // namespace weir::admin
