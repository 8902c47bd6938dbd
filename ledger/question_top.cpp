#include "ledger/question_parts.hpp"

#include <algorithm>
#include <array>
#include <string>

namespace weir::ledger {

namespace {

constexpr std::int64_t kHoursMost = 48;
/// How many statements are looked at for the order by p95.
constexpr std::size_t kCandidates = 1000;

/// What a window is read as.
enum class Spans : std::uint8_t { Hours, DaysAndHours };

constexpr std::array<const char*, 8> kKeys{
    "total_sum",                    // Total
    "calls_sum",                    // Calls
    "1.0 * total_sum / calls_sum",  // Mean
    "total_sum",                    // P95: the candidates
    "errors_sum",                   // Errors
    "server_sum",                   // Server
    "wait_sum",                     // Wait
    "rows_sum",                     // Rows
};

// The + keeps the planner from reading all hours in the order of digests only to save a sort.
// Aliases are no columns' names: those would mean the column in WHERE.
constexpr const char* kSums =
    "SELECT digest, sum(calls) calls_sum, sum(errors) errors_sum, sum(rows) rows_sum, sum(bytes) "
    "bytes_sum,"
    " sum(total_us) total_sum, sum(server_us) server_sum, sum(wait_us) wait_sum, sum(sending_us) "
    "sending_sum,"
    " min(min_us) least, max(max_us) most, sum(retried) retried_sum, sum(cut) cut_sum,"
    " sum(cache_hits) hits_sum, sum(cache_misses) misses_sum, sum(cache_saved_us) saved_sum FROM ";

constexpr const char* kNarrowed =
    " AND (?5 = 0 OR db = ?5) AND (?6 = 0 OR usr = ?6) AND (?7 = 0 OR app = ?7) AND (?8 < 0 OR "
    "digest = ?8)";

std::string part(const char* table, const char* range) {
    return std::string{
               "SELECT digest, calls, errors, rows, bytes, total_us, server_us, wait_us, "
               "sending_us, min_us,"
               " max_us, retried, cut, cache_hits, cache_misses, cache_saved_us FROM "} +
           table + " WHERE " + range + kNarrowed;
}

/// ?1 ?2 hours, ?3 ?4 days, ?5-?8 filter, ?9 key, ?10 id, ?11 limit
std::string top_sql(std::size_t order, Spans spans) {
    std::string from = std::string{"hourly WHERE hour >= ?1 AND hour < ?2"} + kNarrowed;
    if (spans == Spans::DaysAndHours) {
        from = "(" + part("daily", "day >= ?3 AND day < ?4") + " UNION ALL " +
               part("hourly", "hour >= ?1 AND hour < ?3 * 24") + " UNION ALL " +
               part("hourly", "hour >= ?4 * 24 AND hour < ?2") + ")";
    }
    return "WITH summed AS MATERIALIZED (" + (kSums + from) +
           " GROUP BY +digest), keyed AS (SELECT *, CAST(" + kKeys.at(order) +
           " AS REAL) place FROM summed) SELECT k.digest, k.place, k.calls_sum, k.errors_sum, "
           "k.rows_sum,"
           " k.bytes_sum, k.total_sum, k.server_sum, k.wait_sum, k.sending_sum, k.least, k.most, "
           "k.retried_sum,"
           " k.cut_sum, k.hits_sum, k.misses_sum, k.saved_sum FROM keyed k WHERE k.place < ?9 OR "
           "(k.place = ?9 AND k.digest > ?10)"
           " ORDER BY k.place DESC, k.digest LIMIT ?11";
}

/// ?1 ?2 hours, ?3 ?4 days
const std::string& sums_text() {
    constexpr const char* kColumns =
        "calls, errors, rows, bytes, total_us, server_us, wait_us, digest";
    static const std::string kText =
        std::string{
            "SELECT total(calls), total(errors), total(rows), total(bytes), total(total_us), "
            "total(server_us), total(wait_us), count(DISTINCT digest) FROM (SELECT "} +
        kColumns + " FROM hourly WHERE hour >= ?1 AND hour < ?2 AND ?3 >= ?4 UNION ALL SELECT " +
        kColumns + " FROM daily WHERE day >= ?3 AND day < ?4 UNION ALL SELECT " + kColumns +
        " FROM hourly WHERE hour >= ?1 AND hour < ?3 * 24 AND ?3 < ?4 UNION ALL SELECT " +
        kColumns + " FROM hourly WHERE hour >= ?4 * 24 AND hour < ?2 AND ?3 < ?4)";
    return kText;
}

/// Kept for ever: Connection knows texts by their addresses.
const std::string& top_text(StatementOrder order, Spans spans) {
    static const auto kTexts = [] {
        std::array<std::array<std::string, 2>, kKeys.size()> texts;
        for (std::size_t i = 0; i < kKeys.size(); ++i) {
            texts.at(i) = {top_sql(i, Spans::Hours), top_sql(i, Spans::DaysAndHours)};
        }
        return texts;
    }();
    return kTexts.at(static_cast<std::size_t>(order)).at(static_cast<std::size_t>(spans));
}

/// ?1 digest, ?2-?5 hours and days, ?6-?8 filter
constexpr const char* kSpread =
    "SELECT hist_sum(total), hist_sum(server), hist_sum(wait) FROM ("
    "SELECT total, server, wait FROM daily_hist WHERE digest = ?1 AND day >= ?4 AND day < ?5"
    " AND (?6 = 0 OR db = ?6) AND (?7 = 0 OR usr = ?7) AND (?8 = 0 OR app = ?8)"
    " UNION ALL SELECT total, server, wait FROM hourly_hist WHERE digest = ?1 AND hour >= ?2 AND "
    "hour < ?3"
    " AND (?4 >= ?5 OR hour < ?4 * 24 OR hour >= ?5 * 24)"
    " AND (?6 = 0 OR db = ?6) AND (?7 = 0 OR usr = ?7) AND (?8 = 0 OR app = ?8))";

/// For the order by p95: one histogram of three.
constexpr const char* kSpreadOfTotal =
    "SELECT hist_sum(total) FROM ("
    "SELECT total FROM daily_hist WHERE digest = ?1 AND day >= ?4 AND day < ?5"
    " AND (?6 = 0 OR db = ?6) AND (?7 = 0 OR usr = ?7) AND (?8 = 0 OR app = ?8)"
    " UNION ALL SELECT total FROM hourly_hist WHERE digest = ?1 AND hour >= ?2 AND hour < ?3"
    " AND (?4 >= ?5 OR hour < ?4 * 24 OR hour >= ?5 * 24)"
    " AND (?6 = 0 OR db = ?6) AND (?7 = 0 OR usr = ?7) AND (?8 = 0 OR app = ?8))";

struct Found {
    std::int64_t id = 0;
    double key = 0;
    StatementRow row;
};

/// What one question needs at every step.
struct Asking {
    Connection* connection = nullptr;
    Source source;
    FilterNumbers numbers;
};

/// @param spread a use of kSpread, or of kSpreadOfTotal
/// @return whether it has a row
bool find_spread(Use& spread, const Asking& asking, const Found& found) {
    spread.with(found.id)
        .with(asking.source.hour_from)
        .with(asking.source.hour_until)
        .with(asking.source.day_from)
        .with(asking.source.day_until)
        .with(asking.numbers.database)
        .with(asking.numbers.user)
        .with(asking.numbers.application);
    return spread.row();
}

void read_spreads(const Asking& asking, Found& found) {
    Use spread = asking.connection->use(kSpread);
    if (!find_spread(spread, asking, found)) {
        return;
    }
    Figures& figures = found.row.figures;
    figures.total = quantiles_of(spread.view(0), figures.min_us, figures.max_us);
    figures.server = quantiles_of(spread.view(1), 0, figures.max_us);
    figures.wait = quantiles_of(spread.view(2), 0, figures.max_us);
}

void read_p95(const Asking& asking, Found& found) {
    Use spread = asking.connection->use(kSpreadOfTotal);
    found.key = 0;
    if (find_spread(spread, asking, found)) {
        const auto quantiles =
            quantiles_of(spread.view(0), found.row.figures.min_us, found.row.figures.max_us);
        found.key = quantiles ? static_cast<double>(quantiles->p95) : 0;
    }
}

void read_text(Connection& connection, Found& found) {
    Use digest = connection.use("SELECT hash, text, kind, tables FROM digest WHERE id = ?");
    digest.with(found.id);
    if (digest.row()) {
        found.row.digest = static_cast<std::uint64_t>(digest.integer(0));
        found.row.text = digest.text(1);
        found.row.kind = digest.text(2);
        found.row.tables = digest.text(3);
    }
}

std::vector<Found> read_sums(const Asking& asking,
                             StatementOrder order,
                             const Position& begin,
                             std::size_t limit) {
    std::vector<Found> all;
    Use sums = asking.connection->use(
        top_text(order, asking.source.has_days() ? Spans::DaysAndHours : Spans::Hours).c_str());
    sums.with(asking.source.hour_from)
        .with(asking.source.hour_until)
        .with(asking.source.day_from)
        .with(asking.source.day_until)
        .with(asking.numbers.database)
        .with(asking.numbers.user)
        .with(asking.numbers.application)
        .with(asking.numbers.digest)
        .with(begin.key)
        .with(begin.id)
        .with(static_cast<std::int64_t>(limit));
    while (sums.row()) {
        Found& found = all.emplace_back();
        found.id = sums.integer(0);
        found.key = sums.real(1);
        int column = 2;
        Figures& figures = found.row.figures;
        for (std::uint64_t* figure : {&figures.calls,
                                      &figures.errors,
                                      &figures.rows,
                                      &figures.bytes,
                                      &figures.total_us,
                                      &figures.server_us,
                                      &figures.wait_us,
                                      &figures.sending_us,
                                      &figures.min_us,
                                      &figures.max_us,
                                      &figures.retried,
                                      &figures.cut,
                                      &figures.cache_hits,
                                      &figures.cache_misses,
                                      &figures.cache_saved_us}) {
            *figure = sums.natural(column++);
        }
    }
    return all;
}

constexpr Position kBeginning{.key = 1e300, .id = -1};

std::vector<Found> read_by_p95(const Asking& asking, const Position& begin, std::size_t limit) {
    std::vector<Found> all = read_sums(asking, StatementOrder::P95, kBeginning, kCandidates);
    for (Found& found : all) {
        read_p95(asking, found);
    }
    std::sort(all.begin(), all.end(), [](const Found& a, const Found& b) {
        return a.key != b.key ? a.key > b.key : a.id < b.id;
    });
    std::erase_if(all, [&](const Found& found) {
        return found.key > begin.key || (found.key == begin.key && found.id <= begin.id);
    });
    all.resize(std::min(all.size(), limit));
    return all;
}

}  // namespace

Answer<SumsRow> statement_sums(Reader& reader, const Window& window) {
    Connection& connection = reader.ask();
    const Source source = source_of(connection, window, kHoursMost);
    Answer<SumsRow> answer;
    SumsRow& row = answer.rows.emplace_back();
    {
        Use sums = connection.use(sums_text().c_str());
        sums.with(source.hour_from)
            .with(source.hour_until)
            .with(source.day_from)
            .with(source.day_until);
        if (sums.row()) {
            int column = 0;
            Figures& all = row.figures;
            for (std::uint64_t* figure : {&all.calls,
                                          &all.errors,
                                          &all.rows,
                                          &all.bytes,
                                          &all.total_us,
                                          &all.server_us,
                                          &all.wait_us,
                                          &row.digests}) {
                *figure = sums.natural(column++);
            }
        }
    }
    answer.problem = reader.problem();
    return answer;
}

Answer<StatementRow> top_statements(Reader& reader, const TopQuestion& question) {
    const std::string print =
        fingerprint("top" + std::to_string(static_cast<int>(question.order)), question.filter);
    Position begin = kBeginning;
    if (!question.page.cursor.empty()) {
        const auto position = read_cursor(print, question.page.cursor);
        if (!position) {
            return {.rows = {}, .next = "", .problem = kBadCursor};
        }
        begin = *position;
    }
    Connection& connection = reader.ask();
    const Asking asking{.connection = &connection,
                        .source = source_of(connection, question.window, kHoursMost),
                        .numbers = look_up(connection, question.filter)};
    Answer<StatementRow> answer;
    if (!asking.numbers.is_nothing) {
        const std::size_t limit = std::clamp<std::size_t>(question.page.limit, 1, kPageMax);
        std::vector<Found> all = question.order == StatementOrder::P95
                                     ? read_by_p95(asking, begin, limit + 1)
                                     : read_sums(asking, question.order, begin, limit + 1);
        if (all.size() > limit) {
            all.resize(limit);
            answer.next = write_cursor(print, {.key = all.back().key, .id = all.back().id});
        }
        for (Found& found : all) {
            read_spreads(asking, found);
            read_text(connection, found);
            answer.rows.push_back(std::move(found.row));
        }
    }
    answer.problem = reader.problem();
    return answer;
}

void add_top_texts(QuestionTexts& to) {
    to.emplace_back("top by hours", top_text(StatementOrder::Total, Spans::Hours));
    to.emplace_back("top by days", top_text(StatementOrder::Total, Spans::DaysAndHours));
    to.emplace_back("spread of one", kSpread);
    to.emplace_back("sums", sums_text());
}

}  // namespace weir::ledger
