#include "protocol/expected_replies.hpp"

#include "base/check.hpp"

#include <algorithm>
#include <utility>

namespace weir::protocol {

namespace {

/// Once this many answered entries lie before the head, the rest moves down.
constexpr std::size_t kCompactAfter = 1024;

bool ends_copy_in(FrontendMessage request) {
    return request == FrontendMessage::CopyDone || request == FrontendMessage::CopyFail;
}

}  // namespace

void ExpectedReplies::sent(const ExpectedReply& entry) {
    const FrontendMessage request = entry.request;
    if (ends_copy_in(request)) {
        if (copy_ == Copy::In && !copy_in_ended_) {
            copy_in_ended_ = true;
        } else if (!empty() && !skipping_) {
            push_back(entry);  // may turn out to end a COPY whose start has not been answered yet
        }
        return;
    }
    const bool is_sync = request == FrontendMessage::Sync;
    if (is_sync && copy_ == Copy::In && !copy_in_ended_) {
        ++syncs_ignored_by_copy_;
        return;
    }
    if (skipping_ && !is_sync) {
        return;  // the backend will not look at it
    }
    if (is_extended(request)) {
        unsynced_ = true;
    } else if (is_sync || request == FrontendMessage::Query ||
               request == FrontendMessage::FunctionCall) {
        unsynced_ = false;
        skipping_ = false;
    } else {
        return;  // never answered
    }
    push_back(entry);
}

ReplyVerdict ExpectedReplies::received(BackendMessage reply) {
    switch (reply) {
        case BackendMessage::NoticeResponse:
        case BackendMessage::ParameterStatus: return verdict_of_front();
        case BackendMessage::NotificationResponse: return ReplyVerdict::Forward;
        case BackendMessage::ErrorResponse: return on_error();
        case BackendMessage::ReadyForQuery: return on_ready();
        case BackendMessage::ParseComplete: return on_answer(FrontendMessage::Parse);
        case BackendMessage::BindComplete: return on_answer(FrontendMessage::Bind);
        case BackendMessage::CloseComplete: return on_answer(FrontendMessage::Close);
        case BackendMessage::NoData: return on_answer(FrontendMessage::Describe);
        case BackendMessage::CopyInResponse: return on_copy_begins(Copy::In);
        case BackendMessage::CopyOutResponse: return on_copy_begins(Copy::Out);
        case BackendMessage::CopyBothResponse: return on_copy_begins(Copy::Both);
        case BackendMessage::RowDescription:
        case BackendMessage::CommandComplete:
        case BackendMessage::EmptyQueryResponse:
        case BackendMessage::PortalSuspended: return finish_front();
        case BackendMessage::DataRow:
        case BackendMessage::ParameterDescription:
        case BackendMessage::FunctionCallResponse:
        case BackendMessage::CopyData:
        case BackendMessage::CopyDone:
            return empty() ? ReplyVerdict::Unexpected : verdict_of_front();
        case BackendMessage::Authentication:
        case BackendMessage::BackendKeyData:
        case BackendMessage::NegotiateProtocolVersion: return ReplyVerdict::Unexpected;
    }
    return ReplyVerdict::Unexpected;
}

/// RowDescription ends a Describe; CommandComplete and its kin end an Execute; within a simple
/// Query all of them go on.
ReplyVerdict ExpectedReplies::finish_front() {
    if (empty()) {
        return ReplyVerdict::Unexpected;
    }
    copy_ = Copy::None;
    const ReplyVerdict verdict = verdict_of_front();
    const FrontendMessage request = front().request;
    if (front().action == ReplyAction::Second) {
        queue_[first_].action = ReplyAction::Forward;
        return ReplyVerdict::Swallow;
    }
    if (request == FrontendMessage::Describe || request == FrontendMessage::Execute) {
        pop_front();
    }
    return verdict;
}

ReplyVerdict ExpectedReplies::on_answer(FrontendMessage request) {
    if (empty() || front().request != request) {
        return ReplyVerdict::Unexpected;
    }
    const ReplyVerdict verdict = verdict_of_front();
    pop_front();
    return verdict;
}

ReplyVerdict ExpectedReplies::on_error() {
    if (copy_ == Copy::In && syncs_ignored_by_copy_ > 0) {
        ambiguous_ = true;  // was the Sync read before the COPY broke off, or after?
    }
    copy_ = Copy::None;
    syncs_ignored_by_copy_ = 0;
    ReplyVerdict verdict = verdict_of_front();
    if (!empty() && front().request == FrontendMessage::Query) {
        note(std::exchange(queue_[first_].noted, Noted::Nowhere),
             &NotedOutcome::dropped_by_backend,
             &NotedOutcome::dropped_by_client);
    }
    if (empty() || !is_extended(front().request)) {
        const bool is_refused = !empty() && front().action == ReplyAction::Refuse;
        return is_refused ? ReplyVerdict::Replace : verdict;  // ReadyForQuery follows by itself
    }
    if (front().action == ReplyAction::Prepare) {
        verdict = ReplyVerdict::Forward;
    } else if (front().action == ReplyAction::Refuse) {
        verdict = ReplyVerdict::Replace;
    }
    const ExpectedReply* failed = &front();
    outcome_.has_first_failed = failed->noted == Noted::ByClient || failed->noted == Noted::ByBoth;
    while (!empty() && front().request != FrontendMessage::Sync) {
        if (front().action == ReplyAction::Refuse && &front() != failed) {
            ++outcome_.dropped_refusals;
            has_outcome_ = true;
        }
        note(front().noted, &NotedOutcome::dropped_by_backend, &NotedOutcome::dropped_by_client);
        drop_front();
    }
    compact();
    skipping_ = empty();
    unsynced_ = unsynced_ || skipping_;
    return verdict;
}

ReplyVerdict ExpectedReplies::on_ready() {
    if (empty() || is_extended(front().request)) {
        return ambiguous_ && empty() ? ReplyVerdict::Forward : ReplyVerdict::Unexpected;
    }
    const bool is_refused = front().action == ReplyAction::Refuse;
    const ReplyVerdict verdict = is_refused ? ReplyVerdict::Forward : verdict_of_front();
    copy_ = Copy::None;
    syncs_ignored_by_copy_ = 0;
    pop_front();
    return verdict;
}

ReplyVerdict ExpectedReplies::on_copy_begins(Copy copy) {
    if (empty()) {
        return ReplyVerdict::Unexpected;
    }
    copy_ = copy;
    copy_in_ended_ = false;
    syncs_ignored_by_copy_ = 0;
    if (copy == Copy::In) {
        drop_syncs_inside_copy();
    }
    return verdict_of_front();
}

/// What the client sent behind the COPY before it knew: Syncs up to the end of its data get no
/// answer.
void ExpectedReplies::drop_syncs_inside_copy() {
    auto kept = queue_.begin() + static_cast<std::ptrdiff_t>(first_) + 1;
    auto entry = kept;
    for (; entry != queue_.end() && !copy_in_ended_; ++entry) {
        if (ends_copy_in(entry->request)) {
            copy_in_ended_ = true;
        } else if (entry->request == FrontendMessage::Sync) {
            ++syncs_ignored_by_copy_;
            --syncs_;
            unsynced_ = true;
        } else {
            *kept++ = *entry;
        }
    }
    for (; entry != queue_.end(); ++entry) {
        if (entry->request == FrontendMessage::Sync) {
            unsynced_ = false;
        }
        *kept++ = *entry;
    }
    queue_.erase(kept, queue_.end());
}

ReplyVerdict ExpectedReplies::verdict_of_front() const {
    if (empty() || front().action == ReplyAction::Forward) {
        return ReplyVerdict::Forward;
    }
    switch (front().action) {
        case ReplyAction::Swallow:
        case ReplyAction::Prepare: return ReplyVerdict::Swallow;
        case ReplyAction::Refuse: return ReplyVerdict::Unexpected;  // it was sure to fail
        case ReplyAction::Forward:
        case ReplyAction::Second:
        case ReplyAction::Answer: break;  // Answer: notices and the like of what came before it
    }
    return ReplyVerdict::Forward;
}

FrontendMessage ExpectedReplies::take_ours() {
    WEIR_ASSERT(is_ours_next());
    const FrontendMessage request = front().request;
    pop_front();
    return request;
}

NotedOutcome ExpectedReplies::take_outcome() {
    has_outcome_ = false;
    return std::exchange(outcome_, {});
}

void ExpectedReplies::note(Noted noted,
                           std::uint32_t NotedOutcome::*backend,
                           std::uint32_t NotedOutcome::*client) {
    const auto bits = static_cast<unsigned>(noted);
    outcome_.*backend += bits & static_cast<unsigned>(Noted::ByBackend);
    outcome_.*client += (bits & static_cast<unsigned>(Noted::ByClient)) >> 1U;
    has_outcome_ = has_outcome_ || bits != 0;
}

void ExpectedReplies::pop_front() {
    WEIR_ASSERT(!empty());
    if (front().noted != Noted::Nowhere) {
        note(front().noted, &NotedOutcome::done_by_backend, &NotedOutcome::done_by_client);
    }
    drop_front();
    while (!empty() && ends_copy_in(front().request)) {
        drop_front();  // there was no COPY for it to end
    }
    compact();
}

void ExpectedReplies::push_back(const ExpectedReply& entry) {
    queue_.push_back(entry);
    count(entry, 1);
}

void ExpectedReplies::drop_front() {
    count(front(), std::uint32_t{0} - 1);
    ++first_;
}

/// @param by one more or, modulo 2^32, one less
void ExpectedReplies::count(const ExpectedReply& entry, std::uint32_t by) {
    if (entry.request == FrontendMessage::Query) {
        queries_ += by;
    } else if (entry.request == FrontendMessage::Sync) {
        syncs_ += by;
    }
    if (entry.is_statement) {
        statements_ += by;
    }
}

void ExpectedReplies::compact() {
    if (empty()) {
        queue_.clear();
        first_ = 0;
    } else if (first_ >= kCompactAfter) {
        queue_.erase(queue_.begin(), queue_.begin() + static_cast<std::ptrdiff_t>(first_));
        first_ = 0;
    }
}

bool ExpectedReplies::has_more_batches() const {
    for (std::size_t i = 0; i + 1 < size(); ++i) {
        if (!is_extended(at(i).request)) {
            return true;
        }
    }
    return false;
}

void ExpectedReplies::clear() {
    *this = ExpectedReplies{};
}

}  // namespace weir::protocol
