#pragma once

#include "base/cache_use.hpp"
#include "base/clock.hpp"
#include "base/sqlstate.hpp"
#include "base/statement_detail.hpp"
#include "policies/plan.hpp"
#include "pool/statement_request.hpp"
#include "pool/wait_reason.hpp"
#include "protocol/message_type.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weir::pool {

/// What a portal or a cursor has returned so far, however many statements read from it.
struct ResultSoFar {
    std::uint64_t rows = 0;
    std::uint64_t bytes = 0;
};

/// What a statement is to its holder. The pool only keeps it alive.
struct RunSubject {
    RunSubject() = default;
    RunSubject(const RunSubject&) = delete;
    RunSubject& operator=(const RunSubject&) = delete;
    RunSubject(RunSubject&&) = delete;
    RunSubject& operator=(RunSubject&&) = delete;
    virtual ~RunSubject() = default;
};

/// What a holder says of a statement, or of a portal, each run of which is one.
struct StatementTicket {
    policies::PlanPtr plan;                           ///< nullptr: nothing is asked of it
    std::shared_ptr<RunSubject> subject;              ///< nullptr: nobody wants to know
    std::shared_ptr<ResultSoFar> result;              ///< nullptr: its result is its own
    std::shared_ptr<const StatementDetail> said;      ///< nullptr: nothing special
    std::shared_ptr<const StatementRequest> request;  ///< nullptr: nobody will ask about it
    bool is_read = false;               ///< to cancel it, or to run it in vain, does no harm
    bool outlives_transaction = false;  ///< of a cursor WITH HOLD
    bool is_doubtful = false;           ///< the server may take its text for another one
};

/// One statement of a holder's: what holds for it, and what has come of it.
struct StatementRun {
    StatementTicket ticket;
    TimePoint asked_at{};     ///< when its message came
    bool is_retried = false;  ///< not the first try
    CacheUse cache = CacheUse::None;
    std::chrono::microseconds saved{};  ///< of a Hit: what the server once took

    // Measured:
    Duration waited{};                          ///< from then on: for the backend
    WaitReason wait_reason = WaitReason::None;  ///< for what of it
    TimePoint began_at{};                       ///< when the server had nothing else to do
    TimePoint ended_at{};                       ///< when all of its answer had come
    Duration blocked{};                         ///< in between: the client took no more
    std::uint64_t rows = 0;                     ///< returned, else affected
    std::uint64_t bytes = 0;                    ///< of its answer
    std::optional<SqlState> error;
    std::string error_message;
    bool is_cut = false;      ///< it met a limit of its result
    bool is_skipped = false;  ///< an error before it: it has not run

    [[nodiscard]] bool is_limited() const {
        return ticket.plan != nullptr && ticket.plan->limits_result();
    }
};

/// The statements that a backend has been sent and has not answered to the end, oldest first: what
/// they return is counted and held to their limits.
///
/// Told of every reply in order; says what becomes of it. No I/O, no loop.
/// @thread its backend's
class StatementRuns {
public:
    /// What becomes of a reply.
    enum class Ruling : std::uint8_t {
        Pass,
        Drop,
        Cut,  ///< Drop, and from here on the statement is of no use: cancel it where that is safe
        Settle,  ///< it ends a result that was cut: the client hears of that in its place
        Warn,    ///< it ends a result that was larger than it may be: Pass, behind a warning
    };

    void add(StatementRun&& run, TimePoint now);

    [[nodiscard]] bool empty() const { return first_ == runs_.size(); }

    [[nodiscard]] std::size_t size() const { return runs_.size() - first_; }

    /// @return the one that is being answered; only when !empty()
    [[nodiscard]] const StatementRun& front() const { return runs_[first_]; }

    [[nodiscard]] const StatementRun& at(std::size_t index) const { return runs_[first_ + index]; }

    /// @return the one that was sent last; only when !empty()
    [[nodiscard]] const StatementRun& back() const { return runs_.back(); }

    /// A reply to the oldest has begun.
    /// @param bytes of the whole message
    [[nodiscard]] Ruling on_reply(protocol::BackendMessage type, std::size_t bytes) {
        StatementRun& run = runs_[first_];
        run.bytes += bytes;
        if (type == protocol::BackendMessage::DataRow) {
            ++run.rows;
            has_rows_ = true;
            return is_limited_ ? on_limited_row(bytes) : Ruling::Pass;
        }
        return is_limited_ ? on_limited_end(type) : Ruling::Pass;
    }

    /// @param tag of its CommandComplete, which tells how many rows it has changed
    void note_tag(std::string_view tag);
    /// @param message of the error, for people
    void note_error(SqlState sqlstate, std::string_view message);

    /// The error of the oldest is none to its client.
    void forgive() { runs_[first_].error.reset(); }

    void note_blocked(Duration time);

    /// @return how many rows of the result under way the client has been given
    [[nodiscard]] std::uint64_t rows_given() const { return current_.given; }

    /// @return whether the result under way has been cut short, and its end is still to come
    [[nodiscard]] bool is_cut() const { return current_.is_over; }

    /// @return whether it has more rows than it may; else it is its size, where it was cut
    [[nodiscard]] bool has_too_many_rows() const {
        const std::uint64_t limit = front().ticket.plan->row_limit;
        return limit > 0 && current_.rows > limit;
    }

    /// The result under way has come to its end.
    void end_result() { begin_result(); }

    /// The client has been told that the oldest has failed: nothing more of it is passed on.
    void fail() { has_failed_ = true; }

    /// @return whether the client has been told that the oldest has failed
    [[nodiscard]] bool has_failed() const { return has_failed_; }

    /// An error has come, and the server skips what hangs on it.
    /// @param is_told the holder sees it
    /// @param dropped how many were skipped with what has failed, that included
    /// @param is_own it answers the oldest itself
    /// @return whether it is the oldest's
    [[nodiscard]] bool take_error(bool is_told, std::size_t dropped, bool is_own);

    /// The oldest has been answered.
    /// @return it
    [[nodiscard]] StatementRun take(TimePoint now);

    /// @return whether one of them must come to its end before anything is sent behind it: where it
    /// exceeds its limits what follows is not to have run
    [[nodiscard]] bool may_fail_late() const { return late_failures_ > 0; }

    void clear();

private:
    /// Of the result that is being returned: a query string may have several.
    struct Result {
        std::uint64_t rows = 0;
        std::uint64_t bytes = 0;
        std::uint64_t given = 0;  ///< of the rows, to the client
        bool is_over = false;
    };

    [[nodiscard]] Ruling on_limited_row(std::size_t bytes);
    [[nodiscard]] Ruling on_limited_end(protocol::BackendMessage type) const;
    void begin_result();

    std::vector<StatementRun> runs_;  // a FIFO with a moving head; mostly one
    std::size_t first_ = 0;
    Result current_;
    bool is_limited_ = false;          // the oldest has limits
    std::uint32_t late_failures_ = 0;  // of those in runs_
    bool has_rows_ = false;
    bool has_failed_ = false;
    TimePoint last_end_{};
};

}  // namespace weir::pool
