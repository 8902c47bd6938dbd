#include "ledger/question_parts.hpp"

#include <algorithm>
#include <string>

namespace weir::ledger {

namespace {

// ?1 ?2 hours, ?3-?5 filter, ?6 digest, ?7 limit
constexpr const char* kByState =
    "SELECT sqlstate, sum(n) times FROM hourly_error WHERE hour >= ?1 AND hour < ?2 AND (?3 = 0 OR "
    "db = ?3)"
    " AND (?4 = 0 OR usr = ?4) AND (?5 = 0 OR app = ?5) AND (?6 < 0 OR digest = ?6)"
    " GROUP BY +sqlstate ORDER BY times DESC, +sqlstate LIMIT ?7";

constexpr const char* kByClass =
    "SELECT substr(sqlstate, 1, 2) class_of, sum(n) times FROM hourly_error WHERE hour >= ?1 AND "
    "hour < ?2"
    " AND (?3 = 0 OR db = ?3) AND (?4 = 0 OR usr = ?4) AND (?5 = 0 OR app = ?5) AND (?6 < 0 OR "
    "digest = ?6)"
    " GROUP BY class_of ORDER BY times DESC, class_of LIMIT ?7";

// ?1 ?2 times, the rest as above
constexpr const char* kByPattern =
    "WITH counted AS MATERIALIZED (SELECT pattern, count(*) times, min(t) first_seen, max(t) "
    "last_seen FROM statement"
    " WHERE sqlstate IS NOT NULL AND t >= ?1 AND t < ?2 AND pattern IS NOT NULL AND (?3 = 0 OR db "
    "= ?3)"
    " AND (?4 = 0 OR usr = ?4) AND (?5 = 0 OR app = ?5) AND (?6 < 0 OR digest = ?6) GROUP BY "
    "+pattern)"
    " SELECT p.sqlstate, p.pattern, c.times, c.first_seen, c.last_seen FROM counted c"
    " CROSS JOIN error_pattern p ON p.id = c.pattern ORDER BY c.times DESC, p.id LIMIT ?7";

// ?1 ?2 hours, ?3 ?4 filter
constexpr const char* kWaits =
    "SELECT why, sum(n), sum(us) waited, hist_sum(hist) FROM hourly_wait WHERE hour >= ?1 AND hour "
    "< ?2"
    " AND (?3 = 0 OR db = ?3) AND (?4 = 0 OR usr = ?4) GROUP BY +why ORDER BY waited DESC";

/// What is asked of the connection, with everything bound but what the rows are.
struct Counting {
    Connection* connection = nullptr;
    FilterNumbers numbers;
    std::int64_t limit = 0;
};

Counting counting(Reader& reader, const CountQuestion& question) {
    Connection& connection = reader.ask();
    return {
        .connection = &connection,
        .numbers = look_up(connection, question.filter),
        .limit = static_cast<std::int64_t>(std::clamp<std::size_t>(question.limit, 1, kPageMax))};
}

Answer<ErrorRow> errors_by(Reader& reader, const CountQuestion& question, const char* text) {
    const Counting how = counting(reader, question);
    Answer<ErrorRow> answer;
    if (!how.numbers.is_nothing) {
        const Source hours = source_of(*how.connection, question.window, INT64_MAX);
        Use rows = how.connection->use(text);
        rows.with(hours.hour_from)
            .with(hours.hour_until)
            .with(how.numbers.database)
            .with(how.numbers.user)
            .with(how.numbers.application)
            .with(how.numbers.digest)
            .with(how.limit);
        while (rows.row()) {
            answer.rows.push_back({.sqlstate = rows.text(0), .count = rows.natural(1)});
        }
    }
    answer.problem = reader.problem();
    return answer;
}

}  // namespace

Answer<ErrorRow> errors_by_state(Reader& reader, const CountQuestion& question) {
    return errors_by(reader, question, kByState);
}

Answer<ErrorRow> errors_by_class(Reader& reader, const CountQuestion& question) {
    return errors_by(reader, question, kByClass);
}

Answer<PatternRow> errors_by_pattern(Reader& reader, const CountQuestion& question) {
    const Counting how = counting(reader, question);
    Answer<PatternRow> answer;
    if (!how.numbers.is_nothing) {
        Use rows = how.connection->use(kByPattern);
        rows.with(question.window.from_us)
            .with(question.window.until_us)
            .with(how.numbers.database)
            .with(how.numbers.user)
            .with(how.numbers.application)
            .with(how.numbers.digest)
            .with(how.limit);
        while (rows.row()) {
            answer.rows.push_back({.sqlstate = rows.text(0),
                                   .pattern = rows.text(1),
                                   .count = rows.natural(2),
                                   .first_us = rows.integer(3),
                                   .last_us = rows.integer(4)});
        }
    }
    answer.problem = reader.problem();
    return answer;
}

Answer<WaitRow> waits_by_reason(Reader& reader, const CountQuestion& question) {
    const Counting how = counting(reader, question);
    Answer<WaitRow> answer;
    if (!how.numbers.is_nothing) {
        const Source hours = source_of(*how.connection, question.window, INT64_MAX);
        Use rows = how.connection->use(kWaits);
        rows.with(hours.hour_from)
            .with(hours.hour_until)
            .with(how.numbers.database)
            .with(how.numbers.user);
        while (rows.row()) {
            const std::uint64_t reason = rows.natural(0);
            answer.rows.push_back({.reason = reason < kWaitReasons ? static_cast<WaitReason>(reason)
                                                                   : WaitReason::None,
                                   .count = rows.natural(1),
                                   .us = rows.natural(2),
                                   .times = quantiles_of(rows.view(3), 0, UINT64_MAX)});
        }
    }
    answer.problem = reader.problem();
    return answer;
}

void add_count_texts(QuestionTexts& to) {
    to.emplace_back("errors by state", kByState);
    to.emplace_back("errors by class", kByClass);
    to.emplace_back("errors by pattern", kByPattern);
    to.emplace_back("waits", kWaits);
}

}  // namespace weir::ledger
