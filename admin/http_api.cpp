#include "admin/http_api.hpp"

#include "admin/health.hpp"
#include "base/bytes.hpp"
#include "base/check.hpp"
#include "base/crypto.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <optional>
#include <set>
#include <vector>

namespace weir::admin {

namespace {

/// Keys stay in the order they are put in.
using Json = nlohmann::ordered_json;

constexpr std::uint64_t kLimitDefault = 100;
constexpr std::uint64_t kLimitMax = 1000;
constexpr std::array<std::string_view, 4> kListed = {"jobs", "members", "partitions", "pools"};

/// What tells the rows of a list apart.
using Key = std::pair<std::string, std::string>;

struct Page {
    std::uint64_t limit = kLimitDefault;
    std::optional<Key> after;
};

std::string text_of(const Json& json) {
    constexpr int kOneLine = -1;
    return json.dump(kOneLine, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace) + "\n";
}

Json text_or_nothing(const std::string& text) {
    return text.empty() ? Json{} : Json(text);
}

Json json_of(const HealthCheck& check) {
    return {{"check", check.check},
            {"subject", text_or_nothing(check.subject)},
            {"status", policies::name_of(check.health)},
            {"detail", text_or_nothing(check.detail)},
            {"recommendation", text_or_nothing(check.recommendation)}};
}

Json json_of(const DatabaseHealth& database) {
    return {{"database", database.database},
            {"write", policies::name_of(database.write)},
            {"read", policies::name_of(database.read)},
            {"writePoolSize", database.write_open},
            {"readPoolSize", database.read_open},
            {"writeIdleCount", database.write_idle},
            {"readIdleCount", database.read_idle},
            {"writeWaitingCount", database.write_waiting},
            {"readWaitingCount", database.read_waiting}};
}

/// Worst first.
Json recommendations_of(const HealthReport& report) {
    Json list = Json::array();
    for (const Health health : {Health::Critical, Health::Degraded}) {
        for (const HealthCheck& check : report.checks) {
            if (check.health == health && !check.recommendation.empty()) {
                list.push_back(check.title() + ": " + check.recommendation);
            }
        }
    }
    return list;
}

Json json_of(const Cell& cell) {
    struct Visitor {
        Json operator()(std::monostate /*null*/) const { return {}; }

        Json operator()(const std::string& text) const { return text; }

        Json operator()(std::int64_t number) const { return number; }

        Json operator()(double number) const { return number; }
    };

    return std::visit(Visitor{}, cell);
}

Json json_of(const Row& row, std::span<const Column> columns) {
    Json item = Json::object();
    for (std::size_t i = 0; i < columns.size(); ++i) {
        item[std::string{columns[i].name}] = json_of(row[i]);
    }
    return item;
}

Key key_of(const Row& row) {
    return {std::get<std::string>(row[0]), std::get<std::string>(row[1])};
}

/// base64 with the two characters that need no escape in an address, without padding. A name has no
/// zero byte: PostgreSQL's have none.
std::string cursor_of(const Key& key) {
    std::string text = crypto::base64_encode(as_bytes(key.first + '\0' + key.second));
    std::replace(text.begin(), text.end(), '+', '-');
    std::replace(text.begin(), text.end(), '/', '_');
    text.resize(text.find_last_not_of('=') + 1);
    return text;
}

std::optional<Key> key_in(std::string cursor) {
    constexpr std::size_t kGroup = 4;
    if (cursor.find_first_of("+/=") != std::string::npos) {
        return std::nullopt;
    }
    std::replace(cursor.begin(), cursor.end(), '-', '+');
    std::replace(cursor.begin(), cursor.end(), '_', '/');
    cursor.append((kGroup - cursor.size() % kGroup) % kGroup, '=');
    const auto bytes = crypto::base64_decode(cursor);
    if (!bytes) {
        return std::nullopt;
    }
    const std::string text{as_text(*bytes)};
    const std::size_t zero = text.find('\0');
    if (zero == std::string::npos || text.find('\0', zero + 1) != std::string::npos) {
        return std::nullopt;
    }
    return Key{text.substr(0, zero), text.substr(zero + 1)};
}

std::optional<std::uint64_t> limit_in(const std::string& text) {
    std::uint64_t limit = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), limit);
    const bool is_number = error == std::errc{} && end == text.data() + text.size();
    return is_number && limit >= 1 && limit <= kLimitMax ? std::optional{limit} : std::nullopt;
}

/// @return what is wrong, or ""
std::string read_page(std::span<const HttpParameter> parameters, Page& page) {
    std::set<std::string_view> seen;
    for (const auto& [name, value] : parameters) {
        if (name != "limit" && name != "cursor") {
            return "\"" + name + "\": unknown parameter; accepted: limit, cursor";
        }
        if (!seen.insert(name).second) {
            return name + ": is given twice; accepted: once";
        }
        if (name == "limit") {
            const auto limit = limit_in(value);
            if (!limit) {
                return "limit: \"" + value +
                       "\" is not accepted; accepted: a whole number from 1 to " +
                       std::to_string(kLimitMax);
            }
            page.limit = *limit;
            continue;
        }
        page.after = key_in(value);
        if (!page.after) {
            return "cursor: \"" + value +
                   "\" is not accepted; accepted: what \"next\" of the page before says";
        }
    }
    return {};
}

}  // namespace

std::string health_json(const CommandInput& input) {
    const HealthReport report = report_health(input);
    Json checks = Json::array();
    for (const HealthCheck& check : report.checks) {
        checks.push_back(json_of(check));
    }
    Json databases = Json::array();
    for (const DatabaseHealth& database : report.databases) {
        databases.push_back(json_of(database));
    }
    const Json all = {{"overall", policies::name_of(report.overall.health)},
                      {"checks", std::move(checks)},
                      {"recommendations", recommendations_of(report)},
                      {"databases", std::move(databases)}};
    return text_of(all);
}

std::string cache_json(const CommandInput& input) {
    const Command& shown = *find_command("cache");
    Json all = json_of(shown.rows(input).front(), shown.columns);
    const Command& by_rule = *find_command("cache_rules");
    Json rules = Json::array();
    for (const Row& row : by_rule.rows(input)) {
        rules.push_back(json_of(row, by_rule.columns));
    }
    all["rules"] = std::move(rules);
    return text_of(all);
}

bool is_listed(std::string_view command) {
    return std::find(kListed.begin(), kListed.end(), command) != kListed.end();
}

std::string page_json(std::span<const Column> columns,
                      std::span<const Row> rows,
                      const std::string& next) {
    Json items = Json::array();
    for (const Row& row : rows) {
        items.push_back(json_of(row, columns));
    }
    return text_of({{"items", std::move(items)}, {"next", text_or_nothing(next)}});
}

ApiAnswer list_json(std::string_view command,
                    const CommandInput& input,
                    std::span<const HttpParameter> parameters) {
    WEIR_ASSERT(is_listed(command));
    Page page;
    if (std::string problem = read_page(parameters, page); !problem.empty()) {
        return {{}, std::move(problem)};
    }
    const Command& shown = *find_command(command);
    std::vector<Row> rows = shown.rows(input);
    std::sort(
        rows.begin(), rows.end(), [](const Row& a, const Row& b) { return key_of(a) < key_of(b); });
    auto row = rows.begin();
    if (page.after) {
        row = std::upper_bound(
            rows.begin(), rows.end(), *page.after, [](const Key& key, const Row& one) {
                return key < key_of(one);
            });
    }
    const auto count = static_cast<std::size_t>(
        std::min<std::ptrdiff_t>(rows.end() - row, static_cast<std::ptrdiff_t>(page.limit)));
    const std::span items =
        std::span<const Row>{rows}.subspan(static_cast<std::size_t>(row - rows.begin()), count);
    const bool is_last = items.empty() || &items.back() == &rows.back();
    return {page_json(shown.columns, items, is_last ? "" : cursor_of(key_of(items.back()))), {}};
}

}  // namespace weir::admin
