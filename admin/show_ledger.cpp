#include "admin/ledger_pages.hpp"
#include "admin/ledger_visit.hpp"
#include "admin/show.hpp"

#include <functional>
#include <iterator>
#include <utility>

namespace weir::admin {

namespace {

using enum ColumnType;
using ledger::Reader;

/// What SHOW looks back at; /api and the command line say their own.
constexpr std::int64_t kHours = 24;

constexpr Column kLedgerColumns[] = {
    {"state", Text},
    {"file", Text},
    {"bytes", Int8},
    {"rows_written", Int8},
    {"rows_deleted", Int8},
    {"dropped_statements", Int8},
    {"dropped_details", Int8},
    {"dropped_sessions", Int8},
    {"dropped_events", Int8},
    {"dropped_deeds", Int8},
    {"folded_digests", Int8},
    {"coarsened_calls", Int8},
    {"refused_calls", Int8},
    {"since_commit_ms", Int8},
    {"problem", Text},
    {"last_problem", Text},
};

std::vector<Row> ask(const CommandInput& input,
                     const std::function<LedgerPage(Reader&)>& question) {
    return input.ledger == nullptr ? std::vector<Row>{} : input.ledger->ask(question).rows;
}

ledger::PageWish most() {
    return {.limit = ledger::kPageMax, .cursor = ""};
}

std::vector<Row> statement_rows(const CommandInput& input) {
    return ask(input, [](Reader& reader) {
        ledger::TopQuestion question;
        question.window = last_hours(kHours);
        question.page = most();
        return statements_page(reader, question);
    });
}

/// Puts together two lists, newest first, that may have rows in common: no two rows of statements
/// have the same time.
LedgerPage merged(LedgerPage left, LedgerPage right) {
    LedgerPage all;
    all.columns = left.columns;
    all.problem = left.problem.empty() ? right.problem : left.problem;
    auto a = left.rows.begin();
    auto b = right.rows.begin();
    while (all.rows.size() < ledger::kPageMax && (a != left.rows.end() || b != right.rows.end())) {
        const bool has_both = a != left.rows.end() && b != right.rows.end();
        const bool is_same = has_both && a->front() == b->front();
        const bool is_left = b == right.rows.end() || (has_both && a->front() >= b->front());
        all.rows.push_back(std::move(is_left ? *a++ : *b++));
        b += is_same ? 1 : 0;
    }
    return all;
}

/// Two questions, because a failed statement that is not slow is none of the slow ones.
std::vector<Row> slow_rows(const CommandInput& input) {
    return ask(input, [](Reader& reader) {
        ledger::KeptQuestion question;
        question.page = most();
        question.kind = ledger::KeptKind::Slow;
        LedgerPage slow = kept_page(reader, question);
        question.kind = ledger::KeptKind::Failed;
        LedgerPage failed = kept_page(reader, question);
        return merged(std::move(slow), std::move(failed));
    });
}

std::vector<Row> error_rows(const CommandInput& input) {
    return ask(input, [](Reader& reader) {
        ledger::CountQuestion question;
        question.window = last_hours(kHours);
        question.limit = ledger::kPageMax / 2;
        LedgerPage page = errors_page(reader, question, ErrorsBy::State);
        if (!page.problem.empty()) {
            return page;
        }
        LedgerPage patterns = errors_page(reader, question, ErrorsBy::Pattern);
        page.problem = patterns.problem;
        page.rows.insert(page.rows.end(),
                         std::make_move_iterator(patterns.rows.begin()),
                         std::make_move_iterator(patterns.rows.end()));
        return page;
    });
}

std::vector<Row> session_rows(const CommandInput& input) {
    return ask(input, [](Reader& reader) {
        ledger::SessionQuestion question;
        question.page = most();
        return sessions_page(reader, question);
    });
}

std::vector<Row> event_rows(const CommandInput& input) {
    return ask(input, [](Reader& reader) {
        ledger::EventQuestion question;
        question.choice = ledger::EventChoice::Notable;
        question.page = most();
        return events_page(reader, question);
    });
}

std::vector<Row> audit_rows(const CommandInput& input) {
    return ask(input, [](Reader& reader) {
        ledger::AuditQuestion question;
        question.page = most();
        return audit_page(reader, question);
    });
}

std::vector<Row> ledger_rows(const CommandInput& input) {
    const ledger::LedgerStatus now =
        input.ledger == nullptr ? ledger::LedgerStatus{} : input.ledger->status();
    const std::int64_t since = now.since_commit.count();
    std::vector<Row> rows;
    rows.push_back({std::string{name_of(now.state)},
                    text_or_null(now.file),
                    cell(now.bytes_used),
                    cell(now.rows_written),
                    cell(now.rows_deleted),
                    cell(now.dropped_samples),
                    cell(now.dropped_details),
                    cell(now.dropped_sessions),
                    cell(now.dropped_events),
                    cell(now.dropped_deeds),
                    cell(now.digests_folded),
                    cell(now.calls_coarsened),
                    cell(now.calls_refused),
                    since < 0 ? Cell{} : Cell{since},
                    text_or_null(now.problem),
                    text_or_null(now.last_problem)});
    return rows;
}

}  // namespace

Show show_statements() {
    return {statement_columns(), statement_rows};
}

Show show_slow() {
    return {kept_columns(), slow_rows};
}

Show show_errors() {
    return {error_columns(), error_rows};
}

Show show_sessions() {
    return {session_columns(), session_rows};
}

Show show_events() {
    return {event_columns(), event_rows};
}

Show show_audit() {
    return {audit_columns(), audit_rows};
}

Show show_ledger() {
    return {kLedgerColumns, ledger_rows};
}

}  // namespace weir::admin
