#include "pool/statement_run.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

namespace weir::pool {

using protocol::BackendMessage;

namespace {

/// No command does more: what a tag says beyond would only make sums overflow.
constexpr std::uint64_t kTagRowsMax = std::uint64_t{1} << 40U;

/// Once this many answered ones lie before the head, the rest moves down.
constexpr std::size_t kCompactAfter = 256;

bool may_fail_late(const StatementRun& run) {
    return run.is_limited() && run.ticket.plan->limit_action == conf::LimitAction::Error;
}

}  // namespace

void StatementRuns::add(StatementRun&& run, TimePoint now) {
    late_failures_ += pool::may_fail_late(run) ? 1U : 0U;
    runs_.push_back(std::move(run));
    if (size() == 1) {
        runs_[first_].began_at = std::max(now, last_end_);
        begin_result();
    }
}

void StatementRuns::begin_result() {
    current_ = {};
    has_rows_ = false;
    if (empty()) {
        is_limited_ = false;
        return;
    }
    const StatementRun& run = front();
    is_limited_ = run.is_limited();
    if (const auto& result = run.ticket.result; result != nullptr) {
        current_.rows = result->rows;
        current_.bytes = result->bytes;
    }
}

StatementRuns::Ruling StatementRuns::on_limited_row(std::size_t bytes) {
    StatementRun& run = runs_[first_];
    const policies::Plan& plan = *run.ticket.plan;
    const bool is_dropping = has_failed_ || current_.is_over;
    ++current_.rows;
    current_.bytes += bytes;
    if (run.ticket.result != nullptr) {
        *run.ticket.result = {current_.rows, current_.bytes};
    }
    const bool is_too_large = (plan.row_limit > 0 && current_.rows > plan.row_limit) ||
                              (plan.byte_limit > 0 && current_.bytes > plan.byte_limit);
    const bool is_passed = !is_too_large || plan.limit_action == conf::LimitAction::Warn;
    current_.is_over = current_.is_over || is_too_large;
    run.is_cut = run.is_cut || is_too_large;
    if (is_passed && !has_failed_) {
        ++current_.given;
        return Ruling::Pass;
    }
    --run.rows;
    run.bytes -= bytes;
    return is_dropping ? Ruling::Drop : Ruling::Cut;
}

/// A message that is no row.
StatementRuns::Ruling StatementRuns::on_limited_end(BackendMessage type) const {
    switch (type) {
        case BackendMessage::NotificationResponse:
        case BackendMessage::ParameterStatus:
        case BackendMessage::ReadyForQuery: return Ruling::Pass;
        case BackendMessage::CommandComplete:
        case BackendMessage::PortalSuspended:
            if (has_failed_) {
                return Ruling::Drop;
            }
            if (current_.is_over) {
                const bool is_warned = front().ticket.plan->limit_action == conf::LimitAction::Warn;
                return is_warned ? Ruling::Warn : Ruling::Settle;
            }
            return Ruling::Pass;
        default: return has_failed_ ? Ruling::Drop : Ruling::Pass;
    }
}

void StatementRuns::note_tag(std::string_view tag) {
    if (std::exchange(has_rows_, false)) {
        return;  // they have been counted
    }
    const std::string_view digits = tag.substr(tag.find_last_of(' ') + 1);
    std::uint64_t rows = 0;
    const char* end = digits.data() + digits.size();
    if (const auto [at, error] = std::from_chars(digits.data(), end, rows);
        error == std::errc{} && at == end) {
        runs_[first_].rows += std::min(rows, kTagRowsMax);
    }
}

void StatementRuns::note_error(SqlState sqlstate, std::string_view message) {
    StatementRun& run = runs_[first_];
    run.error = sqlstate;
    run.error_message = message;
}

bool StatementRuns::take_error(bool is_told, std::size_t dropped, bool is_own) {
    if (empty()) {
        return false;  // nobody follows them
    }
    for (std::size_t i = is_told ? 1 : 0; i < dropped; ++i) {
        runs_[first_ + i].is_skipped = true;
    }
    return is_told && (dropped > 0 || is_own);
}

void StatementRuns::note_blocked(Duration time) {
    if (!empty()) {
        runs_[first_].blocked += time;
    }
}

StatementRun StatementRuns::take(TimePoint now) {
    StatementRun done = std::move(runs_[first_]);
    done.ended_at = last_end_ = now;
    late_failures_ -= pool::may_fail_late(done) ? 1U : 0U;
    has_failed_ = false;
    ++first_;
    if (empty()) {
        runs_.clear();
        first_ = 0;
    } else {
        if (first_ >= kCompactAfter) {
            runs_.erase(runs_.begin(), runs_.begin() + static_cast<std::ptrdiff_t>(first_));
            first_ = 0;
        }
        runs_[first_].began_at = now;
    }
    begin_result();
    return done;
}

void StatementRuns::clear() {
    runs_.clear();
    first_ = 0;
    late_failures_ = 0;
    has_failed_ = false;
    begin_result();
}

}  // namespace weir::pool
