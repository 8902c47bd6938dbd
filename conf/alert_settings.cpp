#include "conf/alert_settings.hpp"

#include "conf/suggest.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>

namespace weir::conf {

namespace {

struct NamedValue {
    std::string_view name;
    AlertUnit unit;
};

/// In the order of AlertValue.
constexpr std::array kValues{NamedValue{"pool_usage", AlertUnit::Share},
                             NamedValue{"pool_wait", AlertUnit::Time},
                             NamedValue{"error_rate", AlertUnit::Share},
                             NamedValue{"average_response", AlertUnit::Time},
                             NamedValue{"waiting_clients", AlertUnit::Count},
                             NamedValue{"replication_lag", AlertUnit::Time},
                             NamedValue{"breaker_open", AlertUnit::Count},
                             NamedValue{"ledger_dropped", AlertUnit::Count}};

/// In the order of AlertComparison.
constexpr std::array<std::string_view, 4> kComparisons{">", ">=", "<", "<="};

constexpr std::string_view kForm =
    R"(accepted: NAME, then >, >=, < or <=, a value, and how long it must hold: "pool_usage > 0.8 for 1m")";
constexpr std::string_view kFor = "for";
constexpr std::string_view kBlanks = " \t";
constexpr std::string_view kNameLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_";
/// Longer than any condition that says something.
constexpr std::size_t kMaxConditionBytes = 256;

using Bad = Parsed<AlertCondition>;

std::string_view trimmed(std::string_view text) {
    const std::size_t begin = std::min(text.find_first_not_of(kBlanks), text.size());
    text.remove_prefix(begin);
    return text.substr(0, text.find_last_not_of(kBlanks) + 1);
}

/// @return the characters of `set` that `text` begins with, taken off it with the blanks behind
std::string_view take(std::string_view& text, std::string_view set) {
    const std::string_view taken =
        text.substr(0, std::min(text.find_first_not_of(set), text.size()));
    text = trimmed(text.substr(taken.size()));
    return taken;
}

std::string all_names() {
    std::string names;
    for (const NamedValue& value : kValues) {
        names.append(names.empty() ? "" : ", ").append(value.name);
    }
    return names;
}

Bad unknown_name(std::string_view name) {
    std::vector<std::string_view> known;
    known.reserve(kValues.size());
    for (const NamedValue& value : kValues) {
        known.push_back(value.name);
    }
    const std::string_view meant = nearest(name, known);
    return Bad::bad("begins with no name of a value" +
                    (meant.empty() ? "; " : ", did you mean \"" + std::string{meant} + "\"? ") +
                    "accepted: " + all_names());
}

Parsed<double> parse_time(std::string_view text) {
    const auto time = parse_duration(text);
    return time.value ? Parsed<double>::good(std::chrono::duration<double>(*time.value).count())
                      : Parsed<double>::bad("compares with a time that " + time.problem);
}

Parsed<double> parse_threshold(AlertUnit unit, std::string_view text) {
    if (unit == AlertUnit::Time) {
        return parse_time(text);
    }
    if (unit == AlertUnit::Count) {
        const auto count = parse_digits(text);
        return count ? Parsed<double>::good(static_cast<double>(*count))
                     : Parsed<double>::bad("compares with no count; accepted: a whole number");
    }
    const auto share = parse_number(text);
    return share && *share >= 0 && *share <= 1
               ? Parsed<double>::good(*share)
               : Parsed<double>::bad(
                     "compares with no share; accepted: a number from 0 to 1, as 0.8 for 80 %");
}

/// @return where the word "for" begins that stands alone, or npos
std::size_t find_for(std::string_view text) {
    for (std::size_t at = text.find(kFor); at != std::string_view::npos;
         at = text.find(kFor, at + 1)) {
        const std::size_t end = at + kFor.size();
        const bool begins = at == 0 || kBlanks.find(text[at - 1]) != std::string_view::npos;
        const bool ends = end == text.size() || kBlanks.find(text[end]) != std::string_view::npos;
        if (begins && ends) {
            return at;
        }
    }
    return std::string_view::npos;
}

constexpr std::string_view kUrlForm =
    R"(accepted: an http:// or https:// URL, as "https://hooks.example.com/weir")";
constexpr std::size_t kMaxUrlBytes = 2048;
constexpr std::size_t kMaxPortDigits = 5;
constexpr std::uint64_t kMaxPort = 65'535;

/// @return the length of "http://" or "https://" in whatever case, 0 where the URL begins otherwise
std::size_t scheme_length(std::string_view url) {
    for (const std::string_view scheme : {"http://", "https://"}) {
        const bool is_it =
            url.size() > scheme.size() &&
            std::equal(scheme.begin(), scheme.end(), url.begin(), [](char low, char c) {
                return low == c || (c >= 'A' && c <= 'Z' && low == c - 'A' + 'a');
            });
        if (is_it) {
            return scheme.size();
        }
    }
    return 0;
}

/// @return what stands between "//" and the path, with a user where there is one
std::string_view authority_of(std::string_view url) {
    url.remove_prefix(scheme_length(url));
    return url.substr(0, std::min(url.find_first_of("/?#"), url.size()));
}

/// @return "host:port" or "host"
std::string_view place_of(std::string_view url) {
    const std::string_view authority = authority_of(url);
    const std::size_t at = authority.find('@');
    return at == std::string_view::npos ? authority : authority.substr(at + 1);
}

/// @return whether `text` is nothing, or ":" and a port
bool is_port_part(std::string_view text) {
    if (text.empty()) {
        return true;
    }
    const auto port = parse_digits(text.substr(1));
    return text.front() == ':' && text.size() <= kMaxPortDigits + 1 && port && *port > 0 &&
           *port <= kMaxPort;
}

bool is_place(std::string_view place) {
    if (place.starts_with('[')) {
        const std::size_t end = place.find(']');
        return end != std::string_view::npos && end > 1 &&
               place.substr(1, end - 1).find_first_not_of("0123456789abcdefABCDEF:.") ==
                   std::string_view::npos &&
               is_port_part(place.substr(end + 1));
    }
    const std::size_t colon = std::min(place.find(':'), place.size());
    const std::string_view host = place.substr(0, colon);
    // What else a name may have would be a trick on whoever reads the address.
    return !host.empty() && host.find_first_of("[]%@\\") == std::string_view::npos &&
           is_port_part(place.substr(colon));
}

}  // namespace

std::string_view name_of(AlertValue value) {
    return kValues.at(static_cast<std::size_t>(value)).name;
}

AlertUnit unit_of(AlertValue value) {
    return kValues.at(static_cast<std::size_t>(value)).unit;
}

std::string_view name_of(AlertComparison comparison) {
    return kComparisons.at(static_cast<std::size_t>(comparison));
}

bool AlertCondition::is_met_by(double measured) const {
    switch (comparison) {
        case AlertComparison::Above: return measured > threshold;
        case AlertComparison::AtLeast: return measured >= threshold;
        case AlertComparison::Below: return measured < threshold;
        case AlertComparison::AtMost: return measured <= threshold;
    }
    return false;
}

bool AlertCondition::is_worse(double left, double right) const {
    const bool is_too_much =
        comparison == AlertComparison::Above || comparison == AlertComparison::AtLeast;
    return is_too_much ? left > right : left < right;
}

Parsed<AlertCondition> parse_alert_condition(std::string_view text) {
    if (text.size() > kMaxConditionBytes) {
        return Bad::bad("is too long; " + std::string{kForm});
    }
    AlertCondition condition;
    std::string_view rest = trimmed(text);
    const std::string_view name = take(rest, kNameLetters);
    const auto* const value = std::find_if(
        kValues.begin(), kValues.end(), [name](const NamedValue& v) { return v.name == name; });
    if (value == kValues.end()) {
        return name.empty() ? Bad::bad("is no condition; " + std::string{kForm})
                            : unknown_name(name);
    }
    condition.value = static_cast<AlertValue>(value - kValues.begin());
    const std::string_view sign = take(rest, "<>=!");
    const auto* const comparison = std::find(kComparisons.begin(), kComparisons.end(), sign);
    if (comparison == kComparisons.end()) {
        return Bad::bad("does not compare with >, >=, < or <=; " + std::string{kForm});
    }
    condition.comparison = static_cast<AlertComparison>(comparison - kComparisons.begin());
    const std::size_t end = std::min(find_for(rest), rest.size());
    const auto threshold = parse_threshold(value->unit, trimmed(rest.substr(0, end)));
    if (!threshold.value) {
        return Bad::bad(threshold.problem);
    }
    condition.threshold = *threshold.value;
    if (end < rest.size()) {
        const auto hold = parse_duration(trimmed(rest.substr(end + kFor.size())));
        if (!hold.value) {
            return Bad::bad("must hold for a time that " + hold.problem);
        }
        condition.hold = *hold.value;
    }
    return Parsed<AlertCondition>::good(condition);
}

std::string problem_of_webhook(std::string_view url) {
    const std::string form{kUrlForm};
    if (url.size() > kMaxUrlBytes) {
        return "is too long; " + form;
    }
    if (scheme_length(url) == 0) {
        return "is no URL that can be posted to; " + form;
    }
    const bool has_stray = std::any_of(url.begin(), url.end(), [](char c) {
        const auto byte = static_cast<unsigned char>(c);
        constexpr unsigned char kDelete = 0x7f;
        return byte <= ' ' || byte >= kDelete || c == '\\';
    });
    if (has_stray) {
        return "has blanks, backslashes or letters that are not ASCII; " + form +
               ", with %20 and the like for what else it needs";
    }
    return is_place(place_of(url)) ? "" : "names no host and port; " + form;
}

std::string webhook_origin(std::string_view url) {
    return std::string{url.substr(0, scheme_length(url))}.append(place_of(url));
}

}  // namespace weir::conf
