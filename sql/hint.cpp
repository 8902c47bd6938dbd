#include "sql/hint.hpp"

#include "base/quantity.hpp"

#include <algorithm>

#include "sql/lexer.hpp"

namespace weir::sql {

namespace {

constexpr std::string_view kMark = "weir:";
constexpr std::string_view kBlanks = " \t\r\n\f\v";

std::string_view without_blanks_before(std::string_view text) {
    return text.substr(std::min(text.find_first_not_of(kBlanks), text.size()));
}

/// As conf::kMaxDuration: ten years.
constexpr std::uint64_t kTimeoutMsMax = std::uint64_t{3650} * 24 * 3600 * 1000;
/// As policy.row_limit and policy.byte_limit.
constexpr std::uint64_t kRowsMax = 1'000'000'000'000;
constexpr std::uint64_t kBytesMax = std::uint64_t{1} << 40U;

/// Zero is none, and so the highest of all limits.
template <class T>
void take_lower(std::optional<T>& limit, T value) {
    const bool is_lower = value != T{} && (!limit || *limit == T{} || value < *limit);
    if (!limit || is_lower) {
        limit = value;
    }
}

std::optional<RouteHint> read_route(std::string_view value) {
    if (value == "primary") {
        return RouteHint::Primary;
    }
    if (value == "replica") {
        return RouteHint::Replica;
    }
    return value == "auto" ? std::optional{RouteHint::Auto} : std::nullopt;
}

std::optional<std::uint64_t> read_limit(std::string_view value,
                                        std::span<const Unit> units,
                                        std::uint64_t most) {
    const Quantity quantity = read_quantity(value, units);
    const bool is_limit = quantity.status == QuantityStatus::Ok && quantity.value <= most;
    return is_limit ? std::optional{quantity.value} : std::nullopt;
}

/// @return whether key and value mean something
bool read_known(std::string_view key, std::string_view value, Hint& hint) {
    if (key == "route") {
        const auto route = read_route(value);
        hint.route = std::max(hint.route, route.value_or(RouteHint::None));
        return route.has_value();
    }
    std::optional<std::uint64_t> limit;
    if (key == "timeout") {
        limit = read_limit(value, kDurationUnits, kTimeoutMsMax);
        if (limit) {
            take_lower(hint.timeout, std::chrono::milliseconds{static_cast<std::int64_t>(*limit)});
        }
    } else if (key == "cache") {
        limit = read_limit(value, kDurationUnits, kTimeoutMsMax);
        if (limit) {
            const std::chrono::milliseconds time{static_cast<std::int64_t>(*limit)};
            hint.cache = std::min(hint.cache.value_or(time), time);
        }
    } else if (key == "rows") {
        limit = read_digits(value);
        limit = limit.value_or(kRowsMax + 1) > kRowsMax ? std::nullopt : limit;
        if (limit) {
            take_lower(hint.rows, *limit);
        }
    } else if (key == "bytes") {
        limit = read_limit(value, kSizeUnits, kBytesMax);
        if (limit) {
            take_lower(hint.bytes, *limit);
        }
    }
    return limit.has_value();
}

void read_key(std::string_view item, Hint& hint) {
    const std::size_t equals = item.find('=');
    const bool is_known = equals != std::string_view::npos &&
                          read_known(item.substr(0, equals), item.substr(equals + 1), hint);
    hint.has_unknown = hint.has_unknown || !is_known;
}

/// @param text of a comment, without its signs
void read_comment(std::string_view text, Hint& hint) {
    text = without_blanks_before(text);
    if (!text.starts_with(kMark)) {
        return;
    }
    text = without_blanks_before(text.substr(kMark.size()));
    while (!text.empty()) {
        const std::size_t end = std::min(text.find_first_of(kBlanks), text.size());
        read_key(text.substr(0, end), hint);
        text = without_blanks_before(text.substr(end));
    }
}

/// @return how long the nested comment is that `text` begins with
std::size_t block_comment_bytes(std::string_view text) {
    int depth = 0;
    for (std::size_t at = 0; at < text.size(); ++at) {
        const std::string_view pair = text.substr(at, 2);
        if (pair == "/*") {
            ++depth;
            ++at;
        } else if (pair == "*/") {
            ++at;
            if (--depth == 0) {
                return at + 1;
            }
        }
    }
    return text.size();
}

/// @param gap what lies between two tokens: blanks and comments
void read_gap(std::string_view gap, Hint& hint) {
    constexpr std::size_t kSign = 2;  // of what begins or ends a comment
    for (gap = without_blanks_before(gap); gap.size() > kSign; gap = without_blanks_before(gap)) {
        std::size_t bytes = 0;
        if (gap.starts_with("--")) {
            bytes = std::min(gap.find_first_of("\r\n"), gap.size());
            read_comment(gap.substr(kSign, bytes - kSign), hint);
        } else {
            bytes = block_comment_bytes(gap);
            const std::string_view comment = gap.substr(0, bytes);
            if (comment.size() >= 2 * kSign && comment.ends_with("*/")) {
                read_comment(comment.substr(kSign, comment.size() - 2 * kSign), hint);
            }
        }
        gap.remove_prefix(std::max<std::size_t>(bytes, 1));
    }
}

}  // namespace

Hint read_hint(std::string_view sql) {
    Hint hint;
    if (sql.find(kMark) == std::string_view::npos) {
        return hint;
    }
    Lexer lexer{sql};
    std::size_t end = 0;
    TokenKind kind = TokenKind::Symbol;
    while (kind != TokenKind::End) {
        kind = lexer.next().kind;
        read_gap(sql.substr(end, lexer.start() - end), hint);
        end = lexer.position();
    }
    return hint;
}

}  // namespace weir::sql
