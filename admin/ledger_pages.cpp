#include "admin/ledger_pages.hpp"

#include <array>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <utility>

namespace weir::admin {

namespace {

using enum ColumnType;

constexpr double kUsPerMs = 1000;

constexpr Column kStatementColumns[] = {
    {"digest", Text},       {"calls", Int8},           {"errors", Int8},    {"rows", Int8},
    {"bytes", Int8},        {"total_ms", Float8},      {"mean_ms", Float8}, {"min_ms", Float8},
    {"max_ms", Float8},     {"p50_ms", Float8},        {"p95_ms", Float8},  {"p99_ms", Float8},
    {"server_ms", Float8},  {"server_p95_ms", Float8}, {"wait_ms", Float8}, {"wait_p95_ms", Float8},
    {"sending_ms", Float8}, {"retried", Int8},         {"cut", Int8},       {"cache_hits", Int8},
    {"cache_misses", Int8}, {"cache_saved_us", Int8},  {"kind", Text},      {"tables", Text},
    {"query", Text},
};

constexpr Column kKeptColumns[] = {
    {"ended", Text},        {"database", Text},    {"user", Text},       {"application_name", Text},
    {"client", Text},       {"member", Text},      {"total_ms", Float8}, {"server_ms", Float8},
    {"wait_ms", Float8},    {"wait_reason", Text}, {"rows", Int8},       {"bytes", Int8},
    {"sqlstate", Text},     {"message", Text},     {"slow", Int4},       {"retried", Int4},
    {"cut", Int4},          {"weight", Float8},    {"session", Int8},    {"trace_id", Text},
    {"digest", Text},       {"query", Text},       {"parameters", Text}, {"plan", Text},
    {"sending_ms", Float8},
};

constexpr Column kErrorColumns[] = {
    {"sqlstate", Text},
    {"pattern", Text},
    {"count", Int8},
    {"first", Text},
    {"last", Text},
};

constexpr Column kSessionColumns[] = {
    {"ended", Text},
    {"began", Text},
    {"id", Int8},
    {"database", Text},
    {"user", Text},
    {"application_name", Text},
    {"client", Text},
    {"statements", Int8},
    {"errors", Int8},
    {"transactions", Int8},
    {"bytes_in", Int8},
    {"bytes_out", Int8},
    {"end_reason", Text},
};

constexpr Column kEventColumns[] = {
    {"time", Text},
    {"kind", Text},
    {"object", Text},
    {"severity", Text},
    {"what", Text},
    {"data", Text},
};

constexpr Column kAuditColumns[] = {
    {"id", Int8},
    {"time", Text},
    {"who", Text},
    {"client", Text},
    {"action", Text},
    {"object", Text},
    {"text", Text},
};

Cell ms(std::uint64_t us) {
    return static_cast<double>(us) / kUsPerMs;
}

Cell quantile(const std::optional<ledger::Quantiles>& quantiles,
              std::uint64_t ledger::Quantiles::*which) {
    return quantiles ? ms((*quantiles).*which) : Cell{};
}

Cell yes_no(bool value) {
    return std::int64_t{value ? 1 : 0};
}

Row row_of(const ledger::StatementRow& statement) {
    using ledger::Quantiles;
    const ledger::Figures& figures = statement.figures;
    return {digest_text(statement.digest),
            cell(figures.calls),
            cell(figures.errors),
            cell(figures.rows),
            cell(figures.bytes),
            ms(figures.total_us),
            ms(figures.mean_us()),
            ms(figures.min_us),
            ms(figures.max_us),
            quantile(figures.total, &Quantiles::p50),
            quantile(figures.total, &Quantiles::p95),
            quantile(figures.total, &Quantiles::p99),
            ms(figures.server_us),
            quantile(figures.server, &Quantiles::p95),
            ms(figures.wait_us),
            quantile(figures.wait, &Quantiles::p95),
            ms(figures.sending_us),
            cell(figures.retried),
            cell(figures.cut),
            cell(figures.cache_hits),
            cell(figures.cache_misses),
            cell(figures.cache_saved_us),
            text_or_null(statement.kind),
            text_or_null(statement.tables),
            statement.text};
}

Row row_of(const ledger::KeptRow& kept) {
    const bool has_reason = kept.wait_reason != ledger::WaitReason::None;
    return {moment_cell(kept.ended_us),
            text_or_null(kept.database),
            text_or_null(kept.user),
            text_or_null(kept.application),
            text_or_null(kept.client),
            text_or_null(kept.member),
            ms(kept.total_us),
            ms(kept.server_us),
            ms(kept.wait_us),
            has_reason ? Cell{std::string{ledger::name_of(kept.wait_reason)}} : Cell{},
            cell(kept.rows),
            cell(kept.bytes),
            text_or_null(kept.sqlstate),
            text_or_null(kept.detail.message),
            yes_no(kept.is_slow),
            yes_no(kept.is_retried),
            yes_no(kept.is_cut),
            kept.weight,
            cell(kept.session),
            text_or_null(kept.detail.trace_id),
            digest_text(kept.digest),
            kept.detail.text.empty() ? kept.digest_text : kept.detail.text,
            text_or_null(kept.detail.parameters),
            text_or_null(kept.detail.plan),
            ms(kept.sending_us)};
}

Row row_of(const ledger::ErrorRow& error) {
    return {error.sqlstate, Cell{}, cell(error.count), Cell{}, Cell{}};
}

Row row_of(const ledger::PatternRow& pattern) {
    return {pattern.sqlstate,
            pattern.pattern,
            cell(pattern.count),
            moment_cell(pattern.first_us),
            moment_cell(pattern.last_us)};
}

Row row_of(const ledger::Session& session) {
    const ledger::Labels none;
    const ledger::Labels& labels = session.labels == nullptr ? none : *session.labels;
    return {moment_cell(session.ended_unix_us),
            moment_cell(session.began_unix_us),
            cell(session.id),
            text_or_null(labels.database),
            text_or_null(labels.user),
            text_or_null(labels.application),
            text_or_null(session.client),
            cell(session.statements),
            cell(session.errors),
            cell(session.transactions),
            cell(session.bytes_in),
            cell(session.bytes_out),
            text_or_null(session.end_reason)};
}

Row row_of(const ledger::EventRow& event) {
    constexpr std::array<const char*, 3> kSeverities{"info", "warning", "error"};
    const auto severity = static_cast<std::size_t>(event.severity);
    return {moment_cell(event.t),
            event.kind,
            text_or_null(event.object),
            std::string{severity < kSeverities.size() ? kSeverities.at(severity) : "error"},
            event.what,
            text_or_null(event.data)};
}

Row row_of(const ledger::AuditRow& deed) {
    return {deed.id,
            moment_cell(deed.t),
            text_or_null(deed.who),
            text_or_null(deed.from),
            deed.action,
            text_or_null(deed.object),
            deed.text};
}

template <class Entry>
LedgerPage page_of(std::span<const Column> columns, const ledger::Answer<Entry>& answer) {
    LedgerPage page;
    page.columns = columns;
    page.next = answer.next;
    page.problem = answer.problem;
    page.rows.reserve(answer.rows.size());
    for (const Entry& entry : answer.rows) {
        page.rows.push_back(row_of(entry));
    }
    return page;
}

constexpr std::array kOrders{
    std::pair{std::string_view{"total"}, ledger::StatementOrder::Total},
    std::pair{std::string_view{"calls"}, ledger::StatementOrder::Calls},
    std::pair{std::string_view{"mean"}, ledger::StatementOrder::Mean},
    std::pair{std::string_view{"p95"}, ledger::StatementOrder::P95},
    std::pair{std::string_view{"errors"}, ledger::StatementOrder::Errors},
    std::pair{std::string_view{"server"}, ledger::StatementOrder::Server},
    std::pair{std::string_view{"wait"}, ledger::StatementOrder::Wait},
    std::pair{std::string_view{"rows"}, ledger::StatementOrder::Rows},
};

constexpr std::size_t kDigestDigits = 16;
constexpr int kHexadecimal = 16;

}  // namespace

std::span<const Column> statement_columns() {
    return kStatementColumns;
}

std::span<const Column> kept_columns() {
    return kKeptColumns;
}

std::span<const Column> error_columns() {
    return kErrorColumns;
}

std::span<const Column> session_columns() {
    return kSessionColumns;
}

std::span<const Column> event_columns() {
    return kEventColumns;
}

std::span<const Column> audit_columns() {
    return kAuditColumns;
}

LedgerPage statements_page(ledger::Reader& reader, const ledger::TopQuestion& question) {
    return page_of(kStatementColumns, ledger::top_statements(reader, question));
}

LedgerPage kept_page(ledger::Reader& reader, const ledger::KeptQuestion& question) {
    return page_of(kKeptColumns, ledger::kept_statements(reader, question));
}

LedgerPage sessions_page(ledger::Reader& reader, const ledger::SessionQuestion& question) {
    return page_of(kSessionColumns, ledger::ended_sessions(reader, question));
}

LedgerPage events_page(ledger::Reader& reader, const ledger::EventQuestion& question) {
    return page_of(kEventColumns, ledger::noted_events(reader, question));
}

LedgerPage audit_page(ledger::Reader& reader, const ledger::AuditQuestion& question) {
    return page_of(kAuditColumns, ledger::audited_deeds(reader, question));
}

LedgerPage errors_page(ledger::Reader& reader, const ledger::CountQuestion& question, ErrorsBy by) {
    switch (by) {
        case ErrorsBy::State:
            return page_of(kErrorColumns, ledger::errors_by_state(reader, question));
        case ErrorsBy::Class:
            return page_of(kErrorColumns, ledger::errors_by_class(reader, question));
        case ErrorsBy::Pattern: break;
    }
    return page_of(kErrorColumns, ledger::errors_by_pattern(reader, question));
}

std::optional<ledger::StatementOrder> order_named(std::string_view name) {
    for (const auto& [word, order] : kOrders) {
        if (word == name) {
            return order;
        }
    }
    return std::nullopt;
}

std::optional<std::uint64_t> digest_in(std::string_view text) {
    std::uint64_t digest = 0;
    const auto [end, error] =
        std::from_chars(text.data(), text.data() + text.size(), digest, kHexadecimal);
    const bool is_digest =
        text.size() == kDigestDigits && error == std::errc{} && end == text.data() + text.size();
    return is_digest ? std::optional{digest} : std::nullopt;
}

std::string digest_text(std::uint64_t digest) {
    std::array<char, kDigestDigits> digits{};
    const auto [end, error] =
        std::to_chars(digits.data(), digits.data() + digits.size(), digest, kHexadecimal);
    const auto length = static_cast<std::size_t>(end - digits.data());
    return std::string(kDigestDigits - length, '0') + std::string{digits.data(), length};
}

Cell moment_cell(std::int64_t unix_us) {
    constexpr std::int64_t kUsPerSecond = 1'000'000;
    constexpr std::size_t kFraction = 6;
    if (unix_us <= 0) {
        return {};
    }
    const auto seconds = static_cast<std::time_t>(unix_us / kUsPerSecond);
    std::tm parts{};
    std::array<char, 64> text{};
    if (gmtime_r(&seconds, &parts) == nullptr) {
        return {};
    }
    const std::size_t length =
        std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M:%S.", &parts);
    const std::string fraction = std::to_string(unix_us % kUsPerSecond);
    return std::string{text.data(), length} + std::string(kFraction - fraction.size(), '0') +
           fraction + " UTC";
}

ledger::Window last_hours(std::int64_t hours) {
    const auto now = std::chrono::time_point_cast<std::chrono::microseconds>(
        std::chrono::system_clock::now() - std::chrono::hours{hours});
    return {.from_us = now.time_since_epoch().count()};
}

}  // namespace weir::admin
