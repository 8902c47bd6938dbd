#include "maintenance/doctor_members.hpp"

#include "base/clock.hpp"
#include "maintenance/connect_options.hpp"

#include <libpq-fe.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <string>
#include <utility>

namespace weir::maintenance {

namespace {

using State = DoctorCheck::State;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr int kOldestKnown = 120'000;
constexpr const char* kArea = "member";

/// libpq's arrays of names and values.
struct Keywords {
    std::vector<const char*> names;
    std::vector<const char*> values;

    explicit Keywords(const ConnectOptions& options) {
        for (const auto& [name, value] : options) {
            names.push_back(name.c_str());
            values.push_back(value.c_str());
        }
        names.push_back(nullptr);
        values.push_back(nullptr);
    }
};

std::string host_of(const conf::Address& address) {
    const bool is_tcp = address.kind == conf::Address::Kind::Tcp;
    return is_tcp ? address.host : address.path.substr(0, address.path.rfind('/'));
}

/// The user of maintenance need not be known to any cluster but the one that is maintained.
bool is_maintained(const conf::Config& config, const std::string& cluster) {
    const conf::DatabaseSettings* database = config.find_database(config.maintenance.database);
    return config.clusters.size() == 1 ||
           (database != nullptr && config.cluster_of(*database).name == cluster);
}

/// @return how to log in to that cluster; empty where nobody is known who could
ConnectOptions login_of(conf::Config config, const std::string& cluster) {
    if (!is_maintained(config, cluster)) {
        config.maintenance.user.clear();
    }
    for (const auto& [name, database] : config.databases) {
        if (name == "*" || config.cluster_of(database).name != cluster) {
            continue;
        }
        if (Answer<ConnectOptions> options = connect_options(config, name); options) {
            return std::move(*options);
        }
    }
    return {};
}

ConnectOptions options_of(const ConnectOptions& login,
                          const conf::ClusterSettings& cluster,
                          const conf::Address& address) {
    ConnectOptions options{{"host", host_of(address)}, {"port", std::to_string(address.port)}};
    for (const auto& option : login) {
        const std::string& name = option.first;
        if (name != "host" && name != "port" && name != "target_session_attrs") {
            options.push_back(option);
        }
    }
    if (login.empty()) {
        const auto timeout = std::chrono::ceil<seconds>(cluster.connect_timeout);
        options.emplace_back("connect_timeout", std::to_string(std::max<long>(timeout.count(), 2)));
        options.emplace_back("dbname", "postgres");
    }
    return options;
}

std::string after(TimePoint began) {
    const auto took = std::chrono::duration_cast<milliseconds>(Clock::now() - began);
    return " after " + std::to_string(took.count()) + " ms";
}

DoctorCheck knock(const ConnectOptions& options, std::string subject) {
    const Keywords keywords{options};
    const TimePoint began = Clock::now();
    const PGPing answer = PQpingParams(keywords.names.data(), keywords.values.data(), 0);
    DoctorCheck check{State::Fine, kArea, std::move(subject), {}};
    check.text = "answers" + after(began) + "; nobody is configured to log in as";
    if (answer == PQPING_REJECT) {
        check.state = State::Finding;
        check.text = "takes no connections now: it starts, stops or recovers";
    } else if (answer != PQPING_OK) {
        check.state = State::Critical;
        check.text = "does not answer" + after(began);
    }
    return check;
}

std::string in_one_line(std::string text) {
    std::replace(text.begin(), text.end(), '\n', ' ');
    while (!text.empty() && text.back() == ' ') {
        text.pop_back();
    }
    return text;
}

bool is_standby(PGconn* connection) {
    const std::unique_ptr<PGresult, decltype(&PQclear)> result{
        PQexec(connection, "SELECT pg_catalog.pg_is_in_recovery()"), &PQclear};
    return PQntuples(result.get()) == 1 && std::string_view{PQgetvalue(result.get(), 0, 0)} == "t";
}

DoctorCheck log_in(const ConnectOptions& options,
                   const conf::MemberSettings& member,
                   std::string subject) {
    const Keywords keywords{options};
    const TimePoint began = Clock::now();
    const std::unique_ptr<PGconn, decltype(&PQfinish)> connection{
        PQconnectdbParams(keywords.names.data(), keywords.values.data(), 0), &PQfinish};
    DoctorCheck check{State::Fine, kArea, std::move(subject), {}};
    if (PQstatus(connection.get()) != CONNECTION_OK) {
        check.state = State::Critical;
        check.text = in_one_line(PQerrorMessage(connection.get()));
        return check;
    }
    const bool is_replica = is_standby(connection.get());
    const char* const version = PQparameterStatus(connection.get(), "server_version");
    check.text = std::string{is_replica ? "a standby" : "a primary"} + ", PostgreSQL " +
                 (version == nullptr ? "?" : version) + ", logged in" + after(began);
    const bool is_expected = member.role == conf::MemberRole::Auto ||
                             (member.role == conf::MemberRole::Replica) == is_replica;
    if (!is_expected) {
        check.state = State::Finding;
        check.text += "; it is configured as a " + std::string{conf::name_of(member.role)};
        check.fix = "role = \"auto\" follows what it is";
    } else if (PQserverVersion(connection.get()) < kOldestKnown) {
        check.state = State::Finding;
        check.text += "; older than 12, which is the oldest that Weir knows";
    }
    return check;
}

}  // namespace

DoctorChecks check_members(const conf::Config& config) {
    DoctorChecks checks;
    for (const auto& [name, cluster] : config.clusters) {
        const ConnectOptions login = login_of(config, name);
        for (const conf::MemberSettings& member : cluster.members) {
            const conf::Address& address = member.address;
            std::string subject =
                name + " " + host_of(address) + ":" + std::to_string(address.port);
            const ConnectOptions options = options_of(login, cluster, address);
            checks.push_back(login.empty() ? knock(options, std::move(subject))
                                           : log_in(options, member, std::move(subject)));
        }
    }
    return checks;
}

}  // namespace weir::maintenance
