#pragma once

#include "ledger/reader.hpp"
#include "ledger/statement.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// What is asked of a ledger. Times are µs since 1970; durations µs. Thread: the Reader's.
namespace weir::ledger {

/// From when until when. What is summed up counts by the hours (beyond 48 h by the UTC days) that
/// it touches.
struct Window {
    std::int64_t from_us = 0;
    std::int64_t until_us = INT64_MAX;
};

/// "" = all.
struct Filter {
    std::string database;
    std::string user;
    std::string application;
    std::optional<std::uint64_t> digest;  ///< its hash
};

/// A part of an answer. @note cursors come from the answer before and are checked; they fit the
/// same question with the same filter only.
struct PageWish {
    std::size_t limit = 20;  ///< at most kPageMax
    std::string cursor;      ///< "" = the first page
};

inline constexpr std::size_t kPageMax = 1000;

/// Answer::problem of a question whose cursor is none of its own.
inline constexpr const char* kBadCursor = "the cursor is not one of this question's";

template <class Row>
struct Answer {
    std::vector<Row> rows;
    std::string next;     ///< cursor of the next page; "" = this is the last
    std::string problem;  ///< why there is no answer; "" = there is
};

struct Quantiles {
    std::uint64_t p50 = 0;
    std::uint64_t p95 = 0;
    std::uint64_t p99 = 0;
};

/// What statements took; quantiles are nothing where there are no histograms for the time.
struct Figures {
    std::uint64_t calls = 0;
    std::uint64_t errors = 0;
    std::uint64_t rows = 0;
    std::uint64_t bytes = 0;
    std::uint64_t total_us = 0;
    std::uint64_t server_us = 0;
    std::uint64_t wait_us = 0;
    std::uint64_t sending_us = 0;
    std::uint64_t min_us = 0;
    std::uint64_t max_us = 0;
    std::uint64_t retried = 0;
    std::uint64_t cut = 0;
    std::uint64_t cache_hits = 0;
    std::uint64_t cache_misses = 0;
    std::uint64_t cache_saved_us = 0;
    std::optional<Quantiles> total;
    std::optional<Quantiles> server;
    std::optional<Quantiles> wait;

    [[nodiscard]] std::uint64_t mean_us() const { return calls == 0 ? 0 : total_us / calls; }
};

// --- which statements take the most
// -----------------------------------------------------------------

enum class StatementOrder : std::uint8_t { Total, Calls, Mean, P95, Errors, Server, Wait, Rows };

/// By P95: of the thousand with the most total time.
struct TopQuestion {
    Window window;
    Filter filter;
    StatementOrder order = StatementOrder::Total;
    PageWish page;
};

struct StatementRow {
    std::uint64_t digest = 0;  ///< its hash; 0 = "(other)"
    std::string text;
    std::string kind;
    std::string tables;
    Figures figures;
};

/// All statements of a window together. No quantiles.
struct SumsRow {
    Figures figures;
    std::uint64_t digests = 0;  ///< different ones
};

/// @return one row
[[nodiscard]] Answer<SumsRow> statement_sums(Reader& reader, const Window& window);

[[nodiscard]] Answer<StatementRow> top_statements(Reader& reader, const TopQuestion& question);

// --- statements that were kept, newest first
// ------------------------------------------------------------

enum class KeptKind : std::uint8_t { Slow, Failed, All };

struct KeptQuestion {
    Window window;
    Filter filter;
    KeptKind kind = KeptKind::Slow;
    std::uint64_t least_us = 0;  ///< those that took as long
    PageWish page;
};

struct KeptRow {
    std::int64_t ended_us = 0;
    std::uint64_t digest = 0;
    std::string digest_text;
    std::string database;
    std::string user;
    std::string application;
    std::string member;
    std::uint64_t session = 0;
    double weight = 1;
    bool is_slow = false;
    bool is_retried = false;
    bool is_cut = false;
    std::uint64_t total_us = 0;
    std::uint64_t server_us = 0;
    std::uint64_t wait_us = 0;
    std::uint64_t sending_us = 0;
    WaitReason wait_reason = WaitReason::None;
    std::uint64_t rows = 0;
    std::uint64_t bytes = 0;
    std::string sqlstate;
    std::string client;
    StatementDetail detail;
};

[[nodiscard]] Answer<KeptRow> kept_statements(Reader& reader, const KeptQuestion& question);

// --- errors and waits
// ---------------------------------------------------------------------------------------

struct CountQuestion {
    Window window;
    Filter filter;
    std::size_t limit = 100;
};

struct ErrorRow {
    std::string sqlstate;
    std::uint64_t count = 0;
};

/// The most frequent first.
[[nodiscard]] Answer<ErrorRow> errors_by_state(Reader& reader, const CountQuestion& question);
[[nodiscard]] Answer<ErrorRow> errors_by_class(Reader& reader, const CountQuestion& question);

struct PatternRow {
    std::string sqlstate;
    std::string pattern;
    std::uint64_t count = 0;  ///< of those kept
    std::int64_t first_us = 0;
    std::int64_t last_us = 0;
};

[[nodiscard]] Answer<PatternRow> errors_by_pattern(Reader& reader, const CountQuestion& question);

struct WaitRow {
    WaitReason reason = WaitReason::None;
    std::uint64_t count = 0;
    std::uint64_t us = 0;
    std::optional<Quantiles> times;
};

/// Waits for server connections, by reason. By database and user only.
[[nodiscard]] Answer<WaitRow> waits_by_reason(Reader& reader, const CountQuestion& question);

// --- sessions, events, audit, newest first
// ----------------------------------------------------------------

struct SessionQuestion {
    Window window;  ///< of their ends
    Filter filter;
    PageWish page;
};

[[nodiscard]] Answer<Session> ended_sessions(Reader& reader, const SessionQuestion& question);

/// Which events, where all kinds are asked for.
enum class EventChoice : std::uint8_t {
    All,
    Notable,  ///< without what pools tell of each minute in which nothing failed
};

struct EventQuestion {
    Window window;
    std::string kind;  ///< "" = all
    EventChoice choice = EventChoice::All;
    PageWish page;
};

struct EventRow {
    std::int64_t t = 0;
    std::string kind;
    std::string object;
    int severity = 0;  ///< 0 information, 1 warning, 2 error
    std::string what;
    std::string data;
};

[[nodiscard]] Answer<EventRow> noted_events(Reader& reader, const EventQuestion& question);

struct AuditQuestion {
    Window window;
    PageWish page;
};

struct AuditRow {
    std::int64_t id = 0;
    std::int64_t t = 0;
    std::string who;
    std::string from;
    std::string action;
    std::string object;
    std::string text;
};

[[nodiscard]] Answer<AuditRow> audited_deeds(Reader& reader, const AuditQuestion& question);

/// The text of every question, by name: their plans are tested.
[[nodiscard]] std::vector<std::pair<std::string, std::string>> question_texts_for_test();

[[nodiscard]] std::string_view name_of(WaitReason reason);

}  // namespace weir::ledger
