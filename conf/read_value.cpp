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
        case Node::Kind::Float: return "a number with a fraction";
        case Node::Kind::Date: return "a date or time";
        case Node::Kind::Array: return "a list";
        case Node::Kind::Table: return "a table";
    }
    return "the value";
}

/// Reads one node after another into one value.
class NodeReader {
public:
    NodeReader(const Setting& setting, std::vector<ValueProblem>& problems)
        : setting_{setting}, problems_{problems} {}

    std::optional<Value> read(const Node& node) {
        const std::size_t before = problems_.size();
        std::optional<Value> value = dispatch(node);
        return problems_.size() == before && !node.is_broken ? std::move(value) : std::nullopt;
    }

private:
    std::optional<Value> dispatch(const Node& node) {
        switch (setting_.kind) {
            case Kind::ListenAddresses:
            case Kind::Servers: return addresses(node);
            case Kind::Names: return names(node);
            case Kind::Table: return table(node);
            case Kind::Boolean:
            case Kind::Integer:
            case Kind::Threads:
            case Kind::FileMode:
            case Kind::Duration:
            case Kind::Size:
            case Kind::Text:
            case Kind::Choice:
            case Kind::TcpAddress: break;
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
        const bool is_number = setting_.kind == Kind::Integer || setting_.kind == Kind::Threads;
        const bool has_unit = setting_.kind == Kind::Duration || setting_.kind == Kind::Size;
        std::string text;
        if (node.kind == Node::Kind::Boolean && setting_.kind == Kind::Boolean) {
            return Value{node.boolean};
        }
        if (node.kind == Node::Kind::Integer && (is_number || has_unit)) {
            text = std::to_string(node.integer);
        } else if (node.kind == Node::Kind::String) {
            const bool wants_string =
                setting_.kind != Kind::Boolean && setting_.kind != Kind::Integer;
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
            const Node* text = setting_.kind == Kind::Servers && item.kind == Node::Kind::Table
                                   ? address_in(item)
                                   : &item;
            if (text == nullptr || text->is_broken) {
                continue;
            }
            if (text->kind != Node::Kind::String) {
                refuse(*text);
                continue;
            }
            auto address = parse_listed_address(setting_, text->text);
            if (address.value) {
                list.push_back(*std::move(address.value));
            } else {
                complain(*text, address.problem);
            }
        }
        if (setting_.kind == Kind::Servers && node.items.size() > 1) {
            problems_.push_back({node.items[1].at,
                                 {},
                                 "a second server is not in this version; accepted: exactly one "
                                 "server per cluster"});
        }
        return Value{std::move(list)};
    }

    /// @return the address of { address = "…" }, or null after complaining
    const Node* address_in(const Node& server) {
        const Node* address = nullptr;
        for (const Entry& entry : server.entries) {
            if (entry.key == "address") {
                address = &entry.value;
            } else {
                problems_.push_back(
                    {entry.key_at, entry.key, "unknown key; accepted here: address"});
            }
        }
        if (address == nullptr) {
            complain(server, R"(has no address; accepted: { address = "host:port" })");
        }
        return address;
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
            } else {
                list.push_back(item.text);
            }
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
