#include "admin/http_ledger.hpp"

#include "admin/ledger_pages.hpp"
#include "base/check.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <optional>
#include <set>
#include <string>

namespace weir::admin {

namespace {

constexpr std::int64_t kHoursDefault = 24;
constexpr std::int64_t kHoursMax = 2160;
constexpr std::int64_t kLimitDefault = 100;

/// What a list was asked with.
struct Wish {
    std::int64_t hours = kHoursDefault;
    ledger::StatementOrder order = ledger::StatementOrder::Total;
    ledger::KeptKind kept = ledger::KeptKind::Slow;
    ErrorsBy by = ErrorsBy::State;
    std::string kind;  ///< of events
    ledger::Filter filter;
    ledger::PageWish page{.limit = kLimitDefault, .cursor = ""};
};

std::optional<std::int64_t> number_in(const std::string& text, std::int64_t most) {
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    const bool is_number = error == std::errc{} && end == text.data() + text.size();
    return is_number && number >= 1 && number <= most ? std::optional{number} : std::nullopt;
}

std::optional<ledger::KeptKind> kept_named(std::string_view name) {
    using ledger::KeptKind;
    constexpr std::array kNames{std::pair{std::string_view{"slow"}, KeptKind::Slow},
                                std::pair{std::string_view{"failed"}, KeptKind::Failed},
                                std::pair{std::string_view{"all"}, KeptKind::All}};
    for (const auto& [word, kind] : kNames) {
        if (word == name) {
            return kind;
        }
    }
    return std::nullopt;
}

std::optional<ErrorsBy> errors_by(std::string_view name) {
    constexpr std::array kNames{std::pair{std::string_view{"state"}, ErrorsBy::State},
                                std::pair{std::string_view{"class"}, ErrorsBy::Class},
                                std::pair{std::string_view{"pattern"}, ErrorsBy::Pattern}};
    for (const auto& [word, by] : kNames) {
        if (word == name) {
            return by;
        }
    }
    return std::nullopt;
}

/// @return whether there was a value, which then is in its place
template <class Value>
bool take(std::optional<Value> found, Value& place) {
    if (found) {
        place = *found;
    }
    return found.has_value();
}

/// Reads one parameter. @return whether its value is accepted
using Read = bool (*)(const std::string& value, Wish& wish);

struct Parameter {
    std::string_view name;
    Read read;
    std::string_view accepted;
};

bool read_text(const std::string& value, std::string& place) {
    place = value;
    return !value.empty();
}

constexpr Parameter kHours{"hours",
                           [](const std::string& value, Wish& wish) {
                               return take(number_in(value, kHoursMax), wish.hours);
                           },
                           "a whole number from 1 to 2160"};
constexpr Parameter kLimit{"limit",
                           [](const std::string& value, Wish& wish) {
                               const auto limit = number_in(value, std::int64_t{ledger::kPageMax});
                               wish.page.limit =
                                   static_cast<std::size_t>(limit.value_or(kLimitDefault));
                               return limit.has_value();
                           },
                           "a whole number from 1 to 1000"};
constexpr Parameter kCursor{
    "cursor",
    [](const std::string& value, Wish& wish) { return read_text(value, wish.page.cursor); },
    "what \"next\" of the page before says"};
constexpr Parameter kDatabase{
    "database",
    [](const std::string& value, Wish& wish) { return read_text(value, wish.filter.database); },
    "a name"};
constexpr Parameter kUser{
    "user",
    [](const std::string& value, Wish& wish) { return read_text(value, wish.filter.user); },
    "a name"};
constexpr Parameter kApplication{
    "application",
    [](const std::string& value, Wish& wish) { return read_text(value, wish.filter.application); },
    "a name"};
constexpr Parameter kDigest{"digest",
                            [](const std::string& value, Wish& wish) {
                                wish.filter.digest = digest_in(value);
                                return wish.filter.digest.has_value();
                            },
                            "16 hexadecimal digits"};
constexpr Parameter kOrder{
    "order",
    [](const std::string& value, Wish& wish) { return take(order_named(value), wish.order); },
    "total, calls, mean, p95, errors, server, wait or rows"};
constexpr Parameter kKept{
    "kind",
    [](const std::string& value, Wish& wish) { return take(kept_named(value), wish.kept); },
    "slow, failed or all"};
constexpr Parameter kBy{
    "by",
    [](const std::string& value, Wish& wish) { return take(errors_by(value), wish.by); },
    "state, class or pattern"};
constexpr Parameter kEventKind{
    "kind",
    [](const std::string& value, Wish& wish) { return read_text(value, wish.kind); },
    "a kind of event"};

LedgerPage statements(ledger::Reader& reader, const Wish& wish) {
    return statements_page(reader,
                           {.window = last_hours(wish.hours),
                            .filter = wish.filter,
                            .order = wish.order,
                            .page = wish.page});
}

LedgerPage slow(ledger::Reader& reader, const Wish& wish) {
    return kept_page(reader,
                     {.window = last_hours(wish.hours),
                      .filter = wish.filter,
                      .kind = wish.kept,
                      .page = wish.page});
}

LedgerPage errors(ledger::Reader& reader, const Wish& wish) {
    return errors_page(
        reader,
        {.window = last_hours(wish.hours), .filter = wish.filter, .limit = wish.page.limit},
        wish.by);
}

LedgerPage events(ledger::Reader& reader, const Wish& wish) {
    return events_page(reader,
                       {.window = last_hours(wish.hours), .kind = wish.kind, .page = wish.page});
}

constexpr Parameter kOfStatements[] = {
    kHours, kOrder, kDatabase, kUser, kApplication, kDigest, kLimit, kCursor};
constexpr Parameter kOfSlow[] = {
    kHours, kKept, kDatabase, kUser, kApplication, kDigest, kLimit, kCursor};
constexpr Parameter kOfErrors[] = {kHours, kBy, kDatabase, kUser, kApplication, kDigest, kLimit};
constexpr Parameter kOfEvents[] = {kHours, kEventKind, kLimit, kCursor};

struct List {
    std::string_view name;
    std::span<const Parameter> parameters;
    LedgerPage (*page)(ledger::Reader& reader, const Wish& wish);
};

constexpr std::array kLists{
    List{"statements", kOfStatements, &statements},
    List{"slow", kOfSlow, &slow},
    List{"errors", kOfErrors, &errors},
    List{"events", kOfEvents, &events},
};

const List* find_list(std::string_view name) {
    const auto* const found = std::find_if(
        kLists.begin(), kLists.end(), [name](const List& list) { return list.name == name; });
    return found == kLists.end() ? nullptr : found;
}

std::string unknown(const List& list, const std::string& name) {
    std::string text = "\"" + name + "\": unknown parameter; accepted: ";
    for (const Parameter& parameter : list.parameters) {
        text += (&parameter == &list.parameters.front() ? "" : ", ") + std::string{parameter.name};
    }
    return text;
}

/// @return what is wrong, or ""
std::string read_wish(const List& list, std::span<const HttpParameter> given, Wish& wish) {
    std::set<std::string_view> seen;
    for (const auto& [name, value] : given) {
        const auto parameter = std::find_if(
            list.parameters.begin(), list.parameters.end(), [&name = name](const Parameter& one) {
                return one.name == name;
            });
        if (parameter == list.parameters.end()) {
            return unknown(list, name);
        }
        if (!seen.insert(name).second) {
            return name + ": is given twice; accepted: once";
        }
        if (!parameter->read(value, wish)) {
            return name + ": \"" + value +
                   "\" is not accepted; accepted: " + std::string{parameter->accepted};
        }
    }
    return {};
}

}  // namespace

bool is_ledger_list(std::string_view name) {
    return find_list(name) != nullptr;
}

ApiAnswer ledger_list_json(std::string_view name,
                           LedgerVisit& ledger,
                           std::span<const HttpParameter> parameters) {
    const List* list = find_list(name);
    WEIR_CHECK(list != nullptr);
    Wish wish;
    if (std::string problem = read_wish(*list, parameters, wish); !problem.empty()) {
        return {{}, std::move(problem)};
    }
    bool is_bad_cursor = false;
    const LedgerPage page = ledger.ask([&](ledger::Reader& reader) {
        LedgerPage answer = list->page(reader, wish);
        is_bad_cursor = answer.problem == ledger::kBadCursor;
        answer.problem = is_bad_cursor ? "" : answer.problem;
        return answer;
    });
    if (is_bad_cursor) {
        return {{},
                "cursor: \"" + wish.page.cursor +
                    "\" is not accepted; accepted: what \"next\" of the page before says, with the "
                    "same filters"};
    }
    return {page_json(page.columns, page.rows, page.next), {}};
}

}  // namespace weir::admin
