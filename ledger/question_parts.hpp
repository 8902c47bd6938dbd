#pragma once

#include "ledger/histogram.hpp"
#include "ledger/questions.hpp"
#include "ledger/sums.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

/// What the questions have in common. Inside ledger/ only.
namespace weir::ledger {

/// Numbers of a filter's names in the file.
struct FilterNumbers {
    std::int64_t database = 0;  ///< 0 = all
    std::int64_t user = 0;
    std::int64_t application = 0;
    std::int64_t digest = -1;  ///< -1 = all
    bool is_nothing = false;   ///< the file knows no such name: the answer is empty
};

[[nodiscard]] FilterNumbers look_up(Connection& connection, const Filter& filter);

/// Where sums are read from: hours [hour_from, hour_until), but for days [day_from, day_until),
/// which are read as days.
struct Source {
    std::int64_t hour_from = 0;
    std::int64_t hour_until = 0;
    std::int64_t day_from = 0;
    std::int64_t day_until = 0;

    [[nodiscard]] bool has_days() const { return day_from < day_until; }
};

/// @param hours_most windows up to so many hours are read by hour
[[nodiscard]] Source source_of(Connection& connection,
                               const Window& window,
                               std::int64_t hours_most);

/// Where a page begins.
struct Position {
    double key = 0;       ///< of the last row before it
    std::int64_t id = 0;  ///< of the same
};

/// @param question its name and what it was narrowed to: another question's cursor is refused
[[nodiscard]] std::string write_cursor(std::string_view question, const Position& position);
[[nodiscard]] std::optional<Position> read_cursor(std::string_view question,
                                                  std::string_view cursor);

[[nodiscard]] std::string fingerprint(std::string_view name, const Filter& filter);

/// @return before which row id the page begins; nothing when the cursor is another question's
[[nodiscard]] std::optional<std::int64_t> page_begin(const std::string& print,
                                                     const PageWish& page,
                                                     std::int64_t first);

[[nodiscard]] std::size_t limit_of(const PageWish& page);

template <class Row>
[[nodiscard]] Answer<Row> bad_cursor() {
    Answer<Row> answer;
    answer.problem = kBadCursor;
    return answer;
}

/// Reads one page of rows: `row_of` makes a row, `id_of` says where it is.
template <class Row, class RowOf, class IdOf>
void read_page(Use& rows,
               Answer<Row>& answer,
               const std::pair<std::string, std::size_t>& print_and_limit,
               const std::pair<RowOf, IdOf>& how) {
    const auto& [print, limit] = print_and_limit;
    while (rows.row()) {
        if (answer.rows.size() == limit) {
            answer.next = write_cursor(print, {.key = 0, .id = how.second(answer.rows.back())});
            break;
        }
        answer.rows.push_back(how.first(rows));
    }
}

/// @return quantiles, no lower than `min_us` and no higher than `max_us`
[[nodiscard]] std::optional<Quantiles> quantiles_of(std::string_view blob,
                                                    std::uint64_t min_us,
                                                    std::uint64_t max_us);

/// Texts for question_texts_for_test().
using QuestionTexts = std::vector<std::pair<std::string, std::string>>;
void add_top_texts(QuestionTexts& to);
void add_kept_texts(QuestionTexts& to);
void add_count_texts(QuestionTexts& to);
void add_list_texts(QuestionTexts& to);

}  // namespace weir::ledger
