#include "conf/records.hpp"
#include "conf/units.hpp"
#include "conf/value.hpp"

#include <fmt/format.h>

namespace weir::conf {

namespace {

std::string address_text(const Address& address) {
    return address.text();
}

std::string name_text(const std::string& name) {
    return name;
}

template <class List, class Text>
std::string joined(const List& list, Text text, std::string_view separator = ", ") {
    std::string result;
    for (const auto& item : list) {
        result += result.empty() ? "" : separator;
        result += text(item);
    }
    return result;
}

std::string format_count(const Setting& setting, std::uint64_t number) {
    switch (setting.kind) {
        case Kind::Choice: return std::string{setting.choices[number]};
        case Kind::FileMode: return fmt::format("{:04o}", number);
        case Kind::Size: return format_size(number);
        case Kind::Level: return std::to_string(static_cast<std::int64_t>(number));
        default: return std::to_string(number);
    }
}

/// What format_value() gives for each of the types that a Value may hold.
struct Visitor {
    const Setting& setting;

    std::string operator()(bool flag) const { return flag ? "true" : "false"; }

    std::string operator()(std::uint64_t number) const { return format_count(setting, number); }

    std::string operator()(milliseconds duration) const { return format_duration(duration); }

    std::string operator()(const std::string& text) const { return text; }

    std::string operator()(const std::vector<std::string>& names) const {
        const bool has_commas =
            setting.kind == Kind::Statements || setting.kind == Kind::Expressions;
        return joined(names, name_text, has_commas ? "; " : ", ");
    }

    std::string operator()(const std::vector<Address>& addresses) const {
        return joined(addresses, address_text);
    }

    std::string operator()(const std::vector<MemberSettings>& members) const {
        return joined(members, format_member);
    }

    std::string operator()(double number) const { return format_number(number); }

    std::string operator()(const Thresholds<double>& pair) const {
        return format_number(pair.degraded) + ", " + format_number(pair.critical);
    }

    std::string operator()(const Thresholds<milliseconds>& pair) const {
        return format_duration(pair.degraded) + ", " + format_duration(pair.critical);
    }

    std::string operator()(const CalendarSpan& span) const {
        return span.is_zero() && setting.default_text.empty() ? "" : format_calendar_span(span);
    }

    std::string operator()(const KeyStep& step) const { return step.text; }

    template <class Record>
    std::string operator()(const Record& record) const {
        return format_record(setting, Value{record});
    }

    std::string operator()(const std::map<std::string, std::string>& table) const {
        return joined(table, [](const auto& item) { return item.first + "=" + item.second; });
    }
};

}  // namespace

std::string format_value(const Setting& setting, const Value& value) {
    return std::visit(Visitor{setting}, value);
}

std::string toml_value(const Setting& setting, const Value& value) {
    if (const auto* names = std::get_if<std::vector<std::string>>(&value)) {
        return "[" + joined(*names, [](const std::string& name) { return toml_string(name); }) +
               "]";
    }
    if (const auto* table = std::get_if<std::map<std::string, std::string>>(&value)) {
        const std::string inside = joined(*table, [](const auto& item) {
            return join_key({}, item.first) + " = " + toml_string(item.second);
        });
        return inside.empty() ? "{}" : "{ " + inside + " }";
    }
    if (const auto* addresses = std::get_if<std::vector<Address>>(&value);
        addresses != nullptr && setting.kind != Kind::TcpAddress) {
        return "[" +
               joined(*addresses,
                      [](const Address& address) { return toml_string(address.text()); }) +
               "]";
    }
    if (const auto* members = std::get_if<std::vector<MemberSettings>>(&value)) {
        return "[" + joined(*members, toml_member) + "]";
    }
    if (is_record(setting)) {
        return toml_record(setting, value);
    }
    if (const auto* pair = std::get_if<Thresholds<milliseconds>>(&value)) {
        return "[" + toml_string(format_duration(pair->degraded)) + ", " +
               toml_string(format_duration(pair->critical)) + "]";
    }
    const std::string text = format_value(setting, value);
    if (setting.kind == Kind::SharePair || setting.kind == Kind::FloorPair) {
        return "[" + text + "]";
    }
    const bool is_bare = setting.kind == Kind::Boolean || setting.kind == Kind::Integer ||
                         setting.kind == Kind::Level || setting.kind == Kind::Threads ||
                         setting.kind == Kind::Number || setting.kind == Kind::Share;
    return is_bare ? text : toml_string(text);
}

std::string toml_string(std::string_view text) {
    std::string quoted = "\"";
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (c == '"' || c == '\\') {
            quoted += '\\';
            quoted += c;
        } else if (byte < 0x20 || byte == 0x7f) {
            quoted += fmt::format("\\u{:04X}", byte);
        } else {
            quoted += c;
        }
    }
    return quoted += '"';
}

}  // namespace weir::conf
