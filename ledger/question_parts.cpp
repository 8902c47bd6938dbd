#include "ledger/question_parts.hpp"

#include "ledger/hour_writer.hpp"
#include "ledger/ids.hpp"

#define XXH_INLINE_ALL  // NOLINT(readability-identifier-naming): the library's
#include <xxhash.h>

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cmath>

namespace weir::ledger {

namespace {

constexpr std::size_t kHexDigits = 16;

void put_hex(std::string& to, std::uint64_t value) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    constexpr unsigned kNibble = 4;
    for (std::size_t i = kHexDigits; i-- > 0;) {
        to += kDigits[(value >> (kNibble * i)) & 15U];
    }
}

std::optional<std::uint64_t> take_hex(std::string_view& from) {
    constexpr int kBase = 16;
    const std::string_view digits = from.substr(0, kHexDigits);
    std::uint64_t value = 0;
    const auto [end, error] =
        std::from_chars(digits.data(), digits.data() + digits.size(), value, kBase);
    if (error != std::errc{} || end != digits.data() + digits.size() ||
        digits.size() != kHexDigits) {
        return std::nullopt;
    }
    from.remove_prefix(kHexDigits);
    return value;
}

std::uint64_t check_of(std::string_view question, std::string_view cursor) {
    return XXH3_64bits_withSeed(
        question.data(), question.size(), XXH3_64bits(cursor.data(), cursor.size()));
}

std::int64_t hour_of(std::int64_t us) {
    return std::max<std::int64_t>(0, us) / kHourUs;
}

}  // namespace

FilterNumbers look_up(Connection& connection, const Filter& filter) {
    FilterNumbers numbers;
    const auto number_of = [&](NameKind kind, const std::string& text) {
        if (text.empty()) {
            return std::int64_t{0};
        }
        Use name = connection.use("SELECT id FROM name WHERE kind = ? AND text = ?");
        name.with(static_cast<std::int64_t>(kind)).with(std::string_view{text});
        if (name.row()) {
            return name.integer(0);
        }
        numbers.is_nothing = true;
        return std::int64_t{0};
    };
    numbers.database = number_of(NameKind::Database, filter.database);
    numbers.user = number_of(NameKind::User, filter.user);
    numbers.application = number_of(NameKind::Application, filter.application);
    if (filter.digest) {
        Use digest = connection.use("SELECT id FROM digest WHERE hash = ?");
        digest.with(static_cast<std::int64_t>(*filter.digest));
        if (digest.row()) {
            numbers.digest = digest.integer(0);
        } else {
            numbers.is_nothing = true;
        }
    }
    return numbers;
}

Source source_of(Connection& connection, const Window& window, std::int64_t hours_most) {
    constexpr std::int64_t kLastHour = INT64_MAX / kHourUs;
    Source source{.hour_from = hour_of(window.from_us),
                  .hour_until = window.until_us >= INT64_MAX - kHourUs
                                    ? kLastHour
                                    : hour_of(window.until_us + kHourUs - 1)};
    const std::int64_t summed =
        connection.integer("SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'summed_day'")
            .value_or(-1);
    // The window's end is in the future as a rule: it is as long as what there is.
    const std::int64_t last = std::min(source.hour_until, (summed + 2) * kHoursOfDay);
    if (summed < 0 || last - source.hour_from <= hours_most) {
        return source;
    }
    source.day_from = (source.hour_from + kHoursOfDay - 1) / kHoursOfDay;
    source.day_until = std::min(source.hour_until / kHoursOfDay, summed + 1);
    if (!source.has_days()) {
        source.day_from = source.day_until = 0;
    }
    return source;
}

std::string fingerprint(std::string_view name, const Filter& filter) {
    std::string print{name};
    for (const std::string* part : {&filter.database, &filter.user, &filter.application}) {
        print += '\0';
        print += *part;
    }
    print += '\0';
    print += filter.digest ? std::to_string(*filter.digest) : "";
    return print;
}

std::string write_cursor(std::string_view question, const Position& position) {
    std::string cursor;
    put_hex(cursor, std::bit_cast<std::uint64_t>(position.key));
    put_hex(cursor, static_cast<std::uint64_t>(position.id));
    put_hex(cursor, check_of(question, cursor));
    return cursor;
}

std::optional<Position> read_cursor(std::string_view question, std::string_view cursor) {
    if (cursor.size() != 3 * kHexDigits) {
        return std::nullopt;
    }
    const std::uint64_t check = check_of(question, cursor.substr(0, 2 * kHexDigits));
    const auto key = take_hex(cursor);
    const auto id = take_hex(cursor);
    if (!key || !id || take_hex(cursor) != check || std::isnan(std::bit_cast<double>(*key))) {
        return std::nullopt;
    }
    return Position{.key = std::bit_cast<double>(*key), .id = static_cast<std::int64_t>(*id)};
}

std::optional<std::int64_t> page_begin(const std::string& print,
                                       const PageWish& page,
                                       std::int64_t first) {
    if (page.cursor.empty()) {
        return first;
    }
    const auto position = read_cursor(print, page.cursor);
    return position ? std::optional{std::min(first, position->id)} : std::nullopt;
}

std::size_t limit_of(const PageWish& page) {
    return std::clamp<std::size_t>(page.limit, 1, kPageMax);
}

std::optional<Quantiles> quantiles_of(std::string_view blob,
                                      std::uint64_t min_us,
                                      std::uint64_t max_us) {
    HistogramSum sum;
    if (!add_encoded(sum, blob)) {
        return std::nullopt;
    }
    const auto at = [&](double q) -> std::optional<std::uint64_t> {
        const auto us = quantile_us(sum, q);
        if (!us) {
            return std::nullopt;
        }
        const auto rounded = static_cast<std::uint64_t>(std::llround(*us));
        return std::min(std::max(rounded, min_us), std::max(min_us, max_us));
    };
    constexpr std::array kShares{0.5, 0.95, 0.99};
    const auto p50 = at(kShares[0]);
    const auto p95 = at(kShares[1]);
    const auto p99 = at(kShares[2]);
    if (!p50 || !p95 || !p99) {
        return std::nullopt;
    }
    return Quantiles{.p50 = *p50, .p95 = *p95, .p99 = *p99};
}

std::string_view name_of(WaitReason reason) {
    switch (reason) {
        case WaitReason::None: return "none";
        case WaitReason::PoolFull: return "pool_full";
        case WaitReason::Dialling: return "dialling";
        case WaitReason::Failover: return "failover";
        case WaitReason::Paused: return "paused";
        case WaitReason::ApplicationMax: return "application_max";
    }
    return "";
}

std::vector<std::pair<std::string, std::string>> question_texts_for_test() {
    QuestionTexts texts;
    add_top_texts(texts);
    add_kept_texts(texts);
    add_count_texts(texts);
    add_list_texts(texts);
    return texts;
}

}  // namespace weir::ledger
