#include "ledger/hour_writer.hpp"
#include "ledger/question_parts.hpp"

namespace weir::ledger {

namespace {

constexpr std::int64_t kHoursMost = 14 * kHoursOfDay;

/// ?1 digest, ?2 ?3 hours, ?4-?6 filter
constexpr const char* kByHour =
    "SELECT hour, sum(calls), sum(errors), sum(rows), sum(total_us), sum(server_us), sum(wait_us), "
    "min(min_us),"
    " max(max_us), hist_sum(total), hist_sum(server), hist_sum(wait) FROM hourly_hist"
    " WHERE digest = ?1 AND hour >= ?2 AND hour < ?3 AND (?4 = 0 OR db = ?4) AND (?5 = 0 OR usr = "
    "?5)"
    " AND (?6 = 0 OR app = ?6) GROUP BY hour ORDER BY hour LIMIT 10000";

/// ?1 digest, ?2 ?3 hours, ?4-?6 filter, ?7 ?8 days that are read as days
constexpr const char* kByDay =
    "SELECT at_day, sum(calls), sum(errors), sum(rows), sum(total_us), sum(server_us), "
    "sum(wait_us), min(min_us),"
    " max(max_us), hist_sum(total), hist_sum(server), hist_sum(wait) FROM ("
    "SELECT day at_day, calls, errors, rows, total_us, server_us, wait_us, min_us, max_us, total, "
    "server, wait"
    " FROM daily_hist WHERE digest = ?1 AND day >= ?7 AND day < ?8 AND (?4 = 0 OR db = ?4)"
    " AND (?5 = 0 OR usr = ?5) AND (?6 = 0 OR app = ?6)"
    " UNION ALL SELECT hour / 24, calls, errors, rows, total_us, server_us, wait_us, min_us, "
    "max_us, total, server,"
    " wait FROM hourly_hist WHERE digest = ?1 AND hour >= ?2 AND hour < ?3 AND (hour < ?7 * 24 OR "
    "hour >= ?8 * 24)"
    " AND (?4 = 0 OR db = ?4) AND (?5 = 0 OR usr = ?5) AND (?6 = 0 OR app = ?6))"
    " GROUP BY at_day ORDER BY at_day LIMIT 10000";

HistoryRow row_of(const Use& use, std::int64_t length_us) {
    HistoryRow row;
    row.from_us = use.integer(0) * length_us;
    row.length_us = length_us;
    Figures& figures = row.figures;
    int column = 1;
    for (std::uint64_t* figure : {&figures.calls,
                                  &figures.errors,
                                  &figures.rows,
                                  &figures.total_us,
                                  &figures.server_us,
                                  &figures.wait_us,
                                  &figures.min_us,
                                  &figures.max_us}) {
        *figure = use.natural(column++);
    }
    figures.total = quantiles_of(use.view(column++), figures.min_us, figures.max_us);
    figures.server = quantiles_of(use.view(column++), 0, figures.max_us);
    figures.wait = quantiles_of(use.view(column), 0, figures.max_us);
    return row;
}

}  // namespace

Answer<HistoryRow> statement_history(Reader& reader, const HistoryQuestion& question) {
    Answer<HistoryRow> answer;
    if (!question.filter.digest) {
        answer.problem = "a history is of one digest";
        return answer;
    }
    Connection& connection = reader.ask();
    const FilterNumbers numbers = look_up(connection, question.filter);
    const Source source = source_of(connection, question.window, kHoursMost);
    if (!numbers.is_nothing) {
        Use rows = connection.use(source.has_days() ? kByDay : kByHour);
        rows.with(numbers.digest)
            .with(source.hour_from)
            .with(source.hour_until)
            .with(numbers.database)
            .with(numbers.user)
            .with(numbers.application);
        if (source.has_days()) {
            rows.with(source.day_from).with(source.day_until);
        }
        while (rows.row()) {
            answer.rows.push_back(
                row_of(rows, source.has_days() ? kHourUs * kHoursOfDay : kHourUs));
        }
    }
    answer.problem = reader.problem();
    return answer;
}

void add_history_texts(QuestionTexts& to) {
    to.emplace_back("history by hours", kByHour);
    to.emplace_back("history by days", kByDay);
}

}  // namespace weir::ledger
