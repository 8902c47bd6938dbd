#include "conf/import_databases.hpp"

#include "conf/value.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <map>

namespace weir::conf {

namespace {

constexpr std::string_view kNotOne = "left out";

/// A key of a connection string, or of a user, that is a setting of ours.
struct Pair {
    std::string_view name;
    std::string_view below;  ///< "" = the section itself, else "pool" or "policy"
    std::string_view key;
    bool is_seconds;
};

constexpr std::array kDatabasePairs{
    Pair{"auth_dbname", "", "auth_query_database", false},
    Pair{"auth_query", "", "auth_query", false},
    Pair{"auth_user", "", "auth_query_user", false},
    Pair{"connect_query", "", "connect_query", false},
    Pair{"dbname", "", "dbname", false},
    Pair{"max_db_client_connections", "", "max_clients", false},
    Pair{"max_db_connections", "", "max_connections", false},
    Pair{"min_pool_size", "pool", "min", false},
    Pair{"password", "", "password", false},
    Pair{"pool_mode", "pool", "mode", false},
    Pair{"pool_size", "pool", "max", false},
    Pair{"query_wait_timeout", "pool", "acquire_timeout", true},
    Pair{"reserve_pool", "pool", "reserve", false},
    Pair{"reserve_pool_size", "pool", "reserve", false},
    Pair{"server_lifetime", "pool", "max_lifetime", true},
    Pair{"user", "", "user", false},
};

constexpr std::array kUserPairs{
    Pair{"client_idle_timeout", "", "client_idle_timeout", true},
    Pair{"idle_transaction_timeout", "pool", "idle_in_transaction_timeout", true},
    Pair{"max_user_client_connections", "", "max_clients", false},
    Pair{"max_user_connections", "", "max_connections", false},
    Pair{"pool_mode", "pool", "mode", false},
    Pair{"pool_size", "pool", "max", false},
    Pair{"query_timeout", "policy", "statement_timeout", true},
    Pair{"query_wait_timeout", "pool", "acquire_timeout", true},
    Pair{"reserve_pool_size", "pool", "reserve", false},
    Pair{"transaction_timeout", "pool", "transaction_timeout", true},
};

/// Settings that a database's server connections start with.
constexpr std::array<std::string_view, 4> kStartSettings{
    "application_name", "client_encoding", "datestyle", "timezone"};

template <class Table>
const Pair* find_pair(const Table& table, std::string_view name) {
    const auto found = std::find_if(
        table.begin(), table.end(), [name](const Pair& pair) { return pair.name == name; });
    return found == table.end() ? nullptr : &*found;
}

void put_pair(ImportDraft& draft,
              const std::string& path,
              const Pair& pair,
              const std::string& value,
              const IniPlace& at) {
    std::string text = pair.key == "mode" ? lower(value) : value;
    if (pair.is_seconds) {
        auto duration = seconds_text(value);
        if (!duration.value) {
            draft.complain(at, pair.name, duration.problem);
            return;
        }
        text = pair.name == "server_lifetime" && *duration.value == "0s" ? "1ms" : *duration.value;
    }
    const std::string_view section = path.substr(0, path.find('.')) == "user" ? "user" : "database";
    const std::string where = pair.below.empty() ? path : join_key(path, pair.below);
    draft.put({where, pair.below.empty() ? section : pair.below, pair.key}, text, at, pair.name);
}

/// A host that stands twice gets twice as much from PgBouncer; a member of a cluster stands once.
std::vector<std::string> without_repeats(std::vector<std::string> names) {
    std::vector<std::string> once;
    for (std::string& name : names) {
        if (std::find(once.begin(), once.end(), name) == once.end()) {
            once.push_back(std::move(name));
        }
    }
    return once;
}

/// Where a database is: the hosts of its connection string, in order.
struct Hosts {
    std::vector<std::string> names;
    std::string port;
    bool is_spread = true;  ///< load_balance_hosts = round-robin, which is the default

    auto operator<=>(const Hosts&) const = default;
};

/// One cluster for each list of servers.
class Clusters {
public:
    explicit Clusters(ImportDraft& draft) : draft_{draft} {}

    /// @return the cluster's name
    std::string name_of(const Hosts& hosts, const IniPlace& at) {
        const auto [place, is_new] = names_.try_emplace(hosts);
        if (is_new) {
            place->second = names_.size() == 1 ? "main" : "server-" + std::to_string(names_.size());
            write(place->second, hosts, at);
        }
        return place->second;
    }

private:
    static std::string address_of(const std::string& host, const std::string& port) {
        if (host.front() == '/') {
            return "unix:" + host + (port == "5432" ? "" : ":" + port);
        }
        return tcp_address(host, port);
    }

    void write(const std::string& name, const Hosts& hosts, const IniPlace& at) {
        const std::string path = join_key("cluster", name);
        std::string addresses;
        for (const std::string& host : hosts.names) {
            addresses += (addresses.empty() ? "" : ", ") + address_of(host, hosts.port);
        }
        draft_.put({path, "cluster", "servers"}, addresses, at, "host");
        if (hosts.is_spread) {
            draft_.put({path, "cluster", "balance"}, "round-robin", at, "load_balance_hosts");
        }
        const IniEntry* timeout = draft_.find("server_connect_timeout");
        draft_.put({path, "cluster", "connect_timeout"},
                   timeout != nullptr ? draft_.seconds(*timeout) : "15s",
                   at,
                   "server_connect_timeout");
    }

    ImportDraft& draft_;
    std::map<Hosts, std::string> names_;
};

/// PgBouncer sends clients to each host in turn, whatever it is; Weir asks the hosts what they are.
void carry_hosts(ImportDraft& draft,
                 const std::string& path,
                 const Hosts& hosts,
                 const IniEntry& entry) {
    if (hosts.names.size() < 2) {
        return;
    }
    const std::string mode = draft.toml.value(path + ".pool", "mode");
    const bool is_session = mode.empty()
                                ? lower(draft.value_of("pool_mode", "session")) == "session"
                                : mode == toml_string("session");
    const bool is_split = hosts.is_spread && !is_session;
    if (is_split) {
        draft.put({path, "database", "read_write_split"}, "true", entry.at, "load_balance_hosts");
    }
    draft.find_fault(
        entry.at,
        entry.key,
        is_split
            ? "has several hosts: PgBouncer uses each in turn for everything, Weir sends reads "
              "to the replicas among them and the rest to the primary"
            : "has several hosts: PgBouncer uses them for everything, Weir sends all to the "
              "primary among them, and to the next one after a failover");
}

/// One database: its connection string, pair by pair.
class Database {
public:
    Database(ImportDraft& draft, const IniEntry& entry)
        : draft_{draft},
          entry_{entry},
          path_{join_key("database", entry.key)},
          hosts_{{draft.value_of("unix_socket_dir", "/tmp")}, "5432"} {}

    void carry(const IniPairs& pairs, Clusters& clusters) {
        draft_.toml.open(path_);
        has_user_ = std::any_of(
            pairs.begin(), pairs.end(), [](const auto& pair) { return pair.first == "user"; });
        for (const auto& [name, value] : pairs) {
            carry_pair(name, value);
        }
        if (!set_.empty()) {
            draft_.toml.put_literal(path_, "set", "{ " + set_ + " }");
        }
        if (draft_.toml.has(path_, "password")) {
            draft_.toml.comment(
                path_, "The password stands here as it stood there: keep this file private.");
        }
        hosts_.is_spread = hosts_.is_spread && hosts_.names.size() > 1;
        draft_.put(
            {path_, "database", "cluster"}, clusters.name_of(hosts_, entry_.at), entry_.at, "host");
        carry_hosts(draft_, path_, hosts_, entry_);
        carry_limit_for_all();
    }

private:
    void carry_pair(const std::string& name, const std::string& value) {
        if (name == "host") {
            carry_host(value);
        } else if (name == "port") {
            hosts_.port = value;
        } else if (is_start_setting(name)) {
            set_ += (set_.empty() ? "" : ", ") + name + " = " + toml_string(value);
        } else if (name == "load_balance_hosts") {
            hosts_.is_spread = lower(value) != "disable";
        } else if (name == "password" && !has_user_) {
            find_fault("password: stands without a user; left out");
        } else if (const Pair* pair = find_pair(kDatabasePairs, name); pair != nullptr) {
            put_pair(draft_, path_, *pair, value, entry_.at);
        } else {
            find_fault(name + ": is no part of PgBouncer's connection strings; left out");
        }
    }

    void carry_host(const std::string& value) {
        if (auto names = split_list(value); !names.empty()) {
            hosts_.names = without_repeats(std::move(names));
        }
    }

    /// What PgBouncer has once for all databases stands with each of ours.
    void carry_limit_for_all() {
        const IniEntry* all = draft_.find("max_db_client_connections");
        if (all != nullptr && all->value != "0" && !draft_.toml.has(path_, "max_clients")) {
            draft_.put({path_, "database", "max_clients"}, all->value, all->at, all->key);
        }
    }

    static bool is_start_setting(const std::string& name) {
        return std::find(kStartSettings.begin(), kStartSettings.end(), name) !=
               kStartSettings.end();
    }

    void find_fault(const std::string& message) {
        draft_.find_fault(entry_.at, entry_.key, message);
    }

    ImportDraft& draft_;
    const IniEntry& entry_;
    std::string path_;
    Hosts hosts_;
    std::string set_;
    bool has_user_ = false;
};

void carry_database(ImportDraft& draft, Clusters& clusters, const IniEntry& entry) {
    const auto pairs = parse_connection_string(entry.value);
    if (!pairs.value) {
        draft.complain(entry.at, entry.key, pairs.problem);
    } else if (entry.key == "pgbouncer") {
        draft.complain(entry.at, entry.key, "is the name of the admin database");
    } else {
        Database{draft, entry}.carry(*pairs.value, clusters);
    }
}

}  // namespace

void carry_databases(ImportDraft& draft) {
    Clusters clusters{draft};
    for (const IniEntry& entry : draft.ini.entries) {
        if (entry.section == "databases") {
            carry_database(draft, clusters, entry);
        }
    }
}

void carry_users(ImportDraft& draft) {
    for (const IniEntry& entry : draft.ini.entries) {
        if (entry.section == "peers") {
            draft.result.notes.push_back("[peers] " + entry.key +
                                         ": not needed: one process serves all cores");
        }
        if (entry.section != "users") {
            continue;
        }
        const auto pairs = parse_connection_string(entry.value);
        if (!pairs.value) {
            draft.complain(entry.at, entry.key, pairs.problem);
            continue;
        }
        const std::string path = join_key("user", entry.key);
        draft.toml.open(path);
        for (const auto& [name, value] : *pairs.value) {
            if (const Pair* pair = find_pair(kUserPairs, name); pair != nullptr) {
                put_pair(draft, path, *pair, value, entry.at);
            } else {
                draft.find_fault(
                    entry.at,
                    entry.key,
                    name + ": is no setting of PgBouncer's for users; " + std::string{kNotOne});
            }
        }
    }
    const IniEntry* all = draft.find("max_user_client_connections");
    if (all == nullptr || all->value == "0") {
        return;
    }
    for (const std::string& name : draft.users) {
        const std::string path = join_key("user", name);
        if (!draft.toml.has(path, "max_clients")) {
            draft.put({path, "user", "max_clients"}, all->value, all->at, all->key);
        }
    }
    draft.find_fault(
        all->at, all->key, "is written for the users of auth_file; others have no such limit");
}

const IniEntry* ImportDraft::find(std::string_view name) const {
    const IniEntry* found = nullptr;
    for (const IniEntry& entry : ini.entries) {
        found = entry.section == "pgbouncer" && entry.key == name ? &entry : found;
    }
    return found;
}

std::string ImportDraft::value_of(std::string_view name, std::string_view fallback) const {
    const IniEntry* entry = find(name);
    return entry == nullptr ? std::string{fallback} : entry->value;
}

IniPlace ImportDraft::place_of(std::string_view name) const {
    const IniEntry* entry = find(name);
    return entry == nullptr ? IniPlace{} : entry->at;
}

std::string ImportDraft::seconds(const IniEntry& entry) {
    auto duration = seconds_text(entry.value);
    if (!duration.value) {
        complain(entry.at, entry.key, duration.problem);
        return {};
    }
    return *duration.value;
}

void ImportDraft::complain(const IniPlace& at, std::string_view key, const std::string& message) {
    result.problems.push_back(
        {at.file, at.line, at.line == 0 ? 0U : 1U, std::string{key}, message});
}

void ImportDraft::find_fault(const IniPlace& at, std::string_view key, const std::string& message) {
    result.findings.push_back(
        {at.file, at.line, at.line == 0 ? 0U : 1U, std::string{key}, message});
}

void ImportDraft::put(const TomlKey& key,
                      const std::string& text,
                      const IniPlace& at,
                      std::string_view name) {
    if (const std::string problem = toml.put(key, text); !problem.empty()) {
        find_fault(at, name, problem);
    }
}

std::string lower(std::string text) {
    std::transform(text.begin(), text.end(), text.begin(), [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    return text;
}

std::string tcp_address(const std::string& host, const std::string& port) {
    const bool is_ipv6 = host.find(':') != std::string::npos;
    return (is_ipv6 ? "[" + host + "]" : host) + ":" + port;
}

std::vector<std::string> split_list(const std::string& text) {
    std::vector<std::string> parts;
    std::string part;
    for (const char c : text + ",") {
        if (c != ',') {
            part += c == ' ' || c == '\t' ? "" : std::string(1, c);
        } else if (!part.empty()) {
            parts.push_back(std::exchange(part, {}));
        }
    }
    return parts;
}

Parsed<std::string> seconds_text(const std::string& text) {
    constexpr double kMillisecondsPerSecond = 1000;
    double seconds = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
    const auto most = static_cast<double>(kMaxDuration.count()) / kMillisecondsPerSecond;
    if (error != std::errc{} || end != text.data() + text.size() || !(seconds >= 0) ||
        seconds > most) {
        return Parsed<std::string>::bad("is no number of seconds");
    }
    const auto ms = std::llround(seconds * kMillisecondsPerSecond);
    return Parsed<std::string>::good(ms == 0 && seconds > 0 ? "1ms"
                                                            : format_duration(milliseconds{ms}));
}

}  // namespace weir::conf
