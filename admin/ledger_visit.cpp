#include "admin/ledger_visit.hpp"

#include <utility>

namespace weir::admin {

using protocol::Severity;

ledger::LedgerStatus LedgerVisit::status() const {
    return ledger_ == nullptr ? ledger::LedgerStatus{} : ledger_->status();
}

bool LedgerVisit::open() {
    if (reader_ != nullptr) {
        return true;
    }
    if (!problem_.empty()) {
        return false;
    }
    if (ledger_ == nullptr) {
        problem_ = "the ledger is off (ledger.path)";
        return false;
    }
    const bool is_fresh = ledger_->refresh(kPatience);
    const ledger::LedgerStatus now = ledger_->status();
    const std::string file = ledger_->uri();
    if (file.empty()) {
        problem_ = "the ledger cannot be read: " +
                   (now.problem.empty() ? "it has not been opened yet" : now.problem);
        return false;
    }
    if (now.state == ledger::LedgerState::Degraded) {
        staleness_ =
            "the ledger is not written now, its answers end where that began: " + now.problem;
    } else if (!is_fresh) {
        staleness_ = "what happened last was not written in time, and is missing here";
    }
    auto reader = std::make_unique<ledger::Reader>();
    if (const auto why = reader->open(file)) {
        problem_ = "the ledger cannot be read: " + *why;
        return false;
    }
    reader_ = std::move(reader);
    return true;
}

LedgerPage LedgerVisit::ask(const std::function<LedgerPage(ledger::Reader&)>& question) {
    LedgerPage page;
    if (!open()) {
        page.problem = problem_;
        return page;
    }
    page = question(*reader_);
    if (!page.problem.empty()) {
        problem_ = "the ledger has no answer: " + page.problem;
        page.rows.clear();
    }
    return page;
}

std::optional<protocol::ErrorFields> LedgerVisit::error() const {
    if (problem_.empty()) {
        return std::nullopt;
    }
    return protocol::ErrorFields{.severity = Severity::Error,
                                 .sqlstate = sqlstate::kObjectNotInPrerequisiteState,
                                 .message = problem_,
                                 .detail = "",
                                 .hint = "SHOW LEDGER tells its state."};
}

std::optional<protocol::ErrorFields> LedgerVisit::warning() const {
    if (staleness_.empty()) {
        return std::nullopt;
    }
    return protocol::ErrorFields{.severity = Severity::Warning,
                                 .sqlstate = SqlState{"01000"},
                                 .message = staleness_,
                                 .detail = "",
                                 .hint = ""};
}

}  // namespace weir::admin
