#include "proxy/partition_healing.hpp"

#include <algorithm>

namespace weir::proxy {

namespace {

const std::string& dbname_of(const conf::DatabaseSettings& database, const std::string& asked) {
    return database.dbname.empty() ? asked : database.dbname;
}

}  // namespace

bool heals_partitions(const conf::Config& config, std::string_view database) {
    if (!config.maintenance.enabled ||
        std::none_of(config.partitions.begin(),
                     config.partitions.end(),
                     [](const conf::PartitionSettings& one) { return one.heal; })) {
        return false;
    }
    const conf::DatabaseSettings* theirs = config.find_database(database);
    const conf::DatabaseSettings* ours = config.find_database(config.maintenance.database);
    return theirs != nullptr && ours != nullptr && theirs->cluster == ours->cluster &&
           dbname_of(*theirs, std::string{database}) ==
               dbname_of(*ours, config.maintenance.database);
}

}  // namespace weir::proxy
