#include "conf/records.hpp"
#include "conf/time_window.hpp"
#include "conf/value.hpp"

namespace weir::conf {

namespace {

/// What a message shows of a text that is wrong.
constexpr std::size_t kMaxShownBytes = 80;

std::string shown(const Setting& setting, const Node& node) {
    if (setting.secrecy == Secrecy::Secret) {
        return "the value";
    }
    switch (node.kind) {
        case Node::Kind::String:
            return toml_string(std::string_view{node.written}.substr(0, kMaxShownBytes));
        case Node::Kind::Integer: return std::to_string(node.integer);
        case Node::Kind::Boolean: return node.boolean ? "true" : "false";
        case Node::Kind::Float:
            return setting.kind == Kind::Number || setting.kind == Kind::Share
                       ? format_number(node.real)
                       : "a number with a fraction";
        case Node::Kind::Date: return "a date or time";
        case Node::Kind::Array: return "a list";
        case Node::Kind::Table: return "a table";
    }
    return "the value";
}

/// @return whether it is a text that may be a bare number too
bool may_have_unit(Kind kind) {
    return kind == Kind::Duration || kind == Kind::Size || kind == Kind::KeyStep ||
           kind == Kind::CalendarSpan;
}

/// Reads one node after another into one value.
class NodeReader {
public:
    NodeReader(const Setting& setting, std::vector<ValueProblem>& problems)
        : setting_{setting}, problems_{problems} {}

    std::optional<Value> read(const Node& node) {
        if (node.is_broken) {
            return std::nullopt;
        }
        const std::size_t before = problems_.size();
        std::optional<Value> value = dispatch(node);
        return problems_.size() == before ? std::move(value) : std::nullopt;
    }

private:
    std::optional<Value> dispatch(const Node& node) {
        switch (setting_.kind) {
            case Kind::ListenAddresses: return addresses(node);
            case Kind::Servers: return members(node);
            case Kind::Names:
            case Kind::Statements:
            case Kind::Expressions:
            case Kind::Windows:
            case Kind::Patterns: return names(node);
            case Kind::SharePair:
            case Kind::FloorPair:
            case Kind::DurationPair: return pair(node);
            case Kind::Backoff:
            case Kind::Retention:
            case Kind::RunTimes:
            case Kind::Ahead:
            case Kind::PartitionRetention:
            case Kind::Care:
            case Kind::Governor: return record(node);
            case Kind::Table: return table(node);
            case Kind::Boolean:
            case Kind::Integer:
            case Kind::Level:
            case Kind::Threads:
            case Kind::FileMode:
            case Kind::Duration:
            case Kind::Size:
            case Kind::Text:
            case Kind::Choice:
            case Kind::TcpAddress:
            case Kind::Number:
            case Kind::CalendarSpan:
            case Kind::KeyStep:
            case Kind::CronLine:
            case Kind::Share: break;
        }
        return scalar(node);
    }

    void complain(const Node& node, const std::string& what) {
        problems_.push_back({node.at, {}, shown(setting_, node) + " " + what});
    }

    void refuse(const Node& node) {
        complain(node, "is not accepted; accepted: " + accepted(setting_));
    }

    /// TOML's own numbers and booleans for what is one; a string for it only when the environment
    /// filled it in.
    std::optional<Value> scalar(const Node& node) {
        const bool is_real = setting_.kind == Kind::Number || setting_.kind == Kind::Share;
        const bool is_whole = setting_.kind == Kind::Integer || setting_.kind == Kind::Level;
        const bool is_number = is_real || is_whole || setting_.kind == Kind::Threads;
        std::string text;
        if (node.kind == Node::Kind::Boolean && setting_.kind == Kind::Boolean) {
            return Value{node.boolean};
        }
        if (node.kind == Node::Kind::Integer && (is_number || may_have_unit(setting_.kind))) {
            text = std::to_string(node.integer);
        } else if (node.kind == Node::Kind::Float && is_real) {
            text = format_number(node.real);
        } else if (node.kind == Node::Kind::String) {
            const bool wants_string = setting_.kind != Kind::Boolean && !is_whole && !is_real;
            const bool is_count = setting_.kind == Kind::Threads && node.text != "auto";
            if (!node.is_interpolated && (!wants_string || is_count)) {
                refuse(node);
                return std::nullopt;
            }
            text = node.text;
        } else {
            refuse(node);
            return std::nullopt;
        }
        if (text.find('\0') != std::string::npos) {
            // PostgreSQL's strings end at it: what stands behind would be lost unseen.
            complain(node, "has a zero byte; accepted: a string without one");
            return std::nullopt;
        }
        auto value = parse_value(setting_, text);
        if (!value.value) {
            complain(node, value.problem);
        }
        return value.value;
    }

    std::optional<Value> addresses(const Node& node) {
        if (node.kind != Node::Kind::Array) {
            refuse(node);
            return std::nullopt;
        }
        std::vector<Address> list;
        for (const Node& item : node.items) {
            if (auto read = address(item)) {
                list.push_back(*std::move(read));
            }
        }
        return Value{std::move(list)};
    }

    /// @return empty after complaining, or where that has been done
    std::optional<Address> address(const Node& node) {
        if (node.is_broken) {
            return std::nullopt;
        }
        if (node.kind != Node::Kind::String) {
            refuse(node);
            return std::nullopt;
        }
        auto parsed = parse_listed_address(setting_, node.text);
        if (!parsed.value) {
            complain(node, parsed.problem);
        }
        return parsed.value;
    }

    std::optional<Value> members(const Node& node) {
        if (node.kind != Node::Kind::Array) {
            refuse(node);
            return std::nullopt;
        }
        std::vector<MemberSettings> list;
        std::vector<Position> places;
        for (const Node& item : node.items) {
            MemberSettings member;
            auto read = item.kind == Node::Kind::Table ? address_in(item, member) : address(item);
            if (read) {
                member.address = *std::move(read);
                list.push_back(std::move(member));
                places.push_back(item.at);
            }
        }
        if (const auto wrong = find_problem(list)) {
            problems_.push_back({places[wrong->index], {}, wrong->message});
        }
        return Value{std::move(list)};
    }

    /// Reads { address = "…", weight = 2 }. @param member gets everything but the address
    std::optional<Address> address_in(const Node& server, MemberSettings& member) {
        const Node* found = nullptr;
        for (const Entry& entry : server.entries) {
            if (entry.key == "address") {
                found = &entry.value;
            } else {
                read_part(entry, &member, "address, ");
            }
        }
        if (found == nullptr) {
            complain(server, R"(has no address; accepted: { address = "host:port" })");
            return std::nullopt;
        }
        return address(*found);
    }

    /// Reads one key of a table that is one value.
    /// @param accepted_keys those the caller reads itself, for the message
    void read_part(const Entry& entry, void* object, std::string accepted_keys) {
        for (const Setting& key : record_keys(setting_)) {
            if (key.key == entry.key) {
                std::vector<ValueProblem> own;
                if (const auto value = read_value(key, entry.value, own)) {
                    key.field.put(object, *value);
                }
                for (const ValueProblem& problem : own) {
                    problems_.push_back({problem.at, entry.key, problem.message});
                }
                return;
            }
        }
        for (const Setting& key : record_keys(setting_)) {
            accepted_keys.append(key.key).append(", ");
        }
        accepted_keys.resize(accepted_keys.size() - 2);
        problems_.push_back(
            {entry.key_at, entry.key, "unknown key; accepted here: " + accepted_keys});
    }

    std::optional<Value> record(const Node& node) {
        if (node.kind != Node::Kind::Table) {
            refuse(node);
            return std::nullopt;
        }
        Value value = *parse_value(setting_, setting_.default_text).value;
        for (const Entry& entry : node.entries) {
            read_part(entry, struct_in(value), {});
        }
        if (const std::string problem = problem_of_record(value); !problem.empty()) {
            complain(node, problem);
        }
        return value;
    }

    std::optional<Value> pair(const Node& node) {
        if (node.kind != Node::Kind::Array || node.items.size() != 2) {
            refuse(node);
            return std::nullopt;
        }
        const Setting& half = half_of(setting_.kind);
        const auto degraded = read_value(half, node.items[0], problems_);
        const auto critical = read_value(half, node.items[1], problems_);
        if (!degraded || !critical) {
            return std::nullopt;
        }
        auto value = make_pair_value(setting_.kind, *degraded, *critical);
        if (!value.value) {
            complain(node, value.problem);
        }
        return value.value;
    }

    std::optional<Value> names(const Node& node) {
        if (node.kind != Node::Kind::Array) {
            refuse(node);
            return std::nullopt;
        }
        std::vector<std::string> list;
        for (const Node& item : node.items) {
            if (item.is_broken) {
                continue;
            }
            if (item.kind != Node::Kind::String || item.text.empty()) {
                refuse(item);
                continue;
            }
            if (setting_.kind == Kind::Patterns) {
                if (const std::string problem = problem_of_pattern(item.text); !problem.empty()) {
                    complain(item, problem);
                }
            }
            if (setting_.kind == Kind::Windows) {
                if (const auto window = parse_time_window(item.text); !window.value) {
                    complain(item, window.problem);
                }
            }
            list.push_back(item.text);
        }
        if (setting_.kind == Kind::Patterns && list.size() > kMaxPatterns) {
            complain(node,
                     "has too many entries; accepted: at most " + std::to_string(kMaxPatterns));
        }
        return Value{std::move(list)};
    }

    std::optional<Value> table(const Node& node) {
        if (node.kind != Node::Kind::Table) {
            refuse(node);
            return std::nullopt;
        }
        std::map<std::string, std::string> values;
        for (const Entry& entry : node.entries) {
            if (entry.value.is_broken) {
                continue;
            }
            if (entry.value.kind != Node::Kind::String) {
                problems_.push_back(
                    {entry.value.at,
                     entry.key,
                     shown(setting_, entry.value) + " is not accepted; accepted: a string"});
            } else {
                values.emplace(entry.key, entry.value.text);
            }
        }
        return Value{std::move(values)};
    }

    const Setting& setting_;
    std::vector<ValueProblem>& problems_;
};

}  // namespace

std::optional<Value> read_value(const Setting& setting,
                                const Node& node,
                                std::vector<ValueProblem>& problems) {
    return NodeReader{setting, problems}.read(node);
}

}  // namespace weir::conf
