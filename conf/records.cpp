#include "conf/records.hpp"

#include "conf/field.hpp"
#include "conf/schema_parts.hpp"
#include "conf/value.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace weir::conf {

namespace {

using detail::field;

constexpr std::uint64_t kMaxAttempts = 100;
constexpr std::uint64_t kMaxMultiplier = 100;
/// Longer than any message's part worth looking for.
constexpr std::size_t kMaxPatternBytes = 256;
constexpr std::array<std::string_view, 3> kRoles{"auto", "primary", "replica"};

constexpr std::array kMemberKeys{Setting{.key = "weight",
                                         .kind = Kind::Integer,
                                         .default_text = "1",
                                         .low = 1,
                                         .high = kMaxMemberWeight,
                                         .field = field<&MemberSettings::weight>()},
                                 Setting{.key = "role",
                                         .kind = Kind::Choice,
                                         .default_text = "auto",
                                         .choices = kRoles,
                                         .field = field<&MemberSettings::role>()}};

constexpr auto backoff_keys(std::uint64_t fewest_attempts) {
    return std::array{
        Setting{.key = "attempts",
                .kind = Kind::Integer,
                .low = fewest_attempts,
                .high = kMaxAttempts,
                .field = field<&Backoff::attempts>()},
        Setting{.key = "base", .kind = Kind::Duration, .field = field<&Backoff::base>()},
        Setting{.key = "multiplier",
                .kind = Kind::Number,
                .low = 1,
                .high = kMaxMultiplier,
                .field = field<&Backoff::multiplier>()},
        Setting{.key = "max", .kind = Kind::Duration, .field = field<&Backoff::max>()},
        Setting{.key = "jitter", .kind = Kind::Boolean, .field = field<&Backoff::jitter>()}};
}

constexpr auto kBackoffKeys = backoff_keys(1);
constexpr auto kEndlessBackoffKeys = backoff_keys(0);

constexpr std::array kRetentionKeys{
    Setting{.key = "statements", .kind = Kind::Duration, .field = field<&Retention::statements>()},
    Setting{.key = "hourly", .kind = Kind::Duration, .field = field<&Retention::hourly>()},
    Setting{.key = "events", .kind = Kind::Duration, .field = field<&Retention::events>()}};

constexpr Setting kShareHalf{.kind = Kind::Number, .low = 0, .high = 1};
constexpr Setting kDurationHalf{.kind = Kind::Duration};

const Setting* find_key(std::span<const Setting> keys, std::string_view name) {
    const auto found = std::find_if(
        keys.begin(), keys.end(), [name](const Setting& key) { return key.key == name; });
    return found == keys.end() ? nullptr : &*found;
}

/// Puts "weight=2" into its struct.
/// @return what is wrong, or ""
std::string put_part(std::span<const Setting> keys, std::string_view part, void* object) {
    const std::size_t equals = part.find('=');
    const Setting* key = find_key(keys, part.substr(0, equals));
    if (equals == std::string_view::npos || key == nullptr) {
        std::string names;
        for (const Setting& known : keys) {
            names.append(names.empty() ? "" : ", ").append(known.key).append("=…");
        }
        return "has a part that is none of its own; accepted: " + names;
    }
    const auto value = parse_value(*key, part.substr(equals + 1));
    if (!value.value) {
        return "has a wrong " + std::string{key->key} + ", which " + value.problem;
    }
    key->field.put(object, *value.value);
    return {};
}

/// @return the last word of `text`, taken off it, when it is a key and its value
std::optional<std::string_view> take_last_part(std::string_view& text) {
    const std::size_t space = text.rfind(' ');
    if (space == std::string_view::npos || text.find('=', space) == std::string_view::npos) {
        return std::nullopt;
    }
    const std::string_view part = text.substr(space + 1);
    text = text.substr(0, text.find_last_not_of(' ', space) + 1);
    return part;
}

Parsed<MemberSettings> parse_member(const Setting& setting, std::string_view text) {
    MemberSettings member;
    while (const auto part = take_last_part(text)) {
        if (std::string problem = put_part(kMemberKeys, *part, &member); !problem.empty()) {
            return Parsed<MemberSettings>::bad(std::move(problem));
        }
    }
    auto address = parse_listed_address(setting, text);
    if (!address.value) {
        return Parsed<MemberSettings>::bad(std::move(address.problem));
    }
    member.address = *std::move(address.value);
    return Parsed<MemberSettings>::good(std::move(member));
}

/// @return a value of that kind, without its defaults
Value empty_record(Kind kind) {
    switch (kind) {
        case Kind::Backoff: return Backoff{};
        case Kind::Retention: return Retention{};
        case Kind::RunTimes: return MaintenanceSchedule{};
        case Kind::Ahead: return AheadSettings{};
        case Kind::PartitionRetention: return RetentionSettings{};
        case Kind::Care: return CareSettings{};
        default: return GovernorSettings{};
    }
}

const void* struct_in(const Value& record) {
    return std::visit([](const auto& held) -> const void* { return &held; }, record);
}

/// @return "key=value" for each of them: cron lines have commas of their own
std::vector<std::string> split_record(std::span<const Setting> keys, std::string_view text) {
    std::vector<std::string> parts;
    const Setting* last = nullptr;
    for (const std::string& part : split_at_commas(text)) {
        const Setting* key = find_key(keys, std::string_view{part}.substr(0, part.find('=')));
        if (key == nullptr && last != nullptr && last->kind == Kind::CronLine) {
            parts.back() += "," + part;
        } else {
            parts.push_back(part);
            last = key;
        }
    }
    return parts;
}

template <class T>
Parsed<Value> make_thresholds(Kind kind, T degraded, T critical) {
    const bool is_floor = kind == Kind::FloorPair;
    const bool is_in_order = is_floor ? critical < degraded : degraded < critical;
    if (is_in_order || degraded == T{} || critical == T{}) {
        return Parsed<Value>::good(Value{Thresholds<T>{degraded, critical}});
    }
    return Parsed<Value>::bad(std::string{is_floor ? "does not descend" : "does not ascend"} +
                              "; accepted: [degraded, critical] with the first " +
                              (is_floor ? "above" : "below") + " the second, 0 for never");
}

}  // namespace

std::span<const Setting> record_keys(const Setting& setting) {
    switch (setting.kind) {
        case Kind::Servers: return kMemberKeys;
        case Kind::Backoff: return setting.low == 0 ? kEndlessBackoffKeys : kBackoffKeys;
        case Kind::Retention: return kRetentionKeys;
        default: return detail::maintenance_record_keys(setting.kind);
    }
}

const Setting& half_of(Kind pair) {
    return pair == Kind::DurationPair ? kDurationHalf : kShareHalf;
}

Parsed<Value> make_pair_value(Kind pair, const Value& degraded, const Value& critical) {
    if (const auto* from = std::get_if<double>(&degraded)) {
        return make_thresholds(pair, *from, std::get<double>(critical));
    }
    return make_thresholds(
        pair, std::get<milliseconds>(degraded), std::get<milliseconds>(critical));
}

Parsed<Value> parse_members(const Setting& setting, std::string_view text) {
    std::vector<MemberSettings> members;
    for (const std::string& part : split_at_commas(text)) {
        auto member = parse_member(setting, part);
        if (!member.value) {
            return Parsed<Value>::bad(std::move(member.problem));
        }
        members.push_back(*std::move(member.value));
    }
    if (auto wrong = find_problem(members)) {
        return Parsed<Value>::bad(std::move(wrong->message));
    }
    return Parsed<Value>::good(Value{std::move(members)});
}

bool is_record(const Setting& setting) {
    return setting.kind != Kind::Servers && !record_keys(setting).empty();
}

void* struct_in(Value& record) {
    return const_cast<void*>(struct_in(std::as_const(record)));
}

Parsed<Value> parse_record(const Setting& setting, std::string_view text) {
    Value record = empty_record(setting.kind);
    // The default itself says everything.
    if (text != setting.default_text) {
        record = *parse_record(setting, setting.default_text).value;
    }
    for (const std::string& part : split_record(record_keys(setting), text)) {
        std::string problem = put_part(record_keys(setting), part, struct_in(record));
        if (!problem.empty()) {
            return Parsed<Value>::bad(std::move(problem));
        }
    }
    std::string problem = problem_of_record(record);
    return problem.empty() ? Parsed<Value>::good(std::move(record))
                           : Parsed<Value>::bad(std::move(problem));
}

Parsed<Value> parse_pair(const Setting& setting, std::string_view text) {
    const std::vector<std::string> parts = split_at_commas(text);
    if (parts.size() != 2) {
        return Parsed<Value>::bad("is not accepted; accepted: " + accepted(setting));
    }
    const auto degraded = parse_value(half_of(setting.kind), parts[0]);
    const auto critical = parse_value(half_of(setting.kind), parts[1]);
    if (!degraded.value || !critical.value) {
        return Parsed<Value>::bad(degraded.value ? critical.problem : degraded.problem);
    }
    return make_pair_value(setting.kind, *degraded.value, *critical.value);
}

Parsed<Value> parse_patterns(std::string_view text) {
    std::vector<std::string> entries = split_at_commas(text);
    if (entries.size() > kMaxPatterns) {
        return Parsed<Value>::bad("has too many entries; accepted: at most " +
                                  std::to_string(kMaxPatterns));
    }
    for (const std::string& entry : entries) {
        if (std::string problem = problem_of_pattern(entry); !problem.empty()) {
            return Parsed<Value>::bad(std::move(problem));
        }
    }
    return Parsed<Value>::good(Value{std::move(entries)});
}

std::optional<ItemProblem> find_problem(const std::vector<MemberSettings>& members) {
    bool has_primary = false;
    for (std::size_t i = 0; i < members.size(); ++i) {
        const MemberSettings& member = members[i];
        if (i == kMaxMembers) {
            return ItemProblem{
                i, "one server too many; accepted: at most " + std::to_string(kMaxMembers)};
        }
        const bool is_twice = std::any_of(
            members.begin(),
            members.begin() + static_cast<std::ptrdiff_t>(i),
            [&](const MemberSettings& before) { return before.address == member.address; });
        if (is_twice) {
            return ItemProblem{
                i,
                toml_string(member.address.text()) + " is there twice; accepted: each server once"};
        }
        if (member.role == MemberRole::Primary && has_primary) {
            return ItemProblem{i,
                               "a second server with the role \"primary\"; accepted: one at most"};
        }
        has_primary = has_primary || member.role == MemberRole::Primary;
    }
    return std::nullopt;
}

std::string problem_of_record(const Value& record) {
    const auto* backoff = std::get_if<Backoff>(&record);
    if (backoff != nullptr && backoff->max.count() != 0 && backoff->max < backoff->base) {
        return "has a max below its base; accepted: at least the base, or 0 for no limit";
    }
    const auto* governor = std::get_if<GovernorSettings>(&record);
    if (governor != nullptr && governor->max_p95_ratio > 0 && governor->max_p95_ratio < 1) {
        return "has a max_p95_ratio that any hour like those before exceeds; accepted: at least 1, "
               "or 0 for no limit";
    }
    return {};
}

std::string problem_of_pattern(std::string_view entry) {
    constexpr std::string_view kForms =
        R"(accepted: an SQLSTATE such as "55P03", or a part of the message, with * for any characters)";
    if (entry.find_first_not_of('*') == std::string_view::npos) {
        return "would fit every error; " + std::string{kForms};
    }
    if (entry.size() > kMaxPatternBytes) {
        return "is too long; " + std::string{kForms} + ", in at most " +
               std::to_string(kMaxPatternBytes) + " bytes";
    }
    std::string capitals{entry};
    std::transform(capitals.begin(), capitals.end(), capitals.begin(), [](char c) {
        return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    });
    // Whoever writes 55p03 looks for no message with that in it.
    const bool has_digit = entry.find_first_of("0123456789") != std::string_view::npos;
    if (has_digit && capitals != entry && is_sqlstate(capitals)) {
        return "is no SQLSTATE; accepted: " + toml_string(capitals);
    }
    return {};
}

std::string format_member(const MemberSettings& member) {
    std::string text = member.address.text();
    for (const Setting& key : kMemberKeys) {
        const Value value = *key.field.read(&member);
        if (std::string part = format_value(key, value); part != key.default_text) {
            text.append(" ").append(key.key).append("=").append(part);
        }
    }
    return text;
}

std::string toml_member(const MemberSettings& member) {
    std::string rest;
    for (const Setting& key : kMemberKeys) {
        const Value value = *key.field.read(&member);
        if (format_value(key, value) != key.default_text) {
            rest.append(", ").append(key.key).append(" = ").append(toml_value(key, value));
        }
    }
    const std::string address = toml_string(member.address.text());
    return rest.empty() ? address : "{ address = " + address + rest + " }";
}

std::string format_record(const Setting& setting, const Value& record) {
    std::string text;
    for (const Setting& key : record_keys(setting)) {
        text.append(text.empty() ? "" : ", ").append(key.key).append("=");
        text += format_value(key, *key.field.read(struct_in(record)));
    }
    return text;
}

std::string toml_record(const Setting& setting, const Value& record) {
    std::string text;
    for (const Setting& key : record_keys(setting)) {
        text.append(text.empty() ? "{ " : ", ").append(key.key).append(" = ");
        text += toml_value(key, *key.field.read(struct_in(record)));
    }
    return text + " }";
}

}  // namespace weir::conf
