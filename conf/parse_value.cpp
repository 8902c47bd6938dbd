#include "conf/address.hpp"
#include "conf/cron_line.hpp"
#include "conf/records.hpp"
#include "conf/time_window.hpp"
#include "conf/value.hpp"

#include <sched.h>

#include <algorithm>

namespace weir::conf {

namespace {

constexpr std::uint64_t kMaxFileMode = 0777;

unsigned usable_cores(std::uint64_t most) {
    cpu_set_t cores;
    CPU_ZERO(&cores);
    const int failed = ::sched_getaffinity(0, sizeof cores, &cores);
    const std::uint64_t count = failed == 0 ? static_cast<std::uint64_t>(CPU_COUNT(&cores)) : 1;
    return static_cast<unsigned>(std::clamp<std::uint64_t>(count, 1, most));
}

Parsed<Value> not_accepted(const Setting& setting) {
    return Parsed<Value>::bad("is not accepted; accepted: " + accepted(setting));
}

template <class T>
Parsed<Value> lift(Parsed<T> parsed) {
    return parsed.value ? Parsed<Value>::good(Value{*std::move(parsed.value)})
                        : Parsed<Value>::bad(std::move(parsed.problem));
}

Parsed<Value> parse_integer(const Setting& setting, std::string_view text) {
    const auto number = parse_digits(text);
    const bool fits = number && *number >= setting.low && *number <= setting.high;
    return fits ? Parsed<Value>::good(Value{*number}) : not_accepted(setting);
}

/// @return as Value has it
Parsed<Value> parse_level(const Setting& setting, std::string_view text) {
    const bool is_negative = text.starts_with('-');
    const auto number = parse_digits(is_negative ? text.substr(1) : text);
    if (!number || *number > setting.high) {
        return not_accepted(setting);
    }
    return Parsed<Value>::good(Value{is_negative ? ~*number + 1 : *number});
}

Parsed<Value> parse_file_mode(const Setting& setting, std::string_view text) {
    const bool is_octal = (text.size() == 3 || text.size() == 4) &&
                          text.find_first_not_of("01234567") == std::string_view::npos;
    std::uint64_t mode = 0;
    for (const char digit : text) {
        mode = mode * 8 + static_cast<std::uint64_t>(digit - '0');
    }
    return is_octal && mode <= kMaxFileMode ? Parsed<Value>::good(Value{mode})
                                            : not_accepted(setting);
}

Parsed<Value> parse_choice(const Setting& setting, std::string_view text) {
    const auto found = std::find(setting.choices.begin(), setting.choices.end(), text);
    return found == setting.choices.end()
               ? not_accepted(setting)
               : Parsed<Value>::good(
                     Value{static_cast<std::uint64_t>(found - setting.choices.begin())});
}

Parsed<Value> parse_sized(const Setting& setting, std::string_view text) {
    auto size = parse_size(text);
    if (size.value && (*size.value < setting.low || *size.value > setting.high)) {
        return not_accepted(setting);
    }
    return lift(std::move(size));
}

milliseconds least_of(const Setting& setting) {
    return milliseconds{static_cast<std::int64_t>(setting.low)};
}

Parsed<Value> parse_tcp_address(const Setting& setting, std::string_view text) {
    if (text.empty()) {
        return Parsed<Value>::good(Value{std::vector<Address>{}});
    }
    auto address = parse_address(text, kWeirPort);
    if (!address.value || address.value->kind != Address::Kind::Tcp) {
        return not_accepted(setting);
    }
    return Parsed<Value>::good(Value{std::vector<Address>{*std::move(address.value)}});
}

std::uint16_t unix_port_of(const Setting& setting) {
    return setting.kind == Kind::Servers ? kPostgresPort : kWeirPort;
}

Parsed<Value> parse_limited_duration(const Setting& setting, std::string_view text) {
    auto duration = parse_duration(text);
    const bool is_short = duration.value && *duration.value < least_of(setting);
    return is_short ? not_accepted(setting) : lift(std::move(duration));
}

Parsed<Value> parse_real(const Setting& setting, std::string_view text) {
    const auto number = parse_number(text);
    const bool is_share = setting.kind == Kind::Share;
    const double low = is_share ? 0 : static_cast<double>(setting.low);
    const double high = is_share ? 1 : static_cast<double>(setting.high);
    const bool fits = number && *number >= low && *number <= high && !(is_share && *number == 0);
    return fits ? Parsed<Value>::good(Value{*number}) : not_accepted(setting);
}

Parsed<Value> parse_addresses(const Setting& setting, std::string_view text) {
    std::vector<Address> addresses;
    for (const std::string& part : split_at_commas(text)) {
        auto address = parse_listed_address(setting, part);
        if (!address.value) {
            return Parsed<Value>::bad(std::move(address.problem));
        }
        addresses.push_back(*std::move(address.value));
    }
    return Parsed<Value>::good(Value{std::move(addresses)});
}

/// @return nothing in particular, where the text is empty and may be
template <class T>
Parsed<T> parse_or_none(const Setting& setting,
                        std::string_view text,
                        Parsed<T> (*parse)(std::string_view)) {
    return text.empty() && setting.default_text.empty() ? Parsed<T>::good({}) : parse(text);
}

Parsed<Value> parse_cron(std::string_view text) {
    if (!text.empty()) {
        if (auto line = parse_cron_line(text); !line.value) {
            return Parsed<Value>::bad(std::move(line.problem));
        }
    }
    return Parsed<Value>::good(Value{std::string{text}});
}

Parsed<Value> parse_windows(std::string_view text) {
    std::vector<std::string> windows = split_at_commas(text);
    for (const std::string& window : windows) {
        if (auto parsed = parse_time_window(window); !parsed.value) {
            return Parsed<Value>::bad(std::move(parsed.problem));
        }
    }
    return Parsed<Value>::good(Value{std::move(windows)});
}

/// @return accepted() of the kinds that only maintenance has
std::string accepted_of_maintenance(Kind kind) {
    switch (kind) {
        case Kind::Expressions:
            return R"(a list of columns and of expressions with a name, such as ["app_id", "lower(event_name) AS event"])";
        case Kind::CalendarSpan:
            return R"(a span of the calendar such as "2 days" or "1 month"; "0s" for none)";
        case Kind::KeyStep:
            return R"(a span of the calendar such as "1 month", or a whole number above 0 for keys that are integers)";
        case Kind::CronLine:
            return R"(a cron line such as "0 2 * * *" (minute hour day month weekday), or @hourly, @daily, @weekly, @monthly, @yearly; "" for none)";
        case Kind::Windows: return R"(a list of times of the day such as ["02:00-05:00"])";
        case Kind::RunTimes:
            return R"(a table such as { daily = "0 2 * * *", vacuum = "0 3 * * 0", retention = "" } of cron lines, "" for never)";
        case Kind::Ahead:
            return R"(a table such as { min = "6 months", max = "12 months" }, of numbers for keys that are integers)";
        case Kind::PartitionRetention:
            return R"(a table such as { keep = "12 months", action = "detach", quarantine = "7 days", archive_schema = "", max_drops_per_run = 2, enforce = false })";
        case Kind::Care:
            return R"(a table such as { dead_rows = 0.2, modified_rows = 0.1, min_rows = 1000, freeze_age = 150000000, index_bloat = 0.5 })";
        case Kind::Governor:
            return R"(a table such as { max_p95_ratio = 1.5, max_replica_lag = "30s", max_pool_usage = 0.8 })";
        default: return {};
    }
}

}  // namespace

Parsed<Address> parse_listed_address(const Setting& setting, std::string_view text) {
    auto address = parse_address(text, unix_port_of(setting));
    if (setting.kind == Kind::Servers && address.value && address.value->host == "*") {
        return Parsed<Address>::bad(
            "is no address one can connect to; accepted: a host name or an address");
    }
    return address;
}

Parsed<Value> parse_value(const Setting& setting, std::string_view text) {
    switch (setting.kind) {
        case Kind::Boolean:
            return text == "true" || text == "false" ? Parsed<Value>::good(Value{text == "true"})
                                                     : not_accepted(setting);
        case Kind::Integer: return parse_integer(setting, text);
        case Kind::Level: return parse_level(setting, text);
        case Kind::Threads:
            return text == "auto"
                       ? Parsed<Value>::good(Value{std::uint64_t{usable_cores(setting.high)}})
                       : parse_integer(setting, text);
        case Kind::FileMode: return parse_file_mode(setting, text);
        case Kind::Duration: return parse_limited_duration(setting, text);
        case Kind::Size: return parse_sized(setting, text);
        case Kind::Text: return Parsed<Value>::good(Value{std::string{text}});
        case Kind::Choice: return parse_choice(setting, text);
        case Kind::TcpAddress: return parse_tcp_address(setting, text);
        case Kind::ListenAddresses: return parse_addresses(setting, text);
        case Kind::Servers: return parse_members(setting, text);
        case Kind::Number:
        case Kind::Share: return parse_real(setting, text);
        case Kind::SharePair:
        case Kind::FloorPair:
        case Kind::DurationPair: return parse_pair(setting, text);
        case Kind::Backoff:
        case Kind::Retention:
        case Kind::RunTimes:
        case Kind::Ahead:
        case Kind::PartitionRetention:
        case Kind::Care:
        case Kind::Governor: return parse_record(setting, text);
        case Kind::Patterns: return parse_patterns(text);
        case Kind::CalendarSpan:
            return lift(parse_or_none<CalendarSpan>(setting, text, parse_calendar_span));
        case Kind::KeyStep: return lift(parse_or_none<KeyStep>(setting, text, parse_key_step));
        case Kind::CronLine: return parse_cron(text);
        case Kind::Windows: return parse_windows(text);
        case Kind::Names: return Parsed<Value>::good(Value{split_at_commas(text)});
        case Kind::Expressions:
        case Kind::Statements: return Parsed<Value>::good(Value{split_at(text, ';')});
        case Kind::Table: return Parsed<Value>::good(Value{std::map<std::string, std::string>{}});
    }
    return not_accepted(setting);
}

std::string accepted(const Setting& setting) {
    const std::string range = std::to_string(setting.low) + " to " + std::to_string(setting.high);
    switch (setting.kind) {
        case Kind::Boolean: return "true or false";
        case Kind::Integer: return "a whole number from " + range;
        case Kind::Level: {
            const std::string high = std::to_string(setting.high);
            return "a whole number from -" + high + " to " + high;
        }
        case Kind::Threads: return "\"auto\" or a whole number from " + range;
        case Kind::FileMode: return "permissions in octal from \"0000\" to \"0777\"";
        case Kind::Duration:
            if (setting.low > 0) {
                return "a duration such as \"1s\" (ms, s, m, h, d), at least " +
                       format_duration(least_of(setting));
            }
            return "a duration such as \"250ms\" (ms, s, m, h, d); 0 switches it off";
        case Kind::Size:
            return "a size such as \"64KiB\" from " + format_size(setting.low) + " to " +
                   format_size(setting.high);
        case Kind::Text: return "a string";
        case Kind::Choice: {
            std::string list;
            for (std::size_t i = 0; i < setting.choices.size(); ++i) {
                const bool is_last = i + 1 == setting.choices.size();
                list += i == 0 ? "" : (is_last ? " or " : ", ");
                list += toml_string(setting.choices[i]);
            }
            return list;
        }
        case Kind::ListenAddresses:
            return R"(a list of "host:port", "[::1]:port", "unix:/folder", "unix:@abstract")";
        case Kind::Servers:
            return R"(a list of "host:port", "[::1]:port", "unix:/folder" or { address = "…", weight = 1, role = "auto" })";
        case Kind::TcpAddress: return R"("host:port", or "" for off)";
        case Kind::Names: return "a list of names";
        case Kind::Statements: return "a list of SQL statements";
        case Kind::Table: return "a table of strings";
        case Kind::Number: return "a number from " + range;
        case Kind::Share: return "a number above 0, at most 1";
        case Kind::SharePair: return "two numbers from 0 to 1 that ascend, such as [0.8, 0.95]";
        case Kind::FloorPair: return "two numbers from 0 to 1 that descend, such as [0.8, 0.7]";
        case Kind::DurationPair: return R"(two durations that ascend, such as ["100ms", "1s"])";
        case Kind::Backoff:
            return R"(a table such as { attempts = 3, base = "500ms", multiplier = 2.0, max = "5s", jitter = true })";
        case Kind::Retention:
            return R"(a table such as { statements = "14d", hourly = "400d", events = "90d" })";
        case Kind::Expressions:
        case Kind::CalendarSpan:
        case Kind::KeyStep:
        case Kind::CronLine:
        case Kind::Windows:
        case Kind::RunTimes:
        case Kind::Ahead:
        case Kind::PartitionRetention:
        case Kind::Care:
        case Kind::Governor: return accepted_of_maintenance(setting.kind);
        case Kind::Patterns: return "a list of SQLSTATEs such as \"55P03\" and parts of messages";
    }
    return {};
}

}  // namespace weir::conf
