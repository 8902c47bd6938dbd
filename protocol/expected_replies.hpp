#pragma once

#include "protocol/message_type.hpp"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace weir::protocol {

/// What happens to the messages that answer one request.
enum class ReplyAction : std::uint8_t {
    Forward,  ///< the client asked: it gets the answer
    Swallow,  ///< we asked: the client must not see the answer
    Prepare,  ///< we asked for the sake of what the client sent next: it sees an error, not success
    Answer,   ///< the client asked, but it was not sent: ours to answer when its turn comes
    Second,   ///< we put another command before the client's: it sees how the second one ended
    Refuse,   ///< sent so that it fails: the backend's error makes room for one of ours
};

/// Who keeps a list of prepared statements that the outcome of a request changes.
enum class Noted : std::uint8_t { Nowhere = 0, ByBackend = 1, ByClient = 2, ByBoth = 3 };

/// One thing a backend still owes: a frontend message that will be answered, in the order sent.
struct ExpectedReply {
    FrontendMessage request{};
    ReplyAction action = ReplyAction::Forward;
    Noted noted = Noted::Nowhere;
    bool is_statement = false;  ///< a Query or an Execute that somebody follows to its end
};

/// How many noted requests have come true, or will not happen, since somebody last asked.
struct NotedOutcome {
    std::uint32_t done_by_backend = 0;
    std::uint32_t done_by_client = 0;
    std::uint32_t dropped_by_backend = 0;
    std::uint32_t dropped_by_client = 0;
    bool has_first_failed =
        false;  ///< the first of those dropped failed itself; the rest were skipped
    std::uint32_t dropped_refusals = 0;  ///< their errors will never be due
};

/// What ExpectedReplies makes of one message from the backend.
enum class ReplyVerdict : std::uint8_t {
    Forward,
    Swallow,
    Replace,     ///< an error that is to be told in our words: see ReplyAction::Refuse
    Unexpected,  ///< nothing owed has such an answer: the backend cannot be trusted any more
};

/// The FIFO of what a backend still owes, kept in step with what was sent to it and what came back.
///
/// It answers two questions: whom does this message belong to, and is the backend done. Rules kept
/// here and nowhere else:
///  - after an error in an extended-protocol message the backend skips everything until Sync;
///  - while a COPY FROM STDIN is under way the backend ignores Sync and Flush until CopyDone or
///  CopyFail.
///
/// @thread its owner's; no I/O, no clock
/// @source PostgreSQL 15 manual, "Message Flow": "Extended Query", "Pipelining", "COPY Operations"
class ExpectedReplies {
public:
    enum class Copy : std::uint8_t { None, In, Out, Both };

    /// A message of this type was (or is about to be) sent. Types that are never answered change no
    /// more than COPY's state.
    void sent(FrontendMessage request, ReplyAction action = ReplyAction::Forward) {
        sent(ExpectedReply{request, action, Noted::Nowhere});
    }

    void sent(const ExpectedReply& entry);

    /// A message of this type has come back. Call once per message, in order.
    [[nodiscard]] ReplyVerdict received(BackendMessage reply);

    /// @return whether the next answer is ours to give
    [[nodiscard]] bool is_ours_next() const {
        return !empty() && front().action == ReplyAction::Answer;
    }

    /// Takes what is_ours_next() told of off the queue.
    /// @return the request that was to be answered
    FrontendMessage take_ours();

    /// @return whether outcome() has anything to tell
    [[nodiscard]] bool has_outcome() const { return has_outcome_; }

    /// @return what has become of noted requests since the last call
    [[nodiscard]] NotedOutcome take_outcome();

    /// @return whether nothing at all is owed
    [[nodiscard]] bool empty() const { return first_ == queue_.size(); }

    /// @return whether a simple Query is not answered yet
    [[nodiscard]] bool has_query() const { return queries_ > 0; }

    /// @return whether a Sync is not answered yet
    [[nodiscard]] bool has_sync() const { return syncs_ > 0; }

    /// @return how many of those that are statements are not answered yet
    [[nodiscard]] std::size_t statements() const { return statements_; }

    /// @return how many requests are not answered yet
    [[nodiscard]] std::size_t size() const { return queue_.size() - first_; }

    /// @return the request whose answer comes next; only when !empty()
    [[nodiscard]] const ExpectedReply& front() const { return queue_[first_]; }

    [[nodiscard]] const ExpectedReply& at(std::size_t i) const { return queue_[first_ + i]; }

    /// @return whether something is owed that an error in what comes first does not reach: what
    /// comes behind a Query, or behind the next Sync
    [[nodiscard]] bool has_more_batches() const;

    [[nodiscard]] Copy copy() const { return copy_; }

    /// @return whether a COPY FROM STDIN waits for data whose end has not been sent yet
    [[nodiscard]] bool is_copy_in_open() const { return copy_ == Copy::In && !copy_in_ended_; }

    /// @return whether messages of the extended protocol were sent since the last Sync: the backend
    /// waits for one
    [[nodiscard]] bool is_sync_owed() const { return unsynced_; }

    /// @return whether an error makes the backend skip what is sent until the next Sync
    [[nodiscard]] bool is_skipping() const { return skipping_; }

    /// @return whether a COPY broke off where it cannot be known if a Sync sent meanwhile is
    /// answered: the backend must stay
    ///         with its client until that one leaves
    [[nodiscard]] bool is_ambiguous() const { return ambiguous_; }

    void clear();

private:
    [[nodiscard]] ReplyVerdict finish_front();
    [[nodiscard]] ReplyVerdict on_error();
    [[nodiscard]] ReplyVerdict on_ready();
    [[nodiscard]] ReplyVerdict on_answer(FrontendMessage request);
    [[nodiscard]] ReplyVerdict on_copy_begins(Copy copy);
    [[nodiscard]] ReplyVerdict verdict_of_front() const;
    void drop_syncs_inside_copy();
    void pop_front();
    void note(Noted noted,
              std::uint32_t NotedOutcome::*backend,
              std::uint32_t NotedOutcome::*client);
    void push_back(const ExpectedReply& entry);
    void drop_front();
    void count(const ExpectedReply& entry, std::uint32_t by);
    void compact();

    std::vector<ExpectedReply>
        queue_;  // a FIFO with a moving head: pushing and popping are the hot path
    std::size_t first_ = 0;
    std::uint32_t queries_ = 0;     // of the queue
    std::uint32_t syncs_ = 0;       // of the queue
    std::uint32_t statements_ = 0;  // of the queue
    NotedOutcome outcome_;
    std::uint32_t syncs_ignored_by_copy_ =
        0;  // sent while the COPY was under way, so never answered
    Copy copy_ = Copy::None;
    bool copy_in_ended_ =
        false;  // CopyDone or CopyFail was sent: what follows is read as usual again
    bool unsynced_ = false;
    bool skipping_ = false;
    bool ambiguous_ = false;
    bool has_outcome_ = false;
};

}  // namespace weir::protocol
