#include "proxy/reachability.hpp"

#include "net/socket.hpp"

#include <set>
#include <utility>

namespace weir::proxy {

namespace {

constexpr std::chrono::seconds kCheckEvery{5};
constexpr std::chrono::seconds kCheckWithin{2};

}  // namespace

void Reachability::update(const conf::Config& config, const status::Snapshot& snapshot) {
    std::set<std::string> connected;
    for (const status::Pool& pool : snapshot.pools) {
        const conf::DatabaseSettings* database = config.find_database(pool.database);
        if (database != nullptr && pool.backends_active + pool.backends_idle > 0) {
            connected.insert(config.cluster_of(*database).name);
        }
    }
    std::erase_if(checks_, [&](const auto& entry) {
        const auto found = config.clusters.find(entry.first);
        return found == config.clusters.end() || found->second.members.size() > 1;
    });
    for (const auto& [name, cluster] : config.clusters) {
        if (cluster.members.size() > 1) {
            continue;
        }
        Check& check = checks_[name];
        if (connected.contains(name)) {
            check.problem.clear();
        } else if (check.connector == nullptr && loop_.now() >= check.next_at) {
            begin(name, check, cluster.members.front().address);
        }
    }
}

void Reachability::begin(const std::string& name, Check& check, const Endpoint& endpoint) {
    check.next_at = loop_.now() + kCheckEvery;
    auto done = [this, name, where = endpoint.text()](Result<net::Fd> result) {
        Check& mine = checks_[name];
        loop_.defer_delete(std::move(mine.connector));
        mine.problem.clear();
        if (!result) {
            const int detail = result.error().detail();
            mine.problem = std::string{result.error().what()} + " (" + where;
            if (detail != 0) {
                mine.problem += ": " + net::error_text(detail);
            }
            mine.problem += ")";
        }
    };
    check.connector = std::make_unique<net::Connector>(
        loop_, endpoint, loop_.now() + kCheckWithin, std::move(done));
}

std::string Reachability::problem_of(const std::string& cluster) const {
    const auto found = checks_.find(cluster);
    return found == checks_.end() ? std::string{} : found->second.problem;
}

}  // namespace weir::proxy
