#include "conf/address.hpp"
#include "conf/database_url.hpp"
#include "conf/draft.hpp"
#include "conf/records.hpp"
#include "conf/value.hpp"

#include <algorithm>
#include <array>
#include <utility>

/// The one database that DATABASE_URL or DB_HOST, DB_PORT, DB_NAME, DB_USER and DB_PASSWORD
/// describe, and its replica of DB_READ_HOST and DB_READ_PORT.
namespace weir::conf {

namespace {

constexpr std::string_view kCluster = "environment";
constexpr std::string_view kDefaultHost = "localhost";

/// A DB_ variable that stands for a part of the URL.
struct Part {
    std::string_view variable;
    std::string DatabaseUrl::*field;
};

constexpr std::array kParts{Part{"DB_HOST", &DatabaseUrl::host},
                            Part{"DB_PORT", &DatabaseUrl::port},
                            Part{"DB_NAME", &DatabaseUrl::dbname},
                            Part{"DB_USER", &DatabaseUrl::user},
                            Part{"DB_PASSWORD", &DatabaseUrl::password}};

/// Each "" where nothing was said.
struct HostAndPort {
    std::string host;
    std::string port;
};

constexpr std::string_view kReadHost = "DB_READ_HOST";
constexpr std::string_view kReadPort = "DB_READ_PORT";

/// @return the variable's value unless the file itself asks for it with ${…}: then the file has
/// already placed it
const std::string* unplaced(const Draft& draft, std::string_view variable) {
    return draft.variables.count(std::string{variable}) == 0 ? draft.environment.find(variable)
                                                             : nullptr;
}

/// What programs write in DB_SSL, besides libpq's sslmodes.
std::optional<TlsMode> parse_db_ssl(std::string_view value) {
    struct Word {
        std::string_view text;
        TlsMode mode;
    };

    // Where a program says true it gets TLS or an error.
    constexpr std::array kWords{Word{"false", TlsMode::Disable},
                                Word{"0", TlsMode::Disable},
                                Word{"off", TlsMode::Disable},
                                Word{"no", TlsMode::Disable},
                                Word{"true", TlsMode::Require},
                                Word{"1", TlsMode::Require},
                                Word{"on", TlsMode::Require},
                                Word{"yes", TlsMode::Require},
                                Word{"no-verify", TlsMode::Require}};
    for (const Word& word : kWords) {
        if (word.text == value) {
            return word.mode;
        }
    }
    return parse_sslmode(value);
}

/// DB_SSL is about the database of the environment; without one, about all that do not say
/// otherwise.
void apply_db_ssl(Draft& draft, DatabaseUrl& url, const std::string& source) {
    const std::string* value = unplaced(draft, "DB_SSL");
    if (value == nullptr) {
        return;
    }
    const auto mode = parse_db_ssl(*value);
    if (!mode) {
        draft.complain_about_variable(
            "DB_SSL",
            toml_string(*value) +
                " is not accepted; accepted: true, false, or an sslmode (disable, allow, prefer, "
                "require, verify-ca, verify-full)");
    } else if (source.empty()) {
        if (draft.environment.find("WEIR_TLS_SERVER_MODE") != nullptr) {
            return;  // Weir's own name for it holds
        }
        draft.config.tls_server.mode = *mode;
        draft.places["tls.server.mode"] = Place{{}, "DB_SSL"};
    } else if (!url.tls.mode) {
        url.tls.mode = mode;
    } else if (url.tls.mode != mode) {
        draft.notes.push_back("DB_SSL has no effect: " + source + " says otherwise");
    }
}

/// What the DB_ variables add to the URL; where both say something, the URL holds.
void fill_from_parts(Draft& draft, DatabaseUrl& url, const std::string& source) {
    for (const Part& part : kParts) {
        const std::string* value = unplaced(draft, part.variable);
        std::string& field = url.*part.field;
        if (value == nullptr || *value == field) {
            continue;
        }
        if (field.empty()) {
            field = *value;
        } else {
            draft.notes.push_back(std::string{part.variable} + " has no effect: " + source +
                                  " says otherwise");
        }
    }
}

/// @return the address to connect to, or nothing after complaining
std::optional<Address> address_of(Draft& draft, HostAndPort at, const std::string& source) {
    const std::string port = at.port.empty() ? std::to_string(kPostgresPort) : std::move(at.port);
    const std::string host = at.host.empty() ? std::string{kDefaultHost} : std::move(at.host);
    std::string text = host + ":" + port;
    if (host.front() == '/') {
        text = "unix:" + text;
    } else if (host.find(':') != std::string::npos) {
        text = "[" + host + "]:" + port;
    }
    auto address = parse_address(text, kPostgresPort);
    if (!address.value) {
        draft.complain_about_variable(
            source, "its host and port, " + toml_string(text) + ", " + address.problem);
    }
    return address.value;
}

void note_lone_part(Draft& draft, std::string_view variable) {
    if (unplaced(draft, variable) != nullptr) {
        draft.notes.push_back(std::string{variable} +
                              " has no effect without DATABASE_URL, DB_HOST or DB_NAME");
    }
}

void note_lone_parts(Draft& draft) {
    for (const Part& part : kParts) {
        note_lone_part(draft, part.variable);
    }
    note_lone_part(draft, kReadHost);
    note_lone_part(draft, kReadPort);
}

/// Adds the server that DB_READ_HOST and DB_READ_PORT name to the database of the environment.
void add_replica(Draft& draft, const DatabaseUrl& url) {
    const std::string* host = unplaced(draft, kReadHost);
    const std::string* port = unplaced(draft, kReadPort);
    if (host == nullptr && port == nullptr) {
        return;
    }
    const std::string source{host != nullptr ? kReadHost : kReadPort};
    auto address = address_of(
        draft, {host != nullptr ? *host : url.host, port != nullptr ? *port : url.port}, source);
    if (!address) {
        return;
    }
    auto& members = draft.config.clusters.at(std::string{kCluster}).members;
    // Where there is one server, programs are often given it twice.
    const bool is_there =
        std::any_of(members.begin(), members.end(), [&](const MemberSettings& member) {
            return member.address == *address;
        });
    if (is_there) {
        draft.notes.push_back(source +
                              " names the server that is there already: there is no replica");
        return;
    }
    members.push_back({*std::move(address), 1, MemberRole::Replica});
    DatabaseSettings& database = draft.config.databases.at(url.dbname);
    database.read_write_split = true;
    draft.places[join_key("database", url.dbname) + ".read_write_split"] = Place{{}, source};
}

/// @return the servers to connect to; none after complaining
std::vector<MemberSettings> members_of(Draft& draft,
                                       const DatabaseUrl& url,
                                       const std::string& source) {
    std::vector<HostAndPort> places{{url.host, url.port}};
    for (const NextHost& next : url.next_hosts) {
        places.push_back({next.host, next.port});
    }
    std::vector<MemberSettings> members;
    for (HostAndPort& place : places) {
        auto address = address_of(draft, std::move(place), source);
        if (!address) {
            return {};
        }
        members.push_back({*std::move(address)});
    }
    if (const auto wrong = find_problem(members)) {
        draft.complain_about_variable(source, "its hosts: " + wrong->message);
        return {};
    }
    return members;
}

void add_cluster(Draft& draft,
                 const DatabaseUrl& url,
                 const std::string& source,
                 std::vector<MemberSettings> members) {
    ClusterSettings cluster =
        draft.with_defaults<ClusterSettings>(Section::Cluster, std::string{kCluster});
    cluster.members = std::move(members);
    if (url.connect_timeout) {
        cluster.connect_timeout = *url.connect_timeout;
    }
    cluster.tls = url.tls;
    draft.config.clusters.insert_or_assign(cluster.name, cluster);
    draft.places[join_key("cluster", kCluster)] = Place{{}, source};
}

void add_database(Draft& draft, const DatabaseUrl& url, const std::string& source) {
    auto [at, is_new] = draft.config.databases.try_emplace(url.dbname);
    DatabaseSettings& database = at->second;
    if (is_new) {
        database = draft.with_defaults<DatabaseSettings>(Section::Database, url.dbname);
    } else {
        draft.notes.push_back(source + " overrides where [" + join_key("database", url.dbname) +
                              "] of the file is and who logs in to it");
    }
    database.cluster = kCluster;
    database.dbname.clear();
    database.user = url.user;
    database.password = url.password;
    if (!url.application_name.empty()) {
        database.set["application_name"] = url.application_name;
    }
    draft.places[join_key("database", url.dbname)] = Place{{}, source};
}

/// Applications log in to Weir with what they would have given PostgreSQL.
void add_user(Draft& draft, const DatabaseUrl& url) {
    if (url.user.empty()) {
        return;
    }
    auto [at, is_new] = draft.config.users.try_emplace(url.user);
    if (is_new) {
        at->second = draft.with_defaults<UserSettings>(Section::User, url.user);
    }
    if (!url.password.empty()) {
        at->second.secret = url.password;
    }
}

/// DB_CONNECT_TIMEOUT overrides every cluster of the file. A bare number is milliseconds.
void apply_connect_timeout(Draft& draft) {
    const std::string* value = unplaced(draft, "DB_CONNECT_TIMEOUT");
    if (value == nullptr) {
        return;
    }
    const auto timeout = parse_duration(parse_digits(*value) ? *value + "ms" : *value);
    if (!timeout.value) {
        draft.complain_about_variable("DB_CONNECT_TIMEOUT",
                                      toml_string(*value) + " " + timeout.problem);
        return;
    }
    for (auto& [name, cluster] : draft.config.clusters) {
        cluster.connect_timeout = *timeout.value;
    }
}

/// @return the variable that says there is a database, or "": a user, port or password alone says
/// nothing
std::string find_source(const Draft& draft) {
    for (const std::string_view variable : {"DATABASE_URL", "DB_HOST", "DB_NAME"}) {
        if (unplaced(draft, variable) != nullptr) {
            return std::string{variable};
        }
    }
    return {};
}

}  // namespace

void apply_connection(Draft& draft) {
    const std::string source = find_source(draft);
    DatabaseUrl url;
    if (source == "DATABASE_URL") {
        auto parsed = parse_database_url(*draft.environment.find(source));
        if (!parsed.value) {
            draft.complain_about_variable(source, parsed.problem);
            draft.connection_variable = source;
            return;
        }
        url = *std::move(parsed.value);
    }
    apply_db_ssl(draft, url, source);
    if (!source.empty()) {
        fill_from_parts(draft, url, source);
        if (url.dbname.empty()) {
            url.dbname = url.user;
        }
        draft.connection_variable = source;
        std::vector<MemberSettings> members = members_of(draft, url, source);
        if (url.dbname.empty()) {
            draft.complain_about_variable(
                source, "names no database; accepted: one in the URL, or DB_NAME");
        } else if (!members.empty()) {
            add_cluster(draft, url, source, std::move(members));
            add_database(draft, url, source);
            add_user(draft, url);
            add_replica(draft, url);
        }
        for (const std::string& name : url.ignored) {
            draft.notes.push_back("the parameter " + name + " of DATABASE_URL has no effect");
        }
    }
    if (source.empty()) {
        note_lone_parts(draft);
    }
    apply_connect_timeout(draft);
    if (url.connect_timeout && draft.config.clusters.count(std::string{kCluster}) != 0) {
        draft.config.clusters.at(std::string{kCluster}).connect_timeout = *url.connect_timeout;
    }
}

}  // namespace weir::conf
